//! EigenCAM: what the channels have in common, whatever the class.
//!
//! The first principal component of the activations (Muhammad and Yeasin 2020, arXiv 2008.00299).
//! Values equal those of pytorch-grad-cam's `EigenCAM` but for the sign, which is arbitrary there;
//! `principal.rs` has the rule for it. Nothing here depends on the class.

use super::{Case, Evidence, Method, Watch};
use crate::explain::target::Score;
use crate::explain::{ExplainError, principal};
use crate::model::Slope;

#[derive(Debug)]
pub struct EigenCam;

impl Method for EigenCam {
    fn name(&self) -> &'static str {
        "EigenCAM"
    }

    fn key(&self) -> &'static str {
        "eigen-cam"
    }

    fn summary(&self) -> &'static str {
        "first principal component of the activations; no class"
    }

    fn paper(&self) -> &'static str {
        "Muhammad and Yeasin 2020, arXiv 2008.00299"
    }

    fn slopes(&self, _: &Score, _: &[f32]) -> Vec<Slope> {
        Vec::new()
    }

    fn takes_batches(&self) -> bool {
        true
    }

    fn evidence(&self, case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
        Ok(Evidence::Map(principal::component(
            &case.pass.activations()?,
        )?))
    }
}
