//! RefineCAM: the fine grid of early layers where late layers agree.
//!
//! The product of the final maps of several layers, each Grad-CAM++ brought to the input's size
//! (Domeniconi et al. 2026, arXiv 2605.14641). Values equal those of pytorch-grad-cam's `RefineCAM`
//! with the base method that it has by default. The layers are those that the user names, if they
//! are several; else the last layers of the network's last four stages, up to the target layer, as
//! the authors choose them for ResNet-18: `layer1`, `layer2`, `layer3`, `layer4`. Where all maps have one size,
//! as in a ViT, that is one layer, and the map is Grad-CAM++'s.

use super::grad_cam_plus_plus::GradCamPlusPlus;
use super::{Case, Evidence, Method, Watch};
use crate::explain::ExplainError;
use crate::explain::options::Fusion;

/// How many stages are read unless the user names layers.
pub(in crate::explain) const STAGES: usize = 4;

#[derive(Debug)]
pub struct RefineCam;

impl Method for RefineCam {
    fn name(&self) -> &'static str {
        "RefineCAM"
    }

    fn key(&self) -> &'static str {
        "refine-cam"
    }

    fn summary(&self) -> &'static str {
        "Grad-CAM++ at several stages, where all agree"
    }

    fn paper(&self) -> &'static str {
        "Domeniconi et al. 2026, arXiv 2605.14641"
    }

    fn fusion(&self) -> Option<Fusion> {
        Some(Fusion::Product)
    }

    fn takes_batches(&self) -> bool {
        true
    }

    fn evidence(&self, case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
        GradCamPlusPlus.evidence(case, watch)
    }
}
