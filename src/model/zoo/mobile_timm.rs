//! Networks of inverted residuals in timm's layout: EfficientNet, MobileNet, MNASNet and their kin.
//!
//! The papers are those of the families' own files. timm builds all of them from the same blocks with
//! the same names. The weights tell widths, depths and kernels; activations, the padding and the
//! number that batch norms add are told by the architecture's name where a configuration has it:
//! models called `tf_…` have weights from TensorFlow, which pads below and to the right. Without a
//! name the network is taken for the most common one of its structure, and that is said.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &["blocks.0.0.bn1.weight"];

/// What the weights of a network do not tell.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    /// For people.
    family: &'static str,
    /// How its names in timm begin, without `tf_`; `#` stands for a digit.
    names: &'static [&'static str],
    /// Strides of the first block of each stage.
    strides: [i64; 7],
    /// The activation of the first stages, how many these are, and the activation of the others.
    activations: (Activation, usize, Activation),
    /// Inside of squeeze-and-excitation.
    squeeze: [Activation; 2],
    /// Whether depthwise separable blocks are those of MobileNet v1: an activation after the
    /// pointwise convolution too, and the input is not added (timm's `dsa` blocks).
    plain_separable: bool,
}

/// Of all but the networks below that have others.
const STRIDES: [i64; 7] = [1, 2, 2, 2, 1, 2, 1];

const EFFICIENT: Kind = Kind {
    family: "EfficientNet (timm)",
    names: &[
        "efficientnet_b#",
        "efficientnet_l2",
        "efficientnetv2_",
        "tinynet_",
    ],
    strides: STRIDES,
    activations: (Activation::Silu, 0, Activation::Silu),
    squeeze: [Activation::Silu, Activation::Sigmoid],
    plain_separable: false,
};
const LITE: Kind = Kind {
    family: "EfficientNet Lite (timm)",
    names: &["efficientnet_lite#"],
    activations: (Activation::Relu6, 0, Activation::Relu6),
    ..EFFICIENT
};
const MOBILE_V2: Kind = Kind {
    family: "MobileNet v2 (timm)",
    names: &["mobilenetv2_"],
    ..LITE
};
const MOBILE_V1: Kind = Kind {
    family: "MobileNet v1 (timm)",
    names: &["mobilenetv1_###h"],
    strides: [1, 2, 2, 2, 2, 1, 1],
    plain_separable: true,
    ..LITE
};
const MNAS: Kind = Kind {
    family: "MNASNet (timm)",
    names: &["mnasnet_", "semnasnet_", "spnasnet_", "fbnetc_"],
    strides: STRIDES,
    activations: (Activation::Relu, 0, Activation::Relu),
    squeeze: [Activation::Relu, Activation::Sigmoid],
    plain_separable: false,
};
const EDGE: Kind = Kind {
    family: "EfficientNet for Edge TPU (timm)",
    names: &[
        "efficientnet_es",
        "efficientnet_em",
        "efficientnet_el",
        "mobilenet_edgetpu_",
    ],
    ..MNAS
};
/// Tables 1 and 2 of the paper: ReLU in the first stages.
const MOBILE_V3_LARGE: Kind = Kind {
    family: "MobileNet v3 (timm)",
    names: &["mobilenetv3_large_#", "hardcorenas_"],
    strides: STRIDES,
    activations: (Activation::Relu, 3, Activation::Hardswish),
    squeeze: [Activation::Relu, Activation::Hardsigmoid],
    plain_separable: false,
};
const SMALL_STRIDES: [i64; 7] = [2, 2, 2, 1, 2, 1, 1];
const MOBILE_V3_SMALL: Kind = Kind {
    names: &["mobilenetv3_small_#"],
    strides: SMALL_STRIDES,
    activations: (Activation::Relu, 2, Activation::Hardswish),
    ..MOBILE_V3_LARGE
};
const MINIMAL_LARGE: Kind = Kind {
    family: "MobileNet v3 minimal (timm)",
    names: &["mobilenetv3_large_minimal_"],
    activations: (Activation::Relu, 0, Activation::Relu),
    ..MOBILE_V3_LARGE
};
const MINIMAL_SMALL: Kind = Kind {
    names: &["mobilenetv3_small_minimal_"],
    strides: SMALL_STRIDES,
    ..MINIMAL_LARGE
};
const LC: Kind = Kind {
    family: "LCNet (timm)",
    names: &["lcnet_"],
    activations: (Activation::Hardswish, 0, Activation::Hardswish),
    plain_separable: true,
    ..MOBILE_V3_LARGE
};
const FB_V3: Kind = Kind {
    family: "FBNet v3 (timm)",
    names: &["fbnetv3_"],
    squeeze: [Activation::Hardswish, Activation::Hardsigmoid],
    plain_separable: false,
    ..LC
};

