//! Summary: how well the network does on all images, in figures, and whether that can be true.

mod alarm;
mod calibration;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::confusion::Confusion;
use super::row::Row;
use super::score::Score;
pub use calibration::{BINS, Bin, Calibration};

/// What all images together say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub images: usize,
    pub scored: usize,
    pub unreadable: usize,
    /// Images of which a true class is known.
    pub known: usize,
    /// Images with a verdict, a note or a tag.
    pub reviewed: usize,
    pub marked: usize,
    /// Of the images that are scored and known.
    pub top1: Rate,
    pub top5: Rate,
    /// Mean cross entropy with the true class in nats, of the images whose true class has a logit.
    pub loss: Option<f32>,
    /// Mean probability of the top class, of all scored images.
    pub confidence: Option<f32>,
    pub calibration: Calibration,
    /// The classes that some image has or was taken for, by number.
    pub classes: Vec<ClassFigures>,
    /// Verdicts that were given, the most frequent first.
    pub verdicts: Vec<(Arc<str>, usize)>,
    /// A sentence, where the accuracy can only come from wrong preprocessing or a wrong order of the
    /// classes.
    pub alarm: Option<String>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub hits: usize,
    pub of: usize,
}

/// How one class does. An image with several true classes counts for the one with the best rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassFigures {
    pub class: u32,
    /// Images of this class.
    pub support: usize,
    /// Images that were taken for it.
    pub predicted: usize,
    /// Both.
    pub right: usize,
}

/// 97.5 % of the standard normal distribution lie below it.
const Z: f64 = 1.959_963_984_540_054;

impl Rate {
    fn count(&mut self, hit: bool) {
        self.of += 1;
        self.hits += usize::from(hit);
    }

    /// 0..=1; nothing of no images.
    #[must_use]
    pub fn share(self) -> Option<f32> {
        (self.of > 0).then(|| self.hits as f32 / self.of as f32)
    }

    /// Wilson's score interval with 95 % confidence (Wilson 1927, "Probable inference, the law of
    /// succession, and statistical inference"), within 0..=1; nothing of no images.
    #[must_use]
    pub fn interval(self) -> Option<[f32; 2]> {
        if self.of == 0 {
            return None;
        }
        let n = self.of as f64;
        let p = self.hits as f64 / n;
        let scale = 1.0 + Z * Z / n;
        let center = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
        let bounds = [center - half, center + half].map(|bound| bound.clamp(0.0, 1.0) as f32);
        Some(bounds)
    }
}

impl ClassFigures {
    /// Share of its images that were taken for it, 0..=1.
    #[must_use]
    pub fn recall(self) -> Option<f32> {
        let Self { right, support, .. } = self;
        Rate {
            hits: right,
            of: support,
        }
        .share()
    }

    /// Share of the images taken for it that are of it, 0..=1.
    #[must_use]
    pub fn precision(self) -> Option<f32> {
        let Self {
            right, predicted, ..
        } = self;
        Rate {
            hits: right,
            of: predicted,
        }
        .share()
    }
}

/// A mean that is still being added to.
#[derive(Default)]
struct Mean {
    sum: f64,
    of: usize,
}

impl Mean {
    fn add(&mut self, value: Option<f32>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sum += f64::from(value);
            self.of += 1;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a mean of such values")]
    fn value(&self) -> Option<f32> {
        (self.of > 0).then(|| (self.sum / self.of as f64) as f32)
    }
}

impl Summary {
    /// The figures of all rows, and of the confusion matrix that [`Confusion::of_rows`] makes of the
    /// same. `labels` are the names of the classes, as far as they are known; `classes` is how many
    /// the model has.
    #[must_use]
    pub fn of<'a>(
        rows: impl IntoIterator<Item = Row<'a>>,
        confusion: &Confusion,
        labels: &[String],
        classes: usize,
    ) -> Self {
        let mut summary = Self::default();
        let (mut loss, mut confidence) = (Mean::default(), Mean::default());
        let mut verdicts: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for row in rows {
            summary.images += 1;
            summary.scored += usize::from(row.score.is_some());
            summary.unreadable += usize::from(row.unreadable.is_some());
            summary.known += usize::from(row.is_known());
            summary.marked += usize::from(row.is_marked);
            if let Some(review) = row.review {
                summary.reviewed += usize::from(!review.is_empty());
                if let Some(verdict) = &review.verdict {
                    *verdicts.entry(verdict).or_default() += 1;
                }
            }
            let sure = row.score.and_then(Score::confidence);
            confidence.add(sure);
            loss.add(row.loss());
            if let Some(right) = row.is_right() {
                summary.top1.count(right);
                summary.calibration.count(sure, right);
            }
            if let Some(right) = row.is_in_top5() {
                summary.top5.count(right);
            }
        }
        summary.loss = loss.value();
        summary.confidence = confidence.value();
        let figures = |class| ClassFigures {
            class,
            support: confusion.of_truth(class),
            predicted: confusion.of_predicted(class),
            right: confusion.count(class, class),
        };
        summary.classes = confusion.classes().into_iter().map(figures).collect();
        let counted = verdicts.into_iter();
        summary.verdicts = counted
            .map(|(name, count)| (Arc::clone(name), count))
            .collect();
        // The sort is stable: of equally many the first by name.
        summary
            .verdicts
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        summary.alarm = alarm::alarm(confusion, summary.calibration.confidence(), labels, classes);
        summary
    }
}

#[cfg(test)]
mod tests;
