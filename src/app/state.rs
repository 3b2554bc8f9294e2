//! State: what is selected, wanted, asked for, and shown.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset::row::Row;
use crate::dataset::score::Score;
use crate::dataset::truth::known::TrueClasses;
use crate::dataset::{ImageEntry, ImageId};
use crate::explain::Prediction;
use crate::explain::options::{Fusion, Options};
use crate::explain::target::Measure;
use crate::geometry::{CellSize, PixelSize, Window};
use crate::graphics::blocks::BLOCK_PX;
use crate::graphics::colors::Colors;
use crate::graphics::viuer::MAX_SIXEL_SIDE;
use crate::graphics::{Capabilities, Protocol};
use crate::job::{Form, Generation, Outcome, Progress, Target};
use crate::keymap::Keymap;
use crate::model::{ClassIndex, LayerSummary, ModelSummary};
use crate::picture::{Marks, Style, View};

use super::layout::{Panes, panes};
use super::matrix::Matrix;
use super::overview::Overview;
use super::picker::Picker;
use super::review::{Reviewing, Writing};
use super::zoom::Zoom;

/// Everything the interface knows.
#[derive(Debug)]
pub struct State {
    /// By their numbers, in the order in which they were found.
    pub images: Vec<ImageEntry>,
    pub search: Search,
    /// Whether the user has done something.
    pub is_touched: bool,
    /// The images that the filter lets through, in the order that was chosen.
    pub queue: Vec<ImageId>,
    /// Place in the queue.
    pub selected: usize,
    /// First row of the list that is on the screen.
    pub scroll: usize,
    /// The queue as it is written; what it means is in `review`.
    pub filter: String,
    pub target: Target,
    /// The target before this one, of the same image.
    pub before: Option<Target>,
    /// How it is explained.
    pub options: Options,
    /// The class that is shown beside the target.
    pub beside: Option<Target>,
    pub style: Style,
    pub mode: Mode,
    pub full_screen: bool,
    pub zoom: Zoom,
    pub model: ModelState,
    /// Labels of all classes, and all layers, as soon as they are known.
    pub labels: Arc<[String]>,
    pub layers: Arc<[LayerSummary]>,
    /// How far the picture in hand is: steps done, and steps in all.
    pub progress: Option<(usize, usize)>,
    /// The file that the wanted picture waits for, which does not answer, and for how many seconds.
    pub slow: Option<(ImageId, u64)>,
    /// How far the export is that is under way.
    pub export: Option<Exporting>,
    pub predictions: HashMap<ImageId, Arc<[Prediction]>>,
    /// Scores of the images of the folder, by their numbers.
    pub scores: Vec<Option<Score>>,
    /// How far the scoring of the folder is.
    pub scoring: Progress,
    pub unreadable: HashMap<ImageId, String>,
    /// The true classes of images, where they are known.
    pub truth: Arc<TrueClasses>,
    pub review: Reviewing,
    /// The last picture that came, and what it is a picture of.
    pub shown: Option<Outcome>,
    /// Why the wanted picture did not come.
    pub failure: Option<(ImageId, String)>,
    pub asked: Asked,
    pub message: String,
    pub size: CellSize,
    pub capabilities: Capabilities,
    pub out: PathBuf,
    pub keymap: Keymap,
    pub colors: Colors,
}

/// The one request that may be under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Of the newest wish.
    pub latest: Generation,
    pub in_flight: Option<Generation>,
    /// Whether the newest wish has not been sent.
    pub wanted: bool,
    /// Whether the worker was told to leave what is under way.
    pub stopping: bool,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exporting {
    /// Images that are drawn or cannot be.
    pub done: usize,
    /// Images to draw; none for a table.
    pub total: usize,
    /// The image whose file does not answer, and for how many seconds.
    pub slow: Option<(ImageId, u64)>,
}

/// Whether all images have been found.
#[derive(Clone, Debug)]
pub enum Search {
    UnderWay,
    /// All of them, in natural order.
    Done(Vec<ImageId>),
    /// There are none: why.
    Failed(String),
}

#[derive(Clone, Debug)]
pub enum ModelState {
    Loading,
    Ready(Box<ModelSummary>),
    Unavailable(String),
}

/// What keys mean at the moment.
#[derive(Clone, Debug)]
pub enum Mode {
    Browse,
    /// Letters go into a line.
    Write(Writing),
    /// The help, at this page, from 0.
    Help(usize),
    /// A page of rows to choose from.
    Pick(Picker),
    /// The confusion matrix.
    Matrix(Box<Matrix>),
    Summary(Box<Overview>),
}

