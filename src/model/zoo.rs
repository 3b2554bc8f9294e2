//! The families that are recognised from the names and shapes of their weights.
//!
//! A family is one file: it says by which keys it is known, reads its configuration off the names
//! and shapes, and builds the graph with a [`net::Net`]. [`FAMILIES`] lists them.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
mod googlenet;
mod head;
mod inception;
mod maxvit;
mod mnasnet;
mod mobile_timm;
mod mobilenet_v2;
mod mobilenet_v3;
mod net;
mod regnet;
mod resnet;
mod shufflenet;
mod squeezenet;
mod swin;
mod vgg;
mod vit;
mod weights;

use tch::Tensor;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::dispatch::DispatchError;
use super::graph::{Graph, ValueId};
use super::recipe::Recipe;
use crate::text::{count, visible};
use net::Net;
use weights::{Weights, some};

/// A network built from a checkpoint's names and shapes; its weights are read afterwards.
#[derive(Debug)]
pub struct Network {
    pub graph: Graph,
    /// Which key of the checkpoint becomes which constant of the graph.
    weights: Vec<(ValueId, String)>,
    /// For people: "ResNet-18".
    pub family: String,
    pub classes: usize,
    /// Name of the layer to explain unless the user chooses another.
    pub target_layer: String,
    /// The preprocessing that the family is published with.
    pub recipe: Recipe,
    /// Height and width of the input, where the network takes no other.
    pub fixed_size: Option<(usize, usize)>,
    /// What the weights do not tell and was assumed, a sentence each.
    pub guesses: Vec<String>,
}

