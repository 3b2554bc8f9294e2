//! Residual networks: `y = ReLU(F(x) + x)`.
//!
//! He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385: table 1 for
//! ImageNet (a 7x7 convolution and a maximum pooling before four stages), section 4.2 for CIFAR (a
//! 3x3 convolution before three stages). Xie et al. 2016, arXiv 1611.05431, put groups into the
//! bottleneck's 3x3 convolution (`ResNeXt`); Zagoruyko and Komodakis 2016, arXiv 1605.07146, widen
//! it (Wide `ResNet`). A stage halves the size in the 3x3 convolution of its first block, as
//! torchvision does ("v1.5"). Names are torchvision's; `shortcut` and `linear` of the common CIFAR
//! implementation are known too.

use super::super::graph::{Operand, ValueId};
use super::{Assembler, Conv, FamilyError, Network, Weights};

/// A key of every residual network.
pub(super) const MARKER: &str = "layer1.0.conv1.weight";

/// More than any network has; a checkpoint's names cannot make the builder run on.
const MAX_STAGES: usize = 16;
const MAX_BLOCKS: usize = 1024;

/// What the names and shapes tell.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    bottleneck: bool,
    stages: Vec<Stage>,
    /// Channels and kernel side of the first convolution.
    stem: (usize, usize),
    /// Name of the linear layer.
    head: &'static str,
    classes: usize,
}

/// Blocks that work at one resolution.
#[derive(Debug, PartialEq, Eq)]
struct Stage {
    blocks: usize,
    /// Channels inside a block.
    width: usize,
    /// Channels that a block outputs.
    c_out: usize,
    /// Groups of the bottleneck's 3x3 convolution.
    groups: usize,
}

pub(super) fn build(weights: Weights<'_>) -> Result<Network, FamilyError> {
    let config = Config::read(&weights);
    let family = config.name();
    let mut net = Assembler::new(weights);
    let (mut x, mut c_in) = (stem(&mut net, &config)?, config.stem.0);
    for (index, stage) in config.stages.iter().enumerate() {
        let name = format!("layer{}", index + 1);
        for block in 0..stage.blocks {
            let stride = if index > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(
                &mut net,
                &format!("{name}.{block}"),
                x,
                &Shape {
                    c_in,
                    stride,
                    stage,
                    config: &config,
                },
            )?;
            c_in = stage.c_out;
        }
        net.builder.layer(name, x);
    }
    let logits = net.pooled_linear(config.head, x, c_in, config.classes)?;
    net.weights.check(&family)?;
    let small = config.small_images();
    let mut guesses = Vec::new();
    if small {
        guesses.push("the first convolution is 3x3, so this is taken for a network of small images without a maximum pooling".to_owned());
    }
    Ok(Network {
        graph: net.builder.finish(logits),
        family,
        classes: config.classes,
        target_layer: format!("layer{}", config.stages.len()),
        input_side: if small { 32 } else { 224 },
        guesses,
    })
}

impl Config {
    fn read(weights: &Weights<'_>) -> Self {
        let bottleneck = weights.has("layer1.0.conv3.weight");
        let length = |name: &str, axis: usize| {
            weights
                .shape(name)
                .and_then(|shape| shape.get(axis))
                .copied()
        };
        let last = if bottleneck { "conv3" } else { "conv2" };
        let stages = (1..=MAX_STAGES)
            .take_while(|stage| weights.has(&format!("layer{stage}.0.conv1.weight")))
            .map(|stage| {
                let first = format!("layer{stage}.0");
                let width = length(&format!("{first}.conv1.weight"), 0).unwrap_or(64);
                let per_group = length(&format!("{first}.conv2.weight"), 1)
                    .filter(|&n| n > 0)
                    .unwrap_or(width);
                Stage {
                    blocks: (0..MAX_BLOCKS)
                        .take_while(|b| weights.has(&format!("layer{stage}.{b}.conv1.weight")))
                        .count(),
                    width,
                    c_out: length(&format!("{first}.{last}.weight"), 0).unwrap_or(width),
                    groups: if bottleneck {
                        (width / per_group).max(1)
                    } else {
                        1
                    },
                }
            })
            .collect();
        let head = if weights.has("linear.weight") {
            "linear"
        } else {
            "fc"
        };
        Self {
            bottleneck,
            stages,
            stem: (
                length("conv1.weight", 0).unwrap_or(64),
                length("conv1.weight", 2).unwrap_or(7),
            ),
            head,
            classes: length(&format!("{head}.weight"), 0).unwrap_or(1000),
        }
    }

