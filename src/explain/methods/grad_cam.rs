//! Grad-CAM: which regions of the activations raise the score of one class.
//!
//! `α_k = mean over positions of ∂y_c/∂A_k`, then `ReLU(Σ_k α_k A_k)` (Selvaraju et al. 2017,
//! arXiv 1610.02391, section 3, equations 1 and 2). The score `y_c` is the logit, taken before
//! softmax. Values equal those of pytorch-grad-cam's `GradCAM`.

use tch::{Kind, Tensor};

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "Grad-CAM",
    key: "grad-cam",
    summary: "channels weighted by the mean of their gradients",
    paper: "Selvaraju et al. 2017, arXiv 1610.02391",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    weighted(
        &case.pass.activations()?,
        &case.pass.mean_gradients(&case.slopes())?,
    )
}

/// `α_k`, the mean of the gradients `[channels, height, width]` over positions, `[channels]`.
pub(super) fn channel_weights(gradients: &Tensor) -> Result<Tensor, ExplainError> {
    Ok(gradients.f_mean_dim(
        [1_i64, 2].as_slice(),
        /* keepdim= */ false,
        Kind::Float,
    )?)
}

/// `w_k A_k` of activations `[channels, height, width]` and channel weights `[channels]`.
pub(super) fn weighted(activations: &Tensor, weights: &Tensor) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Channels {
        shares: activations.f_mul(&weights.f_view([-1, 1, 1])?)?,
        weights: Some(Vec::<f32>::try_from(
            weights.f_to_kind(Kind::Float)?.f_contiguous()?,
        )?),
    })
}

#[cfg(test)]
mod tests;
