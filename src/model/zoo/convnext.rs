//! ConvNeXt: a convolutional network with the habits of transformers.
//!
//! Liu et al. 2022, "A ConvNet for the 2020s", arXiv 2201.03545, figure 4 and appendix A; version 2
//! (Woo et al. 2023, arXiv 2301.00808, section 3.2) has global response normalization instead of
//! layer scale. Names of torchvision, timm and transformers.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &[
    "features.1.0.block.0.weight",
    "stages.0.blocks.0.conv_dw.weight",
    "convnext.encoder.stages.0.layers.0.dwconv.weight",
    "convnextv2.encoder.stages.0.layers.0.dwconv.weight",
];

const EPS: f64 = 1e-6;

/// How modules are called; for transformers, the name of the outermost one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Torchvision,
    Timm,
    Transformers(&'static str),
}

/// The modules of a block, by their names inside of it.
struct BlockNames {
    depthwise: &'static str,
    norm: &'static str,
    expand: &'static str,
    response_norm: &'static str,
    reduce: &'static str,
    scale: &'static str,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let names = if net.weights.has("features.1.0.block.0.weight") {
        Names::Torchvision
    } else if net.weights.has("stages.0.blocks.0.conv_dw.weight") {
        Names::Timm
    } else if net
        .weights
        .has("convnext.encoder.stages.0.layers.0.dwconv.weight")
    {
        Names::Transformers("convnext")
    } else {
        Names::Transformers("convnextv2")
    };
    let [conv, norm] = names.stem();
    let input = net.input();
    let x = net.conv(&conv, input, Conv::stride(4).kernel(4).padding(0))?;
    let mut x = net.layer_norm_2d(&norm, x, EPS)?;
    let width = net.channels(x).unwrap_or(0);
    let mut depths = Vec::new();
    for stage in 0.. {
        let module = names.blocks(stage);
        let blocks = net.weights.blocks(&module);
        if blocks == 0 {
            break;
        }
        if stage > 0 {
            let [norm, conv] = names.downsampling(stage);
            x = net.layer_norm_2d(&norm, x, EPS)?;
            x = net.conv(&conv, x, Conv::stride(2).kernel(2).padding(0))?;
        }
        for block in 0..blocks {
            x = residual_block(&mut net, names, &format!("{module}.{block}"), x)?;
        }
        net.layer(&names.stage(stage), x);
        depths.push(blocks);
    }
    let last = depths.len().saturating_sub(1);
    let target_layer = match names {
        Names::Torchvision => names.stage(last),
        Names::Timm => "stages".to_owned(),
        Names::Transformers(outer) => format!("{outer}.encoder"),
    };
    if names != Names::Torchvision {
        net.layer(&target_layer, x);
    }
    let logits = head(&mut net, names, x)?;
    let version = if net.weights.names().any(|name| name.contains("grn.")) {
        " v2"
    } else {
        ""
    };
    let size = match (depths.as_slice(), width) {
        ([3, 3, 9, 3], 96) => " T",
        ([3, 3, 27, 3], 96) => " S",
        ([3, 3, 27, 3], 128) => " B",
        ([3, 3, 27, 3], 192) => " L",
        _ => "",
    };
    let resize = match size {
        " T" => 236,
        " S" => 230,
        _ => 232,
    };
    net.finish(
        logits,
        Description {
            family: format!("ConvNeXt{version}{size}"),
            target_layer,
            recipe: match names {
                Names::Torchvision => Recipe::imagenet_at(resize, 224, Interpolation::Bilinear),
                // The authors' evaluation: the crop is 0.875 of the shorter side.
                _ => Recipe::imagenet_at(256, 224, Interpolation::Bicubic),
            },
            fixed_size: None,
        },
    )
}

impl Names {
    fn stem(self) -> [String; 2] {
        match self {
            Self::Torchvision => ["features.0.0", "features.0.1"].map(str::to_owned),
            Self::Timm => ["stem.0", "stem.1"].map(str::to_owned),
            Self::Transformers(outer) => {
                ["patch_embeddings", "layernorm"].map(|part| format!("{outer}.embeddings.{part}"))
            }
        }
    }

    /// The module of a stage.
    fn stage(self, stage: usize) -> String {
        match self {
            Self::Torchvision => format!("features.{}", 2 * stage + 1),
            Self::Timm => format!("stages.{stage}"),
            Self::Transformers(outer) => format!("{outer}.encoder.stages.{stage}"),
        }
    }

    /// The module whose children are a stage's blocks.
    fn blocks(self, stage: usize) -> String {
        match self {
            Self::Torchvision => self.stage(stage),
            Self::Timm => format!("{}.blocks", self.stage(stage)),
            Self::Transformers(_) => format!("{}.layers", self.stage(stage)),
        }
    }

