//! Files that are there whole or not at all: written aside, and given their name when they are done
//! and on disk. Pipes and devices are written to and never replaced.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, TempPath};

use crate::text::visible;

/// What becomes of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Kept,
    Replaced,
}

/// Why a file was not written. The one that was there, if any, is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{0} is there already")]
    Exists(String),
    #[error("cannot write {file}: {reason}")]
    Unwritable { file: String, reason: String },
    #[error("{0} is not written: it was called off")]
    CalledOff(String),
}

/// Where a file is to be.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    pub path: &'a Path,
    existing: Existing,
    of_a_run: Option<Hurry>,
    is_called_off: &'a (dyn Fn() -> bool + Sync),
}

/// Whether a file of a run is on disk before the next one is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// It is.
    No,
    /// The system writes it when it likes: a run has many, and makes those again that are lost.
    Yes,
}

impl<'a> Destination<'a> {
    #[must_use]
    pub fn new(path: &'a Path, existing: Existing) -> Self {
        Self {
            path,
            existing,
            of_a_run: None,
            is_called_off: &|| false,
        }
    }

    /// A file of a run that alone writes into its folder and is gone on with when it was ended: it is
    /// always written aside under the same name, so that nothing is left of a run that was killed.
    #[must_use]
    pub fn of_a_run(path: &'a Path, hurry: Hurry) -> Self {
        Self {
            of_a_run: Some(hurry),
            ..Self::new(path, Existing::Replaced)
        }
    }

    /// The same, given up as soon as this says so.
    #[must_use]
    pub fn unless(self, is_called_off: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            is_called_off,
            ..self
        }
    }
}

/// A file under way, which takes no more once it is called off.
pub struct Aside<'a> {
    file: File,
    is_called_off: &'a (dyn Fn() -> bool + Sync),
}

impl Write for Aside<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_called_off)() {
            return Err(io::Error::other("it was called off"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A pipe or a device of this name, opened to be written to; nothing where there is an ordinary file,
/// a folder, or nothing. It has no content to lose, and renaming a file into its place would take it
/// away from everybody.
fn pipe_or_device(path: &Path) -> Option<io::Result<File>> {
    let found = path.metadata().ok()?;
    (!found.is_file() && !found.is_dir()).then(|| File::options().write(true).open(path))
}

/// Writes a file so that it is there whole or not at all.
///
/// # Errors
/// When `write` fails or is called off, the file cannot be made, or it is there and is to be kept.
pub fn write_whole<T>(
    destination: Destination<'_>,
    write: impl FnOnce(&mut BufWriter<Aside<'_>>) -> Result<T, String>,
) -> Result<T, WriteError> {
    let Destination {
        path,
        existing,
        of_a_run,
        is_called_off,
    } = destination;
    let name = || visible(&path.display().to_string());
    let unwritable = |reason: String| {
        if is_called_off() {
            return WriteError::CalledOff(name());
        }
        WriteError::Unwritable {
            file: name(),
            reason,
        }
    };
    let failed = |error: io::Error| unwritable(error.to_string());
    let aside = |file| {
        BufWriter::new(Aside {
            file,
            is_called_off,
        })
    };
    if path.is_dir() {
        return Err(unwritable("it is a folder".to_owned()));
    }
    if let Some(device) = pipe_or_device(path) {
        let mut device = aside(device.map_err(failed)?);
        let done = write(&mut device).map_err(unwritable)?;
        device.flush().map_err(failed)?;
        return Ok(done);
    }
    if existing == Existing::Kept && path.symlink_metadata().is_ok() {
        return Err(WriteError::Exists(name()));
    }
    let (file, path_aside) = match of_a_run {
        Some(_) => under_a_fixed_name(path),
        None => under_a_new_name(path),
    }
    .map_err(failed)?;
    let mut file = aside(file);
    let done = write(&mut file).map_err(unwritable)?;
    file.flush().map_err(failed)?;
    if of_a_run != Some(Hurry::Yes) {
        file.get_ref().file.sync_all().map_err(failed)?;
    }
    if is_called_off() {
        return Err(WriteError::CalledOff(name()));
    }
    let named = match existing {
        // Where somebody else has made the file meanwhile, it is theirs.
        Existing::Kept => path_aside.persist_noclobber(path),
        Existing::Replaced => path_aside.persist(path),
    };
    named.map_err(|error| match io::Error::from(error) {
        error if error.kind() == ErrorKind::AlreadyExists => WriteError::Exists(name()),
        error => failed(error),
    })?;
    Ok(done)
}

/// As any other file that is made: who may read it is left to the user's mask.
fn under_a_new_name(path: &Path) -> io::Result<(File, TempPath)> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let made = Builder::new()
        .prefix(".gradcam-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    Ok(made.into_parts())
}

/// `PATH.part`
fn under_a_fixed_name(path: &Path) -> io::Result<(File, TempPath)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let file = File::create(&name)?;
    Ok((file, TempPath::try_from_path(name)?))
}

#[cfg(test)]
mod tests;
