//! SmoothGrad: the gradient without the noise that it has of its own, by the mean over images with
//! noise added.
//!
//! `1/n Σ ∂y_c/∂x (x + N(0, σ²))` (Smilkov et al. 2017, arXiv 1706.03825, equation 1), with the
//! numbers of the authors' code: 25 images, `σ` 0.15 times the range of the input. captum's
//! `NoiseTunnel(Saliency(forward), nt_type="smoothgrad")` with `abs=False` gives the same attribution
//! for the same noise. At each pixel the map has the largest of its channels' sizes.

use tch::Tensor;

use super::{Case, Evidence, Method, Reads, Watch, gradient, pixels};
use crate::explain::ExplainError;
use crate::model::random::Random;
use crate::model::walk::Rule;

const SAMPLES: i64 = 25;
/// Standard deviation of the noise, in parts of the input's range.
const SPREAD: f64 = 0.15;
/// Two runs give the same map.
const SEED: u64 = 0;

pub static METHOD: Method = Method {
    name: "SmoothGrad",
    key: "smooth-grad",
    summary: "mean gradient of the pixels over 25 noisy images",
    paper: "Smilkov et al. 2017, arXiv 1706.03825",
    reads: Reads::Pixels,
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(pixels::largest(&attribution(case, watch)?)?))
}

/// `[3, height, width]`.
pub(super) fn attribution(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Tensor, ExplainError> {
    let image = &case.input.tensor;
    let range = image.f_max()?.f_sub(&image.f_min()?)?;
    let deviation = SPREAD * range.f_double_value(&[])?;
    let mut random = Random::new(SEED);
    let mut sum = image.f_zeros_like()?;
    pixels::in_steps(SAMPLES, pixels::DIFFERENTIATED, watch, |_, count| {
        let images = (0..count)
            .map(|_| pixels::noisy(image, deviation, &mut random))
            .collect::<Result<Vec<Tensor>, ExplainError>>()?;
        let gradients = gradient::of_images(case, &Tensor::f_cat(&images, 0)?, Rule::Plain)?;
        sum = sum.f_add(&gradients.f_sum_dim_intlist(0_i64, true, None)?)?;
        Ok(())
    })?;
    Ok(sum.f_div_scalar(SAMPLES as f64)?.f_squeeze_dim(0)?)
}
