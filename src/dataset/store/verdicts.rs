//! Verdicts: what stands of each image, who said it, and how it is changed.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Key, Store, StoreError, now};
use crate::dataset::review::Review;

/// Counts the changes of a store, from 1. Each change of each image has one of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub(super) i64);

impl Version {
    /// Of an image that nothing was ever said of, and of a store before its first change.
    pub const NONE: Self = Self(0);

    /// It grows with each change.
    #[must_use]
    pub fn number(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

/// Who said it, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub version: Version,
    pub by: Arc<str>,
    /// Milliseconds since 1970, UTC.
    pub at_millis: i64,
}

/// What stands of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    pub image: Key,
    pub review: Review,
    pub stamp: Stamp,
}

/// What shall stand of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub image: Key,
    /// The version that the person has seen; [`Version::NONE`] where nothing was said.
    pub expected: Version,
    pub review: Review,
}

/// Somebody else has changed the image; this is what stands of it. Nothing does, and the version is
/// [`Version::NONE`], where somebody has begun with a new store.
pub type Conflict = Reviewed;

/// What became of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// All are on disk. For each change, in order, what stands now; the stamp of before where it
    /// stood already.
    Kept(Vec<Stamp>),
    /// Nothing was written: these images have another version than the expected one.
    Conflicts(Vec<Conflict>),
}

/// What has changed in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Oldest first.
    pub reviews: Vec<Reviewed>,
    /// What to ask from the next time.
    pub version: Version,
}

impl Store {
    /// All that stands, oldest first, also of images of which nothing is said any more: their
    /// versions are needed to say something of them again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reviews(&mut self) -> Result<Changes, StoreError> {
        self.looked = None;
        self.changes_since(Version::NONE)
    }

    /// What has changed since the version that this or [`Store::reviews`] has returned last, by
    /// others or in this store; not a version that [`Store::record`] returned, since others may have
    /// changed something before it. Costs next to nothing while nobody else has written.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn changes_since(&mut self, version: Version) -> Result<Changes, StoreError> {
        // It counts what other connections have written.
        let state = self.read(|connection| {
            connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0))
        })?;
        if self
            .looked
            .is_some_and(|(looked, upto)| looked == state && version >= upto)
        {
            return Ok(Changes {
                reviews: Vec::new(),
                version,
            });
        }
        let reviews = self.read(|connection| changes(connection, version))?;
        let version = reviews.last().map_or(version, |last| last.stamp.version);
        self.looked = Some((state, version));
        Ok(Changes { reviews, version })
    }

    /// Changes images, each at most once, all or none; one step to undo. They are on disk when this
    /// returns.
    ///
    /// Where the expected version of an image is not the one that stands, nothing is written.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was.
    pub fn record(&mut self, changes: &[Change]) -> Result<Recorded, StoreError> {
        let by = Arc::clone(&self.reviewer);
        self.write(|connection| record(connection, changes, &by))
    }
}

fn changes(connection: &Connection, since: Version) -> rusqlite::Result<Vec<Reviewed>> {
    let mut select = connection.prepare_cached(
        "SELECT verdict, note, tags, version, by, at, path
         FROM reviews JOIN images ON images.id = reviews.image
         WHERE version > ?1 ORDER BY version",
    )?;
    let rows = select.query_map([since.0], |row| {
        let (review, stamp) = standing(row)?;
        let image = Key::from_bytes(row.get_ref(6)?.as_blob()?);
        Ok(Reviewed {
            image,
            review,
            stamp,
        })
    })?;
    rows.collect()
}

