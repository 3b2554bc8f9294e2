//! HiResCAM: gradient times activation, position by position; what a position adds to the score where
//! the rest of the network is linear.
//!
//! `ReLU(Σ_k ∂y_c/∂A_k ⊙ A_k)` (Draelos and Carin 2020, arXiv 2011.08891). Values equal
//! those of pytorch-grad-cam's `HiResCAM`.
//!
//! Where a layer norm follows the layer, the gradients of a position stand at right angles to its
//! activations and the sum over channels is rounding alone; the map is then empty.

use tch::Tensor;

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

/// Sums smaller than this part of what is summed are rounding.
const ROUNDING: f64 = 1e-5;

pub static METHOD: Method = Method {
    name: "HiResCAM",
    key: "hires-cam",
    summary: "gradients times activations, position by position",
    paper: "Draelos and Carin 2020, arXiv 2011.08891",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let gradients = case.pass.gradients(&case.slopes())?;
    let shares = gradients.f_mul(&activations)?;
    Ok(Evidence::Channels {
        shares: if is_rounding(&shares)? {
            shares.f_zeros_like()?
        } else {
            shares
        },
        weights: None,
    })
}

/// Whether the sum over channels is nothing beside what it is a sum of.
fn is_rounding(shares: &Tensor) -> Result<bool, ExplainError> {
    let largest = |tensor: &Tensor| -> Result<f64, ExplainError> {
        let sum = tensor.f_sum_dim_intlist(0_i64, false, None)?;
        Ok(sum.f_abs()?.f_max()?.f_double_value(&[])?)
    };
    Ok(largest(shares)? < ROUNDING * largest(&shares.f_abs()?)?)
}
