//! The table `[keys]`: commands of the interface and the user's own keys for them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::Fault;
use super::place::suggestion;
use crate::keymap::{BINDINGS, Command, Key, Keymap};

/// Gives commands their own keys. Returns them with the byte where each stands.
///
/// # Errors
/// When there is no such command or key, a key has two meanings, or nothing is left that quits.
pub(super) fn read(
    table: &DeTable<'_>,
    keymap: &mut Keymap,
) -> Result<Vec<(Command, Key, usize)>, Fault> {
    let mut own = Vec::new();
    for (name, value) in table {
        let command = command(name.get_ref()).map_err(|words| (name.span(), words))?;
        let keys = keys(value)?;
        if keys.is_empty() && command == Command::Quit {
            let words = "quit needs a key, or nothing ends the program".to_owned();
            return Err((value.span(), words));
        }
        own.extend(keys.iter().map(|(key, at)| (command, *key, *at)));
        let keys: Vec<Key> = keys.into_iter().map(|(key, _)| key).collect();
        keymap.set(command, &keys);
    }
    // In the order of the file, the second of two is at fault.
    own.sort_by_key(|(_, _, at)| *at);
    for (place, (command, key, at)) in own.iter().enumerate() {
        let earlier = own.iter().take(place).find(|(_, other, _)| other == key);
        let other = keymap.commands(*key).find(|other| other != command);
        let other = match (earlier, other) {
            (Some((other, _, _)), _) => other.name(),
            // The other one stands further down, and is told of there.
            (None, Some(other)) if own.iter().any(|(own, its, _)| *own == other && its == key) => {
                continue;
            }
            (None, Some(other)) => format!("{} (by default)", other.name()),
            (None, None) => continue,
        };
        let words = format!(
            "the key {} is both {other} and {}; give one of them another key",
            key.written(),
            command.name()
        );
        return Err((*at..*at, words));
    }
    Ok(own)
}

fn command(name: &str) -> Result<Command, String> {
    let mut commands = BINDINGS.iter().map(|binding| binding.command);
    commands
        .find(|command| command.name() == name)
        .ok_or_else(|| {
            let names: Vec<String> = BINDINGS
                .iter()
                .map(|binding| binding.command.name())
                .collect();
            let suggestion = suggestion(name, names.iter().map(String::as_str));
            format!("there is no command `{name}`{suggestion}; `gradcam config --print` lists them")
        })
}

/// A key or a list of keys, and where each stands.
fn keys(value: &Spanned<DeValue<'_>>) -> Result<Vec<(Key, usize)>, Fault> {
    let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
        DeValue::Array(items) => items,
        _ => std::slice::from_ref(value),
    };
    items
        .iter()
        .map(|item| {
            let DeValue::String(text) = item.get_ref() else {
                let words = "expected keys in quotes, as in [\"j\", \"down\", \"ctrl-n\"]";
                return Err((item.span(), words.to_owned()));
            };
            let key: Key = text.parse().map_err(|words| (item.span(), words))?;
            Ok((key, item.span().start))
        })
        .collect()
}
