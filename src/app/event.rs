//! Events and effects: what happened, and what is to be done about it.

use crate::job::{Job, Reply};
use crate::terminal::Input;

/// What happened.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is moved a few times a second"
)]
pub enum Event {
    /// The user or the terminal did something.
    Input(Input),
    /// The worker answered.
    Reply(Reply),
}

/// What the loop is to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is moved a few times a second"
)]
pub enum Effect {
    Send(Job),
    /// Put a text on the clipboard of the user's machine.
    Copy(String),
    /// Draw every cell and the picture again.
    Redraw,
    Suspend,
    Quit,
}
