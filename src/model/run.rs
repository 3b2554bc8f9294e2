//! Runs a graph, split at the target layer.
//!
//! What the target layer depends on is the *prefix*; it runs once for each image, without
//! autograd. What depends on the target layer is the *suffix*; it runs from the detached
//! activations on, with autograd, and its graph is kept. The gradient of another class is then one
//! backward pass through the suffix. Where the suffix is global average pooling and one linear
//! layer, the gradient is a row of that layer's weight, and there is no backward pass at all; nor
//! is there one for the mean of the gradient where linear layers with ReLU follow a pooling.
//!
//! Values that the suffix reads beside the target layer, such as skip connections around it, are
//! the *bridge*. With the activations they are all that another layer further on needs, and all
//! that the suffix needs to run again on other activations.

mod apart;
mod batch;
mod dense;
mod look;
mod map;
mod pooled;
mod readers;

use std::cell::RefCell;
use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::ClassIndex;
use super::dispatch::DispatchError;
use super::graph::{Graph, Layer, MapLayout, Node, ValueId};
use apart::Apart;
pub use apart::Changes;
pub use batch::{Batch, differentiate};
use dense::{Dense, Living};
pub use look::{first_not_finite, look_through, shapes};
pub use map::Map;
use pooled::pooled_head;
use readers::Readers;

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
        "layer {layer} outputs shape {shape:?}, which has no positions to show; `gradcam layers` lists the layers that have"
    )]
    NoMap { layer: String, shape: Vec<i64> },
    #[error("class {class} is out of range; the model has {classes} classes, 0 to {}", classes - 1)]
    ClassOutOfRange { class: usize, classes: usize },
    #[error("no layer of the network has a map with positions to show, and Grad-CAM needs one")]
    NoLayer,
    #[error("the score of a class does not depend on layer {0}")]
    NoPath(String),
    #[error("layer {0} does not keep the images of a batch apart")]
    NoBatch(String),
    #[error("the run was stopped")]
    Stopped,
}

/// The order of work for one target layer.
#[derive(Debug)]
pub struct Plan {
    layer: Layer,
    suffix: Steps,
    bridge: Vec<ValueId>,
    /// The linear layer's weight, where only global average pooling stands before it.
    pooled_head: Option<ValueId>,
    /// Linear layers with ReLU between them, where only pooling stands before them.
    dense: Option<Dense>,
    /// Where channels stay apart up to the first linear layer.
    apart: Option<Apart>,
    readers: Option<Readers<ValueId>>,
}

/// How much a score changes with the logit of a class: `d score / d logit`. A score is
/// differentiated through the few of them that are not zero.
pub type Slope = (ClassIndex, f32);

/// Up to as many slopes, classes are picked one by one.
const FEW_SLOPES: usize = 8;

/// Operations by their number in the graph, and after each the values that nobody reads any more.
#[derive(Debug)]
pub(super) struct Steps {
    nodes: Vec<usize>,
    spent: Vec<Vec<ValueId>>,
}

/// One image's way through the network. Class switching needs nothing else.
#[derive(Debug)]
pub struct Pass {
    layer: String,
    tap: ValueId,
    /// Output of the target layer as it is; the leaf of the suffix.
    activations: Tensor,
    bridge: Vec<(ValueId, Tensor)>,
    map: Map,
    /// `[1, classes]`, with the suffix's graph behind it unless `pooled_head` is there.
    scores: Tensor,
    logits: Vec<f32>,
    pooled_head: Option<Tensor>,
    dense: Option<Living>,
    readers: Option<Readers<Tensor>>,
    /// The gradient of the last backward pass and the slopes that it was asked for: the methods
    /// that read it take turns at one class.
    gradient: RefCell<Option<(Vec<Slope>, Tensor)>>,
    bytes: usize,
}

