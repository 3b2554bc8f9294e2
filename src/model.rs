//! Model: a graph, its weights, and what is needed to use them: recipe, labels, device.

pub mod archive;
mod batches;
pub mod catalog;
pub mod checkpoint;
pub mod device;
pub mod dispatch;
pub mod fused;
pub mod graph;
pub mod labels;
pub mod library;
pub mod mapped;
pub mod narrow;
mod open;
pub mod passes;
pub mod pickle;
pub mod precision;
pub mod program;
pub mod random;
mod randomize;
pub mod recipe;
pub mod run;
pub mod script;
mod stages;
pub mod walk;
pub mod zoo;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use image::RgbImage;
use tch::{Device, Tensor};

use crate::geometry::InputGeometry;
use crate::text::visible;
pub use checkpoint::ModelSource;
use device::DeviceChoice;
use fused::Copies;
use graph::Graph;
use labels::Labels;
use open::Opened;
use precision::{Precision, PrecisionChoice, PrecisionError};
use recipe::{Recipe, RecipeOverrides};
use run::Plan;
pub use run::{Batch, Changes, Pass, RunError, Slope, differentiate};
use walk::{Found, Rule, Slopes, Wanted};

/// Index of a class, as the model's output numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ClassIndex(pub usize);

/// What the interface and `--json` say of a model. Plain data.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ModelSummary {
    /// File name of the checkpoint, or "bundled demo model".
    pub name: String,
    /// For people: "ResNet-18", "ResNet (BasicBlock 2-2-2)".
    pub family: String,
    pub classes: usize,
    /// First 16 hexadecimal digits of the checkpoint's BLAKE3 hash.
    pub fingerprint: String,
    /// The target layer, a dotted name as PyTorch users know it.
    pub layer: String,
    /// The preprocessing in words, one line.
    pub recipe: String,
    /// Who chose it: "config.json", "your flags". Nothing where it was guessed; `guesses` says how.
    pub recipe_source: Option<String>,
    /// "cpu", "cuda:0".
    pub device: String,
    /// What the network computes with.
    pub precision: Precision,
    /// Why it is not the device one may expect; a GPU that `auto` could not use.
    pub device_note: Option<String>,
    /// What was not read from the checkpoint but assumed, a sentence each. Empty: nothing.
    pub guesses: Vec<String>,
}

impl ModelSummary {
    /// The preprocessing in words, and who chose it: "shorter side 256 …  (config.json)".
    #[must_use]
    pub fn recipe_and_source(&self) -> String {
        match &self.recipe_source {
            Some(source) => format!("{} ({source})", self.recipe),
            None => self.recipe.clone(),
        }
    }

    /// "cpu", "cpu, bf16": float32 is what everybody expects.
    #[must_use]
    pub fn device_and_precision(&self) -> String {
        match self.precision {
            Precision::F32 => self.device.clone(),
            precision => format!("{}, {}", self.device, precision.name()),
        }
    }
}

/// What the user says about a model beside its file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// A file of class names, or a folder with a subfolder for each class.
    pub labels: Option<PathBuf>,
    /// The folder whose images are looked at; its subfolders may be the classes.
    pub images: Option<PathBuf>,
    pub recipe: RecipeOverrides,
    pub device: DeviceChoice,
    pub precision: PrecisionChoice,
    /// Dotted name of the target layer; the family's last stage without it.
    pub layer: Option<String>,
}

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::CheckpointError),
    #[error("{file}: {reason}")]
    Family {
        file: String,
        reason: zoo::FamilyError,
    },
    #[error(transparent)]
    Recipe(#[from] recipe::RecipeError),
    #[error(transparent)]
    Labels(#[from] labels::LabelError),
    #[error(transparent)]
    Device(#[from] device::DeviceError),
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    #[error(
        "{file} takes images of {height}x{width} only, and the preprocessing makes {made}; give --resize and --crop to match"
    )]
    Size {
        file: String,
        height: usize,
        width: usize,
        made: String,
    },
    #[error("{family} has no layer {wanted}; {near} (`gradcam layers` lists all)")]
    NoLayer {
        wanted: String,
        family: String,
        near: String,
    },
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

/// What the table of layers says of one. Plain data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LayerSummary {
    pub name: String,
    /// The operation that makes its output, as libtorch calls it.
    pub operation: String,
    /// Of its output, for one image.
    pub shape: Vec<i64>,
    #[serde(rename = "default")]
    pub is_default: bool,
    /// Why it cannot be the target layer.
    pub why_not: Option<&'static str>,
}

