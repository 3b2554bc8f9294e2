//! Attention: how much each token of a vision transformer reads of each other one, block by block.
//!
//! Probabilities are found in the graph, so that they need no module of a known kind: behind a
//! softmax that is multiplied with values, or, where `scaled_dot_product_attention` does all in one
//! operation, as `softmax(q kᵀ · scale + mask)` of what that reads; their gradient is then
//! `∂y/∂o vᵀ`, with `o` what the operation makes.
//!
//! What the blocks make together says something only where all of them see all tokens: attention
//! inside of windows (Swin, MaxViT) is refused.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::{Case, pixels};
use crate::explain::ExplainError;
use crate::heatmap::Grid;
use crate::model::graph::{Graph, MapLayout, Node, Operand, ValueId};
use crate::model::walk::{Found, Wanted};

/// A transformer has at most this many tokens before those of its patches: class, distillation,
/// registers.
const PREFIX: i64 = 8;

/// One block's attention in the graph.
#[derive(Clone, Copy, Debug)]
enum Block {
    /// All in one operation.
    Whole {
        query: ValueId,
        key: ValueId,
        value: ValueId,
        mask: Option<ValueId>,
        scale: Option<f64>,
        output: ValueId,
    },
    /// The probabilities, and what they make of the values.
    Spelled { softmax: ValueId, output: ValueId },
}

/// What was found of all blocks, first one first.
#[derive(Debug)]
pub(super) struct Attention {
    /// `[heads, tokens, tokens]`; row `i` says what token `i` reads, and adds to 1.
    pub(super) probabilities: Vec<Tensor>,
    /// The score's gradients with respect to them, of the same shape; empty where they were not
    /// asked for.
    pub(super) gradients: Vec<Tensor>,
    /// The tokens that the head of the network reads.
    read: Vec<i64>,
    tokens: Tokens,
}

/// How tokens become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tokens {
    /// Before the patches.
    prefix: i64,
    height: i64,
    width: i64,
}

impl Attention {
    /// What a case's network does, for the method of this name.
    pub(super) fn of(
        case: &Case<'_>,
        method: &'static str,
        with_gradients: bool,
    ) -> Result<Self, ExplainError> {
        let unfit = |reason: String| ExplainError::Unfit { method, reason };
        let graph = case.model.graph();
        let blocks = blocks(graph);
        let Some(last) = blocks.last() else {
            return Err(unfit(
                "it has no attention; it is no transformer".to_owned(),
            ));
        };
        let values: Vec<ValueId> = blocks.iter().flat_map(Block::reads).collect();
        let differentiated: Vec<ValueId> = if with_gradients {
            blocks.iter().flat_map(Block::differentiated).collect()
        } else {
            vec![last.output()]
        };
        let wanted = Wanted {
            values: &values,
            gradients: &differentiated,
        };
        let slopes = |logits: &[f32]| case.score.slopes(logits);
        let found = case.model.differentiate(case.input, wanted, &slopes)?;
        let lookup = Lookup {
            constants: &graph.constants,
            found: &found,
        };
        let mut attention = Self {
            probabilities: Vec::new(),
            gradients: Vec::new(),
            read: Vec::new(),
            tokens: Tokens {
                prefix: 0,
                height: 0,
                width: 0,
            },
        };
        let mut count = None;
        for block in &blocks {
            let probabilities = lookup.probabilities(block)?;
            let shape = probabilities.size();
            let probabilities = one_image(
                &probabilities,
                *count.get_or_insert_with(|| shape.clone()) == shape,
            )
            .map_err(|reason| unfit(reason.to_owned()))??;
            if with_gradients {
                let gradients = lookup.gradients(block)?;
                attention
                    .gradients
                    .push(gradients.f_view_as(&probabilities)?);
            }
            attention.probabilities.push(probabilities);
        }
        let count = count.and_then(|shape| shape.last().copied()).unwrap_or(0);
        attention.tokens = tokens(case, count)
            .ok_or_else(|| unfit(format!("its {count} tokens are no grid of patches")))?;
        attention.read = lookup.read(last)?;
        if attention.read.is_empty() {
            return Err(unfit(
                "the score does not depend on what the last block has read".to_owned(),
            ));
        }
        Ok(attention)
    }

