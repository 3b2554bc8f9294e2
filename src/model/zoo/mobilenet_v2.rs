//! MobileNet v2: inverted residuals with linear bottlenecks.
//!
//! Sandler et al. 2018, arXiv 1801.04381, table 2. Names are torchvision's; widths are read from the
//! weights.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["features.1.conv.0.0.weight"];

const EPS: f64 = 1e-5;
/// The blocks that halve the size: the first of the stages with a stride of 2 in table 2.
const HALVING: [usize; 4] = [2, 4, 7, 14];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let input = net.input();
    let mut x = unit(&mut net, "features.0", input, Conv::stride(2).kernel(3))?;
    let last = net.weights.blocks("features").saturating_sub(1);
    for block in 1..last {
        let stride = if HALVING.contains(&block) { 2 } else { 1 };
        x = inverted_residual(&mut net, &format!("features.{block}"), x, stride)?;
    }
    let x = unit(
        &mut net,
        &format!("features.{last}"),
        x,
        Conv::default().kernel(1),
    )?;
    net.layer("features", x);
    let features = net.global_pool(x)?;
    let logits = net.head("classifier", features, Activation::Relu)?;
    net.finish(
        logits,
        Description {
            family: "MobileNet v2".to_owned(),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

/// Convolution, batch norm and ReLU6.
fn unit(net: &mut Net<'_>, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, FamilyError> {
    let x = net.conv(&format!("{name}.0"), x, conv)?;
    let x = net.batch_norm(&format!("{name}.1"), x, EPS)?;
    let x = net.activation(Activation::Relu6, x)?;
    net.layer(name, x);
    Ok(x)
}

fn inverted_residual(
    net: &mut Net<'_>,
    name: &str,
    input: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    let mut x = input;
    let mut part = 0;
    // The first block does not expand.
    if net.weights.has(&format!("{name}.conv.3.weight")) {
        x = unit(net, &format!("{name}.conv.0"), x, Conv::default().kernel(1))?;
        part = 1;
    }
    let depthwise = Conv::stride(stride)
        .kernel(3)
        .groups(net.channels(x).unwrap_or(1));
    x = unit(net, &format!("{name}.conv.{part}"), x, depthwise)?;
    x = net.conv(
        &format!("{name}.conv.{}", part + 1),
        x,
        Conv::default().kernel(1),
    )?;
    x = net.batch_norm(&format!("{name}.conv.{}", part + 2), x, EPS)?;
    net.layer(&format!("{name}.conv"), x);
    if stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(input, x)?;
    }
    net.layer(name, x);
    Ok(x)
}
