//! Order: how the images of a queue follow each other.
//!
//! Images of which the value is not known come last in either direction, and images of the same
//! value come in natural order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::ImageId;
use super::figure::Figure;
use super::row::Row;

/// What images are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    Name,
    Predicted,
    True,
    Figure(Figure),
    Verdict,
    Changed,
}

/// An order. Its text is the name of what it is by, with `-` before it where it goes down: `-loss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    pub by: By,
    pub descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self::first(By::Name)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(f, "{sign}{}", self.by.name())
    }
}

impl By {
    /// Every order there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let figures = Figure::ALL.map(Self::Figure);
        [Self::Name, Self::Predicted, Self::True]
            .into_iter()
            .chain(figures)
            .chain([Self::Verdict, Self::Changed])
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Predicted => "pred",
            Self::True => "true",
            Self::Figure(figure) => figure.name(),
            Self::Verdict => "verdict",
            Self::Changed => "changed",
        }
    }

    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Name => "file name, img2 before img10",
            Self::Predicted => "number of the top class",
            Self::True => "number of the true class",
            Self::Figure(figure) => figure.meaning(),
            Self::Verdict => "verdict, in alphabetical order",
            Self::Changed => "when its verdict, note or tags were last changed",
        }
    }

    /// Whether the worst, or what one looks for first, has the largest values.
    #[must_use]
    fn is_worst_at_the_top(self) -> bool {
        match self {
            Self::Name | Self::Predicted | Self::True | Self::Verdict => false,
            Self::Changed => true,
            Self::Figure(figure) => !matches!(
                figure,
                Figure::Margin
                    | Figure::Peak
                    | Figure::TruePeak
                    | Figure::Mass
                    | Figure::TrueMass
                    | Figure::Agreement
            ),
        }
    }
}

impl Order {
    /// The direction that shows first what one looks for: high losses, confident mistakes, narrow
    /// margins, maps that miss their box, the latest review.
    #[must_use]
    pub fn first(by: By) -> Self {
        Self {
            by,
            descending: by.is_worst_at_the_top(),
        }
    }

    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            descending: !self.descending,
            ..self
        }
    }

    /// The order of a text, in any case.
    ///
    /// # Errors
    /// A sentence, when there is no such order.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let by = By::all().find(|by| by.name().eq_ignore_ascii_case(name));
        by.map(|by| Self { by, descending }).ok_or_else(|| {
            let names: Vec<&str> = By::all().map(By::name).collect();
            format!(
                "there is no order {}; there are {}, each with - before it to go down",
                crate::text::visible(name),
                names.join(", ")
            )
        })
    }
}

/// Images that come in natural order in another order. Each row is asked for once or twice.
#[must_use]
pub fn sorted<'a>(
    ids: impl IntoIterator<Item = ImageId>,
    order: Order,
    row_of: impl Fn(ImageId) -> Row<'a>,
) -> Vec<ImageId> {
    let ids: Vec<ImageId> = ids.into_iter().collect();
    let down = order.descending;
    match order.by {
        By::Name if down => ids.into_iter().rev().collect(),
        By::Name => ids,
        By::Predicted => by_key(&ids, down, |id| row_of(id).predicted()),
        By::True => by_key(&ids, down, |id| row_of(id).counted_for()),
        By::Figure(figure) => by_key(&ids, down, |id| figure.of(&row_of(id)).map(ordered)),
        By::Verdict => by_place(&ids, down, |id| row_of(id).review?.verdict.as_deref()),
        By::Changed => by_place(&ids, down, |id| row_of(id).changed),
    }
}

/// A number that orders as the value does. -0 and 0 are the same.
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    let is_negative = bits >> 31 == 1;
    if is_negative { !bits } else { bits | 1 << 31 }
}

/// Sorts by values of which there are few different ones.
fn by_place<K: Ord>(
    ids: &[ImageId],
    descending: bool,
    value: impl Fn(ImageId) -> Option<K>,
) -> Vec<ImageId> {
    let values: BTreeSet<K> = ids.iter().filter_map(|id| value(*id)).collect();
    let places: BTreeMap<K, u32> = values.into_iter().zip(0..).collect();
    by_key(ids, descending, |id| {
        value(id).and_then(|value| places.get(&value).copied())
    })
}

/// The keys of images, by their numbers. What is known of images lies in memory in the order of their
/// numbers, and a million of them are asked several times as fast in that order.
fn by_number(ids: &[ImageId], key: impl Fn(ImageId) -> Option<u32>) -> Vec<Option<u32>> {
    let count = ids.iter().map(|id| id.0 + 1).max().unwrap_or(0);
    let mut is_wanted = vec![false; count];
    for id in ids {
        is_wanted[id.0] = true;
    }
    let numbers = is_wanted.into_iter().enumerate();
    numbers
        .map(|(number, is_wanted)| is_wanted.then(|| key(ImageId(number))).flatten())
        .collect()
}

