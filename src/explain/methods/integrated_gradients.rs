//! Integrated Gradients: what each pixel adds to the score on the way from a gray image to this one.
//!
//! `(x - x') ∫₀¹ ∂y_c/∂x (x' + α (x - x')) dα` (Sundararajan et al. 2017, arXiv 1703.01365, section
//! 3), where the baseline `x'` is the mean color that the preprocessing subtracts: zeros. The
//! integral is the Gauss-Legendre sum of 50 points, as in captum's `IntegratedGradients` by default.
//! The attribution is signed and its sum is the score less the score of the baseline
//! (*completeness*); the map is the sum over the channels of a pixel.

use tch::Tensor;

use super::{Case, Evidence, Method, Reads, Watch, gradient, pixels};
use crate::explain::ExplainError;
use crate::model::walk::Rule;

const POINTS: i64 = 50;

pub static METHOD: Method = Method {
    name: "Integrated Gradients",
    key: "integrated-gradients",
    summary: "what each pixel adds to the score, from gray on",
    paper: "Sundararajan et al. 2017, arXiv 1703.01365",
    reads: Reads::Pixels,
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(pixels::summed(&attribution(case, watch)?)?))
}

/// `[3, height, width]`.
pub(super) fn attribution(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Tensor, ExplainError> {
    let image = &case.input.tensor;
    let points = gauss_legendre(POINTS);
    let (places, weights): (Vec<f32>, Vec<f32>) = points.into_iter().unzip();
    let column = |numbers: &[f32]| -> Result<Tensor, ExplainError> {
        let column = Tensor::from_slice(numbers).f_view([-1, 1, 1, 1])?;
        Ok(column.f_to_device(image.device())?)
    };
    let (places, weights) = (column(&places)?, column(&weights)?);
    let mut sum = image.f_zeros_like()?;
    pixels::in_steps(POINTS, pixels::DIFFERENTIATED, watch, |first, count| {
        let images = image.f_mul(&places.f_narrow(0, first, count)?)?;
        let gradients = gradient::of_images(case, &images, Rule::Plain)?;
        let weighted = gradients.f_mul(&weights.f_narrow(0, first, count)?)?;
        sum = sum.f_add(&weighted.f_sum_dim_intlist(0_i64, true, None)?)?;
        Ok(())
    })?;
    Ok(sum.f_mul(image)?.f_squeeze_dim(0)?)
}

/// Places in 0..1 and their weights, which add to 1: the zeros of the Legendre polynomial of this
/// degree, by Newton's method, and `1 / ((1 - x²) P'(x)²)`.
#[expect(clippy::cast_possible_truncation, reason = "float32, like the pixels")]
fn gauss_legendre(count: i64) -> Vec<(f32, f32)> {
    let degree = count as f64;
    (0..count)
        .map(|number| {
            let mut x = -(std::f64::consts::PI * (number as f64 + 0.75) / (degree + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..10 {
                // P_k = ((2k - 1) x P_{k-1} - (k - 1) P_{k-2}) / k
                let (mut value, mut before) = (1.0, 0.0);
                for k in 1..=count {
                    let k = k as f64;
                    let next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k;
                    (value, before) = (next, value);
                }
                slope = degree * (x * value - before) / (x * x - 1.0);
                x -= value / slope;
            }
            let weight = 1.0 / ((1.0 - x * x) * slope * slope);
            (f64::midpoint(1.0, x) as f32, weight as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests;
