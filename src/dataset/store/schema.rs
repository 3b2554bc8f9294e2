//! Schema: what a store is on disk, and how a file is made one or known as one.
//!
//! The tables are in `schema.sql`. Here are the settings that make a verdict durable: each commit is
//! on disk before it returns, with a log beside the file (WAL), or without one where the file system
//! belongs to another machine.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::is_busy;

/// How long a call waits for others that are writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Tells stores from other databases: "gcam".
const APPLICATION: i64 = 0x6763_616d;

/// The newest layout of tables that this program knows.
pub(super) const VERSION: i64 = 1;

/// The log beside the file is cut to this size once it is no longer needed, in bytes.
const LARGEST_LOG: i64 = 64 << 20;

/// Statements that are kept ready.
const STATEMENTS: usize = 48;

/// What keeps a commit whole until it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// Readers and a writer at the same time; all of them on one machine.
    Wal,
    /// The pages of before in a file that is deleted. Works wherever files can be locked.
    Rollback,
}

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing in it yet.
    Empty,
    Store,
    Newer(i64),
    Foreign,
}

/// Opens a file, or makes an empty one.
pub(super) fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A store may come from somebody else: nothing in it is run.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

pub(super) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    // The three together, or somebody may make it a store in between.
    let look = connection
        .is_autocommit()
        .then(|| connection.unchecked_transaction())
        .transpose()?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    let parts: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    drop(look);
    Ok(match (application, version, parts) {
        (0, 0, 0) => Kind::Empty,
        (APPLICATION, version, _) if version > VERSION => Kind::Newer(version),
        (APPLICATION, _, _) => Kind::Store,
        _ => Kind::Foreign,
    })
}

/// Sets how commits are made durable. Returns what is in use.
pub(super) fn keep_log(connection: &Connection, wanted: Log) -> rusqlite::Result<Log> {
    let set = |mode: &str| {
        connection
            .pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0))
    };
    let in_use = match wanted {
        // Where the file system has no shared memory, SQLite keeps the mode, or fails.
        Log::Wal => match patiently(|| set("wal")) {
            Err(error) if is_busy(&error) => return Err(error),
            Ok(mode) if mode == "wal" => mode,
            _ => set("delete")?,
        },
        Log::Rollback => patiently(|| set("delete"))?,
    };
    // To disk at each commit. Without a log beside the file, also the folder, from which the file
    // that says "not yet" has been deleted.
    let (log, synchronous) = if in_use == "wal" {
        (Log::Wal, "FULL")
    } else {
        (Log::Rollback, "EXTRA")
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On macOS, through the cache of the disk too; no difference elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", LARGEST_LOG)?;
    Ok(log)
}

/// Makes an empty file a store. Of several who try at the same time, one does it. Whether a store can
/// be written is tried, so that it is known before somebody has said something.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let work = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_new = kind(&work)? == Kind::Empty;
    if is_new {
        work.execute_batch(include_str!("schema.sql"))?;
        work.pragma_update(None, "application_id", APPLICATION)?;
    }
    // Stores of before lack this one; programs of before do not mind that it is there.
    let lacks_facts = !work.table_exists(None, "model_facts")?;
    if lacks_facts {
        work.execute_batch(include_str!("facts.sql"))?;
    }
    work.pragma_update(None, "user_version", VERSION)?;
    if is_new || lacks_facts {
        work.commit()
    } else {
        work.rollback()
    }
}

/// What is wrong with the tables that hold what people have said, in words; nothing where all is
/// well. They are small; scores can be made again, and are not looked through.
pub(super) fn faults(connection: &Connection) -> rusqlite::Result<Option<String>> {
    for table in ["reviews", "history", "views", "sessions"] {
        let sql = format!("PRAGMA quick_check({table})");
        let found: String = connection.query_row(&sql, [], |row| row.get(0))?;
        if found != "ok" {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Tries again while somebody else is at it. SQLite waits by itself, but not in every state.
pub(super) fn patiently<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let start = Instant::now();
    loop {
        match work() {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// The log that works in this folder.
pub(super) fn log_for(folder: &Path) -> Log {
    match file_system(folder) {
        Some(kind) if is_remote(kind) => Log::Rollback,
        _ => Log::Wal,
    }
}

#[cfg(target_os = "linux")]
fn file_system(folder: &Path) -> Option<u32> {
    let found = rustix::fs::statfs(folder).ok()?;
    // A magic number of 32 bits, whatever the type of the field.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits")]
    Some(found.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn file_system(_folder: &Path) -> Option<u32> {
    None
}

/// Whether another machine can have the same file open: the log beside the file needs memory that
/// all share. The numbers are those of `statfs(2)`.
fn is_remote(file_system: u32) -> bool {
    [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB 2
        0x0bd0_0bd0, // Lustre
        0x4750_4653, // GPFS
        0x1983_0326, // BeeGFS
        0x00c3_6400, // Ceph
        0x5346_414f, // AFS
        0x6b41_4653, // kAFS
        0x7375_7245, // Coda
        0x0102_1997, // 9P
        0x0116_1970, // GFS2
        0x7461_636f, // OCFS2
        0xaad7_aaea, // PanFS
        0x6573_5546, // FUSE: sshfs and others
    ]
    .contains(&file_system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_of_another_machine_has_no_log_beside_the_file() {
        assert!(is_remote(0x6969));
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
        ] {
            assert!(!is_remote(local), "{local:x}");
        }
    }
}
