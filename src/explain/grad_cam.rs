//! Grad-CAM: which regions of the activations raise the score of one class.
//!
//! `α_k = mean over positions of ∂y_c/∂A_k`, then `ReLU(Σ_k α_k A_k)` (Selvaraju et al. 2017,
//! arXiv 1610.02391, section 3, equations 1 and 2). The score `y_c` is the logit, taken before
//! softmax. Values equal those of pytorch-grad-cam's `GradCAM`.

use tch::{Kind, Tensor};

use super::{ExplainError, Explanation, prediction_of};
use crate::heatmap::{Grid, Heatmap};
use crate::model::{ClassIndex, Model, Pass};

/// What people call the method.
pub const NAME: &str = "Grad-CAM";

/// Explains one class of an image that has been run. Runs no forward pass.
///
/// # Errors
/// When the class is out of range or libtorch refuses.
pub fn grad_cam(
    model: &Model,
    pass: &Pass,
    class: ClassIndex,
) -> Result<Explanation, ExplainError> {
    let target = prediction_of(model, pass, class)?;
    let raw = map(&pass.activations()?, &pass.gradients(class)?)?;
    let heatmap = Heatmap::from_raw(&raw);
    Ok(Explanation {
        target,
        layer: pass.layer().to_owned(),
        method: NAME,
        raw,
        heatmap,
    })
}

/// `Σ_k α_k A_k` of activations and gradients, both `[channels, height, width]`; before the ReLU.
fn map(activations: &Tensor, gradients: &Tensor) -> Result<Grid, ExplainError> {
    let channel_weights =
        gradients.f_mean_dim([1_i64, 2].as_slice(), /* keepdim= */ true, Kind::Float)?;
    let weighted =
        activations
            .f_mul(&channel_weights)?
            .f_sum_dim_intlist(0_i64, false, Kind::Float)?;
    let size = weighted.size();
    let values = Vec::<f32>::try_from(weighted.f_contiguous()?.f_view([-1])?)?;
    let side = |axis: usize| usize::try_from(size[axis]).unwrap_or(0);
    Ok(Grid::new(side(1), side(0), values))
}

#[cfg(test)]
mod tests;