const KINDS: [Kind; 12] = [
    EFFICIENT,
    LITE,
    MOBILE_V1,
    MOBILE_V2,
    MNAS,
    EDGE,
    MOBILE_V3_LARGE,
    MOBILE_V3_SMALL,
    MINIMAL_LARGE,
    MINIMAL_SMALL,
    LC,
    FB_V3,
];

impl Kind {
    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|start| {
            let fits = |(wanted, found): (char, char)| {
                wanted == found || (wanted == '#' && found.is_ascii_digit())
            };
            name.len() >= start.len() && start.chars().zip(name.chars()).all(fits)
        })
    }

    fn activation(&self, stage: usize) -> Activation {
        let (first, count, others) = self.activations;
        if stage < count { first } else { others }
    }

    /// Before the first stage and behind the last.
    fn outer_activation(&self) -> Activation {
        self.activations.2
    }
}

/// What is the same in the whole network.
struct Style {
    kind: Kind,
    eps: f64,
    /// Height and width at the current place, where the padding depends on them.
    same_padding: Option<(usize, usize)>,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let name = architecture(&net);
    // timm's own file has the numbers of TensorFlow for the pruned EfficientNets too.
    let from_tensorflow = name.starts_with("tf_")
        || (name.starts_with("efficientnet_b") && name.ends_with("_pruned"));
    let kind = match name.as_str() {
        "" => likely_kind(&mut net),
        name => KINDS
            .into_iter()
            .find(|kind| kind.is_called(name.trim_start_matches("tf_")))
            .ok_or_else(|| FamilyError::Shape {
                family: "one of timm's mobile networks".to_owned(),
                reason: format!(
                    "{} is none that gradcam builds from its weights; export the model with torch.export and open the .pt2 file",
                    crate::text::visible(name)
                ),
            })?,
    };
    let size = net.wanted_size.unwrap_or((224, 224));
    let mut style = Style {
        kind,
        eps: if from_tensorflow { 1e-3 } else { 1e-5 },
        same_padding: from_tensorflow.then_some(size),
    };
    let outer = style.kind.outer_activation();
    let input = net.input();
    let mut x = unit(
        &mut net,
        &mut style,
        ["conv_stem", "bn1"],
        input,
        Conv::stride(2),
        outer,
    )?;
    let stages = net.weights.blocks("blocks");
    for stage in 0..stages {
        let name = format!("blocks.{stage}");
        for block in 0..net.weights.blocks(&name) {
            let stride = match style.kind.strides.get(stage) {
                Some(stride) if block == 0 => *stride,
                _ => 1,
            };
            let activation = style.kind.activation(stage);
            x = residual_block(
                &mut net,
                &mut style,
                &format!("{name}.{block}"),
                x,
                stride,
                activation,
            )?;
        }
        net.layer(&name, x);
    }
    net.layer("blocks", x);
    let (features, target_layer) = if net.weights.has("bn2.weight") {
        let x = unit(
            &mut net,
            &mut style,
            ["conv_head", "bn2"],
            x,
            Conv::default(),
            outer,
        )?;
        (net.global_pool(x)?, "bn2")
    } else {
        // MobileNet v3 averages before its last convolution.
        let pooled = net.adaptive_avg_pool(x, 1)?;
        let made = net.conv("conv_head", pooled, Conv::default())?;
        let made = net.activation(outer, made)?;
        (net.global_pool(made)?, "blocks")
    };
    let logits = net.head("classifier", features, outer)?;
    net.finish(
        logits,
        Description {
            family: style.kind.family.to_owned(),
            target_layer: target_layer.to_owned(),
            recipe: Recipe::imagenet_at(256, 224, Interpolation::Bicubic),
            fixed_size: from_tensorflow.then_some(size),
        },
    )
}

