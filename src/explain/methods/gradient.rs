//! Gradient: how much the score changes with each pixel; the oldest saliency map.
//!
//! `∂y_c/∂x`, and at each pixel the largest of its channels' sizes (Simonyan et al. 2013,
//! arXiv 1312.6034, section 3.1). The attribution, with its sign, is that of captum's
//! `Saliency(abs=False)`. A change that lowers the score counts as much as one that raises it, so that
//! the map of what speaks against a class is the same.

use tch::Tensor;

use super::{Case, Evidence, Method, Reads, Watch, pixels};
use crate::explain::ExplainError;
use crate::model::walk::Rule;

pub static METHOD: Method = Method {
    name: "Gradient",
    key: "gradient",
    summary: "how much the score changes with each pixel",
    paper: "Simonyan et al. 2013, arXiv 1312.6034",
    reads: Reads::Pixels,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(pixels::largest(&attribution(case)?)?))
}

/// `[3, height, width]`.
pub(super) fn attribution(case: &Case<'_>) -> Result<Tensor, ExplainError> {
    Ok(of_images(case, &case.input.tensor, Rule::Plain)?.f_squeeze_dim(0)?)
}

/// Gradients of the score at other images `[n, 3, height, width]`, of the same shape.
pub(super) fn of_images(
    case: &Case<'_>,
    images: &Tensor,
    rule: Rule,
) -> Result<Tensor, ExplainError> {
    let slopes = |logits: &[f32]| case.score.slopes(logits);
    Ok(case.model.pixel_gradients(images, &slopes, rule)?)
}
