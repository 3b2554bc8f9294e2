//! Finer-CAM: what tells a class from those that the network nearly took for it.
//!
//! Grad-CAM of `Σ_j p_j (y_c - y_j) / Σ_j p_j` over the three classes `j` whose logits are nearest to
//! that of the class, `p` the softmax of the logits (Zhang et al. 2025, arXiv 2501.11309, with a
//! strength of comparison of 1). Values equal those of pytorch-grad-cam's `FinerCAM`, which
//! differentiates through the weights `p_j` as well and adds 1e-9 to the denominator. Where the
//! user names the other class, it is the only one; where probabilities are explained, they take the
//! place of the logits in the difference.

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch};
use crate::explain::target::{Measure, Score};
use crate::explain::{ExplainError, softmax};
use crate::model::{ClassIndex, Slope};

/// With how many classes one is compared.
const RIVALS: usize = 3;
/// As in pytorch-grad-cam.
const EPSILON: f64 = 1e-9;
/// Slopes below this part of the largest one are left out.
const NEGLIGIBLE: f32 = 1e-9;

pub static METHOD: Method = Method {
    name: "Finer-CAM",
    key: "finer-cam",
    summary: "Grad-CAM of the difference to the three nearest classes",
    paper: "Zhang et al. 2025, arXiv 2501.11309",
    takes_batches: true,
    slopes,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, _: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let slopes = slopes(&case.score, case.pass.logits());
    weighted(
        &case.pass.activations()?,
        &case.pass.mean_gradients(&slopes)?,
    )
}

/// The classes whose logits are nearest to that of a class, nearest first.
fn rivals(score: &Score, logits: &[f32]) -> Vec<usize> {
    if let Some(versus) = score.versus {
        return vec![versus.0];
    }
    let own = score.class.0;
    let distance = |class: &usize| (logits[*class] - logits[own]).abs();
    let mut others: Vec<usize> = (0..logits.len()).filter(|class| *class != own).collect();
    others.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    others.truncate(RIVALS);
    others
}

/// The slopes of the weighted difference `T = N / D`, `N = Σ_j p_j (n_c - n_j)`, `D = Σ_j p_j + ε`,
/// with respect to the logits, by the chain rule through `p` and, where they are not the logits
/// themselves, through `n`.
fn slopes(score: &Score, logits: &[f32]) -> Vec<Slope> {
    let own = score.class.0;
    let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let probabilities = wide(&softmax(logits));
    let numbers = match score.measure {
        Measure::Logit => wide(logits),
        Measure::Probability => probabilities.clone(),
    };
    let rivals = rivals(score, logits);
    let sum = |of: &dyn Fn(usize) -> f64| rivals.iter().map(|class| of(*class)).sum::<f64>();
    let weight = sum(&|class| probabilities[class]);
    let whole = weight + EPSILON;
    let value = sum(&|class| probabilities[class] * (numbers[own] - numbers[class])) / whole;

    let mut by_number = vec![0.0; logits.len()];
    let mut by_probability = vec![0.0; logits.len()];
    by_number[own] += weight / whole;
    for &class in &rivals {
        by_number[class] -= probabilities[class] / whole;
        by_probability[class] = (numbers[own] - numbers[class] - value) / whole;
    }
    let (direct, through) = match score.measure {
        Measure::Logit => (by_number, by_probability),
        Measure::Probability => {
            let both = by_number.iter().zip(&by_probability);
            (vec![0.0; logits.len()], both.map(|(a, b)| a + b).collect())
        }
    };
    // d p_i / d y_j = p_i (δ_ij - p_j)
    let mean: f64 = probabilities.iter().zip(&through).map(|(p, s)| p * s).sum();
    let sign = if score.negated { -1.0 } else { 1.0 };
    #[expect(clippy::cast_possible_truncation, reason = "slopes are float32")]
    let slopes: Vec<f32> = (direct.iter().zip(&through).zip(&probabilities))
        .map(|((direct, through), p)| (sign * (direct + p * (through - mean))) as f32)
        .collect();
    let largest = slopes
        .iter()
        .fold(0.0_f32, |largest, slope| largest.max(slope.abs()));
    let classes = (0..).map(ClassIndex).zip(slopes);
    classes
        .filter(|(_, slope)| slope.abs() >= NEGLIGIBLE * largest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [1.0, 2.5, -0.5, 2.0, 0.25, 2.75];

    /// The contrast by its formula.
    fn contrast(logits: &[f64], class: usize, rivals: &[usize], measure: Measure) -> f64 {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let probability = |class: usize| logits[class].exp() / sum;
        let number = |class: usize| match measure {
            Measure::Logit => logits[class],
            Measure::Probability => probability(class),
        };
        let parts = |of: &dyn Fn(usize) -> f64| rivals.iter().map(|j| of(*j)).sum::<f64>();
        parts(&|j| probability(j) * (number(class) - number(j))) / (parts(&probability) + 1e-9)
    }

    #[test]
    fn slopes_are_the_derivatives_of_the_contrast_with_the_three_nearest_classes() {
        for (class, nearest) in [(1, vec![5, 3, 0]), (2, vec![4, 0, 3])] {
            for versus in [None, Some(4)] {
                for measure in [Measure::Logit, Measure::Probability] {
                    for (negated, sign) in [(false, 1.0), (true, -1.0)] {
                        let score = Score {
                            measure,
                            versus: versus.map(ClassIndex),
                            negated,
                            ..Score::logit(ClassIndex(class))
                        };
                        let rivals = versus.map_or_else(|| nearest.clone(), |other| vec![other]);
                        let mut found = [0.0; 6];
                        for (class, slope) in slopes(&score, &LOGITS) {
                            found[class.0] = f64::from(slope);
                        }
                        for place in 0..6 {
                            let moved = |by: f64| {
                                let mut logits = LOGITS.map(f64::from);
                                logits[place] += by;
                                sign * contrast(&logits, class, &rivals, measure)
                            };
                            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                            assert!(
                                (found[place] - expected).abs() < 1e-6,
                                "{score:?} {place}: {} {expected}",
                                found[place]
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_network_of_one_class_has_nothing_to_be_compared_with() {
        let score = Score::logit(ClassIndex(0));
        assert_eq!(slopes(&score, &[3.0]), [(ClassIndex(0), 0.0)]);
    }
}
