//! Swin transformers: attention inside of windows, on maps that shrink from stage to stage.
//!
//! Liu et al. 2021, arXiv 2103.14030, figure 3; version 2 (arXiv 2111.09883, section 3.2 and 3.3)
//! normalises after attention and MLP, compares by cosine, and makes position biases by a small
//! network. Names of torchvision, timm and transformers.

mod names;
mod windows;

use tch::Tensor;

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::{MapLayout, ValueId};
use crate::model::recipe::{Interpolation, Recipe};
use names::{Block, Layout};
use windows::{Windows, log_positions};

pub(super) use windows::relative_position_index;

pub(super) const MARKERS: &[&str] = &[
    "features.1.0.attn.qkv.weight",
    "layers.0.blocks.0.attn.qkv.weight",
    "swin.encoder.layers.0.blocks.0.layernorm_before.weight",
    "swinv2.encoder.layers.0.blocks.0.layernorm_before.weight",
];

const EPS: f64 = 1e-5;
/// Side of a patch.
const PATCH: usize = 4;
/// Largest factor of the logits of version 2.
const MAX_SCALE: f64 = 100.0;

/// What is the same in the whole network.
struct Config {
    layout: Layout,
    second: bool,
    /// Side of the windows of version 2, whose weights do not tell it.
    window: usize,
    /// The same in training, where it was another.
    trained: Vec<usize>,
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let layout = Layout::of(&net.weights);
    let first = layout.block(&format!("{}.0", layout.blocks(0)));
    let second = net.weights.has(&first.logit_scale);
    let (window, native) = native(&mut net, layout, &first, second);
    let card = &net.weights.checkpoint.card;
    let trained = card
        .settings
        .get("pretrained_window_sizes")
        .and_then(serde_json::Value::as_array);
    let trained = trained.map_or_else(Vec::new, |sides| {
        sides
            .iter()
            .map(|side| side.as_u64().unwrap_or(0).try_into().unwrap_or(0))
            .collect()
    });
    // These are buffers that the graph computes itself.
    net.weights.skip(|name| {
        [
            "relative_position_index",
            "relative_coords_table",
            "attn_mask",
        ]
        .iter()
        .any(|buffer| name.ends_with(buffer))
    });
    let config = Config {
        layout,
        second,
        window,
        trained,
    };
    let size = net.wanted_size.unwrap_or((native, native));
    let mut map = (size.0 / PATCH, size.1 / PATCH);
    let mut x = embed(&mut net, layout)?;
    let mut depths = Vec::new();
    for stage in 0.. {
        let blocks = net.weights.blocks(&layout.blocks(stage));
        if blocks == 0 {
            break;
        }
        for number in 0..blocks {
            let name = format!("{}.{number}", layout.blocks(stage));
            x = block(&mut net, &config, &name, x, map, (stage, number))?;
        }
        depths.push(blocks);
        let merging = layout.merging(stage);
        let goes_on = net.weights.has(&format!("{merging}.reduction.weight"));
        if layout != Layout::Timm || !goes_on {
            // transformers counts the merging to the stage before it.
            if !layout.in_tokens() || !goes_on {
                x = noted(&mut net, layout, &layout.stage(stage), x, map)?;
            }
        } else {
            net.layer_as(&layout.stage(stage), x, MapLayout::ChannelsLast);
        }
        if goes_on {
            x = merge(&mut net, &config, &merging, x, map)?;
            map = (map.0.div_ceil(2), map.1.div_ceil(2));
            if layout.in_tokens() {
                x = noted(&mut net, layout, &layout.stage(stage), x, map)?;
            }
        }
    }
    let norm = layout.norm();
    let normed = net.layer_norm(&norm, x, EPS)?;
    let normed = noted(&mut net, layout, &norm, normed, map)?;
    let pooled = net.same(
        "mean.dim",
        normed,
        &[("self", normed.into()), ("dim", [1, 2].into())],
    )?;
    let logits = net.head(layout.head(), pooled, Activation::Gelu)?;
    let version = if second { " v2" } else { "" };
    net.finish(
        logits,
        Description {
            family: format!(
                "Swin{version} (stages of {})",
                depths
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("-")
            ),
            target_layer: norm,
            recipe: recipe(
                layout,
                second,
                depths.get(2) == Some(&6),
                u32::try_from(size.0).unwrap_or(u32::MAX),
            ),
            fixed_size: Some(size),
        },
    )
}

