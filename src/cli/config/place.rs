//! Where something stands in a file, for whoever has to mend it there.

use std::path::Path;

use strsim::jaro_winkler;

use crate::text::visible;

/// Names less alike than this are not suggested.
const ALIKE: f64 = 0.75;

/// A line and a column, both from 1; columns count letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// Of a byte in a text.
    pub(super) fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
        }
    }

    pub(super) fn line(self) -> usize {
        self.line
    }

    /// The sentence for whoever has to mend it.
    pub(super) fn fault(self, file: &Path, words: &str) -> String {
        format!(
            "{}, line {}, column {}: {}",
            visible(&file.to_string_lossy()),
            self.line,
            self.column,
            visible(words)
        )
    }
}

/// "; did you mean `cache-mb`?", where one of the names is near.
pub(super) fn suggestion<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likeness = |name: &str| jaro_winkler(wanted, name);
    let best = names
        .filter(|name| likeness(name) > ALIKE)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    best.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
