//! A review in a terminal: what is said of images is there the next time, whatever happens.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::console::{Console, Kind, Line};
use crate::here;

/// The demo images with a truth of which one is wrong: the fish of the fifth is said to be a car.
struct Review {
    home: tempfile::TempDir,
}

impl Review {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let images = home.path().join("images");
        std::fs::create_dir(&images).unwrap();
        for entry in std::fs::read_dir(here("assets/demo/images")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, images.join(path.file_name().unwrap())).unwrap();
        }
        let truth = std::fs::read_to_string(here("assets/demo/truth.csv")).unwrap();
        let truth = truth.replace("05-fish.png,fish", "05-fish.png,car");
        std::fs::write(home.path().join("truth.csv"), truth).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn open(&self, arguments: &[&str]) -> Console {
        self.open_with(arguments, &[])
    }

    fn open_with(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Console {
        let state = self.path("state");
        let mut all = vec![
            ("XDG_STATE_HOME", state.as_path()),
            ("USER", Path::new("anna")),
        ];
        all.extend(environment);
        let arguments = [&["images"], arguments].concat();
        let size = (120, 36);
        let console = Console::open_in(
            Kind::Plain,
            size,
            Line::default(),
            &arguments,
            self.home.path(),
            &all,
        );
        console.wait("the first picture", |screen| {
            screen.contains("Grad-CAM") && !screen.contains("working")
        });
        console
    }
}

/// The line of an image in the list.
fn line_of<'a>(screen: &'a str, image: &str) -> &'a str {
    screen
        .lines()
        .find(|line| line.contains(image))
        .unwrap_or_default()
}

fn quit(console: Console) {
    console.press("q");
    let (status, _) = console.ended();
    assert!(status.success());
}

#[test]
fn a_review_is_scored_sorted_judged_left_and_gone_on_with() {
    let review = Review::new();
    let console = review.open(&[]);
    console.wait("all scores", |screen| {
        let scored = |line: &&str| line.contains('\u{2713}') || line.contains('\u{2717}');
        screen.lines().filter(scored).count() == 16
    });
    // The worst first, and only what is wrong.
    console.press("fwrong\r");
    console.wait("the mistake alone", |screen| {
        screen.contains("1/1") && line_of(screen, "05-fish").contains('\u{2717}')
    });
    console.wait("both classes", |screen| {
        screen.contains("top fish") && screen.contains("bottom car")
    });
    console.press("e");
    console.wait_for("label error (anna)");
    console.press("nno car anywhere\r");
    console.wait("the note", |screen| {
        screen.contains("no car") && screen.contains("anywhere")
    });
    console.press("\x1b");
    console.wait_for("/16");
    console.press("gw");
    console.wait("a verdict", |screen| {
        line_of(screen, "butterfly").starts_with("  w ")
    });
    quit(console);

    let console = review.open(&[]);
    console.wait("the offer", |screen| {
        screen.contains("R goes on where you were: 02-sailboat")
    });
    console.wait("what was said", |screen| {
        line_of(screen, "05-fish").contains("e 05") && line_of(screen, "butterfly").contains('w')
    });
    console.press("R");
    console.wait_for("2/16");
    console.press("U");
    console.wait("undone", |screen| {
        screen.contains("undone: 1 image, verdict wrong")
            && !line_of(screen, "butterfly").contains('w')
    });
    quit(console);
    assert_eq!(
        std::fs::read_dir(review.path("images")).unwrap().count(),
        16,
        "nothing is written there"
    );
}

#[test]
fn a_verdict_survives_the_end_of_the_program_by_force() {
    let review = Review::new();
    for (round, key) in ["a", "b", "w"].into_iter().enumerate() {
        let console = review.open(&["--no-scoring"]);
        console.press(&"j".repeat(round));
        console.press(key);
        // The next image is selected when the verdict is on disk.
        console.wait_for(&format!("{}/16", round + 2));
        console.signal("KILL");
        console.wait_gone();
    }
    let console = review.open(&["--no-scoring"]);
    console.wait("all verdicts", |screen| {
        let first = |line: usize| screen.lines().nth(line).unwrap_or_default().chars().nth(2);
        (first(1), first(2), first(3)) == (Some('a'), Some('b'), Some('w'))
    });
    quit(console);
}

#[test]
fn two_terminals_see_each_others_verdicts_and_overwrite_none_unseen() {
    let review = Review::new();
    let ben = Path::new("ben");
    let first = review.open(&["--no-scoring"]);
    let second = review.open_with(&["--no-scoring"], &[("USER", ben)]);
    // At the same moment, before one has seen what the other says. Who comes second is told.
    first.press("w");
    second.press("a");
    let is_told = |screen: &str| screen.contains("has meanwhile said");
    let said = |screen: &str, key: &str| line_of(screen, "butterfly").contains(key);
    let screen = second.wait("his verdict or a word on hers", |screen| {
        is_told(screen) || said(screen, "a ")
    });
    let (told, key, other) = if is_told(&screen) {
        (&second, "a", &first)
    } else {
        (&first, "w", &second)
    };
    told.wait("a word on it", is_told);
    // The next image was not selected, so that the key means the same one.
    told.press(key);
    let key = format!("{key} ");
    told.wait("the verdict", |screen| said(screen, &key));
    other.wait("what the other one said", |screen| {
        screen.contains("reviewed by") && said(screen, &key)
    });
    quit(first);
    quit(second);
}