/// Sorts by key, then by the order that they come in. Both are packed into one integer, which sorts much faster than a
/// comparison of rows.
fn by_key(ids: &[ImageId], descending: bool, key: impl Fn(ImageId) -> Option<u32>) -> Vec<ImageId> {
    let keys = by_number(ids, key);
    let mut known: Vec<u64> = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    // No machine holds a list of more images than 32 bits count.
    for (place, id) in (0_u32..).zip(ids) {
        match keys[id.0] {
            Some(key) => {
                let key = if descending { !key } else { key };
                known.push(u64::from(key) << 32 | u64::from(place));
            }
            None => unknown.push(*id),
        }
    }
    known.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is the place that was put there"
    )]
    let id = |packed: u64| ids[packed as u32 as usize];
    known.into_iter().map(id).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::dataset::review::Review;
    use crate::dataset::score::{Answer, Score};

    fn score(class: u32, logit: f32) -> Score {
        Score::new(&[Answer { class, logit }], 5.0, 1.0)
    }

    fn ids(count: usize) -> impl Iterator<Item = ImageId> {
        (0..count).map(ImageId)
    }

    fn numbers(sorted: Vec<ImageId>) -> Vec<usize> {
        sorted.into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn unknown_values_come_last_and_equal_ones_in_natural_order() {
        let logits = [
            Some(1.0),
            None,
            Some(-2.0),
            Some(1.0),
            Some(0.0),
            None,
            Some(-0.0),
        ];
        let scores = logits.map(|logit| logit.map(|logit| score(0, logit)));
        let row = |id: ImageId| Row {
            score: scores[id.0].as_ref(),
            ..Row::default()
        };
        let by = |text| numbers(sorted(ids(7), Order::parse(text).unwrap(), row));
        assert_eq!(by("logit"), [2, 4, 6, 0, 3, 1, 5]);
        assert_eq!(by("-logit"), [0, 3, 4, 6, 2, 1, 5]);
        assert_eq!(by("name"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(by("-name"), [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(by("loss"), [0, 1, 2, 3, 4, 5, 6]);
        // Natural order is the one that they come in.
        let found_later = [5, 3, 1, 0].map(ImageId);
        let order = Order::parse("-conf").unwrap();
        assert_eq!(numbers(sorted(found_later, order, row)), [3, 0, 5, 1]);
    }

    #[test]
    fn classes_verdicts_and_changes_order_too() {
        let scores = [score(9, 1.0), score(2, 1.0), score(5, 1.0)];
        let verdicts = [Some("wrong"), None, Some("label error")];
        let reviews = verdicts.map(|verdict| Review {
            verdict: verdict.map(Arc::from),
            ..Review::default()
        });
        let truth = [[1], [0], [1]];
        let changed = [Some(u64::MAX), Some(3), None];
        let row = |id: ImageId| Row {
            score: Some(&scores[id.0]),
            review: Some(&reviews[id.0]),
            truth: &truth[id.0],
            changed: changed[id.0],
            ..Row::default()
        };
        let by = |text| numbers(sorted(ids(3), Order::parse(text).unwrap(), row));
        assert_eq!(by("pred"), [1, 2, 0]);
        assert_eq!(by("-true"), [0, 2, 1]);
        assert_eq!(by("verdict"), [2, 0, 1]);
        assert_eq!(by("-verdict"), [0, 2, 1]);
        assert_eq!(by("-changed"), [0, 1, 2]);
        assert_eq!(by("changed"), [1, 0, 2]);
    }

    #[test]
    fn every_order_is_read_back_from_its_text() {
        for by in By::all() {
            for order in [Order::first(by), Order::first(by).reversed()] {
                assert_eq!(Order::parse(&order.to_string()), Ok(order));
            }
            assert!(!by.meaning().is_empty());
        }
        assert_eq!(By::all().count(), 21);
        for (by, text) in [
            (Figure::Confidence, "-conf"),
            (Figure::Loss, "-loss"),
            (Figure::Margin, "margin"),
            (Figure::Mass, "mass"),
        ] {
            assert_eq!(Order::first(By::Figure(by)).to_string(), text);
        }
        assert_eq!(Order::default().to_string(), "name");
        let error = Order::parse("-size").unwrap_err();
        assert!(
            error.starts_with("there is no order size; there are name, pred,"),
            "{error}"
        );
    }

    #[test]
    fn numbers_order_as_their_values_do() {
        let values = [
            f32::NEG_INFINITY,
            -3.5,
            -1e-20,
            0.0,
            1e-20,
            2.0,
            f32::INFINITY,
        ];
        for pair in values.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]), "{pair:?}");
        }
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    /// Measures; `cargo test --release -- --ignored --nocapture a_million`.
    #[test]
    #[ignore = "a measurement"]
    fn a_million_images_are_sorted_quickly() {
        let count = 1_000_000;
        let mut random = crate::tests::random::Random(5);
        let mut logit = || random.below(10_000_000) as f32 / 1e6;
        let scores: Vec<Score> = (0..count).map(|_| score(3, logit())).collect();
        let truth = [3];
        let row = |id: ImageId| Row {
            score: Some(&scores[id.0]),
            truth: &truth,
            changed: Some(id.0 as u64 * 7 % 1000),
            ..Row::default()
        };
        for text in ["name", "-conf", "-loss", "tmass", "-changed"] {
            let order = Order::parse(text).unwrap();
            let best = (0..7).map(|_| {
                let start = Instant::now();
                assert_eq!(sorted(ids(count), order, row).len(), count);
                start.elapsed()
            });
            println!("{text}: {:?}", best.min().unwrap());
        }
    }
}