    /// Layer norm and convolution between two stages.
    fn downsampling(self, stage: usize) -> [String; 2] {
        let module = match self {
            Self::Torchvision => format!("features.{}", 2 * stage),
            Self::Timm => format!("{}.downsample", self.stage(stage)),
            Self::Transformers(_) => format!("{}.downsampling_layer", self.stage(stage)),
        };
        ["0", "1"].map(|part| format!("{module}.{part}"))
    }

    fn block(self) -> BlockNames {
        match self {
            Self::Torchvision => BlockNames {
                depthwise: "block.0",
                norm: "block.2",
                expand: "block.3",
                response_norm: "",
                reduce: "block.5",
                scale: "layer_scale",
            },
            Self::Timm => BlockNames {
                depthwise: "conv_dw",
                norm: "norm",
                expand: "mlp.fc1",
                response_norm: "mlp.grn",
                reduce: "mlp.fc2",
                scale: "gamma",
            },
            Self::Transformers(_) => BlockNames {
                depthwise: "dwconv",
                norm: "layernorm",
                expand: "pwconv1",
                response_norm: "grn",
                reduce: "pwconv2",
                scale: "layer_scale_parameter",
            },
        }
    }
}

fn residual_block(
    net: &mut Net<'_>,
    names: Names,
    name: &str,
    input: ValueId,
) -> Result<ValueId, FamilyError> {
    let parts = names.block();
    let part = |inner: &str| format!("{name}.{inner}");
    let channels = net.channels(input).unwrap_or(1);
    let x = net.conv(
        &part(parts.depthwise),
        input,
        Conv::default().kernel(7).groups(channels),
    )?;
    // `[batch, height, width, channels]` from here on.
    let x = net.permute(x, &[0, 2, 3, 1])?;
    let x = net.layer_norm(&part(parts.norm), x, EPS)?;
    let x = net.pointwise(&part(parts.expand), x)?;
    let mut x = net.activation(Activation::Gelu, x)?;
    if net
        .weights
        .has(&part(&format!("{}.weight", parts.response_norm)))
    {
        x = response_norm(net, &part(parts.response_norm), x)?;
    }
    let x = net.pointwise(&part(parts.reduce), x)?;
    let mut x = net.permute(x, &[0, 3, 1, 2])?;
    let scale = part(parts.scale);
    if net.weights.has(&scale) {
        let shape: Vec<Option<usize>> = match names {
            Names::Torchvision => vec![Some(channels), Some(1), Some(1)],
            _ => vec![Some(channels)],
        };
        let weight = net.weight(&scale, &shape);
        let weight = net.reshape(weight, &[-1, 1, 1])?;
        x = net.mul(x, weight)?;
    }
    let output = net.add(input, x)?;
    net.layer(name, output);
    Ok(output)
}

/// Global response normalization of `[batch, height, width, channels]`: each channel is weighted by
/// its norm over the positions, in parts of the mean norm of all channels (arXiv 2301.00808, section
/// 3.2).
fn response_norm(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let norm = net.call(
        "linalg_vector_norm",
        &[
            ("self", x.into()),
            ("dim", [1, 2].into()),
            ("keepdim", true.into()),
        ],
    )?;
    let mean = net.call(
        "mean.dim",
        &[
            ("self", norm.into()),
            ("dim", [-1].into()),
            ("keepdim", true.into()),
        ],
    )?;
    let mean = net.call(
        "add.Scalar",
        &[("self", mean.into()), ("other", 1e-6.into())],
    )?;
    let relative = net.call(
        "div.Tensor",
        &[("self", norm.into()), ("other", mean.into())],
    )?;
    let weighted = net.mul(x, relative)?;
    let channels = net.channels(x);
    let mut factors = Vec::new();
    for part in ["weight", "bias"] {
        let part = format!("{name}.{part}");
        let shape = net.weights.shape(&part).map_or(1, <[usize]>::len);
        let mut wanted = vec![Some(1); shape.saturating_sub(1)];
        wanted.push(channels);
        let factor = net.weight(&part, &wanted);
        factors.push(net.reshape(factor, &[-1])?);
    }
    let scaled = net.mul(weighted, factors[0])?;
    let shifted = net.add(scaled, factors[1])?;
    net.add(x, shifted)
}

fn head(net: &mut Net<'_>, names: Names, x: ValueId) -> Result<ValueId, FamilyError> {
    let pooled = net.global_pool(x)?;
    let (norm, head, eps) = match names {
        Names::Torchvision => ("classifier.0".to_owned(), "classifier.2", EPS),
        Names::Timm => ("head.norm".to_owned(), "head.fc", EPS),
        Names::Transformers(outer) => {
            let eps = net
                .weights
                .checkpoint
                .card
                .setting_f64("layer_norm_eps")
                .unwrap_or(1e-12);
            (format!("{outer}.layernorm"), "classifier", eps)
        }
    };
    let normed = net.layer_norm(&norm, pooled, eps)?;
    net.head(head, normed, Activation::Gelu)
}