#[test]
fn where_nothing_can_be_kept_it_is_said_and_the_review_goes_on() {
    let review = Review::new();
    let state = review.path("state");
    std::fs::write(&state, "a file, no folder").unwrap();
    let console = review.open(&["--no-scoring"]);
    console.wait("a warning", |screen| {
        screen.contains("verdicts are not kept")
    });
    console.press("w");
    console.wait("a verdict", |screen| {
        line_of(screen, "butterfly").contains("w ")
    });
    quit(console);
    assert_eq!(std::fs::read(&state).unwrap(), b"a file, no folder");
}

#[test]
fn a_note_is_written_in_the_users_editor() {
    let review = Review::new();
    let editor = review.path("editor");
    // It asks on the terminal, as an editor does, and takes two lines.
    let script = "#!/bin/sh\nprintf 'say: '\nread one\nprintf '%s\\nsecond' \"$one\" > \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let console = review.open_with(&["--no-scoring"], &[("EDITOR", &editor)]);
    console.press("N");
    console.wait_raw(false);
    console.wait_for("say:");
    console.press("blurred\n");
    console.wait("the note", |screen| {
        screen.contains("blurred") && screen.contains("second\u{201d}")
    });
    console.wait_raw(true);
    // Keys are the interface's again.
    console.press("j");
    console.wait_for("2/16");
    quit(console);
}

#[test]
fn an_image_that_vanishes_while_it_is_scored_costs_nothing_else() {
    let review = Review::new();
    let console = review.open(&["--no-scoring"]);
    std::fs::remove_file(review.path("images/16-mushroom-house.png")).unwrap();
    std::fs::write(review.path("images/15-fish-apple.png"), b"no image").unwrap();
    quit(console);
    std::fs::write(
        review.path("images/16-mushroom-house.png"),
        b"\x89PNG\r\n\x1a\nbroken",
    )
    .unwrap();
    let console = review.open(&[]);
    console.wait("all that can be scored", |screen| {
        let scored = |line: &&str| line.contains('\u{2713}') || line.contains('\u{2717}');
        screen.lines().filter(scored).count() == 14 && screen.matches("! unreadable").count() == 2
    });
    console.press("funreadable\r");
    console.wait_for("1/2");
    std::thread::sleep(Duration::from_millis(50));
    quit(console);
}

/// Name, size, time and rights of each file.
fn snapshot(folder: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime, u32)> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let found = path.metadata().unwrap();
        let mode = found.permissions().mode();
        (path, found.len(), found.modified().unwrap(), mode)
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_may_only_be_read_is_reviewed_and_not_touched() {
    let review = Review::new();
    let images = review.path("images");
    for entry in std::fs::read_dir(&images).unwrap() {
        set_mode(&entry.unwrap().path(), 0o444);
    }
    set_mode(&images, 0o555);
    if std::fs::write(images.join("probe"), "").is_ok() {
        // Whoever runs this may write everywhere; what is left to see is that nothing is written.
        println!("the rights of the folder do not bind this account");
        std::fs::remove_file(images.join("probe")).unwrap();
    }
    let touched = || std::fs::metadata(&images).unwrap().modified().unwrap();
    let before = (snapshot(&images), touched());
    let console = review.open(&[]);
    console.press("w");
    console.wait("a verdict", |screen| {
        line_of(screen, "butterfly").contains("w ") && screen.contains("2/16")
    });
    quit(console);
    let console = review.open(&[]);
    console.wait("the verdict", |screen| {
        line_of(screen, "butterfly").contains("w ")
    });
    console.press("R");
    console.wait_for("2/16");
    quit(console);
    assert_eq!((snapshot(&images), touched()), before);
    set_mode(&images, 0o755);
}

#[test]
fn the_queue_is_written_as_a_page_and_as_pictures_while_keys_go_on() {
    let review = Review::new();
    let console = review.open(&["--out", "out"]);
    std::fs::create_dir(review.path("out")).unwrap();
    console.wait("all scores", |screen| {
        let scored = |line: &&str| line.contains('\u{2713}') || line.contains('\u{2717}');
        screen.lines().filter(scored).count() == 16
    });
    console.press("fright\r");
    console.wait_for("1/15");
    console.press("E\x15right.html\r");
    console.press("j");
    console.wait_for("2/15");
    console.wait_for("15 images written to out/right.html");
    let page = std::fs::read_to_string(review.path("out/right.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 15);
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 30);
    assert!(
        page.contains("those of 16 images that fit: right"),
        "the queue is named"
    );
    // Of the mistake, both classes, with the method that is in force.
    console.press("\x1b");
    console.wait_for("/16");
    console.press("fwrong\r");
    console.wait_for("1/1");
    console.press("E\x15mistakes/\r");
    console.wait_for("2 overlays of 1 image written to out/mistakes/");
    let names = std::fs::read_dir(review.path("out/mistakes")).unwrap();
    let mut names: Vec<String> = names
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["05-fish.car.overlay.png", "05-fish.fish.overlay.png"]
    );
    quit(console);
}
