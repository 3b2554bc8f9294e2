//! Undo: takes back what a person did, step by step, and does it again, also after a restart.
//!
//! A step is what one call of [`Store::record`] has changed. Each person has steps of their own.
//! What somebody else has changed since is left as it is and said; the rest of the step is taken
//! back, and what was left can be neither undone nor done again later.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::verdicts::{find, next_version, put, review_from_json};
use super::{Conflict, Key, Stamp, Store, StoreError, Version, now};
use crate::dataset::review::Review;
use crate::text::{count, visible};

/// How many verdicts are named.
const NAMED: usize = 3;

/// One image whose review was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub image: Key,
    /// What stood until now.
    pub old: Review,
    /// What stands now. Undone, it is who said it in the first place, and when.
    pub new: Review,
    pub stamp: Stamp,
}

/// What was undone or done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub steps: Vec<Step>,
    /// What somebody else has changed since, and was left.
    pub conflicts: Vec<Conflict>,
    /// What it was, safe to print: "3 images, verdict wrong".
    pub words: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Back,
    Forth,
}

/// One row of the history.
struct Entry {
    seq: i64,
    image: i64,
    key: Key,
    before: Side,
    after: Side,
}

/// A review, and what is known of when it stood.
struct Side {
    review: Review,
    version: i64,
    by: Option<Arc<str>>,
    at_millis: Option<i64>,
}

impl Store {
    /// Takes back the newest step of this reviewer that stands; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was.
    pub fn undo(&mut self) -> Result<Option<Turn>, StoreError> {
        let by = Arc::clone(&self.reviewer);
        self.write(|connection| turn(connection, &by, Direction::Back))
    }

    /// Does again what was undone last; nothing where there is none, or where something was recorded
    /// since.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was.
    pub fn redo(&mut self) -> Result<Option<Turn>, StoreError> {
        let by = Arc::clone(&self.reviewer);
        self.write(|connection| turn(connection, &by, Direction::Forth))
    }
}

fn turn(
    connection: &Connection,
    by: &Arc<str>,
    direction: Direction,
) -> rusqlite::Result<Option<Turn>> {
    let (newest, state, becomes) = match direction {
        Direction::Back => ("max", "done", "undone"),
        // They are undone newest first, so that the oldest is the last.
        Direction::Forth => ("min", "undone", "done"),
    };
    let sql = format!("SELECT {newest}(step) FROM history WHERE by = ?1 AND state = ?2");
    let mut select = connection.prepare_cached(&sql)?;
    let step: Option<i64> = select.query_row(params![by, state], |row| row.get(0))?;
    let Some(step) = step else {
        return Ok(None);
    };
    let mut version = next_version(connection)?;
    let (mut steps, mut conflicts) = (Vec::new(), Vec::new());
    let mut done = Vec::new();
    for entry in entries(connection, by, state, step)? {
        done.push((entry.before.review.clone(), entry.after.review.clone()));
        let (from, to) = match direction {
            Direction::Back => (entry.after, entry.before),
            Direction::Forth => (entry.before, entry.after),
        };
        let (review, stamp) = find(connection, entry.image)?;
        let image = entry.key;
        if stamp.version.0 != from.version {
            set_state(connection, entry.seq, "dropped")?;
            conflicts.push(Conflict {
                image,
                review,
                stamp,
            });
            continue;
        }
        let stamp = Stamp {
            version: Version(version),
            by: to.by.unwrap_or_else(|| Arc::clone(by)),
            at_millis: to.at_millis.unwrap_or_else(now),
        };
        version += 1;
        put(connection, entry.image, &to.review, &stamp)?;
        renumber(connection, entry.image, to.version, stamp.version)?;
        set_state(connection, entry.seq, becomes)?;
        steps.push(Step {
            image,
            old: review,
            new: to.review,
            stamp,
        });
    }
    let words = words(&done, steps.len(), &conflicts);
    Ok(Some(Turn {
        steps,
        conflicts,
        words,
    }))
}

fn entries(
    connection: &Connection,
    by: &str,
    state: &str,
    step: i64,
) -> rusqlite::Result<Vec<Entry>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, image, path, before, before_version, before_by, before_at,
                after, after_version, by, at
         FROM history JOIN images ON images.id = history.image
         WHERE by = ?1 AND state = ?2 AND step = ?3 ORDER BY seq",
    )?;
    let entry = |row: &Row<'_>| {
        let side = |column: usize| -> rusqlite::Result<Side> {
            Ok(Side {
                review: review_from_json(row, column)?,
                version: row.get(column + 1)?,
                by: row.get(column + 2)?,
                at_millis: row.get(column + 3)?,
            })
        };
        Ok(Entry {
            seq: row.get(0)?,
            image: row.get(1)?,
            key: Key::from_bytes(row.get_ref(2)?.as_blob()?),
            before: side(3)?,
            after: side(7)?,
        })
    };
    let rows = select.query_map(params![by, state, step], entry)?;
    rows.collect()
}

/// A review stands again under a new version: whoever knows it by the old one finds it.
fn renumber(connection: &Connection, image: i64, old: i64, new: Version) -> rusqlite::Result<()> {
    for side in ["before_version", "after_version"] {
        let sql = format!("UPDATE history SET {side} = ?3 WHERE image = ?1 AND {side} = ?2");
        connection
            .prepare_cached(&sql)?
            .execute(params![image, old, new.0])?;
    }
    Ok(())
}

fn set_state(connection: &Connection, seq: i64, state: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE history SET state = ?2 WHERE seq = ?1")?
        .execute(params![seq, state])?;
    Ok(())
}

/// What a step has done, from pairs of before and after, and what was left of it.
fn words(done: &[(Review, Review)], images: usize, conflicts: &[Conflict]) -> String {
    let mut parts = vec![count(images, "image")];
    let given = done
        .iter()
        .filter(|(before, after)| before.verdict != after.verdict);
    let given: BTreeSet<Option<&str>> = given.map(|(_, after)| after.verdict.as_deref()).collect();
    let mut named: Vec<String> = given
        .iter()
        .take(NAMED)
        .map(|verdict| verdict.map_or_else(|| "none".to_owned(), visible))
        .collect();
    if given.len() > NAMED {
        named.push("others".to_owned());
    }
    if !named.is_empty() {
        parts.push(format!("verdict {}", named.join(" or ")));
    }
    if done.iter().any(|(before, after)| before.note != after.note) {
        parts.push("note".to_owned());
    }
    if done.iter().any(|(before, after)| before.tags != after.tags) {
        parts.push("tags".to_owned());
    }
    let words = parts.join(", ");
    let whose: BTreeSet<&str> = conflicts
        .iter()
        .map(|conflict| &*conflict.stamp.by)
        .collect();
    let whose = match whose.first() {
        None => return words,
        Some(person) if whose.len() == 1 => visible(person),
        Some(_) => "others".to_owned(),
    };
    let left = count(conflicts.len(), "image");
    format!("{words}; {left} changed since by {whose} and left")
}
