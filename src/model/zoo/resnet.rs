//! Residual networks: `y = ReLU(F(x) + x)`.
//!
//! He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385: table 1 for
//! ImageNet (a 7x7 convolution and a maximum pooling before four stages), section 4.2 for CIFAR (a
//! 3x3 convolution before three stages). Xie et al. 2016, arXiv 1611.05431, put groups into the
//! bottleneck's 3x3 convolution (`ResNeXt`); Zagoruyko and Komodakis 2016, arXiv 1605.07146, widen
//! it (Wide `ResNet`). A stage halves the size in the 3x3 convolution of its first block, as
//! torchvision does ("v1.5"). Names are torchvision's; `shortcut` and `linear` of the common CIFAR
//! implementation are known too.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::weights::Weights;
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

/// A key of every residual network.
pub(super) const MARKERS: &[&str] = &["layer1.0.conv1.weight"];

/// What batch norms add to the variance; torchvision's and timm's.
const EPS: f64 = 1e-5;

/// What the names and shapes tell.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    bottleneck: bool,
    stages: Vec<Stage>,
    /// Side of the first convolution's kernel.
    stem_kernel: usize,
    /// Name of the linear layer.
    head: &'static str,
}

/// Blocks that work at one resolution.
#[derive(Debug, PartialEq, Eq)]
struct Stage {
    blocks: usize,
    /// Channels inside a block.
    width: usize,
    /// Groups of the bottleneck's 3x3 convolution.
    groups: usize,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let config = Config::read(&net.weights);
    let mut x = stem(&mut net, &config)?;
    for (index, stage) in config.stages.iter().enumerate() {
        let name = format!("layer{}", index + 1);
        for block in 0..stage.blocks {
            let stride = if index > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(&mut net, &format!("{name}.{block}"), x, stride, stage)?;
        }
        net.layer(&name, x);
    }
    let features = net.global_pool(x)?;
    let logits = net.head(config.head, features, Activation::Relu)?;
    let small = config.small_images();
    if small {
        net.guesses.push("the first convolution is 3x3, so this is taken for a network of small images without a maximum pooling".to_owned());
    }
    net.finish(
        logits,
        Description {
            family: config.name(),
            target_layer: format!("layer{}", config.stages.len()),
            recipe: Recipe::convention(if small { 32 } else { 224 }),
            fixed_size: None,
        },
    )
}

impl Config {
    fn read(weights: &Weights<'_>) -> Self {
        let bottleneck = weights.has("layer1.0.conv3.weight");
        let stages = (1..)
            .map(|stage| format!("layer{stage}"))
            .take_while(|stage| weights.blocks(stage) > 0)
            .map(|stage| {
                let length = |conv, axis| weights.length(&format!("{stage}.0.{conv}.weight"), axis);
                let width = length("conv1", 0).unwrap_or(0);
                let per_group = length("conv2", 1).unwrap_or(0).max(1);
                Stage {
                    blocks: weights.blocks(&stage),
                    width,
                    groups: if bottleneck {
                        (width / per_group).max(1)
                    } else {
                        1
                    },
                }
            })
            .collect();
        Self {
            bottleneck,
            stages,
            stem_kernel: weights.length("conv1.weight", 2).unwrap_or(7),
            head: if weights.has("linear.weight") {
                "linear"
            } else {
                "fc"
            },
        }
    }

    fn small_images(&self) -> bool {
        self.stem_kernel == 3
    }

    /// "ResNet-50", "ResNeXt-50 32x4d", "Wide ResNet-50-2", or the numbers of blocks.
    fn name(&self) -> String {
        let blocks: Vec<usize> = self.stages.iter().map(|stage| stage.blocks).collect();
        let depth = match (self.bottleneck, blocks.as_slice()) {
            (false, [2, 2, 2, 2]) => Some(18),
            (false, [3, 4, 6, 3]) => Some(34),
            (true, [3, 4, 6, 3]) => Some(50),
            (true, [3, 4, 23, 3]) => Some(101),
            (true, [3, 8, 36, 3]) => Some(152),
            _ => None,
        };
        let (width, groups) = self
            .stages
            .first()
            .map_or((0, 1), |stage| (stage.width, stage.groups));
        match depth {
            Some(depth) if groups > 1 => format!("ResNeXt-{depth} {groups}x{}d", width / groups),
            Some(depth) if width == 64 => format!("ResNet-{depth}"),
            Some(depth) if width % 64 == 0 && width > 64 => {
                format!("Wide ResNet-{depth}-{}", width / 64)
            }
            _ => {
                let kind = if self.bottleneck {
                    "Bottleneck"
                } else {
                    "BasicBlock"
                };
                let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
                format!("ResNet ({kind} {})", blocks.join("-"))
            }
        }
    }
}

/// The layers before the first stage.
fn stem(net: &mut Net<'_>, config: &Config) -> Result<ValueId, FamilyError> {
    let stride = if config.small_images() { 1 } else { 2 };
    let x = net.conv("conv1", net.input(), Conv::stride(stride))?;
    let x = net.batch_norm("bn1", x, EPS)?;
    let x = net.relu(x)?;
    net.layer("relu", x);
    if config.small_images() {
        return Ok(x);
    }
    let x = net.max_pool(x, Pool::new(3, 2).padding(1))?;
    net.layer("maxpool", x);
    Ok(x)
}

fn residual_block(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    stride: i64,
    stage: &Stage,
) -> Result<ValueId, FamilyError> {
    let convs = if net.weights.has(&format!("{name}.conv3.weight")) {
        vec![
            Conv::default().kernel(1),
            Conv::stride(stride).kernel(3).groups(stage.groups),
            Conv::default().kernel(1),
        ]
    } else {
        vec![Conv::stride(stride).kernel(3), Conv::default().kernel(3)]
    };
    let last = convs.len();
    let mut branch = x;
    for (number, conv) in (1..).zip(convs) {
        branch = net.conv(&format!("{name}.conv{number}"), branch, conv)?;
        branch = net.batch_norm(&format!("{name}.bn{number}"), branch, EPS)?;
        if number < last {
            branch = net.relu(branch)?;
        }
    }
    let shortcut = shortcut(net, name, x, branch, stride)?;
    let sum = net.add(branch, shortcut)?;
    let output = net.relu(sum)?;
    net.layer(name, output);
    Ok(output)
}

/// The block's input, projected where its size or its channels change.
fn shortcut(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    branch: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    if stride == 1 && net.channels(x) == net.channels(branch) {
        return Ok(x);
    }
    let part = if net.weights.has(&format!("{name}.shortcut.0.weight")) {
        format!("{name}.shortcut")
    } else {
        format!("{name}.downsample")
    };
    let mut conv = Conv::stride(stride).kernel(1);
    conv.c_out = net.channels(branch);
    let projected = net.conv(&format!("{part}.0"), x, conv)?;
    let projected = net.batch_norm(&format!("{part}.1"), projected, EPS)?;
    net.layer(&part, projected);
    Ok(projected)
}

#[cfg(test)]
mod tests {
    #[test]
    #[ignore = "wip"]
    fn every_network_equals_pytorchs() {
        crate::model::zoo::oracle::all_match("resnet");
    }
}
