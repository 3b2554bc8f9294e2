//! Artist: asks the worker for pictures from another thread.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use image::RgbImage;

use super::{Drawer, Drawn, Kind};
use crate::dataset::export::Record;
use crate::worker::files::{Decoded, ReadImage, read_apart};

/// How often a file that does not answer is spoken of, and the first time.
const WORD: Duration = Duration::from_secs(1);

/// Pictures of an image that the worker is to draw when there is nothing else to do.
#[derive(Debug)]
pub struct Order {
    pub(in crate::worker) drawer: Arc<Drawer>,
    pub(in crate::worker) kind: Kind,
    pub(in crate::worker) image: RgbImage,
    pub(in crate::worker) record: Record,
    pub(in crate::worker) answer: Sender<Result<Vec<Drawn>, String>>,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    CalledOff,
    /// In a sentence.
    Failed(String),
}

/// Whoever wants pictures of images.
#[derive(Clone)]
pub struct Artist {
    pub(in crate::worker) orders: Sender<Order>,
    pub(in crate::worker) read: ReadImage,
}

impl Artist {
    /// Reads an image and has it drawn. Its end is waited for until `called_off` is closed. `slow`
    /// hears each second for how long the file has not answered.
    ///
    /// # Errors
    /// When it was called off, or the image cannot be read or drawn.
    pub fn draw(
        &self,
        drawer: &Arc<Drawer>,
        kind: Kind,
        record: &Record,
        called_off: &Receiver<Infallible>,
        slow: &mut dyn FnMut(Duration),
    ) -> Result<Vec<Drawn>, Refusal> {
        let image = self.image(record, called_off, slow)?.image;
        let (answer, drawn) = bounded(1);
        let order = Order {
            drawer: Arc::clone(drawer),
            kind,
            image,
            record: record.clone(),
            answer,
        };
        let gone = || Refusal::Failed("there is no model to draw with".to_owned());
        self.orders.send(order).map_err(|_| gone())?;
        select! {
            recv(drawn) -> drawn => drawn.map_err(|_| gone())?.map_err(Refusal::Failed),
            recv(called_off) -> _ => Err(Refusal::CalledOff),
        }
    }

    fn image(
        &self,
        record: &Record,
        called_off: &Receiver<Infallible>,
        slow: &mut dyn FnMut(Duration),
    ) -> Result<Decoded, Refusal> {
        let (done, read) = bounded(1);
        let since = Instant::now();
        read_apart(&self.read, &record.path, move |image| {
            // Whoever has asked may be gone.
            drop(done.send(image));
        })
        .map_err(|error| Refusal::Failed(format!("no thread to read the image with: {error}")))?;
        loop {
            select! {
                recv(read) -> image => {
                    let image = image.unwrap_or_else(|_| Err("the image was not read".to_owned()));
                    return image.map_err(Refusal::Failed);
                }
                recv(called_off) -> _ => return Err(Refusal::CalledOff),
                default(WORD) => slow(since.elapsed()),
            }
        }
    }
}
