//! Labels: the names of the classes.

use std::path::Path;

use serde_json::Value;

use super::ClassIndex;
use crate::text::visible;

/// Names by class; empty where none are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<String>);

/// Why a list of names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("cannot read the labels {file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error(
        "{file} has {found} labels, but the model has {classes} classes; give one name a class, in the order of the classes"
    )]
    Count {
        file: String,
        found: usize,
        classes: usize,
    },
}

impl Labels {
    /// Reads a file: a name a line, a JSON array of names, or a JSON object from index to name or
    /// to a list whose last entry is the name (ImageNet's `["n01440764", "tench"]`).
    ///
    /// # Errors
    /// When the file cannot be read, or does not have a name for each of `classes` classes.
    pub fn open(path: &Path, classes: usize) -> Result<Self, LabelError> {
        let file = visible(&path.display().to_string());
        let unreadable = |reason: String| LabelError::Unreadable {
            file: file.clone(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let names = if text.trim_start().starts_with(['[', '{']) {
            let value =
                serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
            from_json(&value).ok_or_else(|| {
                unreadable(
                    "it is neither a list of names nor an object of index and name".to_owned(),
                )
            })?
        } else {
            text.lines().map(str::to_owned).collect()
        };
        Self::new(names, classes).map_err(|found| LabelError::Count {
            file: file.clone(),
            found,
            classes,
        })
    }

    /// The names that a checkpoint carries.
    ///
    /// # Errors
    /// When there is not a name for each of `classes` classes.
    pub fn of_checkpoint(names: Vec<String>, classes: usize) -> Result<Self, LabelError> {
        let file = "the checkpoint's list of class names".to_owned();
        Self::new(names, classes).map_err(|found| LabelError::Count {
            file,
            found,
            classes,
        })
    }

    fn new(mut names: Vec<String>, classes: usize) -> Result<Self, usize> {
        while names.len() > classes && names.last().is_some_and(|name| name.trim().is_empty()) {
            names.pop();
        }
        if names.len() != classes {
            return Err(names.len());
        }
        Ok(Self(
            names.iter().map(|name| visible(name.trim())).collect(),
        ))
    }

    pub fn known(&self) -> bool {
        !self.0.is_empty()
    }

    /// The class's name, or "class N".
    #[must_use]
    pub fn get(&self, class: ClassIndex) -> String {
        match self.0.get(class.0) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("class {}", class.0),
        }
    }
}

fn from_json(value: &Value) -> Option<Vec<String>> {
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(parts) => parts.last()?.as_str().map(str::to_owned),
        _ => None,
    };
    match value {
        Value::Array(names) => names.iter().map(name).collect(),
        Value::Object(entries) => {
            let mut numbered: Vec<(usize, String)> = entries
                .iter()
                .map(|(key, value)| Some((key.parse().ok()?, name(value)?)))
                .collect::<Option<_>>()?;
            numbered.sort_unstable();
            numbered
                .iter()
                .enumerate()
                .all(|(at, (index, _))| at == *index)
                .then(|| numbered.into_iter().map(|(_, name)| name).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str, classes: usize) -> Result<Labels, LabelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        std::fs::write(&path, text).unwrap();
        Labels::open(&path, classes)
    }

    #[test]
    fn names_come_from_lines_lists_and_objects() {
        let expected = Labels(vec!["cat".to_owned(), "tiger cat".to_owned()]);
        for text in [
            "cat\r\ntiger cat\n\n",
            r#"["cat", "tiger cat"]"#,
            r#"{"1": "tiger cat", "0": "cat"}"#,
            r#"{"0": ["n1", "cat"], "1": ["n2", "tiger cat"]}"#,
        ] {
            assert_eq!(labels(text, 2).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_number_of_names_is_refused_with_both_numbers() {
        let error = labels("a\nb\nc\n", 2).unwrap_err().to_string();
        assert!(
            error.contains("has 3 labels, but the model has 2 classes"),
            "{error}"
        );
        assert!(labels(r#"{"0": "a", "2": "b"}"#, 2).is_err());
    }

    #[test]
    fn a_label_cannot_command_the_terminal() {
        assert_eq!(
            labels("a\u{1b}[2J\n", 1).unwrap().get(ClassIndex(0)),
            "a\\u{1b}[2J"
        );
        assert_eq!(Labels::default().get(ClassIndex(3)), "class 3");
    }
}
