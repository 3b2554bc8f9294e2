//! The configuration file: where it is looked for, what it sets, and how that joins the command line.
//!
//! A flag's key is the flag without its dashes. What the file sets is put into the arguments that
//! were given, and clap reads them as if all of it had been typed. What was typed counts before a
//! table `[for-model."PATTERN"]` that fits the model, that before the table of the command, and that
//! before the top of the file.

mod definition;
mod file;
mod keys;
mod place;
mod print;
mod value;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use crossterm::event::KeyCode;
use glob::Pattern;

use crate::dataset::review::Verdict;
use crate::graphics::colors::Colors;
use crate::keymap::{Key, Keymap};
use crate::model::catalog::of_file_name;
use crate::text::visible;
use definition::{Definition, OPEN, conflict, flag, flags, is_switch, key, opposite};
use file::{Entry, File, Reader, Table};
use value::Value;

pub(super) use definition::with_opposites;

/// In each of the folders for configurations.
const PLACE: &str = "gradcam/config.toml";
/// `--config none`.
const NONE: &str = "none";

/// What there is of a configuration.
#[derive(Debug, Default)]
pub struct Config {
    /// Where it was looked for, up to where it was found.
    looked: Vec<PathBuf>,
    file: Option<File>,
}

/// For `gradcam config`.
#[derive(Debug)]
pub struct ConfigSettings {
    pub(super) print: bool,
    pub(super) config: Config,
    pub(super) command: Command,
}

/// The places where a configuration may be, as the XDG base directory specification has them.
fn places(lookup: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let own = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")));
    let shared = set("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".to_owned());
    let shared = shared.split(':').map(PathBuf::from);
    own.into_iter()
        .chain(shared.filter(|path| path.is_absolute()))
        .map(|folder| folder.join(PLACE))
        .collect()
}

impl Config {
    /// Reads the file that is `named`, or the first that is found. `command` is the definition of the
    /// command line.
    ///
    /// # Errors
    /// When a named file is not there, a file cannot be read, or something in it is wrong.
    pub(super) fn read(
        named: Option<&Path>,
        command: Command,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let places = match named {
            Some(path) if path == Path::new(NONE) => return Ok(Self::default()),
            Some(path) => vec![path.to_owned()],
            None => places(&lookup),
        };
        let mut looked = Vec::new();
        for path in places {
            looked.push(path.clone());
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if named.is_none() && is_absent(&error) => continue,
                Err(error) => {
                    let path = visible(&path.to_string_lossy());
                    return Err(format!(
                        "cannot read the configuration {path}: {error}; `--config none` does without"
                    ));
                }
            };
            let home = lookup("HOME").map(PathBuf::from);
            let reader = Reader {
                definition: &Definition::new(command),
                path: &path,
                text: &text,
                home: home.as_deref(),
            };
            let file = Some(reader.read()?);
            return Ok(Self { looked, file });
        }
        Ok(Self { looked, file: None })
    }

    /// The keys of the interface.
    pub(super) fn keymap(&self) -> Keymap {
        let file = self.file.as_ref();
        file.map_or_else(Keymap::default, |file| file.keymap.clone())
    }

    pub(super) fn colors(&self) -> Colors {
        let file = self.file.as_ref();
        file.map_or_else(Colors::default, |file| file.colors)
    }

    /// The file that was read, or else the first that was looked for, and what that means.
    pub(super) fn in_words(&self) -> (Option<&Path>, &'static str) {
        match (&self.file, self.looked.first()) {
            (Some(file), _) => (Some(&file.path), "`gradcam config` says what it sets"),
            (None, Some(first)) => (
                Some(first),
                "`gradcam config --print` prints one to begin with",
            ),
            (None, None) => (None, "none is read"),
        }
    }

    /// What is to be added to the arguments: what the file sets for the command that is run, as far as
    /// it is not said otherwise.
    ///
    /// # Errors
    /// When flags of one table do not go together.
    pub(super) fn arguments(
        &self,
        command: Command,
        given: &ArgMatches,
    ) -> Result<Vec<OsString>, String> {
        let Some(file) = &self.file else {
            return Ok(Vec::new());
        };
        let definition = Definition::new(command);
        let (name, given) = given.subcommand().unwrap_or((OPEN, given));
        let Some(command) = definition.command(name) else {
            return Ok(Vec::new());
        };
        let mut said = Said::on_the_line(command, given);
        let mut arguments = Vec::new();
        let model = file.model(name, command, given);
        for table in file.tables(name, model.as_deref()) {
            arguments.extend(said.add(file, table)?);
        }
        Ok(arguments)
    }

    /// Holds that no verdict has a key that means something else.
    ///
    /// # Errors
    /// Which, and where that is said.
    pub(super) fn check_verdicts(&self, verdicts: &[Verdict]) -> Result<(), String> {
        let keymap = self.keymap();
        for Verdict { key, name } in verdicts {
            let pressed = Key {
                code: KeyCode::Char(*key),
                control: false,
            };
            let Some(command) = keymap.commands(pressed).next() else {
                continue;
            };
            let (name, command) = (visible(name), command.name());
            let words = format!(
                "the key {key} is the verdict {name:?} and the command {command}; give one of them another key"
            );
            return Err(match self.place_of(pressed) {
                Some((file, place)) => place.fault(&file.path, &words),
                None => words,
            });
        }
        Ok(())
    }

    /// Where a key stands that the user gave to a command, or else a set of verdicts with this key.
    fn place_of(&self, key: Key) -> Option<(&File, place::Place)> {
        let file = self.file.as_ref()?;
        let own = file.own_keys.iter().find(|(_, own, _)| *own == key);
        let is_of_key = |text: &String| text.chars().next().map(KeyCode::Char) == Some(key.code);
        let verdicts = || {
            let mut lists = file.entries.iter().filter(|entry| entry.key == "verdict");
            lists.find(|entry| match &entry.value {
                Value::List(texts) => texts.iter().any(is_of_key),
                Value::One(text) => is_of_key(text),
                Value::Switch(_) => false,
            })
        };
        let place = own.map(|(_, _, place)| *place);
        let place = place.or_else(|| verdicts().map(|entry| entry.place))?;
        Some((file, place))
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// What has been said, from the strongest on.
struct Said<'a> {
    command: &'a Command,
    /// Flags that are settled, whether on or off.
    settled: Vec<&'a Arg>,
    /// Those that other flags may not go with.
    on: Vec<&'a Arg>,
}

