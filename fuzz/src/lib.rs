//! What the fuzz targets share: bytes as a file, and what must hold of every outcome.

use std::io::Write as _;
use std::path::Path;

use gradcam::model::checkpoint::{Checkpoint, ModelSource};

/// Calls `open` with a file of these bytes.
///
/// # Panics
/// When the file cannot be written.
pub fn with_file(bytes: &[u8], open: impl FnOnce(&Path)) {
    let mut file = tempfile::Builder::new()
        .suffix(".pth")
        .tempfile()
        .expect("a temporary file");
    file.write_all(bytes).expect("room for the file");
    open(file.path());
}

/// Opens a checkpoint and reads all that it has.
///
/// # Panics
/// When an error is not one line.
pub fn read_all(path: &Path) {
    match Checkpoint::open(&ModelSource::File(path.to_owned())) {
        Ok(checkpoint) => {
            for key in checkpoint.keys() {
                if let Err(error) = checkpoint.read(key) {
                    one_line(&error.to_string());
                }
            }
        }
        Err(error) => one_line(&error.to_string()),
    }
}

/// # Panics
/// When it has several lines, or control characters.
pub fn one_line(error: &str) {
    assert!(!error.contains(char::is_control), "{error:?}");
}