impl Plan {
    /// Splits a graph at a layer.
    ///
    /// # Errors
    /// When the output does not depend on the layer.
    pub fn new(graph: &Graph, layer: &Layer) -> Result<Self, RunError> {
        let tap = layer.output;
        let mut dependent = HashSet::from([tap]);
        let mut suffix = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            if !node.outputs.contains(&tap) && node.reads().any(|value| dependent.contains(&value))
            {
                dependent.extend(&node.outputs);
                suffix.push(index);
            }
        }
        if !dependent.contains(&graph.output) {
            return Err(RunError::NoPath(layer.name.clone()));
        }
        let pooled_head = pooled_head(graph, layer, &suffix);
        let dense = match pooled_head {
            Some(_) => None,
            None => Dense::of(graph, layer, &suffix),
        };
        let apart = Apart::of(graph, layer, &suffix);
        let suffix = graph.narrowest(suffix, |value| value == tap);
        let read: HashSet<ValueId> = suffix
            .iter()
            .filter_map(|&number| graph.operation(number))
            .flat_map(Node::reads)
            .collect();
        let mut bridge: Vec<ValueId> = read
            .into_iter()
            .filter(|value| !dependent.contains(value) && !graph.constants.contains_key(value))
            .collect();
        bridge.sort_unstable();
        let mut kept = HashSet::from([graph.output]);
        kept.extend(dense.iter().flat_map(Dense::kept));
        let readers = Readers::of(graph, layer, &suffix);
        kept.extend(readers.iter().flat_map(Readers::kept));
        Ok(Self {
            layer: layer.clone(),
            suffix: Steps::new(graph, suffix, &kept),
            bridge,
            pooled_head,
            dense,
            apart,
            readers,
        })
    }

    /// The same without what takes the place of a backward pass.
    #[cfg(test)]
    pub(crate) fn by_backward_pass(self) -> Self {
        Self {
            pooled_head: None,
            dense: None,
            readers: None,
            ..self
        }
    }

    /// Whether nothing goes around the layer: what follows reads nothing else.
    pub fn is_passed_by_all(&self) -> bool {
        self.bridge.is_empty()
    }

    /// Runs the network on one image `[1, 3, height, width]`, from what passes of the same image at
    /// other layers have kept.
    ///
    /// # Errors
    /// When libtorch refuses, the output is not logits, or the layer has no spatial map.
    pub fn run(&self, graph: &Graph, input: &Tensor, kept: &[Pass]) -> Result<Pass, RunError> {
        let mut values = graph.no_values();
        values[graph.input.0] = Some(input.shallow_clone());
        for pass in kept {
            values[pass.tap.0] = Some(pass.activations.f_detach()?);
            for (id, value) in &pass.bridge {
                values[id.0] = Some(value.shallow_clone());
            }
        }
        let tap = self.layer.output;
        let wanted: HashSet<ValueId> = self.bridge.iter().copied().chain([tap]).collect();
        let prefix = Steps::quickest(graph, &wanted, &values);
        tch::no_grad(|| prefix.run(graph, &mut values))?;
        let no_path = || RunError::NoPath(self.layer.name.clone());
        let tapped = values[tap.0].take().ok_or_else(no_path)?;
        let map = self.map_of(&tapped)?;
        let bridge: Vec<(ValueId, Tensor)> = self
            .bridge
            .iter()
            .filter_map(|id| Some((*id, values[id.0].as_ref()?.shallow_clone())))
            .collect();
        let pooled_head = self.head_weight(graph);
        let activations = tapped
            .f_detach()?
            .f_set_requires_grad(pooled_head.is_none())?;
        values[tap.0] = Some(activations.shallow_clone());
        self.suffix.run(graph, &mut values)?;
        let scores = values[graph.output.0].take().ok_or_else(no_path)?;
        let &[1, _] = scores.size().as_slice() else {
            return Err(RunError::NotAClassifier(scores.size()));
        };
        let dense = match (&self.dense, map.layout()) {
            (Some(dense), MapLayout::ChannelsFirst) => dense.living(graph, &values, map.channels),
            _ => None,
        };
        let readers = self.readers.as_ref();
        let readers = readers.and_then(|readers| readers.found(graph, &values, &map));
        let logits =
            Vec::<f32>::try_from(scores.f_detach()?.f_to_kind(Kind::Float)?.f_view([-1])?)?;
        // Autograd keeps about the suffix's activations; for the last layers that is the tapped
        // value a few times over. The gradient is kept as well.
        let autograd = match pooled_head {
            Some(_) => 1,
            None => 2 + self.suffix.nodes.len(),
        };
        let bytes = 4
            * (activations.numel() * autograd
                + bridge.iter().map(|(_, value)| value.numel()).sum::<usize>());
        Ok(Pass {
            layer: self.layer.name.clone(),
            tap,
            activations,
            bridge,
            map,
            scores,
            logits,
            pooled_head,
            dense,
            readers,
            gradient: RefCell::default(),
            bytes,
        })
    }

    /// Where the target layer's output, of one image or of several, has its positions.
    fn map_of(&self, output: &Tensor) -> Result<Map, RunError> {
        let mut shape = output.size();
        if let Some(images) = shape.first_mut() {
            *images = 1;
        }
        Map::of(&self.layer, &shape).ok_or_else(|| RunError::NoMap {
            layer: self.layer.name.clone(),
            shape,
        })
    }

    fn head_weight(&self, graph: &Graph) -> Option<Tensor> {
        let weight = self.pooled_head.and_then(|id| graph.constants.get(&id));
        weight.map(Tensor::shallow_clone)
    }

    /// The Hessian of a score with respect to the activations, times the activations,
    /// `[channels, height, width]`: how the gradient changes as the activations grow. `score` makes
    /// a number of the logits `[classes]`.
    ///
    /// # Errors
    /// When libtorch refuses, as it does where it has no second derivative of an operation.
    pub fn curvature(
        &self,
        graph: &Graph,
        pass: &Pass,
        score: impl Fn(&Tensor) -> Result<Tensor, tch::TchError>,
    ) -> Result<Tensor, RunError> {
        let has_attention = |&number: &usize| graph.has_attention(number);
        let (activations, scores) =
            if pass.pooled_head.is_some() || self.suffix.nodes.iter().any(has_attention) {
                self.differentiable_again(&graph.with_plain_attention()?, pass)?
            } else {
                (
                    pass.activations.shallow_clone(),
                    pass.scores.shallow_clone(),
                )
            };
        let backward = |of: Tensor, twice: bool| -> Result<Tensor, RunError> {
            let found = Tensor::f_run_backward(&[of], &[&activations], true, twice)?;
            let found = found.into_iter().find(Tensor::defined);
            // A gradient that does not depend on the activations has none of its own.
            Ok(found.map_or_else(|| activations.f_zeros_like(), Ok)?)
        };
        let gradient = backward(score(&scores.f_select(0, 0)?)?, true)?;
        let growth = gradient.f_mul(&activations.f_detach()?)?.f_sum(None)?;
        let curvature = if growth.requires_grad() {
            backward(growth, false)?
        } else {
            activations.f_zeros_like()?
        };
        Ok(pass.map.view(&curvature.f_detach()?)?)
    }

    /// Activations and scores `[1, classes]` with the graph between them, on another form of the
    /// network.
    fn differentiable_again(
        &self,
        graph: &Graph,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor), RunError> {
        let activations = pass.activations.f_detach()?.f_set_requires_grad(true)?;
        let mut values = graph.no_values();
        for (id, value) in &pass.bridge {
            values[id.0] = Some(value.shallow_clone());
        }
        values[self.layer.output.0] = Some(activations.shallow_clone());
        self.suffix.run(graph, &mut values)?;
        let scores = values[graph.output.0].take();
        let scores = scores.ok_or_else(|| RunError::NoPath(self.layer.name.clone()))?;
        Ok((activations, scores))
    }

    /// Logits `[n, classes]` for other outputs of the target layer, `[n, …]` as the layer makes
    /// them. Runs the suffix alone, without autograd.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn rescore(
        &self,
        graph: &Graph,
        pass: &Pass,
        activations: &Tensor,
    ) -> Result<Tensor, RunError> {
        let count = activations.size().first().copied().unwrap_or(1);
        let mut values = graph.no_values();
        for (id, value) in &pass.bridge {
            let mut size = value.size();
            if let Some(images) = size.first_mut() {
                *images = count;
            }
            values[id.0] = Some(value.f_expand(&size, false)?);
        }
        let kind = pass.activations.kind();
        values[self.layer.output.0] = Some(activations.f_to_kind(kind)?);
        let steps = Steps::quickest(graph, &HashSet::from([graph.output]), &values);
        tch::no_grad(|| steps.run(graph, &mut values))?;
        values[graph.output.0]
            .take()
            .ok_or_else(|| RunError::NoPath(self.layer.name.clone()))
    }

    /// What changes after the layer when every channel is replaced by a number, one at a time; where
    /// that takes no pass for each channel, and nothing elsewhere.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn changes(
        &self,
        graph: &Graph,
        pass: &Pass,
        replacement: f64,
    ) -> Result<Option<Changes>, RunError> {
        match &self.apart {
            Some(apart) => apart.changes(graph, pass, replacement),
            None => Ok(None),
        }
    }
}

