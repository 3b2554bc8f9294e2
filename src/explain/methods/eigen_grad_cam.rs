//! EigenGradCAM: EigenCAM of gradients times activations, which makes it depend on the class.
//!
//! The first principal component of `∂y_c/∂A_k ⊙ A_k` over the channels (after Muhammad and Yeasin
//! 2020, arXiv 2008.00299). Values equal those of pytorch-grad-cam's `EigenGradCAM` but for the sign,
//! which is arbitrary there; `principal.rs` has the rule for it.

use super::{Case, Evidence, Method, Watch};
use crate::explain::{ExplainError, principal};

pub static METHOD: Method = Method {
    name: "EigenGradCAM",
    key: "eigen-grad-cam",
    summary: "first principal component of gradients times activations",
    paper: "after Muhammad and Yeasin 2020, arXiv 2008.00299",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let gradients = case.pass.gradients(&case.slopes())?;
    let shares = gradients.f_mul(&case.pass.activations()?)?;
    Ok(Evidence::Map(principal::component(&shares)?))
}
