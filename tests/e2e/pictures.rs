//! Pictures on terminals that keep them: what is on the screen, what is sent, and what is left.

use std::time::Duration;

use crate::console::{Console, Kind, Line, contains};
use crate::here;
use crate::inline::{FOOT, ITERM2, KONSOLE, Place, XTERM_JS};
use crate::kitty::{LIAR, PROFILES, Profile, SILENT, Terminal};

const SIZE: (u16, u16) = (120, 36);
/// Nothing comes for so long: all has been sent that will be.
const QUIET: Duration = Duration::from_millis(1200);

fn profile(name: &str) -> Profile {
    *PROFILES
        .iter()
        .find(|profile| profile.name == name)
        .unwrap()
}

fn opened(profile: Profile, graphics: &str) -> Console {
    opened_on(Kind::Kitty(profile), graphics, Line::default())
}

fn opened_on(kind: Kind, graphics: &str, line: Line) -> Console {
    let console = begun(kind, graphics, line);
    console.wait_for("class butterfly");
    console
}

fn begun(kind: Kind, graphics: &str, line: Line) -> Console {
    let arguments = ["assets/demo/images", "--no-scoring", "--graphics", graphics];
    Console::open_on(kind, SIZE, line, &arguments, &here(""))
}

/// Whether a photo and a heatmap above it are on the screen, and nothing else.
fn is_stacked(terminal: &Terminal) -> bool {
    let seen = terminal.visible();
    let cover = |index: usize| {
        let placement = &seen[index].1;
        (placement.columns, placement.rows)
    };
    seen.len() == 2 && cover(0) == cover(1)
}

fn quit(console: Console) {
    console.press("q");
    let (status, _, left_behind) = console.ended_with();
    assert!(status.success());
    assert_eq!(left_behind, [] as [u32; 0]);
}

/// Keys and sizes that bring much onto the screen and take it away again.
fn anything(console: &Console) {
    for keys in [
        "2", "jj3", "?", "??", "c", "\x1b", "+m", "\x0c", "v", "vvv", "jjjjjj", "=", "=", "z", "[",
        "kk4",
    ] {
        console.press(keys);
        console.wait_quiet(Duration::from_millis(30));
    }
    for columns in [90, 70, 120, 100] {
        console.resize(columns, 30);
    }
    console.press(">l");
    console.wait_quiet(QUIET);
}

#[test]
fn photo_and_heatmap_are_on_the_screen_after_any_keys_and_sizes() {
    for (name, graphics) in [
        ("kitty 0.41", "layered"),
        ("kitty 0.26", "layered"),
        ("Ghostty", "layered"),
        ("Konsole", "layered"),
        ("WezTerm", "layered"),
        ("one that answers everything", "layered"),
        ("kitty 0.41 in tmux", "placeholder"),
    ] {
        let console = opened(profile(name), graphics);
        console.wait_pictures("the first picture", is_stacked);
        anything(&console);
        console.wait_pictures(name, is_stacked);
        let wrong = console.pictures(|terminal| {
            let mut errors = terminal.errors.iter();
            errors.find(|error| !error.starts_with("ENOENT")).cloned()
        });
        assert_eq!(wrong, None, "{name}");
        quit(console);
    }
}

#[test]
fn one_whole_picture_is_in_the_cells_after_any_keys_and_sizes() {
    // What `anything` ends with: a square picture in the middle of 28 rows of 100 columns.
    let expected = Place {
        row: 1,
        column: 23,
        columns: 56,
        rows: 28,
    };
    for cells in [ITERM2, KONSOLE, FOOT, XTERM_JS] {
        let name = cells.name;
        let console = opened_on(Kind::Cells(cells), "auto", Line::default());
        console.wait_in_cells("the first picture", Result::is_ok);
        anything(&console);
        console.wait_in_cells(name, |seen| *seen == Ok(expected));
        console.press("?");
        console.wait_for("explain the third");
        console.wait_quiet(Duration::from_millis(200));
        assert_eq!(console.in_cells().unwrap_err(), "0 pictures", "{name}");
        console.press("\x1b");
        console.wait_in_cells(name, |seen| *seen == Ok(expected));
        quit(console);
    }
}

#[test]
fn answers_that_come_late_in_parts_and_between_keys_press_nothing() {
    let split = Line {
        portions: &[1],
        typed: "jjjj",
        ..Line::default()
    };
    let late = Line {
        round_trip: Duration::from_millis(300),
        portions: &[2, 1, 5, 3, 1, 1, 7, 30],
        ..split
    };
    for (name, line) in [("kitty 0.41", split), ("one that answers everything", late)] {
        let console = begun(Kind::Kitty(profile(name)), "layered", line);
        console.wait("all keys", |screen| {
            screen.contains("5/16") && screen.contains("class fish")
        });
        console.wait_pictures("the picture", is_stacked);
        console.press("2");
        console.wait_quiet(QUIET);
        console.wait_pictures(name, is_stacked);
        let screen = console.wait("the second class", |screen| screen.contains("\u{25b6} 2 "));
        for words in [
            "5/16",
            "layer layer3",
            "method Grad-CAM",
            "view overlay, jet at 50%",
        ] {
            assert!(screen.contains(words), "{name}: {screen}");
        }
        quit(console);
    }
}

