//! Names that would command the terminal, on every way out of the program.

use std::process::Output;

use gradcam::text::{is_harmless, visible_lines};
use serde_json::Value;

use crate::console::{Console, Kind, contains};
use crate::{gradcam, here};

/// Erases the screen, by a sequence of 7 and one of 8 bits, and turns what follows around.
const NAME: &str = "\x1b[2J\u{9b}2J\u{202e}gnp.png";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let image = here("assets/demo/images/04-house.png");
    std::fs::copy(image, folder.path().join(NAME)).unwrap();
    std::fs::write(folder.path().join(format!("broken {NAME}")), b"no image").unwrap();
    let label = |class: i32| format!("{class} \x1b[31m\u{202e}label\u{200b}");
    let labels: Vec<String> = (0..12).map(label).collect();
    let json = serde_json::to_string(&labels).unwrap();
    std::fs::write(folder.path().join("labels.json"), json).unwrap();
    folder
}

fn ran(folder: &tempfile::TempDir, arguments: &[&str]) -> Output {
    gradcam()
        .args(arguments)
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .unwrap()
}

fn assert_harmless(output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(visible_lines(&text), text);
    }
}

#[test]
fn plain_output_and_errors_command_nothing() {
    let folder = folder();
    for arguments in [
        &["explain", ".", "--labels", "labels.json", "--top", "2"][..],
        &["explain", ".", "--labels", NAME],
        &["explain", ".", "--class", NAME],
        &["explain", ".", "--layer", NAME],
        &["explain", "no such \x1b[2J file"],
        &["explain", ".", "--model", NAME],
        &["explain", ".", "--opacity", NAME],
        &["layers", "--model", NAME, "--json"],
        &["models", NAME],
        &["doctor", "--graphics", NAME],
        &["evaluate", ".", "--truth", NAME],
        &[NAME, "--device", NAME],
        &[NAME],
    ] {
        let output = ran(&folder, arguments);
        assert_harmless(&output);
        assert!(!output.status.success(), "{arguments:?}");
    }
}

#[test]
fn json_has_the_name_itself_and_commands_nothing() {
    let folder = folder();
    let output = ran(
        &folder,
        &["explain", ".", "--labels", "labels.json", "--json"],
    );
    assert_harmless(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let images: Vec<String> = text
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["image"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(
        images.iter().any(|image| image.ends_with(NAME)),
        "{images:?}"
    );
    assert!(is_harmless(text.trim_end().lines().next().unwrap()));
}

#[test]
fn in_the_interface_a_name_is_shown_and_not_obeyed() {
    let folder = folder();
    let arguments = [".", "--labels", "labels.json"];
    let console = Console::open(Kind::Plain, &arguments, folder.path());
    console.wait_for("u{202e}");
    console.press("c");
    console.wait_for("Classes");
    console.press("\x1b");
    console.wait_for("Top 5");
    console.press("y");
    console.press("q");
    let (status, bytes) = console.ended();
    assert!(status.success());
    for command in [NAME, "\x1b[2J\u{9b}", "\u{9b}", "\u{202e}", "\u{200b}"] {
        assert!(
            !contains(bytes.as_bytes(), command.as_bytes()),
            "{command:?}"
        );
    }
}
