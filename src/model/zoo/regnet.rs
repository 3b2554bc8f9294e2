//! RegNet X and Y: residual bottlenecks whose widths follow a line.
//!
//! Radosavovic et al. 2020, "Designing Network Design Spaces", arXiv 2003.13678, section 3.2 and
//! figure 20; Y adds squeeze-and-excitation. Names of torchvision and of timm; widths and groups are
//! read from the weights.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &[
    "trunk_output.block1.block1-0.f.a.0.weight",
    "s1.b1.conv1.conv.weight",
];

const EPS: f64 = 1e-5;

/// How modules are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Torchvision,
    Timm,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let input = net.input();
    let names = if net.weights.has("s1.b1.conv1.conv.weight") {
        Names::Timm
    } else {
        Names::Torchvision
    };
    let stem = match names {
        Names::Torchvision => ["stem.0", "stem.1"],
        Names::Timm => ["stem.conv", "stem.bn"],
    };
    let mut x = unit(&mut net, stem, input, Conv::stride(2).kernel(3), true)?;
    net.layer("stem", x);
    let squeezes = net.weights.names().any(|name| name.contains(".se."));
    for stage in 1..=4 {
        let name = names.stage(stage);
        for block in 0..net.weights.children(&name).len() {
            let stride = if block == 0 { 2 } else { 1 };
            x = bottleneck(&mut net, names, &names.block(stage, block), x, stride)?;
        }
        net.layer(&name, x);
    }
    let (target_layer, head) = match names {
        Names::Torchvision => {
            net.layer("trunk_output", x);
            ("trunk_output", "fc")
        }
        Names::Timm => ("s4", "head"),
    };
    let features = net.global_pool(x)?;
    let logits = net.head(head, features, Activation::Relu)?;
    net.finish(
        logits,
        Description {
            family: format!("RegNet {}", if squeezes { "Y" } else { "X" }),
            target_layer: target_layer.to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

impl Names {
    fn stage(self, stage: usize) -> String {
        match self {
            Self::Torchvision => format!("trunk_output.block{stage}"),
            Self::Timm => format!("s{stage}"),
        }
    }

    fn block(self, stage: usize, block: usize) -> String {
        match self {
            Self::Torchvision => format!("trunk_output.block{stage}.block{stage}-{block}"),
            Self::Timm => format!("s{stage}.b{}", block + 1),
        }
    }

    /// Convolution and batch norm of a block's part: the projection, or one of the three.
    fn part(self, block: &str, part: usize) -> [String; 2] {
        match self {
            Self::Torchvision => {
                let name = ["proj", "f.a", "f.b", "f.c"][part];
                ["0", "1"].map(|end| format!("{block}.{name}.{end}"))
            }
            Self::Timm => {
                let name = ["downsample", "conv1", "conv2", "conv3"][part];
                ["conv", "bn"].map(|end| format!("{block}.{name}.{end}"))
            }
        }
    }
}

/// Convolution, batch norm, and ReLU where it follows.
fn unit(
    net: &mut Net<'_>,
    [conv_name, norm_name]: [&str; 2],
    x: ValueId,
    conv: Conv,
    relu: bool,
) -> Result<ValueId, FamilyError> {
    let x = net.conv(conv_name, x, conv)?;
    let x = net.batch_norm(norm_name, x, EPS)?;
    if relu { net.relu(x) } else { Ok(x) }
}

fn bottleneck(
    net: &mut Net<'_>,
    names: Names,
    name: &str,
    x: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    let part = |number: usize| names.part(name, number);
    let shortcut = if net.weights.has(&format!("{}.weight", part(0)[0])) {
        let [conv, norm] = &part(0);
        unit(net, [conv, norm], x, Conv::stride(stride).kernel(1), false)?
    } else {
        x
    };
    let [conv, norm] = &part(1);
    let y = unit(net, [conv, norm], x, Conv::default().kernel(1), true)?;
    let [conv, norm] = &part(2);
    let per_group = net
        .weights
        .length(&format!("{conv}.weight"), 1)
        .unwrap_or(1)
        .max(1);
    let groups = (net.channels(y).unwrap_or(1) / per_group).max(1);
    let mut y = unit(
        net,
        [conv, norm],
        y,
        Conv::stride(stride).kernel(3).groups(groups),
        true,
    )?;
    let squeeze = match names {
        Names::Torchvision => format!("{name}.f.se"),
        Names::Timm => format!("{name}.se"),
    };
    if net.weights.has(&format!("{squeeze}.fc1.weight")) {
        let parts = [&*format!("{squeeze}.fc1"), &*format!("{squeeze}.fc2")];
        y = net.squeeze_excite(y, parts, Activation::Relu, Activation::Sigmoid)?;
        net.layer(&squeeze, y);
    }
    let [conv, norm] = &part(3);
    let y = unit(net, [conv, norm], y, Conv::default().kernel(1), false)?;
    if names == Names::Torchvision {
        net.layer(&format!("{name}.f"), y);
    }
    let sum = net.add(shortcut, y)?;
    let output = net.relu(sum)?;
    net.layer(name, output);
    Ok(output)
}
