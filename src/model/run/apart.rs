//! Channels apart: what follows the target layer up to the first linear layer works on each channel
//! by itself, so that the scores without a channel take no pass of their own there.
//!
//! ReLU, pooling and the like make of channel `k` what only channel `k` decides. With `x` what the
//! linear layer reads of the image and `x'` what it reads when every channel is replaced, it gives
//! `W x + b + W_k (x'_k - x_k)` when channel `k` alone is: `W_k` are the columns that read the
//! channel. The weight is read once for all channels, and only what follows runs once a channel.

use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::dense::{flattens, follows, is_idle, weight_of};
use super::{Pass, RunError, Steps};
use crate::model::graph::{Graph, Layer, MapLayout, Node, Operand, ValueId};

/// Rows of the weight are multiplied so many bytes at a time, which stay in the processor's cache.
const BYTES: i64 = 2 << 20;

/// What follows the target layer.
#[derive(Debug)]
pub(super) struct Apart {
    layer: ValueId,
    /// What the linear layer reads.
    input: ValueId,
    /// What it makes, and its weight.
    output: ValueId,
    weight: ValueId,
}

/// The same as it ran on one image.
#[derive(Debug)]
pub struct Changes {
    output: ValueId,
    /// What the linear layer makes without each channel, `[channels, outputs]`.
    hidden: Tensor,
}

impl Apart {
    pub(super) fn of(graph: &Graph, layer: &Layer, suffix: &[usize]) -> Option<Self> {
        if !matches!(layer.layout, None | Some(MapLayout::ChannelsFirst)) {
            return None;
        }
        let mut last = layer.output;
        let mut is_flat = false;
        for &index in suffix {
            let (node, output) = follows(graph, index, last)?;
            match node.operator.name() {
                "aten::linear" if is_flat => {
                    return Some(Self {
                        layer: layer.output,
                        input: last,
                        output,
                        weight: weight_of(graph, node)?,
                    });
                }
                _ if is_idle(node) || is_of_each_number(node) => {}
                _ if !is_flat && is_of_each_channel(node) => {}
                _ if !is_flat && (flattens(node) || averages_positions(node)) => is_flat = true,
                _ => return None,
            }
            last = output;
        }
        None
    }

    /// What changes when every channel of the layer is replaced by a number.
    pub(super) fn changes(
        &self,
        graph: &Graph,
        pass: &Pass,
        replacement: f64,
    ) -> Result<Option<Changes>, RunError> {
        let read = |activations: Tensor, wanted: ValueId| -> Result<Option<Tensor>, RunError> {
            let mut values = graph.no_values();
            values[self.layer.0] = Some(activations);
            let steps = Steps::quickest(graph, &HashSet::from([wanted]), &values);
            steps.run(graph, &mut values)?;
            Ok(values[wanted.0].take())
        };
        let activations = pass.activations.f_detach()?;
        let replaced = activations.f_full_like(replacement)?;
        let found = tch::no_grad(|| {
            Ok::<_, RunError>((
                read(activations.shallow_clone(), self.input)?,
                read(activations, self.output)?,
                read(replaced, self.input)?,
            ))
        })?;
        let (Some(input), Some(whole), Some(replaced)) = found else {
            return Ok(None);
        };
        let weight = graph.constants.get(&self.weight);
        let channels = pass.map.channels;
        let Some(weight) = weight.filter(|weight| {
            let columns = weight.size().get(1).copied().unwrap_or(0);
            columns > 0 && columns % channels.max(1) == 0 && input.size() == [1, columns]
        }) else {
            return Ok(None);
        };
        let moved = replaced.f_sub(&input)?.f_to_kind(Kind::Float)?;
        let changed = by_channel(weight, &moved.f_view([channels, -1])?)?;
        let hidden = whole.f_to_kind(Kind::Float)?.f_add(&changed)?;
        Ok(Some(Changes {
            output: self.output,
            hidden: hidden.f_to_kind(weight.kind())?,
        }))
    }
}

/// What each channel's part of the input, `[channels, columns]`, gives through a weight `[outputs,
/// channels * columns]`: `[channels, outputs]`.
fn by_channel(weight: &Tensor, input: &Tensor) -> Result<Tensor, tch::TchError> {
    let (outputs, columns) = (weight.size()[0], weight.size()[1]);
    let channels = input.size()[0];
    let most = (BYTES / (4 * columns)).max(1);
    let rows = |first: i64| {
        let count = most.min(outputs - first);
        weight
            .f_narrow(0, first, count)?
            .f_to_kind(Kind::Float)?
            .f_view([count, channels, -1])?
            .f_mul(input)?
            .f_sum_dim_intlist([2_i64].as_slice(), false, Kind::Float)
    };
    let mut parts = Vec::new();
    let mut first = 0;
    while first < outputs {
        parts.push(rows(first)?);
        first += most;
    }
    Tensor::f_cat(&parts, 0)?.f_transpose(0, 1)?.f_contiguous()
}

impl Changes {
    /// Logits `[count, classes]` without one of these channels each.
    pub(in crate::model) fn logits(
        &self,
        graph: &Graph,
        first: i64,
        count: i64,
    ) -> Result<Tensor, RunError> {
        let hidden = self.hidden.f_narrow(0, first, count)?;
        let mut values = graph.no_values();
        values[self.output.0] = Some(hidden);
        let steps = Steps::quickest(graph, &HashSet::from([graph.output]), &values);
        tch::no_grad(|| steps.run(graph, &mut values))?;
        let logits = values[graph.output.0].take();
        logits.ok_or_else(|| RunError::NotAClassifier(Vec::new()))
    }
}

/// Whether each number of the output is made of the number in its place.
fn is_of_each_number(node: &Node) -> bool {
    matches!(
        node.operator.name(),
        "aten::relu"
            | "aten::hardtanh"
            | "aten::relu6"
            | "aten::hardswish"
            | "aten::silu"
            | "aten::gelu"
    )
}

/// Whether each channel of the output is made of the channel in its place.
fn is_of_each_channel(node: &Node) -> bool {
    matches!(
        node.operator.name(),
        "aten::max_pool2d" | "aten::avg_pool2d" | "aten::adaptive_avg_pool2d"
    )
}

/// Whether a node makes `[1, channels]` of `[1, channels, height, width]`.
fn averages_positions(node: &Node) -> bool {
    let over_positions = matches!(node.operand("dim"), Some(Operand::Ints(axes)) if axes == &[2, 3] || axes == &[-2, -1]);
    let is_kept = node.operand("keepdim") == Some(&true.into());
    node.operator.name() == "aten::mean" && over_positions && !is_kept
}