impl LayerSummary {
    /// "1x512x7x7", the shape of the output for one image.
    #[must_use]
    pub fn shape_in_words(&self) -> String {
        let lengths: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        lengths.join("x")
    }

    /// Why it is the default, or why it cannot be the target layer; empty for all others.
    #[must_use]
    pub fn note(&self) -> &'static str {
        match self.why_not {
            _ if self.is_default => "default: the last layer with a map before the head",
            Some(reason) => reason,
            None => "",
        }
    }
}

/// A network ready to run.
#[derive(Debug)]
pub struct Model {
    graph: Graph,
    /// By target layer; made when a layer is first asked for.
    plans: RefCell<HashMap<String, Rc<Plan>>>,
    /// The last layers of the stages, by layer and how many.
    stages: RefCell<HashMap<(String, usize), Vec<String>>>,
    /// Whether a batch gives what its images give one by one; found out when it is first asked.
    takes_batches: OnceCell<bool>,
    /// The layer that is explained unless the user chooses another.
    target_layer: String,
    recipe: Recipe,
    labels: Labels,
    device: Device,
    summary: ModelSummary,
}

/// An image as the network reads it.
#[derive(Debug)]
pub struct Input {
    /// Normalized, `[1, 3, height, width]`.
    pub tensor: Tensor,
    /// The same before normalization: what the network sees.
    pub seen: RgbImage,
    pub geometry: InputGeometry,
}

impl Model {
    /// # Errors
    /// When the checkpoint does not fit, or an option makes no sense for it.
    pub fn load(source: &ModelSource, options: &LoadOptions) -> Result<Self, ModelError> {
        // The device comes first: libtorch must learn of CUDA before anything else asks it.
        let (device, device_note) = device::open(options.device)?;
        let precision = Precision::choose(options.precision, device)?;
        let Opened {
            mut graph,
            about,
            recipe,
        } = open::open(source, &options.recipe)?;
        graph.to_device(device)?;

        let mut guesses = about.guesses;
        guesses.extend(recipe.guess);
        let (target_layer, classes) = match (about.target_layer, about.classes) {
            (Some(layer), Some(classes)) => (layer, classes),
            _ => run::look_through(&graph, &sample_input(&recipe.recipe, device)?)?,
        };
        if precision != Precision::F32 {
            graph.compute_with(precision, &sample_input(&recipe.recipe, device)?)?;
        }
        graph.fuse_operations(Copies::of(precision));
        graph.narrow_operations();
        let names = labels::Sources {
            named: options.labels.as_deref(),
            card: about.names,
            images: options.images.as_deref(),
        };
        let (labels, assumed) = names.choose(classes)?;
        guesses.extend(assumed);
        let layer = options.layer.as_ref().unwrap_or(&target_layer).clone();
        let summary = ModelSummary {
            name: about.name,
            family: about.family,
            classes,
            fingerprint: about.fingerprint,
            layer,
            recipe: recipe.recipe.in_words(),
            recipe_source: recipe.source,
            device: device::name(device),
            precision,
            device_note,
            guesses,
        };
        let recipe = recipe.recipe;
        let model = Self {
            graph,
            plans: RefCell::default(),
            stages: RefCell::default(),
            takes_batches: OnceCell::new(),
            target_layer,
            recipe,
            labels,
            device,
            summary,
        };
        model.plan(&model.summary.layer)?;
        tracing::info!("model: {:?}", model.summary);
        Ok(model)
    }

