//! Known: what there is to know of a folder before any image is read, looked up on a thread of its
//! own: with a million images that takes seconds, in which keys go on working.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, bounded};

use super::shelf::Shelf;
use crate::dataset::score::Score;
use crate::dataset::store::{FileIdentity, ModelFacts, Store};
use crate::dataset::truth::known::TrueClasses;
use crate::dataset::truth::{Classes, Truth};
use crate::dataset::{ImageEntry, ImageId};
use crate::job::Folder;

/// Where it comes from.
#[derive(Debug)]
pub struct Sources {
    /// A table of true classes that the user has named.
    pub truth: Option<PathBuf>,
    /// The folders, files and patterns that the user has named.
    pub paths: Vec<PathBuf>,
    /// Whether images are to be scored that have no score.
    pub scores: bool,
    /// Where scores are kept; nothing where they cannot be.
    pub store: Option<Store>,
}

/// What is known.
#[derive(Debug)]
pub struct Known {
    /// Images to score.
    pub(super) images: Arc<[ImageEntry]>,
    pub(super) truth: Truth,
    pub(super) classes: TrueClasses,
    pub(super) warning: Option<String>,
    pub(super) shelf: Option<Shelf>,
    pub(super) scores: Vec<(ImageId, FileIdentity, Score)>,
}

/// Looks it up; the answer comes once.
pub(super) fn look_up(
    sources: Sources,
    folder: Folder,
    labels: Vec<String>,
    facts: ModelFacts,
) -> std::io::Result<Receiver<Known>> {
    let (sender, known) = bounded(1);
    Builder::new().name("look-up".to_owned()).spawn(move || {
        let (images, are_scored) = (Arc::clone(&folder.images), sources.scores);
        let (truth, warning) = truth(&sources, &images, &labels);
        let classes = truth.classes(images.len());
        let shelf = sources.store.and_then(|store| {
            let shelf = Shelf::open(store, folder, &facts);
            shelf
                .map_err(|error| tracing::warn!("scores are not kept: {error}"))
                .ok()
        });
        let scores = shelf
            .as_ref()
            .map_or_else(Vec::new, |shelf| shelf.scores(&classes));
        // The program may have ended.
        drop(sender.send(Known {
            images: if are_scored { images } else { Arc::from([]) },
            truth,
            classes,
            warning,
            shelf,
            scores,
        }));
    })?;
    Ok(known)
}

/// The truth, and what is wrong with it.
fn truth(sources: &Sources, images: &[ImageEntry], labels: &[String]) -> (Truth, Option<String>) {
    let mut notes = Vec::new();
    let named = sources.truth.as_deref();
    let found = Truth::find(
        named,
        &sources.paths,
        images,
        &Classes::new(labels),
        &mut notes,
    );
    let truth = match found {
        Ok(truth) => {
            // That a table lacks some images is no news in a review.
            truth.unwrap_or_default()
        }
        Err(error) => {
            notes.push(error.to_string());
            Truth::default()
        }
    };
    for note in &notes {
        tracing::warn!("{note}");
    }
    (truth, notes.into_iter().next())
}
