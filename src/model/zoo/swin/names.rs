//! What the modules of a Swin transformer are called, layout by layout.

use super::super::weights::Weights;

/// A layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Torchvision,
    Timm,
    /// As published checkpoints of transformers are, under this outermost name.
    Transformers(&'static str),
    /// As the state dicts of transformers 5 are in memory.
    Transformers5(&'static str),
}

/// Modules of one block.
pub(super) struct Block {
    pub(super) norms: [String; 2],
    /// The module of attention itself.
    pub(super) attention: String,
    /// Query, key and value: one module for all, or three.
    pub(super) inputs: Vec<String>,
    pub(super) projection: String,
    pub(super) bias_table: String,
    pub(super) logit_scale: String,
    /// The two linear layers that make position biases of version 2.
    pub(super) bias_mlp: [String; 2],
    pub(super) mlp: [String; 2],
}

impl Layout {
    pub(super) fn of(weights: &Weights<'_>) -> Self {
        if weights.has("features.1.0.attn.qkv.weight") {
            return Self::Torchvision;
        }
        for outer in ["swin", "swinv2"] {
            let block = format!("{outer}.encoder.layers.0.blocks.0.attention");
            if weights.has(&format!("{block}.self.query.weight")) {
                return Self::Transformers(outer);
            }
            if weights.has(&format!("{block}.q_proj.weight")) {
                return Self::Transformers5(outer);
            }
        }
        Self::Timm
    }

    /// The first convolution and the layer norm behind it.
    pub(super) fn embedding(self) -> [String; 2] {
        match self {
            Self::Torchvision => ["features.0.0", "features.0.2"].map(str::to_owned),
            Self::Timm => ["patch_embed.proj", "patch_embed.norm"].map(str::to_owned),
            Self::Transformers(outer) | Self::Transformers5(outer) => {
                ["patch_embeddings.projection", "norm"]
                    .map(|part| format!("{outer}.embeddings.{part}"))
            }
        }
    }

    pub(super) fn stage(self, stage: usize) -> String {
        match self {
            Self::Torchvision => format!("features.{}", 2 * stage + 1),
            Self::Timm => format!("layers.{stage}"),
            Self::Transformers(outer) | Self::Transformers5(outer) => {
                format!("{outer}.encoder.layers.{stage}")
            }
        }
    }

    /// The module whose children are a stage's blocks.
    pub(super) fn blocks(self, stage: usize) -> String {
        match self {
            Self::Torchvision => self.stage(stage),
            _ => format!("{}.blocks", self.stage(stage)),
        }
    }

    /// The patch merging between a stage and the next.
    pub(super) fn merging(self, after: usize) -> String {
        match self {
            Self::Torchvision => format!("features.{}", 2 * after + 2),
            Self::Timm => format!("layers.{}.downsample", after + 1),
            _ => format!("{}.downsample", self.stage(after)),
        }
    }

    pub(super) fn norm(self) -> String {
        match self {
            Self::Torchvision | Self::Timm => "norm".to_owned(),
            Self::Transformers(outer) | Self::Transformers5(outer) => format!("{outer}.layernorm"),
        }
    }

    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Torchvision | Self::Timm => "head",
            _ => "classifier",
        }
    }

    /// Whether modules pass `[batch, tokens, channels]` on.
    pub(super) fn in_tokens(self) -> bool {
        matches!(self, Self::Transformers(_) | Self::Transformers5(_))
    }

    pub(super) fn block(self, name: &str) -> Block {
        let part = |inner: &str| format!("{name}.{inner}");
        let parts = |names: &[&str]| names.iter().map(|inner| part(inner)).collect();
        match self {
            Self::Torchvision | Self::Timm => Block {
                norms: [part("norm1"), part("norm2")],
                attention: part("attn"),
                inputs: parts(&["attn.qkv"]),
                projection: part("attn.proj"),
                bias_table: part("attn.relative_position_bias_table"),
                logit_scale: part("attn.logit_scale"),
                bias_mlp: [part("attn.cpb_mlp.0"), part("attn.cpb_mlp.2")],
                mlp: match self {
                    Self::Torchvision => [part("mlp.0"), part("mlp.3")],
                    _ => [part("mlp.fc1"), part("mlp.fc2")],
                },
            },
            Self::Transformers(_) => Block {
                norms: [part("layernorm_before"), part("layernorm_after")],
                attention: part("attention"),
                inputs: parts(&[
                    "attention.self.query",
                    "attention.self.key",
                    "attention.self.value",
                ]),
                projection: part("attention.output.dense"),
                bias_table: part("attention.self.relative_position_bias_table"),
                logit_scale: part("attention.self.logit_scale"),
                bias_mlp: ["0", "2"].map(|end| {
                    part(&format!(
                        "attention.self.continuous_position_bias_mlp.{end}"
                    ))
                }),
                mlp: [part("intermediate.dense"), part("output.dense")],
            },
            Self::Transformers5(_) => Block {
                norms: [part("layernorm_before"), part("layernorm_after")],
                attention: part("attention"),
                inputs: parts(&["attention.q_proj", "attention.k_proj", "attention.v_proj"]),
                projection: part("attention.o_proj"),
                bias_table: part("attention.relative_position_bias.relative_position_bias_table"),
                logit_scale: part("attention.logit_scale"),
                bias_mlp: ["0", "2"]
                    .map(|end| part(&format!("attention.continuous_position_bias_mlp.{end}"))),
                mlp: [part("mlp.fc1"), part("mlp.fc2")],
            },
        }
    }
}
