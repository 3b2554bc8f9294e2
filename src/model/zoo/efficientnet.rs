//! EfficientNet, torchvision's layout: inverted residuals scaled in width, depth and resolution.
//!
//! Tan and Le 2019, arXiv 1905.11946, table 1 (B0 to B7); Tan and Le 2021, "EfficientNetV2", arXiv
//! 2104.00298, table 4, whose first stages have one convolution for the expansion and the depthwise
//! one. Widths, depths and kernels are read from the weights.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &["features.2.0.block.1.0.weight"];

/// Of the first block of each stage.
const STRIDES: [i64; 7] = [1, 2, 2, 2, 1, 2, 1];

/// What the weights do not tell of a variant.
struct Variant {
    name: &'static str,
    /// What batch norms add to the variance; torchvision's.
    eps: f64,
    resize: u32,
    crop: u32,
    interpolation: Interpolation,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let variant = variant(&net);
    let eps = variant.eps;
    let input = net.input();
    let mut x = unit(
        &mut net,
        "features.0",
        input,
        Conv::stride(2).kernel(3),
        Activation::Silu,
        eps,
    )?;
    let last = net.weights.blocks("features").saturating_sub(1);
    for stage in 1..last {
        let name = format!("features.{stage}");
        for block in 0..net.weights.blocks(&name) {
            let stride = if block == 0 {
                STRIDES.get(stage - 1).copied().unwrap_or(1)
            } else {
                1
            };
            x = residual_block(&mut net, &format!("{name}.{block}"), x, stride, eps)?;
        }
        net.layer(&name, x);
    }
    let conv = Conv::default().kernel(1);
    let x = unit(
        &mut net,
        &format!("features.{last}"),
        x,
        conv,
        Activation::Silu,
        eps,
    )?;
    net.layer("features", x);
    let features = net.global_pool(x)?;
    let logits = net.head("classifier", features, Activation::Silu)?;
    net.finish(
        logits,
        Description {
            family: format!("EfficientNet {}", variant.name),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet_at(variant.resize, variant.crop, variant.interpolation),
            fixed_size: None,
        },
    )
}

/// Told by the stem's width, the depth of the last stage and the width of the last convolution.
fn variant(net: &Net<'_>) -> Variant {
    let weights = &net.weights;
    let last = weights.blocks("features").saturating_sub(1);
    let stem = weights.length("features.0.0.weight", 0).unwrap_or(0);
    let width = weights
        .length(&format!("features.{last}.0.weight"), 0)
        .unwrap_or(0);
    let fused = weights.length("features.1.0.block.0.0.weight", 1) != Some(1);
    let (bicubic, bilinear) = (Interpolation::Bicubic, Interpolation::Bilinear);
    let (name, eps, resize, crop, interpolation) = match (fused, width, stem) {
        (true, _, 24) if last == 7 => ("V2 S", 1e-3, 384, 384, bilinear),
        (true, _, 24) => ("V2 M", 1e-3, 480, 480, bilinear),
        (true, _, _) => ("V2 L", 1e-3, 480, 480, bicubic),
        (_, 1280, _) if weights.blocks("features.7") == 1 => ("B0", 1e-5, 256, 224, bicubic),
        (_, 1280, _) => ("B1", 1e-5, 256, 240, bicubic),
        (_, 1408, _) => ("B2", 1e-5, 288, 288, bicubic),
        (_, 1536, _) => ("B3", 1e-5, 320, 300, bicubic),
        (_, 1792, _) => ("B4", 1e-5, 384, 380, bicubic),
        (_, 2048, _) => ("B5", 1e-3, 456, 456, bicubic),
        (_, 2304, _) => ("B6", 1e-3, 528, 528, bicubic),
        (_, 2560, _) => ("B7", 1e-3, 600, 600, bicubic),
        _ => ("of an unknown size", 1e-5, 256, 224, bicubic),
    };
    Variant {
        name,
        eps,
        resize,
        crop,
        interpolation,
    }
}

/// Convolution, batch norm and activation.
fn unit(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    conv: Conv,
    activation: Activation,
    eps: f64,
) -> Result<ValueId, FamilyError> {
    let x = net.conv(&format!("{name}.0"), x, conv)?;
    let x = net.batch_norm(&format!("{name}.1"), x, eps)?;
    let x = net.activation(activation, x)?;
    net.layer(name, x);
    Ok(x)
}

/// Parts of the block: expansion, depthwise convolution, squeeze-and-excitation and projection, or
/// one convolution for the first two; without expansion the first is missing.
fn residual_block(
    net: &mut Net<'_>,
    name: &str,
    input: ValueId,
    stride: i64,
    eps: f64,
) -> Result<ValueId, FamilyError> {
    let count = net.weights.blocks(&format!("{name}.block"));
    let mut x = input;
    for index in 0..count {
        let part = format!("{name}.block.{index}");
        if net.weights.has(&format!("{part}.fc1.weight")) {
            let names = [&*format!("{part}.fc1"), &*format!("{part}.fc2")];
            x = net.squeeze_excite(x, names, Activation::Silu, Activation::Sigmoid)?;
            net.layer(&part, x);
            continue;
        }
        let weight = format!("{part}.0.weight");
        let depthwise = net.weights.length(&weight, 1) == Some(1);
        let spatial = net.weights.length(&weight, 2) != Some(1);
        let groups = if depthwise {
            net.channels(x).unwrap_or(1)
        } else {
            1
        };
        let projects = index + 1 == count && count > 1;
        let activation = if projects {
            Activation::Identity
        } else {
            Activation::Silu
        };
        let conv = Conv::stride(if spatial { stride } else { 1 }).groups(groups);
        x = unit(net, &part, x, conv, activation, eps)?;
    }
    net.layer(&format!("{name}.block"), x);
    if stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(x, input)?;
    }
    net.layer(name, x);
    Ok(x)
}
