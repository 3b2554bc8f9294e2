//! Shapley-CAM: Grad-CAM with the curvature of the score, from the Shapley value of the channels.
//!
//! `w_k = mean over positions of (∂y_c/∂A - ½ H A)_k` with `H` the Hessian of the score with respect
//! to the activations, then `ReLU(Σ_k w_k A_k)` (Cai 2025, arXiv 2501.06261).
//! Where pooling and one linear layer follow, the Hessian is zero and the map is Grad-CAM's. Values
//! equal those of pytorch-grad-cam's `ShapleyCAM`.

use tch::Tensor;

use super::grad_cam::{channel_weights, weighted};
use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;
use crate::explain::target::Measure;
use crate::model::{ModelError, RunError};

pub static METHOD: Method = Method {
    name: "Shapley-CAM",
    key: "shapley-cam",
    summary: "Grad-CAM less half the curvature of the score",
    paper: "Cai 2025, arXiv 2501.06261",
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let gradients = case.pass.mean_gradients(&case.slopes())?;
    let is_linear =
        case.score.measure == Measure::Logit && case.pass.head_weights(&case.slopes())?.is_some();
    let weights = if is_linear {
        gradients
    } else {
        let curvature = channel_weights(&curvature(case)?)?;
        gradients.f_sub(&curvature.f_mul_scalar(0.5)?)?
    };
    weighted(&case.pass.activations()?, &weights)
}

/// `H A`, `[channels, height, width]`.
fn curvature(case: &Case<'_>) -> Result<Tensor, ExplainError> {
    let found = case
        .model
        .curvature(case.pass, |logits| case.score.of(logits));
    found.map_err(|error| match error {
        ModelError::Run(RunError::Torch(error))
            if error.to_string().contains("not implemented") =>
        {
            ExplainError::Unfit {
                method: METHOD.name,
                reason: format!(
                    "libtorch has no second derivative of an operation after layer {}; choose a later layer",
                    case.pass.layer()
                ),
            }
        }
        other => other.into(),
    })
}
