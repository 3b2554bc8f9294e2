//! Runs a graph, split at the target layer.
//!
//! What the target layer depends on is the *prefix*; it runs once for each image, without
//! autograd. What depends on the target layer is the *suffix*; it runs from the detached
//! activations on, with autograd, and its graph is kept. The gradient of another class is then one
//! backward pass through the suffix. Where the suffix is global average pooling and one linear
//! layer, the gradient is a row of that layer's weight, and there is no backward pass at all.
//!
//! Values that the suffix reads beside the target layer, such as skip connections around it, are
//! the *bridge*. With the activations they are all that another layer further on needs, and all
//! that the suffix needs to run again on other activations.

mod batch;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use tch::{Kind, Tensor};

use super::ClassIndex;
use super::dispatch::DispatchError;
use super::graph::{Graph, Layer, MapLayout, Node, Operand, ValueId};
pub use batch::Batch;

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
    /// The gradient of the last backward pass and the slopes that it was asked for: the methods
    /// that read it take turns at one class.
    gradient: RefCell<Option<(Vec<Slope>, Tensor)>>,
    bytes: usize,
}

/// Where a layer's output has its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    layout: MapLayout,
    pub channels: i64,
    pub height: i64,
    pub width: i64,
}

impl Map {
    /// The map in an output of this shape, if it has one: two positions at least.
    pub fn of(layer: &Layer, shape: &[i64]) -> Option<Self> {
        let layout = layer.layout.or_else(|| Self::likely(shape))?;
        let (channels, height, width) = match (layout, shape) {
            (MapLayout::ChannelsFirst, &[1, channels, height, width])
            | (MapLayout::ChannelsLast, &[1, height, width, channels]) => (channels, height, width),
            (MapLayout::Tokens { prefix, grid }, &[1, tokens, channels]) => {
                let positions = tokens - i64::try_from(prefix).ok()?;
                let (height, width) = match grid {
                    Some((height, width)) => (height as i64, width as i64),
                    None => (root(positions), root(positions)),
                };
                (height * width == positions).then_some((channels, height, width))?
            }
            _ => return None,
        };
        (height * width > 1).then_some(Self {
            layout,
            channels,
            height,
            width,
        })
    }

    /// What an output of this shape most likely is. Of four axes the channels come last where the
    /// two in the middle are equal and fewer; of three, the tokens beyond a square come first.
    fn likely(shape: &[i64]) -> Option<MapLayout> {
        match *shape {
            [_, a, b, c] if a == b && c > a => Some(MapLayout::ChannelsLast),
            [_, _, _, _] => Some(MapLayout::ChannelsFirst),
            [_, tokens, _] if tokens > 3 => {
                let prefix = usize::try_from(tokens - root(tokens).pow(2)).ok()?;
                Some(MapLayout::Tokens { prefix, grid: None })
            }
            _ => None,
        }
    }

    /// Which axis of the layer's output has the channels.
    #[must_use]
    pub fn channel_axis(&self) -> i64 {
        match self.layout {
            MapLayout::ChannelsFirst => 1,
            MapLayout::ChannelsLast => 3,
            MapLayout::Tokens { .. } => 2,
        }
    }

    /// `[channels, height, width]` in float32 of a tensor that lies as the layer's output.
    fn view(&self, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
        self.view_all(tensor)?.f_squeeze_dim(0)
    }

    /// The same of several images, `[n, channels, height, width]`.
    fn view_all(&self, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
        let tensor = tensor.f_to_kind(Kind::Float)?;
        match self.layout {
            MapLayout::ChannelsFirst => Ok(tensor),
            MapLayout::ChannelsLast => tensor.f_permute([0, 3, 1, 2]),
            MapLayout::Tokens { prefix, .. } => tensor
                .f_narrow(1, prefix as i64, self.height * self.width)?
                .f_permute([0, 2, 1])?
                .f_reshape([-1, self.channels, self.height, self.width]),
        }
    }
}

