//! Evaluate: how faithful maps are, and how well they find the object.
//!
//! A metric is a file below and a line in [`METRICS`]; its definition stands at its head. A metric
//! looks at one image through [`Maps`], the maps of one method at one layer, and says a [`Tally`]
//! for each of its figures. [`summary`] makes of the tallies of all images a mean with its
//! confidence interval.
//!
//! Metrics that need no ground truth look at the class that the network predicts, as
//! pytorch-grad-cam's and torch-cam's do. They are measured in softmax probabilities and on the
//! input after normalization, where zero is the mean color. *The map* is the final one: after ReLU,
//! scaled to 0..=1, at the input's size. Everything random is told by [`Rules::seed`] and the
//! image's content.

mod average_drop;
mod causal;
mod localization;
mod occlusion;
mod pointing;
mod randomization;
mod rank;
mod road;
mod scores;
mod ssim;
pub mod summary;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt::Debug;

use super::methods::Watch;
use super::options::Options;
use super::{ExplainError, Explanation, explain, predictions, softmax};
use crate::dataset::truth::Object;
use crate::geometry::Window;
use crate::heatmap::{Grid, MapState};
use crate::model::passes::Passes;
use crate::model::{ClassIndex, Input, Model};

/// How many predictions a network may make, in the tests that allow for more than one.
pub const TOP: usize = 5;

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share of cases, shown in per cent.
    Share,
    /// A number as it is.
    Number,
}

/// One number that a metric says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// In files: "pointing".
    pub key: &'static str,
    /// Over a column, at most 16 columns wide.
    pub title: &'static str,
    pub unit: Unit,
    /// What a more faithful or better localized map does to it; nothing where it tells nothing of
    /// the map.
    pub better: Option<Better>,
    /// Whether it stands on the screen; all stand in the files.
    pub is_shown: bool,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// The nearer to zero.
    Zero,
}

impl Figure {
    const fn share(key: &'static str, title: &'static str, better: Better) -> Self {
        Self {
            key,
            title,
            unit: Unit::Share,
            better: Some(better),
            is_shown: true,
        }
    }

    const fn number(key: &'static str, title: &'static str, better: Better) -> Self {
        Self {
            unit: Unit::Number,
            ..Self::share(key, title, better)
        }
    }

    const fn in_files_only(self) -> Self {
        Self {
            is_shown: false,
            ..self
        }
    }
}

/// What one image adds to a figure: the sum over its cases, and how many they are. Without cases
/// the image says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub sum: f64,
    pub cases: u32,
}

impl Tally {
    /// One case; none where the value is not a number.
    #[must_use]
    pub fn of(value: f64) -> Self {
        if value.is_finite() {
            Self {
                sum: value,
                cases: 1,
            }
        } else {
            Self::default()
        }
    }

    fn add(&mut self, value: f64) {
        let Self { sum, cases } = Self::of(value);
        self.sum += sum;
        self.cases += cases;
    }
}

/// What a metric needs to know of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but the image.
    Nothing,
    /// Its classes; boxes where there are any.
    Truth,
    /// Boxes.
    Boxes,
}

/// A way to judge maps.
#[derive(Debug)]
pub struct Metric {
    /// On the command line: "pointing".
    pub key: &'static str,
    /// Over its table: "Pointing game".
    pub name: &'static str,
    /// What it measures, in one line.
    pub summary: &'static str,
    pub needs: Needs,
    /// What [`Metric::measure`] says, in this order.
    pub figures: &'static [Figure],
    /// A tally for each figure.
    pub measure: Measure,
}

/// What a metric makes of an image's maps.
///
/// # Errors
/// When the method does not work on the network, libtorch refuses, or it was called off.
pub type Measure = fn(&mut Maps<'_, '_>, &mut dyn Watch) -> Result<Vec<Tally>, ExplainError>;

/// Every metric, in the order of the tables.
pub static METRICS: &[&Metric] = &[
    &pointing::METRIC,
    &localization::METRIC,
    &average_drop::METRIC,
    &causal::METRIC,
    &road::METRIC,
    &occlusion::METRIC,
    &randomization::METRIC,
];

/// A metric by its place in [`METRICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId(usize);

impl MetricId {
    /// Every metric.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..METRICS.len()).map(Self)
    }

    #[must_use]
    pub fn metric(self) -> &'static Metric {
        METRICS[self.0]
    }
}

impl std::str::FromStr for MetricId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.trim().to_lowercase();
        let keys = METRICS.iter().map(|metric| metric.key);
        Self::all()
            .find(|id| id.metric().key == wanted)
            .ok_or_else(|| {
                let keys: Vec<&str> = keys.collect();
                format!("there is no such metric; there are {}", keys.join(", "))
            })
    }
}

