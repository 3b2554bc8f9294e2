//! The configuration in force, from outside: in the interface and on the command line.

use std::path::Path;
use std::process::Output;

use crate::console::{Console, Kind, Line, contains};
use crate::{gradcam as program, here};

/// A home whose configuration is this.
fn home(text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("gradcam")).unwrap();
    std::fs::write(home.path().join("gradcam/config.toml"), text).unwrap();
    home
}

fn opened(home: &Path, arguments: &[&str], environment: &[(&str, &Path)]) -> Console {
    let images = here("assets/demo/images");
    let arguments = [&[images.to_str().unwrap()], arguments].concat();
    let folders = [("XDG_CONFIG_HOME", home), ("XDG_STATE_HOME", home)];
    let environment = [&folders, environment].concat();
    let (kind, size, line) = (Kind::Plain, (100, 30), Line::default());
    Console::open_in(kind, size, line, &arguments, home, &environment)
}

fn quit(console: Console, key: &str) {
    console.press(key);
    assert!(console.ended().0.success());
}

#[test]
fn graphics_of_the_file_are_in_force_and_the_command_line_goes_before_them() {
    let home = home("graphics = \"sixel\"\n");
    let console = opened(home.path(), &[], &[]);
    console.wait_bytes("a Sixel picture", |bytes| contains(bytes, b"\"1;1;"));
    quit(console, "q");
    let console = opened(home.path(), &["--graphics", "none"], &[]);
    console.wait_for("Heat of butterfly");
    quit(console, "q");
}

#[test]
fn own_keys_are_in_force_and_shown_and_colors_are_the_users() {
    let home = home("[keys]\nhelp = \"f2\"\nquit = \"X\"\n[colors]\naccent = 208\n");
    let console = opened(home.path(), &[], &[]);
    console.wait_for("F2 help");
    console.wait_bytes("the bars", |bytes| contains(bytes, b"38;5;208"));
    console.press("q\x1bOQ");
    console.wait_for("X quits");
    quit(console, "X");
}

#[test]
fn no_color_leaves_text_without_colors_and_pictures_with_theirs() {
    let home = home("graphics = \"blocks\"\n");
    let console = opened(home.path(), &[], &[("NO_COLOR", Path::new("1"))]);
    let bytes = console.wait_bytes("a picture", |bytes| contains(bytes, b"48;2;"));
    console.wait_for("▶ 1 butterfly");
    assert!(!contains(&bytes, b"38;5;6"));
    quit(console, "q");
}

fn gradcam(home: &Path, arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .current_dir(home)
        .env("XDG_CONFIG_HOME", home)
        .output()
        .unwrap()
}

#[test]
fn a_wrong_file_is_one_sentence_and_a_usage_error() {
    let home = home("opactiy = 1\n");
    let output = gradcam(home.path(), &["methods"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: /"), "{error}");
    assert!(
        error.ends_with("line 1, column 1: there is no key `opactiy`; did you mean `opacity`?\n"),
        "{error}"
    );
    let output = gradcam(home.path(), &["methods", "--config", "none"]);
    assert!(output.status.success());
}

#[test]
fn the_log_goes_to_its_file_and_not_to_the_screen() {
    let home = home("log = \"of-all.txt\"\n");
    let image = here("assets/demo/images/01-butterfly.png");
    let image = image.to_str().unwrap();
    let output = gradcam(home.path(), &["explain", image, "--json", "-vv"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let log = std::fs::read_to_string(home.path().join("of-all.txt")).unwrap();
    assert!(log.contains("INFO gradcam::model: model: "), "{log}");
    let output = gradcam(home.path(), &["--config", "none", "methods", "-v"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--log <FILE>"), "{error}");
}

#[test]
fn doctor_and_config_name_the_file_that_is_read() {
    let home = home("cache-mb = 7\n");
    let text =
        |arguments: &[&str]| String::from_utf8(gradcam(home.path(), arguments).stdout).unwrap();
    let file = home.path().join("gradcam/config.toml");
    let file = file.to_str().unwrap();
    let said = text(&["config"]);
    assert!(
        said.contains(&format!("{file}: read\nsets\n  cache-mb = 7  (line 1)")),
        "{said}"
    );
    assert!(text(&["config", "--print"]).contains("\ncache-mb = 7\n"));
    let said = text(&["doctor"]);
    assert!(
        said.contains(&format!("{file}: there; `gradcam config`")),
        "{said}"
    );
}
