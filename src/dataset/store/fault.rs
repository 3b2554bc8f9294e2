//! Faults: why a verdict cannot be kept or read, in sentences that say what to do.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::text::visible;

/// What keeps the store from its work. When a call that writes returns one, it has written nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "nothing tells where verdicts are kept; set HOME or XDG_STATE_HOME, or give --review FILE"
    )]
    NoPlace,
    #[error(
        "the folder of the review store cannot be used ({reason}); give another file with --review: {folder}"
    )]
    Folder { folder: String, reason: String },
    #[error(
        "the review store was made by a newer gradcam (version {found}, this one knows {known}) and is left as it is; update gradcam, or give another file with --review: {file}"
    )]
    Newer {
        file: String,
        found: i64,
        known: i64,
    },
    #[error(
        "this database belongs to another program and is left as it is; give another file with --review: {file}"
    )]
    Foreign { file: String },
    #[error(
        "this file is no review store and is left as it is; give another file with --review: {file}"
    )]
    NoStore { file: String },
    #[error("the review store is damaged ({reason}): {file}")]
    Damaged { file: String, reason: String },
    #[error(
        "the disk of the review store is full, nothing was kept; make room and do it again: {file}"
    )]
    Full { file: String },
    #[error(
        "the review store cannot be written, nothing was kept; make it writable, or give another file with --review: {file}"
    )]
    ReadOnly { file: String },
    #[error(
        "another program has held the review store for too long, nothing was kept; do it again: {file}"
    )]
    Busy { file: String },
    #[error(
        "the review store was moved or deleted while it was open, nothing was kept; start gradcam again: {file}"
    )]
    Moved { file: String },
    #[error(
        "the file system of the review store has no locks; give a file on another disk with --review: {file}"
    )]
    NoLocks { file: String },
    #[error("the review store does not work ({reason}), nothing was kept: {file}")]
    Other { file: String, reason: String },
}

impl StoreError {
    /// What SQLite says, in our words.
    pub(super) fn new(file: &str, error: &rusqlite::Error) -> Self {
        let file = file.to_owned();
        let reason = visible(&error.to_string());
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged { file, reason },
            _ => match (error.sqlite_error_code(), extended_code(error)) {
                (_, Some(rusqlite::ffi::SQLITE_IOERR_LOCK)) => Self::NoLocks { file },
                (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => {
                    Self::Damaged { file, reason }
                }
                (Some(ErrorCode::DiskFull), _) => Self::Full { file },
                (
                    Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen),
                    _,
                ) => Self::ReadOnly { file },
                (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
                    Self::Busy { file }
                }
                _ => Self::Other { file, reason },
            },
        }
    }

    /// Whether a new store can take the place of this one.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// Whether a file is no database at all.
pub(super) fn is_no_database(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

/// Whether it is worth another try.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// A path for people.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}
