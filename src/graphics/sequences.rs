//! Escape sequences that are not pictures: entering and leaving the screen, the clipboard.
//!
//! ECMA-48 for CSI, xterm's ctlseqs for the private modes and OSC 52, tmux's manual for the
//! passthrough.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Slot;
use super::tmux::passed_through;

/// Terminals hold back what they draw between these two (synchronized update).
pub const BEGIN_UPDATE: &str = "\x1b[?2026h";
pub const END_UPDATE: &str = "\x1b[?2026l";

/// Alternate screen, hidden cursor, mouse buttons and wheel in SGR coding, bracketed paste.
pub const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[H\x1b[J";

/// Ends whatever sequence was cut short, then undoes [`ENTER`].
pub const LEAVE: &str =
    "\x1b\\\x1b[?2026l\x1b[?2004l\x1b[?1006l\x1b[?1000l\x1b[0m\x1b[?1049l\x1b[?25h";

/// Erases the screen. Not `CSI 2 J`, which frees pictures that a terminal keeps for later.
pub const ERASE: &str = "\x1b[H\x1b[J";

/// Around questions: a terminal that prints those it does not know has them erased.
pub const REMEMBER_CURSOR: &str = "\x1b7";
pub const ERASE_WHAT_FOLLOWED: &str = "\x1b8\x1b[J";

/// A picture's own bytes, drawn at its slot; the cursor returns to where it was.
#[must_use]
pub fn placed(slot: Slot, body: &[u8]) -> Vec<u8> {
    let at = format!("{BEGIN_UPDATE}\x1b7\x1b[{};{}H", slot.y + 1, slot.x + 1);
    [at.as_bytes(), body, b"\x1b8", END_UPDATE.as_bytes()].concat()
}

/// Spaces over a slot: they erase the part of a picture that a smaller one leaves.
#[must_use]
pub fn erased(slot: Slot) -> Vec<u8> {
    let blank = " ".repeat(usize::from(slot.size.columns));
    let rows = (slot.y..slot.y + slot.size.rows)
        .map(|y| format!("\x1b[{};{}H\x1b[0m{blank}", y + 1, slot.x + 1));
    let rows: Vec<String> = rows.collect();
    format!("{BEGIN_UPDATE}\x1b7{}\x1b8", rows.concat()).into_bytes()
}

/// Puts text on the clipboard of the machine where the terminal is (OSC 52).
#[must_use]
pub fn copy(text: &str, tmux: bool) -> Vec<u8> {
    let sequence = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    if tmux {
        passed_through(sequence.as_bytes())
    } else {
        sequence.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_undoes_every_mode_that_entering_sets() {
        for mode in ENTER
            .split("\x1b[")
            .filter_map(|part| part.strip_suffix('h'))
        {
            assert!(LEAVE.contains(&format!("\x1b[{mode}l")), "{mode}");
        }
        assert!(LEAVE.ends_with("\x1b[?25h"));
    }

    #[test]
    fn a_copied_path_reaches_the_outer_terminal_through_tmux() {
        assert_eq!(copy("a/b", false), b"\x1b]52;c;YS9i\x07");
        assert_eq!(copy("a/b", true), b"\x1bPtmux;\x1b\x1b]52;c;YS9i\x07\x1b\\");
    }
}
