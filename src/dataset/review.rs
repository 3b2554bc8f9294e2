//! Review: what a person says of an image. Plain data.

use std::sync::Arc;

/// What a person says of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Name of the verdict, of the set in use or of an earlier one.
    pub verdict: Option<Arc<str>>,
    /// Free text; may have several lines.
    pub note: Arc<str>,
    /// In alphabetical order, each once.
    pub tags: Arc<[Arc<str>]>,
}

impl Review {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verdict.is_none() && self.note.is_empty() && self.tags.is_empty()
    }
}

/// A verdict that can be given, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub key: char,
    pub name: Arc<str>,
}

/// The set without another one: pairs of a key and a name.
const USUAL: [(char, &str); 6] = [
    ('a', "right for the right reason"),
    ('b', "right for the wrong reason"),
    ('w', "wrong"),
    ('e', "label error"),
    ('u', "unsure"),
    ('!', "flag"),
];

/// The verdicts without another set.
#[must_use]
pub fn usual() -> Vec<Verdict> {
    let verdict = |(key, name)| Verdict {
        key,
        name: Arc::from(name),
    };
    USUAL.map(verdict).into()
}

/// The README's table of the usual verdicts.
#[must_use]
pub fn readme_table() -> String {
    let lines = USUAL.map(|(key, name)| format!("| `{key}` | {name} |\n"));
    format!("| key | verdict |\n|---|---|\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_usual_verdicts() {
        crate::tests::assert_readme_has("verdicts", &readme_table());
    }
}
