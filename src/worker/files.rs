//! Files: images that somebody waits for. Each is read on a thread of its own, so that a file that
//! does not answer, as on a network, holds up nothing but itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use image::RgbImage;

use super::readers::READER_NAME;
use super::{fenced, studio::timed};
use crate::dataset::ImageId;
use crate::job::ImageRef;
use crate::text::visible;

/// After this, others are read as if the file were not being read.
const SLOW: Duration = Duration::from_secs(1);
/// Files that are read at once as long as they answer: the wanted one, and one ahead.
const AT_ONCE: usize = 2;
/// Threads in all. A file that never answers keeps its thread.
const MOST: usize = 8;
/// Threads that may be lost to files that nobody has asked for yet.
const MOST_AHEAD: usize = 4;

/// A command that waits for a file says so after this.
const PATIENCE: Duration = Duration::from_secs(5);

/// How image files are read; on any thread.
pub type ReadImage = Arc<dyn Fn(&Path) -> Result<RgbImage, String> + Send + Sync>;

/// An image from a file, and how long that took.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub path: Arc<Path>,
    pub image: RgbImage,
    pub taken: Duration,
}

/// How far the reading of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Done,
    /// It should not take long.
    Soon,
    /// It waits for this file, which has not answered since then.
    Slow(ImageId, Instant),
}

/// A file that has been read, or why it could not be.
pub(super) type Read = (ImageId, Result<Decoded, String>);

pub(super) struct Files {
    read: ReadImage,
    done: (Sender<Read>, Receiver<Read>),
    /// Since when files are being read.
    under_way: HashMap<ImageId, Instant>,
    there: HashMap<ImageId, Result<Decoded, String>>,
}

impl Files {
    pub(super) fn new(read: ReadImage) -> Self {
        Self {
            read,
            done: unbounded(),
            under_way: HashMap::new(),
            there: HashMap::new(),
        }
    }

    /// Files that have been read; hand what comes to [`Self::take_in`].
    pub(super) fn done(&self) -> &Receiver<Read> {
        &self.done.1
    }

    pub(super) fn take_in(&mut self, (image, read): Read) {
        self.under_way.remove(&image);
        self.there.insert(image, read);
    }

    /// Whether any file is being read.
    pub(super) fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Has a file read that is wanted now, and says how far that is.
    pub(super) fn want(&mut self, image: &ImageRef, now: Instant) -> Reading {
        self.ask(image, now, AT_ONCE, MOST)
    }

    /// The same for a file that may be wanted later.
    pub(super) fn expect(&mut self, image: &ImageRef, now: Instant) -> Reading {
        self.ask(image, now, 1, MOST_AHEAD)
    }

    fn ask(&mut self, image: &ImageRef, now: Instant, at_once: usize, most: usize) -> Reading {
        if self.there.contains_key(&image.id) {
            return Reading::Done;
        }
        if let Some(since) = self.under_way.get(&image.id) {
            return if is_slow(*since, now) {
                Reading::Slow(image.id, *since)
            } else {
                Reading::Soon
            };
        }
        let slow = self
            .under_way
            .values()
            .filter(|since| is_slow(**since, now));
        if self.under_way.len() - slow.count() >= at_once {
            return Reading::Soon;
        }
        if self.under_way.len() >= most {
            let oldest = self.under_way.iter().min_by_key(|(_, since)| **since);
            return oldest.map_or(Reading::Soon, |(id, since)| Reading::Slow(*id, *since));
        }
        self.start(image, now);
        Reading::Soon
    }

    fn start(&mut self, image: &ImageRef, now: Instant) {
        let (id, done) = (image.id, self.done.0.clone());
        let started = read_apart(&self.read, &image.path, move |read| {
            // Whoever has asked may be gone.
            drop(done.send((id, read)));
        });
        match started {
            Ok(()) => {
                self.under_way.insert(id, now);
            }
            Err(error) => {
                let reason = format!("no thread to read the image with: {error}");
                self.there.insert(id, Err(reason));
            }
        }
    }

    /// The image of a file that has been read.
    pub(super) fn take(&mut self, image: ImageId) -> Option<Result<Decoded, String>> {
        self.there.remove(&image)
    }

    /// Lets go of files that nobody wants any more.
    pub(super) fn keep_only(&mut self, is_wanted: impl Fn(ImageId) -> bool) {
        self.there.retain(|image, _| is_wanted(*image));
    }
}

fn is_slow(since: Instant, now: Instant) -> bool {
    now.duration_since(since) >= SLOW
}

/// Reads a file on a thread of its own, and hands on what has come of it.
pub(super) fn read_apart(
    read: &ReadImage,
    path: &Arc<Path>,
    done: impl FnOnce(Result<Decoded, String>) + Send + 'static,
) -> std::io::Result<()> {
    let (read, path) = (Arc::clone(read), Arc::clone(path));
    let work = move || {
        let mut taken = Duration::ZERO;
        let image = timed(&mut taken, || fenced(|| read(&path)));
        done(image.map(|image| Decoded { path, image, taken }));
    };
    let thread = Builder::new().name(READER_NAME.to_owned());
    thread.spawn(work).map(drop)
}

/// Reads a file, however long that takes. `say` hears in a sentence when it does not answer.
///
/// # Errors
/// A sentence, when it cannot be read.
pub fn read_patiently(
    read: &ReadImage,
    path: &Arc<Path>,
    say: &dyn Fn(&str),
) -> Result<RgbImage, String> {
    let (done, image) = bounded(1);
    read_apart(read, path, move |image| {
        // It is waited for below.
        drop(done.send(image));
    })
    .map_err(|error| format!("no thread to read the image with: {error}"))?;
    let image = image.recv_timeout(PATIENCE).or_else(|_| {
        let name = visible(&path.to_string_lossy());
        let seconds = PATIENCE.as_secs();
        say(&format!(
            "{name} has not answered for {seconds} s; waiting for it"
        ));
        image.recv()
    });
    let image = image.unwrap_or_else(|_| Err("the image was not read".to_owned()));
    image.map(|decoded| decoded.image)
}

#[cfg(test)]
mod tests;