    pub fn summary(&self) -> &ModelSummary {
        &self.summary
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Whether it runs on the processor, not on a GPU.
    #[must_use]
    pub fn is_on_processor(&self) -> bool {
        self.device == Device::Cpu
    }

    /// The image as the network reads it.
    ///
    /// # Errors
    /// When the image has no pixels or libtorch no memory.
    pub fn prepare(&self, image: &RgbImage) -> Result<Input, ModelError> {
        let (seen, geometry) = self.recipe.apply(image)?;
        self.input(seen, geometry)
    }

    /// The same of what the recipe has made of an image.
    ///
    /// # Errors
    /// When libtorch has no memory.
    pub fn input(&self, seen: RgbImage, geometry: InputGeometry) -> Result<Input, ModelError> {
        let tensor = self.recipe.normalize(&seen)?.f_to_device(self.device)?;
        Ok(Input {
            tensor,
            seen,
            geometry,
        })
    }

    /// One forward pass, split at the layer that is explained unless another is named.
    ///
    /// # Errors
    /// When the input is too small for the network, or libtorch has no memory.
    pub fn run(&self, input: &Input) -> Result<Pass, ModelError> {
        self.run_at(&self.summary.layer, input, &[])
    }

    /// One forward pass, split at a layer, from what passes of the same input at other layers have
    /// kept.
    ///
    /// # Errors
    /// As [`Model::run`]; when there is no such layer, it has no map, or no score depends on it.
    pub fn run_at(&self, layer: &str, input: &Input, kept: &[Pass]) -> Result<Pass, ModelError> {
        let plan = self.plan(layer)?;
        Ok(plan.run(&self.graph, &input.tensor, kept)?)
    }

    /// Logits `[n, classes]` for other outputs `[n, …]` of a pass's layer. Runs only what follows
    /// the layer, without autograd.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn rescore(&self, pass: &Pass, outputs: &Tensor) -> Result<Tensor, ModelError> {
        let plan = self.plan(pass.layer())?;
        self.in_batches(outputs, |outputs| plan.rescore(&self.graph, pass, outputs))
    }

