//! FullGrad: what the pixels and all biases of the network add to the score.
//!
//! `ψ(∂y_c/∂x ∘ x) + Σ_l Σ_k ψ(∂y_c/∂b_l,k ∘ b_l,k)` over the channels `k` of the convolutions and batch
//! norms `l` (Srinivas and Fleuret 2019, arXiv 1905.00780, equation 7). A batch norm's bias is the one
//! that is left when it is written as one factor and one term: `bias - mean · weight / √(var + ε)`.
//! As in pytorch-grad-cam's `FullGrad`, `ψ` is the size, scaled to 0..1 for each channel by itself,
//! and brought to the input's size bilinearly; convolutions and batch norms are the only layers whose
//! biases have positions, so that those of linear layers and layer norms are left out, and of a
//! transformer little more than the pixels remains. Found in the graph: the order of modules, by
//! which pytorch-grad-cam pairs biases with gradients, does not matter here.
//!
//! What speaks against a class has the same map.

use tch::{Kind, Tensor};

use super::{Case, Evidence, Method, Reads, Watch, pixels};
use crate::explain::ExplainError;
use crate::heatmap::Grid;
use crate::model::graph::{Graph, Node, Operand, ValueId};
use crate::model::walk::Wanted;

pub static METHOD: Method = Method {
    name: "FullGrad",
    key: "full-grad",
    summary: "gradients of the pixels and of all biases, summed",
    paper: "Srinivas and Fleuret 2019, arXiv 1905.00780",
    reads: Reads::Pixels,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let graph = case.model.graph();
    let biases = biases(graph)?;
    let outputs: Vec<ValueId> = biases.iter().map(|(output, _)| *output).collect();
    let wanted = Wanted {
        gradients: &[&[graph.input], outputs.as_slice()].concat(),
        ..Wanted::default()
    };
    let slopes = |logits: &[f32]| case.score.slopes(logits);
    let found = case.model.differentiate(case.input, wanted, &slopes)?;
    let size = case.input.geometry.input;
    let (height, width) = (size.height as usize, size.width as usize);
    let mut map = Grid::new(width, height, vec![0.0; width * height]);
    let pixels = (graph.input, case.input.tensor.shallow_clone());
    for (output, factor) in std::iter::once(pixels).chain(biases) {
        let Some(gradient) = found.gradients.get(&output) else {
            continue;
        };
        // Resizing is linear, and the sum over channels can come before it.
        let part = pixels::grid(&scaled(&gradient.f_mul(&factor)?)?)?;
        map = map.with(&part.upsample(width, height), |a, b| a + b);
    }
    Ok(Evidence::Map(map))
}

/// The sum over channels of their sizes, each scaled to 0..1: of `[1, channels, height, width]`.
fn scaled(channels: &Tensor) -> Result<Tensor, ExplainError> {
    let sizes = channels.f_abs()?.f_squeeze_dim(0)?;
    let over = [1_i64, 2];
    let sizes = sizes.f_sub(&sizes.f_amin(over.as_slice(), true)?)?;
    let peaks = sizes.f_amax(over.as_slice(), true)?.f_add_scalar(1e-7)?;
    let sum = sizes.f_div(&peaks)?;
    Ok(sum.f_sum_dim_intlist(0_i64, false, Kind::Float)?)
}

/// The outputs of convolutions and batch norms that have a bias, and the bias, `[1, channels, 1, 1]`.
fn biases(graph: &Graph) -> Result<Vec<(ValueId, Tensor)>, ExplainError> {
    let mut found = Vec::new();
    for node in &graph.nodes {
        let bias = match node.operator.name() {
            "aten::conv2d" | "aten::convolution" => {
                constant(graph, node, "bias").map(Tensor::shallow_clone)
            }
            "aten::batch_norm" | "aten::native_batch_norm" => shift(graph, node)?,
            _ => None,
        };
        if let (Some(bias), Some(output)) = (bias, node.outputs.first()) {
            found.push((*output, bias.f_view([1, -1, 1, 1])?));
        }
    }
    Ok(found)
}

/// What a batch norm adds to its input times a factor.
fn shift(graph: &Graph, node: &Node) -> Result<Option<Tensor>, ExplainError> {
    let part = |name: &str| constant(graph, node, name);
    let (Some(weight), Some(bias), Some(mean), Some(variance), Some(&Operand::Float(eps))) = (
        part("weight"),
        part("bias"),
        part("running_mean"),
        part("running_var"),
        node.operand("eps"),
    ) else {
        return Ok(None);
    };
    let deviation = variance.f_add_scalar(eps)?.f_sqrt()?;
    let moved = mean.f_mul(weight)?.f_div(&deviation)?;
    Ok(Some(bias.f_sub(&moved)?))
}

/// The weight that a node reads under this name.
fn constant<'a>(graph: &'a Graph, node: &Node, name: &str) -> Option<&'a Tensor> {
    let id = node.operand(name)?.values().next()?;
    graph.constants.get(&id)
}

#[cfg(test)]
mod tests;
