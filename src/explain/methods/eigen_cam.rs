//! EigenCAM: what the channels have in common, whatever the class.
//!
//! The first principal component of the activations (Muhammad and Yeasin 2020, arXiv 2008.00299).
//! Values equal those of pytorch-grad-cam's `EigenCAM` but for the sign, which is arbitrary there;
//! `principal.rs` has the rule for it. Nothing here depends on the class.

use super::{Case, Evidence, Method, Watch};
use crate::explain::{ExplainError, principal};

pub static METHOD: Method = Method {
    name: "EigenCAM",
    key: "eigen-cam",
    summary: "first principal component of the activations; no class",
    paper: "Muhammad and Yeasin 2020, arXiv 2008.00299",
    takes_batches: true,
    slopes: |_, _| Vec::new(),
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(principal::component(
        &case.pass.activations()?,
    )?))
}
