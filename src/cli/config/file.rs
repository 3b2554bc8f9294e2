//! A configuration file: read, and checked as a whole, whichever command is run.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Arg;
use glob::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{Definition, flag, flags, is_of_models, key, mean_the_same};
use super::keys;
use super::place::{Place, suggestion};
use super::value::Value;
use crate::graphics::colors::{COLORS, Colors};
use crate::keymap::{Command, Key, Keymap};

/// Tables that are no commands.
pub(super) const KEYS: &str = "keys";
pub(super) const COLORS_TABLE: &str = "colors";
pub(super) const FOR_MODEL: &str = "for-model";

/// The table that something stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Before the first table.
    Top,
    Command(String),
    /// For models that fit the pattern.
    Model(String),
    Keys,
    Colors,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) table: Table,
    pub(super) key: String,
    pub(super) value: Value,
    /// The value as it is written.
    pub(super) written: String,
    pub(super) place: Place,
}

/// A configuration file that is right.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// In the order of the file.
    pub(super) entries: Vec<Entry>,
    pub(super) keymap: Keymap,
    /// Where the user's own keys stand.
    pub(super) own_keys: Vec<(Command, Key, Place)>,
    pub(super) colors: Colors,
}

/// What is needed to read one.
pub(super) struct Reader<'a> {
    pub(super) definition: &'a Definition,
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    /// What `~` stands for.
    pub(super) home: Option<&'a Path>,
}

/// What is wrong, and the bytes where.
pub(super) type Fault = (Range<usize>, String);

type Row<'a> = (
    &'a Spanned<std::borrow::Cow<'a, str>>,
    &'a Spanned<DeValue<'a>>,
);

