//! Counted: what all images say together. It is counted once and kept until many more are scored;
//! of a million images it takes a fifth of a second. Pure.

use super::state::State;
use crate::dataset::confusion::Confusion;
use crate::dataset::summary::Summary;
use crate::text::{count, visible};

/// What all images say together.
#[derive(Clone, Debug)]
pub struct Counted {
    pub confusion: Confusion,
    pub summary: Summary,
    /// How many images were scored or found unreadable when it was counted.
    pub done: usize,
}

impl Counted {
    /// Counts all images, not only those of the queue.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let rows = || state.images.iter().map(|image| state.row(image.id));
        let confusion = Confusion::of_rows(rows());
        let classes = state.summary().map_or(0, |summary| summary.classes);
        let summary = Summary::of(rows(), &confusion, &state.labels, classes);
        Self {
            confusion,
            summary,
            done: state.scoring.done,
        }
    }

    /// "812 of 50000 images scored so far".
    #[must_use]
    pub fn how_far(&self, state: &State) -> String {
        let Summary { images, scored, .. } = self.summary;
        if state.scoring.done < state.scoring.total {
            format!("{scored} of {images} images scored so far")
        } else if scored < images {
            format!("{scored} of {images} images scored")
        } else {
            count(images, "image")
        }
    }

    /// Why there is nothing to compare, in words; nothing where there is something.
    #[must_use]
    pub fn why_nothing(&self, state: &State) -> Option<&'static str> {
        let summary = &self.summary;
        if self.confusion.total() > 0 {
            None
        } else if state.summary().is_none() {
            Some("The model is loading; the images are scored after that.")
        } else if summary.known == 0 {
            Some(
                "No true class is known, so nothing can be right or wrong. \
                 --truth FILE says what the images are, and so do folders with the names of classes.",
            )
        } else if summary.scored == 0 {
            Some("No image is scored yet. The folder is scored in the background.")
        } else {
            Some("None of the images with a known class is scored yet.")
        }
    }
}

/// Whether something that was made of the scores is to be made again: when a tenth more are known,
/// and when all are. Made again with each score, it would never stand still.
#[must_use]
pub fn is_due(state: &State, before: usize) -> bool {
    let done = state.scoring.done;
    done >= before + before / 10 + 10 || (state.scoring.is_over() && done > before)
}

/// Name of a class; its number where it has none.
#[must_use]
pub fn class_name(labels: &[String], class: u32) -> String {
    match labels.get(class as usize) {
        Some(label) if !label.is_empty() => visible(label),
        _ => format!("class {class}"),
    }
}
