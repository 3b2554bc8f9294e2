//! Keys, mouse and sizes, read on a thread of their own.

use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, read};

use crate::geometry::CellSize;

/// What the terminal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Resize(CellSize),
    Paste(String),
    /// The program goes on after it was stopped; the screen is empty.
    Resumed,
    /// There is no more input: the terminal has gone away.
    Closed,
}

/// Bytes of one answer come close together; a gap this long means that it has ended.
const GAP: Duration = Duration::from_millis(50);

/// Swallows answers of the terminal that come too late for the probe. crossterm takes them for key
/// presses: Alt+_ or Alt+P, the answer's letters, Alt+\.
#[derive(Debug, Default)]
struct ReplyFilter {
    last: Option<Instant>,
}

impl ReplyFilter {
    /// Whether a key is one, at this time.
    fn admits(&mut self, key: &KeyEvent, now: Instant) -> bool {
        let inside = self.last.is_some_and(|last| now.duration_since(last) < GAP);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('\\') if inside && alt => {
                self.last = None;
                false
            }
            KeyCode::Char('_' | 'P') if alt => {
                self.last = Some(now);
                false
            }
            _ if inside => {
                self.last = Some(now);
                false
            }
            _ => {
                self.last = None;
                true
            }
        }
    }
}

/// Starts the thread. `typed` are bytes that were typed while the terminal was asked. The thread
/// sits in a read that nothing can end, so it ends with the program.
pub(super) fn start(sender: Sender<Input>, typed: &[u8]) -> std::io::Result<()> {
    for key in keys(typed) {
        drop(sender.send(Input::Key(key)));
    }
    Builder::new().name("input".to_owned()).spawn(move || {
        let mut filter = ReplyFilter::default();
        loop {
            let input = match read() {
                Ok(Event::Key(key))
                    if key.kind == KeyEventKind::Release
                        || !filter.admits(&key, Instant::now()) =>
                {
                    continue;
                }
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Mouse(mouse)) => Input::Mouse(mouse),
                Ok(Event::Resize(columns, rows)) => Input::Resize(CellSize::new(columns, rows)),
                Ok(Event::Paste(text)) => Input::Paste(text),
                Ok(Event::FocusGained | Event::FocusLost) => continue,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => Input::Closed,
            };
            let last = input == Input::Closed;
            if sender.send(input).is_err() || last {
                return;
            }
        }
    })?;
    Ok(())
}

/// Keys in bytes that were read before crossterm was asked to: characters, Enter, control letters
/// and arrows.
fn keys(typed: &[u8]) -> Vec<KeyEvent> {
    let text = String::from_utf8_lossy(typed);
    let mut keys = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        keys.push(match character {
            '\x1b' if rest.next_if_eq(&'[').is_some() => match rest.next() {
                Some('A') => plain(KeyCode::Up),
                Some('B') => plain(KeyCode::Down),
                Some('C') => plain(KeyCode::Right),
                Some('D') => plain(KeyCode::Left),
                _ => continue,
            },
            '\x1b' => plain(KeyCode::Esc),
            '\r' | '\n' => plain(KeyCode::Enter),
            '\t' => plain(KeyCode::Tab),
            '\x7f' => plain(KeyCode::Backspace),
            '\x01'..='\x1a' => {
                let letter = char::from_u32(u32::from(character) + 0x60).unwrap_or(' ');
                KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
            }
            _ => plain(KeyCode::Char(character)),
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alt(character: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(character), KeyModifiers::ALT)
    }

    fn plain(character: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)
    }

    #[test]
    fn a_late_answer_presses_no_keys_and_the_next_key_counts() {
        let mut filter = ReplyFilter::default();
        let now = Instant::now();
        let answer = [
            alt('_'),
            plain('G'),
            plain('i'),
            plain('='),
            plain('O'),
            plain('K'),
            alt('\\'),
        ];
        assert!(answer.iter().all(|key| !filter.admits(key, now)));
        assert!(filter.admits(&plain('j'), now));
    }

    #[test]
    fn an_answer_that_breaks_off_does_not_swallow_keys_for_ever() {
        let mut filter = ReplyFilter::default();
        let now = Instant::now();
        assert!(!filter.admits(&alt('P'), now));
        assert!(filter.admits(&plain('j'), now + 2 * GAP));
    }

    #[test]
    fn keys_typed_during_the_probe_are_not_lost() {
        let codes: Vec<_> = keys(b"j3\x1b[B\r\x1aq")
            .into_iter()
            .map(|key| (key.code, key.modifiers))
            .collect();
        let none = KeyModifiers::NONE;
        assert_eq!(
            codes,
            [
                (KeyCode::Char('j'), none),
                (KeyCode::Char('3'), none),
                (KeyCode::Down, none),
                (KeyCode::Enter, none),
                (KeyCode::Char('z'), KeyModifiers::CONTROL),
                (KeyCode::Char('q'), none),
            ]
        );
    }
}