impl State {
    #[must_use]
    pub fn new(
        images: Vec<ImageEntry>,
        options: Options,
        style: Style,
        out: PathBuf,
        review: Reviewing,
        capabilities: Capabilities,
        size: CellSize,
    ) -> Self {
        let queue = images.iter().map(|image| image.id).collect();
        Self {
            images,
            search: Search::UnderWay,
            is_touched: false,
            queue,
            selected: 0,
            scroll: 0,
            filter: String::new(),
            target: Target::Rank(1),
            before: None,
            options,
            beside: None,
            style,
            mode: Mode::Browse,
            full_screen: false,
            zoom: Zoom::default(),
            model: ModelState::Loading,
            labels: Arc::from([]),
            layers: Arc::from([]),
            progress: None,
            slow: None,
            export: None,
            predictions: HashMap::new(),
            scores: Vec::new(),
            scoring: Progress::default(),
            unreadable: HashMap::new(),
            truth: Arc::default(),
            review,
            shown: None,
            failure: None,
            asked: Asked::default(),
            message: String::new(),
            size,
            capabilities,
            out,
            keymap: Keymap::default(),
            colors: Colors::default(),
        }
    }

    /// The selected image; `None` where the filter lets none through.
    #[must_use]
    pub fn current(&self) -> Option<&ImageEntry> {
        self.queue.get(self.selected).map(|id| self.image(*id))
    }

    #[must_use]
    pub fn image(&self, id: ImageId) -> &ImageEntry {
        &self.images[id.0]
    }

    #[must_use]
    pub fn summary(&self) -> Option<&ModelSummary> {
        if let ModelState::Ready(summary) = &self.model {
            Some(summary)
        } else {
            None
        }
    }

    /// Name of a class; nothing before the model is loaded.
    #[must_use]
    pub fn label(&self, class: ClassIndex) -> &str {
        self.labels.get(class.0).map_or("", |label| label)
    }

    #[must_use]
    pub fn score(&self, image: ImageId) -> Option<&Score> {
        self.scores.get(image.0)?.as_ref()
    }

    /// The top prediction of an image and its probability, as far as it is known.
    #[must_use]
    pub fn predicted(&self, image: ImageId) -> Option<(ClassIndex, f32)> {
        if let Some(first) = self.predictions.get(&image).and_then(|all| all.first()) {
            return Some((first.class, first.probability));
        }
        let score = self.score(image)?;
        let class = usize::try_from(score.predicted()?).ok()?;
        Some((ClassIndex(class), score.confidence()?))
    }

    /// Whether the top prediction is a true class; nothing where one of them is not known.
    #[must_use]
    pub fn is_right(&self, image: ImageId) -> Option<bool> {
        let truth = self.truth.of(image);
        let (class, _) = self.predicted(image)?;
        let is_true = |known: &u32| usize::try_from(*known) == Ok(class.0);
        (!truth.is_empty()).then(|| truth.iter().any(is_true))
    }

    /// The true classes of an image; none where they are not known.
    #[must_use]
    pub fn true_classes(&self, image: ImageId) -> Vec<ClassIndex> {
        let classes = self.truth.of(image).iter();
        classes
            .filter_map(|class| usize::try_from(*class).ok().map(ClassIndex))
            .collect()
    }

