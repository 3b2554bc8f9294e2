//! Query: which images a queue shows, in a small language that is typed into the filter.
//!
//! ```text
//! conf>0.9 wrong                 confident and wrong
//! pred:cat true:dog              one cell of the confusion matrix
//! verdict:none margin<10%        not judged yet, and close
//! (tag:night or note:~blur) -marked
//! ```
//!
//! Terms side by side must all hold; `or`, `not`, `-` and parentheses combine them. A word by itself
//! is looked for in file names. [`terms`] has every term with its meaning.
//!
//! What is not known fails a term: `wrong` and `right` alike let no image through whose true class
//! is not known, and `conf>0.9` none that was not scored. The negation of a term that fails holds, so
//! `-wrong` shows the images of unknown truth as well.
//!
//! Names are looked up when a query is parsed. [`Query::lets`] allocates nothing.

mod complete;
mod lexer;
mod needle;
mod parser;
mod resolve;
pub mod terms;

use std::ops::Range;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use super::figure::Figure;
use super::row::Row;
pub use complete::{Completion, complete};
use needle::Needle;
use resolve::ClassSet;
pub use resolve::quoted;
use terms::Flag;

/// The names that a query can use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vocabulary<'a> {
    /// Names of the classes in order; none where they are not known.
    pub labels: &'a [String],
    /// How many classes the model has.
    pub classes: usize,
    /// The verdicts in use, and those of earlier sets that some image has.
    pub verdicts: &'a [Arc<str>],
    /// The tags that some image has.
    pub tags: &'a [Arc<str>],
}

/// A parsed query. Without a text it lets every image through.
#[derive(Clone, Debug)]
pub struct Query {
    test: Test,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            test: Test::All(Vec::new()),
        }
    }
}

/// Why a text is no query. It reads as one sentence, with the column where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}{}", meant(suggestions))]
pub struct QueryError {
    /// The part of the text that is not understood, in bytes.
    pub at: Range<usize>,
    /// Where it begins on the screen, from 1.
    pub column: usize,
    pub message: String,
    /// What may be meant instead of it, best first; may be none.
    pub suggestions: Vec<String>,
}

impl QueryError {
    fn new(text: &str, at: Range<usize>, message: String) -> Self {
        let before = text.get(..at.start).unwrap_or(text);
        Self {
            column: before.width() + 1,
            at,
            message,
            suggestions: Vec::new(),
        }
    }
}

/// "; did you mean cat, cart or car?"
fn meant(suggestions: &[String]) -> String {
    match suggestions {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// What must hold of a row.
#[derive(Clone, Debug)]
enum Test {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Flag(Flag),
    Figure(Figure, Interval),
    Predicted(ClassSet),
    True(ClassSet),
    Top(ClassSet),
    Name(Needle),
    Note(Needle),
    /// A verdict of these names.
    Verdict(Vec<Arc<str>>),
    VerdictHas(Needle),
    HasVerdict,
    Tag(Needle),
    TagHas(Needle),
    HasTag,
}

/// Numbers between two bounds; whether each belongs to them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    low: (f32, bool),
    high: (f32, bool),
}

impl Interval {
    fn contains(self, value: f32) -> bool {
        let above = value > self.low.0 || (self.low.1 && value >= self.low.0);
        let below = value < self.high.0 || (self.high.1 && value <= self.high.0);
        above && below
    }
}

impl Query {
    /// Reads a query. An empty one lets every image through.
    ///
    /// # Errors
    /// When it is not well-formed, or names what the vocabulary does not have.
    pub fn parse(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Self, QueryError> {
        let test = parser::parse(text, vocabulary)?;
        Ok(Self { test })
    }

    /// Whether a row is shown.
    #[must_use]
    pub fn lets(&self, row: &Row<'_>) -> bool {
        self.test.holds(row)
    }

    /// Whether every row is shown, whatever is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.test, Test::All(tests) if tests.is_empty())
    }
}

impl Test {
    fn holds(&self, row: &Row<'_>) -> bool {
        let verdict = || row.review.and_then(|review| review.verdict.as_ref());
        let mut tags = row.review.into_iter().flat_map(|review| review.tags.iter());
        match self {
            Self::All(tests) => tests.iter().all(|test| test.holds(row)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(row)),
            Self::Not(test) => !test.holds(row),
            Self::Flag(flag) => flag.holds(row),
            Self::Figure(figure, interval) => {
                figure.of(row).is_some_and(|value| interval.contains(value))
            }
            Self::Predicted(classes) => row.predicted().is_some_and(|class| classes.has(class)),
            Self::True(classes) => row.truth.iter().any(|class| classes.has(*class)),
            Self::Top(classes) => row
                .score
                .is_some_and(|score| score.top().any(|answer| classes.has(answer.class))),
            Self::Name(needle) => needle.is_in(row.name),
            Self::Note(needle) => row.review.is_some_and(|review| needle.is_in(&review.note)),
            Self::Verdict(names) => verdict().is_some_and(|verdict| names.contains(verdict)),
            Self::VerdictHas(needle) => verdict().is_some_and(|verdict| needle.is_in(verdict)),
            Self::HasVerdict => verdict().is_some(),
            Self::Tag(needle) => tags.any(|tag| needle.is(tag)),
            Self::TagHas(needle) => tags.any(|tag| needle.is_in(tag)),
            Self::HasTag => tags.next().is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
