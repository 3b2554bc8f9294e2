//! Shelf: scores in the store, so that a folder is scored once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dataset::ImageId;
use crate::dataset::score::Score;
use crate::dataset::store::{FileIdentity, ModelFacts, ModelId, Scored, Store, StoreError};
use crate::dataset::truth::known::TrueClasses;
use crate::job::Folder;
use crate::model::{Model, ModelSummary};
use crate::worker::Prepared;

/// Scores are written together with those of so long: each write waits for the disk.
const WRITE: Duration = Duration::from_secs(1);

/// What the store keeps of a model beside its scores.
#[must_use]
pub fn facts_of(model: &Model) -> ModelFacts {
    let summary = model.summary();
    let labels = if model.labels().known() {
        model.labels().all(summary.classes)
    } else {
        Vec::new()
    };
    facts(summary, labels)
}

/// The same from what is told of a model. `labels` are the names of its classes, none where they are
/// not known.
#[must_use]
pub fn facts(summary: &ModelSummary, labels: Vec<String>) -> ModelFacts {
    ModelFacts {
        name: summary.name.clone(),
        family: summary.family.clone(),
        fingerprint: summary.fingerprint.clone(),
        classes: summary.classes,
        recipe: summary.recipe.clone(),
        layer: summary.layer.clone(),
        precision: summary.precision.name().to_owned(),
        labels,
    }
}

/// The scores of one model.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Store,
    folder: Folder,
    model: ModelId,
    /// Not written yet.
    waiting: Vec<Scored>,
    written: Instant,
}

impl Shelf {
    pub(super) fn open(
        mut store: Store,
        folder: Folder,
        facts: &ModelFacts,
    ) -> Result<Self, StoreError> {
        let model = store.model_of(facts)?;
        Ok(Self {
            store,
            folder,
            model,
            waiting: Vec::new(),
            written: Instant::now(),
        })
    }

    /// The scores that are there, and the files that they are of. Those that were made without the
    /// truth that is known now are left out, so that they are made again.
    pub(super) fn scores(&self, truth: &TrueClasses) -> Vec<(ImageId, FileIdentity, Score)> {
        let mut scores = Vec::new();
        let Folder { images, keys } = &self.folder;
        let read = self.store.scores(self.model, |key, file, score| {
            if let Ok(score) = score
                && let Some(image) = keys.find(key, images)
                && fits(&score, truth.of(image))
            {
                scores.push((image, file, score));
            }
        });
        if let Err(error) = read {
            tracing::warn!("{error}");
        }
        scores
    }

    /// Keeps the scores of a batch.
    pub(super) fn keep(&mut self, batch: &[Prepared], scores: &[Result<Score, String>]) {
        for (prepared, score) in batch.iter().zip(scores) {
            if let Some(image) = self.folder.images.get(prepared.image.0) {
                self.waiting.push(Scored {
                    image: self.folder.keys.of(image),
                    file: prepared.file,
                    score: score.clone().map_err(Arc::from),
                });
            }
        }
        if self.written.elapsed() >= WRITE {
            self.write();
        }
    }

    fn write(&mut self) {
        self.written = Instant::now();
        if self.waiting.is_empty() {
            return;
        }
        match self.store.keep_scores(self.model, &self.waiting) {
            Ok(()) => self.waiting.clear(),
            // They are offered again with the next ones; the interface has them all the same.
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.write();
    }
}

/// Whether a score has what follows from these true classes.
fn fits(score: &Score, truth: &[u32]) -> bool {
    match score.truth {
        None => truth.is_empty(),
        Some(known) => truth.is_empty() || truth.contains(&known.class),
    }
}
