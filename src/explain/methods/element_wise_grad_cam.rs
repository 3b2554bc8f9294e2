//! Element-wise Grad-CAM: HiResCAM without what speaks against the class in any channel.
//!
//! `Σ_k ReLU(∂y_c/∂A_k ⊙ A_k)`. It has no paper; its values are those of pytorch-grad-cam's
//! `GradCAMElementWise`.

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "Element-wise Grad-CAM",
    key: "element-wise-grad-cam",
    summary: "the positive ones of gradients times activations",
    paper: "pytorch-grad-cam, GradCAMElementWise",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let gradients = case.pass.gradients(&case.slopes())?;
    Ok(Evidence::Channels {
        shares: gradients.f_mul(&activations)?.f_relu()?,
        weights: None,
    })
}
