//! DenseNet: every layer of a block reads what all layers before it have made.
//!
//! Huang et al. 2016, "Densely Connected Convolutional Networks", arXiv 1608.06993, sections 3 and
//! table 1 (bottleneck layers and compression, "DenseNet-BC"). torchvision's and timm's names are the
//! same; old checkpoints write `norm.1` for `norm1`.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &[
    "features.denseblock1.denselayer1.norm1.weight",
    "features.denseblock1.denselayer1.norm.1.weight",
];

const EPS: f64 = 1e-5;

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let dot = if net
        .weights
        .has("features.denseblock1.denselayer1.norm.1.weight")
    {
        "."
    } else {
        ""
    };
    let x = net.conv("features.conv0", net.input(), Conv::stride(2).kernel(7))?;
    let x = net.batch_norm("features.norm0", x, EPS)?;
    let x = net.relu(x)?;
    net.layer("features.relu0", x);
    let mut x = net.max_pool(x, Pool::new(3, 2).padding(1))?;
    net.layer("features.pool0", x);
    let mut layers = 2;
    for block in 1.. {
        let name = format!("features.denseblock{block}");
        let count = net.weights.children(&name).len();
        if count == 0 {
            break;
        }
        x = dense_block(&mut net, &name, x, count, dot)?;
        layers += 2 * count;
        let transition = format!("features.transition{block}");
        if net.weights.has(&format!("{transition}.conv.weight")) {
            let normed = net.batch_norm(&format!("{transition}.norm"), x, EPS)?;
            let normed = net.relu(normed)?;
            let reduced = net.conv(
                &format!("{transition}.conv"),
                normed,
                Conv::default().kernel(1),
            )?;
            x = net.avg_pool(reduced, Pool::new(2, 2), true)?;
            net.layer(&transition, x);
            layers += 1;
        }
    }
    // timm has the last ReLU inside of its batch norm, torchvision behind its features.
    let timm = net
        .weights
        .checkpoint
        .card
        .settings
        .contains_key("architecture");
    let normed = net.batch_norm("features.norm5", x, EPS)?;
    let x = net.relu(normed)?;
    net.layer("features", if timm { x } else { normed });
    let features = net.global_pool(x)?;
    let logits = net.head("classifier", features, Activation::Relu)?;
    net.finish(
        logits,
        Description {
            family: format!("DenseNet-{layers}"),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

fn dense_block(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    count: usize,
    dot: &str,
) -> Result<ValueId, FamilyError> {
    let mut made = vec![x];
    for number in 1..=count {
        let layer = format!("{name}.denselayer{number}");
        let mut y = net.concat(&made)?;
        for (part, kernel) in [(1, 1), (2, 3)] {
            y = net.batch_norm(&format!("{layer}.norm{dot}{part}"), y, EPS)?;
            y = net.relu(y)?;
            y = net.conv(
                &format!("{layer}.conv{dot}{part}"),
                y,
                Conv::default().kernel(kernel),
            )?;
        }
        net.layer(&layer, y);
        made.push(y);
    }
    let output = net.concat(&made)?;
    net.layer(name, output);
    Ok(output)
}
