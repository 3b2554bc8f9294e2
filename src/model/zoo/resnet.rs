//! Residual networks: `y = ReLU(F(x) + x)`.
//!
//! He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385: table 1 for
//! ImageNet (a 7x7 convolution and a maximum pooling before four stages), section 4.2 for CIFAR (a
//! 3x3 convolution before three stages). Xie et al. 2016, arXiv 1611.05431, put groups into the
//! bottleneck's 3x3 convolution (`ResNeXt`); Zagoruyko and Komodakis 2016, arXiv 1605.07146, widen
//! it (Wide `ResNet`). A stage halves the size in the 3x3 convolution of its first block, as
//! torchvision does ("v1.5"). Names are torchvision's; `shortcut` and `linear` of the common CIFAR
//! implementation, and the names of transformers, are known too. timm's variants: the first
//! convolution as three of 3x3 and the shortcut's stride as an average pooling (He et al. 2018, "Bag
//! of Tricks", arXiv 1812.01187, section 4), and squeeze-and-excitation.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::weights::Weights;
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::Recipe;

/// torchvision's and timm's layout, that of transformers, and torchvision's modules as a
/// `Sequential` has them: `nn.Sequential(*list(resnet.children())[:-1])`.
pub(super) const MARKERS: &[&str] = &[
    "layer1.0.conv1.weight",
    "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight",
    "4.0.conv1.weight",
];

/// How many modules of a `Sequential` stand before the stages: `conv1`, `bn1`, `relu`, `maxpool`.
const BEFORE_STAGES: usize = 4;

/// More stages than any residual network has.
const MAX_STAGES: usize = 16;
/// What batch norms add to the variance.
const EPS: f64 = 1e-5;

/// What the names and shapes tell.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    names: Names,
    bottleneck: bool,
    stages: Vec<Stage>,
    /// Side of the first convolution's kernel.
    stem_kernel: usize,
    /// Whether three convolutions stand for the first one.
    deep_stem: bool,
    /// Whether blocks have squeeze-and-excitation.
    squeeze_excite: bool,
    /// Name of the linear layer.
    head: String,
}

/// How modules are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Torchvision,
    Transformers,
    Sequential,
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
    let names = config.names;
    let mut x = stem(&mut net, &config)?;
    for (index, stage) in config.stages.iter().enumerate() {
        for block in 0..stage.blocks {
            let stride = if index > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(
                &mut net,
                names,
                &names.block(index, block),
                x,
                stride,
                stage,
            )?;
        }
        net.layer(&names.stage(index), x);
    }
    let target_layer = match names {
        Names::Torchvision | Names::Sequential => {
            names.stage(config.stages.len().saturating_sub(1))
        }
        Names::Transformers => {
            net.layer("resnet.encoder", x);
            "resnet.encoder".to_owned()
        }
    };
    let features = net.global_pool(x)?;
    let logits = net.head(&config.head, features, Activation::Relu)?;
    let small = config.small_images();
    if small {
        net.guesses.push("the first convolution is 3x3, so this is taken for a network of small images without a maximum pooling".to_owned());
    }
    net.finish(
        logits,
        Description {
            family: config.name(),
            target_layer,
            recipe: Recipe::convention(if small { 32 } else { 224 }),
            fixed_size: None,
        },
    )
}

impl Names {
    fn stage(self, index: usize) -> String {
        match self {
            Self::Torchvision => format!("layer{}", index + 1),
            Self::Transformers => format!("resnet.encoder.stages.{index}"),
            Self::Sequential => (index + BEFORE_STAGES).to_string(),
        }
    }

    /// The modules before the first stage: convolution, batch norm, ReLU and pooling.
    fn stem(self) -> [&'static str; 4] {
        match self {
            Self::Torchvision => ["conv1", "bn1", "relu", "maxpool"],
            Self::Transformers => [
                "resnet.embedder.embedder.convolution",
                "resnet.embedder.embedder.normalization",
                "resnet.embedder.embedder",
                "resnet.embedder",
            ],
            Self::Sequential => ["0", "1", "2", "3"],
        }
    }

    fn block(self, stage: usize, block: usize) -> String {
        match self {
            Self::Torchvision | Self::Sequential => format!("{}.{block}", self.stage(stage)),
            Self::Transformers => format!("{}.layers.{block}", self.stage(stage)),
        }
    }

    /// A convolution of a block, counted from 1, and the batch norm after it.
    fn conv(self, block: &str, number: usize) -> [String; 2] {
        match self {
            Self::Torchvision | Self::Sequential => {
                ["conv", "bn"].map(|part| format!("{block}.{part}{number}"))
            }
            Self::Transformers => {
                let layer = format!("{block}.layer.{}", number - 1);
                ["convolution", "normalization"].map(|part| format!("{layer}.{part}"))
            }
        }
    }
}

impl Config {
    fn read(weights: &Weights<'_>) -> Self {
        let names = match MARKERS.iter().position(|marker| weights.has(marker)) {
            Some(0) => Names::Torchvision,
            Some(1) => Names::Transformers,
            _ => Names::Sequential,
        };
        let weight = |stage, number| {
            let [conv, _] = names.conv(&names.block(stage, 0), number);
            format!("{conv}.weight")
        };
        let bottleneck = weights.has(&weight(0, 3));
        let stages = (0..MAX_STAGES)
            .take_while(|stage| weights.has(&weight(*stage, 1)))
            .map(|stage| {
                let width = weights.length(&weight(stage, 1), 0).unwrap_or(0);
                let per_group = weights.length(&weight(stage, 2), 1).unwrap_or(0).max(1);
                let blocks = match names {
                    Names::Torchvision | Names::Sequential => weights.blocks(&names.stage(stage)),
                    Names::Transformers => {
                        weights.blocks(&format!("{}.layers", names.stage(stage)))
                    }
                };
                let groups = if bottleneck {
                    (width / per_group).max(1)
                } else {
                    1
                };
                Stage {
                    blocks,
                    width,
                    groups,
                }
            })
            .collect();
        Self {
            names,
            bottleneck,
            stages,
            stem_kernel: weights
                .length(&format!("{}.weight", names.stem()[0]), 2)
                .unwrap_or(7),
            deep_stem: weights.has("conv1.0.weight"),
            squeeze_excite: weights.has("layer1.0.se.fc1.weight"),
            head: match names {
                Names::Transformers => "classifier".to_owned(),
                Names::Torchvision if weights.has("linear.weight") => "linear".to_owned(),
                Names::Torchvision => "fc".to_owned(),
                Names::Sequential => sequential_head(weights),
            },
        }
    }

