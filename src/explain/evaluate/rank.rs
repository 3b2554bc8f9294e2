//! Spearman's rank correlation: how far two lists of numbers agree on what is more and what is less.
//!
//! Pearson's correlation of the ranks, where equal numbers share the mean of their ranks, as in
//! SciPy's `spearmanr`. From -1 to 1; not a number where all numbers of a list are equal, or one is not a
//! number.

/// The rank correlation of two lists of the same length.
pub(super) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    if a.iter().chain(b).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let (a, b) = (ranks(a), ranks(b));
    // Both have the same mean.
    let mean = f64::midpoint(1.0, a.len() as f64);
    let sum = |x: &[f64], y: &[f64]| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum()
    };
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

/// Ranks from 1 on.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    #[expect(clippy::float_cmp, reason = "ties are equal numbers")]
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = first as f64 + f64::midpoint(1.0, ties.len() as f64);
        for place in ties {
            ranks[*place] = mean;
        }
        first += ties.len();
    }
    ranks
}
