//! What the modules of a vision transformer are called, layout by layout.

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

/// Modules and weights outside of the blocks.
pub(super) struct Outer {
    pub(super) patch: String,
    pub(super) class_token: String,
    /// Tokens after the class token.
    pub(super) other_tokens: Vec<String>,
    pub(super) positions: String,
    /// The module whose children are the blocks, and what stands before their numbers.
    pub(super) blocks: String,
    pub(super) norm: String,
    pub(super) head: &'static str,
}

/// Modules of one block.
pub(super) struct Block {
    pub(super) norms: [String; 2],
    pub(super) attention: Attention,
    pub(super) projection: String,
    pub(super) mlp: [String; 2],
    /// Layer scales after attention and after the MLP.
    pub(super) scales: [String; 2],
}

/// How queries, keys and values are made.
pub(super) enum Attention {
    /// One linear layer for all: its weight and its bias.
    Fused([String; 2]),
    /// One for each.
    Separate([String; 3]),
}

impl Layout {
    pub(super) fn of(weights: &Weights<'_>) -> Self {
        if weights.has("encoder.pos_embedding") {
            return Self::Torchvision;
        }
        for outer in ["vit", "deit"] {
            if weights.has(&format!("{outer}.encoder.layer.0.layernorm_before.weight")) {
                return Self::Transformers(outer);
            }
            if weights.has(&format!("{outer}.layers.0.layernorm_before.weight")) {
                return Self::Transformers5(outer);
            }
        }
        Self::Timm
    }

    pub(super) fn outer(self) -> Outer {
        match self {
            Self::Torchvision => Outer {
                patch: "conv_proj".to_owned(),
                class_token: "class_token".to_owned(),
                other_tokens: Vec::new(),
                positions: "encoder.pos_embedding".to_owned(),
                blocks: "encoder.layers.encoder_layer_".to_owned(),
                norm: "encoder.ln".to_owned(),
                head: "heads",
            },
            Self::Timm => Outer {
                patch: "patch_embed.proj".to_owned(),
                class_token: "cls_token".to_owned(),
                other_tokens: vec!["dist_token".to_owned(), "reg_token".to_owned()],
                positions: "pos_embed".to_owned(),
                blocks: "blocks.".to_owned(),
                norm: "norm".to_owned(),
                head: "head",
            },
            Self::Transformers(outer) | Self::Transformers5(outer) => {
                let embedding = |part: &str| format!("{outer}.embeddings.{part}");
                Outer {
                    patch: embedding("patch_embeddings.projection"),
                    class_token: embedding("cls_token"),
                    other_tokens: vec![embedding("distillation_token")],
                    positions: embedding("position_embeddings"),
                    blocks: match self {
                        Self::Transformers5(_) => format!("{outer}.layers."),
                        _ => format!("{outer}.encoder.layer."),
                    },
                    norm: format!("{outer}.layernorm"),
                    head: "classifier",
                }
            }
        }
    }

    pub(super) fn block(self, name: &str) -> Block {
        let part = |inner: &str| format!("{name}.{inner}");
        let scales = [part("ls1.gamma"), part("ls2.gamma")];
        let separate = |parts: [&str; 3]| Attention::Separate(parts.map(part));
        match self {
            Self::Torchvision => Block {
                norms: [part("ln_1"), part("ln_2")],
                attention: Attention::Fused(
                    [
                        "self_attention.in_proj_weight",
                        "self_attention.in_proj_bias",
                    ]
                    .map(part),
                ),
                projection: part("self_attention.out_proj"),
                mlp: [part("mlp.0"), part("mlp.3")],
                scales,
            },
            Self::Timm => Block {
                norms: [part("norm1"), part("norm2")],
                attention: Attention::Fused(["attn.qkv.weight", "attn.qkv.bias"].map(part)),
                projection: part("attn.proj"),
                mlp: [part("mlp.fc1"), part("mlp.fc2")],
                scales,
            },
            Self::Transformers(_) => Block {
                norms: [part("layernorm_before"), part("layernorm_after")],
                attention: separate([
                    "attention.attention.query",
                    "attention.attention.key",
                    "attention.attention.value",
                ]),
                projection: part("attention.output.dense"),
                mlp: [part("intermediate.dense"), part("output.dense")],
                scales,
            },
            Self::Transformers5(_) => Block {
                norms: [part("layernorm_before"), part("layernorm_after")],
                attention: separate(["attention.q_proj", "attention.k_proj", "attention.v_proj"]),
                projection: part("attention.o_proj"),
                mlp: [part("mlp.fc1"), part("mlp.fc2")],
                scales,
            },
        }
    }
}