#[test]
fn a_whole_picture_is_shown_through_tmux_where_layers_cannot_be() {
    let console = opened(profile("kitty 0.41 in tmux"), "placeholder-whole");
    let alone = |terminal: &Terminal| terminal.visible().len() == 1;
    console.wait_pictures("the picture", alone);
    console.press("2");
    console.wait_for("class fish");
    console.wait_quiet(QUIET);
    assert!(console.pictures(alone));
    quit(console);
}

#[test]
fn help_hides_the_picture_and_so_does_a_page() {
    let console = opened(profile("kitty 0.41"), "layered");
    for (key, words) in [("?", "explain the third"), ("c", "umbrella")] {
        console.wait_pictures("the picture", is_stacked);
        console.press(key);
        console.wait_for(words);
        console.wait_pictures("nothing", |terminal| terminal.visible().is_empty());
        console.press("\x1b");
    }
    console.wait_pictures("the picture again", is_stacked);
    quit(console);
}

#[test]
fn pictures_that_the_terminal_lets_go_of_are_sent_again() {
    let console = opened(profile("one that keeps little"), "layered");
    console.wait_pictures("the first picture", is_stacked);
    for rank in ["2", "3", "4", "5", "1"] {
        console.press(rank);
        console.wait_quiet(Duration::from_millis(600));
        assert!(console.pictures(is_stacked), "{rank}");
    }
    quit(console);
}

#[test]
fn every_ending_deletes_the_pictures_also_in_the_middle_of_one() {
    for (name, graphics) in [
        ("kitty 0.41", "layered"),
        ("kitty 0.41 in tmux", "placeholder"),
    ] {
        for ending in ["TERM", "HUP", "INT", "q"] {
            // Twenty kilobytes a second: a photo takes a while.
            let line = Line::slow(Duration::from_millis(50));
            let console = opened_on(Kind::Kitty(profile(name)), graphics, line);
            console.wait_pictures("the first picture", is_stacked);
            console.press("j");
            let uploads = console.pictures(|terminal| terminal.uploads);
            console.wait_pictures("another upload", |terminal| terminal.uploads > uploads);
            if ending == "q" {
                console.press("q");
            } else {
                console.signal(ending);
            }
            let (status, bytes, left_behind) = console.ended_with();
            assert_eq!(status.success(), ending == "q", "{name} {ending}");
            assert_eq!(left_behind, [] as [u32; 0], "{name} {ending}");
            let mut lines: Vec<&str> = bytes.split_inclusive("\x1b\\").collect();
            let end = lines.pop().unwrap();
            assert!(
                end.ends_with("\x1b[?1049l\x1b[?25h"),
                "{name} {ending}: {end:?}"
            );
        }
    }
}

#[test]
fn pictures_are_sent_again_after_the_program_was_stopped() {
    let console = opened(profile("kitty 0.41"), "layered");
    console.wait_pictures("the first picture", is_stacked);
    console.wait_quiet(QUIET);
    let uploads = console.pictures(|terminal| terminal.uploads);
    console.press("\x1a");
    console.wait_bytes("the shell's screen", |bytes| {
        contains(bytes, b"\x1b[?1049l")
    });
    console.wait_raw(false);
    assert!(console.pictures(|terminal| terminal.left_behind.is_empty()));
    // As `fg` does.
    console.signal("CONT");
    console.wait_pictures("the picture again", |terminal| {
        terminal.uploads > uploads && is_stacked(terminal)
    });
    console.wait_raw(true);
    quit(console);
}

#[test]
fn terminals_that_show_nothing_or_deny_everything_are_not_flooded() {
    for profile in [SILENT, LIAR] {
        let console = opened(profile, "layered");
        let bytes = console.wait_quiet(QUIET).len();
        assert!(bytes < 400_000, "{}: {bytes}", profile.name);
        console.press("2");
        console.wait_for("class fish");
        quit(console);
    }
}

