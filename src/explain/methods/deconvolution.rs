//! Deconvolution: the network run backwards from the score to the pixels, with ReLUs that keep what
//! is positive on the way back.
//!
//! `R_l = (R_{l+1} > 0) · R_{l+1}` at each ReLU, whatever it has read (Zeiler and Fergus 2013,
//! arXiv 1311.2901, section 2.1; Springenberg et al. 2014, arXiv 1412.6806, figure 1). The
//! attribution is that of captum's `Deconvolution`, and as for guided backpropagation every ReLU
//! counts. At each pixel the map has the largest of its channels' sizes.

use super::{Case, Evidence, Method, Reads, Watch, guided_backprop, pixels};
use crate::explain::ExplainError;
use crate::model::walk::Rule;

pub static METHOD: Method = Method {
    name: "Deconvolution",
    key: "deconvolution",
    summary: "the network backwards, ReLU on the way back",
    paper: "Zeiler and Fergus 2013, arXiv 1311.2901",
    reads: Reads::Pixels,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let attribution = guided_backprop::attribution(case, Rule::Deconvolution, METHOD.name)?;
    Ok(Evidence::Map(pixels::largest(&attribution)?))
}
