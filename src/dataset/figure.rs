//! Figure: a number that an image has, with the name by which filters and orders know it.

use std::f32::consts::FRAC_1_SQRT_2;

use super::row::Row;
use super::score::MapFigures;

/// A number that an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    Confidence,
    Margin,
    Entropy,
    Loss,
    Mistakenness,
    Logit,
    Rank,
    Peak,
    Spread,
    OffCenter,
    Mass,
    TruePeak,
    TrueSpread,
    TrueOffCenter,
    TrueMass,
    Agreement,
}

impl Figure {
    pub const ALL: [Self; 16] = [
        Self::Confidence,
        Self::Margin,
        Self::Entropy,
        Self::Loss,
        Self::Mistakenness,
        Self::Logit,
        Self::Rank,
        Self::Peak,
        Self::Spread,
        Self::OffCenter,
        Self::Mass,
        Self::TruePeak,
        Self::TrueSpread,
        Self::TrueOffCenter,
        Self::TrueMass,
        Self::Agreement,
    ];

    /// As it is written in filters and orders.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confidence => "conf",
            Self::Margin => "margin",
            Self::Entropy => "entropy",
            Self::Loss => "loss",
            Self::Mistakenness => "mist",
            Self::Logit => "logit",
            Self::Rank => "rank",
            Self::Peak => "peak",
            Self::Spread => "spread",
            Self::OffCenter => "offcenter",
            Self::Mass => "mass",
            Self::TruePeak => "tpeak",
            Self::TrueSpread => "tspread",
            Self::TrueOffCenter => "toffcenter",
            Self::TrueMass => "tmass",
            Self::Agreement => "agree",
        }
    }

    /// What it is, with its range.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Confidence => "probability of the top class, 0 to 1",
            Self::Margin => "probability of the top class less that of the second, 0 to 1",
            Self::Entropy => "entropy of the probabilities, in nats, from 0",
            Self::Loss => "cross entropy with the true class, in nats, from 0",
            Self::Mistakenness => "how likely the label is wrong, 0 to 1",
            Self::Logit => "output for the top class before softmax",
            Self::Rank => "place of the true class among all classes, from 1",
            Self::Peak => "largest value of the top class's map; 0 of an empty map",
            Self::Spread => "entropy of the map: 0 for one point, 1 for the same everywhere",
            Self::OffCenter => "from the image's center to the map's; 1 is a corner",
            Self::Mass => "share of the map inside the box of the true class, 0 to 1",
            Self::TruePeak => "peak of the true class's map",
            Self::TrueSpread => "spread of the true class's map",
            Self::TrueOffCenter => "offcenter of the true class's map",
            Self::TrueMass => "mass of the true class's map",
            Self::Agreement => "how alike the maps of the top and the true class are, 0 to 1",
        }
    }

    /// The figure of this name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|figure| figure.name().eq_ignore_ascii_case(name))
    }

    /// Whether it goes from 0 to 1, so that it can be given in percent.
    #[must_use]
    pub fn is_share(self) -> bool {
        !matches!(
            self,
            Self::Entropy | Self::Loss | Self::Logit | Self::Rank | Self::Peak | Self::TruePeak
        )
    }

    /// Its value; nothing where it is not known or not a number.
    #[must_use]
    pub fn of(self, row: &Row<'_>) -> Option<f32> {
        let value = match self {
            Self::Confidence => row.score?.confidence(),
            Self::Margin => row.score?.margin(),
            Self::Entropy => Some(row.score?.entropy),
            Self::Loss => row.loss(),
            Self::Mistakenness => row.mistakenness(),
            Self::Logit => row.score?.top().next().map(|answer| answer.logit),
            Self::Rank => row.true_class().map(|truth| truth.rank as f32),
            Self::Peak => Some(row.map()?.peak),
            Self::Spread => row.map()?.entropy,
            Self::OffCenter => row.map().and_then(off_center),
            Self::Mass => row.mass(),
            Self::TruePeak => Some(row.true_map()?.peak),
            Self::TrueSpread => row.true_map()?.entropy,
            Self::TrueOffCenter => row.true_map().and_then(off_center),
            Self::TrueMass if row.is_right() == Some(true) => row.mass(),
            Self::TrueMass => row.true_map()?.mass,
            Self::Agreement => row.agreement(),
        };
        value.filter(|value| !value.is_nan())
    }
}

/// Distance of the center of mass from the middle of the input, in halves of the diagonal: 0..=1.
/// The input counts as a square.
fn off_center(map: &MapFigures) -> Option<f32> {
    let [x, y] = map.center?;
    Some((x - 0.5).hypot(y - 0.5) / FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::score::{Answer, Score, TrueClass};

    #[test]
    fn names_are_of_one_figure_each() {
        for figure in Figure::ALL {
            assert_eq!(Figure::named(figure.name()), Some(figure));
            assert!(!figure.meaning().is_empty());
        }
        assert_eq!(Figure::named("CONF"), Some(Figure::Confidence));
        assert_eq!(Figure::named("confidence"), None);
    }

    #[test]
    fn each_figure_is_read_from_its_place() {
        let map = |peak, center, mass| MapFigures {
            peak,
            entropy: Some(peak / 10.0),
            center: Some(center),
            mass: Some(mass),
        };
        let answer = |class, logit| Answer { class, logit };
        // Of logits ln 6 and ln 3, with a sum of exponentials of 10.
        let top = [answer(1, 6_f32.ln()), answer(2, 3_f32.ln())];
        let mut score = Score::new(&top, 10_f32.ln(), 0.9);
        score.truth = Some(TrueClass {
            class: 9,
            logit: -1.0,
            rank: 3,
        });
        score.map = Some(map(3.0, [1.0, 1.0], 0.2));
        score.true_map = Some(map(4.0, [0.5, 0.5], 0.7));
        score.agreement = Some(0.1);
        let row = Row {
            score: Some(&score),
            truth: &[9],
            ..Row::default()
        };
        let expected = [
            0.6,
            0.3,
            0.9,
            10_f32.ln() + 1.0,
            f32::midpoint((-0.9_f32).exp(), 1.0),
            6_f32.ln(),
            3.0,
            3.0,
            0.3,
            1.0,
            0.2,
            4.0,
            0.4,
            0.0,
            0.7,
            0.1,
        ];
        for (figure, expected) in Figure::ALL.into_iter().zip(expected) {
            let value = figure.of(&row).unwrap();
            assert!(
                (value - expected).abs() < 1e-5,
                "{figure:?} {value} {expected}"
            );
            assert_eq!(figure.of(&Row::default()), None, "{figure:?}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_known() {
        let score = Score::new(&[], f32::NAN, f32::NAN);
        let row = Row {
            score: Some(&score),
            ..Row::default()
        };
        assert!(Figure::ALL.iter().all(|figure| figure.of(&row).is_none()));
    }
}
