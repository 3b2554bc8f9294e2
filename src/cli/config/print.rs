//! `gradcam config`: what a configuration sets, and a complete one to begin with.

use std::fmt::Write;

use clap::Arg;
use clap::builder::PossibleValue;

use super::Config;
use super::definition::{Definition, OPEN, flags, is_list, is_switch, key, mean_the_same, names};
use super::file::{COLORS_TABLE, Entry, FOR_MODEL, File, KEYS, Table};
use super::value::Value;
use crate::graphics::colors::COLORS;
use crate::keymap::{BINDINGS, Key};
use crate::text::visible;

/// Columns of comments.
const WIDTH: usize = 98;

const HEAD: &str = "\
# gradcam: every key there is. Take away the `#` in front of a key to set it.
#
# What stands before the first table counts for every command that has such a flag; a table with the
# name of a command counts for that command only and goes before it ([open] is the interface). A table
# [for-model.\"PATTERN\"] counts for models whose file, path or name in the catalog fits the pattern,
# and goes before both. The command line goes before all; `--no-FLAG` takes back what is switched on
# here, and `--config none` reads no file.
";

const MODELS: &str = "\
# What is said here of a model counts for those that fit the pattern: preprocessing, labels, layer,
# method and the like. Of several tables that fit, the last one goes first.
";

const EXAMPLE: &str = "\
# [for-model.\"birds*.pth\"]
# resize = 288
# crop = 256
# mean = [0.5, 0.5, 0.5]
# labels = \"~/birds/classes.txt\"
";

const ABOUT_KEYS: &str = "\
# Keys of the interface: a list takes the place of a command's keys, and an empty one takes them away.
# A key is a character, ctrl- and a character, f1 to f12, or a name such as down, page-up, space or tab.
";

const ABOUT_COLORS: &str = "\
# Colors of text: a name of the terminal's palette (red, light-blue), 0 to 255, \"#rrggbb\", or \"none\".
# Each stands beside a sign that says the same. NO_COLOR takes them all away.
";

/// Where it was looked for, and what is set.
pub(super) fn summary(config: &Config) -> String {
    if config.looked.is_empty() {
        return "no configuration is read\n".to_owned();
    }
    let mut text = String::from("looked for\n");
    for path in &config.looked {
        let is_read = config.file.as_ref().is_some_and(|file| file.path == *path);
        let found = if is_read { "read" } else { "no such file" };
        line(
            &mut text,
            &format!("  {}: {found}", visible(&path.to_string_lossy())),
        );
    }
    let Some(file) = &config.file else {
        line(
            &mut text,
            "nothing is set; `gradcam config --print` prints a file to begin with",
        );
        return text;
    };
    if file.entries.is_empty() {
        line(&mut text, "nothing is set in it");
        return text;
    }
    line(&mut text, "sets");
    for entry in &file.entries {
        let table = heading(&entry.table).map_or_else(String::new, |name| format!("{name} "));
        let value = visible(&in_one_line(&entry.value));
        let number = entry.place.line();
        line(
            &mut text,
            &format!("  {table}{} = {value}  (line {number})", entry.key),
        );
    }
    text
}

/// A complete file: keys that are set with their values, all others as comments with their defaults.
pub(super) fn complete(definition: &Definition, file: Option<&File>) -> String {
    let mut text = HEAD.to_owned();
    let keys = definition.keys();
    let general: Vec<&Arg> = keys
        .iter()
        .filter_map(|(_, commands)| at_the_top(commands))
        .collect();
    let mut titles: Vec<Option<&str>> = Vec::new();
    for title in general.iter().map(|arg| arg.get_help_heading()) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    for title in titles {
        line(
            &mut text,
            &format!("\n# ---- {} ----", title.unwrap_or("Other")),
        );
        for arg in general.iter().filter(|arg| arg.get_help_heading() == title) {
            setting(&mut text, file, &Table::Top, arg);
        }
    }
    others(&mut text, file, &Table::Top, &general);
    for (name, command) in definition.commands() {
        let table = Table::Command(name.to_owned());
        let own: Vec<&Arg> = flags(command)
            .filter(|arg| at_the_top(&definition.everywhere(key(arg))).is_none())
            .collect();
        if own.is_empty() && of(file, &table).next().is_none() {
            continue;
        }
        line(&mut text, &format!("\n[{name}]"));
        for arg in &own {
            setting(&mut text, file, &table, arg);
        }
        others(&mut text, file, &table, &own);
    }
    models(&mut text, file);
    own_keys(&mut text, file);
    colors(&mut text, file);
    text
}