/// torchvision's published sizes; elsewhere the authors': the crop is 0.9 of the shorter side.
fn recipe(layout: Layout, second: bool, tiny: bool, side: u32) -> Recipe {
    let resize = match (layout, second, side) {
        (Layout::Torchvision, false, 224) if tiny => 232,
        (Layout::Torchvision, false, 224) => 246,
        (Layout::Torchvision, true, 256) => 260,
        _ => side * 10 / 9,
    };
    Recipe::imagenet_at(resize, side, Interpolation::Bicubic)
}

/// Side of the windows of version 2, and of the images that the network is made for.
fn native(net: &mut Net<'_>, layout: Layout, first: &Block, second: bool) -> (usize, usize) {
    let card = &net.weights.checkpoint.card;
    let table = net
        .weights
        .length(&first.bias_table, 0)
        .map(|length| length.isqrt().div_ceil(2));
    let index = net
        .weights
        .length(&format!("{}.relative_position_index", first.attention), 0);
    let named = card
        .settings
        .get("architecture")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let number_after = |word: &str| -> Option<usize> {
        let rest = named.split(word).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    let window = table
        .or_else(|| card.setting_usize("window_size"))
        .or_else(|| index.map(|length| length.isqrt().isqrt()))
        .or_else(|| number_after("window"));
    if window.is_none() {
        net.guesses
            .push("the windows have 8x8 positions".to_owned());
    }
    let window = window.unwrap_or(8);
    let size = net.weights.checkpoint.card.setting_usize("image_size");
    let size = size.or_else(|| named.rsplit('_').next()?.parse().ok());
    let size = size.unwrap_or(match (layout, second) {
        (_, false) => window * 32,
        (_, true) if window == 24 => 384,
        (_, true) => 256,
    });
    (window, size)
}

/// Patches as `[1, height, width, channels]`.
fn embed(net: &mut Net<'_>, layout: Layout) -> Result<ValueId, FamilyError> {
    let [conv, norm] = layout.embedding();
    let input = net.input();
    let patches = net.conv(
        &conv,
        input,
        Conv::stride(PATCH as i64).kernel(PATCH).padding(0),
    )?;
    let last = net.permute(patches, &[0, 2, 3, 1])?;
    let x = net.layer_norm(&norm, last, EPS)?;
    let name = if layout == Layout::Torchvision {
        "features.0".to_owned()
    } else {
        norm
    };
    net.layer_as(&name, x, MapLayout::ChannelsLast);
    Ok(x)
}

/// Notes a layer's output; transformers has its positions in a row.
fn noted(
    net: &mut Net<'_>,
    layout: Layout,
    name: &str,
    x: ValueId,
    map: (usize, usize),
) -> Result<ValueId, FamilyError> {
    if !layout.in_tokens() {
        net.layer_as(name, x, MapLayout::ChannelsLast);
        return Ok(x);
    }
    let channels = net.channels(x);
    let flat = net.call(
        "flatten.using_ints",
        &[
            ("self", x.into()),
            ("start_dim", 1.into()),
            ("end_dim", 2.into()),
        ],
    )?;
    net.layer_as(
        name,
        flat,
        MapLayout::Tokens {
            prefix: 0,
            grid: Some(map),
        },
    );
    let x = net.reshape(
        flat,
        &[-1, map.0 as i64, map.1 as i64, channels.unwrap_or(1) as i64],
    )?;
    net.set_channels(x, channels);
    Ok(x)
}

fn block(
    net: &mut Net<'_>,
    config: &Config,
    name: &str,
    input: ValueId,
    map: (usize, usize),
    (stage, number): (usize, usize),
) -> Result<ValueId, FamilyError> {
    let names = config.layout.block(name);
    let table = net
        .weights
        .length(&names.bias_table, 0)
        .map(|length| length.isqrt().div_ceil(2));
    // A map smaller than the windows of version 2 is one window.
    let smallest = map.0.min(map.1);
    let side = match table {
        Some(side) => side,
        None if config.layout == Layout::Torchvision => config.window,
        None => config.window.min(smallest),
    };
    let windows = Windows::new(map, side, number % 2 == 1);
    let trained = config
        .trained
        .get(stage)
        .copied()
        .filter(|side| *side > 0)
        .unwrap_or(side);
    let mut x = if config.second {
        input
    } else {
        normed(net, &names.norms[0], input)?
    };
    x = attention(net, config, &names, x, &windows, trained)?;
    if config.second {
        x = normed(net, &names.norms[0], x)?;
    }
    let middle = net.add(input, x)?;
    let mut y = if config.second {
        middle
    } else {
        normed(net, &names.norms[1], middle)?
    };
    y = net.linear(&names.mlp[0], y)?;
    y = net.activation(Activation::Gelu, y)?;
    y = net.linear(&names.mlp[1], y)?;
    if config.second {
        y = normed(net, &names.norms[1], y)?;
    }
    let output = net.add(middle, y)?;
    noted(net, config.layout, name, output, map)
}

fn normed(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    let output = net.layer_norm(name, x, EPS)?;
    net.layer_as(name, output, MapLayout::ChannelsLast);
    Ok(output)
}

fn attention(
    net: &mut Net<'_>,
    config: &Config,
    names: &Block,
    x: ValueId,
    windows: &Windows,
    trained: usize,
) -> Result<ValueId, FamilyError> {
    let channels = net.channels(x).unwrap_or(1);
    let heads = net
        .weights
        .length(&names.logit_scale, 0)
        .or_else(|| net.weights.length(&names.bias_table, 1))
        .unwrap_or(1)
        .max(1);
    let cut = windows.cut(net, x, channels)?;
    let [query, key, value] = queries(net, names, cut, channels)?;
    let in_heads = |net: &mut Net<'_>, part: ValueId| -> Result<ValueId, FamilyError> {
        let [tokens, heads, each] =
            [windows.tokens(), heads, channels / heads].map(|length| length as i64);
        let shape = [-1, tokens, heads, each];
        let split = net.reshape(part, &shape)?;
        net.transpose(split, 1, 2)
    };
    let (mut query, mut key, value) = (
        in_heads(net, query)?,
        in_heads(net, key)?,
        in_heads(net, value)?,
    );
    let mut scale = None;
    if config.second {
        query = cosine(net, query)?;
        key = cosine(net, key)?;
        let factor = net.weight(&names.logit_scale, &[Some(heads), Some(1), Some(1)]);
        let factor = net.call(
            "clamp_max",
            &[("self", factor.into()), ("max", MAX_SCALE.ln().into())],
        )?;
        let factor = net.call("exp", &[("self", factor.into())])?;
        query = net.mul(query, factor)?;
        scale = Some(1.0);
    }
    let mut bias = position_bias(net, names, windows, heads, trained)?;
    if let Some(mask) = windows.mask() {
        let mask = net.builder.constant(mask);
        bias = net.add(bias, mask)?;
        bias = windows.for_each_image(net, bias, query, heads)?;
    }
    let mixed = net.call(
        "scaled_dot_product_attention",
        &[
            ("query", query.into()),
            ("key", key.into()),
            ("value", value.into()),
            ("attn_mask", bias.into()),
            ("scale", scale.into()),
        ],
    )?;
    let mixed = net.transpose(mixed, 1, 2)?;
    let shape = [-1, windows.tokens() as i64, channels as i64];
    let mixed = net.reshape(mixed, &shape)?;
    net.set_channels(mixed, Some(channels));
    let projected = net.linear(&names.projection, mixed)?;
    let output = windows.joined(net, projected, channels)?;
    match config.layout {
        Layout::Torchvision => net.layer_as(&names.attention, output, MapLayout::ChannelsLast),
        // The other libraries' modules work on windows, not on the map.
        _ => net.builder.layer(&names.attention, projected, None),
    }
    Ok(output)
}

