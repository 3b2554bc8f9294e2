//! The interface in a terminal: it opens, shows, switches, quits, and gives the terminal back.

use std::path::Path;

use crate::console::{Console, Kind, contains};
use crate::here;
use crate::inline::FOOT;

fn opened(kind: Kind) -> Console {
    let console = Console::open(kind, &["assets/demo/images"], &here(""));
    console.wait_for("class butterfly");
    console
}

/// The label beside a rank in the top 5; "?" where none is drawn yet.
fn class_of_rank(screen: &str, rank: usize) -> String {
    let after = |line: &str| {
        let rest = line.split(&format!(" {rank} ")).nth(1)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let line = screen.lines().nth(rank);
    line.and_then(after).unwrap_or_else(|| "?".to_owned())
}

#[test]
fn it_opens_shows_a_prediction_switches_the_class_and_quits() {
    let console = opened(Kind::Plain);
    // A frame may be seen half-drawn, so all of it is waited for.
    let parts = [
        "1/16",
        "-house.png",
        "▶ 1 butterfly",
        "recipe shorter side 112",
        "method Grad-CAM",
        "forward",
    ];
    let screen = console.wait("the first picture", |screen| {
        let device = screen.contains("no NVIDIA driver") || screen.contains("cuda");
        device && parts.iter().all(|part| screen.contains(part))
    });
    assert!(console.is_raw());
    let third = class_of_rank(&screen, 3);
    console.press("3");
    console.wait("the third class", |screen| {
        screen.contains(&format!("class {third}")) && screen.contains(&format!("▶ 3 {third}"))
    });
    // Another image starts with its top prediction.
    console.press("jj");
    console.wait("the third image", |screen| {
        screen.contains("3/16")
            && screen.contains(&format!("class {}", class_of_rank(screen, 1)))
            && !screen.contains("still")
    });
    console.press("2");
    console.wait("its second class", |screen| {
        screen.contains(&format!("class {}", class_of_rank(screen, 2)))
    });
    console.press("?");
    console.wait_for("explain the third");
    console.press("q");
    let (status, _) = console.ended();
    assert!(status.success());
}

#[test]
fn classes_layers_and_methods_are_chosen_on_pages_and_two_classes_compared() {
    let console = opened(Kind::Plain);
    // The bundled images have their ground truth beside them.
    console.wait_for("truth butterfly");
    console.press("cumbr\r");
    console.wait_for("class umbrella");
    console.press("T");
    console.wait_for("class butterfly");
    console.press("cumbr\r");
    console.wait_for("class umbrella");
    console.press("=");
    console.wait("both classes", |screen| {
        screen.contains("umbrella")
            && screen.contains("butterfly")
            && screen.contains("shared, 0 to")
    });
    console.press("L");
    console.wait_for("default: the last layer with a map before the head");
    console.press("layer2.1.conv2\r");
    console.wait_for("layer layer2.1.conv2");
    console.press("Mp\r");
    console.wait_for("of the softmax probability");
    console.press("q");
    assert!(console.ended().0.success());
}

#[test]
fn a_sixel_terminal_gets_sixel_pictures_that_fit() {
    let console = opened(Kind::Cells(FOOT));
    let bytes = console.wait_bytes("a Sixel picture", |bytes| {
        let start = bytes.windows(2).position(|two| two == b"\x1bP");
        start.is_some_and(|start| contains(&bytes[start..], b"\x1b\\"))
    });
    let text = String::from_utf8_lossy(&bytes);
    // DECGRA, "1;1;width;height: the picture's size in pixels (DEC STD 070, chapter 9).
    let raster = text.split("\"1;1;").nth(1).unwrap();
    let size: Vec<u32> = raster
        .split(|c: char| !c.is_ascii_digit())
        .take(2)
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(
        size[0] > 200 && size[0] <= 900 && size[1] > 200 && size[1] <= 540,
        "{size:?}"
    );
    console.press("q");
    assert!(console.ended().0.success());
}

#[test]
fn a_terminal_that_never_answers_is_not_waited_for_long() {
    let console = opened(Kind::Silent);
    console.press("q");
    assert!(console.ended().0.success());
}

#[test]
fn signals_end_it_with_the_terminal_given_back() {
    for signal in ["TERM", "HUP"] {
        let console = opened(Kind::Plain);
        console.signal(signal);
        let (status, bytes) = console.ended();
        assert!(!status.success(), "{signal}");
        assert!(bytes.contains("\x1b[?1049l"), "{signal}");
    }
}

#[test]
fn another_size_is_drawn_and_one_too_small_is_said() {
    let console = opened(Kind::Cells(FOOT));
    console.resize(60, 16);
    console.wait("the small layout", |screen| {
        screen.contains("q quit") && screen.contains("butterfly 9")
    });
    console.resize(40, 10);
    console.wait_for("gradcam needs at least");
    console.resize(100, 30);
    console.wait_for("class butterfly");
    console.press("q");
    assert!(console.ended().0.success());
}

#[test]
fn an_unreadable_image_says_why_and_the_next_key_works() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1.png"), b"this is no image").unwrap();
    let good = here("assets/demo/images/04-house.png");
    std::fs::copy(good, folder.path().join("2 \x1b[31mred.png")).unwrap();
    let console = Console::open(Kind::Plain, &["."], folder.path());
    let screen = console.wait_for("1.png");
    assert!(!screen.contains("class house"));
    console.wait("the reason", |screen| screen.matches("1.png").count() >= 2);
    console.press("j");
    console.wait_for("class house");
    // The name's escape sequence is shown, not obeyed.
    console.wait_for("31mred.png");
    let bytes = console.wait_bytes("some bytes", |bytes| !bytes.is_empty());
    assert!(!contains(&bytes, b"\x1b[31mred"));
    console.press("q");
    assert!(console.ended().0.success());
}

