//! Row: all that is known of one image, borrowed, and what follows from it.
//!
//! Truth may have become known, or another, after the image was scored. So what depends on it is
//! asked of a row, which compares the score with the classes known now, and not of a
//! [`Score`] alone.

use super::review::Review;
use super::score::{MapFigures, Score, TrueClass};

/// All that is known of one image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row<'a> {
    /// The path as it is listed.
    pub name: &'a str,
    pub score: Option<&'a Score>,
    /// Why the image cannot be read, where it cannot.
    pub unreadable: Option<&'a str>,
    /// The true classes known now; empty where none are.
    pub truth: &'a [u32],
    pub review: Option<&'a Review>,
    pub is_marked: bool,
    /// When the review was last changed, as a number that grows; nothing where it never was.
    pub changed: Option<u64>,
}

impl<'a> Row<'a> {
    /// Whether a true class is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.truth.is_empty()
    }

    /// The class of the top prediction.
    #[must_use]
    pub fn predicted(&self) -> Option<u32> {
        self.score?.predicted()
    }

    /// Whether the top prediction is a true class; nothing where either is not known.
    #[must_use]
    pub fn is_right(&self) -> Option<bool> {
        let predicted = self.predicted()?;
        self.is_known().then(|| self.truth.contains(&predicted))
    }

    /// Whether a true class is among the best five; nothing where either is not known.
    #[must_use]
    pub fn is_in_top5(&self) -> Option<bool> {
        let mut top = self.score?.top().peekable();
        top.peek()?;
        self.is_known()
            .then(|| top.any(|answer| self.truth.contains(&answer.class)))
    }

    /// The true class with the best rank, where its rank is known: it is among the best five, or
    /// was known when the image was scored.
    #[must_use]
    pub fn true_class(&self) -> Option<TrueClass> {
        let score = self.score?;
        let ranked = score.top().zip(1..).find_map(|(answer, rank)| {
            self.truth.contains(&answer.class).then_some(TrueClass {
                class: answer.class,
                logit: answer.logit,
                rank,
            })
        });
        ranked.or_else(|| {
            score
                .truth
                .filter(|truth| self.truth.contains(&truth.class))
        })
    }

    /// The true class that the image is counted for: the one with the best rank, or the first where
    /// no rank is known.
    #[must_use]
    pub fn counted_for(&self) -> Option<u32> {
        let ranked = self.true_class().map(|truth| truth.class);
        ranked.or_else(|| self.truth.first().copied())
    }

    /// Cross entropy with the true class, in nats.
    #[must_use]
    pub fn loss(&self) -> Option<f32> {
        let truth = self.true_class()?;
        Some(self.score?.log_sum - truth.logit)
    }

    /// How likely the label is wrong, 0..=1: `(m exp(-entropy) + 1) / 2`, where `m` is -1 if the
    /// prediction is a true class and 1 if not. As FiftyOne's `compute_mistakenness` has it where
    /// logits are known.
    #[must_use]
    pub fn mistakenness(&self) -> Option<f32> {
        let sign = if self.is_right()? { -1.0 } else { 1.0 };
        Some(f32::midpoint(sign * (-self.score?.entropy).exp(), 1.0))
    }

    /// Of the map of the top class.
    #[must_use]
    pub fn map(&self) -> Option<&'a MapFigures> {
        self.score?.map.as_ref()
    }

    /// Of the map of the true class: of the top class's where that is right, else of the one that
    /// was made for a class that is still true.
    #[must_use]
    pub fn true_map(&self) -> Option<&'a MapFigures> {
        if self.is_right() == Some(true) {
            return self.map();
        }
        self.score?
            .true_map
            .as_ref()
            .filter(|_| self.has_scored_truth())
    }

    /// How much the maps of the top and of the true class are alike, 0..=1; 1 where they are one.
    #[must_use]
    pub fn agreement(&self) -> Option<f32> {
        if self.is_right() == Some(true) {
            return self.map().and_then(|map| map.entropy).map(|_| 1.0);
        }
        self.score?.agreement.filter(|_| self.has_scored_truth())
    }

    /// Share of the top class's map inside the boxes of the true class.
    #[must_use]
    pub fn mass(&self) -> Option<f32> {
        self.map()?.mass.filter(|_| self.has_scored_truth())
    }

    /// Whether nothing speaks for the top class: its map is zero everywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map().is_some_and(|map| map.peak <= 0.0)
    }

    /// Whether the class that was true when the image was scored is true now.
    fn has_scored_truth(&self) -> bool {
        let scored = self.score.and_then(|score| score.truth);
        scored.is_some_and(|truth| self.truth.contains(&truth.class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::score::Answer;

    fn map(peak: f32) -> MapFigures {
        MapFigures {
            peak,
            entropy: (peak > 0.0).then_some(0.5),
            center: None,
            mass: Some(0.4),
        }
    }

    /// Six classes with logits 5, 4, 3, 2, 1, 0; five are kept. Scored with class 5, the last, true.
    fn score() -> Score {
        let top = [0, 1, 2, 3, 4].map(|class| Answer {
            class,
            logit: 5.0 - class as f32,
        });
        let mut score = Score::new(&top, 5.5, 1.0);
        score.truth = Some(TrueClass {
            class: 5,
            logit: 0.0,
            rank: 6,
        });
        score.map = Some(map(2.0));
        score.true_map = Some(map(0.0));
        score.agreement = Some(0.25);
        score
    }

    #[test]
    fn truth_that_became_known_later_counts() {
        let mut score = score();
        score.truth = None;
        let row = |truth| Row {
            score: Some(&score),
            truth,
            ..Row::default()
        };
        assert_eq!(row(&[0]).is_right(), Some(true));
        assert_eq!(row(&[2]).is_right(), Some(false));
        assert_eq!(row(&[2]).loss(), Some(2.5));
        assert_eq!(row(&[7, 3, 2]).true_class().map(|t| t.rank), Some(3));
        assert_eq!(row(&[7, 3, 2]).counted_for(), Some(2));
        // A class beyond the best five has no rank.
        assert_eq!(row(&[7]).is_right(), Some(false));
        assert_eq!(row(&[7]).is_in_top5(), Some(false));
        assert_eq!(row(&[7]).loss(), None);
        assert_eq!(row(&[7]).counted_for(), Some(7));
        assert!((row(&[7]).mistakenness().unwrap() - 0.683_94).abs() < 1e-4);
        assert_eq!(row(&[]).is_right(), None);
    }

    #[test]
    fn figures_of_a_class_that_is_no_longer_true_do_not_count() {
        let score = score();
        let row = |truth| Row {
            score: Some(&score),
            truth,
            ..Row::default()
        };
        let still = row(&[5]);
        assert_eq!(still.true_class().map(|truth| truth.rank), Some(6));
        assert_eq!((still.agreement(), still.mass()), (Some(0.25), Some(0.4)));
        assert_eq!(still.true_map().map(|map| map.peak), Some(0.0));
        let other = row(&[2]);
        assert_eq!(other.true_class().map(|truth| truth.rank), Some(3));
        assert_eq!((other.agreement(), other.mass()), (None, None));
        assert_eq!(other.true_map(), None);
        // Where the top class is right, its map is the true class's.
        let right = row(&[0]);
        assert_eq!(right.agreement(), Some(1.0));
        assert_eq!(right.true_map().map(|map| map.peak), Some(2.0));
        assert!(row(&[]).true_class().is_none());
    }

    #[test]
    fn what_was_not_scored_is_neither_right_nor_wrong() {
        let row = Row {
            truth: &[1],
            ..Row::default()
        };
        assert!(row.is_right().is_none() && row.is_in_top5().is_none());
        assert_eq!(row.counted_for(), Some(1));
        assert!(!row.is_empty());
    }
}
