//! Structural similarity of two maps (Wang et al. 2004, "Image quality assessment: from error
//! visibility to structural similarity").
//!
//! `SSIM = (2 μa μb + c1) (2 σab + c2) / ((μa² + μb² + c1) (σa² + σb² + c2))` in windows weighted by
//! a Gaussian of deviation 1.5, cut off after 5 positions, with `c1 = 0.01²` and `c2 = 0.03²` for
//! values in 0..=1; the mean over the windows that lie within the map. Values equal scikit-image's
//! `structural_similarity` with `gaussian_weights=True, use_sample_covariance=False, data_range=1`.

use crate::heatmap::Grid;

const RADIUS: usize = 5;
const DEVIATION: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The similarity of two maps of one size, at most 1. Not a number where the maps are smaller than
/// a window.
pub(super) fn similarity(a: &Grid, b: &Grid) -> f64 {
    let size = (a.width, a.height);
    if a.width <= 2 * RADIUS || a.height <= 2 * RADIUS {
        return f64::NAN;
    }
    let a: Vec<f64> = a.values.iter().map(|value| f64::from(*value)).collect();
    let b: Vec<f64> = b.values.iter().map(|value| f64::from(*value)).collect();
    let product =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let [mean_a, mean_b, aa, bb, ab] = [
        a.clone(),
        b.clone(),
        product(&a, &a),
        product(&b, &b),
        product(&a, &b),
    ]
    .map(|values| blurred(&values, size));
    let windows = mean_a.len() as f64;
    let sum: f64 = (0..mean_a.len())
        .map(|at| {
            let (ma, mb) = (mean_a[at], mean_b[at]);
            let (va, vb, covariance) = (aa[at] - ma * ma, bb[at] - mb * mb, ab[at] - ma * mb);
            (2.0 * ma * mb + C1) * (2.0 * covariance + C2)
                / ((ma * ma + mb * mb + C1) * (va + vb + C2))
        })
        .sum();
    sum / windows
}

/// The weighted mean of each window that lies within the map.
fn blurred(values: &[f64], (width, height): (usize, usize)) -> Vec<f64> {
    let weights = weights();
    let across: Vec<f64> = values
        .chunks(width)
        .flat_map(|row| {
            row.windows(weights.len())
                .map(|window| dot(window, &weights))
        })
        .collect();
    let inner = width - 2 * RADIUS;
    (0..height - 2 * RADIUS)
        .flat_map(|top| {
            let across = &across;
            (0..inner).map(move |x| {
                let column = (0..weights.len()).map(|row| across[(top + row) * inner + x]);
                column
                    .zip(&weights)
                    .map(|(value, weight)| value * weight)
                    .sum()
            })
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A Gaussian that sums up to one.
fn weights() -> [f64; 2 * RADIUS + 1] {
    let mut weights = [0.0; 2 * RADIUS + 1];
    for (place, weight) in weights.iter_mut().enumerate() {
        let distance = place as f64 - RADIUS as f64;
        *weight = (-0.5 * (distance / DEVIATION).powi(2)).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}
