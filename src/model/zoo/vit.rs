//! Vision transformers: attention between patches of the image.
//!
//! Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words", arXiv 2010.11929, section 3.1; DeiT's
//! distillation token (Touvron et al. 2020, arXiv 2012.12877), layer scale (2021, arXiv 2103.17239)
//! and register tokens (Darcet et al. 2023, arXiv 2309.16588). Names of torchvision, timm and
//! transformers.

mod names;

use super::net::{Activation, Conv, Description, Net};
use super::{FamilyError, Network};
use crate::model::graph::{MapLayout, Operand, ValueId};
use crate::model::recipe::{Interpolation, Recipe};
use names::{Attention, Block, Layout, Outer};

pub(super) const MARKERS: &[&str] = &[
    "encoder.pos_embedding",
    "blocks.0.attn.qkv.weight",
    "vit.encoder.layer.0.layernorm_before.weight",
    "deit.encoder.layer.0.layernorm_before.weight",
    "vit.layers.0.layernorm_before.weight",
    "deit.layers.0.layernorm_before.weight",
];

/// Numbers of a network.
struct Config {
    layout: Layout,
    width: usize,
    heads: usize,
    eps: f64,
    activation: Activation,
    /// Rows and columns of patches.
    grid: (usize, usize),
    /// Class token and others before the patches.
    prefix: usize,
}

impl Config {
    fn map(&self) -> MapLayout {
        MapLayout::Tokens {
            prefix: self.prefix,
            grid: Some(self.grid),
        }
    }

    fn tokens(&self) -> usize {
        self.prefix + self.grid.0 * self.grid.1
    }
}

pub(super) fn build(mut net: Net<'_>) -> Result<Network, FamilyError> {
    let layout = Layout::of(&net.weights);
    let outer = layout.outer();
    let patch_weight = format!("{}.weight", outer.patch);
    let width = net.weights.length(&patch_weight, 0).unwrap_or(0);
    let patch = net.weights.length(&patch_weight, 2).unwrap_or(16).max(1);
    let native = native_side(&net, &outer);
    let size = net.wanted_size.unwrap_or((native * patch, native * patch));
    if !size.0.is_multiple_of(patch) || !size.1.is_multiple_of(patch) {
        return Err(FamilyError::Shape {
            family: "a vision transformer".to_owned(),
            reason: format!(
                "an input of {}x{} is not made of patches of {patch}x{patch}",
                size.0, size.1
            ),
        });
    }
    let prefix_tokens = prefix_tokens(&net, &outer);
    let config = Config {
        layout,
        width,
        heads: heads(&mut net, width),
        eps: eps(&net, layout),
        activation: activation(&net, layout),
        grid: (size.0 / patch, size.1 / patch),
        prefix: prefix_tokens.iter().map(|(_, count)| count).sum(),
    };
    let mut x = embed(&mut net, &config, &outer, patch, native, &prefix_tokens)?;
    if net.weights.has("norm_pre.weight") {
        x = net.layer_norm("norm_pre", x, config.eps)?;
        net.layer_as("norm_pre", x, config.map());
    }
    let mut blocks = 0;
    loop {
        let name = format!("{}{blocks}", outer.blocks);
        let names = layout.block(&name);
        if !net.weights.has(&format!("{}.weight", names.norms[0])) {
            break;
        }
        x = block(&mut net, &config, &name, &names, x)?;
        blocks += 1;
    }
    let logits = head(&mut net, &config, &outer, x)?;
    let last = format!("{}{}", outer.blocks, blocks.max(1) - 1);
    let target_layer = layout.block(&last).norms[0].clone();
    let side = u32::try_from(size.0).unwrap_or(u32::MAX);
    net.finish(
        logits,
        Description {
            family: format!("ViT (width {width}, {blocks} blocks, patches of {patch})"),
            target_layer,
            recipe: recipe(layout, side),
            fixed_size: Some(size),
        },
    )
}

