//! Attention rollout: which patches the tokens have been mixed from, by the attention of all blocks.
//!
//! `Ã_1 = Â_1`, `Ã_l = Â_l Ã_{l-1}` with `Â_l = (Ā_l + I) / 2`, `Ā_l` the mean over the heads of block `l` and
//! `I` for the skip connection (Abnar and Zuidema 2020, arXiv 2005.00928, equation 1 and section 3).
//! The map is the row of the class token; where the network averages its patches instead, the mean
//! of their rows. It says where information comes from and not what it is used for: the map is the
//! same for all classes.

use tch::{Kind, Tensor};

use super::attention::Attention;
use super::{Case, Evidence, Method, Reads, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "Attention rollout",
    key: "attention-rollout",
    summary: "attention multiplied through all blocks; no class",
    paper: "Abnar and Zuidema 2020, arXiv 2005.00928",
    reads: Reads::Attention,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let attention = Attention::of(case, METHOD.name, false)?;
    Ok(Evidence::Map(attention.map(&rollout(&attention)?)?))
}

/// `Ã` after the last block, `[tokens, tokens]`; each row adds to 1.
fn rollout(attention: &Attention) -> Result<Tensor, ExplainError> {
    let identity = attention.identity()?;
    let mut mixed = identity.shallow_clone();
    for probabilities in &attention.probabilities {
        let mean = probabilities.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?;
        let with_skip = mean.f_add(&identity)?.f_div_scalar(2.0)?;
        mixed = with_skip.f_matmul(&mixed)?;
    }
    Ok(mixed)
}

#[cfg(test)]
mod tests;
