//! Networks of inverted residuals in timm's layout: EfficientNet, MobileNet v2 and v3, MNASNet.
//!
//! The papers are those of the families' own files. timm builds all of them from the same blocks with
//! the same names. The weights tell widths, depths and kernels; activations, the padding and the
//! number that batch norms add are told by the architecture's name where a configuration has it:
//! models called `tf_…` have weights from TensorFlow, which pads below and to the right.

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &["blocks.0.0.bn1.weight"];

/// Of the first block of each stage, in all but MobileNet v3 small.
const STRIDES: [i64; 7] = [1, 2, 2, 2, 1, 2, 1];
const SMALL_STRIDES: [i64; 6] = [2, 2, 2, 1, 2, 1];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    EfficientNet,
    MobileNetV2,
    MobileNetV3 { small: bool },
    MnasNet,
}

/// What is the same in the whole network.
struct Style {
    kind: Kind,
    eps: f64,
    /// Height and width at the current place, where the padding depends on them.
    same_padding: Option<(usize, usize)>,
    /// Inside of squeeze-and-excitation.
    squeeze: [Activation; 2],
}

impl Style {
    fn activation(&self, stage: usize) -> Activation {
        match self.kind {
            Kind::EfficientNet => Activation::Silu,
            Kind::MobileNetV2 => Activation::Relu6,
            Kind::MnasNet => Activation::Relu,
            // Table 1 and 2 of the paper: ReLU in the first stages.
            Kind::MobileNetV3 { small } if stage < if small { 2 } else { 3 } => Activation::Relu,
            Kind::MobileNetV3 { .. } => Activation::Hardswish,
        }
    }

    /// Before the first stage and behind the last.
    fn outer_activation(&self) -> Activation {
        self.activation(usize::MAX)
    }

    fn stride(&self, stage: usize) -> i64 {
        let strides: &[i64] = if self.kind == (Kind::MobileNetV3 { small: true }) {
            &SMALL_STRIDES
        } else {
            &STRIDES
        };
        strides.get(stage).copied().unwrap_or(1)
    }
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let kind = kind(&mut net);
    let from_tensorflow = architecture(&net).starts_with("tf_");
    if architecture(&net).is_empty() {
        net.guesses.push(
            "the padding and the batch norms are PyTorch's; models called tf_ have TensorFlow's, which a config.json beside the weights would tell".to_owned(),
        );
    }
    let size = net.wanted_size.unwrap_or((224, 224));
    let mut style = Style {
        kind,
        eps: if from_tensorflow { 1e-3 } else { 1e-5 },
        same_padding: from_tensorflow.then_some(size),
        squeeze: match kind {
            Kind::MobileNetV3 { .. } => [Activation::Relu, Activation::Hardsigmoid],
            Kind::EfficientNet => [Activation::Silu, Activation::Sigmoid],
            _ => [Activation::Relu, Activation::Sigmoid],
        },
    };
    let outer = style.outer_activation();
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
            let stride = if block == 0 { style.stride(stage) } else { 1 };
            let activation = style.activation(stage);
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
            family: match kind {
                Kind::EfficientNet => "EfficientNet (timm)",
                Kind::MobileNetV2 => "MobileNet v2 (timm)",
                Kind::MobileNetV3 { .. } => "MobileNet v3 (timm)",
                Kind::MnasNet => "MNASNet (timm)",
            }
            .to_owned(),
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

fn kind(net: &mut Net<'_>) -> Kind {
    let name = architecture(net);
    if !net.weights.has("bn2.weight") {
        return Kind::MobileNetV3 {
            small: net.weights.blocks("blocks") < 7,
        };
    }
    let squeezes = net
        .weights
        .names()
        .any(|name| name.contains(".se.conv_reduce."));
    let large_kernels = net.weights.length("blocks.2.0.conv_dw.weight", 2) == Some(5);
    match (
        name.contains("mnasnet"),
        name.contains("mobilenetv2"),
        squeezes,
    ) {
        (true, _, _) => Kind::MnasNet,
        (_, true, _) => Kind::MobileNetV2,
        (_, _, true) => Kind::EfficientNet,
        _ if !name.is_empty() => Kind::EfficientNet,
        _ => {
            let (kind, words) = if large_kernels {
                (Kind::MnasNet, "MNASNet, with ReLU")
            } else {
                (Kind::MobileNetV2, "MobileNet v2, with ReLU6")
            };
            net.guesses
                .push(format!("the network is taken for {words}"));
            kind
        }
    }
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
            x = net.squeeze_excite(x, names, style.squeeze[0], style.squeeze[1])?;
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
            if last {
                Activation::Identity
            } else {
                activation
            },
        )?;
    }
    if stride == 1 && net.channels(x) == net.channels(input) {
        x = net.add(x, input)?;
    }
    net.layer(name, x);
    Ok(x)
}
