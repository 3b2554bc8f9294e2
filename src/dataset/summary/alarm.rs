//! Alarm: an accuracy that no trained network has. Then the preprocessing is wrong, or truth and
//! network number the classes differently.

use std::collections::{BTreeMap, BTreeSet};

use super::Rate;
use crate::dataset::confusion::Confusion;

/// With fewer images anything may be an accident.
const FEWEST: usize = 20;
/// How often another numbering must agree at least.
const AGREES: f32 = 0.25;
/// How much larger the mean probability is than the accuracy, where a network is sure of itself.
const SURE: f32 = 0.25;

/// What is wrong, in a sentence, where the accuracy is absurd. `confidence` is the mean probability of
/// the top class.
///
/// Absurd is
/// - a numbering of the classes, shifted or sorted otherwise, under which the predictions agree with
///   the truth beyond doubt more often than as they are (the intervals of the two rates do not
///   touch), in at least a quarter of the images and half of the classes;
/// - an accuracy whose interval reaches down to chance, of a network that is sure of itself. Chance is
///   how often truth and predictions would agree if they had nothing to do with each other.
pub(super) fn alarm(
    confusion: &Confusion,
    confidence: Option<f32>,
    labels: &[String],
    classes: usize,
) -> Option<String> {
    let all = confusion.total();
    if all < FEWEST {
        return None;
    }
    let seen = confusion.classes();
    let classes = classes.max(seen.last().map_or(0, |last| *last as usize + 1));
    let diagonal = seen.iter().map(|class| confusion.count(*class, *class));
    let right = Rate {
        hits: diagonal.sum(),
        of: all,
    };
    renumbered(confusion, right, labels, classes)
        .or_else(|| at_chance(confusion, right, confidence?, classes))
}

/// Another way to number the classes.
struct Numbering {
    /// The new number of each class.
    numbers: Vec<usize>,
    /// "the prediction is the true class plus 1".
    says: String,
    /// What to try.
    advice: &'static str,
}

fn renumbered(
    confusion: &Confusion,
    right: Rate,
    labels: &[String],
    classes: usize,
) -> Option<String> {
    let best = shifted(confusion, classes)
        .into_iter()
        .chain(sorted_otherwise(labels, classes))
        .map(|numbering| (agreeing(confusion, &numbering.numbers), numbering))
        .max_by_key(|(rate, _)| rate.hits)?;
    let (agrees, numbering) = best;
    let is_beyond_doubt = agrees.interval()?[0] > right.interval()?[1];
    let is_often = agrees.share()? >= AGREES;
    (is_beyond_doubt && is_often && holds_in_most(confusion, &numbering.numbers)).then(|| {
        format!(
            "in {} of {} images {}, and in {} it is right: truth and network number the classes differently; {}",
            percent(agrees.share().unwrap_or_default()),
            agrees.of,
            numbering.says,
            percent(right.share().unwrap_or_default()),
            numbering.advice
        )
    })
}

/// The shift under which most predictions agree with the truth.
fn shifted(confusion: &Confusion, classes: usize) -> Option<Numbering> {
    let mut shifts: BTreeMap<usize, usize> = BTreeMap::new();
    for cell in confusion.cells() {
        let shift = (cell.predicted as usize + classes - cell.truth as usize) % classes;
        *shifts.entry(shift).or_default() += cell.count;
    }
    let (shift, _) = shifts.into_iter().max_by_key(|(_, count)| *count)?;
    let says = if classes == 2 {
        "the prediction is the other of the two classes".to_owned()
    } else if shift * 2 <= classes {
        format!("the prediction is the true class plus {shift}")
    } else {
        format!("the prediction is the true class less {}", classes - shift)
    };
    Some(Numbering {
        numbers: (0..classes)
            .map(|class| (class + shift) % classes)
            .collect(),
        says,
        advice: "look for a class too many or too few at the beginning, such as a background, or give the truth by names in place of numbers",
    })
}

/// Names sorted as text, where 10 comes before 2, and by their numbers, where it does not; and back.
fn sorted_otherwise(labels: &[String], classes: usize) -> Vec<Numbering> {
    let names: Vec<String> = match labels.len() {
        0 => (0..classes).map(|class| class.to_string()).collect(),
        _ => labels.to_vec(),
    };
    let mut as_text: Vec<usize> = (0..names.len()).collect();
    let mut as_numbers = as_text.clone();
    as_text.sort_by(|a, b| names[*a].cmp(&names[*b]));
    as_numbers.sort_by(|a, b| natord::compare(&names[*a], &names[*b]));
    let mut found = Vec::new();
    for (order, how) in [
        (as_text, "as text, 10 before 2"),
        (as_numbers, "by their numbers, 2 before 10"),
    ] {
        let mut place = vec![0; order.len()];
        for (at, class) in order.iter().enumerate() {
            place[*class] = at;
        }
        for numbers in [place, order] {
            if numbers.iter().enumerate().any(|(at, class)| at != *class) {
                found.push(Numbering {
                    numbers,
                    says: format!(
                        "the prediction is what the true class would be with the names sorted {how}"
                    ),
                    advice: "give --labels with the names in the order of the training; folders are sorted as text there",
                });
            }
        }
    }
    found
}

/// How often the prediction is the new number of the true class.
fn agreeing(confusion: &Confusion, numbers: &[usize]) -> Rate {
    let agrees = |truth: u32, predicted: u32| {
        numbers.get(truth as usize).copied() == Some(predicted as usize)
    };
    let cells = confusion.cells().iter();
    let hits = cells.filter(|cell| agrees(cell.truth, cell.predicted));
    Rate {
        hits: hits.map(|cell| cell.count).sum(),
        of: confusion.total(),
    }
}

/// Whether the new number is the most frequent prediction of most true classes, and of two at least:
/// one class that is taken for another says nothing of the rest.
fn holds_in_most(confusion: &Confusion, numbers: &[usize]) -> bool {
    let truths: BTreeSet<u32> = confusion.cells().iter().map(|cell| cell.truth).collect();
    let holds = |truth: &&u32| {
        let most = confusion.row(**truth).iter().max_by_key(|cell| cell.count);
        most.is_some_and(|cell| {
            numbers.get(cell.truth as usize) == Some(&(cell.predicted as usize))
        })
    };
    let held = truths.iter().filter(holds).count();
    held >= 2 && held * 2 >= truths.len()
}

fn at_chance(
    confusion: &Confusion,
    right: Rate,
    confidence: f32,
    classes: usize,
) -> Option<String> {
    let all = right.of as f32;
    let seen = confusion.classes();
    let shares = seen.iter().map(|class| {
        confusion.of_truth(*class) as f32 / all * (confusion.of_predicted(*class) as f32 / all)
    });
    let truths = seen.iter().filter(|class| confusion.of_truth(**class) > 0);
    let chance = match truths.count() {
        // Of one class nothing can be told apart.
        1 => 1.0 / classes as f32,
        _ => shares.sum::<f32>(),
    };
    let accuracy = right.share()?;
    let is_at_chance = right.interval()?[0] <= chance;
    (is_at_chance && confidence - accuracy > SURE).then(|| {
        format!(
            "the network is right in {} of {} images, no more than by chance, and sure of itself, to {} on average: the preprocessing or the order of the classes is wrong; compare --mean, --std, --bgr and --labels with the training",
            percent(accuracy),
            right.of,
            percent(confidence)
        )
    })
}

/// "93 %", "0.4 %".
fn percent(share: f32) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 9.95 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}
