//! Pooling, and linear layers with ReLU between them: the mean gradient takes no backward pass.
//!
//! A number that is added to all positions of channel `k` goes unchanged through maximum and average
//! pooling. The first linear layer multiplies it by the sum of the weight's columns that read the
//! channel. So the gradient's mean over positions, which is all that Grad-CAM needs of it, is had
//! from these sums and the gradient of that layer's output, and the weight itself is not read: of
//! VGG-16's 411 MB the sums are 8 MB. Back to that output the gradient comes from linear layer to
//! linear layer, and of each weight only the rows are read whose ReLU lets something through.

use std::cell::OnceCell;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::RunError;
use crate::model::graph::{Graph, Layer, Node, Operand, ValueId};

/// In how many parts the rows of a weight are added up, one thread each.
const PARTS: i64 = 8;
/// libtorch's number for rows that are added up, each times its factor.
const SUM: i64 = 0;

/// What follows the target layer.
#[derive(Debug)]
pub(super) struct Dense {
    /// In the order in which they run, one at least.
    layers: Vec<Linear<ValueId>>,
    /// See [`Living::sums`].
    sums: Rc<OnceCell<Tensor>>,
}

/// The same as it ran on one image.
#[derive(Debug)]
pub(super) struct Living {
    layers: Vec<Linear<Tensor>>,
    channels: i64,
    /// The first weight, summed over the positions that it reads of each channel,
    /// `[outputs, channels]`. Made for the first image that asks.
    sums: Rc<OnceCell<Tensor>>,
}

#[derive(Debug)]
struct Linear<T> {
    weight: T,
    /// What the ReLU after it makes, where there is one.
    rectified: Option<T>,
}

impl Dense {
    pub(super) fn of(graph: &Graph, layer: &Layer, suffix: &[usize]) -> Option<Self> {
        let mut layers: Vec<Linear<ValueId>> = Vec::new();
        let mut is_flat = false;
        let mut last = layer.output;
        for &index in suffix {
            let (node, output) = follows(graph, index, last)?;
            match node.operator.name() {
                _ if is_idle(node) => {}
                _ if !is_flat && keeps_sums(node) => {}
                _ if !is_flat && flattens(node) => is_flat = true,
                "aten::linear" if is_flat => {
                    let weight = weight_of(graph, node)?;
                    layers.push(Linear {
                        weight,
                        rectified: None,
                    });
                }
                "aten::relu" => layers.last_mut()?.rectified = Some(output),
                _ => return None,
            }
            last = output;
        }
        let makes_the_output = last == graph.output && layers.last()?.rectified.is_none();
        makes_the_output.then(|| Self {
            layers,
            sums: Rc::default(),
        })
    }

    /// The values that are read after the run.
    pub(super) fn kept(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.layers.iter().filter_map(|layer| layer.rectified)
    }

    /// After a run with a map of this many channels.
    pub(super) fn living(
        &self,
        graph: &Graph,
        values: &[Option<Tensor>],
        channels: i64,
    ) -> Option<Living> {
        let layers = self.layers.iter().map(|layer| {
            let rectified = match layer.rectified {
                Some(id) => Some(values[id.0].as_ref()?.f_detach().ok()?),
                None => None,
            };
            Some(Linear {
                weight: graph.constants.get(&layer.weight)?.shallow_clone(),
                rectified,
            })
        });
        let layers: Vec<Linear<Tensor>> = layers.collect::<Option<_>>()?;
        let columns = *layers.first()?.weight.size().get(1)?;
        (columns % channels.max(1) == 0).then(|| Living {
            layers,
            channels,
            sums: Rc::clone(&self.sums),
        })
    }
}

impl Living {
    /// The gradient of a score summed over the positions of the target layer, `[channels]`.
    /// `of_logits` makes of the last weight `[classes, inputs]` the gradient of its inputs.
    pub(super) fn gradient_sums(
        &self,
        of_logits: impl FnOnce(&Tensor) -> Result<Tensor, RunError>,
    ) -> Result<Tensor, RunError> {
        let sums = self.sums()?;
        let mut weights = self.layers.iter().map(|layer| &layer.weight).skip(1).rev();
        let mut gradient = of_logits(weights.next().unwrap_or(sums))?;
        let rest = weights.chain([sums]);
        for (weight, layer) in rest.zip(self.layers.iter().rev().skip(1)) {
            if let Some(rectified) = &layer.rectified {
                // As libtorch has it: what is not a number lets the gradient through.
                let dead = rectified.f_view([-1])?.f_le(0.0)?;
                gradient = gradient.f_masked_fill(&dead, 0.0)?;
            }
            gradient = back(weight, &gradient)?;
        }
        Ok(gradient.f_to_kind(Kind::Float)?)
    }

