//! GoogLeNet: modules of four parallel branches.
//!
//! Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv 1409.4842, table 1, with batch norms.
//! Names are torchvision's, whose third branch has a 3x3 convolution where the paper has 5x5.
//! Auxiliary heads are for training only.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["inception3a.branch1.conv.weight"];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    net.weights
        .skip(|name| name.starts_with("aux1.") || name.starts_with("aux2."));
    let halve = Pool::new(3, 2).ceil();
    let x = net.basic_conv("conv1", net.input(), Conv::stride(2).kernel(7))?;
    let x = net.max_pool(x, halve)?;
    net.layer("maxpool1", x);
    let x = net.basic_conv("conv2", x, Conv::default().kernel(1))?;
    let x = net.basic_conv("conv3", x, Conv::default().kernel(3))?;
    let mut x = net.max_pool(x, halve)?;
    net.layer("maxpool2", x);
    for (stage, parts, pool) in [
        (3, "ab", Some(("maxpool3", halve))),
        (4, "abcde", Some(("maxpool4", Pool::new(2, 2).ceil()))),
        (5, "ab", None),
    ] {
        for part in parts.chars() {
            x = inception(&mut net, &format!("inception{stage}{part}"), x)?;
        }
        if let Some((name, pool)) = pool {
            x = net.max_pool(x, pool)?;
            net.layer(name, x);
        }
    }
    let features = net.global_pool(x)?;
    let logits = net.head("fc", features, Activation::Relu)?;
    net.guesses.push(
        "the channels are not rescaled inside the network (transform_input=False), as in models that were not made from torchvision's ImageNet weights".to_owned(),
    );
    net.finish(
        logits,
        Description {
            family: "GoogLeNet".to_owned(),
            target_layer: "inception5b".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

fn inception(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let mut branches =
        vec![net.basic_conv(&format!("{name}.branch1"), x, Conv::default().kernel(1))?];
    for branch in ["branch2", "branch3"] {
        let branch = format!("{name}.{branch}");
        let y = net.basic_conv(&format!("{branch}.0"), x, Conv::default().kernel(1))?;
        let y = net.basic_conv(&format!("{branch}.1"), y, Conv::default().kernel(3))?;
        net.layer(&branch, y);
        branches.push(y);
    }
    let pooled = net.max_pool(x, Pool::new(3, 1).padding(1).ceil())?;
    let pooled = net.basic_conv(
        &format!("{name}.branch4.1"),
        pooled,
        Conv::default().kernel(1),
    )?;
    net.layer(&format!("{name}.branch4"), pooled);
    branches.push(pooled);
    let output = net.concat(&branches)?;
    net.layer(name, output);
    Ok(output)
}
