//! Scoring: which images of the folder are to be scored, which are being read, and which are ready
//! for the network. Between the wishes of the user the worker takes a batch from here.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::readers::{Found, Order, Prepared, Read, Readers};
use crate::dataset::ImageId;
use crate::dataset::store::FileIdentity;
use crate::geometry::PixelSize;
use crate::job::{ImageRef, Late, Progress};
use crate::model::recipe::Recipe;

/// Rate and time left are told of the images of so long.
const WINDOW: Duration = Duration::from_secs(20);

/// How the work is spread over the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Images that run through the network at once.
    pub batch: usize,
    /// Images that are read ahead of the network. Where the network runs on the processor it is no
    /// more than a batch: reading while the network runs would only slow it down.
    pub ahead: usize,
    /// Threads that read.
    pub readers: usize,
    /// A file that has not answered for so long is not waited for.
    pub patience: Duration,
}

/// The images of a folder on their way to a score.
#[derive(Debug)]
pub struct Scoring {
    readers: Readers,
    pace: Pace,
    /// Not ordered yet.
    waiting: VecDeque<ImageRef>,
    /// Files that there are scores of.
    known: HashMap<ImageId, FileIdentity>,
    /// Ordered and not read yet.
    reading: usize,
    ready: VecDeque<Prepared>,
    done: usize,
    total: usize,
    /// When images were done, oldest first: a moment and how many were done by then.
    recent: VecDeque<(Instant, usize)>,
}

impl Scoring {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(recipe: &Recipe, pace: Pace) -> std::io::Result<Self> {
        Ok(Self {
            readers: Readers::start(pace.readers, recipe)?,
            pace,
            waiting: VecDeque::new(),
            known: HashMap::new(),
            reading: 0,
            ready: VecDeque::new(),
            done: 0,
            total: 0,
            recent: VecDeque::new(),
        })
    }

    /// There is a score of this file already.
    pub fn knows(&mut self, image: ImageId, file: FileIdentity) {
        self.known.insert(image, file);
    }

    /// Images to score, after those that are waiting.
    pub fn add(&mut self, images: impl IntoIterator<Item = ImageRef>) {
        let before = self.waiting.len();
        self.waiting.extend(images);
        self.total += self.waiting.len() - before;
    }

    /// Whether an image is being read.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.reading > 0
    }

    /// Whether all images are done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.reading == 0 && self.ready.is_empty()
    }

    /// Images that have been read; hand what comes to [`Self::take`].
    #[must_use]
    pub(super) fn read(&self) -> &Receiver<Read> {
        self.readers.read()
    }

    /// A batch of one size for the network, and orders more images to be read. `None`: wait for
    /// [`Self::read`].
    pub fn batch(&mut self, now: Instant) -> Option<Vec<Prepared>> {
        let late = self.readers.late(self.pace.patience, now).len();
        self.readers.stand_in(late);
        // Those that are late come when they come.
        let reading = self.reading.saturating_sub(late);
        let reads_none = reading == 0;
        let enough = self.ready.len() >= self.pace.batch;
        if enough || (reads_none && !self.ready.is_empty()) {
            let size = self.ready.front().map(|image| image.geometry.input)?;
            let batch = self.of_size(size);
            if self.pace.ahead > self.pace.batch {
                self.order(reading);
            }
            return Some(batch);
        }
        if reads_none || self.pace.ahead > self.pace.batch {
            self.order(reading);
        }
        None
    }

    /// As many of the images that are ready as make a batch, oldest first, of one input size.
    fn of_size(&mut self, size: PixelSize) -> Vec<Prepared> {
        let mut batch = Vec::with_capacity(self.pace.batch);
        let mut others = VecDeque::new();
        while let Some(image) = self.ready.pop_front() {
            if batch.len() < self.pace.batch && image.geometry.input == size {
                batch.push(image);
            } else {
                others.push_back(image);
            }
        }
        self.ready = others;
        batch
    }

    /// Orders more, beside those that are being read.
    fn order(&mut self, mut reading: usize) {
        while reading + self.ready.len() < self.pace.ahead
            && let Some(image) = self.waiting.pop_front()
        {
            let known = self.known.get(&image.id).copied();
            self.readers.order(Order { image, known });
            self.reading += 1;
            reading += 1;
        }
    }

    /// Takes in an image that was read. Returns what is to be said of one that is not to be scored.
    pub(super) fn take(&mut self, read: Read, now: Instant) -> Option<(ImageId, String)> {
        self.reading = self.reading.saturating_sub(1);
        match read.found {
            Found::Image(image) => {
                self.ready.push_back(*image);
                None
            }
            Found::Unchanged => {
                self.done += 1;
                None
            }
            Found::Unreadable(reason) => {
                self.count(1, now);
                Some((read.image, reason))
            }
        }
    }

    /// A batch was left in the middle: it comes first the next time.
    pub fn put_back(&mut self, batch: Vec<Prepared>) {
        for image in batch.into_iter().rev() {
            self.ready.push_front(image);
        }
    }

    /// So many images are done.
    pub fn count(&mut self, images: usize, now: Instant) {
        self.recent.push_back((now, self.done));
        self.done += images;
        while self
            .recent
            .front()
            .is_some_and(|(since, _)| self.recent.len() > 2 && now.duration_since(*since) > WINDOW)
        {
            self.recent.pop_front();
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self, now: Instant) -> Progress {
        let rate = self.recent.front().and_then(|(since, done)| {
            let seconds = now.duration_since(*since).as_secs_f64();
            (seconds > 0.5).then(|| (self.done - done) as f64 / seconds)
        });
        let late = self.readers.late(self.pace.patience, now);
        Progress {
            done: self.done,
            total: self.total,
            per_second: rate,
            late: late.first().map(|(image, since)| Late {
                files: late.len(),
                image: *image,
                seconds: now.saturating_duration_since(*since).as_secs(),
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