fn architecture(net: &Net<'_>) -> String {
    let settings = &net.weights.checkpoint.card.settings;
    let name = settings
        .get("architecture")
        .and_then(serde_json::Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// The kind of a network of which only the weights are known.
fn likely_kind(net: &mut Net<'_>) -> Kind {
    let weights = &net.weights;
    let any = |part: &str| weights.names().any(|name| name.contains(part));
    let squeezes = any(".se.conv_reduce.");
    let inverted = any(".conv_pwl.");
    let kind = if !weights.has("bn2.weight") {
        match (inverted, squeezes, weights.blocks("blocks") < 7) {
            (false, _, _) => LC,
            (true, false, false) => MINIMAL_LARGE,
            (true, false, true) => MINIMAL_SMALL,
            (true, true, true) => MOBILE_V3_SMALL,
            // The paper's network has one block in its first stage.
            (true, true, false) if weights.blocks("blocks.0") > 1 => FB_V3,
            (true, true, false) => MOBILE_V3_LARGE,
        }
    } else if !inverted {
        MOBILE_V1
    } else if any(".conv_exp.") {
        if squeezes { EFFICIENT } else { EDGE }
    } else if squeezes {
        // EfficientNet has squeeze-and-excitation in all blocks, MNASNet in some.
        if weights.has("blocks.1.0.se.conv_reduce.weight") {
            EFFICIENT
        } else {
            MNAS
        }
    } else {
        let length = |name: &str, axis| weights.length(&format!("blocks.{name}.weight"), axis);
        let expansion = length("1.0.conv_pw", 0).zip(length("1.0.conv_pw", 1));
        let sixfold = expansion.is_some_and(|(wide, narrow)| wide == 6 * narrow);
        let large_kernels = length("2.0.conv_dw", 2) == Some(5);
        let separable = !weights.has("blocks.0.0.conv_pwl.weight");
        match (large_kernels, sixfold && separable) {
            (false, _) => MOBILE_V2,
            (true, true) => LITE,
            (true, false) => MNAS,
        }
    };
    net.guesses.push(format!(
        "the network is taken for {}, with {:?} and PyTorch's padding; models called tf_ have TensorFlow's; a config.json beside the weights would tell",
        kind.family,
        kind.outer_activation()
    ));
    kind
}

/// Convolution, batch norm and activation; timm counts the activation to the norm.
fn unit(
    net: &mut Net<'_>,
    style: &mut Style,
    [conv_name, norm_name]: [&str; 2],
    x: ValueId,
    conv: Conv,
    activation: Activation,
) -> Result<ValueId, FamilyError> {
    let x = padded_conv(net, style, conv_name, x, conv)?;
    let x = net.batch_norm_unnamed(norm_name, x, style.eps)?;
    let x = net.activation(activation, x)?;
    net.layer(norm_name, x);
    Ok(x)
}

/// A convolution; where TensorFlow's padding is asked for, one more row and column of zeros may
/// stand below and to the right than above and to the left.
fn padded_conv(
    net: &mut Net<'_>,
    style: &mut Style,
    name: &str,
    x: ValueId,
    conv: Conv,
) -> Result<ValueId, FamilyError> {
    let Some((height, width)) = style.same_padding else {
        return net.conv(name, x, conv);
    };
    let kernel = net
        .weights
        .length(&format!("{name}.weight"), 2)
        .unwrap_or(1);
    let stride = usize::try_from(conv.stride).unwrap_or(1).max(1);
    let missing =
        |side: usize| ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
    let [rows, columns] = [missing(height), missing(width)].map(|zeros| zeros as i64);
    style.same_padding = Some((height.div_ceil(stride), width.div_ceil(stride)));
    if rows == 0 && columns == 0 {
        return net.conv(name, x, conv.padding(0));
    }
    let sides = [
        columns / 2,
        columns - columns / 2,
        rows / 2,
        rows - rows / 2,
    ];
    let padded = net.same(
        "constant_pad_nd",
        x,
        &[("self", x.into()), ("pad", sides.into())],
    )?;
    net.conv(name, padded, conv.padding(0))
}

/// One of timm's blocks, told by the names of its convolutions: `conv` (a plain one), `conv_exp`
/// (expansion and depthwise in one), `conv_pw` before `conv_dw` (inverted residual), or `conv_dw`
/// before `conv_pw` (depthwise separable).
fn residual_block(
    net: &mut Net<'_>,
    style: &mut Style,
    name: &str,
    input: ValueId,
    stride: i64,
    activation: Activation,
) -> Result<ValueId, FamilyError> {
    let has = |net: &Net<'_>, part: &str| net.weights.has(&format!("{name}.{part}.weight"));
    let plain = style.kind.plain_separable && !has(net, "conv") && !has(net, "conv_pwl");
    let parts: &[(&str, &str)] = if has(net, "conv") {
        &[("conv", "bn1")]
    } else if has(net, "conv_exp") {
        &[("conv_exp", "bn1"), ("conv_pwl", "bn2")]
    } else if has(net, "conv_pwl") {
        &[("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")]
    } else {
        &[("conv_dw", "bn1"), ("conv_pw", "bn2")]
    };
    let mut x = input;
    for (index, (conv_name, norm_name)) in parts.iter().enumerate() {
        let last = index + 1 == parts.len() && parts.len() > 1;
        if last && has(net, "se.conv_reduce") {
            let names = [
                &*format!("{name}.se.conv_reduce"),
                &*format!("{name}.se.conv_expand"),
            ];
            x = net.squeeze_excite(x, names, style.kind.squeeze[0], style.kind.squeeze[1])?;
            net.layer(&format!("{name}.se"), x);
        }
        let spatial = matches!(*conv_name, "conv" | "conv_exp" | "conv_dw");
        let groups = if *conv_name == "conv_dw" {
            net.channels(x).unwrap_or(1)
        } else {
            1
        };
        let conv = Conv::stride(if spatial { stride } else { 1 }).groups(groups);
        let names = [
            &*format!("{name}.{conv_name}"),
            &*format!("{name}.{norm_name}"),
        ];
        x = unit(
            net,
            style,
            names,
            x,
            conv,
            if last && !plain {
                Activation::Identity
            } else {
                activation
            },
        )?;
    }
    if !plain && stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(x, input)?;
    }
    net.layer(name, x);
    Ok(x)
}
