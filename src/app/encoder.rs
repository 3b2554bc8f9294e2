//! The encoder: a thread that turns pictures into bytes, the newest only.
//!
//! Encoding a Sixel picture takes hundreds of milliseconds, in which keys must go on working.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::RgbImage;

use crate::graphics::viuer::Capture;
use crate::graphics::{Encoded, Protocol, Slot, encode};

/// A picture and where it belongs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub picture: Arc<RgbImage>,
    pub slot: Slot,
}

/// An answer: what was wanted, and its bytes.
pub(super) type Done = (Wanted, Result<Option<Encoded>, String>);

/// The running thread.
pub(super) struct Encoder {
    wishes: Option<Sender<Wanted>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.picture, &other.picture) && self.slot == other.slot
    }
}

impl Encoder {
    pub(super) fn start(capture: Arc<Capture>, protocol: Protocol) -> std::io::Result<Self> {
        let (wishes, wanted) = unbounded::<Wanted>();
        let (sender, done) = unbounded();
        let thread = Builder::new().name("encoder".to_owned()).spawn(move || {
            while let Ok(first) = wanted.recv() {
                let newest = wanted.try_iter().last().unwrap_or(first);
                let encoded = encode(&newest.picture, newest.slot, protocol, &capture);
                if sender.send((newest, encoded)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            wishes: Some(wishes),
            done,
            thread: Some(thread),
        })
    }

    pub(super) fn want(&self, wanted: Wanted) {
        if let Some(wishes) = &self.wishes
            && wishes.send(wanted).is_err()
        {
            log::warn!("the encoder has ended; a picture is not drawn");
        }
    }

    pub(super) fn done(&self) -> &Receiver<Done> {
        &self.done
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the encoder ended by a panic");
        }
    }
}
