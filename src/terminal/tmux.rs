//! tmux: its setting that lets sequences through to the terminal outside (tmux(1),
//! `allow-passthrough`). Off by default; switched on for our own pane, until the end.

use std::process::{Command, Stdio};

use crate::graphics::probe::Passthrough;
use crate::text::visible;

const OPTION: &str = "allow-passthrough";
/// The value that holds while another window of tmux is looked at, too. tmux 3.3 has only `on`.
const BEST: [&str; 2] = ["all", "on"];

/// The setting, changed for this pane.
#[derive(Debug)]
pub(super) struct Switched {
    /// The value of the pane itself from before; `None` where it had the window's.
    before: Option<String>,
    value: &'static str,
}

/// Switches it on for this pane, where the server on this machine allows it.
pub(super) fn switch_on() -> (Passthrough, Option<Switched>) {
    let value = |arguments: &[&str]| {
        let found = tmux(arguments).unwrap_or_default();
        Some(found).filter(|value| !value.is_empty())
    };
    let before = value(&["show-options", "-pv", OPTION]);
    let now = value(&["show-options", "-Apv", OPTION]);
    if now.as_deref() == Some(BEST[0]) {
        return (Passthrough::On, None);
    }
    let was_on = now.as_deref() == Some(BEST[1]);
    let mut reason = String::new();
    for value in BEST {
        match tmux(&["set-option", "-p", OPTION, value]) {
            Ok(_) => {
                let passthrough = if was_on {
                    Passthrough::On
                } else {
                    Passthrough::SwitchedOn
                };
                return (passthrough, Some(Switched { before, value }));
            }
            Err(words) => reason = words,
        }
    }
    (Passthrough::Refused(reason), None)
}

impl Switched {
    /// Once more, after it was switched back.
    pub(super) fn on(&self) {
        log_failure(tmux(&["set-option", "-p", OPTION, self.value]));
    }

    /// As it was before.
    pub(super) fn back(&self) {
        log_failure(match &self.before {
            Some(before) => tmux(&["set-option", "-p", OPTION, before]),
            None => tmux(&["set-option", "-pu", OPTION]),
        });
    }
}

fn log_failure(result: Result<String, String>) {
    if let Err(words) = result {
        tracing::warn!("tmux does not change {OPTION}: {words}");
    }
}

/// Runs a command of tmux. Its output, or its complaint in one line. The server and the pane are
/// those of the environment.
fn tmux(arguments: &[&str]) -> Result<String, String> {
    let ran = Command::new("tmux")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("tmux cannot be run: {error}"))?;
    let line = |bytes: &[u8]| visible(String::from_utf8_lossy(bytes).trim());
    if ran.status.success() {
        Ok(line(&ran.stdout))
    } else {
        Err(line(&ran.stderr))
    }
}
