//! Export: a review as a table that other programs read, or as a page for people.
//!
//! All tables have the same columns, those of [`columns`]; what changes is how a format writes a
//! list, a time and what is not known. A file is there whole or not at all: it is written aside and
//! renamed, and one that is there is replaced only where that was asked for.

mod columns;
mod csv;
mod json_lines;
mod parquet;
pub mod report;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::ImageEntry;
use super::keys::Keys;
use super::review::Review;
use super::row::Row;
use super::score::Score;
use super::store::{FileIdentity, Key, ModelFacts, Stamp};
use crate::file::{Destination, WriteError, write_whole};
pub use columns::documented;

/// All that is known of one image, owned, so that it can be handed to another thread.
#[derive(Clone, Debug)]
pub struct Record {
    /// As it was found.
    pub path: Arc<Path>,
    /// As the store names it: relative to the folder of the review.
    pub image: Key,
    /// As people see it, safe to print.
    pub name: Arc<str>,
    /// The file as it is now; nothing where there is none.
    pub file: Option<FileIdentity>,
    pub score: Option<Score>,
    /// Why the image cannot be read, where it cannot.
    pub unreadable: Option<Arc<str>>,
    /// The true classes; empty where none are known.
    pub truth: Arc<[u32]>,
    /// What a person says of it, who and when.
    pub said: Option<(Review, Stamp)>,
}

impl Record {
    /// An image of which nothing is known but its file; the disk is asked for size and time.
    #[must_use]
    pub fn new(image: &ImageEntry, keys: &Keys) -> Self {
        Self {
            path: Arc::clone(&image.path),
            image: keys.of(image),
            name: Arc::clone(&image.name),
            file: FileIdentity::of(&image.path).ok(),
            score: None,
            unreadable: None,
            truth: Arc::from([]),
            said: None,
        }
    }

    #[must_use]
    pub fn row(&self) -> Row<'_> {
        Row {
            name: &self.name,
            score: self.score.as_ref(),
            unreadable: self.unreadable.as_deref(),
            truth: &self.truth,
            review: self.said.as_ref().map(|(review, _)| review),
            is_marked: false,
            changed: self.said.as_ref().map(|(_, stamp)| stamp.version.number()),
        }
    }
}

/// What all lines of a table have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table<'a> {
    /// What has made the scores; nothing where there are none.
    pub model: Option<&'a ModelFacts>,
    /// Whether some path [`is_odd`]: then a column has the bytes.
    pub has_odd_paths: bool,
}

/// Whether a path is no text, so that a text cannot name it.
#[must_use]
pub fn is_odd(path: &Path) -> bool {
    path.to_str().is_none()
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// One JSON object a line.
    JsonLines,
    Parquet,
}

/// Writes a table. Returns how many records it has.
///
/// Records are taken one after the other, so that a million of them need not be in memory at once,
/// and may be made while they are written.
///
/// # Errors
/// When the file cannot be written or is called off, or is there and is to be kept.
pub fn write(
    records: impl IntoIterator<Item = Record>,
    table: &Table<'_>,
    format: Format,
    destination: Destination<'_>,
) -> Result<usize, WriteError> {
    write_whole(destination, |file| {
        let records = records.into_iter();
        match format {
            Format::Csv => csv::write(records, table, file),
            Format::JsonLines => json_lines::write(records, table, file),
            Format::Parquet => parquet::write(records, table, file),
        }
    })
}

/// The bytes of a path in hexadecimal digits.
fn hex(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes().iter();
    let digits: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
pub(crate) mod tests;