    /// All that is known of an image, as queries see it.
    #[must_use]
    pub fn row(&self, image: ImageId) -> Row<'_> {
        let said = self.review.said.get(&image);
        Row {
            name: &self.image(image).name,
            score: self.score(image),
            unreadable: self.unreadable.get(&image).map(String::as_str),
            truth: self.truth.of(image),
            review: said.map(|said| &said.review),
            is_marked: self.review.marked.contains(&image),
            changed: said.map(|said| said.stamp.version.number()),
        }
    }

    /// Whether what is shown is not yet what is wanted.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.asked.wanted || self.asked.in_flight.is_some()
    }

    /// Where everything is on the screen. The caption is as long as what is shown asks for.
    #[must_use]
    pub fn panes(&self) -> Option<Panes> {
        let more = match &self.shown {
            Some(shown) => more_to_say(
                &shown.explanation.options,
                shown.style,
                shown.beside.is_some(),
            ),
            None => self.wants_more_to_say(),
        };
        panes(self.size, self.full_screen, more)
    }

    fn wants_more_to_say(&self) -> bool {
        more_to_say(&self.options, self.style, self.beside.is_some())
    }

    /// The class of a target, for the selected image.
    #[must_use]
    pub fn class_of(&self, target: Target) -> Option<ClassIndex> {
        match target {
            Target::Class(class) => Some(class),
            Target::Rank(rank) => {
                let predictions = self.predictions.get(&self.current()?.id)?;
                Some(predictions.get(rank.checked_sub(1)?)?.class)
            }
        }
    }

    /// Whether two targets are one class of the selected image, as far as is known.
    #[must_use]
    pub fn is_same(&self, one: Target, other: Target) -> bool {
        let classes = (self.class_of(one), self.class_of(other));
        one == other || matches!(classes, (Some(a), Some(b)) if a == b)
    }

    /// Probabilities of all classes of the selected image, where they are known.
    #[must_use]
    pub fn probabilities(&self) -> Option<&[f32]> {
        let shown = self.shown.as_ref()?;
        (self.current()?.id == shown.image).then_some(&*shown.probabilities)
    }

    /// The target layers that are asked for, by name.
    #[must_use]
    pub fn target_layers(&self) -> Vec<&str> {
        let own = self.summary().map(|summary| summary.layer.as_str());
        match self.options.layers.as_slice() {
            [] => own.into_iter().collect(),
            layers => layers.iter().map(String::as_str).collect(),
        }
    }

    /// The options of the wanted picture; those without a meaning for it are the default.
    #[must_use]
    pub fn wanted_options(&self) -> Options {
        let mut options = self.options.clone();
        if options.layers.len() < 2 {
            options.fusion = Fusion::default();
        }
        options
    }

    /// Whether the wanted explanation takes long enough to be called off.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.options.method.method().is_slow || self.options.aug_smooth || self.progress.is_some()
    }

    /// What the terminal needs of a picture.
    #[must_use]
    pub fn form(&self) -> Form {
        match self.capabilities.protocol {
            Protocol::HalfBlocks | Protocol::Text | Protocol::Sixel | Protocol::Iterm2 => {
                Form::Pixels
            }
            Protocol::Placeholder { layers: false } => Form::Photo,
            Protocol::Layered | Protocol::Placeholder { layers: true } => Form::Layers {
                cell_px: self.capabilities.cell_px,
            },
        }
    }

    /// The part of the picture that is shown, in fractions; `None` for all of it. Pictures that stand
    /// side by side are always whole.
    #[must_use]
    pub fn part(&self) -> Option<Window> {
        let is_one = self.beside.is_none() && self.style.view != View::SideBySide;
        self.zoom.part().filter(|_| is_one)
    }

    /// Whether the terminal shows a part of a picture that it has without being sent one.
    #[must_use]
    pub fn takes_parts(&self) -> bool {
        self.capabilities.protocol == Protocol::Layered
    }

    /// The largest picture that the picture pane holds, in pixels. Of blocks, a cell has a few, which
    /// are squares in all usual fonts.
    #[must_use]
    pub fn picture_size(&self) -> PixelSize {
        let Some(panes) = panes(self.size, self.full_screen, self.wants_more_to_say()) else {
            return PixelSize::new(1, 1);
        };
        let (columns, rows) = (
            u32::from(panes.picture.width),
            u32::from(panes.picture.height),
        );
        let cell = self.capabilities.cell_px;
        match self.capabilities.protocol {
            Protocol::HalfBlocks | Protocol::Text => {
                PixelSize::new(columns * BLOCK_PX.width, rows * BLOCK_PX.height)
            }
            Protocol::Layered
            | Protocol::Placeholder { .. }
            | Protocol::Sixel
            | Protocol::Iterm2 => PixelSize::new(
                (columns * cell.width).clamp(1, MAX_SIXEL_SIDE),
                (rows * cell.height).clamp(1, MAX_SIXEL_SIDE),
            ),
        }
    }
}

/// Whether there is more to say of a picture than of a plain overlay.
fn more_to_say(options: &Options, style: Style, compared: bool) -> bool {
    compared
        || options.layers.len() > 1
        || options.method.method().fusion.is_some()
        || options.measure != Measure::Logit
        || options.versus.is_some()
        || options.counterfactual
        || options.aug_smooth
        || options.eigen_smooth
        || style.signed
        || style.scale.is_some()
        || style.marks != Marks::NONE
}
