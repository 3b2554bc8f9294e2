//! Calibration: whether a network that is sure to 80 % is right in 80 % of the cases.
//!
//! Expected calibration error (Guo et al. 2017, "On calibration of modern neural networks",
//! arXiv 1706.04599, sections 2 and 4): with predictions put into `M` bins of equal width by the
//! probability of the top class, bin `m` being the interval `((m - 1) / M, m / M]`,
//! `ECE = Σ_m |B_m| / n · |acc(B_m) - conf(B_m)|`, where `acc` is the share of right predictions of a
//! bin and `conf` the mean probability. `M` is 15 there.

/// How many bins there are.
pub const BINS: usize = 15;

/// Predictions of about the same probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    pub count: usize,
    pub right: usize,
    sum: f64,
}

/// Predictions by the probability of the top class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calibration {
    bins: [Bin; BINS],
}

impl Bin {
    /// Share of right predictions, 0..=1; nothing of an empty bin.
    #[must_use]
    pub fn accuracy(&self) -> Option<f32> {
        (self.count > 0).then(|| self.right as f32 / self.count as f32)
    }

    /// Mean probability, 0..=1; nothing of an empty bin.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
    pub fn confidence(&self) -> Option<f32> {
        (self.count > 0).then(|| (self.sum / self.count as f64) as f32)
    }
}

impl Calibration {
    /// Takes in one prediction; one without a probability does not count.
    pub(super) fn count(&mut self, confidence: Option<f32>, right: bool) {
        let Some(confidence) = confidence.filter(|confidence| !confidence.is_nan()) else {
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "held to the number of bins below"
        )]
        let place = (confidence * BINS as f32).ceil() as usize;
        let bin = &mut self.bins[place.saturating_sub(1).min(BINS - 1)];
        bin.count += 1;
        bin.right += usize::from(right);
        bin.sum += f64::from(confidence);
    }

    /// The bins, from improbable to certain; bin `m` from 0 holds probabilities above `m / 15` up to
    /// `(m + 1) / 15`.
    #[must_use]
    pub fn bins(&self) -> &[Bin; BINS] {
        &self.bins
    }

    /// Expected calibration error, 0..=1; nothing without predictions.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
    pub fn error(&self) -> Option<f32> {
        let all: usize = self.bins.iter().map(|bin| bin.count).sum();
        let gaps = self
            .bins
            .iter()
            .map(|bin| (bin.right as f64 - bin.sum).abs());
        (all > 0).then(|| (gaps.sum::<f64>() / all as f64) as f32)
    }

    /// Mean probability of the predictions that count here, 0..=1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
    pub fn confidence(&self) -> Option<f32> {
        let all: usize = self.bins.iter().map(|bin| bin.count).sum();
        let sum: f64 = self.bins.iter().map(|bin| bin.sum).sum();
        (all > 0).then(|| (sum / all as f64) as f32)
    }
}
