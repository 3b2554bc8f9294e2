//! Shelf: scores in the store, so that a folder is scored once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dataset::ImageId;
use crate::dataset::score::Score;
use crate::dataset::store::{FileIdentity, ModelId, Scored, Store, StoreError};
use crate::dataset::truth::known::TrueClasses;
use crate::job::Folder;
use crate::model::ModelSummary;
use crate::worker::Prepared;

/// Scores are written together with those of so long: each write waits for the disk.
const WRITE: Duration = Duration::from_secs(1);

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
        summary: &ModelSummary,
    ) -> Result<Self, StoreError> {
        let about = format!(
            "{} ({}), {}, at {}, {}",
            summary.name,
            summary.family,
            summary.recipe,
            summary.layer,
            summary.precision.name()
        );
        // The name of the file does not change what the network answers.
        let key = format!(
            "{}|{}|{}|{}|{}",
            summary.fingerprint,
            summary.classes,
            summary.recipe,
            summary.layer,
            summary.precision.name()
        );
        let model = store.model(&key, &about)?;
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
            log::warn!("{error}");
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
            Err(error) => log::warn!("{error}"),
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
