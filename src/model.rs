//! Model: a graph, its weights, and what is needed to use them: recipe, labels, device.

pub mod checkpoint;
pub mod device;
pub mod dispatch;
pub mod graph;
pub mod labels;
pub mod recipe;
pub mod run;
pub mod zoo;

use std::path::PathBuf;

use image::RgbImage;
use tch::{Device, Tensor};

use crate::geometry::InputGeometry;
use crate::text::visible;
use checkpoint::Checkpoint;
pub use checkpoint::ModelSource;
use device::DeviceChoice;
use graph::Graph;
use labels::Labels;
use recipe::{Recipe, RecipeOverrides};
pub use run::{Pass, RunError};

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
    /// Dotted name of the target layer; the family's last stage without it.
    pub layer: Option<String>,
}

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::CheckpointError),
    #[error("{file}: {source}")]
    Family {
        file: String,
        source: zoo::FamilyError,
    },
    #[error(transparent)]
    Recipe(#[from] recipe::RecipeError),
    #[error(transparent)]
    Labels(#[from] labels::LabelError),
    #[error(transparent)]
    Device(#[from] device::DeviceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("there is no layer {wanted}; {family} has {layers}")]
    NoLayer {
        wanted: String,
        family: String,
        layers: String,
    },
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

/// A network ready to run.
#[derive(Debug)]
pub struct Model {
    graph: Graph,
    plan: run::Plan,
    recipe: Recipe,
    labels: Labels,
    device: Device,
    summary: ModelSummary,
}

/// An image as the network reads it.
#[derive(Debug)]
pub struct Input {
    /// Normalized, `[1, 3, height, width]`.
    tensor: Tensor,
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
        let checkpoint = Checkpoint::open(source)?;
        let network = zoo::build(&checkpoint).map_err(|source| ModelError::Family {
            file: checkpoint.name.clone(),
            source,
        })?;
        let mut graph = network.graph;
        graph.to_device(device)?;

        let mut guesses = network.guesses;
        let card = checkpoint.card;
        let preprocessing = recipe::Known {
            card: card
                .recipe
                .map(|recipe| (recipe, card.recipe_source.to_owned())),
            refusal: card.refusal,
            published: None,
            convention: Some(Recipe::convention(network.input_side)),
        };
        let preprocessing = preprocessing.choose(&options.recipe)?;
        guesses.extend(preprocessing.guess);
        let recipe = preprocessing.recipe;
        let names = labels::Sources {
            named: options.labels.as_deref(),
            card: card.classes.map(|names| (names, card.classes_source)),
            images: options.images.as_deref(),
        };
        let (labels, assumed) = names.choose(network.classes)?;
        guesses.extend(assumed);
        let wanted = options.layer.as_ref().unwrap_or(&network.target_layer);
        let layer = graph.layer(wanted).ok_or_else(|| ModelError::NoLayer {
            wanted: visible(wanted),
            family: network.family.clone(),
            layers: graph
                .layers
                .iter()
                .map(|layer| layer.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let plan = run::Plan::new(&graph, &layer.name, layer.output)?;
        let summary = ModelSummary {
            name: checkpoint.name,
            family: network.family,
            classes: network.classes,
            fingerprint: checkpoint.fingerprint,
            layer: layer.name.clone(),
            recipe: recipe.in_words(),
            recipe_source: preprocessing.source,
            device: device::name(device),
            device_note,
            guesses,
        };
        Ok(Self {
            graph,
            plan,
            recipe,
            labels,
            device,
            summary,
        })
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

    /// The image as the network reads it.
    ///
    /// # Errors
    /// When the image has no pixels or libtorch no memory.
    pub fn prepare(&self, image: &RgbImage) -> Result<Input, ModelError> {
        let (seen, geometry) = self.recipe.apply(image)?;
        let tensor = self.recipe.normalize(&seen)?.f_to_device(self.device)?;
        Ok(Input {
            tensor,
            seen,
            geometry,
        })
    }

    /// One forward pass.
    ///
    /// # Errors
    /// When the input is too small for the network, or libtorch has no memory.
    pub fn run(&self, input: &Input) -> Result<Pass, ModelError> {
        Ok(self.plan.run(&self.graph, &input.tensor)?)
    }

    /// Runs an empty image: the first run builds libtorch's kernels and is slow.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn warm_up(&self) -> Result<(), ModelError> {
        let image = RgbImage::new(320, 320);
        let pass = self.run(&self.prepare(&image)?)?;
        drop(pass.gradients(ClassIndex(0))?);
        Ok(())
    }
}
