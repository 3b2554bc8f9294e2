//! Store: what people have said of images, and what models have answered, in one SQLite file.
//!
//! A verdict is on disk before the call that records it returns; nothing is lost. What a person said
//! is never overwritten unseen: a change names the version it was made from, and where another one
//! stands, nothing is written and that one is returned. Several programs and threads can have the
//! same file open, each with a [`Store`] of its own.
//!
//! Texts come back as they were given, by whoever gave them: they are made harmless where they are
//! shown.

mod blob;
mod fault;
mod merge;
mod models;
mod place;
mod rescue;
mod schema;
mod scores;
mod session;
mod undo;
mod verdicts;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use fault::StoreError;
use fault::{is_no_database, shown};
pub use merge::Merged;
pub use models::{KnownModel, ModelFacts};
pub use place::{Key, Names, Place};
use schema::{Kind, Log, log_for, patiently};
pub use scores::{FileIdentity, ModelId, Scored};
pub use session::View;
pub use undo::{Step, Turn};
pub use verdicts::{Change, Changes, Conflict, Recorded, Reviewed, Stamp, Version};

/// An open store. Each thread has one of its own.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// The file, or the name of the memory.
    source: Source,
    /// For people.
    name: String,
    reviewer: Arc<str>,
    notes: Vec<String>,
    /// What [`Store::changes_since`] has found last: the state of the file, and the version.
    looked: Option<(i64, Version)>,
}

#[derive(Clone, Debug)]
enum Source {
    File {
        place: Place,
        identity: Identity,
        log: Log,
    },
    Memory(String),
}

/// Device and number: tells whether the file of that name is still the same.
type Identity = (u64, u64);

