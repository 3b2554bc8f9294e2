//! CAM: the map that networks with global average pooling and one linear layer have by themselves.
//!
//! `M_c = Σ_k w_c,k A_k` with `w_c` the class's row of the linear layer's weight (Zhou et al. 2016,
//! arXiv 1512.04150, equation 2), before a ReLU as for all maps here. Grad-CAM at that layer is the
//! same map divided by the number of positions.

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;

pub static METHOD: Method = Method {
    name: "CAM",
    key: "cam",
    summary: "the class's own weights, where pooling and one layer follow",
    paper: "Zhou et al. 2016, arXiv 1512.04150",
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let weights = case.pass.head_weights(&case.slopes())?;
    let weights = weights.ok_or_else(|| ExplainError::Unfit {
        method: METHOD.name,
        reason: format!(
            "more than global average pooling and one linear layer stands between layer {} and the score; choose a layer where that is all, or Grad-CAM",
            case.pass.layer()
        ),
    })?;
    weighted(&case.pass.activations()?, &weights)
}
