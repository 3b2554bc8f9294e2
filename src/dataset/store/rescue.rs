//! Rescue: a damaged store is put aside, and what can be read of it is taken over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row};

use super::fault::shown;
use super::session::View;
use super::verdicts::{image_id, next_version, put, review_from_json, standing};
use super::{Stamp, Store, StoreError, Version, beside, now, schema};
use crate::dataset::review::Review;
use crate::text::count;

/// The files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How many damaged stores of one name are looked for; more would be a sign of something else.
const MOST_ASIDE: u32 = 10_000;

/// Locks the folder until it is dropped: for one who puts something aside, or for many who open a
/// store. Where the file system has no locks there is none; two who come at that moment are rare.
pub(super) fn lock(file: &Path, how: impl FnOnce(&File) -> io::Result<()>) -> Option<File> {
    let folder = File::open(file.parent()?).ok()?;
    match how(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            tracing::warn!("the folder of the review store is not locked: {error}");
            None
        }
    }
}

/// Renames a store and what lies beside it. Returns the new name, which nothing had before.
pub(super) fn put_aside(file: &Path) -> io::Result<PathBuf> {
    let aside = (1..MOST_ASIDE)
        .map(|number| {
            let mut name = file.file_stem().unwrap_or_default().to_owned();
            name.push(format!(".damaged-{number}.sqlite"));
            file.with_file_name(name)
        })
        .find(|name| {
            let mut names = BESIDE.map(|ending| beside(name, ending)).into_iter();
            name.symlink_metadata().is_err() && names.all(|name| name.symlink_metadata().is_err())
        })
        .ok_or(io::ErrorKind::AlreadyExists)?;
    // What lies beside it first: without it, it would be another one.
    for ending in BESIDE {
        match std::fs::rename(beside(file, ending), beside(&aside, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(file, &aside)?;
    Ok(aside)
}

/// Takes into a new store what can be read of a damaged one: what stands of each image, or the last
/// that was said of it; views; where each person was. Scores can be made again. Returns what to tell
/// the user.
///
/// # Errors
/// When the new store cannot be written.
pub(super) fn take_over(
    store: &mut Store,
    aside: &Path,
    reason: &str,
) -> Result<String, StoreError> {
    let saved = read(aside).unwrap_or_default();
    let said = saved
        .reviews
        .values()
        .filter(|(review, _)| !review.is_empty())
        .count();
    store.write(|connection| {
        let versions = next_version(connection)?..;
        for (version, (path, (review, stamp))) in versions.zip(&saved.reviews) {
            let image = image_id(connection, path)?;
            let version = Version(version);
            let stamp = Stamp {
                version,
                ..stamp.clone()
            };
            put(connection, image, review, &stamp)?;
        }
        for (name, text) in &saved.sessions {
            connection.execute(
                "INSERT OR REPLACE INTO sessions (reviewer, text, at) VALUES (?1, ?2, ?3)",
                rusqlite::params![name, text, now()],
            )?;
        }
        Ok(())
    })?;
    for view in &saved.views {
        store.save_view(view)?;
    }
    let rescued = match said {
        0 => "nothing that was said of images could be read from it".to_owned(),
        1 => "what was said of 1 image could be read and is kept".to_owned(),
        _ => format!(
            "what was said of {} could be read and is kept",
            count(said, "image")
        ),
    };
    Ok(format!(
        "the review store was damaged ({reason}) and a new one is begun; {rescued}; the damaged one is now {}",
        shown(aside)
    ))
}

/// What could be read.
#[derive(Default)]
struct Saved {
    reviews: BTreeMap<Vec<u8>, (Review, Stamp)>,
    views: Vec<View>,
    sessions: Vec<(String, String)>,
}

fn read(file: &Path) -> rusqlite::Result<Saved> {
    let connection = schema::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut saved = Saved::default();
    // The last thing said, where the history has it; then what stands, which is as new or newer.
    let said = rows(
        &connection,
        "SELECT after, after_version, by, at, path FROM history
         CROSS JOIN images ON images.id = history.image
         WHERE state = 'done' ORDER BY seq",
        |row| {
            let stamp = Stamp {
                version: Version(row.get(1)?),
                by: row.get(2)?,
                at_millis: row.get(3)?,
            };
            Ok((
                row.get::<_, Vec<u8>>(4)?,
                (review_from_json(row, 0)?, stamp),
            ))
        },
    );
    let stands = rows(
        &connection,
        "SELECT verdict, note, tags, version, by, at, path FROM reviews
         CROSS JOIN images ON images.id = reviews.image ORDER BY reviews.image",
        |row| Ok((row.get::<_, Vec<u8>>(6)?, standing(row)?)),
    );
    for (path, (review, stamp)) in said.into_iter().chain(stands) {
        let known = saved.reviews.get(&path);
        if known.is_none_or(|(_, known)| known.version <= stamp.version) {
            saved.reviews.insert(path, (review, stamp));
        }
    }
    saved.views = rows(
        &connection,
        "SELECT name, filter, ordering FROM views ORDER BY name",
        |row| {
            Ok(View {
                name: row.get(0)?,
                filter: row.get(1)?,
                order: row.get(2)?,
            })
        },
    );
    saved.sessions = rows(
        &connection,
        "SELECT reviewer, text FROM sessions ORDER BY reviewer",
        |row| Ok((row.get(0)?, row.get(1)?)),
    );
    Ok(saved)
}

/// The rows from the beginning up to the first that cannot be read, and those from the end. Rows may
/// be there twice.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    for sql in [sql.to_owned(), format!("{sql} DESC")] {
        let mut read = || -> rusqlite::Result<()> {
            let mut select = connection.prepare(&sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                // A row that makes no sense is left out; the next may.
                if let Ok(row) = each(row) {
                    found.push(row);
                }
            }
            Ok(())
        };
        match read() {
            Ok(()) => break,
            Err(error) => tracing::warn!("the damaged review store: {error}"),
        }
    }
    found
}
