//! Gradient attention rollout: which patches the score comes from, by the attention that raises it.
//!
//! `R ← R + E_h[ReLU(∂y_c/∂A ∘ A)] R` block by block, from `R = I` on, with `A` the attention
//! probabilities and the mean over the heads `h` (Chefer et al. 2021, "Generic Attention-model
//! Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers", arXiv 2103.15679,
//! equations 5 and 6, the rule for self-attention). Of the gradient-weighted forms of rollout this is
//! the one of the literature; vit-explain's, which averages `A` times its gradient and scales rows, is
//! another. The map is the row of the class token in `R - I`; where the network averages its patches
//! instead, the mean of their rows.

use tch::{Kind, Tensor};

use super::attention::Attention;
use super::{Case, Evidence, Method, Reads, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "Gradient attention rollout",
    key: "gradient-attention-rollout",
    summary: "attention that raises the score, through all blocks",
    paper: "Chefer et al. 2021, arXiv 2103.15679",
    reads: Reads::Attention,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let attention = Attention::of(case, METHOD.name, true)?;
    let relations = relations(&attention)?;
    let others = relations.f_sub(&attention.identity()?)?;
    Ok(Evidence::Map(attention.map(&others)?))
}

/// `R` after the last block, `[tokens, tokens]`.
fn relations(attention: &Attention) -> Result<Tensor, ExplainError> {
    let mut relations = attention.identity()?;
    let blocks = attention.probabilities.iter().zip(&attention.gradients);
    for (probabilities, gradients) in blocks {
        let raising = gradients.f_mul(probabilities)?.f_relu()?;
        let mean = raising.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?;
        relations = relations.f_add(&mean.f_matmul(&relations)?)?;
    }
    Ok(relations)
}

#[cfg(test)]
mod tests;
