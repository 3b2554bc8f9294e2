//! Runs a graph, split at the target layer.
//!
//! What the target layer depends on is the *prefix*; it runs once for each image, without
//! autograd. What depends on the target layer is the *suffix*; it runs from the detached
//! activations on, with autograd, and its graph is kept. The gradient of another class is then one
//! backward pass through the suffix. Where the suffix is global average pooling and one linear
//! layer, the gradient is a row of that layer's weight, and there is no backward pass at all.

use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::ClassIndex;
use super::dispatch::DispatchError;
use super::graph::{Graph, Node, Operand, ValueId};

/// Why a network did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the network does not run on this input: {0}")]
    Operator(#[from] DispatchError),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
    #[error("the output has shape {0:?}; a classifier's has one row of logits for each image")]
    NotAClassifier(Vec<i64>),
    #[error(
        "layer {layer} outputs shape {shape:?}, which has no positions to show; choose a layer with a map of [1, channels, height, width]"
    )]
    NoMap { layer: String, shape: Vec<i64> },
    #[error("class {class} is out of range; the model has {classes} classes, 0 to {}", classes - 1)]
    ClassOutOfRange { class: usize, classes: usize },
    #[error("the score of a class does not depend on layer {0}")]
    NoPath(String),
}

/// The order of work for one target layer.
#[derive(Debug)]
pub struct Plan {
    layer: String,
    tap: ValueId,
    prefix: Steps,
    suffix: Steps,
    /// The linear layer's weight, where only global average pooling stands before it.
    pooled_head: Option<ValueId>,
}

/// Nodes by index, and after each the values that nobody reads any more.
#[derive(Debug)]
struct Steps {
    nodes: Vec<usize>,
    spent: Vec<Vec<ValueId>>,
}

/// One image's way through the network. Class switching needs nothing else.
#[derive(Debug)]
pub struct Pass {
    layer: String,
    /// Output of the target layer, `[1, channels, height, width]`; the leaf of the suffix.
    activations: Tensor,
    /// `[1, classes]`, with the suffix's graph behind it unless `pooled_head` is there.
    scores: Tensor,
    logits: Vec<f32>,
    pooled_head: Option<Tensor>,
    bytes: usize,
}

impl Plan {
    /// Splits a graph at a layer.
    ///
    /// # Errors
    /// When the output does not depend on the layer.
    pub fn new(graph: &Graph, layer: &str, tap: ValueId) -> Result<Self, RunError> {
        let mut dependent = HashSet::from([tap]);
        let (mut before, mut suffix) = (Vec::new(), Vec::new());
        for (index, node) in graph.nodes.iter().enumerate() {
            if node.output != tap && node.reads().any(|value| dependent.contains(&value)) {
                dependent.insert(node.output);
                suffix.push(index);
            } else {
                before.push(index);
            }
        }
        if !dependent.contains(&graph.output) {
            return Err(RunError::NoPath(layer.to_owned()));
        }
        let reads = |nodes: &[usize]| -> HashSet<ValueId> {
            nodes
                .iter()
                .flat_map(|&index| graph.nodes[index].reads())
                .collect()
        };
        // Only what the suffix reads is worth computing before it.
        let mut needed = reads(&suffix);
        needed.insert(tap);
        let kept = needed.clone();
        let mut prefix: Vec<usize> = Vec::new();
        for &index in before.iter().rev() {
            let node = &graph.nodes[index];
            if needed.contains(&node.output) {
                needed.extend(node.reads());
                prefix.push(index);
            }
        }
        prefix.reverse();
        let pooled_head = pooled_head(graph, tap, &suffix);
        let end = HashSet::from([graph.output]);
        Ok(Self {
            layer: layer.to_owned(),
            tap,
            prefix: Steps::new(graph, prefix, &kept),
            suffix: Steps::new(graph, suffix, &end),
            pooled_head,
        })
    }

