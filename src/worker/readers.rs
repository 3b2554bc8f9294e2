//! Readers: threads that read images from the disk and make them as large as the network sees them,
//! so that scoring a folder does not wait for files.
//!
//! They run at the lowest priority: on a machine without a GPU the network needs the same cores, and
//! whoever presses a key waits for the network.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::RgbImage;

use crate::dataset::ImageId;
use crate::dataset::store::FileIdentity;
use crate::geometry::InputGeometry;
use crate::job::ImageRef;
use crate::model::recipe::Recipe;
use crate::picture::decode::decode;

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
}

impl Readers {
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(count: usize, recipe: &Recipe) -> std::io::Result<Self> {
        let (orders, ordered) = unbounded::<Order>();
        let (sender, read) = unbounded();
        let start = || {
            let (ordered, sender, recipe) = (ordered.clone(), sender.clone(), recipe.clone());
            Builder::new().name(READER_NAME.to_owned()).spawn(move || {
                yield_to_all();
                for order in ordered {
                    let image = order.image.id;
                    let found = found(&order, &recipe);
                    if sender.send(Read { image, found }).is_err() {
                        return;
                    }
                }
            })
        };
        for _ in 0..count.max(1) {
            start()?;
        }
        Ok(Self { orders, read })
    }

    pub(super) fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            log::error!("all readers have ended; an image is not scored");
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
        log::info!("a reader has the usual priority: {error}");
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
        let image = decode(path).map_err(|error| error.to_string())?;
        let (seen, geometry) = recipe.apply(&image).map_err(|error| error.to_string())?;
        Ok(Found::Image(Box::new(Prepared {
            image: order.image.id,
            file,
            seen,
            geometry,
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
