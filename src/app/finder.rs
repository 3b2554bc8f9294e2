//! Finder: the thread that searches for images. A folder of a million files is shown from its first
//! files on.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::dataset::keys::Keys;
use crate::dataset::scan::{Ended, ScanError, ScanOptions, scan_and_tell};
use crate::dataset::store::Place;
use crate::dataset::{ImageEntry, ImageId};
use crate::job::Folder;

/// What the thread says.
pub(super) enum Found {
    Images(Vec<ImageEntry>),
    /// All have been found.
    All(Arc<All>),
    Failed(ScanError),
}

/// All images.
pub(super) struct All {
    pub(super) folder: Folder,
    pub(super) natural: Vec<ImageId>,
    pub(super) warnings: Vec<String>,
}

/// Starts the search. Names in the store follow from `place`.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    paths: Vec<PathBuf>,
    options: ScanOptions,
    place: Place,
) -> std::io::Result<Receiver<Found>> {
    // A full channel keeps a fast disk from filling the memory of a slow loop.
    let (sender, found) = bounded(64);
    Builder::new().name("finder".to_owned()).spawn(move || {
        let mut images: Vec<ImageEntry> = Vec::new();
        let ended = scan_and_tell(&paths, options, |portion| {
            images.extend(portion.iter().cloned());
            sender.send(Found::Images(portion)).is_ok()
        });
        let last = match ended {
            Err(error) => Found::Failed(error),
            Ok(Ended { natural, warnings }) => {
                let keys = Arc::new(Keys::new(place, &images));
                Found::All(Arc::new(All {
                    folder: Folder {
                        images: images.into(),
                        keys,
                    },
                    natural,
                    warnings,
                }))
            }
        };
        // The interface may be gone.
        drop(sender.send(last));
    })?;
    Ok(found)
}

/// What is found in so long, and all where that is enough.
///
/// # Errors
/// When there is nothing to show.
pub(super) fn first(
    found: &Receiver<Found>,
    patience: Duration,
) -> Result<(Vec<ImageEntry>, Option<Arc<All>>), ScanError> {
    let until = Instant::now() + patience;
    let mut images = Vec::new();
    loop {
        match found.recv_deadline(until) {
            Ok(Found::Images(portion)) => images.extend(portion),
            Ok(Found::All(all)) => return Ok((images, Some(all))),
            Ok(Found::Failed(error)) => return Err(error),
            Err(_) => return Ok((images, None)),
        }
    }
}
