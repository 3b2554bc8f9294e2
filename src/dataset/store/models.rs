//! Models: which ones have made the scores of a store, and what is known of each without its
//! checkpoint.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{ModelId, Store, StoreError};

/// What is known of a model without its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// File name of the checkpoint.
    pub name: String,
    /// For people: "ResNet-18".
    pub family: String,
    pub fingerprint: String,
    pub classes: usize,
    /// The preprocessing in words.
    pub recipe: String,
    pub layer: String,
    /// "f32", "bf16", "f16".
    pub precision: String,
    /// The names of the classes in order, safe to print; none where they are not known.
    pub labels: Vec<String>,
}

impl ModelFacts {
    /// All that a score depends on beside the image. The name of the file does not change what a
    /// network answers, and neither do the names of its classes.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "{}|{}|{}|{}|{}",
            self.fingerprint, self.classes, self.recipe, self.layer, self.precision
        )
    }

    /// The same for people.
    #[must_use]
    pub fn about(&self) -> String {
        format!(
            "{} ({}), {}, at {}, {}",
            self.name, self.family, self.recipe, self.layer, self.precision
        )
    }
}

/// A model that a store has scores of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownModel {
    pub id: ModelId,
    /// That of [`ModelFacts::key`].
    pub key: String,
    /// The same for people.
    pub about: String,
    /// Nothing where the scores were made by a program that did not keep them.
    pub facts: Option<ModelFacts>,
}

impl Store {
    /// The number of a model, under which its scores are kept. What is known of it is kept with it.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn model_of(&mut self, facts: &ModelFacts) -> Result<ModelId, StoreError> {
        let id = self.model(&facts.key(), &facts.about())?;
        let text = serde_json::to_string(facts)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)));
        let text = text.map_err(|error| StoreError::new(&self.name, &error))?;
        let known = self.read(|connection| {
            connection
                .prepare_cached("SELECT facts FROM model_facts WHERE model = ?1")?
                .query_row([id.0], |row| row.get::<_, String>(0))
                .optional()
        })?;
        if known.as_ref() != Some(&text) {
            self.write(|connection| {
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO model_facts (model, facts) VALUES (?1, ?2)",
                    )?
                    .execute(params![id.0, text])
            })?;
        }
        Ok(id)
    }

    /// The models that have scored something, in the order in which they came.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn models(&self) -> Result<Vec<KnownModel>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, key, about, facts
                 FROM models LEFT JOIN model_facts ON model_facts.model = models.id
                 WHERE EXISTS (SELECT 1 FROM scores WHERE scores.model = models.id)
                 ORDER BY id",
            )?;
            let rows = select.query_map([], |row| {
                let facts: Option<String> = row.get(3)?;
                Ok(KnownModel {
                    id: ModelId(row.get(0)?),
                    key: row.get(1)?,
                    about: row.get(2)?,
                    // Those of a later program may have another form.
                    facts: facts.and_then(|facts| serde_json::from_str(&facts).ok()),
                })
            })?;
            rows.collect()
        })
    }
}
