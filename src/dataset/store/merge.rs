//! Merge: what several stores of the same images have becomes one.

use std::collections::HashMap;

use super::verdicts::{Version, image_id, next_version, put};
use super::{FileIdentity, Key, Reviewed, Scored, Stamp, Store, StoreError};

/// Scores are taken over in portions of so many.
const PORTION: usize = 4096;

/// What was taken over from a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub scores: usize,
    /// Images of which something was said.
    pub reviews: usize,
    /// Images of which the two stores say different things; what was said last stands.
    pub conflicts: Vec<Key>,
}

impl Store {
    /// Takes over scores, what was said of images, and views under names that are not there yet.
    ///
    /// # Errors
    /// When one of the two cannot be read, or this one not written.
    pub fn take_from(&mut self, other: &mut Self) -> Result<Merged, StoreError> {
        let mut merged = Merged {
            scores: self.take_scores(other)?,
            ..Merged::default()
        };
        let own: HashMap<Key, Reviewed> = self
            .reviews()?
            .reviews
            .into_iter()
            .map(|own| (own.image.clone(), own))
            .collect();
        for reviewed in other.reviews()?.reviews {
            let stands = own.get(&reviewed.image);
            let differs = stands.is_some_and(|own| own.review != reviewed.review);
            let is_new = stands.is_none_or(|own| own.stamp.at_millis < reviewed.stamp.at_millis);
            if differs {
                merged.conflicts.push(reviewed.image.clone());
            }
            if stands.is_none() || (differs && is_new) {
                merged.reviews += usize::from(!reviewed.review.is_empty());
                self.take_review(&reviewed)?;
            }
        }
        let names: Vec<String> = self.views()?.into_iter().map(|view| view.name).collect();
        for view in other.views()? {
            if !names.contains(&view.name) {
                self.save_view(&view)?;
            }
        }
        Ok(merged)
    }

    fn take_scores(&mut self, other: &Self) -> Result<usize, StoreError> {
        let mut taken = 0;
        for known in other.models()? {
            let own = match &known.facts {
                Some(facts) => self.model_of(facts)?,
                None => self.model(&known.key, &known.about)?,
            };
            let mut scores: Vec<Scored> = Vec::new();
            other.scores(known.id, |key, file: FileIdentity, score| {
                scores.push(Scored {
                    image: Key::from_bytes(key),
                    file,
                    score: score.map_err(Into::into),
                });
            })?;
            for portion in scores.chunks(PORTION) {
                self.keep_scores(own, portion)?;
            }
            taken += scores.len();
        }
        Ok(taken)
    }

    /// By whom and when is as it was; the version is one of this store.
    fn take_review(&mut self, reviewed: &Reviewed) -> Result<(), StoreError> {
        self.write(|connection| {
            let stamp = Stamp {
                version: Version(next_version(connection)?),
                ..reviewed.stamp.clone()
            };
            let image = image_id(connection, reviewed.image.as_bytes())?;
            put(connection, image, &reviewed.review, &stamp)
        })
    }
}

#[cfg(test)]
mod tests;
