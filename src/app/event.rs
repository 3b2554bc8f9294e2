//! Events and effects: what happened, and what is to be done about it.

use std::sync::Arc;

use super::review::Said;
use super::state::Exporting;
use crate::dataset::review::Review;
use crate::dataset::store::{Version, View};
use crate::dataset::{ImageEntry, ImageId};
use crate::job::{Job, Reply};
use crate::terminal::Input;

/// What happened.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is moved a few times a second"
)]
pub enum Event {
    /// The user or the terminal did something.
    Input(Input),
    /// The worker answered.
    Reply(Reply),
    /// Some more images have been found.
    Found(Vec<ImageEntry>),
    /// All have been found: their natural order, and what could not be searched.
    AllFound(Vec<ImageId>, Option<String>),
    /// There is nothing to show: why.
    NothingFound(String),
    /// The store of reviews answered, or somebody else has changed it.
    Store(StoreReply),
    /// The thread that writes the queue into files.
    Export(ExportReply),
    /// The user's editor has ended: the text, or why there is none.
    Edited(Vec<ImageId>, Result<String, String>),
}

/// What the loop is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Send(Job),
    /// Put a text on the clipboard of the user's machine.
    Copy(String),
    /// Draw every cell and the picture again.
    Redraw,
    /// Let the worker look up what is known of the images, and score them.
    OpenFolder,
    /// Write into the store of reviews; the answer comes before the next key.
    Keep(Keep),
    /// Write the queue into this file or folder.
    Export(String),
    CallOffExport,
    /// Open the user's editor on the note of these images.
    Edit {
        images: Vec<ImageId>,
        note: Arc<str>,
    },
    Suspend,
    Quit,
}

/// What is said of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportReply {
    /// It goes on.
    Goes(Exporting),
    /// It has ended: what became of it, in words.
    Ended(String),
}

/// What is to be kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    Reviews {
        changes: Vec<(ImageId, Version, Review)>,
        /// What it is, in words, for when it is done.
        words: String,
        then: Then,
    },
    Undo,
    Redo,
    View(View),
    RemoveView(String),
}

/// What is selected when reviews have been kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stay,
    /// The next image.
    Advance,
    /// The last image that has changed.
    GoTo,
    /// What is selected and marked stays: somebody else has changed something.
    Leave,
}

/// What the store says.
#[derive(Debug)]
pub enum StoreReply {
    /// These reviews stand now; what was done, in words.
    Standing {
        said: Vec<(ImageId, Said)>,
        words: String,
        then: Then,
    },
    /// Queues that have a name; what was done, in words.
    Views { views: Vec<View>, words: String },
    /// Nothing was written: why.
    Failed(String),
}
