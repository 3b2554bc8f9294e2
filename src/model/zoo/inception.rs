//! Inception v3: convolutions split into thin ones.
//!
//! Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision", arXiv
//! 1512.00567, table 1 and figures 5 to 7. torchvision's and timm's names are the same. The auxiliary
//! head is for training only.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &["Mixed_5b.branch1x1.conv.weight"];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    net.weights.skip(|name| name.starts_with("AuxLogits."));
    let plain = Conv::default();
    let x = net.basic_conv("Conv2d_1a_3x3", net.input(), Conv::stride(2).padding(0))?;
    let x = net.basic_conv("Conv2d_2a_3x3", x, plain.padding(0))?;
    let x = net.basic_conv("Conv2d_2b_3x3", x, plain)?;
    let x = net.max_pool(x, Pool::new(3, 2))?;
    let x = net.basic_conv("Conv2d_3b_1x1", x, plain)?;
    let x = net.basic_conv("Conv2d_4a_3x3", x, plain.padding(0))?;
    let mut x = net.max_pool(x, Pool::new(3, 2))?;
    for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
        let chains: [&[&str]; 3] = [
            &["branch1x1"],
            &["branch5x5_1", "branch5x5_2"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
        ];
        x = keeping(&mut net, name, x, &chains)?;
    }
    x = halving(
        &mut net,
        "Mixed_6a",
        x,
        &[
            &["branch3x3"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
        ],
    )?;
    for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
        let chains: [&[&str]; 3] = [
            &["branch1x1"],
            &["branch7x7_1", "branch7x7_2", "branch7x7_3"],
            &[
                "branch7x7dbl_1",
                "branch7x7dbl_2",
                "branch7x7dbl_3",
                "branch7x7dbl_4",
                "branch7x7dbl_5",
            ],
        ];
        x = keeping(&mut net, name, x, &chains)?;
    }
    x = halving(
        &mut net,
        "Mixed_7a",
        x,
        &[
            &["branch3x3_1", "branch3x3_2"],
            &[
                "branch7x7x3_1",
                "branch7x7x3_2",
                "branch7x7x3_3",
                "branch7x7x3_4",
            ],
        ],
    )?;
    for name in ["Mixed_7b", "Mixed_7c"] {
        x = spreading(&mut net, name, x)?;
    }
    let features = net.global_pool(x)?;
    let logits = net.head("fc", features, Activation::Relu)?;
    net.guesses.push(
        "the channels are not rescaled inside the network (transform_input=False), as in models that were not made from torchvision's ImageNet weights".to_owned(),
    );
    net.finish(
        logits,
        Description {
            family: "Inception v3".to_owned(),
            target_layer: "Mixed_7c".to_owned(),
            recipe: Recipe::imagenet_at(342, 299, Interpolation::Bilinear),
            fixed_size: None,
        },
    )
}

/// Convolutions one after the other, without padding in the last where the module halves the size.
fn chain(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    parts: &[&str],
    halve: bool,
) -> Result<ValueId, FamilyError> {
    let mut y = x;
    for (position, part) in parts.iter().enumerate() {
        let last = position + 1 == parts.len();
        let conv = if halve && last {
            Conv::stride(2).padding(0)
        } else {
            Conv::default()
        };
        y = net.basic_conv(&format!("{name}.{part}"), y, conv)?;
    }
    Ok(y)
}

/// A module that keeps the size; its last branch averages.
fn keeping(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    chains: &[&[&str]],
) -> Result<ValueId, FamilyError> {
    let mut branches = Vec::new();
    for parts in chains {
        branches.push(chain(net, name, x, parts, false)?);
    }
    branches.push(averaged(net, name, x)?);
    joined(net, name, &branches)
}

/// A module that halves the size; its last branch is a maximum pooling.
fn halving(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    chains: &[&[&str]],
) -> Result<ValueId, FamilyError> {
    let mut branches = Vec::new();
    for parts in chains {
        branches.push(chain(net, name, x, parts, true)?);
    }
    branches.push(net.max_pool(x, Pool::new(3, 2))?);
    joined(net, name, &branches)
}

/// The last modules: branches end in a 1x3 and a 3x1 convolution side by side.
fn spreading(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let mut branches = vec![chain(net, name, x, &["branch1x1"], false)?];
    for (parts, ends) in [
        (&["branch3x3_1"][..], ["branch3x3_2a", "branch3x3_2b"]),
        (
            &["branch3x3dbl_1", "branch3x3dbl_2"],
            ["branch3x3dbl_3a", "branch3x3dbl_3b"],
        ),
    ] {
        let y = chain(net, name, x, parts, false)?;
        for end in ends {
            branches.push(chain(net, name, y, &[end], false)?);
        }
    }
    branches.push(averaged(net, name, x)?);
    joined(net, name, &branches)
}

fn averaged(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let pooled = net.avg_pool(x, Pool::new(3, 1).padding(1), true)?;
    chain(net, name, pooled, &["branch_pool"], false)
}

fn joined(net: &mut Net<'_>, name: &str, branches: &[ValueId]) -> Result<ValueId, FamilyError> {
    let output = net.concat(branches)?;
    net.layer(name, output);
    Ok(output)
}