    /// What changes after a pass's layer when each channel in turn is replaced by a number; where that
    /// takes no run of all that follows, and nothing elsewhere.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn changes(&self, pass: &Pass, replacement: f64) -> Result<Option<Changes>, ModelError> {
        if !self.takes_batches()? {
            return Ok(None);
        }
        let plan = self.plan(pass.layer())?;
        Ok(plan.changes(&self.graph, pass, replacement)?)
    }

    /// Logits `[count, classes]` with one channel replaced, `first` and the following ones in turn.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn rescore_changed(
        &self,
        changes: &Changes,
        first: i64,
        count: i64,
    ) -> Result<Tensor, ModelError> {
        Ok(changes.logits(&self.graph, first, count)?)
    }

    /// The Hessian of a score with respect to a pass's activations, times the activations,
    /// `[channels, height, width]`. `score` makes a number of the logits `[classes]`.
    ///
    /// # Errors
    /// As [`Model::run`]; when libtorch has no second derivative of an operation after the layer.
    pub fn curvature(
        &self,
        pass: &Pass,
        score: impl Fn(&Tensor) -> Result<Tensor, tch::TchError>,
    ) -> Result<Tensor, ModelError> {
        let plan = self.plan(pass.layer())?;
        Ok(plan.curvature(&self.graph, pass, score)?)
    }

    /// Gradients of the scores of inputs `[n, 3, h, w]` with respect to their pixels, of the same
    /// shape. In one go where the network takes batches.
    ///
    /// # Errors
    /// As [`Model::run`]; when a class is out of range.
    pub fn pixel_gradients(
        &self,
        inputs: &Tensor,
        slopes: Slopes<'_>,
        rule: Rule,
    ) -> Result<Tensor, ModelError> {
        let pixels = self.graph.input;
        self.in_batches(inputs, |inputs| {
            let wanted = Wanted {
                gradients: &[pixels],
                ..Wanted::default()
            };
            let mut found = walk::differentiate(&self.graph, inputs, wanted, slopes, rule)?;
            let gradient = found.gradients.remove(&pixels);
            gradient.ok_or_else(|| RunError::NoPath("the input".to_owned()))
        })
    }

    /// Values of the graph for one input, and gradients of its score with respect to them.
    ///
    /// # Errors
    /// As [`Model::run`]; when a class is out of range.
    pub fn differentiate(
        &self,
        input: &Input,
        wanted: Wanted<'_>,
        slopes: Slopes<'_>,
    ) -> Result<Found, ModelError> {
        let found = walk::differentiate(&self.graph, &input.tensor, wanted, slopes, Rule::Plain);
        Ok(found?)
    }

    /// The operations, for methods that look for some of them.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The order of work for a target layer.
    fn plan(&self, layer: &str) -> Result<Rc<Plan>, ModelError> {
        if let Some(plan) = self.plans.borrow().get(layer) {
            return Ok(Rc::clone(plan));
        }
        let found = self.graph.layer(layer).ok_or_else(|| ModelError::NoLayer {
            wanted: visible(layer),
            family: self.summary.family.clone(),
            near: near(
                layer,
                self.graph.layers.iter().map(|layer| layer.name.as_str()),
            ),
        })?;
        let plan = Rc::new(Plan::new(&self.graph, found)?);
        self.plans
            .borrow_mut()
            .insert(layer.to_owned(), Rc::clone(&plan));
        Ok(plan)
    }

    /// The first layer whose output for this input has a value that is not finite.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn first_not_finite(&self, input: &Input) -> Result<Option<String>, ModelError> {
        Ok(run::first_not_finite(&self.graph, &input.tensor)?)
    }

    /// All layers in the order in which they finish, with what is to know of each.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn layers(&self) -> Result<Vec<LayerSummary>, ModelError> {
        let shapes = run::shapes(&self.graph, &sample_input(&self.recipe, self.device)?)?;
        let summary = |layer: &graph::Layer| {
            let shape = shapes.get(&layer.output).cloned().unwrap_or_default();
            let maker = self
                .graph
                .nodes
                .iter()
                .find(|node| node.outputs.contains(&layer.output));
            let why_not = match run::Map::of(layer, &shape) {
                None => Some("no positions to show"),
                Some(_) if Plan::new(&self.graph, layer).is_err() => {
                    Some("the score does not depend on it")
                }
                Some(_) => None,
            };
            LayerSummary {
                name: layer.name.clone(),
                operation: maker.map_or_else(String::new, |node| {
                    node.operator.name().trim_start_matches("aten::").to_owned()
                }),
                is_default: layer.name == self.target_layer,
                shape,
                why_not,
            }
        };
        Ok(self.graph.layers.iter().map(summary).collect())
    }

    /// There will be one image: it is answered before weights would be packed for many.
    pub fn expect_one_image(&self) {
        self.graph.pack_nothing();
    }

    /// Runs an empty image: the first run builds libtorch's kernels and is slow.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn warm_up(&self) -> Result<(), ModelError> {
        let image = RgbImage::new(320, 320);
        let pass = self.run(&self.prepare(&image)?)?;
        drop(pass.mean_gradients(&[(ClassIndex(0), 1.0)])?);
        Ok(())
    }
}

/// An input of the size that the recipe makes, with a pattern that excites a network: an image of
/// one colour leaves many maps empty.
fn sample_input(recipe: &Recipe, device: Device) -> Result<Tensor, ModelError> {
    let pattern = RgbImage::from_fn(320, 320, |x, y| {
        let shade =
            |step: u32| (x * step + y * (step + 3) + (x / 32) * (y / 32) * 37).to_le_bytes()[0];
        image::Rgb([shade(1), shade(2), shade(5)])
    });
    let (seen, _) = recipe.apply(&pattern)?;
    Ok(recipe.normalize(&seen)?.f_to_device(device)?)
}

/// The names nearest to a wrong one, in words.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 4;
    let last = wanted.rsplit('.').next().unwrap_or(wanted);
    let close: Vec<&str> = names
        .clone()
        .filter(|name| {
            name.starts_with(wanted)
                || wanted.starts_with(name)
                || (!last.is_empty() && name.ends_with(last))
        })
        .take(SHOWN)
        .collect();
    if close.is_empty() {
        let all: Vec<&str> = names.collect();
        let some: Vec<&str> = all.iter().rev().take(SHOWN).rev().copied().collect();
        format!("its last ones are {}", some.join(", "))
    } else {
        format!("did you mean {}?", close.join(", "))
    }
}

#[cfg(test)]
pub(crate) mod tests;
