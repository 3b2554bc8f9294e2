//! Element-wise Grad-CAM: HiResCAM without what speaks against the class in any channel.
//!
//! `Σ_k ReLU(∂y_c/∂A_k ⊙ A_k)`. It has no paper; its values are those of pytorch-grad-cam's
//! `GradCAMElementWise`.

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

#[derive(Debug)]
pub struct ElementWiseGradCam;

impl Method for ElementWiseGradCam {
    fn name(&self) -> &'static str {
        "Element-wise Grad-CAM"
    }

    fn key(&self) -> &'static str {
        "element-wise-grad-cam"
    }

    fn summary(&self) -> &'static str {
        "the positive ones of gradients times activations"
    }

    fn paper(&self) -> &'static str {
        "pytorch-grad-cam, GradCAMElementWise"
    }

    fn takes_batches(&self) -> bool {
        true
    }

    fn evidence(&self, case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
        let activations = case.pass.activations()?;
        let gradients = case.pass.gradients(&case.slopes())?;
        Ok(Evidence::Channels {
            shares: gradients.f_mul(&activations)?.f_relu()?,
            weights: None,
        })
    }
}
