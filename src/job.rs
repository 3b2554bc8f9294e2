//! The contract between the interface and the worker: plain data, no work of either side.
//!
//! A [`Request`] describes the whole picture that is wanted now. The worker redoes only the stages
//! whose inputs changed. Replies carry the generation of the request they answer and name the
//! image and the class that they are about.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use crate::dataset::keys::Keys;
use crate::dataset::score::Score;
use crate::dataset::truth::known::TrueClasses;
use crate::dataset::{ImageEntry, ImageId};
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction};
use crate::geometry::{InputGeometry, PixelSize, Window};
use crate::model::{ClassIndex, LayerSummary, ModelSummary};
use crate::picture::Style;
use crate::picture::layers::{Heat, Layers};
use crate::picture::scale::{self, Map};

/// Counts the wishes of the user; a reply for an older one is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// The class to explain. A rank stays a rank until the worker knows the predictions of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// 1 is the top prediction.
    Rank(usize),
    Class(ClassIndex),
}

/// An image by its number and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    pub id: ImageId,
    pub path: Arc<Path>,
}

/// What a picture is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pixels.
    Pixels,
    /// One picture that the terminal keeps.
    Photo,
    /// A photo and a heatmap that the terminal keeps and stacks, over whole cells of so many pixels.
    Layers { cell_px: PixelSize },
}

/// The picture that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub generation: Generation,
    pub image: ImageRef,
    pub target: Target,
    /// How it is explained.
    pub options: Options,
    /// A second class, explained the same way and shown beside the first on one scale.
    pub beside: Option<Target>,
    pub style: Style,
    /// The picture fits into these pixels.
    pub picture_size: PixelSize,
    /// The part of the picture that is wanted, in fractions; `None` for all of it, and where the
    /// terminal takes the part of a whole one.
    pub part: Option<Window>,
    pub form: Form,
    /// Images to prepare when this request is done, most wanted first.
    pub prepare: Vec<ImageRef>,
}

/// What the interface asks of the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    Show(Request),
    /// Write the wanted picture at the image's full size into a folder.
    Save {
        request: Request,
        folder: PathBuf,
    },
    /// The picture in hand is no longer wanted.
    Stop,
    /// All images are found: look for what is known of them, and score them when there is nothing
    /// else to do.
    Open(Folder),
}

/// The images that were asked for, all of them.
#[derive(Clone, Debug)]
pub struct Folder {
    /// In the order of their numbers.
    pub images: Arc<[ImageEntry]>,
    pub keys: Arc<Keys>,
}

/// The same folder is the same list.
impl PartialEq for Folder {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.images, &other.images)
    }
}

/// How far the scoring of the folder is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Images that are scored or cannot be read.
    pub done: usize,
    pub total: usize,
    /// Images a second, where enough has been done to tell.
    pub per_second: Option<f64>,
    /// Files that do not answer, where there are some.
    pub late: Option<Late>,
}

/// Files that do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    pub files: usize,
    /// The one that has been asked first,
    pub image: ImageId,
    /// and for how long.
    pub seconds: u64,
}

impl Progress {
    /// Whether nothing is left but files that do not answer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.done + self.late.map_or(0, |late| late.files) >= self.total
    }
}

/// The score of an image, or why there is none in a sentence.
pub type Scored = (ImageId, Result<Score, String>);

/// What is known as soon as the model is loaded.
#[derive(Clone, Debug)]
pub struct About {
    pub summary: ModelSummary,
    /// Labels of all classes.
    pub labels: Arc<[String]>,
}

/// What the worker says.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is moved a few times a second"
)]
pub enum Reply {
    /// The model is loaded.
    Ready(About),
    /// All layers of the model.
    Layers(Arc<[LayerSummary]>),
    /// The model cannot be loaded: why, and what to do.
    Unavailable(String),
    /// Predictions of an image: of the wanted one before its picture follows, or of one prepared ahead.
    Predicted {
        image: ImageId,
        predictions: Arc<[Prediction]>,
    },
    /// An image that was prepared ahead cannot be read.
    Unreadable { image: ImageId, reason: String },
    /// The true classes of the images, where they are known, and what is wrong with the ground truth;
    /// nothing where all is well.
    Truth {
        truth: Arc<TrueClasses>,
        warning: Option<String>,
    },
    /// Scores of some images of the folder.
    Scored {
        scores: Vec<Scored>,
        progress: Progress,
    },
    /// The heatmap of a class that may be wanted next, of the picture that was shown last.
    Ahead {
        generation: Generation,
        heat: Arc<Heat>,
    },
    /// How far the picture in hand is.
    Progress {
        generation: Generation,
        done: usize,
        total: usize,
    },
    /// A picture or a file to save waits for a file that does not answer.
    Slow {
        generation: Generation,
        /// The one that is waited for; another one where too many do not answer.
        image: ImageId,
        seconds: u64,
    },
    /// The picture was called off by [`Job::Stop`].
    Stopped { generation: Generation },
    /// The answer to [`Job::Show`].
    Done {
        generation: Generation,
        image: ImageId,
        result: Result<Outcome, String>,
    },
    /// The answer to [`Job::Save`]: the file that was written.
    Saved(Result<PathBuf, String>),
}

/// A finished picture and what it is a picture of.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub image: ImageId,
    /// The best classes, best first; at most five.
    pub predictions: Arc<[Prediction]>,
    /// Softmax of the logits of all classes.
    pub probabilities: Arc<[f32]>,
    pub explanation: Explanation,
    /// That of the second class, where one was asked for.
    pub beside: Option<Explanation>,
    pub geometry: InputGeometry,
    pub style: Style,
    /// The whole picture, or its photo where it is a stack.
    pub picture: Arc<RgbImage>,
    /// Where the terminal keeps pictures.
    pub layers: Option<Layers>,
    pub times: Times,
}

impl Outcome {
    /// The number that the end of the color scale stands for; 0 where no map has anything to show.
    #[must_use]
    pub fn scale_end(&self) -> f32 {
        let shown = std::iter::once(&self.explanation).chain(&self.beside);
        let maps: Vec<Map<'_>> = shown.map(map_of).collect();
        scale::end(&maps, self.style)
    }
}

/// What is drawn of an explanation.
#[must_use]
pub fn map_of(explanation: &Explanation) -> Map<'_> {
    Map {
        heatmap: &explanation.heatmap,
        raw: &explanation.raw,
    }
}

/// How long the stages took; zero for a stage whose result was kept from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub decode: Duration,
    pub prepare: Duration,
    pub forward: Duration,
    pub explain: Duration,
    pub compose: Duration,
}
