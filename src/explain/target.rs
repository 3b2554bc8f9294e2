//! Target: the number that is explained, as a function of the logits.
//!
//! Every method asks one question: what raises this score? The score is mostly a class's logit
//! `y_c` before softmax (Selvaraju et al. 2017, arXiv 1610.02391, section 3). Its slopes
//! `d score / d y_j` are all that gradients need: the gradient of any score is the sum over classes
//! of the slope times the gradient of the logit.

use tch::Tensor;

use super::softmax;
use crate::model::{ClassIndex, Slope};

/// What is made of the class's logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The logit, before softmax.
    #[default]
    Logit,
    /// The softmax probability: what speaks for the class and against its rivals.
    Probability,
}

impl Measure {
    /// "logit", as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Probability => "probability",
        }
    }
}

/// A number made of the logits of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Score {
    pub class: ClassIndex,
    pub measure: Measure,
    /// The same of this class is subtracted: what speaks for the one rather than the other.
    pub versus: Option<ClassIndex>,
    /// Turned around, for counterfactual maps: what speaks against the class (paper, section 3.3).
    pub negated: bool,
}

impl Score {
    /// The logit of a class.
    #[must_use]
    pub const fn logit(class: ClassIndex) -> Self {
        Self {
            class,
            measure: Measure::Logit,
            versus: None,
            negated: false,
        }
    }

    /// The score of an image with these logits.
    #[must_use]
    pub fn value(&self, logits: &[f32]) -> f32 {
        let numbers = match self.measure {
            Measure::Logit => logits.to_vec(),
            Measure::Probability => softmax(logits),
        };
        let of = |class: ClassIndex| numbers.get(class.0).copied().unwrap_or(f32::NAN);
        let score = of(self.class) - self.versus.map_or(0.0, of);
        if self.negated { -score } else { score }
    }

    /// The score as a function of the logits `[classes]`, for autograd.
    ///
    /// # Errors
    /// When a class is out of range.
    pub fn of(&self, logits: &Tensor) -> Result<Tensor, tch::TchError> {
        let numbers = match self.measure {
            Measure::Logit => logits.shallow_clone(),
            Measure::Probability => logits.f_softmax(0, None)?,
        };
        let of = |class: ClassIndex| numbers.f_select(0, class.0 as i64);
        let mut score = of(self.class)?;
        if let Some(versus) = self.versus {
            score = score.f_sub(&of(versus)?)?;
        }
        if self.negated {
            score.f_neg()
        } else {
            Ok(score)
        }
    }

    /// `d score / d logit` at these logits, for the classes where it is not zero.
    #[must_use]
    pub fn slopes(&self, logits: &[f32]) -> Vec<Slope> {
        let sign = if self.negated { -1.0 } else { 1.0 };
        let signed =
            std::iter::once((self.class, sign)).chain(self.versus.map(|other| (other, -sign)));
        match self.measure {
            Measure::Logit => signed.collect(),
            Measure::Probability => {
                // d p_c / d y_j = p_c (δ_cj - p_j)
                let probabilities = softmax(logits);
                let mut slopes = vec![0.0; logits.len()];
                for (class, sign) in signed {
                    let Some(&own) = probabilities.get(class.0) else {
                        return vec![(class, sign)];
                    };
                    for (slope, other) in slopes.iter_mut().zip(&probabilities) {
                        *slope -= sign * own * other;
                    }
                    slopes[class.0] += sign * own;
                }
                (0..).map(ClassIndex).zip(slopes).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 3] = [1.0, 2.5, -0.5];

    #[test]
    fn slopes_are_the_derivatives_of_the_score() {
        let class = ClassIndex(1);
        for measure in [Measure::Logit, Measure::Probability] {
            for versus in [None, Some(ClassIndex(2))] {
                for negated in [false, true] {
                    let score = Score {
                        class,
                        measure,
                        versus,
                        negated,
                    };
                    let mut slopes = [0.0; 3];
                    for (class, slope) in score.slopes(&LOGITS) {
                        slopes[class.0] += slope;
                    }
                    for (place, slope) in slopes.into_iter().enumerate() {
                        let moved = |by: f32| {
                            let mut logits = LOGITS;
                            logits[place] += by;
                            score.value(&logits)
                        };
                        let measured = (moved(0.01) - moved(-0.01)) / 0.02;
                        assert!((measured - slope).abs() < 1e-3, "{score:?} {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_class_that_does_not_exist_has_no_score_but_keeps_its_slope_for_the_error() {
        for measure in [Measure::Logit, Measure::Probability] {
            let score = Score {
                measure,
                ..Score::logit(ClassIndex(9))
            };
            assert!(score.value(&LOGITS).is_nan());
            assert_eq!(score.slopes(&LOGITS), [(ClassIndex(9), 1.0)]);
        }
    }
}