#[test]
fn keys_save_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let images = here("assets/demo/images");
    let console = Console::open(Kind::Plain, &[images.to_str().unwrap()], folder.path());
    console.wait_for("class butterfly");
    console.press("s");
    console.wait_for("saved");
    console.press("q");
    assert!(console.ended().0.success());
    let saved = folder.path().join("01-butterfly.butterfly.overlay.png");
    assert_eq!(
        image::open(saved).unwrap().to_rgb8().dimensions(),
        (448, 448)
    );
}

#[test]
fn the_log_says_how_pictures_are_drawn_and_what_the_model_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.txt");
    let arguments = ["assets/demo/images", "--log", log.to_str().unwrap()];
    let console = Console::open(Kind::Plain, &arguments, &here(""));
    console.wait_for("class butterfly");
    console.press("q");
    assert!(console.ended().0.success());
    let text = std::fs::read_to_string(log).unwrap();
    assert!(
        text.contains("protocol: HalfBlocks") && text.contains("bundled demo model"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_opened_is_a_sentence_and_no_interface() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (argument, words) in [
        ("no-such-folder", "no-such-folder"),
        ("empty", "there are no images in empty"),
        ("*.jpeg", "no file matches *.jpeg"),
    ] {
        let console = Console::open(Kind::Plain, &[argument], folder.path());
        let (status, text) = console.ended();
        assert_eq!(status.exit_code(), 1, "{argument}");
        assert!(
            text.starts_with("gradcam: ") && text.contains(words),
            "{text}"
        );
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    }
}

#[test]
fn a_model_that_cannot_be_loaded_is_said_in_the_interface() {
    let labels = Path::new("assets/demo/truth.csv");
    let arguments = ["assets/demo/images", "--model", labels.to_str().unwrap()];
    let console = Console::open(Kind::Plain, &arguments, &here(""));
    console.wait_for("The model cannot be used.");
    console.press("q");
    assert!(console.ended().0.success());
}
