//! Guided backpropagation: the gradient with respect to the pixels, where only what raises the score
//! comes back through a ReLU.
//!
//! `R_l = (f_l > 0) · (R_{l+1} > 0) · R_{l+1}` at each ReLU (Springenberg et al. 2014,
//! arXiv 1412.6806, section 3.4 and figure 1). The attribution is that of captum's `GuidedBackprop`
//! and pytorch-grad-cam's `GuidedBackpropReLUModel`; unlike theirs it also follows a ReLU that is a
//! function and not a module, as in DenseNet, and ReLU6, which is a ReLU with an upper bound. At each
//! pixel the map has the largest of its channels' sizes, as that of the gradient has.

use tch::Tensor;

use super::{Case, Evidence, Method, Reads, Watch, gradient, pixels};
use crate::explain::ExplainError;
use crate::model::walk::{Rule, is_relu};

pub static METHOD: Method = Method {
    name: "Guided backpropagation",
    key: "guided-backprop",
    summary: "gradient of the pixels, positive at every ReLU",
    paper: "Springenberg et al. 2014, arXiv 1412.6806",
    reads: Reads::Pixels,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let attribution = attribution(case, Rule::Guided, METHOD.name)?;
    Ok(Evidence::Map(pixels::largest(&attribution)?))
}

/// `[3, height, width]`, for the method of this name.
pub(super) fn attribution(
    case: &Case<'_>,
    rule: Rule,
    method: &'static str,
) -> Result<Tensor, ExplainError> {
    if !case.model.graph().nodes.iter().any(is_relu) {
        return Err(ExplainError::Unfit {
            method,
            reason: "it has no ReLU, and the method is the plain gradient but for ReLUs; take the \
                     plain gradient"
                .to_owned(),
        });
    }
    Ok(gradient::of_images(case, &case.input.tensor, rule)?.f_squeeze_dim(0)?)
}
