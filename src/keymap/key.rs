//! A key: as a terminal sends it, as people read it, and as they write it in a configuration.

use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub control: bool,
}

/// Keys that are not a character, as they are written in a configuration.
const NAMES: [(&str, KeyCode); 16] = [
    ("space", KeyCode::Char(' ')),
    ("down", KeyCode::Down),
    ("up", KeyCode::Up),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("page-down", KeyCode::PageDown),
    ("page-up", KeyCode::PageUp),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
];

/// What terminals send for Ctrl with a letter is the same as for another key.
const SAME: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

impl Key {
    /// The key that was pressed; none with Alt and the like.
    pub(super) fn pressed(event: &KeyEvent) -> Option<Self> {
        let other = KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META;
        (!event.modifiers.intersects(other)).then_some(Self {
            code: event.code,
            control: event.modifiers.contains(KeyModifiers::CONTROL),
        })
    }

    /// "j", "Ctrl-d", "Shift-Tab".
    #[must_use]
    pub fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(character) => character.to_string(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        if self.control {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }

    /// As it is written in a configuration: "j", "ctrl-d", "down".
    #[must_use]
    pub fn written(self) -> String {
        let named = NAMES.iter().find(|(_, code)| *code == self.code);
        let name = match (named, self.code) {
            (Some((name, _)), _) => (*name).to_owned(),
            (None, KeyCode::Char(character)) => character.to_string(),
            (None, KeyCode::F(number)) => format!("f{number}"),
            (None, other) => format!("{other:?}").to_lowercase(),
        };
        if self.control {
            format!("ctrl-{name}")
        } else {
            name
        }
    }
}

/// "j ↓".
pub(super) fn names(keys: &[Key]) -> String {
    let names: Vec<String> = keys.iter().map(|key| key.name()).collect();
    names.join(" ")
}

impl FromStr for Key {
    type Err = String;

    /// The other way round; capitals and dashes in names do not matter.
    fn from_str(text: &str) -> Result<Self, String> {
        let control = text
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("ctrl-"));
        let name = text.get(5..).filter(|_| control).unwrap_or(text);
        let code = code(name).ok_or_else(|| {
            format!(
                "there is no key {text:?}; a key is a character, ctrl- and a character, f1 to f12, or one of {}",
                NAMES.map(|(name, _)| name).join(", ")
            )
        })?;
        let key = match code {
            KeyCode::Char(letter) if control => KeyCode::Char(letter.to_ascii_lowercase()),
            code => code,
        };
        let same = SAME
            .iter()
            .find(|(letter, _)| control && key == KeyCode::Char(*letter));
        match same {
            Some((_, other)) => Err(format!(
                "to a terminal {text} is the same as {other}; write that"
            )),
            None => Ok(Self { code: key, control }),
        }
    }
}

fn code(name: &str) -> Option<KeyCode> {
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return (!letter.is_control()).then_some(KeyCode::Char(letter));
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "");
    let wanted = plain(name);
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| plain(name) == wanted) {
        return Some(*code);
    }
    let number = wanted.strip_prefix('f')?.parse().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::BINDINGS;

    #[test]
    fn every_key_of_the_table_is_read_as_it_is_written() {
        for key in BINDINGS.iter().flat_map(|binding| binding.keys) {
            assert_eq!(key.written().parse(), Ok(*key));
        }
    }

    #[test]
    fn keys_are_read_in_any_spelling_and_others_are_refused_with_words() {
        let down = Key {
            code: KeyCode::PageDown,
            control: false,
        };
        for spelling in ["page-down", "PageDown", "pagedown"] {
            assert_eq!(spelling.parse(), Ok(down));
        }
        assert_eq!("Ctrl-N".parse::<Key>().unwrap().written(), "ctrl-n");
        assert_eq!("F12".parse::<Key>().unwrap().name(), "F12");
        for nonsense in ["", "nope", "f13", "alt-x", "ctrl-", "ctrl-nope", "\u{7}"] {
            let error = nonsense.parse::<Key>().unwrap_err();
            assert!(error.contains("there is no key"), "{error}");
        }
        let error = "ctrl-i".parse::<Key>().unwrap_err();
        assert!(error.ends_with("the same as tab; write that"), "{error}");
    }
}