fn record(
    connection: &Connection,
    changes: &[Change],
    by: &Arc<str>,
) -> rusqlite::Result<Recorded> {
    let mut conflicts = Vec::new();
    let mut present = Vec::with_capacity(changes.len());
    for change in changes {
        let id = image_id(connection, change.image.as_bytes())?;
        let (review, stamp) = find(connection, id)?;
        if stamp.version == change.expected {
            present.push((id, review, stamp));
        } else {
            let image = change.image.clone();
            conflicts.push(Conflict {
                image,
                review,
                stamp,
            });
        }
    }
    if !conflicts.is_empty() {
        return Ok(Recorded::Conflicts(conflicts));
    }
    let at_millis = now();
    let mut version = next_version(connection)?;
    let step = version;
    let mut stamps = Vec::with_capacity(changes.len());
    for (change, (id, review, before)) in changes.iter().zip(present) {
        if review == change.review {
            stamps.push(before);
            continue;
        }
        let stamp = Stamp {
            version: Version(version),
            by: Arc::clone(by),
            at_millis,
        };
        put(connection, id, &change.review, &stamp)?;
        let was_said = before.version != Version::NONE;
        connection
            .prepare_cached(
                "INSERT INTO history (step, image, before, before_version, before_by, before_at,
                                      after, after_version, by, at, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'done')",
            )?
            .execute(params![
                step,
                id,
                to_json(&review)?,
                before.version.0,
                was_said.then_some(&*before.by),
                was_said.then_some(before.at_millis),
                to_json(&change.review)?,
                stamp.version.0,
                stamp.by,
                stamp.at_millis,
            ])?;
        stamps.push(stamp);
        version += 1;
    }
    if version > step {
        connection
            .prepare_cached(
                "UPDATE history SET state = 'dropped' WHERE by = ?1 AND state = 'undone'",
            )?
            .execute([by])?;
    }
    Ok(Recorded::Kept(stamps))
}

/// What stands of an image.
pub(super) fn find(connection: &Connection, image: i64) -> rusqlite::Result<(Review, Stamp)> {
    let mut select = connection.prepare_cached(
        "SELECT verdict, note, tags, version, by, at FROM reviews WHERE image = ?1",
    )?;
    let found = select.query_row([image], standing).optional()?;
    Ok(found.unwrap_or_else(|| {
        let stamp = Stamp {
            version: Version::NONE,
            by: Arc::from(""),
            at_millis: 0,
        };
        (Review::default(), stamp)
    }))
}

/// Of the columns verdict, note, tags, version, by and at.
pub(super) fn standing(row: &Row<'_>) -> rusqlite::Result<(Review, Stamp)> {
    let tags: Vec<String> = from_json(row, 2)?;
    let review = Review {
        verdict: row.get(0)?,
        note: row.get(1)?,
        tags: tags.into_iter().map(Arc::from).collect(),
    };
    let stamp = Stamp {
        version: Version(row.get(3)?),
        by: row.get(4)?,
        at_millis: row.get(5)?,
    };
    Ok((review, stamp))
}

/// Puts a review in the place of what stands.
pub(super) fn put(
    connection: &Connection,
    image: i64,
    review: &Review,
    stamp: &Stamp,
) -> rusqlite::Result<()> {
    let tags: Vec<&str> = review.tags.iter().map(|tag| &**tag).collect();
    connection
        .prepare_cached(
            "INSERT INTO reviews (image, verdict, note, tags, version, by, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (image) DO UPDATE SET verdict = excluded.verdict, note = excluded.note,
                 tags = excluded.tags, version = excluded.version, by = excluded.by,
                 at = excluded.at",
        )?
        .execute(params![
            image,
            review.verdict,
            review.note,
            json(&tags)?,
            stamp.version.0,
            stamp.by,
            stamp.at_millis,
        ])?;
    Ok(())
}

/// The version of the next change.
pub(super) fn next_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(version), 0) + 1 FROM reviews")?
        .query_row([], |row| row.get(0))
}

/// The number of an image; it has one from now on.
pub(super) fn image_id(connection: &Connection, path: &[u8]) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM images WHERE path = ?1")?
        .query_row([path], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO images (path) VALUES (?1)")?
        .insert([path])
}

/// A review as one text.
fn to_json(review: &Review) -> rusqlite::Result<String> {
    let tags: Vec<&str> = review.tags.iter().map(|tag| &**tag).collect();
    json(&(review.verdict.as_deref(), &*review.note, tags))
}

/// The review of such a text.
pub(super) fn review_from_json(row: &Row<'_>, column: usize) -> rusqlite::Result<Review> {
    let (verdict, note, tags): (Option<String>, String, Vec<String>) = from_json(row, column)?;
    Ok(Review {
        verdict: verdict.map(Arc::from),
        note: Arc::from(note),
        tags: tags.into_iter().map(Arc::from).collect(),
    })
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
