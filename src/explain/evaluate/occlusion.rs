//! Rank correlation with occlusion: does the map mark what the score falls without?
//!
//! Parts of the input are covered with zero (the mean color), and the fall of the class's logit is
//! the part's importance (Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2). The figure is
//! Spearman's correlation, over parts, between the mean of the map in a part and the fall
//! (Selvaraju et al. 2017, arXiv 1610.02391, section 5.3 of version 4, which does not give the size
//! of the parts). A part is a seventh of the input wide and high; parts follow each other by half
//! of that, 13 x 13 of them at 224 x 224.

use super::scores::replaced;
use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Subject, Tally, rank};
use crate::explain::methods::Watch;
use crate::heatmap::Grid;

/// The input is this many parts wide and high.
const PARTS: usize = 7;

const FIGURES: [Figure; 1] = [Figure::number(
    "occlusion_correlation",
    "with occlusion",
    Better::Higher,
)];

pub(super) static METRIC: Metric = Metric {
    name: "Rank correlation with occlusion",
    key: "occlusion",
    summary: "whether the logit falls most where what is covered is high in the map",
    needs: Needs::Nothing,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let class = maps.subject.top();
    let Some(map) = maps.map(class, watch)? else {
        return Ok(vec![Tally::default()]);
    };
    let falls = match maps.subject.occluded.take() {
        Some(known) => known,
        None => falls(maps.subject, watch)?,
    };
    let (width, height) = maps.subject.size();
    let means: Vec<f32> = parts(width, height)
        .iter()
        .map(|part| mean(&map, part))
        .collect();
    let found = rank::correlation(&means, &falls.values);
    maps.subject.occluded = Some(falls);
    Ok(vec![Tally::of(found)])
}

/// Left, top, width and height of a part, in input pixels.
type Part = [usize; 4];

/// All parts, row by row.
fn parts(width: usize, height: usize) -> Vec<Part> {
    let (columns, part_width) = starts(width);
    let (rows, part_height) = starts(height);
    rows.iter()
        .flat_map(|y| columns.iter().map(|x| [*x, *y, part_width, part_height]))
        .collect()
}

/// Where parts begin along a side, and how long they are.
fn starts(side: usize) -> (Vec<usize>, usize) {
    let length = (side / PARTS).max(1);
    let step = (length / 2).max(1);
    let last = side.saturating_sub(length);
    let mut starts: Vec<usize> = (0..last).step_by(step).collect();
    starts.push(last);
    (starts, length)
}

fn holds([left, top, width, height]: &Part, x: usize, y: usize) -> bool {
    (*left..left + width).contains(&x) && (*top..top + height).contains(&y)
}

fn mean(map: &Grid, [left, top, width, height]: &Part) -> f32 {
    let rows = (*top..top + height).flat_map(|y| (*left..left + width).map(move |x| (x, y)));
    let sum: f64 = rows.map(|(x, y)| f64::from(map.at(x, y))).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a mean of float32")]
    let mean = (sum / (width * height) as f64) as f32;
    mean
}

/// How much the predicted class's logit falls with each part covered.
fn falls(subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Grid, ExplainError> {
    let (width, height) = subject.size();
    let parts = parts(width, height);
    let values = subject.values()?;
    let covered = |index: usize| {
        let part = &parts[index];
        let inside = |position: usize| holds(part, position % width, position / width);
        replaced(&values, width * height, inside, 0.0)
    };
    let class = subject.top().0;
    let logits = subject.logits_of(parts.len(), covered, watch)?;
    let whole = subject.logits[class];
    let falls: Vec<f32> = logits.iter().map(|row| whole - row[class]).collect();
    Ok(Grid::new(falls.len(), 1, falls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_whole_input() {
        for (width, height, count) in [
            (112, 112, 169),
            (224, 224, 169),
            (224, 112, 169),
            (299, 100, 196),
        ] {
            let parts = parts(width, height);
            assert_eq!(parts.len(), count);
            let covered = |x, y| parts.iter().any(|part| holds(part, x, y));
            assert!((0..width).all(|x| covered(x, 0) && covered(x, height - 1)));
        }
        assert_eq!(parts(3, 2).len(), 6);
        assert_eq!(parts(224, 224)[14], [16, 16, 32, 32]);
    }

    #[test]
    fn the_mean_of_a_part_is_that_of_its_positions() {
        let map = Grid::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((mean(&map, &[1, 0, 2, 2]) - 3.0).abs() < 1e-6);
    }
}