    /// Runs the network on one image `[1, 3, height, width]`.
    ///
    /// # Errors
    /// When libtorch refuses, the output is not logits, or the layer has no spatial map.
    pub fn run(&self, graph: &Graph, input: &Tensor) -> Result<Pass, RunError> {
        let mut values: Vec<Option<Tensor>> =
            std::iter::repeat_with(|| None).take(graph.values).collect();
        values[graph.input.0] = Some(input.shallow_clone());
        tch::no_grad(|| self.prefix.run(graph, &mut values))?;
        let tapped = values[self.tap.0]
            .take()
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        let shape = tapped.size();
        if shape.len() != 4 || shape[2] * shape[3] < 2 {
            return Err(RunError::NoMap {
                layer: self.layer.clone(),
                shape,
            });
        }
        let pooled_head = self
            .pooled_head
            .and_then(|id| graph.constants.get(&id))
            .map(Tensor::shallow_clone);
        let activations = tapped
            .f_detach()?
            .f_set_requires_grad(pooled_head.is_none())?;
        values[self.tap.0] = Some(activations.shallow_clone());
        self.suffix.run(graph, &mut values)?;
        let scores = values[graph.output.0]
            .take()
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        let &[1, _] = scores.size().as_slice() else {
            return Err(RunError::NotAClassifier(scores.size()));
        };
        let logits =
            Vec::<f32>::try_from(scores.f_detach()?.f_to_kind(Kind::Float)?.f_view([-1])?)?;
        // Autograd keeps about the suffix's activations; for the last layers that is the tapped
        // value a few times over.
        let bytes = activations.numel()
            * 4
            * if pooled_head.is_some() {
                1
            } else {
                1 + self.suffix.nodes.len()
            };
        Ok(Pass {
            layer: self.layer.clone(),
            activations,
            scores,
            logits,
            pooled_head,
            bytes,
        })
    }
}

impl Steps {
    fn new(graph: &Graph, nodes: Vec<usize>, kept: &HashSet<ValueId>) -> Self {
        let mut seen = kept.clone();
        let mut spent: Vec<Vec<ValueId>> = nodes
            .iter()
            .rev()
            .map(|&index| {
                let node: &Node = &graph.nodes[index];
                node.reads()
                    .chain([node.output])
                    .filter(|value| !graph.constants.contains_key(value) && seen.insert(*value))
                    .collect()
            })
            .collect();
        spent.reverse();
        Self { nodes, spent }
    }

    fn run(&self, graph: &Graph, values: &mut [Option<Tensor>]) -> Result<(), RunError> {
        for (&index, spent) in self.nodes.iter().zip(&self.spent) {
            let node = &graph.nodes[index];
            let output =
                node.run(|id| graph.constants.get(&id).or_else(|| values[id.0].as_ref()))?;
            values[node.output.0] = Some(output);
            for value in spent {
                values[value.0] = None;
            }
        }
        Ok(())
    }
}

impl Pass {
    /// Name of the target layer.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Scores of the classes before softmax.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Output of the target layer, `[channels, height, width]`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn activations(&self) -> Result<Tensor, RunError> {
        Ok(self.activations.f_detach()?.f_squeeze_dim(0)?)
    }

    /// Gradient of a class's logit with respect to the activations, `[channels, height, width]`.
    /// Runs no forward pass.
    ///
    /// # Errors
    /// When the class is out of range or libtorch refuses.
    pub fn gradients(&self, class: ClassIndex) -> Result<Tensor, RunError> {
        let row = self.row(class)?;
        if let Some(weight) = &self.pooled_head {
            // d logit / d A_k(x, y) = weight[class, k] / (height * width), the same everywhere.
            let shape = self.activations.size();
            let channels = weight
                .f_select(0, row)?
                .f_div_scalar((shape[2] * shape[3]) as f64)?;
            return Ok(channels
                .f_view([-1, 1, 1])?
                .f_expand([shape[1], shape[2], shape[3]], false)?);
        }
        let score = self.scores.f_select(1, row)?;
        let gradients = Tensor::f_run_backward(&[score], &[&self.activations], true, false)?;
        let gradient = gradients
            .first()
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        Ok(gradient.f_squeeze_dim(0)?)
    }

    /// About how much memory the pass holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn row(&self, class: ClassIndex) -> Result<i64, RunError> {
        let classes = self.logits.len();
        let out_of_range = RunError::ClassOutOfRange {
            class: class.0,
            classes,
        };
        if class.0 < classes {
            i64::try_from(class.0).map_err(|_| out_of_range)
        } else {
            Err(out_of_range)
        }
    }
}

/// The weight of the linear layer, where the suffix is exactly global average pooling, flattening
/// and that layer.
fn pooled_head(graph: &Graph, tap: ValueId, suffix: &[usize]) -> Option<ValueId> {
    let &[pool, flatten, linear] = suffix else {
        return None;
    };
    let [pool, flatten, linear] = [pool, flatten, linear].map(|index| &graph.nodes[index]);
    let names = [pool, flatten, linear].map(|node| node.operator.name());
    let chained = pool.reads().eq([tap])
        && flatten.reads().eq([pool.output])
        && linear.reads().next() == Some(flatten.output)
        && linear.output == graph.output;
    let to_one = pool
        .operands
        .iter()
        .any(|(_, operand)| matches!(operand, Operand::Ints(size) if size == &[1, 1]));
    if names != ["aten::adaptive_avg_pool2d", "aten::flatten", "aten::linear"]
        || !chained
        || !to_one
    {
        return None;
    }
    linear.reads().nth(1)
}
