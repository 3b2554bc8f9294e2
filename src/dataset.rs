//! The images that were asked for: which files, in what order, and what is known of them.

pub mod confusion;
pub mod export;
pub mod figure;
pub mod keys;
pub mod order;
pub mod query;
pub mod review;
pub mod row;
pub mod scan;
pub mod score;
pub mod shard;
pub mod store;
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
