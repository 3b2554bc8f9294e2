//! The images that were asked for: which files, in what order, and what is known of them.

pub mod confusion;
pub mod figure;
pub mod order;
pub mod query;
pub mod review;
pub mod row;
pub mod scan;
pub mod score;
pub mod summary;
pub mod truth;

use std::path::Path;
use std::sync::Arc;

/// A number that names one image for as long as the program runs: its place in natural order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub usize);

/// One image file.
#[derive(Clone, Debug)]
pub struct ImageEntry {
    pub id: ImageId,
    /// The path as it can be opened from the current folder.
    pub path: Arc<Path>,
    /// The path relative to what the user named, control characters made visible: safe to print.
    pub name: Arc<str>,
}

/// What tells whether a file has changed since it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// In bytes.
    pub size: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub modified_ns: i64,
}

impl FileIdentity {
    /// # Errors
    /// When there is no such file; one sentence.
    pub fn of(path: &Path) -> Result<Self, String> {
        let facts = std::fs::metadata(path).map_err(|error| {
            let name = crate::text::visible(&path.to_string_lossy());
            format!("cannot read {name}: {error}")
        })?;
        let modified = facts.modified().unwrap_or(std::time::UNIX_EPOCH);
        let nanoseconds = match modified.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos())
                .map_or(i64::MIN, |nanoseconds| -nanoseconds),
        };
        Ok(Self {
            size: facts.len(),
            modified_ns: nanoseconds,
        })
    }
}
