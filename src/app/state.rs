//! State: what is selected, wanted, asked for, and shown.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset::{ImageEntry, ImageId};
use crate::explain::Prediction;
use crate::explain::options::Options;
use crate::geometry::{CellSize, PixelSize};
use crate::graphics::viuer::MAX_SIXEL_SIDE;
use crate::graphics::{Capabilities, Protocol};
use crate::job::{Generation, Outcome, Target};
use crate::model::{LayerSummary, ModelSummary};
use crate::picture::Style;

use super::layout::panes;

/// Everything the interface knows.
#[derive(Debug)]
pub struct State {
    pub images: Vec<ImageEntry>,
    /// The images that the filter lets through, in the order that was chosen.
    pub queue: Vec<ImageId>,
    /// Place in the queue.
    pub selected: usize,
    /// First row of the list that is on the screen.
    pub scroll: usize,
    pub filter: String,
    pub order: Order,
    pub target: Target,
    /// How it is explained.
    pub options: Options,
    /// The class that is shown beside the target.
    pub beside: Option<Target>,
    pub style: Style,
    pub mode: Mode,
    pub full_screen: bool,
    pub model: ModelState,
    /// Labels of all classes, and all layers, as soon as they are known.
    pub labels: Arc<[String]>,
    pub layers: Arc<[LayerSummary]>,
    /// How far the picture in hand is: steps done, and steps in all.
    pub progress: Option<(usize, usize)>,
    pub predictions: HashMap<ImageId, Arc<[Prediction]>>,
    pub unreadable: HashMap<ImageId, String>,
    /// The last picture that came, and what it is a picture of.
    pub shown: Option<Outcome>,
    /// Why the wanted picture did not come.
    pub failure: Option<(ImageId, String)>,
    pub asked: Asked,
    /// Images that the worker was asked to prepare and has not answered for.
    pub preparing: Vec<ImageId>,
    pub message: String,
    pub size: CellSize,
    pub capabilities: Capabilities,
    pub out: PathBuf,
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

#[derive(Clone, Debug)]
pub enum ModelState {
    Loading,
    Ready(ModelSummary),
    Unavailable(String),
}

/// What keys mean at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Browse,
    /// Letters go into the filter.
    Filter,
    /// The help, at this page, from 0.
    Help(usize),
}

/// Orders of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Name,
    Reverse,
    /// By the label of the top prediction; unknown ones last.
    Class,
    /// The least probable top prediction first; unknown ones last.
    Doubtful,
}

impl Order {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Reverse,
            Self::Reverse => Self::Class,
            Self::Class => Self::Doubtful,
            Self::Doubtful => Self::Name,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Reverse => "name, reversed",
            Self::Class => "predicted class",
            Self::Doubtful => "doubtful first",
        }
    }
}

impl State {
    #[must_use]
    pub fn new(
        images: Vec<ImageEntry>,
        options: Options,
        style: Style,
        out: PathBuf,
        capabilities: Capabilities,
        size: CellSize,
    ) -> Self {
        let queue = images.iter().map(|image| image.id).collect();
        Self {
            images,
            queue,
            selected: 0,
            scroll: 0,
            filter: String::new(),
            order: Order::Name,
            target: Target::Rank(1),
            options,
            beside: None,
            style,
            mode: Mode::Browse,
            full_screen: false,
            model: ModelState::Loading,
            labels: Arc::from([]),
            layers: Arc::from([]),
            progress: None,
            predictions: HashMap::new(),
            unreadable: HashMap::new(),
            shown: None,
            failure: None,
            asked: Asked::default(),
            preparing: Vec::new(),
            message: String::new(),
            size,
            capabilities,
            out,
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

    /// Whether what is shown is not yet what is wanted.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.asked.wanted || self.asked.in_flight.is_some()
    }

    /// The largest picture that the picture pane holds, in pixels. With half blocks a pixel is half
    /// a cell, which is a square in all usual fonts.
    #[must_use]
    pub fn picture_size(&self) -> PixelSize {
        let Some(panes) = panes(self.size, self.full_screen) else {
            return PixelSize::new(1, 1);
        };
        let (columns, rows) = (
            u32::from(panes.picture.width),
            u32::from(panes.picture.height),
        );
        let cell = self.capabilities.cell_px;
        match self.capabilities.protocol {
            Protocol::HalfBlocks => PixelSize::new(columns, rows * 2),
            Protocol::Sixel | Protocol::Iterm2 => PixelSize::new(
                (columns * cell.width).clamp(1, MAX_SIXEL_SIDE),
                (rows * cell.height).clamp(1, MAX_SIXEL_SIDE),
            ),
        }
    }
}