    fn small_images(&self) -> bool {
        self.stem_kernel == 3
    }

    /// "SE-ResNet-50", "ResNet-50-D", "ResNeXt-50 32x4d", "Wide ResNet-50-2", or the numbers of blocks.
    fn name(&self) -> String {
        let before = if self.squeeze_excite { "SE-" } else { "" };
        let after = if self.deep_stem { "-D" } else { "" };
        format!("{before}{}{after}", self.plain_name())
    }

    fn plain_name(&self) -> String {
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

/// The module with weights behind the stages of a `Sequential`; the name that torchvision gives the
/// head where there is none, and the head lies elsewhere.
fn sequential_head(weights: &Weights<'_>) -> String {
    let behind = |module: &&str| {
        module
            .parse()
            .is_ok_and(|number: usize| number >= BEFORE_STAGES)
            && weights.blocks(module) == 0
    };
    let found = weights.children("").into_iter().find(behind);
    found.unwrap_or("fc").to_owned()
}

/// The layers before the first stage.
fn stem(net: &mut Net<'_>, config: &Config) -> Result<ValueId, FamilyError> {
    let input = net.input();
    let [conv, norm, relu, pool] = config.names.stem();
    let x = match config.names {
        Names::Transformers => {
            let x = net.conv(conv, input, Conv::stride(2).kernel(7))?;
            net.batch_norm(norm, x, EPS)?
        }
        Names::Torchvision if config.deep_stem => {
            let mut x = net.conv("conv1.0", input, Conv::stride(2).kernel(3))?;
            for (norm, conv) in [("conv1.1", "conv1.3"), ("conv1.4", "conv1.6")] {
                x = net.batch_norm(norm, x, EPS)?;
                x = net.relu(x)?;
                x = net.conv(conv, x, Conv::default().kernel(3))?;
            }
            net.layer("conv1", x);
            net.batch_norm("bn1", x, EPS)?
        }
        Names::Torchvision | Names::Sequential => {
            let stride = if config.small_images() { 1 } else { 2 };
            let x = net.conv(conv, input, Conv::stride(stride))?;
            net.batch_norm(norm, x, EPS)?
        }
    };
    let x = net.relu(x)?;
    net.layer(relu, x);
    if config.small_images() {
        return Ok(x);
    }
    let x = net.max_pool(x, Pool::new(3, 2).padding(1))?;
    net.layer(pool, x);
    Ok(x)
}

fn residual_block(
    net: &mut Net<'_>,
    names: Names,
    name: &str,
    x: ValueId,
    stride: i64,
    stage: &Stage,
) -> Result<ValueId, FamilyError> {
    let bottleneck = net
        .weights
        .has(&format!("{}.weight", names.conv(name, 3)[0]));
    let convs = if bottleneck {
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
        let [conv_name, norm_name] = names.conv(name, number);
        branch = net.conv(&conv_name, branch, conv)?;
        branch = net.batch_norm(&norm_name, branch, EPS)?;
        if number < last {
            branch = net.relu(branch)?;
        }
    }
    if net.weights.has(&format!("{name}.se.fc1.weight")) {
        let parts = [&*format!("{name}.se.fc1"), &*format!("{name}.se.fc2")];
        branch = net.squeeze_excite(branch, parts, Activation::Relu, Activation::Sigmoid)?;
        net.layer(&format!("{name}.se"), branch);
    }
    let shortcut = shortcut(net, names, name, x, branch, stride)?;
    let sum = net.add(branch, shortcut)?;
    let output = net.relu(sum)?;
    net.layer(name, output);
    Ok(output)
}

/// The block's input, projected where its size or its channels change.
fn shortcut(
    net: &mut Net<'_>,
    names: Names,
    name: &str,
    x: ValueId,
    branch: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    if stride == 1 && net.channels(x) == net.channels(branch) {
        return Ok(x);
    }
    let mut conv = Conv::stride(stride).kernel(1);
    conv.c_out = net.channels(branch);
    let mut x = x;
    let (part, conv_name, norm_name) = match names {
        Names::Transformers => ("shortcut", "convolution", "normalization"),
        _ if net.weights.has(&format!("{name}.shortcut.0.weight")) => ("shortcut", "0", "1"),
        _ if net.weights.has(&format!("{name}.downsample.2.weight")) => {
            if stride != 1 {
                // Windows that hang over the edge average what is there.
                x = net.avg_pool(x, Pool::new(2, stride).ceil(), false)?;
            }
            conv.stride = 1;
            ("downsample", "1", "2")
        }
        _ => ("downsample", "0", "1"),
    };
    let projected = net.conv(&format!("{name}.{part}.{conv_name}"), x, conv)?;
    let projected = net.batch_norm(&format!("{name}.{part}.{norm_name}"), projected, EPS)?;
    net.layer(&format!("{name}.{part}"), projected);
    Ok(projected)
}
