//! VGG: stacks of 3x3 convolutions, each stack followed by a maximum pooling.
//!
//! Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
//! Recognition", arXiv 1409.1556, table 1. torchvision numbers the parts of one `Sequential`, with or
//! without batch norms; timm does too, and has its first two linear layers as convolutions
//! (`pre_logits`).

use super::net::{Activation, Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["features.0.weight"];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let (features, convolutions) = features(&mut net)?;
    let convolutional_head = net.weights.has("pre_logits.fc1.weight");
    let size = net.wanted_size.unwrap_or((224, 224));
    let logits = if convolutional_head {
        // Small maps are averaged up to the kernel's size.
        let small = size.0.min(size.1) / 32 < 7;
        let x = if small {
            net.adaptive_avg_pool(features, 7)?
        } else {
            features
        };
        let x = net.conv("pre_logits.fc1", x, Conv::default().kernel(7).padding(0))?;
        let x = net.relu(x)?;
        let x = net.conv("pre_logits.fc2", x, Conv::default().kernel(1))?;
        let x = net.relu(x)?;
        let x = net.global_pool(x)?;
        net.head("head", x, Activation::Relu)?
    } else {
        let side = pooled_side(&net, features);
        let x = net.adaptive_avg_pool(features, side as i64)?;
        net.layer("avgpool", x);
        let x = net.flatten_channels(x, side)?;
        net.sequential_head("classifier", x, [0, 3, 6])?
    };
    // The names count the three linear layers that the networks are published with.
    let layers = convolutions + 3;
    let norms = if net.weights.has("features.1.running_mean") {
        " with batch norm"
    } else {
        ""
    };
    net.finish(
        logits,
        Description {
            family: format!("VGG-{layers}{norms}"),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: convolutional_head.then_some(size),
        },
    )
}

/// Side of the map that the first linear layer reads: 7 as published, or another where people have
/// replaced the pooling.
fn pooled_side(net: &Net<'_>, features: ValueId) -> usize {
    const PUBLISHED: usize = 7;
    let first = net.weights.children("classifier").first().copied();
    let wide = ["classifier.weight".to_owned()]
        .into_iter()
        .chain(first.map(|first| format!("classifier.{first}.weight")))
        .find_map(|name| net.weights.length(&name, 1));
    match (wide, net.channels(features)) {
        (Some(wide), Some(channels)) if channels > 0 && wide.is_multiple_of(channels) => {
            let side = (wide / channels).isqrt();
            if side * side * channels == wide {
                side
            } else {
                PUBLISHED
            }
        }
        _ => PUBLISHED,
    }
}

/// The numbered parts: a convolution where there is a weight, a batch norm where there are
/// statistics, ReLU after them, and a pooling where one more number is free.
fn features(net: &mut Net<'_>) -> Result<(ValueId, usize), FamilyError> {
    let numbers: Vec<usize> = net
        .weights
        .children("features")
        .iter()
        .filter_map(|child| child.parse().ok())
        .collect();
    let convs: Vec<usize> = numbers
        .into_iter()
        .filter(|number| !net.weights.has(&format!("features.{number}.running_mean")))
        .collect();
    let mut x = net.input();
    for (position, &number) in convs.iter().enumerate() {
        x = net.conv(&format!("features.{number}"), x, Conv::default().kernel(3))?;
        let norm = format!("features.{}", number + 1);
        let mut next = number + 1;
        if net.weights.has(&format!("{norm}.running_mean")) {
            x = net.batch_norm(&norm, x, 1e-5)?;
            next += 1;
        }
        x = net.relu(x)?;
        net.layer(&format!("features.{next}"), x);
        let following = convs.get(position + 1).copied();
        if following.is_none_or(|following| following > next + 1) {
            x = net.max_pool(x, Pool::new(2, 2))?;
            net.layer(&format!("features.{}", next + 1), x);
        }
    }
    net.layer("features", x);
    Ok((x, convs.len()))
}
