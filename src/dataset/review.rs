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