/// Logits `[n, classes]` of images `[n, 3, height, width]`; one forward pass without autograd.
///
/// # Errors
/// When libtorch refuses.
pub fn logits(graph: &Graph, images: &Tensor) -> Result<Tensor, RunError> {
    let mut values = graph.no_values();
    values[graph.input.0] = Some(images.shallow_clone());
    let steps = Steps::quickest(graph, &HashSet::from([graph.output]), &values);
    tch::no_grad(|| steps.run(graph, &mut values))?;
    let output = values[graph.output.0].take();
    output.ok_or_else(|| RunError::NotAClassifier(Vec::new()))
}

impl Steps {
    pub(super) fn new(graph: &Graph, nodes: Vec<usize>, kept: &HashSet<ValueId>) -> Self {
        let mut seen = kept.clone();
        let mut spent: Vec<Vec<ValueId>> = nodes
            .iter()
            .rev()
            .map(|&number| {
                let node = graph.operation(number);
                node.into_iter()
                    .flat_map(|node| node.reads().chain(node.outputs.iter().copied()))
                    .filter(|value| !graph.constants.contains_key(value) && seen.insert(*value))
                    .collect()
            })
            .collect();
        spent.reverse();
        Self { nodes, spent }
    }

    /// The operations that make these values from those that are there already, and no others, for a
    /// run without autograd: fused ones where nobody asks for a value inside of one.
    fn quickest(graph: &Graph, wanted: &HashSet<ValueId>, there: &[Option<Tensor>]) -> Self {
        let asked_for = |id: ValueId| wanted.contains(&id) || there[id.0].is_some();
        let mut needed: HashSet<ValueId> = wanted.clone();
        let mut nodes: Vec<usize> = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate().rev() {
            let missing = |output: &ValueId| needed.contains(output) && there[output.0].is_none();
            if node.outputs.iter().any(missing) {
                let number = graph.quickest(index, asked_for);
                needed.extend(graph.operation(number).into_iter().flat_map(Node::reads));
                nodes.push(number);
            }
        }
        nodes.reverse();
        Self::new(graph, nodes, wanted)
    }

