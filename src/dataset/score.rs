//! Score: what the network answers for one image, and what its maps look like, in figures. Plain
//! data, small enough to keep one for each of a million images.

/// How many of the best classes are kept of each image.
pub const KEPT: usize = 5;

/// A class and its output before softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub class: u32,
    pub logit: f32,
}

/// What the network answers for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The best classes, best first; as many as [`KEPT`] or as the model has.
    pub(super) top: [Option<Answer>; KEPT],
    /// Logarithm of the sum of the exponentials of all logits: a logit less this is the logarithm
    /// of its probability.
    pub log_sum: f32,
    /// Entropy of the probabilities of all classes, in nats, from 0 to the logarithm of their number.
    pub entropy: f32,
    /// The true class, where one was known when the image was scored.
    pub truth: Option<TrueClass>,
    /// Of the Grad-CAM map of the top class at the default layer.
    pub map: Option<MapFigures>,
    /// Of the map of the true class.
    pub true_map: Option<MapFigures>,
    /// How much the maps of the top and of the true class are alike: cosine of the two grids after
    /// ReLU, 0..=1; nothing where one of them is empty.
    pub agreement: Option<f32>,
}

/// Where the true class stands. Of an image with several, it is the one with the best rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueClass {
    pub class: u32,
    pub logit: f32,
    /// From 1.
    pub rank: u32,
}

/// What a map looks like, in figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapFigures {
    /// The largest value before scaling; 0 where nothing speaks for the class.
    pub peak: f32,
    /// Entropy of the map as shares of its sum, over the logarithm of the number of positions: 0 for
    /// one point, 1 for the same everywhere; nothing of an empty map.
    pub entropy: Option<f32>,
    /// Center of mass in fractions of the input's width and height, from the upper left.
    pub center: Option<[f32; 2]>,
    /// Share of the map's sum that lies inside the true boxes, where there are any.
    pub mass: Option<f32>,
}

impl Score {
    /// `top` has the best classes, best first; more than [`KEPT`] are left out.
    #[must_use]
    pub fn new(top: &[Answer], log_sum: f32, entropy: f32) -> Self {
        let mut kept = [None; KEPT];
        for (place, answer) in kept.iter_mut().zip(top) {
            *place = Some(*answer);
        }
        Self {
            top: kept,
            log_sum,
            entropy,
            truth: None,
            map: None,
            true_map: None,
            agreement: None,
        }
    }

    /// The best classes, best first.
    pub fn top(&self) -> impl Iterator<Item = Answer> + '_ {
        self.top.iter().flatten().copied()
    }

    /// The class of the top prediction.
    #[must_use]
    pub fn predicted(&self) -> Option<u32> {
        self.top[0].map(|answer| answer.class)
    }

    /// Softmax of a logit of this image, 0..=1.
    #[must_use]
    pub fn probability(&self, logit: f32) -> f32 {
        (logit - self.log_sum).exp()
    }

    /// Probability of the top prediction.
    #[must_use]
    pub fn confidence(&self) -> Option<f32> {
        self.top[0].map(|answer| self.probability(answer.logit))
    }

    /// Probability of the top prediction less that of the second.
    #[must_use]
    pub fn margin(&self) -> Option<f32> {
        let second = self.top[1].map_or(0.0, |answer| self.probability(answer.logit));
        self.confidence().map(|first| first - second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits 2, 1, 0 of three classes.
    fn score() -> Score {
        let answer = |class, logit| Answer { class, logit };
        let logits = [2.0_f32, 1.0, 0.0];
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let entropy = logits
            .iter()
            .map(|logit| logit.exp() / sum)
            .map(|share| -share * share.ln())
            .sum();
        let top = [answer(7, 2.0), answer(3, 1.0), answer(0, 0.0)];
        Score::new(&top, sum.ln(), entropy)
    }

    #[test]
    fn figures_follow_from_the_logits() {
        let score = score();
        // softmax(2, 1, 0) = 0.6652, 0.2447, 0.0900; entropy 0.8324 nats.
        let near = |value: Option<f32>, wanted: f32| {
            let value = value.unwrap();
            assert!((value - wanted).abs() < 1e-4, "{value} {wanted}");
        };
        near(score.confidence(), 0.6652);
        near(score.margin(), 0.6652 - 0.2447);
        assert_eq!(score.predicted(), Some(7));
    }

    #[test]
    fn what_is_not_known_has_no_figure() {
        let score = Score::new(&[], 0.0, 0.0);
        assert_eq!(score.confidence(), None);
        assert_eq!(score.margin(), None);
    }
}
