//! Replies: what the terminal says of itself and of its pictures, told from keys.
//!
//! crossterm knows no APC and DCS sequences and takes a lone escape byte for the Escape key, so a
//! reply arrives as key presses: Alt+_ (or Escape and _), its letters, Alt+\ (or Escape and \). None of
//! them may reach the interface, wherever a slow line has cut the reply in two. What a user types
//! comes one key at a time, what a terminal says comes at once.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::graphics::kitty::Answer;

/// An escape byte that belongs to a reply is followed this soon.
const ESCAPE_GAP: Duration = Duration::from_millis(50);
/// The rest of a reply follows this soon; only a terminal begins one.
const REPLY_GAP: Duration = Duration::from_secs(1);
/// No reply is longer.
const LONGEST: usize = 1024;

/// What a key turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sorted {
    Key(KeyEvent),
    Answer(Answer),
}

/// Sorts keys into those that were pressed and those that are replies.
#[derive(Debug, Default)]
pub(super) struct ReplyFilter {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Keys,
    /// Escape, which may be the beginning of something.
    Escape(KeyEvent),
    /// Inside of a string: APC, DCS or OSC.
    String(String),
    /// Inside of a string, after an escape byte.
    StringEscape(String),
    /// After Escape and `[`.
    Control(String),
}

impl ReplyFilter {
    /// Takes a key that was read; returns what is known now.
    pub(super) fn take(&mut self, key: KeyEvent) -> Vec<Sorted> {
        match std::mem::take(&mut self.state) {
            State::Escape(escape) => match plain(&key) {
                Some('_' | 'P' | ']') => {
                    self.state = State::String(String::new());
                    Vec::new()
                }
                Some('[') => {
                    self.state = State::Control(String::new());
                    Vec::new()
                }
                _ => {
                    let mut sorted = vec![Sorted::Key(escape)];
                    sorted.extend(self.first(key));
                    sorted
                }
            },
            State::String(body) => self.inside(body, key),
            State::StringEscape(body) if plain(&key) == Some('\\') => finished(&body),
            State::Keys | State::StringEscape(_) => self.first(key),
            State::Control(body) => self.control(body, key),
        }
    }

    /// How long what is open may stay open.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.state {
            State::Keys => None,
            State::Escape(_) | State::Control(_) => Some(ESCAPE_GAP),
            State::String(_) | State::StringEscape(_) => Some(REPLY_GAP),
        }
    }

    /// Nothing has followed for that long.
    pub(super) fn pass(&mut self) -> Vec<Sorted> {
        match std::mem::take(&mut self.state) {
            State::Escape(escape) => vec![Sorted::Key(escape)],
            _ => Vec::new(),
        }
    }

    fn first(&mut self, key: KeyEvent) -> Vec<Sorted> {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('_' | 'P' | ']') if alt => self.state = State::String(String::new()),
            // The end of a reply whose beginning was too long ago.
            KeyCode::Char('\\') if alt => {}
            KeyCode::Esc if key.modifiers.is_empty() => self.state = State::Escape(key),
            _ => return vec![Sorted::Key(key)],
        }
        Vec::new()
    }

    fn inside(&mut self, mut body: String, key: KeyEvent) -> Vec<Sorted> {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if alt && key.code == KeyCode::Char('\\') {
            return finished(&body);
        }
        if key.code == KeyCode::Esc {
            self.state = State::StringEscape(body);
            return Vec::new();
        }
        match plain(&key) {
            Some(letter) if body.len() < LONGEST => {
                body.push(letter);
                self.state = State::String(body);
                Vec::new()
            }
            // No reply has other keys in it: it has broken off.
            _ => self.first(key),
        }
    }

    /// A control sequence whose escape byte came alone. Arrows are keys; reports are not.
    fn control(&mut self, mut body: String, key: KeyEvent) -> Vec<Sorted> {
        let Some(letter) = plain(&key) else {
            return self.first(key);
        };
        if matches!(letter, ' '..='?') && body.len() < LONGEST {
            body.push(letter);
            self.state = State::Control(body);
            return Vec::new();
        }
        let code = match (body.as_str(), letter) {
            ("", 'A') => KeyCode::Up,
            ("", 'B') => KeyCode::Down,
            ("", 'C') => KeyCode::Right,
            ("", 'D') => KeyCode::Left,
            ("", 'H') => KeyCode::Home,
            ("", 'F') => KeyCode::End,
            ("", 'Z') => KeyCode::BackTab,
            ("5", '~') => KeyCode::PageUp,
            ("6", '~') => KeyCode::PageDown,
            _ => return Vec::new(),
        };
        vec![Sorted::Key(KeyEvent::new(code, KeyModifiers::NONE))]
    }
}

