//! MaxViT: convolution, attention inside of windows, and attention across a grid, in every layer.
//!
//! Tu et al. 2022, "MaxViT: Multi-Axis Vision Transformer", arXiv 2204.01697, figures 2 and 3. Names
//! are torchvision's, whose attention is scaled by the width of all heads.

use super::net::{Activation, Conv, Description, Net, Pool};
use super::swin::relative_position_index;
use super::{FamilyError, Network};
use crate::model::graph::ValueId;
use crate::model::recipe::{Interpolation, Recipe};

pub(super) const MARKERS: &[&str] = &["blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight"];

const NORM_EPS: f64 = 1e-3;
const LAYER_NORM_EPS: f64 = 1e-5;

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    net.weights
        .skip(|name| name.ends_with("relative_position_index"));
    let size = net.wanted_size.unwrap_or((224, 224));
    let input = net.input();
    let x = unit(&mut net, "stem.0", input, Conv::stride(2).kernel(3))?;
    let mut x = net.conv("stem.1.0", x, Conv::default().kernel(3))?;
    net.layer("stem", x);
    let mut map = (size.0.div_ceil(2), size.1.div_ceil(2));
    let blocks = net.weights.blocks("blocks");
    for block in 0..blocks {
        let name = format!("blocks.{block}");
        let layers = format!("{name}.layers");
        map = (map.0.div_ceil(2), map.1.div_ceil(2));
        for layer in 0..net.weights.blocks(&layers) {
            let inner = format!("{layers}.{layer}.layers");
            let stride = if layer == 0 { 2 } else { 1 };
            x = inverted_residual(&mut net, &format!("{inner}.MBconv"), x, stride)?;
            for across in [false, true] {
                let part = if across {
                    "grid_attention"
                } else {
                    "window_attention"
                };
                x = attention_layer(&mut net, &format!("{inner}.{part}"), x, map, across)?;
            }
            net.layer(&format!("{layers}.{layer}"), x);
        }
        net.layer(&name, x);
    }
    let pooled = net.global_pool(x)?;
    let normed = net.layer_norm("classifier.2", pooled, LAYER_NORM_EPS)?;
    let hidden = net.linear("classifier.3", normed)?;
    let hidden = net.activation(Activation::Tanh, hidden)?;
    let logits = net.linear("classifier.5", hidden)?;
    net.finish(
        logits,
        Description {
            family: "MaxViT".to_owned(),
            target_layer: format!("blocks.{}", blocks.max(1) - 1),
            recipe: Recipe::imagenet_at(224, 224, Interpolation::Bicubic),
            fixed_size: Some(size),
        },
    )
}

/// Convolution, batch norm and GELU.
fn unit(net: &mut Net<'_>, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, FamilyError> {
    let x = net.conv(&format!("{name}.0"), x, conv)?;
    let x = net.batch_norm(&format!("{name}.1"), x, NORM_EPS)?;
    let x = net.activation(Activation::Gelu, x)?;
    net.layer(name, x);
    Ok(x)
}

fn inverted_residual(
    net: &mut Net<'_>,
    name: &str,
    input: ValueId,
    stride: i64,
) -> Result<ValueId, FamilyError> {
    let part = |inner: &str| format!("{name}.layers.{inner}");
    let x = net.batch_norm(&part("pre_norm"), input, NORM_EPS)?;
    let x = unit(net, &part("conv_a"), x, Conv::default().kernel(1))?;
    let depthwise = Conv::stride(stride)
        .kernel(3)
        .groups(net.channels(x).unwrap_or(1));
    let x = unit(net, &part("conv_b"), x, depthwise)?;
    let squeeze = part("squeeze_excitation");
    let names = [&*format!("{squeeze}.fc1"), &*format!("{squeeze}.fc2")];
    let x = net.squeeze_excite(x, names, Activation::Silu, Activation::Sigmoid)?;
    let x = net.conv(&part("conv_c"), x, Conv::default().kernel(1))?;
    let mut shortcut = input;
    if stride == 2 {
        shortcut = net.avg_pool(shortcut, Pool::new(3, 2).padding(1), true)?;
    }
    if let Some(projection) = ["proj.1", "proj.0"]
        .map(|end| format!("{name}.{end}"))
        .iter()
        .find(|name| net.weights.has(&format!("{name}.weight")))
    {
        shortcut = net.conv(projection, shortcut, Conv::default().kernel(1))?;
    }
    let output = net.add(shortcut, x)?;
    net.layer(name, output);
    Ok(output)
}

