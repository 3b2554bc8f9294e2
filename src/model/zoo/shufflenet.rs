//! ShuffleNet v2: half of the channels pass by, then all are shuffled.
//!
//! Ma et al. 2018, arXiv 1807.11164, figure 3 (c, d) and table 5. Names are torchvision's.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["stage2.0.branch1.0.weight"];

const EPS: f64 = 1e-5;

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let x = net.conv("conv1.0", net.input(), Conv::stride(2).kernel(3))?;
    let x = net.batch_norm("conv1.1", x, EPS)?;
    let x = net.relu(x)?;
    net.layer("conv1", x);
    let mut x = net.max_pool(x, Pool::new(3, 2).padding(1))?;
    net.layer("maxpool", x);
    for stage in ["stage2", "stage3", "stage4"] {
        for block in 0..net.weights.blocks(stage) {
            let name = format!("{stage}.{block}");
            x = if block == 0 {
                halving_block(&mut net, &name, x)?
            } else {
                block_of_half(&mut net, &name, x)?
            };
            net.layer(&name, x);
        }
        net.layer(stage, x);
    }
    let x = net.conv("conv5.0", x, Conv::default().kernel(1))?;
    let x = net.batch_norm("conv5.1", x, EPS)?;
    let x = net.relu(x)?;
    net.layer("conv5", x);
    let features = net.global_pool(x)?;
    let logits = net.head("fc", features, Activation::Relu)?;
    net.finish(
        logits,
        Description {
            family: "ShuffleNet v2".to_owned(),
            target_layer: "conv5".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

fn halving_block(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let branch = format!("{name}.branch1");
    let depthwise = Conv::stride(2)
        .kernel(3)
        .groups(net.channels(x).unwrap_or(1));
    let y = net.conv(&format!("{branch}.0"), x, depthwise)?;
    let y = net.batch_norm(&format!("{branch}.1"), y, EPS)?;
    let y = net.conv(&format!("{branch}.2"), y, Conv::default().kernel(1))?;
    let y = net.batch_norm(&format!("{branch}.3"), y, EPS)?;
    let y = net.relu(y)?;
    net.layer(&branch, y);
    let z = branch2(net, name, x, 2)?;
    shuffled(net, y, z)
}

fn block_of_half(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let half = net.channels(x).unwrap_or(2) / 2;
    let passing = net.narrow(x, 1, 0, half as i64)?;
    let worked_on = net.narrow(x, 1, half as i64, half as i64)?;
    net.set_channels(passing, Some(half));
    net.set_channels(worked_on, Some(half));
    let y = branch2(net, name, worked_on, 1)?;
    shuffled(net, passing, y)
}

fn branch2(net: &mut Net<'_>, name: &str, x: ValueId, stride: i64) -> Result<ValueId, FamilyError> {
    let branch = format!("{name}.branch2");
    let y = net.conv(&format!("{branch}.0"), x, Conv::default().kernel(1))?;
    let y = net.batch_norm(&format!("{branch}.1"), y, EPS)?;
    let y = net.relu(y)?;
    let depthwise = Conv::stride(stride)
        .kernel(3)
        .groups(net.channels(y).unwrap_or(1));
    let y = net.conv(&format!("{branch}.3"), y, depthwise)?;
    let y = net.batch_norm(&format!("{branch}.4"), y, EPS)?;
    let y = net.conv(&format!("{branch}.5"), y, Conv::default().kernel(1))?;
    let y = net.batch_norm(&format!("{branch}.6"), y, EPS)?;
    let y = net.relu(y)?;
    net.layer(&branch, y);
    Ok(y)
}

/// Both halves joined, their channels taken in turn.
fn shuffled(net: &mut Net<'_>, a: ValueId, b: ValueId) -> Result<ValueId, FamilyError> {
    let x = net.concat(&[a, b])?;
    let channels = net.channels(x).unwrap_or(2);
    let halves = net.call(
        "unflatten.int",
        &[
            ("self", x.into()),
            ("dim", 1.into()),
            ("sizes", [2, channels as i64 / 2].into()),
        ],
    )?;
    let turned = net.transpose(halves, 1, 2)?;
    let output = net.call(
        "flatten.using_ints",
        &[
            ("self", turned.into()),
            ("start_dim", 1.into()),
            ("end_dim", 2.into()),
        ],
    )?;
    net.set_channels(output, Some(channels));
    Ok(output)
}