/// The whole part of a square root.
fn root(number: i64) -> i64 {
    number.max(0).isqrt()
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
        let read: HashSet<ValueId> = suffix
            .iter()
            .flat_map(|&index| graph.nodes[index].reads())
            .collect();
        let mut bridge: Vec<ValueId> = read
            .into_iter()
            .filter(|value| !dependent.contains(value) && !graph.constants.contains_key(value))
            .collect();
        bridge.sort_unstable();
        let pooled_head = pooled_head(graph, layer, &suffix);
        let end = HashSet::from([graph.output]);
        Ok(Self {
            layer: layer.clone(),
            suffix: Steps::new(graph, suffix, &end),
            bridge,
            pooled_head,
        })
    }

    /// The same without the weight row in the place of a backward pass.
    #[cfg(test)]
    pub(crate) fn by_backward_pass(self) -> Self {
        Self {
            pooled_head: None,
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
        let fused = |&index: &usize| graph.nodes[index].is_attention();
        let (activations, scores) =
            if pass.pooled_head.is_some() || self.suffix.nodes.iter().any(fused) {
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
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        let gradient = self.map.view(gradient)?;
        self.gradient
            .replace(Some((slopes.to_vec(), gradient.shallow_clone())));
        Ok(gradient)
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

/// Shapes of what the layers output for an input, by value; one forward pass, nothing is kept.
///
/// # Errors
/// When libtorch refuses.
pub fn shapes(graph: &Graph, input: &Tensor) -> Result<HashMap<ValueId, Vec<i64>>, RunError> {
    let mut shapes = HashMap::new();
    look(graph, input, |id, output| {
        shapes.insert(id, output.size());
    })?;
    Ok(shapes)
}

/// The first layer, in the order in which they finish, whose output has a value that is not
/// finite; one forward pass.
///
/// # Errors
/// When libtorch refuses.
pub fn first_not_finite(graph: &Graph, input: &Tensor) -> Result<Option<String>, RunError> {
    let mut bad = HashSet::new();
    look(graph, input, |id, output| {
        let finite = output
            .f_isfinite()
            .and_then(|finite| finite.f_all())
            .and_then(|finite| finite.f_int64_value(&[]));
        if finite.is_ok_and(|finite| finite == 0) {
            bad.insert(id);
        }
    })?;
    let first = graph
        .layers
        .iter()
        .find(|layer| bad.contains(&layer.output));
    Ok(first.map(|layer| layer.name.clone()))
}

/// Runs everything once, without autograd, and shows each value when it is made.
fn look(
    graph: &Graph,
    input: &Tensor,
    mut seen: impl FnMut(ValueId, &Tensor),
) -> Result<(), RunError> {
    let steps = Steps::new(graph, (0..graph.nodes.len()).collect(), &HashSet::new());
    let mut values = graph.no_values();
    values[graph.input.0] = Some(input.shallow_clone());
    tch::no_grad(|| {
        steps.run_and(graph, &mut values, |id, output| {
            seen(id, output);
            Ok(())
        })
    })
}

/// The layer to explain in a network of which nothing is known, and how many classes there are: the
/// last layer with a map on whose positions the score depends, pooling left out.
///
/// # Errors
/// When there is no such layer, or the output is not logits.
pub fn look_through(graph: &Graph, input: &Tensor) -> Result<(String, usize), RunError> {
    let shapes = shapes(graph, input)?;
    let logits = shapes.get(&graph.output).cloned().unwrap_or_default();
    let &[1, classes] = logits.as_slice() else {
        return Err(RunError::NotAClassifier(logits));
    };
    let classes = usize::try_from(classes).unwrap_or(0);
    // Of a network whose head is all zeros, as new ones have it, no layer moves the score.
    let mut without_evidence = None;
    for layer in graph.layers.iter().rev() {
        let maker = graph
            .nodes
            .iter()
            .find(|node| node.outputs.contains(&layer.output));
        // What attention makes of its input by a linear layer is no map of features either.
        let no_features = maker.is_some_and(|node| {
            let operator = node.operator.name();
            operator.contains("adaptive_avg_pool") || operator == "aten::linear"
        });
        let has_map = shapes
            .get(&layer.output)
            .is_some_and(|shape| Map::of(layer, shape).is_some());
        if !has_map || no_features {
            continue;
        }
        let Ok(plan) = Plan::new(graph, layer) else {
            continue;
        };
        let pass = plan.run(graph, input, &[])?;
        let best = pass
            .logits
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |(class, _)| class);
        let gradients = pass.gradients(&[(ClassIndex(best), 1.0)])?;
        if gradients.f_abs()?.f_max()?.f_double_value(&[])? > 0.0 {
            return Ok((layer.name.clone(), classes));
        }
        without_evidence.get_or_insert(layer);
    }
    without_evidence
        .map(|layer| (layer.name.clone(), classes))
        .ok_or(RunError::NoLayer)
}

/// The weight of the linear layer, where the suffix is global average pooling, that layer, and
/// between them nothing that changes numbers.
fn pooled_head(graph: &Graph, layer: &Layer, suffix: &[usize]) -> Option<ValueId> {
    let nodes: Vec<&Node> = suffix.iter().map(|&index| &graph.nodes[index]).collect();
    let (&[pool, ref between @ ..], linear) =
        (&nodes[..nodes.len().checked_sub(1)?], nodes.last()?)
    else {
        return None;
    };
    let chained = nodes
        .windows(2)
        .all(|pair| pair[1].reads().next() == pair[0].outputs.first().copied());
    let pools_the_layer = pool.reads().eq([layer.output]);
    let makes_the_output = linear.outputs == [graph.output];
    let idle = between.iter().all(|node| {
        matches!(
            node.operator.name(),
            "aten::flatten"
                | "aten::squeeze"
                | "aten::dropout"
                | "aten::view"
                | "aten::reshape"
                | "aten::to"
        )
    });
    let linear_last = linear.operator.name() == "aten::linear";
    (chained
        && pools_the_layer
        && makes_the_output
        && idle
        && linear_last
        && averages_all(pool, layer))
    .then(|| linear.reads().nth(1))
    .flatten()
}

/// Whether a node is the mean over all positions of a layer.
fn averages_all(node: &Node, layer: &Layer) -> bool {
    let over = |axes: [i64; 2], from_end: [i64; 2]| matches!(node.operand("dim"), Some(Operand::Ints(given)) if given == &axes || given == &from_end);
    match (node.operator.name(), layer.layout) {
        ("aten::adaptive_avg_pool2d", None | Some(MapLayout::ChannelsFirst)) => {
            matches!(node.operand("output_size"), Some(Operand::Ints(size)) if size == &[1, 1])
        }
        ("aten::mean", Some(MapLayout::ChannelsFirst)) => over([2, 3], [-2, -1]),
        ("aten::mean", Some(MapLayout::ChannelsLast)) => over([1, 2], [-3, -2]),
        _ => false,
    }
}
