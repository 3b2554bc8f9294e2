//! A file that is there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

use crate::file::pipe_or_device;

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
    if path.is_dir() {
        return Err(unwritable("it is a folder".to_owned()));
    }
    if let Some(device) = pipe_or_device(path) {
        let mut device = BufWriter::new(device.map_err(|error| unwritable(error.to_string()))?);
        let done = write(&mut device).map_err(unwritable)?;
        let flushed = device.flush();
        return flushed
            .map(|()| done)
            .map_err(|error| unwritable(error.to_string()));
    }
    let is_there = || path.symlink_metadata().is_ok();
    if existing == Existing::Kept && is_there() {
        return Err(ExportError::Exists(shown(path)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_to_and_stays_and_a_full_disk_is_said() {
        let folder = tempfile::tempdir().unwrap();
        // By another name, so that nothing of the system is at risk.
        let link = |name: &str, device: &str| {
            let path = folder.path().join(name);
            std::os::unix::fs::symlink(device, &path).unwrap();
            path
        };
        let (null, full) = (link("null", "/dev/null"), link("full", "/dev/full"));
        let hello = |file: &mut BufWriter<File>| {
            file.write_all(b"hello").map_err(|error| error.to_string())
        };
        for existing in [Existing::Kept, Existing::Replaced] {
            assert!(whole(&null, existing, hello).is_ok());
            let error = whole(&full, existing, hello).unwrap_err().to_string();
            assert!(error.contains("No space left"), "{error}");
            for path in [&null, &full] {
                assert!(
                    path.symlink_metadata().unwrap().is_symlink(),
                    "it was replaced"
                );
            }
        }
        let error = whole(folder.path(), Existing::Replaced, hello).unwrap_err();
        assert!(error.to_string().contains("it is a folder"), "{error}");
    }
}
