//! A file that is there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

use super::{Existing, ExportError, shown};

/// Writes a file aside and gives it its name when it is done and on disk.
pub(super) fn whole<T>(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, String>,
) -> Result<T, ExportError> {
    let unwritable = |reason: String| ExportError::Unwritable {
        file: shown(path),
        reason,
    };
    let is_there = || path.symlink_metadata().is_ok();
    if existing == Existing::Kept && is_there() {
        return Err(ExportError::Exists(shown(path)));
    }
    if path.is_dir() {
        return Err(unwritable("it is a folder".to_owned()));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // As any other file that is made: who may read it is left to the user's mask.
    let aside = Builder::new()
        .prefix(".gradcam-export-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|error| unwritable(error.to_string()))?;
    let (file, aside) = aside.into_parts();
    let mut file = BufWriter::new(file);
    let done = write(&mut file).map_err(unwritable)?;
    file.flush()
        .and_then(|()| file.get_ref().sync_all())
        .map_err(|error| unwritable(error.to_string()))?;
    let named = match existing {
        // Where somebody else has made the file meanwhile, it is theirs.
        Existing::Kept => aside.persist_noclobber(path),
        Existing::Replaced => aside.persist(path),
    };
    named.map_err(|error| {
        let error: std::io::Error = error.into();
        if error.kind() == ErrorKind::AlreadyExists {
            ExportError::Exists(shown(path))
        } else {
            unwritable(error.to_string())
        }
    })?;
    Ok(done)
}