#[test]
fn holding_a_key_keeps_the_list_moving_and_sends_few_photos() {
    // Sixteen kilobytes a second.
    let line = Line::slow(Duration::from_millis(62));
    let console = opened_on(Kind::Kitty(profile("kitty 0.41")), "layered", line);
    console.wait_pictures("the first picture", is_stacked);
    console.wait_quiet(Duration::from_secs(3));
    let uploads = || console.pictures(photos);
    let before = uploads();
    for row in 2..=14 {
        console.press("j");
        std::thread::sleep(Duration::from_millis(33));
        assert!(
            row < 14 || uploads() <= before + 1,
            "a photo for each image"
        );
    }
    console.wait_for("14/16");
    console.wait_for("class star");
    console.wait_quiet(Duration::from_secs(3));
    assert!(console.pictures(is_stacked));
    let sent = uploads() - before;
    assert!(
        sent <= 3,
        "{sent} photos: one that the first key began, first sight, full quality"
    );
    quit(console);
}

/// Photos among the pictures that were sent whole; they are answered for.
fn photos(terminal: &Terminal) -> usize {
    terminal.answered
}

/// Bytes until the placement that follows a key, and until all is quiet. It is quiet before.
struct Cost {
    shown: usize,
    all: usize,
    /// The largest picture that was sent.
    largest: usize,
}

fn cost(console: &Console, key: &str) -> Cost {
    let before = console.wait_bytes("what was sent", |_| true).len();
    console.press(key);
    let bytes = console.wait_quiet(QUIET);
    let after = &bytes[before..];
    let text = String::from_utf8_lossy(after);
    let end = "\x1b[?2026l";
    let placed = text.split_once("a=p").and_then(|(before, rest)| {
        let (update, _) = rest.split_once(end)?;
        Some(before.len() + 3 + update.len() + end.len())
    });
    let largest = text.split("a=t").skip(1).map(|upload| {
        // Up to the command after it that is no chunk of it.
        upload.find("a=").unwrap_or(upload.len())
    });
    Cost {
        shown: placed.unwrap_or(after.len()),
        all: after.len(),
        largest: largest.max().unwrap_or(0),
    }
}

#[test]
fn what_is_sent_keeps_to_its_budget() {
    let console = opened(profile("kitty 0.41"), "layered");
    let mut table = vec![(
        String::from("layered, idle"),
        {
            let before = console.wait_quiet(QUIET).len();
            console.wait_quiet(QUIET).len() - before
        },
        64,
    )];
    let mut add = |what: &str, bytes: usize, limit: usize| {
        table.push((format!("layered, {what}"), bytes, limit));
    };
    // More of them cost minutes, and are much the same.
    for image in 1..=4 {
        if image > 1 {
            let new = cost(&console, "j");
            add(&format!("image {image}, first sight"), new.shown, 32_000);
            add(
                &format!("image {image}, full quality"),
                new.largest,
                200_000,
            );
        }
        let first = cost(&console, "x");
        add(
            &format!("image {image}, map not seen before"),
            first.shown,
            8_000,
        );
        cost(&console, "x");
        for rank in ["2", "3", "4", "5", "1"] {
            add(
                &format!("image {image}, class {rank} again"),
                cost(&console, rank).all,
                300,
            );
        }
        add(
            &format!("image {image}, opacity step"),
            cost(&console, "+").shown,
            8_000,
        );
        add(
            &format!("image {image}, opacity back"),
            cost(&console, "-").all,
            300,
        );
    }
    for (what, bytes, limit) in &table {
        println!("{what:40} {bytes:>7} of {limit:>7}");
    }
    let over: Vec<_> = table
        .iter()
        .filter(|(_, bytes, limit)| bytes > limit)
        .collect();
    assert!(over.is_empty(), "{over:#?}");
    quit(console);
}

#[test]
fn terminals_that_keep_no_pictures_get_a_whole_one_within_its_budget() {
    for (graphics, kind, limit) in [
        ("iterm", Kind::Cells(ITERM2), 80_000),
        ("sixel", Kind::Cells(FOOT), 300_000),
        ("blocks", Kind::Plain, 64_000),
    ] {
        let arguments = ["assets/demo/images", "--no-scoring", "--graphics", graphics];
        let console = Console::open_on(kind, SIZE, Line::default(), &arguments, &here(""));
        console.wait_for("class butterfly");
        if matches!(kind, Kind::Cells(_)) {
            console.wait_drawn_in_cells(0);
        }
        for key in ["2", "1", "j", "+"] {
            let (before, drawn) = (console.wait_quiet(QUIET).len(), console.drawn_in_cells());
            console.press(key);
            if matches!(kind, Kind::Cells(_)) {
                console.wait_drawn_in_cells(drawn);
            }
            let bytes = console.wait_quiet(QUIET).len() - before;
            println!("{graphics:8} {key} {bytes:>7} of {limit:>7}");
            assert!(bytes <= limit, "{graphics} {key}: {bytes}");
        }
        let kitty = String::from_utf8_lossy(&console.wait_quiet(QUIET))
            .matches("\x1b_G")
            .count();
        assert!(
            kitty <= 2,
            "{graphics}: {kitty} of kitty's sequences, more than are asked"
        );
        quit(console);
    }
}
