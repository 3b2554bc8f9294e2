//! XGrad-CAM: Grad-CAM with gradients weighted by the activations they belong to, which is the choice
//! that keeps the map's sum close to the score.
//!
//! `w_k = Σ_ij A_k,ij / (Σ A_k) · ∂y_c/∂A_k,ij`, then `ReLU(Σ_k w_k A_k)` (Fu et al. 2020,
//! arXiv 2008.02312). Values equal those of pytorch-grad-cam's `XGradCAM`, which adds
//! 1e-7 to the sum.

use tch::Tensor;

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

/// As in pytorch-grad-cam.
const EPSILON: f64 = 1e-7;

pub static METHOD: Method = Method {
    name: "XGrad-CAM",
    key: "xgrad-cam",
    summary: "channels weighted by gradients where the channel is active",
    paper: "Fu et al. 2020, arXiv 2008.02312",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let gradients = case.pass.gradients(&case.slopes())?;
    let over_positions = |tensor: &Tensor| {
        tensor.f_sum_dim_intlist([1_i64, 2].as_slice(), /* keepdim= */ false, None)
    };
    let sums = over_positions(&activations)?.f_add_scalar(EPSILON)?;
    let weights = over_positions(&gradients.f_mul(&activations)?)?.f_div(&sums)?;
    weighted(&activations, &weights)
}