/// Query, key and value of `[windows, tokens, channels]`. In version 2 keys have no bias; a fused
/// bias has zeros there, or is split in two.
fn queries(
    net: &mut Net<'_>,
    names: &Block,
    x: ValueId,
    channels: usize,
) -> Result<[ValueId; 3], FamilyError> {
    let width = channels as i64;
    let mut made = [x; 3];
    let [fused] = names.inputs.as_slice() else {
        for (slot, name) in made.iter_mut().zip(&names.inputs) {
            *slot = net.linear(name, x)?;
        }
        return Ok(made);
    };
    let second = net.weights.has(&names.logit_scale);
    let weight = net.weight(
        &format!("{fused}.weight"),
        &[Some(3 * channels), Some(channels)],
    );
    let whole = format!("{fused}.bias");
    let split = ["q_bias", "v_bias"].map(|part| format!("{}.{part}", names.attention));
    let bias = if net.weights.has(&whole) {
        let bias = net.weight(&whole, &[Some(3 * channels)]);
        if second {
            let mut kept = vec![1.0_f32; 3 * channels];
            kept[channels..2 * channels].fill(0.0);
            let kept = net.builder.constant(Tensor::from_slice(&kept));
            Some(net.mul(bias, kept)?)
        } else {
            Some(bias)
        }
    } else if net.weights.has(&split[0]) {
        let query = net.weight(&split[0], &[Some(channels)]);
        let none = net
            .builder
            .constant(Tensor::zeros([width], (tch::Kind::Float, tch::Device::Cpu)));
        let value = net.weight(&split[1], &[Some(channels)]);
        Some(net.call("cat", &[("tensors", (&[query, none, value][..]).into())])?)
    } else {
        None
    };
    let all = net.call(
        "linear",
        &[
            ("input", x.into()),
            ("weight", weight.into()),
            ("bias", bias.into()),
        ],
    )?;
    for (slot, start) in made.iter_mut().zip([0, width, 2 * width]) {
        *slot = net.narrow(all, -1, start, width)?;
    }
    Ok(made)
}

