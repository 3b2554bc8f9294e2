//! Summary: the mean of a figure over images, and how sure it is.
//!
//! The mean is over cases: the sum of all tallies' sums over the sum of their cases. The confidence
//! interval of 95 % is the percentile bootstrap's (Efron 1979): images are drawn again with
//! replacement, as many as there are, 2,000 times; cases of one image stay together. Where all
//! images agree the interval has no width, which says little with few images;
//! of a single image there is none.

use super::Tally;
use crate::model::random::Random;

const DRAWS: usize = 2000;
/// The interval lies between these shares of the drawn means.
const BETWEEN: [f64; 2] = [0.025, 0.975];

/// A mean with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    pub value: f64,
    /// From low to high; nothing with one image alone.
    pub interval: Option<[f64; 2]>,
    /// How many images said something.
    pub images: usize,
    /// How many cases they had.
    pub cases: usize,
}

/// The mean over images; nothing where none says anything. `name` tells the random numbers.
#[must_use]
pub fn estimate(tallies: &[Tally], name: &str, seed: u64) -> Option<Estimate> {
    let said: Vec<Tally> = tallies.iter().copied().filter(|t| t.cases > 0).collect();
    if said.is_empty() {
        return None;
    }
    Some(Estimate {
        value: mean(said.iter().copied()),
        interval: (said.len() > 1).then(|| drawn(&said, &mut Random::named(name, seed))),
        images: said.len(),
        cases: said.iter().map(|tally| tally.cases as usize).sum(),
    })
}

/// The bootstrap's interval.
fn drawn(said: &[Tally], random: &mut Random) -> [f64; 2] {
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| mean((0..said.len()).map(|_| said[random.below(said.len())])))
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    BETWEEN.map(|share| percentile(&means, share))
}

fn mean(tallies: impl Iterator<Item = Tally>) -> f64 {
    let (sum, cases) = tallies.fold((0.0, 0.0), |(sum, cases), tally| {
        (sum + tally.sum, cases + f64::from(tally.cases))
    });
    sum / cases
}

/// Between the two nearest of sorted numbers, as NumPy's `percentile`.
#[expect(clippy::cast_possible_truncation, reason = "a place among the numbers")]
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let low = place.floor() as usize;
    let next = sorted[(low + 1).min(sorted.len() - 1)];
    sorted[low] + (next - sorted[low]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Estimate {
        let tallies: Vec<Tally> = values.iter().map(|value| Tally::of(*value)).collect();
        estimate(&tallies, "test", 0).unwrap()
    }

    #[test]
    fn the_interval_is_the_percentiles_of_drawn_means() {
        // numpy.percentile([1, 2, 4, 8], [2.5, 97.5])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert!((percentile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((percentile(&sorted, 0.975) - 7.7).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_share_is_about_that_of_the_normal_distribution() {
        // 40 of 100: 0.4 ± 1.96 · sqrt(0.4 · 0.6 / 100).
        let values: Vec<f64> = (0..100).map(|n| f64::from(u8::from(n < 40))).collect();
        let found = of(&values);
        let [low, high] = found.interval.unwrap();
        assert!((found.value - 0.4).abs() < 1e-12);
        assert!((low - 0.304).abs() < 0.015 && (high - 0.496).abs() < 0.015);
    }

    #[test]
    fn images_that_agree_have_an_interval_without_width_and_one_image_has_none() {
        assert_eq!(of(&[0.5; 8]).interval, Some([0.5, 0.5]));
        let alone = of(&[0.5]);
        assert!((alone.value - 0.5).abs() < 1e-12 && alone.interval.is_none());
    }

    #[test]
    fn cases_count_alike_whatever_their_image_and_silent_images_do_not() {
        let tally = |sum, cases| Tally { sum, cases };
        let tallies = [
            tally(2.0, 3),
            tally(0.0, 0),
            tally(1.0, 1),
            Tally::of(f64::NAN),
        ];
        let found = estimate(&tallies, "test", 0).unwrap();
        assert!((found.value - 0.75).abs() < 1e-12);
        assert_eq!((found.images, found.cases), (2, 4));
        let [low, high] = found.interval.unwrap();
        assert!((low - 2.0 / 3.0).abs() < 1e-12 && (high - 1.0).abs() < 1e-12);
        assert_eq!(estimate(&tallies[1..2], "test", 0), None);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let values: Vec<f64> = (0..50).map(|n| f64::from(n).sin()).collect();
        assert_eq!(of(&values), of(&values));
        let tallies: Vec<Tally> = values.iter().map(|value| Tally::of(*value)).collect();
        assert_ne!(estimate(&tallies, "test", 1), estimate(&tallies, "test", 0));
    }
}