/// Why a checkpoint makes no network.
#[derive(Debug, thiserror::Error)]
pub enum FamilyError {
    #[error(
        "the {count} keys of the checkpoint do not look like a family that gradcam knows ({known}); its first keys are {first}; \
         export the model with torch.export and open the .pt2 file"
    )]
    Unknown {
        count: usize,
        known: String,
        first: String,
    },
    #[error("the checkpoint looks like {family}, but {misfit}; {advice}")]
    Misfit {
        family: String,
        misfit: String,
        advice: String,
        /// How many keys do not fit.
        misfits: usize,
    },
    #[error(
        "the head {name} is not one that gradcam reads off its weights; it holds {layers}; \
         export the model with torch.export and open the .pt2 file"
    )]
    Head { name: String, layers: String },
    #[error(
        "there is no head {name}, which makes the scores of the classes{}; gradcam explains classifiers: \
         save the whole one with torch.save(model.state_dict(), \"model.pth\"), or export it with torch.export and open the .pt2 file",
        several(.beside)
    )]
    NoHead {
        name: String,
        /// Modules beside the network that could be the head.
        beside: Vec<String>,
    },
    #[error("{layer} reads images of {}; gradcam explains networks of colour images, which have three", count(*.channels, "channel"))]
    Channels { layer: String, channels: usize },
    #[error(
        "the network is quantised ({key}); save its weights from before it was quantised, or export that model with torch.export and open the .pt2 file"
    )]
    Quantised { key: String },
    #[error(
        "none of its {} is that of a convolution, as networks of images have; its first keys are {first}; \
         if it is one, export the model with torch.export and open the .pt2 file",
        count(*.weights, "weight")
    )]
    NoConvolution { weights: usize, first: String },
    #[error("the checkpoint looks like {family}, but {reason}")]
    Shape { family: String, reason: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Operator(#[from] DispatchError),
}

/// One family: the keys that give it away, one for each layout, and its builder.
struct Family {
    name: &'static str,
    /// Keys, one of which every network of the family has under some prefix.
    markers: &'static [&'static str],
    build: fn(Net<'_>) -> Result<Network, FamilyError>,
}

/// Tried in this order where several are possible; the first that fits is taken.
const FAMILIES: &[Family] = &[
    Family {
        name: "ResNet",
        markers: resnet::MARKERS,
        build: resnet::build,
    },
    Family {
        name: "VGG",
        markers: vgg::MARKERS,
        build: vgg::build,
    },
    Family {
        name: "AlexNet",
        markers: alexnet::MARKERS,
        build: alexnet::build,
    },
    Family {
        name: "SqueezeNet",
        markers: squeezenet::MARKERS,
        build: squeezenet::build,
    },
    Family {
        name: "DenseNet",
        markers: densenet::MARKERS,
        build: densenet::build,
    },
    Family {
        name: "MobileNet v2",
        markers: mobilenet_v2::MARKERS,
        build: mobilenet_v2::build,
    },
    Family {
        name: "MobileNet v3",
        markers: mobilenet_v3::MARKERS,
        build: mobilenet_v3::build,
    },
    Family {
        name: "MNASNet",
        markers: mnasnet::MARKERS,
        build: mnasnet::build,
    },
    Family {
        name: "ShuffleNet v2",
        markers: shufflenet::MARKERS,
        build: shufflenet::build,
    },
    Family {
        name: "GoogLeNet",
        markers: googlenet::MARKERS,
        build: googlenet::build,
    },
    Family {
        name: "Inception v3",
        markers: inception::MARKERS,
        build: inception::build,
    },
    Family {
        name: "RegNet",
        markers: regnet::MARKERS,
        build: regnet::build,
    },
    Family {
        name: "ConvNeXt",
        markers: convnext::MARKERS,
        build: convnext::build,
    },
    Family {
        name: "ViT",
        markers: vit::MARKERS,
        build: vit::build,
    },
    Family {
        name: "EfficientNet",
        markers: efficientnet::MARKERS,
        build: efficientnet::build,
    },
    Family {
        name: "timm's mobile networks",
        markers: mobile_timm::MARKERS,
        build: mobile_timm::build,
    },
    Family {
        name: "Swin",
        markers: swin::MARKERS,
        build: swin::build,
    },
    Family {
        name: "MaxViT",
        markers: maxvit::MARKERS,
        build: maxvit::build,
    },
];

/// Builds the network that a checkpoint holds, for inputs of the wanted height and width where a
/// network must know that. Keys are looked for under any prefix, so that `state_dict.module.layer1…`
/// and `model.layer1…` are found like `layer1…`. The weights are not read yet.
///
/// # Errors
/// When no family fits, or one does but for some keys: they are named.
pub fn build(
    checkpoint: &Checkpoint,
    wanted_size: Option<(usize, usize)>,
) -> Result<Network, FamilyError> {
    let mut closest: Option<FamilyError> = None;
    for family in FAMILIES {
        for marker in family.markers {
            let prefixes = prefixes(checkpoint, marker);
            let Some(&prefix) = prefixes.first() else {
                continue;
            };
            let net = Net::new(Weights::new(checkpoint, prefix.to_owned()), wanted_size);
            match (family.build)(net) {
                Ok(mut network) => {
                    network.guesses.extend(chosen(&prefixes));
                    return Ok(network);
                }
                Err(error) => {
                    if closest
                        .as_ref()
                        .is_none_or(|other| error.distance() < other.distance())
                    {
                        closest = Some(error);
                    }
                }
            }
        }
    }
    Err(refusal(checkpoint, closest))
}

/// Which of several networks in a checkpoint is taken, in words.
fn chosen(prefixes: &[&str]) -> Option<String> {
    let shown = |prefix: &&str| match prefix.trim_end_matches('.') {
        "" => "the outermost".to_owned(),
        name => visible(name),
    };
    let (first, others) = prefixes.split_first()?;
    (!others.is_empty()).then(|| {
        format!(
            "of the networks in the checkpoint {} is taken, not {}",
            shown(first),
            some(others.iter().map(shown))
        )
    })
}

/// What is said of a checkpoint that makes no network.
fn refusal(checkpoint: &Checkpoint, closest: Option<FamilyError>) -> FamilyError {
    let keys: Vec<&str> = checkpoint.keys().collect();
    // Names of torch.ao.nn.quantized.
    let quantised = |key: &&&str| key.ends_with(".zero_point") || key.contains("_packed_params");
    if let Some(key) = keys.iter().find(quantised) {
        return FamilyError::Quantised { key: visible(key) };
    }
    let first = some(keys.iter().map(|key| visible(key)));
    match closest {
        // Most of it is something else.
        Some(FamilyError::Misfit { misfits, .. }) if misfits * 2 > keys.len() => {}
        Some(closest) => return closest,
        None => {}
    }
    let dimensions = |key: &&str| checkpoint.shape(key).map_or(0, <[usize]>::len);
    if keys.iter().map(dimensions).max() < Some(4) {
        return FamilyError::NoConvolution {
            weights: keys.len(),
            first,
        };
    }
    let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    FamilyError::Unknown {
        count: keys.len(),
        known: known.join(", "),
        first,
    }
}

/// ", and a and b could be it": modules that could be meant.
fn several(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| visible(name)).collect();
    format!(", and {} could each be it", names.join(" and "))
}

impl FamilyError {
    /// How far a checkpoint is from the family, to name the closest one.
    fn distance(&self) -> usize {
        match self {
            Self::Misfit { misfits, .. } => *misfits,
            Self::Head { .. }
            | Self::NoHead { .. }
            | Self::Channels { .. }
            | Self::Shape { .. } => 0,
            _ => usize::MAX,
        }
    }
}

impl Network {
    /// The graph with its weights, and all that follows from weights alone computed.
    ///
    /// # Errors
    /// When a weight is damaged or not of a floating point type.
    pub fn into_graph(mut self, checkpoint: &Checkpoint) -> Result<Graph, FamilyError> {
        for (id, key) in &self.weights {
            let tensor: Tensor = checkpoint.read(key)?;
            self.graph.constants.insert(*id, tensor);
        }
        self.graph.fold_constants()?;
        Ok(self.graph)
    }
}

/// What stands before the marker in the checkpoint's keys, of several networks in the order of
/// preference: those without "ema" (of a model and its moving average) and then the shortest first.
fn prefixes<'a>(checkpoint: &'a Checkpoint, marker: &str) -> Vec<&'a str> {
    let mut prefixes: Vec<&str> = checkpoint
        .keys()
        .filter_map(|key| key.strip_suffix(marker))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .collect();
    prefixes.sort_by_key(|prefix| (prefix.contains("ema"), prefix.len(), *prefix));
    prefixes
}

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
pub(crate) use oracle::generator;
#[cfg(test)]
pub(crate) mod tests;