/// Vectors of length one.
fn cosine(net: &mut Net<'_>, x: ValueId) -> Result<ValueId, FamilyError> {
    let norm = net.call(
        "linalg_vector_norm",
        &[
            ("self", x.into()),
            ("dim", [-1].into()),
            ("keepdim", true.into()),
        ],
    )?;
    let norm = net.call("clamp_min", &[("self", norm.into()), ("min", 1e-12.into())])?;
    net.call("div.Tensor", &[("self", x.into()), ("other", norm.into())])
}

/// What is added to attention by relative position, `[1, heads, tokens, tokens]`.
fn position_bias(
    net: &mut Net<'_>,
    names: &Block,
    windows: &Windows,
    heads: usize,
    trained: usize,
) -> Result<ValueId, FamilyError> {
    let span = 2 * windows.side - 1;
    let second = net.weights.has(&names.logit_scale);
    let table = if second {
        let saved = format!("{}.relative_coords_table", names.attention);
        let positions = if net.weights.has(&saved) {
            let saved = net.weight(&saved, &[Some(1), Some(span), Some(span), Some(2)]);
            net.reshape(saved, &[-1, 2])?
        } else {
            net.builder.constant(log_positions(windows.side, trained))
        };
        let hidden = net.linear(&names.bias_mlp[0], positions)?;
        let hidden = net.relu(hidden)?;
        net.linear(&names.bias_mlp[1], hidden)?
    } else {
        net.weight(&names.bias_table, &[Some(span * span), Some(heads)])
    };
    let index = net.builder.constant(relative_position_index(windows.side));
    let rows = net.call(
        "index_select",
        &[
            ("self", table.into()),
            ("dim", 0.into()),
            ("index", index.into()),
        ],
    )?;
    let tokens = windows.tokens() as i64;
    let pairs = net.reshape(rows, &[1, tokens, tokens, heads as i64])?;
    let mut bias = net.permute(pairs, &[0, 3, 1, 2])?;
    if second {
        bias = net.activation(Activation::Sigmoid, bias)?;
        bias = net.scale(bias, 16.0)?;
    }
    Ok(bias)
}

/// Joins the channels of squares of four positions; version 2 normalises afterwards.
fn merge(
    net: &mut Net<'_>,
    config: &Config,
    name: &str,
    x: ValueId,
    map: (usize, usize),
) -> Result<ValueId, FamilyError> {
    let channels = net.channels(x).unwrap_or(1);
    let mut x = x;
    if map.0 % 2 + map.1 % 2 > 0 {
        let pad = [0, 0, 0, (map.1 % 2) as i64, 0, (map.0 % 2) as i64];
        x = net.call(
            "constant_pad_nd",
            &[("self", x.into()), ("pad", pad.into())],
        )?;
    }
    let mut parts = Vec::new();
    for (row, column) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let mut part = x;
        for (axis, start) in [(1, row), (2, column)] {
            part = net.call(
                "slice.Tensor",
                &[
                    ("self", part.into()),
                    ("dim", axis.into()),
                    ("start", start.into()),
                    ("step", 2.into()),
                ],
            )?;
        }
        parts.push(part);
    }
    let joined = net.call(
        "cat",
        &[("tensors", parts.as_slice().into()), ("dim", (-1).into())],
    )?;
    net.set_channels(joined, Some(4 * channels));
    let (norm, reduction) = (format!("{name}.norm"), format!("{name}.reduction"));
    let output = if config.second {
        let reduced = net.linear(&reduction, joined)?;
        net.layer_norm(&norm, reduced, EPS)?
    } else {
        let normed = net.layer_norm(&norm, joined, EPS)?;
        net.linear(&reduction, normed)?
    };
    net.layer_as(name, output, MapLayout::ChannelsLast);
    Ok(output)
}
