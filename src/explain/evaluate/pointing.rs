//! Pointing game: does the map's maximum lie in the object?
//!
//! `accuracy = hits / (hits + misses)` over the classes of an image that have boxes: a hit is a map
//! of the class whose maximum lies in a box of the class (Zhang et al. 2016, arXiv 1608.00507,
//! section 4.1; the class is told to the method). Zhang et al. add a tolerance of 15 pixels around
//! the box; it is 0 here unless the user says otherwise. Hits are counted over all classes and
//! images, as Selvaraju et al. do, not averaged class by class.
//!
//! With recall (Selvaraju et al. 2017, arXiv 1610.02391, section 4.3 of version 4): maps of the five
//! best predictions; a class is *rejected* where its map's maximum is below a threshold. A hit is a
//! class of the image that is not rejected and whose maximum lies in a box, or another class that is
//! rejected. The paper does not give the threshold. Peaks of different methods and networks have
//! different units, so it is here a share of the largest of the five peaks, before scaling.
//!
//! A map that is empty or not a number points nowhere: a miss. So is an object that the crop cuts
//! off. Of equal maxima the first row by row counts.

use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Subject, Tally};
use crate::explain::methods::Watch;
use crate::heatmap::Grid;
use crate::model::ClassIndex;

const FIGURES: [Figure; 2] = [
    Figure::share("pointing", "pointing game", Better::Higher),
    Figure::share("pointing_recall", "with recall", Better::Higher),
];

pub(super) static METRIC: Metric = Metric {
    name: "Pointing game",
    key: "pointing",
    summary: "the map's maximum lies in a box of the class",
    needs: Needs::Boxes,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let mut accuracy = Tally::default();
    for class in maps.subject.true_classes() {
        if !maps.subject.boxes(class).is_empty() {
            accuracy.add(f64::from(u8::from(points_into_a_box(maps, class, watch)?)));
        }
    }
    if accuracy.cases == 0 {
        return Ok(vec![Tally::default(); 2]);
    }
    Ok(vec![accuracy, with_recall(maps, watch)?])
}

/// Whether the maximum of the class's map lies in a box of the class.
fn points_into_a_box(
    maps: &mut Maps<'_, '_>,
    class: ClassIndex,
    watch: &mut dyn Watch,
) -> Result<bool, ExplainError> {
    let map = maps.map(class, watch)?;
    let Some((x, y)) = map.as_ref().and_then(maximum) else {
        return Ok(false);
    };
    Ok(is_hit(maps.subject, class, x, y))
}

/// The position of the largest value, if one is above zero.
fn maximum(map: &Grid) -> Option<(usize, usize)> {
    let mut best = None;
    let mut peak = 0.0;
    for (place, value) in map.values.iter().enumerate() {
        if *value > peak {
            (best, peak) = (Some((place % map.width, place / map.width)), *value);
        }
    }
    best
}

/// Whether the center of an input pixel lies in a box of the class, or near enough to one.
fn is_hit(subject: &Subject<'_>, class: ClassIndex, x: usize, y: usize) -> bool {
    let geometry = subject.input.geometry;
    let (x, y) = geometry.image_from_input(x as f64 + 0.5, y as f64 + 0.5);
    let margin = subject.evaluator.rules.tolerance;
    let mut boxes = subject.boxes(class).into_iter();
    boxes.any(|bounds| bounds.grown(margin).contains(x, y))
}

fn with_recall(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Tally, ExplainError> {
    let truth = maps.subject.true_classes();
    let mut judged = Vec::new();
    for class in maps.subject.ranked.clone() {
        let peak = f64::from(maps.explanation(class, watch)?.heatmap.peak);
        let peak = if peak.is_finite() { peak } else { 0.0 };
        let is_true = truth.contains(&class);
        // Of a class that is there without a box nothing can be said.
        if is_true && maps.subject.boxes(class).is_empty() {
            judged.push((peak, None));
        } else {
            let points = is_true && points_into_a_box(maps, class, watch)?;
            judged.push((peak, Some((is_true, points))));
        }
    }
    Ok(recall(&judged, maps.subject.evaluator.rules.reject))
}

/// From peaks, and where it is known whether the class is there and its map points to it.
fn recall(judged: &[(f64, Option<(bool, bool)>)], reject: f64) -> Tally {
    let largest = judged.iter().map(|(peak, _)| *peak).fold(0.0, f64::max);
    let mut tally = Tally::default();
    for (peak, known) in judged {
        if let Some((is_true, points)) = known {
            let rejected = *peak <= 0.0 || *peak < reject * largest;
            let hit = if *is_true {
                *points && !rejected
            } else {
                rejected
            };
            tally.add(f64::from(u8::from(hit)));
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_counts_and_an_empty_map_has_none() {
        let map = Grid::new(3, 2, vec![0.1, 0.2, 1.0, 0.0, 1.0, 0.5]);
        assert_eq!(maximum(&map), Some((2, 0)));
        assert_eq!(maximum(&Grid::new(2, 1, vec![0.0, 0.0])), None);
    }

    #[test]
    fn of_five_predictions_those_that_are_there_must_point_and_the_others_be_rejected() {
        let here = |points| Some((true, points));
        let absent = Some((false, false));
        let share = |judged: &[(f64, Option<(bool, bool)>)]| {
            let Tally { sum, cases } = recall(judged, 0.5);
            (sum, cases)
        };
        // Points, too weak, points elsewhere; rejected, not rejected.
        let judged = [
            (10.0, here(true)),
            (4.9, here(true)),
            (8.0, here(false)),
            (4.9, absent),
            (5.0, absent),
        ];
        assert_eq!(share(&judged), (2.0, 5));
        assert_eq!(
            share(&[(10.0, here(true)), (0.0, None), (1.0, absent)]),
            (2.0, 2)
        );
        // Without any peak all are rejected.
        assert_eq!(share(&[(0.0, here(true)), (0.0, absent)]), (1.0, 2));
    }
}
