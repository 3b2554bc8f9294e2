//! Confusion matrix: how often images of one class were taken for another. Only cells that have
//! images are kept.

use super::query::quoted;
use super::row::Row;
use super::truth::plain;

/// How many images of a true class were taken for a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub truth: u32,
    pub predicted: u32,
    pub count: usize,
}

/// The cells that have images, by true class and then by predicted class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    cells: Vec<Cell>,
    /// Images of each true class, by class.
    of_truth: Vec<usize>,
    /// Images taken for each class, by class.
    of_predicted: Vec<usize>,
    total: usize,
    /// Whether some image has several true classes.
    has_several: bool,
}

/// The largest class that is counted. A model has fewer; a number beyond it comes from a broken file.
const LARGEST: u32 = 1 << 20;

impl Confusion {
    /// Counts pairs of a true and a predicted class.
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        // Sorting is faster than a map, and takes 8 bytes an image.
        let mut packed: Vec<u64> = pairs
            .into_iter()
            .filter(|(truth, predicted)| truth.max(predicted) < &LARGEST)
            .map(|(truth, predicted)| u64::from(truth) << 32 | u64::from(predicted))
            .collect();
        packed.sort_unstable();
        let mut confusion = Self {
            total: packed.len(),
            ..Self::default()
        };
        for same in packed.chunk_by(|a, b| a == b) {
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of a pair")]
            let (truth, predicted) = ((same[0] >> 32) as u32, same[0] as u32);
            let count = same.len();
            confusion.cells.push(Cell {
                truth,
                predicted,
                count,
            });
            add(&mut confusion.of_truth, truth, count);
            add(&mut confusion.of_predicted, predicted, count);
        }
        confusion
    }

    /// Counts the rows that are scored and whose truth is known. One with several true classes
    /// counts for the one with the best rank.
    #[must_use]
    pub fn of_rows<'a>(rows: impl IntoIterator<Item = Row<'a>>) -> Self {
        let mut has_several = false;
        let pairs = rows.into_iter().filter_map(|row| {
            has_several |= row.truth.len() > 1;
            row.counted_for().zip(row.predicted())
        });
        let confusion = Self::of(pairs);
        Self {
            has_several,
            ..confusion
        }
    }

    /// How many images are counted.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The cells that have images, by true class and then by predicted class.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells of one true class that have images.
    #[must_use]
    pub fn row(&self, truth: u32) -> &[Cell] {
        let start = self.cells.partition_point(|cell| cell.truth < truth);
        let end = self.cells.partition_point(|cell| cell.truth <= truth);
        &self.cells[start..end]
    }

    #[must_use]
    pub fn count(&self, truth: u32, predicted: u32) -> usize {
        let row = self.row(truth);
        let place = row.binary_search_by_key(&predicted, |cell| cell.predicted);
        place.map_or(0, |place| row[place].count)
    }

    /// How many images have this true class.
    #[must_use]
    pub fn of_truth(&self, class: u32) -> usize {
        at(&self.of_truth, class)
    }

    /// How many images were taken for this class.
    #[must_use]
    pub fn of_predicted(&self, class: u32) -> usize {
        at(&self.of_predicted, class)
    }

    /// Share of the images of a true class that were taken for a class, 0..=1; nothing where there
    /// are none. On the diagonal it is the recall.
    #[must_use]
    pub fn row_rate(&self, truth: u32, predicted: u32) -> Option<f32> {
        share(self.count(truth, predicted), self.of_truth(truth))
    }

    /// Share of the images taken for a class that have a true class, 0..=1; nothing where there are
    /// none. On the diagonal it is the precision.
    #[must_use]
    pub fn column_rate(&self, truth: u32, predicted: u32) -> Option<f32> {
        share(self.count(truth, predicted), self.of_predicted(predicted))
    }

    /// The classes that some image has or was taken for, in order.
    #[must_use]
    pub fn classes(&self) -> Vec<u32> {
        let most = self.of_truth.len().max(self.of_predicted.len());
        let classes = (0_u32..).take(most);
        classes
            .filter(|class| self.of_truth(*class) + self.of_predicted(*class) > 0)
            .collect()
    }

    /// Mistakes, the most frequent first; of equally many the one with the larger share of its true
    /// class, then by number.
    #[must_use]
    pub fn worst(&self) -> Vec<Cell> {
        let wrong = self
            .cells
            .iter()
            .filter(|cell| cell.truth != cell.predicted);
        let mut worst: Vec<Cell> = wrong.copied().collect();
        // The sort is stable, and the fewer of a class, the larger the share of as many.
        worst.sort_by_key(|cell| (std::cmp::Reverse(cell.count), self.of_truth(cell.truth)));
        worst
    }

    /// The query that shows the images of a cell. Classes are named where the name is theirs alone,
    /// else numbered. With several true classes it may let through an image that counts for another
    /// of its classes.
    #[must_use]
    pub fn query(&self, truth: u32, predicted: u32, labels: &[String]) -> String {
        let only = if self.has_several && truth != predicted {
            " wrong"
        } else {
            ""
        };
        format!(
            "pred:{} true:{}{only}",
            written(predicted, labels),
            written(truth, labels)
        )
    }
}

/// A class as a query has it, behind `true:` and `pred:`: by name, by number where the name is missing or another's as well.
#[must_use]
pub fn written(class: u32, labels: &[String]) -> String {
    let number = || format!("#{class}");
    let Some(label) = labels.get(class as usize) else {
        return number();
    };
    let name = plain(label);
    let same = labels.iter().filter(|other| plain(other) == name);
    if name.is_empty() || same.count() > 1 {
        number()
    } else {
        quoted(label)
    }
}