/// Tells the stores in memory apart.
static MEMORIES: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Opens the store, or makes a new one. `reviewer` is who gives verdicts, by any name.
    ///
    /// A damaged one is put aside under another name, never deleted; what can still be read of it is
    /// taken into a new one, and [`Store::notes`] says so.
    ///
    /// # Errors
    /// When it cannot be made, read or written, is of a newer gradcam, or is something else.
    pub fn open(place: &Place, reviewer: &str) -> Result<Self, StoreError> {
        let folder = place.file().parent().unwrap_or_else(|| Path::new("/"));
        make_folder(folder).map_err(|error| StoreError::Folder {
            folder: shown(folder),
            reason: error.to_string(),
        })?;
        Self::open_with(place, reviewer, log_for(folder))
    }

    fn open_with(place: &Place, reviewer: &str, log: Log) -> Result<Self, StoreError> {
        // Where somebody is putting a damaged one aside, wait for the new one.
        let lock = rescue::lock(place.file(), File::lock_shared);
        let before = identity(place.file());
        let opened = Self::attach(place, reviewer, log);
        drop(lock);
        match opened {
            Err(StoreError::Damaged { reason, .. }) => {
                Self::replace(place, reviewer, log, before, &reason)
            }
            done => done,
        }
    }

    /// Opens the file, makes it a store if it is empty, and looks through what people have said.
    fn attach(place: &Place, reviewer: &str, log: Log) -> Result<Self, StoreError> {
        let file = place.file();
        let name = shown(file);
        let fault = |error: rusqlite::Error| {
            if is_no_database(&error) && place.is_named() && !is_called_database(file) {
                StoreError::NoStore { file: name.clone() }
            } else {
                StoreError::new(&name, &error)
            }
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = patiently(|| schema::connect(file, flags)).map_err(fault)?;
        match patiently(|| schema::kind(&connection)).map_err(fault)? {
            Kind::Empty | Kind::Store => {}
            Kind::Foreign => return Err(StoreError::Foreign { file: name }),
            Kind::Newer(found) => {
                return Err(StoreError::Newer {
                    file: name,
                    found,
                    known: schema::VERSION,
                });
            }
        }
        if connection.is_readonly("main").map_err(fault)? {
            return Err(StoreError::ReadOnly { file: name });
        }
        let log = schema::keep_log(&connection, log).map_err(fault)?;
        patiently(|| schema::create(&mut connection)).map_err(fault)?;
        if let Some(reason) = patiently(|| schema::faults(&connection)).map_err(fault)? {
            let reason = crate::text::visible(&reason);
            return Err(StoreError::Damaged { file: name, reason });
        }
        let identity = identity(file).ok_or_else(|| StoreError::Moved { file: name.clone() })?;
        let place = place.clone();
        let source = Source::File {
            place,
            identity,
            log,
        };
        Ok(Self::new(connection, source, name, reviewer))
    }

    fn new(connection: Connection, source: Source, name: String, reviewer: &str) -> Self {
        Self {
            connection,
            source,
            name,
            reviewer: Arc::from(reviewer),
            notes: Vec::new(),
            looked: None,
        }
    }

    /// A store that ends with the program, where none can be kept on disk.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn in_memory(reviewer: &str) -> Result<Self, StoreError> {
        let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
        Self::attach_memory(&format!("file:/gradcam-{number}?vfs=memdb"), reviewer)
    }

    fn attach_memory(address: &str, reviewer: &str) -> Result<Self, StoreError> {
        let name = "in memory".to_owned();
        let fault = |error| StoreError::new(&name, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI;
        let mut connection = schema::connect(Path::new(address), flags).map_err(fault)?;
        schema::create(&mut connection).map_err(fault)?;
        let source = Source::Memory(address.to_owned());
        Ok(Self::new(connection, source, name, reviewer))
    }

    /// Another one of the same store, for another thread.
    ///
    /// # Errors
    /// As [`Store::open`]; a damaged store stays where it is.
    pub fn another(&self) -> Result<Self, StoreError> {
        match &self.source {
            Source::File { place, log, .. } => {
                self.check_place()?;
                Self::attach(place, &self.reviewer, *log)
            }
            Source::Memory(address) => Self::attach_memory(address, &self.reviewer),
        }
    }

    /// After [`StoreError::Damaged`]: puts the file aside, as [`Store::open`] does, and goes on with
    /// a new one. Others of this program that have it open must be dropped before.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn begin_anew(self, reason: &StoreError) -> Result<Self, StoreError> {
        let Self {
            connection,
            source,
            reviewer,
            ..
        } = self;
        drop(connection);
        match source {
            Source::Memory(_) => Self::in_memory(&reviewer),
            Source::File {
                place,
                identity,
                log,
            } => Self::replace(&place, &reviewer, log, Some(identity), &reason.to_string()),
        }
    }

    /// Puts the damaged file aside, unless somebody else has done so since it was looked at, and
    /// opens a new one with what can be read of the other.
    fn replace(
        place: &Place,
        reviewer: &str,
        log: Log,
        damaged: Option<Identity>,
        reason: &str,
    ) -> Result<Self, StoreError> {
        let file = place.file();
        let fault = |error: std::io::Error| StoreError::Damaged {
            file: shown(file),
            reason: format!("{reason}; it cannot be put aside: {error}"),
        };
        // Until the new one is there, others wait.
        let _lock = rescue::lock(file, File::lock);
        if identity(file) != damaged {
            return Self::attach(place, reviewer, log);
        }
        let aside = rescue::put_aside(file).map_err(fault)?;
        let mut store = Self::attach(place, reviewer, log)?;
        let note = rescue::take_over(&mut store, &aside, reason)?;
        tracing::warn!("{note}");
        store.notes.push(note);
        Ok(store)
    }

    /// What happened when it was opened that the user should know, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where it is, safe to print.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file; nothing of a store in memory.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File { place, .. } => Some(place.file()),
            Source::Memory(_) => None,
        }
    }

    #[must_use]
    pub fn reviewer(&self) -> &Arc<str> {
        &self.reviewer
    }

    /// Does all of the work, durably, or none of it.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.check_place()?;
        let fault = |error| StoreError::new(&self.name, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault)?;
        let done = work(&transaction).map_err(fault)?;
        transaction.commit().map_err(fault)?;
        Ok(done)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| StoreError::new(&self.name, &error))
    }

    /// What is written into a file without a name is lost, and SQLite does not mind.
    fn check_place(&self) -> Result<(), StoreError> {
        match &self.source {
            Source::File {
                place,
                identity: own,
                ..
            } if identity(place.file()) != Some(*own) => Err(StoreError::Moved {
                file: self.name.clone(),
            }),
            _ => Ok(()),
        }
    }
}

fn identity(file: &Path) -> Option<Identity> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether a file that the user has named is meant to be a database, whatever it holds.
fn is_called_database(file: &Path) -> bool {
    let ending = file.extension().and_then(std::ffi::OsStr::to_str);
    ending.is_some_and(|ending| ["sqlite", "sqlite3", "db"].contains(&ending))
}

/// Makes a folder and those above it, so that they are still there after a power cut.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|above| !above.exists())
        .collect();
    std::fs::create_dir_all(folder)?;
    let above = missing.iter().filter_map(|made| made.parent());
    for folder in above {
        // Some file systems cannot; then nothing can be done about it.
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::warn!("{} is not known to be on disk: {error}", shown(folder));
        }
    }
    Ok(())
}

/// Milliseconds since 1970, UTC.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A file beside another: its name and this ending.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
