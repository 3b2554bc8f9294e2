//! Smooth Grad-CAM++: Grad-CAM++ with derivatives that are means over images with noise added.
//!
//! `w_k = Σ_ij α_k(i, j) ReLU(D¹)` with `α = D² / (2 D² + Σ_ab A_k(a, b) D³)` and `Dᵖ` the mean over noisy
//! images of the `p`-th power of the gradient (Omeiza et al. 2019, arXiv 1908.01224, section 3.2). As
//! in torchcam's `SmoothGradCAMpp`, `α` has the second derivative above the line, where the paper has
//! the first, `D³` is multiplied by the activations before the sum, and there are 4 images with noise
//! of deviation 0.3 in the input as the network reads it. torchcam takes the gradient in the ReLU and
//! the activations of the map from the last noisy image; here they are, as in the paper, the mean
//! over all and those of the image itself. Without noise the two are equal.

use tch::{Kind, Tensor};

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch, pixels};
use crate::explain::ExplainError;
use crate::model::Input;
use crate::model::random::Random;

const SAMPLES: i64 = 4;
const DEVIATION: f64 = 0.3;
/// Two runs give the same map.
const SEED: u64 = 0;

pub static METHOD: Method = Method {
    name: "Smooth Grad-CAM++",
    key: "smooth-grad-cam++",
    summary: "Grad-CAM++ with the mean gradients of noisy images",
    paper: "Omeiza et al. 2019, arXiv 1908.01224",
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    weighted(&case.pass.activations()?, &weights(case, DEVIATION, watch)?)
}

/// `w_k`, `[channels]`, with noise of this standard deviation.
pub(super) fn weights(
    case: &Case<'_>,
    deviation: f64,
    watch: &mut dyn Watch,
) -> Result<Tensor, ExplainError> {
    let activations = case.pass.activations()?;
    let [mut first, mut second, mut third] = [
        activations.f_zeros_like()?,
        activations.f_zeros_like()?,
        activations.f_zeros_like()?,
    ];
    let mut random = Random::new(SEED);
    let image = &case.input.tensor;
    pixels::in_steps(SAMPLES, 1, watch, |_, _| {
        let noisy = Input {
            tensor: pixels::noisy(image, deviation, &mut random)?,
            seen: case.input.seen.clone(),
            geometry: case.input.geometry,
        };
        let pass = case.model.run_at(case.pass.layer(), &noisy, &[])?;
        let gradients = pass.gradients(&case.score.slopes(pass.logits()))?;
        let squares = gradients.f_square()?;
        first = first.f_add(&gradients)?;
        second = second.f_add(&squares)?;
        third = third.f_add(&squares.f_mul(&gradients)?)?;
        Ok(())
    })?;
    let mean = |sum: Tensor| sum.f_div_scalar(SAMPLES as f64);
    let (first, second, third) = (mean(first)?, mean(second)?, mean(third)?);
    let over = [1_i64, 2];
    let sums = third
        .f_mul(&activations)?
        .f_sum_dim_intlist(over.as_slice(), true, Kind::Float)?;
    let below = second.f_mul_scalar(2.0)?.f_add(&sums)?.f_add_scalar(1e-8)?;
    let alpha = second.f_div(&below)?;
    Ok(alpha
        .f_mul(&first.f_relu()?)?
        .f_sum_dim_intlist(over.as_slice(), false, Kind::Float)?)
}

#[cfg(test)]
mod tests;
