//! Session: where a person was, and what to see under a name.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, now};

/// What to see, and in which order, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub name: String,
    /// As the user has written it.
    pub filter: String,
    /// As the user has written it.
    pub order: String,
}

impl Store {
    /// The views that were saved, by anybody, in the order of their names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn views(&self) -> Result<Vec<View>, StoreError> {
        self.read(|connection| {
            let mut select = connection
                .prepare_cached("SELECT name, filter, ordering FROM views ORDER BY name")?;
            let rows = select.query_map([], |row| {
                Ok(View {
                    name: row.get(0)?,
                    filter: row.get(1)?,
                    order: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Saves a view, in the place of one of the same name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_view(&mut self, view: &View) -> Result<(), StoreError> {
        let by = self.reviewer.clone();
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO views (name, filter, ordering, by, at)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![view.name, view.filter, view.order, by, now()])?;
            Ok(())
        })
    }

    /// Takes a view away. Returns whether there was one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_view(&mut self, name: &str) -> Result<bool, StoreError> {
        self.write(|connection| {
            let removed = connection
                .prepare_cached("DELETE FROM views WHERE name = ?1")?
                .execute([name])?;
            Ok(removed > 0)
        })
    }

    /// What this reviewer has saved last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn session(&self) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT text FROM sessions WHERE reviewer = ?1")?
                .query_row([&self.reviewer], |row| row.get(0))
                .optional()
        })
    }

    /// Saves where this reviewer is. Only the caller knows what the text means.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_session(&mut self, text: &str) -> Result<(), StoreError> {
        let reviewer = self.reviewer.clone();
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO sessions (reviewer, text, at) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![reviewer, text, now()])?;
            Ok(())
        })
    }
}
