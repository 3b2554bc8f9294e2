//! The families that are recognised from the names and shapes of their weights.
//!
//! A family is one file: it says by which key it is known, reads its configuration off the shapes,
//! and builds the graph. [`FAMILIES`] lists them.

pub mod resnet;

use tch::{Kind, Tensor};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::dispatch::DispatchError;
use super::graph::{Builder, Graph, Operand, ValueId};

/// A network built from a checkpoint.
#[derive(Debug)]
pub struct Network {
    pub graph: Graph,
    /// For people: "ResNet-18".
    pub family: String,
    pub classes: usize,
    /// Name of the layer to explain unless the user chooses another.
    pub target_layer: String,
    /// Side of the square input that the family is trained on.
    pub input_side: u32,
    /// What the weights do not tell and was assumed, a sentence each.
    pub guesses: Vec<String>,
}

/// Why a checkpoint makes no network.
#[derive(Debug, thiserror::Error)]
pub enum FamilyError {
    #[error(
        "the {count} keys of the checkpoint do not look like a family that gradcam knows ({known}){looks_like}; \
         its first keys are {first}"
    )]
    Unknown {
        count: usize,
        known: String,
        looks_like: String,
        first: String,
    },
    #[error("the checkpoint looks like {family}, but {misfit}; {advice}")]
    Misfit {
        family: String,
        misfit: String,
        advice: String,
    },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Operator(#[from] DispatchError),
}

/// One family: the key that gives it away, and its builder.
struct Family {
    name: &'static str,
    /// A key that every network of the family has.
    marker: &'static str,
    build: fn(Weights<'_>) -> Result<Network, FamilyError>,
}

const FAMILIES: &[Family] = &[Family {
    name: "ResNet",
    marker: resnet::MARKER,
    build: resnet::build,
}];

/// Keys of families that are not built yet, for a message that helps.
const STRANGERS: &[(&str, &str)] = &[
    ("features.denseblock1", "DenseNet"),
    ("cls_token", "a vision transformer"),
    ("class_token", "a vision transformer"),
    ("relative_position_bias_table", "a Swin transformer"),
    ("stages.0", "ConvNeXt or a network of timm"),
    ("Mixed_5b", "Inception v3"),
    ("features.0.0.weight", "MobileNet, EfficientNet or ConvNeXt"),
    ("features.0.weight", "VGG, AlexNet or SqueezeNet"),
];

/// Builds the network that a checkpoint holds. Keys are looked for under any prefix, so that
/// `state_dict.module.layer1…` and `model.layer1…` are found like `layer1…`.
///
/// # Errors
/// When no family fits, or one does but for some keys: they are named.
pub fn build(checkpoint: &Checkpoint) -> Result<Network, FamilyError> {
    for family in FAMILIES {
        if let Some(prefix) = prefix(checkpoint, family.marker) {
            return (family.build)(Weights::new(checkpoint, prefix));
        }
    }
    let keys: Vec<&str> = checkpoint.keys().collect();
    let stranger = STRANGERS
        .iter()
        .find(|(part, _)| keys.iter().any(|key| key.contains(part)));
    let known: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    Err(FamilyError::Unknown {
        count: keys.len(),
        known: known.join(", "),
        looks_like: stranger
            .map(|(_, name)| format!(", but like {name}"))
            .unwrap_or_default(),
        first: some(keys.iter().map(|key| crate::text::visible(key))),
    })
}

/// What stands before the marker in the checkpoint's keys. Of several (a model and its moving
/// average) the one without "ema" and then the shortest is taken.
fn prefix(checkpoint: &Checkpoint, marker: &str) -> Option<String> {
    checkpoint
        .keys()
        .filter_map(|key| key.strip_suffix(marker))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .min_by_key(|prefix| (prefix.contains("ema"), prefix.len(), (*prefix).to_owned()))
        .map(str::to_owned)
}

/// The first few of a list, and how many more there are.
fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 3;
    let total = items.len();
    let shown = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if total > SHOWN {
        format!("{shown} and {} more", total - SHOWN)
    } else {
        shown
    }
}

/// Weights of one network under their prefix, with a record of what was not as expected.
struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
    used: std::collections::HashSet<String>,
    missing: Vec<String>,
    reshaped: Vec<String>,
}

impl<'a> Weights<'a> {
    fn new(checkpoint: &'a Checkpoint, prefix: String) -> Self {
        Self {
            checkpoint,
            prefix,
            used: std::collections::HashSet::new(),
            missing: Vec::new(),
            reshaped: Vec::new(),
        }
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.checkpoint.shape(&format!("{}{name}", self.prefix))
    }

    fn has(&self, name: &str) -> bool {
        self.shape(name).is_some()
    }

