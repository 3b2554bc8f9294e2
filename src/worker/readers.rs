//! Readers: threads that read images from the disk and make them as large as the network sees them,
//! so that scoring a folder does not wait for files.
//!
//! They run at the lowest priority: on a machine without a GPU the network needs the same cores, and
//! whoever presses a key waits for the network.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::RgbImage;

use super::seen;
use crate::dataset::ImageId;
use crate::dataset::store::FileIdentity;
use crate::geometry::InputGeometry;
use crate::job::ImageRef;
use crate::model::recipe::Recipe;

/// Readers beyond those that were asked for, in the place of some whose file does not answer.
const MOST_MORE: usize = 16;

/// Name of the threads: a panic on one of them is the end of an image, not of the program.
pub const READER_NAME: &str = "reader";

/// An image to read.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) image: ImageRef,
    /// The file that there is a score of: it is not read again unless it has changed.
    pub(super) known: Option<FileIdentity>,
}

/// What became of an order.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) image: ImageId,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) enum Found {
    /// The file is the one that there is a score of.
    Unchanged,
    Image(Box<Prepared>),
    /// Why there is none, in a sentence.
    Unreadable(String),
}

/// An image as the network sees it.
#[derive(Debug)]
pub struct Prepared {
    pub image: ImageId,
    /// The file before it was read: what is written to it meanwhile makes it another one.
    pub file: FileIdentity,
    pub seen: RgbImage,
    pub geometry: InputGeometry,
}

/// The running threads. They end after the image in hand when this is dropped, which waits for none:
/// a network's file system that does not answer must not keep the program from ending.
#[derive(Debug)]
pub(super) struct Readers {
    orders: Sender<Order>,
    read: Receiver<Read>,
    reader: Reader,
    /// How many are to read at once, and how many there are.
    wanted: usize,
    threads: usize,
}

/// What each of the threads has.
#[derive(Clone, Debug)]
struct Reader {
    orders: Receiver<Order>,
    read: Sender<Read>,
    recipe: Recipe,
    in_hand: InHand,
}

/// The images that are being read, and since when.
#[derive(Clone, Debug, Default)]
struct InHand(Arc<Mutex<HashMap<ImageId, Instant>>>);

impl InHand {
    fn get(&self) -> MutexGuard<'_, HashMap<ImageId, Instant>> {
        // A panic elsewhere leaves the table as good as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn start(&self) -> std::io::Result<()> {
        let reader = self.clone();
        let thread = Builder::new().name(READER_NAME.to_owned());
        thread.spawn(move || reader.work()).map(drop)
    }

    fn work(self) {
        yield_to_all();
        for order in &self.orders {
            let image = order.image.id;
            self.in_hand.get().insert(image, Instant::now());
            let found = found(&order, &self.recipe);
            self.in_hand.get().remove(&image);
            if self.read.send(Read { image, found }).is_err() {
                return;
            }
        }
    }
}

impl Readers {
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(count: usize, recipe: &Recipe) -> std::io::Result<Self> {
        let (orders, ordered) = unbounded::<Order>();
        let (sender, read) = unbounded();
        let reader = Reader {
            orders: ordered,
            read: sender,
            recipe: recipe.clone(),
            in_hand: InHand::default(),
        };
        let wanted = count.max(1);
        for _ in 0..wanted {
            reader.start()?;
        }
        Ok(Self {
            orders,
            read,
            reader,
            wanted,
            threads: wanted,
        })
    }

    /// Images whose file has not answered for so long, and since when, the oldest first.
    pub(super) fn late(&self, patience: Duration, now: Instant) -> Vec<(ImageId, Instant)> {
        let in_hand = self.reader.in_hand.get();
        let all = in_hand.iter().map(|(image, since)| (*image, *since));
        let mut late: Vec<(ImageId, Instant)> = all
            .filter(|(_, since)| now.saturating_duration_since(*since) >= patience)
            .collect();
        late.sort_unstable_by_key(|(_, since)| *since);
        late
    }

    /// Starts readers in the place of so many that are late.
    pub(super) fn stand_in(&mut self, late: usize) {
        while self.threads < self.wanted + late.min(MOST_MORE) {
            if let Err(error) = self.reader.start() {
                tracing::warn!("no thread to read images with: {error}");
                return;
            }
            self.threads += 1;
        }
    }

    pub(super) fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("all readers have ended; an image is not scored");
        }
    }

    pub(super) fn read(&self) -> &Receiver<Read> {
        &self.read
    }
}

/// Puts the thread behind all others. Where the system refuses, it is as before.
fn yield_to_all() {
    let own = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(own), 19) {
        tracing::info!("a reader has the usual priority: {error}");
    }
}

fn found(order: &Order, recipe: &Recipe) -> Found {
    let read = || -> Result<Found, String> {
        let path = &order.image.path;
        let file = FileIdentity::of(path).map_err(|error| {
            let name = crate::text::visible(&path.to_string_lossy());
            format!("{name}: {error}")
        })?;
        if order.known == Some(file) {
            return Ok(Found::Unchanged);
        }
        let seen = seen::read(path, recipe, false)?;
        Ok(Found::Image(Box::new(Prepared {
            image: order.image.id,
            file,
            seen: seen.pixels,
            geometry: seen.geometry,
        })))
    };
    // A decoder that panics on a hostile file must not end the thread.
    let read = catch_unwind(AssertUnwindSafe(read));
    let read = read.unwrap_or_else(|_| {
        let name = crate::text::visible(&order.image.path.to_string_lossy());
        Err(format!("{name}: its decoder failed; the file is damaged"))
    });
    read.unwrap_or_else(Found::Unreadable)
}

#[cfg(test)]
mod tests;