    /// The operations by number, each with the values that nobody reads after it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[ValueId])> {
        let spent = self.spent.iter().map(Vec::as_slice);
        self.nodes.iter().copied().zip(spent)
    }

    fn run(&self, graph: &Graph, values: &mut [Option<Tensor>]) -> Result<(), RunError> {
        self.run_and(graph, values, |_, _| Ok(()))
    }

    /// Runs the nodes and shows each value to `seen` when it is made, which may end the run.
    fn run_and(
        &self,
        graph: &Graph,
        values: &mut [Option<Tensor>],
        mut seen: impl FnMut(ValueId, &Tensor) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        for (number, spent) in self.iter() {
            let outputs = graph.run(number, values)?;
            let made = graph.operation(number);
            let made = made.into_iter().flat_map(|node| &node.outputs);
            for (id, output) in made.zip(outputs) {
                seen(*id, &output)?;
                values[id.0] = Some(output);
            }
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
        Ok(self.map.view(&self.activations.f_detach()?)?)
    }

    /// Output of the target layer as the network makes it, `[1, …]`, in float32; for
    /// [`Plan::rescore`].
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn output(&self) -> Result<Tensor, RunError> {
        Ok(self.activations.f_detach()?.f_to_kind(Kind::Float)?)
    }

    /// Where the positions and the channels are in [`Pass::output`].
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Gradient of a score with respect to the activations, `[channels, height, width]`. Runs no
    /// forward pass, and no backward pass for the slopes that it was last asked for.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn gradients(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        if let Some(weights) = self.head_weights(slopes)? {
            // d logit / d A_k(x, y) = weight[class, k] / (height * width), the same everywhere.
            let Map {
                channels,
                height,
                width,
                ..
            } = self.map;
            return Ok(weights
                .f_div_scalar((height * width) as f64)?
                .f_view([-1, 1, 1])?
                .f_expand([channels, height, width], false)?);
        }
        if let Some((of, gradient)) = &*self.gradient.borrow()
            && of == slopes
        {
            return Ok(gradient.shallow_clone());
        }
        let gradients =
            Tensor::f_run_backward(&[self.score(slopes)?], &[&self.activations], true, false)?;
        let gradient = gradients
            .first()
            .filter(|gradient| gradient.defined())
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        let gradient = self.map.view(gradient)?;
        self.gradient
            .replace(Some((slopes.to_vec(), gradient.shallow_clone())));
        Ok(gradient)
    }

    /// Mean over positions of the gradient of a score with respect to the activations,
    /// `[channels]`. Where a pooling and linear layers follow it takes less than the gradient.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn mean_gradients(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        let sums = match &self.dense {
            Some(dense) => Some(dense.gradient_sums(|last| self.weighted(last, 0, slopes))?),
            // The weight of a channel is shared out to its positions.
            None => self.head_weights(slopes)?,
        };
        if let Some(sums) = sums {
            let positions = (self.map.height * self.map.width) as f64;
            return Ok(sums.f_to_kind(Kind::Float)?.f_div_scalar(positions)?);
        }
        if let Some(readers) = &self.readers {
            return readers.mean_gradient(&self.score(slopes)?, &self.map);
        }
        let gradients = self.gradients(slopes)?;
        Ok(gradients.f_mean_dim([1_i64, 2].as_slice(), false, Kind::Float)?)
    }

    /// What the linear layer gives each channel of the target layer for a score, `[channels]`,
    /// where only global average pooling stands before it; nothing elsewhere.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn head_weights(&self, slopes: &[Slope]) -> Result<Option<Tensor>, RunError> {
        let weight = self.pooled_head.as_ref();
        weight
            .map(|weight| self.weighted(weight, 0, slopes))
            .transpose()
    }

    /// Logits `[n, classes]` when the mean of one channel changes, of `first` and the following ones
    /// in turn, by the changes `[n]`; where only global average pooling and one linear layer follow
    /// the target layer, and nothing elsewhere.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn logits_of_changed_means(
        &self,
        first: i64,
        changes: &Tensor,
    ) -> Result<Option<Tensor>, RunError> {
        let Some(weight) = &self.pooled_head else {
            return Ok(None);
        };
        let count = changes.size().first().copied().unwrap_or(0);
        let rows = weight.f_narrow(1, first, count)?.f_transpose(0, 1)?;
        let moved = rows.f_mul(&changes.f_unsqueeze(1)?)?;
        Ok(Some(self.scores.f_detach()?.f_add(&moved)?))
    }

    /// The score `[]` as a function of the activations, for autograd.
    fn score(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        Ok(self.weighted(&self.scores, 1, slopes)?.f_sum(None)?)
    }

    /// The sum over classes of the slope times the class's part of a tensor, along this axis.
    fn weighted(&self, tensor: &Tensor, axis: i64, slopes: &[Slope]) -> Result<Tensor, RunError> {
        if let Some((&(class, slope), others)) = slopes.split_first()
            && others.len() < FEW_SLOPES
        {
            let part = |class: ClassIndex, slope: f32| -> Result<Tensor, RunError> {
                let part = tensor.f_select(axis, self.row(class)?)?;
                // A logit alone is the usual score, and stays what it is to the last bit.
                Ok(match slope {
                    1.0 => part,
                    slope => part.f_mul_scalar(f64::from(slope))?,
                })
            };
            let first = part(class, slope);
            return others.iter().fold(first, |sum, &(class, slope)| {
                Ok(sum?.f_add(&part(class, slope)?)?)
            });
        }
        let mut weights = vec![0.0_f32; self.logits.len()];
        for &(class, slope) in slopes {
            self.row(class)?;
            weights[class.0] += slope;
        }
        let weights = Tensor::from_slice(&weights)
            .f_to_device(tensor.device())?
            .f_to_kind(tensor.kind())?;
        let rows = tensor.f_transpose(axis, -1)?;
        Ok(rows.f_mv(&weights)?)
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
