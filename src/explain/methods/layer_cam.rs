//! LayerCAM: every position weighted by its own gradient where that is positive, so that earlier
//! layers have usable maps too.
//!
//! `ReLU(Σ_k ReLU(∂y_c/∂A_k) ⊙ A_k)` (Jiang et al. 2021, IEEE TIP 30). Values equal
//! those of pytorch-grad-cam's `LayerCAM`; tf-keras-vis leaves out the inner ReLU.

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

#[derive(Debug)]
pub struct LayerCam;

impl Method for LayerCam {
    fn name(&self) -> &'static str {
        "LayerCAM"
    }

    fn key(&self) -> &'static str {
        "layer-cam"
    }

    fn summary(&self) -> &'static str {
        "activations weighted by their positive gradients"
    }

    fn paper(&self) -> &'static str {
        "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943"
    }

    fn takes_batches(&self) -> bool {
        true
    }

    fn evidence(&self, case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
        let activations = case.pass.activations()?;
        let gradients = case.pass.gradients(&case.slopes())?;
        Ok(Evidence::Channels {
            shares: gradients.f_relu()?.f_mul(&activations)?,
            weights: None,
        })
    }
}