/// torchvision's weights are trained with ImageNet's numbers, those of the paper's authors with 0.5.
fn recipe(layout: Layout, side: u32) -> Recipe {
    match layout {
        Layout::Torchvision => Recipe::imagenet_at(side * 8 / 7, side, Interpolation::Bilinear),
        Layout::Timm => Recipe::imagenet_at(side * 10 / 9, side, Interpolation::Bicubic).half(),
        Layout::Transformers(_) | Layout::Transformers5(_) => Recipe {
            resize: crate::model::recipe::Resize::Squash(side, side),
            crop: None,
            ..Recipe::imagenet().half()
        },
    }
}

/// The tokens before the patches, and how many each weight makes.
fn prefix_tokens(net: &Net<'_>, outer: &Outer) -> Vec<(String, usize)> {
    std::iter::once(&outer.class_token)
        .chain(&outer.other_tokens)
        .filter_map(|name| Some((name.clone(), net.weights.length(name, 1)?)))
        .collect()
}

/// Rows of patches that the position embeddings are made for.
fn native_side(net: &Net<'_>, outer: &Outer) -> usize {
    let length = net.weights.length(&outer.positions, 1).unwrap_or(0);
    let prefix: usize = prefix_tokens(net, outer)
        .iter()
        .map(|(_, count)| count)
        .sum();
    // Some networks have no positions for the tokens before the patches.
    let patches = if length.isqrt().pow(2) == length {
        length
    } else {
        length.saturating_sub(prefix)
    };
    patches.isqrt()
}

fn heads(net: &mut Net<'_>, width: usize) -> usize {
    if let Some(heads) = net
        .weights
        .checkpoint
        .card
        .setting_usize("num_attention_heads")
    {
        return heads.max(1);
    }
    match width {
        1152 | 1280 | 1408 | 1664 => 16,
        192 | 384 | 512 | 768 | 1024 => width / 64,
        _ => {
            net.guesses
                .push("attention has heads of 64 channels".to_owned());
            (width / 64).max(1)
        }
    }
}

fn eps(net: &Net<'_>, layout: Layout) -> f64 {
    match layout {
        // CLIP's encoders have a norm before the blocks and PyTorch's own number.
        Layout::Timm if net.weights.has("norm_pre.weight") => 1e-5,
        Layout::Transformers(_) | Layout::Transformers5(_) => net
            .weights
            .checkpoint
            .card
            .setting_f64("layer_norm_eps")
            .unwrap_or(1e-12),
        Layout::Torchvision | Layout::Timm => 1e-6,
    }
}

