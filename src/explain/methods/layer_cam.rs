//! LayerCAM: every position weighted by its own gradient where that is positive, so that earlier
//! layers have usable maps too.
//!
//! `ReLU(Σ_k ReLU(∂y_c/∂A_k) ⊙ A_k)` (Jiang et al. 2021, IEEE TIP 30). Values equal
//! those of pytorch-grad-cam's `LayerCAM`; tf-keras-vis leaves out the inner ReLU.

use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "LayerCAM",
    key: "layer-cam",
    summary: "activations weighted by their positive gradients",
    paper: "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let gradients = case.pass.gradients(&case.slopes())?;
    Ok(Evidence::Channels {
        shares: gradients.f_relu()?.f_mul(&activations)?,
        weights: None,
    })
}