fn add(counts: &mut Vec<usize>, class: u32, count: usize) {
    let class = class as usize;
    if counts.len() <= class {
        counts.resize(class + 1, 0);
    }
    counts[class] += count;
}

fn at(counts: &[usize], class: u32) -> usize {
    counts.get(class as usize).copied().unwrap_or(0)
}

fn share(part: usize, whole: usize) -> Option<f32> {
    (whole > 0).then(|| part as f32 / whole as f32)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dataset::query::{Query, Vocabulary};
    use crate::dataset::score::{Answer, Score};

    fn confusion() -> Confusion {
        // Of class 0: 3 right, 2 taken for 1. Of class 1: 2 taken for 0. Of class 4: 1 right.
        Confusion::of([
            (0, 0),
            (0, 1),
            (1, 0),
            (0, 0),
            (4, 4),
            (1, 0),
            (0, 1),
            (0, 0),
        ])
    }

    #[test]
    fn cells_and_rates_are_counted() {
        let confusion = confusion();
        assert_eq!(confusion.total(), 8);
        assert_eq!(confusion.cells().len(), 4);
        assert_eq!(confusion.count(0, 1), 2);
        assert_eq!(confusion.count(1, 1), 0);
        assert_eq!((confusion.of_truth(0), confusion.of_predicted(0)), (5, 5));
        assert_eq!(confusion.row_rate(0, 0), Some(0.6));
        assert_eq!(confusion.row_rate(1, 0), Some(1.0));
        assert_eq!(confusion.column_rate(1, 0), Some(0.4));
        assert_eq!(confusion.column_rate(0, 1), Some(1.0));
        assert_eq!(confusion.row_rate(9, 0), None);
        assert_eq!(confusion.classes(), [0, 1, 4]);
        assert_eq!(
            confusion.row(1),
            [Cell {
                truth: 1,
                predicted: 0,
                count: 2
            }]
        );
        assert_eq!(Confusion::of([(u32::MAX, 0)]).total(), 0);
    }

    #[test]
    fn the_worst_pairs_come_first() {
        let worst: Vec<(u32, u32)> = confusion()
            .worst()
            .iter()
            .map(|cell| (cell.truth, cell.predicted))
            .collect();
        // Two of two is worse than two of five.
        assert_eq!(worst, [(1, 0), (0, 1)]);
    }

    #[test]
    fn a_cell_opens_the_images_that_it_counts() {
        let labels = [
            "cat",
            "tiger cat",
            "crane",
            "Crane",
            "a \"b\" (c)",
            "none",
            "",
        ]
        .map(str::to_owned);
        let vocabulary = Vocabulary {
            labels: &labels,
            classes: labels.len(),
            ..Vocabulary::default()
        };
        let answer = |class| {
            [
                Answer { class, logit: 1.0 },
                Answer {
                    class: 5,
                    logit: 0.0,
                },
            ]
        };
        let scores: Vec<Score> = (0..7)
            .map(|class| Score::new(&answer(class), 2.0, 1.0))
            .collect();
        let truths: Vec<Vec<u32>> = (0..7).map(|class| vec![class]).collect();
        let all = || {
            let pairs = truths
                .iter()
                .flat_map(|truth| scores.iter().map(move |score| (truth, score)));
            pairs.map(|(truth, score)| Row {
                score: Some(score),
                truth,
                ..Row::default()
            })
        };
        let confusion = Confusion::of_rows(all());
        assert_eq!(confusion.cells().len(), 49);
        for cell in confusion.cells() {
            let text = confusion.query(cell.truth, cell.predicted, &labels);
            let query = Query::parse(&text, &vocabulary).unwrap();
            let shown: Vec<Row<'_>> = all().filter(|row| query.lets(row)).collect();
            assert_eq!(shown.len(), cell.count, "{text}");
            assert_eq!(shown[0].predicted(), Some(cell.predicted), "{text}");
            assert_eq!(shown[0].truth, [cell.truth], "{text}");
        }
        assert_eq!(
            confusion.query(0, 1, &labels),
            "pred:\"tiger cat\" true:cat"
        );
        assert_eq!(confusion.query(2, 9, &labels), "pred:#9 true:#2");
    }

    #[test]
    fn an_image_with_several_classes_counts_for_the_best_of_them() {
        let top = [
            Answer {
                class: 3,
                logit: 2.0,
            },
            Answer {
                class: 1,
                logit: 1.0,
            },
        ];
        let score = Score::new(&top, 3.0, 1.0);
        let row = |truth| Row {
            score: Some(&score),
            truth,
            ..Row::default()
        };
        let confusion = Confusion::of_rows([row(&[0, 1]), row(&[1, 3]), row(&[]), Row::default()]);
        assert_eq!(
            (
                confusion.total(),
                confusion.count(1, 3),
                confusion.count(3, 3)
            ),
            (2, 1, 1)
        );
        assert_eq!(confusion.query(1, 3, &[]), "pred:#3 true:#1 wrong");
        assert_eq!(confusion.query(3, 3, &[]), "pred:#3 true:#3");
    }

    /// Measures; `cargo test --release -- --ignored --nocapture a_million`.
    #[test]
    #[ignore = "a measurement"]
    fn a_million_pairs_are_counted_quickly() {
        let mut random = crate::tests::random::Random(5);
        let mut class = || u32::try_from(random.below(1000)).unwrap();
        let pairs: Vec<(u32, u32)> = (0..1_000_000).map(|_| (class(), class())).collect();
        let start = Instant::now();
        let confusion = Confusion::of(pairs);
        let (cells, bytes) = (confusion.cells().len(), size_of_val(confusion.cells()));
        println!("{cells} cells, {bytes} bytes in {:?}", start.elapsed());
        let start = Instant::now();
        println!("{} pairs in {:?}", confusion.worst().len(), start.elapsed());
    }
}
