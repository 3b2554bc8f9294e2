//! Frames: pictures of protocols that keep none. Each change is a whole picture.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use image::RgbImage;

use super::encoder::Encoder;
use crate::graphics::{Encoded, Protocol, Slot, encode};
use crate::terminal::{Drawing, Session};

/// A picture and where it belongs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub picture: Arc<RgbImage>,
    pub slot: Slot,
}

type Result = std::result::Result<Option<Encoded>, String>;

/// What is encoded: what was wanted, and its bytes.
pub(super) type Done = (Wanted, Result);

/// The picture on the screen, and the one on its way there.
pub(super) struct Frames {
    encoder: Encoder<Wanted, Result>,
    /// The picture that is on the screen or on its way there.
    pictured: Option<Wanted>,
    /// The cells that a picture covers.
    covered: Option<Slot>,
    /// What takes a picture away, where text does not.
    removal: &'static [u8],
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.picture, &other.picture) && self.slot == other.slot
    }
}

impl Frames {
    pub(super) fn start(session: &Session, protocol: Protocol) -> std::io::Result<Self> {
        let capture = session.capture();
        let tmux = session.capabilities().tmux;
        let encoder = Encoder::start(move |wanted: &Wanted| {
            encode(&wanted.picture, wanted.slot, protocol, tmux, &capture)
        })?;
        Ok(Self {
            encoder,
            pictured: None,
            covered: None,
            removal: session.capabilities().removal(),
        })
    }

    pub(super) fn done(&self) -> &Receiver<Done> {
        self.encoder.done()
    }

    /// Says which picture is wanted, after the cells have been drawn.
    pub(super) fn want(&mut self, wanted: Option<Wanted>, session: &Session) {
        let Some(wanted) = wanted else {
            self.erased(session);
            return;
        };
        if self.pictured.as_ref() != Some(&wanted) {
            self.encoder.order(wanted.clone());
            self.pictured = Some(wanted);
        }
    }

    /// All cells have been written over.
    pub(super) fn erased(&mut self, session: &Session) {
        session.writer().cut();
        self.pictured = None;
        if self.covered.take().is_some() {
            session.writer().send(self.removal);
        }
    }

    /// Takes in an encoded picture.
    ///
    /// # Errors
    /// When it could not be encoded.
    pub(super) fn encoded(
        &mut self,
        (wanted, encoded): Done,
        session: &Session,
    ) -> std::result::Result<(), String> {
        if self.pictured.as_ref() != Some(&wanted) {
            return Ok(());
        }
        if let Some(encoded) = encoded? {
            let before = self.covered.filter(|slot| *slot != wanted.slot);
            let frame = encoded.after_erasing(before, self.removal).bytes.to_vec();
            session.writer().draw(Drawing {
                pieces: [frame].into(),
                ..Drawing::default()
            });
            self.covered = Some(wanted.slot);
        }
        Ok(())
    }
}
