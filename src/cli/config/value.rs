//! A value of a file, and the words of the command line that say the same. A flag's own parser says
//! what is wrong with a value.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::de::DeValue;

use super::definition::{is_list, key, names};

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Switch(bool),
    /// Text or a number.
    One(String),
    List(Vec<String>),
}

impl Value {
    /// # Errors
    /// When it is neither true, false, text, a number, nor a list of such.
    pub(super) fn of(value: &DeValue<'_>) -> Result<Self, String> {
        if let DeValue::Boolean(switch) = value {
            return Ok(Self::Switch(*switch));
        }
        if let DeValue::Array(items) = value {
            let texts = items.iter().map(|item| text(item.get_ref()));
            let texts: Option<Vec<String>> = texts.collect();
            return texts
                .map(Self::List)
                .ok_or_else(|| "expected a list of texts or numbers".to_owned());
        }
        text(value)
            .map(Self::One)
            .ok_or_else(|| format!("a {} means nothing here", value.type_str()))
    }

    /// The same with the home folder in place of a `~` in front, which no shell replaces here.
    pub(super) fn at_home(self, arg: &Arg, home: Option<&Path>) -> Self {
        let is_path = arg.get_value_parser().type_id() == ValueParser::path_buf().type_id();
        match (self, home) {
            (Self::One(text), Some(home)) if is_path => Self::One(match text.strip_prefix("~/") {
                Some(rest) => home.join(rest).to_string_lossy().into_owned(),
                None => text,
            }),
            (other, _) => other,
        }
    }

    /// The path of a model and the like.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::One(text) => Some(PathBuf::from(text)),
            Self::Switch(_) | Self::List(_) => None,
        }
    }

    /// As arguments; a switch that is off is none.
    ///
    /// # Errors
    /// When the flag does not take such a value; what it takes.
    pub(super) fn arguments(&self, arg: &Arg) -> Result<Vec<OsString>, String> {
        let flag = format!("--{}", key(arg));
        match (arg.get_action(), self) {
            (ArgAction::SetTrue, Self::Switch(true)) => Ok(vec![flag.into()]),
            (ArgAction::SetTrue, Self::Switch(false)) => Ok(Vec::new()),
            (ArgAction::SetTrue, _) => Err("expected true or false".to_owned()),
            (ArgAction::Count, Self::One(text)) => {
                let times = text.parse::<u8>().ok().filter(|times| *times < 10);
                let times = times.ok_or("expected a number from 0 to 9")?;
                Ok(vec![flag.into(); times.into()])
            }
            (ArgAction::Count, _) => Err("expected a number from 0 to 9".to_owned()),
            (_, Self::One(text)) => checked(arg, std::slice::from_ref(text)),
            (_, Self::List(texts)) if is_list(arg) => checked(arg, texts),
            // "R,G,B" is a list to everybody but a shell.
            (_, Self::List(texts)) if names(arg).contains(',') => checked(arg, &[texts.join(",")]),
            (_, Self::List(_)) => Err(format!("expected one value ({}), not a list", names(arg))),
            (_, Self::Switch(_)) => Err(format!("expected {}, not true or false", names(arg))),
        }
    }
}

fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        _ => None,
    }
}

/// The arguments, when the flag's own parser takes them.
fn checked(arg: &Arg, texts: &[String]) -> Result<Vec<OsString>, String> {
    let long = key(arg).to_owned();
    let arguments: Vec<OsString> = texts
        .iter()
        .map(|text| format!("--{long}={text}").into())
        .collect();
    let mut alone = Arg::new("value")
        .long(long)
        .action(arg.get_action().clone())
        .value_parser(arg.get_value_parser().clone());
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let command = Command::new("gradcam").no_binary_name(true).arg(alone);
    match command.try_get_matches_from(&arguments) {
        Ok(_) => Ok(arguments),
        Err(error) => Err(reason(&error)),
    }
}

/// Why clap does not take a value, without its flag and its advice.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue)
        && !valid.is_empty()
    {
        return format!("expected one of {}", valid.join(", "));
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}