/// The letter of a key without Alt and Ctrl.
fn plain(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(letter) if (key.modifiers - KeyModifiers::SHIFT).is_empty() => Some(letter),
        _ => None,
    }
}

fn finished(body: &str) -> Vec<Sorted> {
    Answer::read(body).map(Sorted::Answer).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    fn plain_key(letter: char) -> KeyEvent {
        key(KeyCode::Char(letter), KeyModifiers::NONE)
    }

    /// Keys as crossterm makes them of bytes that come in these portions: an escape byte at the end of
    /// one is the Escape key, before a letter it is Alt.
    fn keys(portions: &[&str]) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        for portion in portions {
            let mut letters = portion.chars();
            while let Some(letter) = letters.next() {
                keys.push(match letter {
                    '\x1b' => letters.next().map_or_else(
                        || key(KeyCode::Esc, KeyModifiers::NONE),
                        |letter| key(KeyCode::Char(letter), KeyModifiers::ALT),
                    ),
                    _ => plain_key(letter),
                });
            }
        }
        keys
    }

    fn sorted(keys: Vec<KeyEvent>) -> Vec<Sorted> {
        let mut filter = ReplyFilter::default();
        let mut sorted: Vec<Sorted> = keys.into_iter().flat_map(|key| filter.take(key)).collect();
        sorted.extend(filter.pass());
        sorted
    }

    fn letters(sorted: &[Sorted]) -> String {
        let letter = |one: &Sorted| match one {
            Sorted::Key(KeyEvent {
                code: KeyCode::Char(letter),
                ..
            }) => *letter,
            Sorted::Key(_) => '*',
            Sorted::Answer(answer) if answer.error.is_some() => '!',
            Sorted::Answer(_) => '.',
        };
        sorted.iter().map(letter).collect()
    }

    #[test]
    fn replies_cut_anywhere_press_no_keys_and_answers_are_heard() {
        let reply =
            "j\x1b_Gi=700;OK\x1b\\k\x1b_Gi=7,p=1;ENOENT:none\x1b\\l\x1bP>|kitty(0.26.5)\x1b\\m";
        for first in 0..reply.len() {
            for second in first..reply.len() {
                let (one, rest) = reply.split_at(first);
                let (two, three) = rest.split_at(second - first);
                let found = sorted(keys(&[one, two, three]));
                assert_eq!(letters(&found), "j.k!lm", "{one:?} {two:?} {three:?}");
            }
        }
    }

    #[test]
    fn a_report_whose_escape_byte_came_alone_presses_no_keys_and_arrows_do() {
        for (text, expected) in [
            ("[?62;22cj", "j"),
            ("[6;18;9tj", "j"),
            ("[Aj", "*j"),
            ("[5~j", "*j"),
        ] {
            assert_eq!(letters(&sorted(keys(&["\x1b", text]))), expected, "{text}");
        }
    }

    #[test]
    fn escape_is_a_key_when_nothing_follows_and_when_another_key_does() {
        assert_eq!(letters(&sorted(keys(&["\x1b"]))), "*");
        assert_eq!(letters(&sorted(keys(&["\x1b", "j"]))), "*j");
        assert_eq!(letters(&sorted(keys(&["\x1b", "\x1b", "j"]))), "**j");
    }

    #[test]
    fn a_reply_that_breaks_off_does_not_swallow_keys_for_ever() {
        let mut filter = ReplyFilter::default();
        assert_eq!(filter.take(key(KeyCode::Char('_'), KeyModifiers::ALT)), []);
        assert_eq!(filter.patience(), Some(REPLY_GAP));
        assert_eq!(filter.pass(), []);
        let j = plain_key('j');
        assert_eq!(filter.take(j), [Sorted::Key(j)]);
        // A key that no reply has ends it at once.
        filter.take(key(KeyCode::Char('P'), KeyModifiers::ALT));
        filter.take(plain_key('1'));
        let down = key(KeyCode::Down, KeyModifiers::NONE);
        assert_eq!(filter.take(down), [Sorted::Key(down)]);
        assert_eq!(filter.take(j), [Sorted::Key(j)]);
    }
}
