//! MNASNet: inverted residuals found by a search on phones.
//!
//! Tan et al. 2018, "MnasNet: Platform-Aware Neural Architecture Search for Mobile", arXiv
//! 1807.11626, figure 7, the variant without squeeze-and-excitation ("B1"). Names are torchvision's.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["layers.8.0.layers.0.weight"];

const EPS: f64 = 1e-5;
/// The stacks and the stride of their first block.
const STACKS: [(usize, i64); 6] = [(8, 2), (9, 2), (10, 2), (11, 1), (12, 2), (13, 1)];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let input = net.input();
    let x = unit(
        &mut net,
        "layers",
        0,
        input,
        Conv::stride(2).kernel(3),
        true,
    )?;
    let depthwise = Conv::default()
        .kernel(3)
        .groups(net.channels(x).unwrap_or(1));
    let x = unit(&mut net, "layers", 3, x, depthwise, true)?;
    let mut x = unit(&mut net, "layers", 6, x, Conv::default().kernel(1), false)?;
    for (stack, first_stride) in STACKS {
        let name = format!("layers.{stack}");
        for block in 0..net.weights.blocks(&name) {
            let stride = if block == 0 { first_stride } else { 1 };
            x = inverted_residual(&mut net, &format!("{name}.{block}"), x, stride)?;
        }
        net.layer(&name, x);
    }
    let x = unit(&mut net, "layers", 14, x, Conv::default().kernel(1), true)?;
    net.layer("layers", x);
    let features = net.global_pool(x)?;
    let logits = net.head("classifier", features, Activation::Relu)?;
    net.finish(
        logits,
        Description {
            family: "MNASNet".to_owned(),
            target_layer: "layers".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

/// Convolution and batch norm at two numbers of a `Sequential`, and ReLU at the third.
fn unit(
    net: &mut Net<'_>,
    name: &str,
    number: usize,
    x: ValueId,
    conv: Conv,
    relu: bool,
) -> Result<ValueId, FamilyError> {
    let x = net.conv(&format!("{name}.{number}"), x, conv)?;
    let x = net.batch_norm(&format!("{name}.{}", number + 1), x, EPS)?;
    if !relu {
        return Ok(x);
    }
    let x = net.relu(x)?;
    net.layer(&format!("{name}.{}", number + 2), x);
    Ok(x)
}

fn inverted_residual(
    net: &mut Net<'_>,
    name: &str,
    input: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    let inner = format!("{name}.layers");
    let x = unit(net, &inner, 0, input, Conv::default().kernel(1), true)?;
    let depthwise = Conv::stride(stride).groups(net.channels(x).unwrap_or(1));
    let x = unit(net, &inner, 3, x, depthwise, true)?;
    let mut x = unit(net, &inner, 6, x, Conv::default().kernel(1), false)?;
    if stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(x, input)?;
    }
    net.layer(name, x);
    Ok(x)
}
