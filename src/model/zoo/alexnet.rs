//! AlexNet in one tower.
//!
//! Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv
//! 1404.5997, figure 1; names are torchvision's.

use super::net::{Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["features.10.weight"];

/// Place, kernel, stride and padding of the convolutions, and whether a pooling follows.
const CONVS: [(usize, usize, i64, i64, bool); 5] = [
    (0, 11, 4, 2, true),
    (3, 5, 1, 2, true),
    (6, 3, 1, 1, false),
    (8, 3, 1, 1, false),
    (10, 3, 1, 1, true),
];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let mut x = net.input();
    for (place, kernel, stride, padding, pooled) in CONVS {
        let conv = Conv::stride(stride).kernel(kernel).padding(padding);
        x = net.conv(&format!("features.{place}"), x, conv)?;
        x = net.relu(x)?;
        net.layer(&format!("features.{}", place + 1), x);
        if pooled {
            x = net.max_pool(x, Pool::new(3, 2))?;
            net.layer(&format!("features.{}", place + 2), x);
        }
    }
    net.layer("features", x);
    let x = net.adaptive_avg_pool(x, 6)?;
    net.layer("avgpool", x);
    let x = net.flatten_channels(x, 6)?;
    let logits = net.sequential_head("classifier", x, [1, 4, 6])?;
    net.finish(
        logits,
        Description {
            family: "AlexNet".to_owned(),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}
