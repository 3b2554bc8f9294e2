//! Files that are not ordinary ones: what is written to, and never replaced.

use std::fs::File;
use std::path::Path;

/// A pipe or a device of this name, opened to be written to; nothing where there is an ordinary file,
/// a folder, or nothing. It has no content to lose, and renaming a file into its place would take it
/// away from everybody.
#[must_use]
pub fn pipe_or_device(path: &Path) -> Option<std::io::Result<File>> {
    let found = path.metadata().ok()?;
    (!found.is_file() && !found.is_dir()).then(|| File::options().write(true).open(path))
}