fn activation(net: &Net<'_>, layout: Layout) -> Activation {
    let settings = &net.weights.checkpoint.card.settings;
    let text = |name: &str| {
        settings
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let quick = match layout {
        Layout::Timm => text("architecture").contains("quickgelu"),
        _ => text("hidden_act") == "quick_gelu",
    };
    if quick {
        Activation::QuickGelu
    } else {
        Activation::Gelu
    }
}

/// Patches and tokens with their positions, `[batch, tokens, width]`.
fn embed(
    net: &mut Net<'_>,
    config: &Config,
    outer: &Outer,
    patch: usize,
    native: usize,
    prefix_tokens: &[(String, usize)],
) -> Result<ValueId, FamilyError> {
    let input = net.input();
    let patches = net.conv(&outer.patch, input, Conv::stride(patch as i64).padding(0))?;
    let flat = net.flatten(patches, 2)?;
    let patches = net.transpose(flat, 1, 2)?;
    let length = net.weights.length(&outer.positions, 1).unwrap_or(0);
    let only_patches = length == native * native;
    let skipped = if only_patches { 0 } else { config.prefix };
    let positions = net.weight(&outer.positions, &[Some(1), None, Some(config.width)]);
    let positions = interpolated(net, config, positions, native, skipped)?;
    let mut parts = Vec::new();
    for (name, _) in prefix_tokens {
        let token = net.weight(name, &[Some(1), None, Some(config.width)]);
        let length = net.weights.length(name, 1).unwrap_or(1);
        // As many as there are images.
        let each = net.narrow(patches, 1, 0, length as i64)?;
        parts.push(net.call(
            "expand_as",
            &[("self", token.into()), ("other", each.into())],
        )?);
    }
    let mut x = patches;
    if only_patches {
        x = net.add(x, positions)?;
    }
    if !parts.is_empty() {
        parts.push(x);
        x = net.call(
            "cat",
            &[
                ("tensors", Operand::from(parts.as_slice())),
                ("dim", 1.into()),
            ],
        )?;
    }
    if !only_patches {
        x = net.add(x, positions)?;
    }
    net.set_channels(x, Some(config.width));
    Ok(x)
}

/// Position embeddings for another number of patches, as each library makes them.
fn interpolated(
    net: &mut Net<'_>,
    config: &Config,
    positions: ValueId,
    native: usize,
    skipped: usize,
) -> Result<ValueId, FamilyError> {
    if config.grid == (native, native) {
        return Ok(positions);
    }
    let (rows, columns) = (config.grid.0 as i64, config.grid.1 as i64);
    let count = (native * native) as i64;
    let grid = net.narrow(positions, 1, skipped as i64, count)?;
    let grid = net.reshape(
        grid,
        &[1, native as i64, native as i64, config.width as i64],
    )?;
    let grid = net.permute(grid, &[0, 3, 1, 2])?;
    let (operator, corners) = match config.layout {
        Layout::Torchvision => ("upsample_bicubic2d", true),
        Layout::Timm => ("_upsample_bicubic2d_aa", false),
        _ => ("upsample_bicubic2d", false),
    };
    let grid = net.call(
        operator,
        &[
            ("self", grid.into()),
            ("output_size", [rows, columns].into()),
            ("align_corners", corners.into()),
        ],
    )?;
    let grid = net.permute(grid, &[0, 2, 3, 1])?;
    let grid = net.reshape(grid, &[1, rows * columns, config.width as i64])?;
    if skipped == 0 {
        return Ok(grid);
    }
    let first = net.narrow(positions, 1, 0, skipped as i64)?;
    net.call(
        "cat",
        &[
            ("tensors", Operand::from(&[first, grid][..])),
            ("dim", 1.into()),
        ],
    )
}

fn block(
    net: &mut Net<'_>,
    config: &Config,
    name: &str,
    names: &Block,
    input: ValueId,
) -> Result<ValueId, FamilyError> {
    let normed = net.layer_norm(&names.norms[0], input, config.eps)?;
    net.layer_as(&names.norms[0], normed, config.map());
    let attended = attention(net, config, name, names, normed)?;
    let attended = scaled(net, &names.scales[0], attended)?;
    let x = net.add(input, attended)?;
    let normed = net.layer_norm(&names.norms[1], x, config.eps)?;
    net.layer_as(&names.norms[1], normed, config.map());
    // Older checkpoints of torchvision have other names in the MLP.
    let old = [
        format!("{name}.mlp.linear_1"),
        format!("{name}.mlp.linear_2"),
    ];
    let mlp = if net.weights.has(&format!("{}.weight", old[0])) {
        &old
    } else {
        &names.mlp
    };
    let hidden = net.linear(&mlp[0], normed)?;
    let hidden = net.activation(config.activation, hidden)?;
    let made = net.linear(&mlp[1], hidden)?;
    let made = scaled(net, &names.scales[1], made)?;
    let output = net.add(x, made)?;
    net.layer_as(name, output, config.map());
    Ok(output)
}

/// Layer scale, where the block has it.
fn scaled(net: &mut Net<'_>, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
    if !net.weights.has(name) {
        return Ok(x);
    }
    let scale = net.weight(name, &[net.channels(x)]);
    net.mul(x, scale)
}

fn attention(
    net: &mut Net<'_>,
    config: &Config,
    name: &str,
    names: &Block,
    x: ValueId,
) -> Result<ValueId, FamilyError> {
    let width = config.width as i64;
    let [query, key, value] = match &names.attention {
        Attention::Separate(parts) => {
            let mut made = [x; 3];
            for (slot, part) in made.iter_mut().zip(parts) {
                *slot = net.linear(part, x)?;
            }
            made
        }
        Attention::Fused([weight, bias]) => {
            let all = net.linear_of(weight, bias, x)?;
            let mut made = [x; 3];
            for (slot, start) in made.iter_mut().zip([0, width, 2 * width]) {
                *slot = net.narrow(all, -1, start, width)?;
            }
            made
        }
    };
    let [query, key, value] = [
        in_heads(net, config, query)?,
        in_heads(net, config, key)?,
        in_heads(net, config, value)?,
    ];
    let query = head_norm(net, config, &format!("{name}.attn.q_norm"), query)?;
    let key = head_norm(net, config, &format!("{name}.attn.k_norm"), key)?;
    let mixed = net.call(
        "scaled_dot_product_attention",
        &[
            ("query", query.into()),
            ("key", key.into()),
            ("value", value.into()),
        ],
    )?;
    let mixed = net.transpose(mixed, 1, 2)?;
    let mixed = net.reshape(mixed, &[-1, config.tokens() as i64, width])?;
    net.set_channels(mixed, Some(config.width));
    let output = net.linear(&names.projection, mixed)?;
    net.layer_as(&names.projection, output, config.map());
    Ok(output)
}

/// `[batch, tokens, width]` as `[batch, heads, tokens, width / heads]`.
fn in_heads(net: &mut Net<'_>, config: &Config, x: ValueId) -> Result<ValueId, FamilyError> {
    let per_head = config.width / config.heads.max(1);
    let split = net.reshape(
        x,
        &[
            -1,
            config.tokens() as i64,
            config.heads as i64,
            per_head as i64,
        ],
    )?;
    net.transpose(split, 1, 2)
}

/// The layer norm of queries and keys, where the network has it.
fn head_norm(
    net: &mut Net<'_>,
    config: &Config,
    name: &str,
    x: ValueId,
) -> Result<ValueId, FamilyError> {
    if net.weights.has(&format!("{name}.weight")) {
        net.layer_norm(name, x, config.eps)
    } else {
        Ok(x)
    }
}

fn head(
    net: &mut Net<'_>,
    config: &Config,
    outer: &Outer,
    x: ValueId,
) -> Result<ValueId, FamilyError> {
    let token = |net: &mut Net<'_>, x: ValueId, index: i64| -> Result<ValueId, FamilyError> {
        net.same(
            "select.int",
            x,
            &[
                ("self", x.into()),
                ("dim", 1.into()),
                ("index", index.into()),
            ],
        )
    };
    if net.weights.has("fc_norm.weight") || config.prefix == 0 {
        let mut x = x;
        if net.weights.has(&format!("{}.weight", outer.norm)) {
            x = net.layer_norm(&outer.norm, x, config.eps)?;
            net.layer_as(&outer.norm, x, config.map());
        }
        let patches = net.narrow(
            x,
            1,
            config.prefix as i64,
            (config.grid.0 * config.grid.1) as i64,
        )?;
        net.set_channels(patches, Some(config.width));
        let mut pooled = net.same(
            "mean.dim",
            patches,
            &[("self", patches.into()), ("dim", [1].into())],
        )?;
        if net.weights.has("fc_norm.weight") {
            pooled = net.layer_norm("fc_norm", pooled, config.eps)?;
        }
        return net.head(outer.head, pooled, Activation::Gelu);
    }
    let normed = net.layer_norm(&outer.norm, x, config.eps)?;
    net.layer_as(&outer.norm, normed, config.map());
    let class = token(net, normed, 0)?;
    // With a distillation token there is a head for each of the two, in timm and in transformers.
    let with_teacher = net.weights.has("cls_classifier.weight");
    let (name, other) = if with_teacher {
        ("cls_classifier", "distillation_classifier")
    } else {
        (outer.head, "head_dist")
    };
    let logits = net.head(name, class, Activation::Tanh)?;
    if !net.weights.has(&format!("{other}.weight")) {
        return Ok(logits);
    }
    let distilled = token(net, normed, 1)?;
    let other = net.linear(other, distilled)?;
    let sum = net.add(logits, other)?;
    net.scale(sum, 0.5)
}