impl<'a> Said<'a> {
    fn on_the_line(command: &'a Command, given: &ArgMatches) -> Self {
        let is_given = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
        let on: Vec<&Arg> = command
            .get_arguments()
            .filter(|arg| is_given(arg.get_id().as_str()))
            .collect();
        let is_off = |arg: &&Arg| is_switch(arg) && is_given(&opposite(key(arg)));
        let settled = on.iter().copied().chain(flags(command).filter(is_off));
        Self {
            command,
            settled: settled.collect(),
            on,
        }
    }

    /// Adds what a table says and stronger ones do not settle.
    fn add(&mut self, file: &File, table: Vec<&Entry>) -> Result<Vec<OsString>, String> {
        let (mut settled, mut on) = (Vec::new(), Vec::new());
        let mut arguments = Vec::new();
        for entry in table {
            // At the top and for models there may be keys that this command does not have.
            let Some(arg) = flag(self.command, &entry.key) else {
                continue;
            };
            let conflicts = |other: &&&Arg| conflict(self.command, arg, other);
            let is = |other: &&Arg| other.get_id() == arg.get_id();
            if self.settled.iter().any(is) || self.on.iter().any(|other| conflicts(&other)) {
                continue;
            }
            let words = entry.value.arguments(arg);
            let words = words.map_err(|words| entry.place.fault(&file.path, &words))?;
            settled.push(arg);
            if words.is_empty() {
                continue;
            }
            if let Some(other) = on.iter().find(conflicts) {
                let words = format!("`{}` does not go with `{}`", entry.key, key(other));
                return Err(entry.place.fault(&file.path, &words));
            }
            on.push(arg);
            arguments.extend(words);
        }
        self.settled.extend(settled);
        self.on.extend(on);
        Ok(arguments)
    }
}

impl File {
    /// The entries of each table that counts, the strongest first. Of tables for models that all fit,
    /// the last is the strongest.
    fn tables(&self, command: &str, model: Option<&Path>) -> Vec<Vec<&Entry>> {
        let mut patterns: Vec<&str> = Vec::new();
        for entry in &self.entries {
            if let Table::Model(pattern) = &entry.table
                && !patterns.contains(&pattern.as_str())
                && model.is_some_and(|model| fits(pattern, model))
            {
                patterns.push(pattern);
            }
        }
        let models = patterns.into_iter().rev();
        let models = models.map(|pattern| Table::Model(pattern.to_owned()));
        let others = [Table::Command(command.to_owned()), Table::Top];
        models
            .chain(others)
            .map(|table| self.of(&table).collect())
            .collect()
    }

    fn of<'a>(&'a self, table: &Table) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let table = table.clone();
        let entries = self.entries.iter();
        entries.filter(move |entry| entry.table == table)
    }

    /// The model that is meant, by the command line or by the file.
    fn model(&self, name: &str, command: &Command, given: &ArgMatches) -> Option<PathBuf> {
        const MODEL: &str = "model";
        let arg = flag(command, MODEL)?;
        if let Some(path) = given.get_one::<PathBuf>(arg.get_id().as_str()) {
            return Some(path.clone());
        }
        let tables = [Table::Command(name.to_owned()), Table::Top];
        let mut entries = tables
            .iter()
            .flat_map(|table| self.of(table))
            .filter(|entry| entry.key == MODEL);
        entries.next()?.value.path()
    }
}

/// Whether a pattern is for this model: its path as it was given, its file name, or its name in the
/// catalog.
fn fits(pattern: &str, model: &Path) -> bool {
    let Ok(pattern) = Pattern::new(pattern) else {
        return false;
    };
    let file = model.file_name().map(|name| name.to_string_lossy());
    let published = file.as_deref().and_then(of_file_name);
    let names = published.map(|entry| [entry.name(), entry.full_name()]);
    pattern.matches_path(model)
        || file.is_some_and(|file| pattern.matches(&file))
        || names.is_some_and(|names| names.iter().any(|name| pattern.matches(name)))
}

/// Says what was looked for and what the file sets, or prints a complete file.
///
/// # Errors
/// When the output cannot be written.
pub fn run(settings: &ConfigSettings, out: &mut dyn Write) -> Result<()> {
    let config = &settings.config;
    let text = if settings.print {
        let definition = Definition::new(settings.command.clone());
        print::complete(&definition, config.file.as_ref())
    } else {
        print::summary(config)
    };
    Ok(out.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests;
