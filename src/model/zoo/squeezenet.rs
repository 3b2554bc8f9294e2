//! SqueezeNet: modules that squeeze by 1x1 convolutions and expand by 1x1 and 3x3 ones.
//!
//! Iandola et al. 2016, arXiv 1602.07360, section 3.2 and table 1; version 1.1 of the authors'
//! repository pools earlier. The head is a convolution: its channels are the class maps.

use super::net::{Conv, Description, Net, Pool};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

pub(super) const MARKERS: &[&str] = &["features.3.squeeze.weight"];

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let first = net.weights.length("features.0.weight", 2);
    let (version, pools): (&str, &[usize]) = if first == Some(7) {
        ("1.0", &[2, 6, 11])
    } else {
        ("1.1", &[2, 5, 8])
    };
    let x = net.conv("features.0", net.input(), Conv::stride(2).padding(0))?;
    let mut x = net.relu(x)?;
    net.layer("features.1", x);
    for place in 2..=12 {
        let name = format!("features.{place}");
        x = if pools.contains(&place) {
            net.max_pool(x, Pool::new(3, 2).ceil())?
        } else {
            fire(&mut net, &name, x)?
        };
        net.layer(&name, x);
    }
    net.layer("features", x);
    let scores = net.conv("classifier.1", x, Conv::default().kernel(1))?;
    let scores = net.relu(scores)?;
    net.layer("classifier.2", scores);
    let logits = net.global_pool(scores)?;
    net.finish(
        logits,
        Description {
            family: format!("SqueezeNet {version}"),
            target_layer: "features".to_owned(),
            recipe: Recipe::imagenet(),
            fixed_size: None,
        },
    )
}

fn fire(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let squeezed = net.conv(&format!("{name}.squeeze"), x, Conv::default().kernel(1))?;
    let squeezed = net.relu(squeezed)?;
    let narrow = net.conv(
        &format!("{name}.expand1x1"),
        squeezed,
        Conv::default().kernel(1),
    )?;
    let narrow = net.relu(narrow)?;
    let wide = net.conv(
        &format!("{name}.expand3x3"),
        squeezed,
        Conv::default().kernel(3),
    )?;
    let wide = net.relu(wide)?;
    net.concat(&[narrow, wide])
}
