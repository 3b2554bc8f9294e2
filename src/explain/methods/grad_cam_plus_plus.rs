//! Grad-CAM++: positions that raise the score count by how much they do, so that several objects of
//! one class all show.
//!
//! `w_k = Σ_ij a_ij ReLU(∂y_c/∂A_k,ij)` with `a_ij = G² / (2 G² + G³ Σ A_k)` where `G = ∂y_c/∂A_k,ij`,
//! then `ReLU(Σ_k w_k A_k)` (Chattopadhyay et al. 2018, arXiv 1710.11063, equations 5, 7 and 19; the
//! powers of `G` stand for derivatives of `exp(y_c)`). Values equal those of pytorch-grad-cam's
//! `GradCAMPlusPlus`, which adds 1e-6 to the denominator; torch-cam adds 1e-8, and tf-keras-vis
//! scales the `a_ij` of a channel to a sum of 1.

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

/// As in pytorch-grad-cam; a gradient of zero then counts nothing.
const EPSILON: f64 = 1e-6;

pub static METHOD: Method = Method {
    name: "Grad-CAM++",
    key: "grad-cam++",
    summary: "channels weighted by where they raise the score, and how",
    paper: "Chattopadhyay et al. 2018, arXiv 1710.11063",
    takes_batches: true,
    ..Method::by(evidence)
};

pub(super) fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let gradients = case.pass.gradients(&case.slopes())?;
    let squared = gradients.f_square()?;
    let sums = activations.f_sum_dim_intlist([1_i64, 2].as_slice(), true, None)?;
    let denominator = squared
        .f_mul_scalar(2.0)?
        .f_add(&squared.f_mul(&gradients)?.f_mul(&sums)?)?
        .f_add_scalar(EPSILON)?;
    let weights = squared
        .f_div(&denominator)?
        .f_mul(&gradients.f_relu()?)?
        .f_sum_dim_intlist([1_i64, 2].as_slice(), false, None)?;
    weighted(&activations, &weights)
}