    /// The weight as float32, if it has the shape that the network needs. Where it has not, zeros
    /// take its place until [`Weights::check`] reports all that does not fit at once.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, FamilyError> {
        let key = format!("{}{name}", self.prefix);
        match self.checkpoint.shape(&key) {
            Some(found) if found == shape => {
                let tensor = self.checkpoint.read(&key)?;
                self.used.insert(key);
                Ok(tensor)
            }
            Some(found) => {
                self.reshaped
                    .push(format!("{key} (has {found:?}, needs {shape:?})"));
                self.used.insert(key);
                zeros(shape)
            }
            None => {
                self.missing.push(key);
                zeros(shape)
            }
        }
    }

    /// Reports what is missing, of another shape, or left over under the prefix.
    fn check(&self, family: &str) -> Result<(), FamilyError> {
        let unexpected: Vec<String> = self
            .checkpoint
            .keys()
            .filter(|key| key.starts_with(&self.prefix) && !self.used.contains(*key))
            .filter(|key| !key.ends_with("num_batches_tracked") && self.belongs(key))
            .map(str::to_owned)
            .collect();
        let groups = [
            ("missing", &self.missing),
            ("of another shape", &self.reshaped),
            ("unexpected", &unexpected),
        ];
        let parts: Vec<String> = groups
            .iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(what, keys)| {
                let named = some(keys.iter().map(|key| crate::text::visible(key)));
                format!("{} {what}: {named}", crate::text::count(keys.len(), "key"))
            })
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let advice = if self.missing.is_empty() && self.reshaped.is_empty() {
            "it has parts that this family does not have, so its outputs would be wrong without them"
        } else {
            "save the whole model with torch.save(model.state_dict(), \"model.pth\") and check that it is this family"
        };
        Err(FamilyError::Misfit {
            family: family.to_owned(),
            misfit: parts.join("; "),
            advice: advice.to_owned(),
        })
    }

    /// Whether a key under an empty prefix is the network's: optimizer states and the like lie
    /// beside it in some checkpoints, and are nested deeper.
    fn belongs(&self, key: &str) -> bool {
        const ASIDE: [&str; 6] = [
            "optimizer",
            "scheduler",
            "lr_scheduler",
            "scaler",
            "ema",
            "model_ema",
        ];
        let own = key.strip_prefix(&self.prefix).unwrap_or(key);
        let first = own.split('.').next().unwrap_or(own);
        !ASIDE.contains(&first)
    }
}

fn zeros(shape: &[usize]) -> Result<Tensor, FamilyError> {
    let size: Vec<i64> = shape.iter().map(|&length| length as i64).collect();
    Tensor::f_zeros(size.as_slice(), (Kind::Float, tch::Device::Cpu))
        .map_err(|error| CheckpointError::torch("weights", &error).into())
}

/// A builder with the layers that most families share. Every method names the layer it makes.
struct Assembler<'a> {
    builder: Builder,
    weights: Weights<'a>,
}

/// Numbers of a convolution.
#[derive(Clone, Copy)]
struct Conv {
    c_in: usize,
    c_out: usize,
    ksize: usize,
    stride: i64,
    groups: usize,
}

impl<'a> Assembler<'a> {
    fn new(weights: Weights<'a>) -> Self {
        Self {
            builder: Builder::default(),
            weights,
        }
    }

    /// A convolution without bias that keeps the size but for its stride.
    fn conv2d(&mut self, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, FamilyError> {
        let shape = [conv.c_out, conv.c_in / conv.groups, conv.ksize, conv.ksize];
        let weight = self.weights.take(&format!("{name}.weight"), &shape)?;
        let weight = self.builder.constant(weight);
        let (stride, padding) = (conv.stride, (conv.ksize / 2) as i64);
        let output = self.builder.call(
            "conv2d",
            &[
                ("input", Operand::Value(x)),
                ("weight", Operand::Value(weight)),
                ("stride", Operand::Ints(vec![stride, stride])),
                ("padding", Operand::Ints(vec![padding, padding])),
                ("groups", Operand::Int(conv.groups as i64)),
            ],
        )?;
        self.builder.layer(name, output);
        Ok(output)
    }

    /// Batch normalization by the running statistics (Ioffe and Szegedy 2015, arXiv 1502.03167).
    fn batch_norm(
        &mut self,
        name: &str,
        x: ValueId,
        channels: usize,
    ) -> Result<ValueId, FamilyError> {
        let mut operands = vec![("input", Operand::Value(x))];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            let tensor = self.weights.take(&format!("{name}.{part}"), &[channels])?;
            operands.push((part, Operand::Value(self.builder.constant(tensor))));
        }
        operands.extend([
            ("training", Operand::Bool(false)),
            ("momentum", Operand::Float(0.1)),
            ("eps", Operand::Float(1e-5)),
            ("cudnn_enabled", Operand::Bool(true)),
        ]);
        let output = self.builder.call("batch_norm", &operands)?;
        self.builder.layer(name, output);
        Ok(output)
    }

    fn relu(&mut self, x: ValueId) -> Result<ValueId, FamilyError> {
        Ok(self.builder.call("relu", &[("self", Operand::Value(x))])?)
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, FamilyError> {
        Ok(self.builder.call(
            "add.Tensor",
            &[("self", Operand::Value(a)), ("other", Operand::Value(b))],
        )?)
    }

    /// Global average pooling, flattening, and a linear layer: logits.
    fn pooled_linear(
        &mut self,
        name: &str,
        x: ValueId,
        c_in: usize,
        classes: usize,
    ) -> Result<ValueId, FamilyError> {
        let pooled = self.builder.call(
            "adaptive_avg_pool2d",
            &[
                ("self", Operand::Value(x)),
                ("output_size", Operand::Ints(vec![1, 1])),
            ],
        )?;
        let flat = self.builder.call(
            "flatten.using_ints",
            &[
                ("self", Operand::Value(pooled)),
                ("start_dim", Operand::Int(1)),
            ],
        )?;
        let weight = self
            .weights
            .take(&format!("{name}.weight"), &[classes, c_in])?;
        let bias = self.weights.take(&format!("{name}.bias"), &[classes])?;
        let (weight, bias) = (self.builder.constant(weight), self.builder.constant(bias));
        Ok(self.builder.call(
            "linear",
            &[
                ("input", Operand::Value(flat)),
                ("weight", Operand::Value(weight)),
                ("bias", Operand::Value(bias)),
            ],
        )?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
