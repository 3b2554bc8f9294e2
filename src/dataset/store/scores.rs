//! Scores: what models have answered, so that a folder is scored once.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::verdicts::image_id;
use super::{Key, Store, StoreError, blob};
use crate::dataset::score::Score;

/// Names a model in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelId(pub(super) i64);

/// Tells whether a file is still the one that was scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// Bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl FileIdentity {
    /// Asks the disk; links are followed.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let found = std::fs::metadata(path)?;
        let seconds = found.mtime().saturating_mul(1_000_000_000);
        Ok(Self {
            size: found.size(),
            mtime_ns: seconds.saturating_add(found.mtime_nsec()),
        })
    }
}

/// What a model answers for an image, or why the image cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub image: Key,
    pub file: FileIdentity,
    pub score: Result<Score, Arc<str>>,
}

impl Store {
    /// The number of a model. `key` has all that a score depends on beside the image: fingerprint,
    /// preprocessing and layer. `about` says the same for people.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn model(&mut self, key: &str, about: &str) -> Result<ModelId, StoreError> {
        let known = self.read(|connection| {
            connection
                .prepare_cached("SELECT id FROM models WHERE key = ?1 AND about = ?2")?
                .query_row([key, about], |row| row.get(0))
                .optional()
        })?;
        if let Some(id) = known {
            return Ok(ModelId(id));
        }
        let id = self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO models (key, about) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET about = excluded.about RETURNING id",
                )?
                .query_row([key, about], |row| row.get(0))
        })?;
        Ok(ModelId(id))
    }

    /// Keeps scores, in the place of earlier ones of the same model, all or none. It takes one
    /// write to the disk, however many they are.
    ///
    /// # Errors
    /// When they cannot be written; then none was.
    pub fn keep_scores(&mut self, model: ModelId, scores: &[Scored]) -> Result<(), StoreError> {
        self.write(|connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO scores (model, image, size, mtime, score, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (model, image) DO UPDATE SET size = excluded.size,
                     mtime = excluded.mtime, score = excluded.score, reason = excluded.reason",
            )?;
            for Scored { image, file, score } in scores {
                insert.execute(params![
                    model.0,
                    image_id(connection, image.as_bytes())?,
                    // Bit by bit; only whether they are equal matters.
                    file.size as i64,
                    file.mtime_ns,
                    score.as_ref().ok().map(blob::from_score),
                    score.as_ref().err(),
                ])?;
            }
            Ok(())
        })
    }

    /// Gives each score of a model to `each`: the bytes of the image's key, the file that was
    /// scored, and the score or the reason why there is none. A score of a file of another size or
    /// time is out of date, and that is for the caller to see. Scores in a layout that this program
    /// does not know are left out, as if the image was not scored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scores(
        &self,
        model: ModelId,
        mut each: impl FnMut(&[u8], FileIdentity, Result<Score, &str>),
    ) -> Result<(), StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT path, size, mtime, score, reason
                 FROM scores CROSS JOIN images ON images.id = scores.image
                 WHERE model = ?1 ORDER BY scores.image",
            )?;
            let mut rows = select.query([model.0])?;
            while let Some(row) = rows.next()? {
                let path = row.get_ref(0)?.as_blob()?;
                let file = FileIdentity {
                    size: row.get::<_, i64>(1)? as u64,
                    mtime_ns: row.get(2)?,
                };
                match row.get_ref(3)?.as_blob_or_null()? {
                    Some(bytes) => {
                        if let Some(score) = blob::to_score(bytes) {
                            each(path, file, Ok(score));
                        }
                    }
                    None => each(path, file, Err(row.get_ref(4)?.as_str()?)),
                }
            }
            Ok(())
        })
    }
}