    /// No token reads any other: `[tokens, tokens]`.
    pub(super) fn identity(&self) -> Result<Tensor, ExplainError> {
        let Tokens {
            prefix,
            height,
            width,
        } = self.tokens;
        let device = self
            .probabilities
            .first()
            .map_or(tch::Device::Cpu, Tensor::device);
        Ok(Tensor::f_eye(
            prefix + height * width,
            (Kind::Float, device),
        )?)
    }

    /// Of relations `[tokens, tokens]` the mean row of the tokens that the head reads, the class
    /// token in most networks and all patches in those that average them, as a map of the patches.
    pub(super) fn map(&self, relations: &Tensor) -> Result<Grid, ExplainError> {
        let rows = Tensor::from_slice(&self.read).f_to_device(relations.device())?;
        let row = relations.f_index_select(0, &rows)?.f_mean_dim(
            [0_i64].as_slice(),
            false,
            Kind::Float,
        )?;
        let Tokens {
            prefix,
            height,
            width,
        } = self.tokens;
        pixels::grid(
            &row.f_narrow(0, prefix, height * width)?
                .f_view([height, width])?,
        )
    }
}

impl Block {
    /// The values that make the probabilities and their gradients.
    fn reads(&self) -> Vec<ValueId> {
        match *self {
            Self::Whole {
                query,
                key,
                value,
                mask,
                ..
            } => [query, key, value].into_iter().chain(mask).collect(),
            Self::Spelled { softmax, .. } => vec![softmax],
        }
    }

    /// The values whose gradients are needed.
    fn differentiated(&self) -> Vec<ValueId> {
        match *self {
            Self::Whole { output, .. } => vec![output],
            Self::Spelled { softmax, output } => vec![softmax, output],
        }
    }

    /// What attention makes, `[…, heads, tokens, channels]`.
    fn output(&self) -> ValueId {
        let (Self::Whole { output, .. } | Self::Spelled { output, .. }) = *self;
        output
    }
}

