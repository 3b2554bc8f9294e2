//! Fields of a JSON object, with words that name file and field where a type is wrong.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::CheckpointError;
use crate::text::visible;

/// A JSON object of a file.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    pub(super) file: &'a str,
    /// What stands before the field's name in messages: "pretrained_cfg.".
    path: String,
    pub(super) entries: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(file: &'a str, value: &'a Value) -> Result<Self, CheckpointError> {
        let entries = value.as_object().ok_or_else(|| CheckpointError::Damaged {
            file: file.to_owned(),
            reason: format!("it is {}, not a JSON object", shown(value)),
        })?;
        Ok(Self {
            file,
            path: String::new(),
            entries,
        })
    }

    /// The field's value; nothing where it is missing or null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.entries.get(name).filter(|value| !value.is_null())
    }

    /// The field as a type; `expected` says in words what it is to be.
    pub(super) fn get<T: Deserialize<'a>>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, CheckpointError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        T::deserialize(value)
            .map(Some)
            .map_err(|_| self.wrong(name, expected))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, CheckpointError> {
        self.get(name, "text")
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, CheckpointError> {
        Ok(self.get(name, "true or false")?.unwrap_or(default))
    }

    /// A number above zero.
    pub(super) fn positive(&self, name: &str) -> Result<Option<f64>, CheckpointError> {
        let expected = "a number above zero";
        match self.get(name, expected)? {
            Some(number) if number <= 0.0 => Err(self.wrong(name, expected)),
            number => Ok(number),
        }
    }

    /// A number for each channel; one number counts for all.
    pub(super) fn channels(&self, name: &str) -> Result<Option<[f32; 3]>, CheckpointError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Channels {
            All(f32),
            Each([f32; 3]),
        }
        Ok(self
            .get(name, "three numbers")?
            .map(|channels| match channels {
                Channels::All(number) => [number; 3],
                Channels::Each(numbers) => numbers,
            }))
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, CheckpointError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(entries)) => Ok(Some(Self {
                file: self.file,
                path: format!("{}{name}.", self.path),
                entries,
            })),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    pub(super) fn wrong(&self, name: &str, expected: &str) -> CheckpointError {
        let value = self.entries.get(name).unwrap_or(&Value::Null);
        wrong(self.file, &format!("{}{name}", self.path), value, expected)
    }
}

/// The error for a field of a wrong type.
pub(super) fn wrong(file: &str, field: &str, value: &Value, expected: &str) -> CheckpointError {
    CheckpointError::Damaged {
        file: file.to_owned(),
        reason: format!("its field {field} is {}, not {expected}", shown(value)),
    }
}

/// The start of a value, safe to print.
fn shown(value: &Value) -> String {
    const SHOWN: usize = 40;
    let text = value.to_string();
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", visible(&start))
}