/// Attention and an MLP on parts of the map: neighbours, or positions that lie a window apart.
fn attention_layer(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    map: (usize, usize),
    across: bool,
) -> Result<ValueId, FamilyError> {
    let attention = format!("{name}.attn_layer.1");
    let table = format!("{attention}.relative_position_bias_table");
    let side = net
        .weights
        .length(&table, 0)
        .map_or(7, |length| length.isqrt().div_ceil(2))
        .max(1);
    if !map.0.is_multiple_of(side) || !map.1.is_multiple_of(side) {
        return Err(FamilyError::Shape {
            family: "MaxViT".to_owned(),
            reason: format!(
                "its map of {}x{} is not made of windows of {side}x{side}; use inputs whose sides are multiples of {}",
                map.0,
                map.1,
                32 * side
            ),
        });
    }
    let channels = net.channels(x).unwrap_or(1);
    let (rows, columns) = if across {
        (map.0 / side, map.1 / side)
    } else {
        (side, side)
    };
    let (high, wide) = (map.0 / rows, map.1 / columns);
    let of_images = |lengths: [usize; 5]| -> Vec<i64> {
        let lengths = lengths.map(|length| length as i64);
        std::iter::once(-1).chain(lengths).collect()
    };
    let cut = net.reshape(x, &of_images([channels, high, rows, wide, columns]))?;
    let (cut, tokens) = if across {
        (net.permute(cut, &[0, 3, 5, 2, 4, 1])?, high * wide)
    } else {
        (net.permute(cut, &[0, 2, 4, 3, 5, 1])?, rows * columns)
    };
    let parts = net.reshape(cut, &[-1, tokens as i64, channels as i64])?;
    net.set_channels(parts, Some(channels));
    let mixed = attend(net, name, parts, [tokens, channels], side)?;
    let mixed = net.add(parts, mixed)?;
    let normed = net.layer_norm(&format!("{name}.mlp_layer.0"), mixed, LAYER_NORM_EPS)?;
    let hidden = net.linear(&format!("{name}.mlp_layer.1"), normed)?;
    let hidden = net.activation(Activation::Gelu, hidden)?;
    let made = net.linear(&format!("{name}.mlp_layer.3"), hidden)?;
    let y = net.add(mixed, made)?;
    let y = if across {
        let y = net.reshape(y, &of_images([rows, columns, high, wide, channels]))?;
        net.permute(y, &[0, 5, 3, 1, 4, 2])?
    } else {
        let y = net.reshape(y, &of_images([high, wide, rows, columns, channels]))?;
        net.permute(y, &[0, 5, 1, 3, 2, 4])?
    };
    let shape = [-1, channels as i64, map.0 as i64, map.1 as i64];
    let output = net.reshape(y, &shape)?;
    net.set_channels(output, Some(channels));
    net.layer(name, output);
    Ok(output)
}

/// Attention with position biases inside of each of `[…, tokens, channels]`.
fn attend(
    net: &mut Net<'_>,
    name: &str,
    x: ValueId,
    [tokens, channels]: [usize; 2],
    side: usize,
) -> Result<ValueId, FamilyError> {
    let attention = format!("{name}.attn_layer.1");
    let table = format!("{attention}.relative_position_bias_table");
    let heads = net.weights.length(&table, 1).unwrap_or(1).max(1);
    let normed = net.layer_norm(&format!("{name}.attn_layer.0"), x, LAYER_NORM_EPS)?;
    let all = net.linear(&format!("{attention}.to_qkv"), normed)?;
    let shape = [-1, tokens as i64, heads as i64, (channels / heads) as i64];
    let mut parts = [x; 3];
    for (slot, index) in parts.iter_mut().zip(0_i64..) {
        let part = net.narrow(all, -1, index * channels as i64, channels as i64)?;
        let split = net.reshape(part, &shape)?;
        *slot = net.transpose(split, 1, 2)?;
    }
    let span = 2 * side - 1;
    let biases = net.weight(&table, &[Some(span * span), Some(heads)]);
    let index = net.builder.constant(relative_position_index(side));
    let rows = net.call(
        "index_select",
        &[
            ("self", biases.into()),
            ("dim", 0.into()),
            ("index", index.into()),
        ],
    )?;
    let pairs = net.reshape(rows, &[1, tokens as i64, tokens as i64, heads as i64])?;
    let bias = net.permute(pairs, &[0, 3, 1, 2])?;
    let mixed = net.call(
        "scaled_dot_product_attention",
        &[
            ("query", parts[0].into()),
            ("key", parts[1].into()),
            ("value", parts[2].into()),
            ("attn_mask", bias.into()),
            ("scale", (channels as f64).powf(-0.5).into()),
        ],
    )?;
    let mixed = net.transpose(mixed, 1, 2)?;
    let mixed = net.reshape(mixed, &[-1, tokens as i64, channels as i64])?;
    net.set_channels(mixed, Some(channels));
    net.linear(&format!("{attention}.merge"), mixed)
}
