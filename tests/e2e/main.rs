//! The built program, from outside: in a terminal, as a command, and its set-up.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod browser;
mod config;
mod console;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod hang_up;
mod hostile;
mod inline;
mod interface;
#[path = "../support/kitty.rs"]
#[expect(dead_code, reason = "the library's tests use the rest")]
mod kitty;
mod pictures;
mod review;
mod sets;
mod setup;
mod snippets;
mod stuck;

use std::path::PathBuf;
use std::process::{Child, Command};

/// A path in the repository.
fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The built program, without the configuration of whoever runs the tests.
fn gradcam() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradcam"));
    for places in ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"] {
        command.env(places, here("tests/nowhere"));
    }
    command
}

/// Sends a signal: "-TERM".
fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.unwrap().success());
}
