//! Weakly supervised localization: a box around what the map marks, compared with the object's.
//!
//! The box bounds the largest connected segment of the map above 15 % of its maximum
//! (Selvaraju et al. 2017, arXiv 1610.02391, section 4.1). It is right where its intersection with
//! a true box of the class over their union is at least 0.5. As in ILSVRC (Russakovsky et al. 2015,
//! arXiv 1409.0575, section 4.2) an image counts for the top 1 or 5 where one of that many
//! predictions is a class of the image *and* the box of that class's map is right; the error is the
//! share of images where none is. The classification error beside it drops the condition on the
//! box, so that it bounds the localization error from below. *Class given* asks for the map of each
//! class of the image instead, whatever the network predicts, and thus judges the map alone (Choe
//! et al. 2020, arXiv 2001.07437, "GT-known"). Boxes are compared in pixels of the image, whole
//! also where the crop cuts some of the object off.

use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Tally};
use crate::explain::methods::Watch;
use crate::geometry::Window;
use crate::heatmap::{THRESHOLD, box_above};
use crate::model::ClassIndex;

/// From this intersection over union on a box is right.
const OVERLAP: f64 = 0.5;

const FIGURES: [Figure; 5] = [
    Figure::share("localization_top1", "box top 1", Better::Lower),
    Figure::share("localization_top5", "box top 5", Better::Lower),
    Figure::share("localization_given", "class given", Better::Lower),
    Figure {
        better: None,
        ..Figure::share("classification_top1", "class top 1", Better::Lower)
    },
    Figure {
        better: None,
        ..Figure::share("classification_top5", "class top 5", Better::Lower)
    },
];

pub(super) static METRIC: Metric = Metric {
    name: "Localization error",
    key: "localization",
    summary: "no true box overlaps the box of the map by half; beside it the class alone",
    needs: Needs::Truth,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let truth = maps.subject.true_classes();
    let ranked = maps.subject.ranked.clone();
    if truth.is_empty() {
        return Ok(vec![Tally::default(); FIGURES.len()]);
    }
    let boxed: Vec<ClassIndex> = truth
        .iter()
        .copied()
        .filter(|class| !maps.subject.boxes(*class).is_empty())
        .collect();
    let mut given = Tally::default();
    let mut right = Vec::new();
    for class in &boxed {
        let found = is_found(maps, *class, watch)?;
        given.add(error(found));
        if found {
            right.push(*class);
        }
    }
    let missed = |classes: &[ClassIndex], top: usize| {
        let mut best = ranked.iter().take(top);
        Tally::of(error(best.any(|class| classes.contains(class))))
    };
    let located = |top| {
        if boxed.is_empty() {
            Tally::default()
        } else {
            missed(&right, top)
        }
    };
    Ok(vec![
        located(1),
        located(super::TOP),
        given,
        missed(&truth, 1),
        missed(&truth, super::TOP),
    ])
}

fn error(right: bool) -> f64 {
    f64::from(u8::from(!right))
}

/// Whether the box of the class's map is right.
fn is_found(
    maps: &mut Maps<'_, '_>,
    class: ClassIndex,
    watch: &mut dyn Watch,
) -> Result<bool, ExplainError> {
    let Some(map) = maps.map(class, watch)? else {
        return Ok(false);
    };
    let Some([left, top, right, bottom]) = box_above(&map, THRESHOLD) else {
        return Ok(false);
    };
    let geometry = maps.subject.input.geometry;
    let (x, y) = geometry.image_from_input(left as f64, top as f64);
    let (far_x, far_y) = geometry.image_from_input(right as f64, bottom as f64);
    let found = Window {
        x,
        y,
        width: far_x - x,
        height: far_y - y,
    };
    let mut boxes = maps.subject.boxes(class).into_iter();
    Ok(boxes.any(|bounds| overlap(&found, &bounds) >= OVERLAP))
}

/// Intersection over union.
fn overlap(a: &Window, b: &Window) -> f64 {
    let along = |a: f64, a_length: f64, b: f64, b_length: f64| {
        ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
    };
    let shared = along(a.x, a.width, b.x, b.width) * along(a.y, a.height, b.y, b.height);
    shared / (a.width * a.height + b.width * b.height - shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_the_intersection_over_the_union() {
        let window = |x, y, width, height| Window {
            x,
            y,
            width,
            height,
        };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let unit = window(0.0, 0.0, 2.0, 2.0);
        assert!(near(overlap(&unit, &unit), 1.0));
        assert!(near(overlap(&unit, &window(1.0, 0.0, 2.0, 2.0)), 1.0 / 3.0));
        assert!(near(overlap(&unit, &window(1.0, 1.0, 3.0, 1.0)), 1.0 / 6.0));
        assert!(near(overlap(&unit, &window(2.0, 0.0, 1.0, 1.0)), 0.0));
        assert!(near(overlap(&window(-1.0, -1.0, 4.0, 4.0), &unit), 0.25));
    }
}
