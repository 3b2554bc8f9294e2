//! Guided Grad-CAM: the fine lines of guided backpropagation where Grad-CAM sees the class.
//!
//! Guided backpropagation times the Grad-CAM map of the target layer after its ReLU, brought to the
//! input's size bilinearly (Selvaraju et al. 2017, arXiv 1610.02391, section 3.2). The attribution is
//! that of captum's `GuidedGradCam` with `interpolate_mode="bilinear"`; its default is the nearest
//! neighbour, and the paper's is not. At each pixel the map has the largest of its channels' sizes.

use tch::{Kind, Tensor};

use super::{Case, Evidence, Method, Watch, guided_backprop, pixels};
use crate::explain::ExplainError;
use crate::model::walk::Rule;

pub static METHOD: Method = Method {
    name: "Guided Grad-CAM",
    key: "guided-grad-cam",
    summary: "guided backpropagation times the Grad-CAM map",
    paper: "Selvaraju et al. 2017, arXiv 1610.02391",
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(pixels::largest(&attribution(case)?)?))
}

/// `[3, height, width]`.
pub(super) fn attribution(case: &Case<'_>) -> Result<Tensor, ExplainError> {
    let guided = guided_backprop::attribution(case, Rule::Guided, METHOD.name)?;
    let weights = case.pass.mean_gradients(&case.slopes())?;
    let map = case
        .pass
        .activations()?
        .f_mul(&weights.f_view([-1, 1, 1])?)?
        .f_sum_dim_intlist(0_i64, false, Kind::Float)?
        .f_relu()?;
    let size = guided.size();
    let map = map.f_unsqueeze(0)?.f_unsqueeze(0)?.f_upsample_bilinear2d(
        [size[1], size[2]],
        false,
        None,
        None,
    )?;
    Ok(guided.f_mul(&map.f_squeeze_dim(0)?)?)
}
