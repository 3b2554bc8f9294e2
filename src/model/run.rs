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
mod pass;
mod pooled;
mod readers;
mod steps;

use std::cell::RefCell;
use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::dispatch::DispatchError;
use super::graph::{Graph, Layer, MapLayout, Node, ValueId};
use apart::Apart;
pub use apart::Changes;
pub use batch::Batch;
use dense::Dense;
pub use look::{first_not_finite, look_through, shapes};
pub use map::Map;
pub use pass::{Pass, Slope, differentiate};
use pooled::pooled_head;
use readers::Readers;
pub(super) use steps::Steps;

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