/// What all images are measured with.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rules {
    /// Of everything random.
    pub seed: u64,
    /// How far outside a box the pointing game still sees a hit, in image pixels.
    pub tolerance: f64,
    /// Share of the largest peak of an image's maps below which the pointing game with recall
    /// rejects a class.
    pub reject: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            seed: 0,
            tolerance: 0.0,
            reject: 0.5,
        }
    }
}

/// A model that is being judged, and what all images share.
#[derive(Debug)]
pub struct Evaluator<'a> {
    model: &'a Model,
    rules: Rules,
    /// Made when it is first asked for.
    cascade: OnceCell<Vec<Model>>,
}

impl<'a> Evaluator<'a> {
    #[must_use]
    pub fn new(model: &'a Model, rules: Rules) -> Self {
        Self {
            model,
            rules,
            cascade: OnceCell::new(),
        }
    }

    /// Takes an image up: one forward pass. `name` tells its random numbers.
    ///
    /// # Errors
    /// When the network does not run on it, or says something that is not a number.
    pub fn subject(
        &'a self,
        input: Input,
        objects: &[Object],
        name: &str,
    ) -> Result<Subject<'a>, ExplainError> {
        let mut passes = Passes::default();
        let pass = passes.at(self.model, &input, &self.model.summary().layer)?;
        let logits = pass.logits().to_vec();
        let ranked = predictions(self.model, &input, &logits, TOP)?;
        Ok(Subject {
            evaluator: self,
            ranked: ranked.iter().map(|prediction| prediction.class).collect(),
            input,
            objects: objects.to_vec(),
            name: name.to_owned(),
            passes,
            logits,
            occluded: None,
            random_passes: Vec::new(),
        })
    }
}

/// One image, and what is known of it.
#[derive(Debug)]
pub struct Subject<'a> {
    evaluator: &'a Evaluator<'a>,
    input: Input,
    objects: Vec<Object>,
    name: String,
    passes: Passes,
    logits: Vec<f32>,
    /// The best classes, best first.
    ranked: Vec<ClassIndex>,
    /// How much the score falls with each part covered; it is the same for all methods.
    occluded: Option<Grid>,
    /// By step of the cascade.
    random_passes: Vec<Passes>,
}

impl Subject<'_> {
    /// Runs the image up to a layer; kept for the methods that read it.
    ///
    /// # Errors
    /// When there is no such layer, or it has no map.
    pub fn reach(&mut self, layer: &str) -> Result<(), ExplainError> {
        self.passes.at(self.evaluator.model, &self.input, layer)?;
        Ok(())
    }

    /// The softmax probability of a class.
    fn probability(&self, class: ClassIndex) -> f64 {
        f64::from(
            softmax(&self.logits)
                .get(class.0)
                .copied()
                .unwrap_or(f32::NAN),
        )
    }

    /// The class that the network predicts.
    fn top(&self) -> ClassIndex {
        self.ranked.first().copied().unwrap_or(ClassIndex(0))
    }

    /// The classes that the image shows, each once.
    fn true_classes(&self) -> Vec<ClassIndex> {
        let mut classes: Vec<ClassIndex> = self
            .objects
            .iter()
            .map(|object| ClassIndex(object.class))
            .collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The boxes of a class, in image pixels.
    fn boxes(&self, class: ClassIndex) -> Vec<Window> {
        let of_class = self.objects.iter().filter(|object| object.class == class.0);
        of_class.filter_map(|object| object.bounds).collect()
    }

    /// Width and height of the input.
    fn size(&self) -> (usize, usize) {
        let size = self.input.geometry.input;
        (size.width as usize, size.height as usize)
    }
}

/// The maps of one image by one method at one layer.
#[derive(Debug)]
pub struct Maps<'s, 'a> {
    subject: &'s mut Subject<'a>,
    options: Options,
    made: HashMap<ClassIndex, Explanation>,
}

impl<'s, 'a> Maps<'s, 'a> {
    #[must_use]
    pub fn new(subject: &'s mut Subject<'a>, options: Options) -> Self {
        Self {
            subject,
            options,
            made: HashMap::new(),
        }
    }

    /// The explanation of a class; made once.
    fn explanation(
        &mut self,
        class: ClassIndex,
        watch: &mut dyn Watch,
    ) -> Result<&Explanation, ExplainError> {
        let Subject {
            evaluator,
            input,
            passes,
            ..
        } = &mut *self.subject;
        let made = match self.made.remove(&class) {
            Some(made) => made,
            None => explain(evaluator.model, input, passes, class, &self.options, watch)?,
        };
        Ok(self.made.entry(class).or_insert(made))
    }

    /// The final map of a class; nothing where it is not a number.
    fn map(
        &mut self,
        class: ClassIndex,
        watch: &mut dyn Watch,
    ) -> Result<Option<Grid>, ExplainError> {
        let (width, height) = self.subject.size();
        let heatmap = &self.explanation(class, watch)?.heatmap;
        Ok((heatmap.state != MapState::Nan).then(|| heatmap.upsample(width, height)))
    }
}

#[cfg(test)]
pub(crate) mod tests;