/// The flag of a key that stands at the top: one that several commands share, or that the interface
/// alone has.
fn at_the_top<'a>(commands: &[(&str, &'a Arg)]) -> Option<&'a Arg> {
    let is_general = match commands {
        [(name, _)] => *name == OPEN,
        _ => mean_the_same(commands),
    };
    let first = commands.first().filter(|_| is_general);
    first.map(|(_, arg)| *arg)
}

fn of<'a>(file: Option<&'a File>, table: &'a Table) -> impl Iterator<Item = &'a Entry> {
    file.into_iter().flat_map(|file| file.of(table))
}

/// A key with its help as a comment.
fn setting(text: &mut String, file: Option<&File>, table: &Table, arg: &Arg) {
    text.push('\n');
    for words in textwrap(&help(arg)) {
        line(text, &format!("# {words}"));
    }
    match of(file, table).find(|entry| entry.key == key(arg)) {
        Some(entry) => line(text, &format!("{} = {}", entry.key, entry.written)),
        None => line(text, &format!("# {} = {}", key(arg), default(arg))),
    }
}

/// What the help says, with the values where only some are possible.
fn help(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values();
    if values.is_empty() || !arg.get_action().takes_values() {
        return help;
    }
    let values: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    format!("{help}: {}", values.join(", "))
}

/// What the file has in a table beside the keys that stand there.
fn others(text: &mut String, file: Option<&File>, table: &Table, standing: &[&Arg]) {
    let stands = |entry: &&Entry| standing.iter().any(|arg| key(arg) == entry.key);
    for entry in of(file, table).filter(|entry| !stands(entry)) {
        line(text, &format!("{} = {}", entry.key, entry.written));
    }
}

/// The default as a value; where there is none, what the help calls the value.
fn default(arg: &Arg) -> String {
    if is_switch(arg) {
        return "false".to_owned();
    }
    if matches!(arg.get_action(), clap::ArgAction::Count) {
        return "0".to_owned();
    }
    let values = arg.get_default_values().iter();
    let mut values: Vec<String> = values
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if values.is_empty() {
        values.push(names(arg));
    }
    let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
    match (is_list(arg), values.as_slice()) {
        (false, [one]) => one.clone(),
        _ => format!("[{}]", values.join(", ")),
    }
}

fn in_one_line(value: &Value) -> String {
    match value {
        Value::Switch(switch) => switch.to_string(),
        Value::One(text) => literal(text),
        Value::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

/// A number as it is, anything else in quotes.
fn literal(value: &str) -> String {
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    if is_number {
        value.to_owned()
    } else {
        quoted(value)
    }
}

/// JSON's strings are strings of TOML.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn models(text: &mut String, file: Option<&File>) {
    let _never_fails = write!(text, "\n{MODELS}");
    let mut tables: Vec<&Table> = Vec::new();
    for entry in file.into_iter().flat_map(|file| &file.entries) {
        if matches!(entry.table, Table::Model(_)) && !tables.contains(&&entry.table) {
            tables.push(&entry.table);
        }
    }
    for table in &tables {
        line(text, &heading(table).unwrap_or_default());
        others(text, file, table, &[]);
    }
    if tables.is_empty() {
        text.push_str(EXAMPLE);
    }
}

fn own_keys(text: &mut String, file: Option<&File>) {
    let _never_fails = write!(text, "\n[{KEYS}]\n{ABOUT_KEYS}");
    for binding in BINDINGS {
        let name = binding.command.name();
        if let Some(entry) = of(file, &Table::Keys).find(|entry| entry.key == name) {
            line(text, &format!("{name} = {}", entry.written));
        } else {
            let keys: Vec<String> = binding.keys.iter().map(written).collect();
            let (keys, help) = (keys.join(", "), binding.help);
            line(text, &format!("# {name} = [{keys}]  # {help}"));
        }
    }
}

fn written(key: &Key) -> String {
    quoted(&key.written())
}

fn colors(text: &mut String, file: Option<&File>) {
    let _never_fails = write!(text, "\n[{COLORS_TABLE}]\n{ABOUT_COLORS}");
    for (name, help, default) in COLORS {
        match of(file, &Table::Colors).find(|entry| entry.key == name) {
            Some(entry) => line(text, &format!("{name} = {}", entry.written)),
            None => line(text, &format!("# {name} = {}  # {help}", quoted(default))),
        }
    }
}

/// The table of an entry as a file has it; nothing at the top.
fn heading(table: &Table) -> Option<String> {
    Some(match table {
        Table::Top => return None,
        Table::Command(name) => format!("[{name}]"),
        Table::Model(pattern) => format!("[{FOR_MODEL}.{}]", quoted(pattern)),
        Table::Keys => format!("[{KEYS}]"),
        Table::Colors => format!("[{COLORS_TABLE}]"),
    })
}

/// Words in lines that fit behind a `#`.
fn textwrap(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}
