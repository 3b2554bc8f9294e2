//! MobileNet v3: inverted residuals with squeeze-and-excitation and h-swish.
//!
//! Howard et al. 2019, arXiv 1905.02244, tables 1 (large) and 2 (small). Names are torchvision's;
//! widths, kernels and squeeze-and-excitation are read from the weights.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["features.4.block.2.fc1.weight"];

const EPS: f64 = 1e-3;

/// What the weights of a variant do not tell.
struct Variant {
    name: &'static str,
    /// The blocks that halve the size.
    halving: &'static [usize],
    /// How many blocks have ReLU before those with h-swish.
    relu: usize,
}

const SMALL: Variant = Variant {
    name: "small",
    halving: &[1, 2, 4, 9],
    relu: 3,
};
const LARGE: Variant = Variant {
    name: "large",
    halving: &[2, 4, 7, 13],
    relu: 6,
};

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let input = net.input();
    let last = net.weights.blocks("features").saturating_sub(1);
    let variant = if last < 14 { SMALL } else { LARGE };
    let stem = Conv::stride(2).kernel(3);
    let mut x = unit(&mut net, "features.0", input, stem, Activation::Hardswish)?;
    for block in 1..last {
        let stride = if variant.halving.contains(&block) {
            2
        } else {
            1
        };
        let activation = if block <= variant.relu {
            Activation::Relu
        } else {
            Activation::Hardswish
        };
        x = inverted_residual(
            &mut net,
            &format!("features.{block}"),
            x,
            stride,
            activation,
        )?;
    }
    let conv = Conv::default().kernel(1);
    let x = unit(
        &mut net,
        &format!("features.{last}"),
        x,
        conv,
        Activation::Hardswish,
    )?;
    net.layer("features", x);
    let features = net.global_pool(x)?;
    let published = ["classifier.0", "classifier.3"]
        .map(|name| !net.weights.children(name).is_empty())
        == [true, true];
    let logits = if published {
        let hidden = net.linear("classifier.0", features)?;
        let hidden = net.activation(Activation::Hardswish, hidden)?;
        net.head("classifier.3", hidden, Activation::Hardswish)?
    } else {
        net.head("classifier", features, Activation::Hardswish)?
    };
    net.finish(
        logits,
        Description {
            family: format!("MobileNet v3 {}", variant.name),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

/// Convolution, batch norm and activation.
fn unit(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    conv: Conv,
    activation: Activation,
) -> Result<ValueId, FamilyError> {
    let x = net.conv(&format!("{name}.0"), x, conv)?;
    let x = net.batch_norm(&format!("{name}.1"), x, EPS)?;
    let x = net.activation(activation, x)?;
    net.layer(name, x);
    Ok(x)
}

fn inverted_residual(
    net: &mut Net<'_>,
    name: &str,
    input: ValueId,
    stride: i64,
    activation: Activation,
) -> Result<ValueId, FamilyError> {
    let parts = net.weights.blocks(&format!("{name}.block"));
    let part = |index: usize| format!("{name}.block.{index}");
    let depthwise_at = |net: &Net<'_>, index: usize| {
        net.weights.length(&format!("{}.0.weight", part(index)), 1) == Some(1)
    };
    let mut x = input;
    let mut index = 0;
    if !depthwise_at(net, 0) {
        x = unit(net, &part(0), x, Conv::default().kernel(1), activation)?;
        index = 1;
    }
    let depthwise = Conv::stride(stride).groups(net.channels(x).unwrap_or(1));
    x = unit(net, &part(index), x, depthwise, activation)?;
    if index + 2 < parts {
        let squeeze = part(index + 1);
        let names = [&*format!("{squeeze}.fc1"), &*format!("{squeeze}.fc2")];
        x = net.squeeze_excite(x, names, Activation::Relu, Activation::Hardsigmoid)?;
        net.layer(&squeeze, x);
    }
    x = unit(
        net,
        &part(parts.saturating_sub(1)),
        x,
        Conv::default().kernel(1),
        Activation::Identity,
    )?;
    net.layer(&format!("{name}.block"), x);
    if stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(x, input)?;
    }
    net.layer(name, x);
    Ok(x)
}