    fn sums(&self) -> Result<&Tensor, RunError> {
        if let Some(known) = self.sums.get() {
            return Ok(known);
        }
        let weight = self.layers.first().map(|layer| &layer.weight);
        let weight = weight.ok_or_else(|| RunError::NotAClassifier(Vec::new()))?;
        let outputs = weight.size().first().copied().unwrap_or(0);
        let by_channel = weight.f_reshape([outputs, self.channels, -1])?;
        let sums = by_channel.f_sum_dim_intlist(2_i64, false, Kind::Float)?;
        Ok(self.sums.get_or_init(|| sums))
    }
}

/// From the gradient of a linear layer's outputs to that of its inputs, `[inputs]`.
pub(super) fn back(weight: &Tensor, gradient: &Tensor) -> Result<Tensor, tch::TchError> {
    let gradient = gradient.f_to_kind(weight.kind())?;
    let by_rows = weight.device() == Device::Cpu && weight.kind() == Kind::Float;
    if !by_rows || !weight.is_contiguous() {
        return weight.f_transpose(0, 1)?.f_mv(&gradient);
    }
    let rows = gradient.f_nonzero()?.f_view([-1])?;
    let factors = gradient.f_index_select(0, &rows)?;
    let count = rows.size().first().copied().unwrap_or(0);
    let starts: Vec<i64> = (0..PARTS).map(|part| part * count / PARTS).collect();
    let starts = Tensor::f_from_slice(&starts)?;
    let factors = Some(factors);
    let (parts, ..) =
        Tensor::f_embedding_bag(weight, &rows, &starts, false, SUM, false, factors, false)?;
    parts.f_sum_dim_intlist(0_i64, false, Kind::Float)
}

/// A node and its output, where it makes one value, of `last` and constants alone.
pub(super) fn follows(graph: &Graph, index: usize, last: ValueId) -> Option<(&Node, ValueId)> {
    let node = &graph.nodes[index];
    let &[output] = node.outputs.as_slice() else {
        return None;
    };
    let is_constant = |value: &ValueId| graph.constants.contains_key(value);
    let reads = node.reads().filter(|value| !is_constant(value));
    reads.eq([last]).then_some((node, output))
}

/// The constant weight of a linear layer.
pub(super) fn weight_of(graph: &Graph, linear: &Node) -> Option<ValueId> {
    let mut values = linear.operand("weight")?.values();
    values.find(|value| graph.constants.contains_key(value))
}

/// Whether a node hands its input on as it is.
pub(super) fn is_idle(node: &Node) -> bool {
    match node.operator.name() {
        "aten::dropout" => node.operand("train") == Some(&Operand::Bool(false)),
        "aten::clone" | "aten::contiguous" => true,
        _ => false,
    }
}

/// Whether a pooling adds to each of its outputs what is added to all positions of the channel.
fn keeps_sums(node: &Node) -> bool {
    match node.operator.name() {
        "aten::max_pool2d" | "aten::adaptive_avg_pool2d" => true,
        "aten::avg_pool2d" => {
            let is_zero = |padding: &i64| *padding == 0;
            let unpadded = match node.operand("padding") {
                None => true,
                Some(Operand::Int(padding)) => is_zero(padding),
                Some(Operand::Ints(padding)) => padding.iter().all(is_zero),
                Some(_) => false,
            };
            let counts_no_padding = node.operand("count_include_pad") == Some(&false.into());
            let divides_by_count =
                matches!(node.operand("divisor_override"), None | Some(Operand::None));
            divides_by_count && (unpadded || counts_no_padding)
        }
        _ => false,
    }
}

/// Whether a node makes `[1, channels * height * width]` of `[1, channels, height, width]`. That
/// the images stay an axis of their own is seen by the logits.
pub(super) fn flattens(node: &Node) -> bool {
    let is = |name: &str, number: i64| node.operand(name) == Some(&number.into());
    let has_two =
        |name: &str| matches!(node.operand(name), Some(Operand::Ints(axes)) if axes.len() == 2);
    match (node.operator.name(), node.operator.overload()) {
        ("aten::flatten", "using_ints") => {
            is("start_dim", 1)
                && (node.operand("end_dim").is_none() || is("end_dim", -1) || is("end_dim", 3))
        }
        ("aten::view", "") => has_two("size"),
        ("aten::reshape", "") => has_two("shape"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