/// All attention of a network, in the order in which it runs.
fn blocks(graph: &Graph) -> Vec<Block> {
    let value = |node: &Node, name: &str| node.operand(name).and_then(|of| of.values().next());
    // What is a softmax, but for operations that change no number of it.
    let mut softmaxes: HashMap<ValueId, ValueId> = HashMap::new();
    let mut found = Vec::new();
    for node in &graph.nodes {
        let Some(&output) = node.outputs.first() else {
            continue;
        };
        match node.operator.name() {
            _ if node.is_attention() => {
                if let (Some(query), Some(key), Some(values)) = (
                    value(node, "query"),
                    value(node, "key"),
                    value(node, "value"),
                ) {
                    found.push(Block::Whole {
                        query,
                        key,
                        value: values,
                        mask: value(node, "attn_mask"),
                        scale: match node.operand("scale") {
                            Some(Operand::Float(scale)) => Some(*scale),
                            _ => None,
                        },
                        output,
                    });
                }
            }
            "aten::softmax" => {
                softmaxes.insert(output, output);
            }
            "aten::dropout" | "aten::clone" | "aten::contiguous" | "aten::to" | "aten::expand"
            | "aten::view" | "aten::reshape" | "aten::type_as" => {
                let read = node.reads().next();
                if let Some(softmax) = read.and_then(|read| softmaxes.get(&read)) {
                    softmaxes.insert(output, *softmax);
                }
            }
            "aten::matmul" | "aten::bmm" => {
                let weights = value(node, "self");
                if let Some(softmax) = weights.and_then(|weights| softmaxes.get(&weights)) {
                    found.push(Block::Spelled {
                        softmax: *softmax,
                        output,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// The values that a pass has found, and the constants of the network.
struct Lookup<'a> {
    constants: &'a HashMap<ValueId, Tensor>,
    found: &'a Found,
}

impl Lookup<'_> {
    fn value(&self, id: ValueId) -> Result<&Tensor, ExplainError> {
        let value = self
            .constants
            .get(&id)
            .or_else(|| self.found.values.get(&id));
        value.ok_or_else(missing)
    }

    fn gradient(&self, id: ValueId) -> Result<&Tensor, ExplainError> {
        self.found.gradients.get(&id).ok_or_else(missing)
    }

    /// `[…, tokens, tokens]`, as the operation has them.
    fn probabilities(&self, block: &Block) -> Result<Tensor, ExplainError> {
        let &Block::Whole {
            query,
            key,
            mask,
            scale,
            ..
        } = block
        else {
            return Ok(self.value(block.reads()[0])?.shallow_clone());
        };
        let (query, key) = (self.value(query)?, self.value(key)?);
        let channels = query.size().last().copied().unwrap_or(1);
        let scale = scale.unwrap_or_else(|| (channels as f64).powf(-0.5));
        let mut products = query
            .f_matmul(&key.f_transpose(-2, -1)?)?
            .f_mul_scalar(scale)?;
        if let Some(mask) = mask {
            let mask = self.value(mask)?;
            products = if mask.kind() == Kind::Bool {
                products.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?
            } else {
                products.f_add(mask)?
            };
        }
        Ok(products.f_softmax(-1, Kind::Float)?)
    }

    /// The same shape.
    fn gradients(&self, block: &Block) -> Result<Tensor, ExplainError> {
        match *block {
            Block::Whole { value, output, .. } => Ok(self
                .gradient(output)?
                .f_matmul(&self.value(value)?.f_transpose(-2, -1)?)?),
            Block::Spelled { softmax, .. } => Ok(self.gradient(softmax)?.shallow_clone()),
        }
    }

    /// The tokens of the last block that the score depends on: after it, tokens no longer see each
    /// other.
    fn read(&self, last: &Block) -> Result<Vec<i64>, ExplainError> {
        let gradient = self.gradient(last.output())?.f_abs()?;
        let channels = gradient.size().last().copied().unwrap_or(1);
        let tokens = gradient.size().iter().rev().nth(1).copied().unwrap_or(1);
        let sizes = gradient
            .f_reshape([-1, tokens, channels])?
            .f_sum_dim_intlist([0_i64, 2].as_slice(), false, Kind::Float)?;
        let sizes = (0..).zip(pixels::numbers(&sizes)?);
        let read = sizes.filter(|(_, size)| *size > 0.0);
        Ok(read.map(|(token, _)| token).collect())
    }
}

fn missing() -> ExplainError {
    ExplainError::Run(crate::model::RunError::NoPath(
        "an attention block".to_owned(),
    ))
}

/// `[heads, tokens, tokens]` of one image, `[1, heads, tokens, tokens]` or without the 1.
fn one_image(
    probabilities: &Tensor,
    same_shape: bool,
) -> Result<Result<Tensor, tch::TchError>, &'static str> {
    match *probabilities.size() {
        [1, _, tokens, others] | [_, tokens, others] if tokens == others && same_shape => {
            Ok(probabilities.f_reshape([-1, tokens, tokens]))
        }
        _ => Err(
            "its attention stays inside of windows or changes its tokens from block to \
                  block, and rollout needs attention among the same tokens in all blocks",
        ),
    }
}

/// Where this many tokens have their positions: as a layer of tokens says, or as the target layer's
/// map, or in a square.
fn tokens(case: &Case<'_>, count: i64) -> Option<Tokens> {
    let layers = case.model.graph().layers.iter();
    let known = layers.filter_map(|layer| match layer.layout {
        Some(MapLayout::Tokens {
            grid: Some((height, width)),
            ..
        }) => Some((height as i64, width as i64)),
        _ => None,
    });
    let map = case.pass.map();
    let root = count.max(0).isqrt();
    known
        .chain([(map.height, map.width), (root, root)])
        .map(|(height, width)| Tokens {
            prefix: count - height * width,
            height,
            width,
        })
        .find(|tokens| (0..=PREFIX).contains(&tokens.prefix))
}

#[cfg(test)]
mod tests;
