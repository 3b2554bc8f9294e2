//! RefineCAM: the fine grid of early layers where late layers agree.
//!
//! The product of the final maps of several layers, each Grad-CAM++ brought to the input's size
//! (Domeniconi et al. 2026, arXiv 2605.14641). Values equal those of pytorch-grad-cam's `RefineCAM`
//! with the base method that it has by default. The layers are those that the user names, if they
//! are several; else the last layers of the network's last four stages, up to the target layer, as
//! the authors choose them for ResNet-18: `layer1`, `layer2`, `layer3`, `layer4`. Where all maps have one size,
//! as in a ViT, that is one layer, and the map is Grad-CAM++'s.

use super::{Case, Evidence, Method, Watch, grad_cam_plus_plus};
use crate::explain::ExplainError;
use crate::explain::options::Fusion;

/// How many stages are read unless the user names layers.
pub(in crate::explain) const STAGES: usize = 4;

pub static METHOD: Method = Method {
    name: "RefineCAM",
    key: "refine-cam",
    summary: "Grad-CAM++ at several stages, where all agree",
    paper: "Domeniconi et al. 2026, arXiv 2605.14641",
    fusion: Some(Fusion::Product),
    takes_batches: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    grad_cam_plus_plus::evidence(case, watch)
}