impl Reader<'_> {
    /// # Errors
    /// A sentence with the file, the line, the column and what is wrong there.
    pub(super) fn read(&self) -> Result<File, String> {
        self.file()
            .map_err(|(bytes, words)| Place::of(self.text, bytes.start).fault(self.path, &words))
    }

    fn file(&self) -> Result<File, Fault> {
        let document = DeTable::parse(self.text).map_err(|error| {
            let words = error.message().replace('\n', ", ");
            (error.span().unwrap_or(0..0), format!("not TOML: {words}"))
        })?;
        let mut entries = Vec::new();
        let (mut keymap, mut own_keys) = (Keymap::default(), Vec::new());
        let mut colors = Colors::default();
        for row in document.get_ref() {
            let (name, value) = row;
            let DeValue::Table(table) = value.get_ref() else {
                self.push(&mut entries, Table::Top, row)?;
                continue;
            };
            match name.get_ref().as_ref() {
                KEYS => {
                    own_keys = keys::read(table, &mut keymap)?;
                    self.push_all(&mut entries, &Table::Keys, table)?;
                }
                COLORS_TABLE => {
                    self.push_all(&mut entries, &Table::Colors, table)?;
                    for row in table {
                        color(&mut colors, row)?;
                    }
                }
                FOR_MODEL => self.push_models(&mut entries, table)?,
                command => {
                    self.is_command(command)
                        .map_err(|words| (name.span(), words))?;
                    self.push_all(&mut entries, &Table::Command(command.to_owned()), table)?;
                }
            }
        }
        entries.sort_by_key(|(start, _)| *start);
        let own_keys = own_keys
            .into_iter()
            .map(|(command, key, byte)| (command, key, Place::of(self.text, byte)));
        Ok(File {
            path: self.path.to_owned(),
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            keymap,
            own_keys: own_keys.collect(),
            colors,
        })
    }

    fn push_models(
        &self,
        entries: &mut Vec<(usize, Entry)>,
        patterns: &DeTable<'_>,
    ) -> Result<(), Fault> {
        for (pattern, value) in patterns {
            let name = pattern.get_ref();
            let DeValue::Table(table) = value.get_ref() else {
                let words = format!(
                    "`{name}` belongs into a table with a pattern, such as [{FOR_MODEL}.\"resnet*\"]"
                );
                return Err((pattern.span(), words));
            };
            Pattern::new(name).map_err(|error| {
                let words = format!("{name:?} is not a pattern: {}", error.msg);
                (pattern.span(), words)
            })?;
            self.push_all(entries, &Table::Model(name.to_string()), table)?;
        }
        Ok(())
    }

    fn push_all(
        &self,
        entries: &mut Vec<(usize, Entry)>,
        place: &Table,
        table: &DeTable<'_>,
    ) -> Result<(), Fault> {
        let mut rows = table.iter();
        rows.try_for_each(|row| self.push(entries, place.clone(), row))
    }

    /// Takes in a key when it and its value are right.
    fn push(
        &self,
        entries: &mut Vec<(usize, Entry)>,
        table: Table,
        (name, value): Row<'_>,
    ) -> Result<(), Fault> {
        let key = name.get_ref().to_string();
        let of_value = |words: String| (value.span(), format!("{key}: {words}"));
        let arg = self
            .arg(&table, &key)
            .map_err(|words| (name.span(), words))?;
        let mut content = Value::of(value.get_ref()).map_err(of_value)?;
        if let Some(arg) = arg {
            content = content.at_home(arg, self.home);
            content.arguments(arg).map_err(of_value)?;
        }
        let written = self.text.get(value.span()).unwrap_or_default().to_owned();
        let start = name.span().start;
        let entry = Entry {
            table,
            key,
            value: content,
            written,
            place: Place::of(self.text, start),
        };
        entries.push((start, entry));
        Ok(())
    }

    /// The flag that a key stands for; none in tables that have none.
    fn arg(&self, table: &Table, wanted: &str) -> Result<Option<&Arg>, String> {
        let (found, names) = match table {
            Table::Keys | Table::Colors => return Ok(None),
            Table::Top => (self.at_the_top(wanted)?, self.all_keys(|_| true)),
            Table::Command(name) => match self.definition.command(name) {
                Some(command) => (flag(command, wanted), flags(command).map(key).collect()),
                None => (None, Vec::new()),
            },
            Table::Model(_) => {
                let found = self.definition.everywhere(wanted);
                let mut found = found.into_iter().map(|(_, arg)| arg);
                (
                    found.find(|arg| is_of_models(arg)),
                    self.all_keys(is_of_models),
                )
            }
        };
        found.map(Some).ok_or_else(|| {
            let suggestion = suggestion(wanted, names.into_iter());
            let (of, all) = match table {
                Table::Command(name) => (format!(" in [{name}]"), true),
                Table::Model(_) => (format!(" in [{FOR_MODEL}]"), false),
                _ => (String::new(), true),
            };
            let hint = if all && suggestion.is_empty() {
                "; `gradcam config --print` shows all keys"
            } else {
                suggestion.as_str()
            };
            format!("there is no key `{wanted}`{of}{hint}")
        })
    }

    /// The flag of a key at the top, which counts for every command that has it.
    fn at_the_top(&self, wanted: &str) -> Result<Option<&Arg>, String> {
        let found = self.definition.everywhere(wanted);
        if mean_the_same(&found) {
            return Ok(found.into_iter().next().map(|(_, arg)| arg));
        }
        let tables: Vec<String> = found.iter().map(|(name, _)| format!("[{name}]")).collect();
        let tables = tables.join(", ");
        Err(format!(
            "`{wanted}` does not mean the same for every command; put it into a table, one of {tables}"
        ))
    }

    fn all_keys(&self, is_meant: impl Fn(&Arg) -> bool) -> Vec<&str> {
        let keys = self.definition.keys().into_iter();
        keys.filter(|(_, flags)| flags.iter().any(|(_, arg)| is_meant(arg)))
            .map(|(key, _)| key)
            .collect()
    }

    /// # Errors
    /// When there is no such table.
    fn is_command(&self, name: &str) -> Result<(), String> {
        if self.definition.command(name).is_some() {
            return Ok(());
        }
        if name == "model" {
            return Err(format!(
                "`model` is a flag; what counts for some models stands in [{FOR_MODEL}.\"PATTERN\"]"
            ));
        }
        let commands = self.definition.commands().map(|(name, _)| name);
        let tables = commands.chain([KEYS, COLORS_TABLE, FOR_MODEL]);
        let suggestion = suggestion(name, tables);
        Err(format!("there is no table [{name}]{suggestion}"))
    }
}

fn color(colors: &mut Colors, (name, value): Row<'_>) -> Result<(), Fault> {
    let key = name.get_ref();
    let names = COLORS.iter().map(|(name, _, _)| *name);
    if !names.clone().any(|name| name == key) {
        let suggestion = suggestion(key, names.clone());
        let names: Vec<&str> = names.collect();
        let words = format!(
            "there is no color for `{key}`{suggestion}; there are {}",
            names.join(", ")
        );
        return Err((name.span(), words));
    }
    let set = match Value::of(value.get_ref()) {
        Ok(Value::One(text)) => colors.set(key, &text),
        _ => Err("expected a color, as in \"red\" or \"#cc0000\"".to_owned()),
    };
    set.map_err(|words| (value.span(), format!("{key}: {words}")))
}