    fn small_images(&self) -> bool {
        self.stem.1 == 3
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
fn stem(net: &mut Assembler<'_>, config: &Config) -> Result<ValueId, FamilyError> {
    let (c_out, ksize) = config.stem;
    let stride = if config.small_images() { 1 } else { 2 };
    let input = net.builder.input();
    let x = net.conv2d(
        "conv1",
        input,
        Conv {
            c_in: 3,
            c_out,
            ksize,
            stride,
            groups: 1,
        },
    )?;
    let x = net.batch_norm("bn1", x, c_out)?;
    let x = net.relu(x)?;
    net.builder.layer("relu", x);
    if config.small_images() {
        return Ok(x);
    }
    let pooled = net.builder.call(
        "max_pool2d",
        &[
            ("self", Operand::Value(x)),
            ("kernel_size", Operand::Ints(vec![3, 3])),
            ("stride", Operand::Ints(vec![2, 2])),
            ("padding", Operand::Ints(vec![1, 1])),
        ],
    )?;
    net.builder.layer("maxpool", pooled);
    Ok(pooled)
}

/// What a block needs to know.
struct Shape<'a> {
    c_in: usize,
    stride: i64,
    stage: &'a Stage,
    config: &'a Config,
}

fn residual_block(
    net: &mut Assembler<'_>,
    name: &str,
    x: ValueId,
    shape: &Shape<'_>,
) -> Result<ValueId, FamilyError> {
    let &Shape {
        c_in,
        stride,
        stage,
        config,
    } = shape;
    let (width, c_out) = (stage.width, stage.c_out);
    // Kernel, channels in and out, stride and groups of each convolution of the branch.
    let convs = if config.bottleneck {
        vec![
            Conv {
                c_in,
                c_out: width,
                ksize: 1,
                stride: 1,
                groups: 1,
            },
            Conv {
                c_in: width,
                c_out: width,
                ksize: 3,
                stride,
                groups: stage.groups,
            },
            Conv {
                c_in: width,
                c_out,
                ksize: 1,
                stride: 1,
                groups: 1,
            },
        ]
    } else {
        vec![
            Conv {
                c_in,
                c_out: width,
                ksize: 3,
                stride,
                groups: 1,
            },
            Conv {
                c_in: width,
                c_out,
                ksize: 3,
                stride: 1,
                groups: 1,
            },
        ]
    };
    let last = convs.len();
    let mut branch = x;
    for (number, conv) in (1..).zip(convs) {
        branch = net.conv2d(&format!("{name}.conv{number}"), branch, conv)?;
        branch = net.batch_norm(&format!("{name}.bn{number}"), branch, conv.c_out)?;
        if number < last {
            branch = net.relu(branch)?;
        }
    }
    let part = if net.weights.has(&format!("{name}.shortcut.0.weight")) {
        "shortcut"
    } else {
        "downsample"
    };
    let shortcut = if stride != 1 || c_in != c_out {
        let conv = Conv {
            c_in,
            c_out,
            ksize: 1,
            stride,
            groups: 1,
        };
        let projected = net.conv2d(&format!("{name}.{part}.0"), x, conv)?;
        let projected = net.batch_norm(&format!("{name}.{part}.1"), projected, c_out)?;
        net.builder.layer(format!("{name}.{part}"), projected);
        projected
    } else {
        x
    };
    let sum = net.add(branch, shortcut)?;
    let output = net.relu(sum)?;
    net.builder.layer(name, output);
    Ok(output)
}
