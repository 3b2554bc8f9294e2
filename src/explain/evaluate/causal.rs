//! Deletion and insertion: how the probability goes while the marked positions go, or come back.
//!
//! Positions are ranked by the map, highest first, equal ones row by row. Deletion replaces them by
//! zero (the mean color) in 20 steps; insertion starts from zero everywhere and brings them back.
//! The figure is the area under the curve of the class's probability over the share of positions,
//! by trapezoids (Petsiuk et al. 2018, arXiv 1806.07421, section 3.3, who insert into a blurred
//! image instead). Steps and values are those of torch-cam's `DeletionInsertionMetric`.

use super::scores::replaced;
use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Tally};
use crate::explain::methods::Watch;
use crate::heatmap::Grid;

const STEPS: usize = 20;

const FIGURES: [Figure; 2] = [
    Figure::number("deletion", "deletion AUC", Better::Lower),
    Figure::number("insertion", "insertion AUC", Better::Higher),
];

pub(super) static METRIC: Metric = Metric {
    name: "Deletion and insertion",
    key: "deletion",
    summary: "area under the probability as the map's highest positions go, or come back",
    needs: Needs::Nothing,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let class = maps.subject.top();
    let Some(map) = maps.map(class, watch)? else {
        return Ok(vec![Tally::default(); 2]);
    };
    let ranks = ranks(&map);
    let positions = ranks.len();
    let counts = counts(positions);
    let values = maps.subject.values()?;
    // All of it removed, then for each count in between what is deleted, and what is inserted.
    let between = &counts[1..counts.len() - 1];
    let changed = |job: usize| match job.checked_sub(1) {
        None => vec![0.0; values.len()],
        Some(job) => {
            let (count, inserts) = (between[job / 2], job % 2 == 1);
            let removed = |position: usize| (ranks[position] < count) != inserts;
            replaced(&values, positions, removed, 0.0)
        }
    };
    let jobs = 1 + 2 * between.len();
    let found = maps.subject.probabilities_of(class, jobs, changed, watch)?;
    let (empty, whole) = (found[0], maps.subject.probability(class));
    let part = |offset: usize| found[1..].iter().skip(offset).step_by(2).copied();
    let curve = |first: f64, offset: usize, last: f64| -> Vec<f64> {
        let inner = part(offset);
        std::iter::once(first).chain(inner).chain([last]).collect()
    };
    Ok(vec![
        Tally::of(area(&curve(whole, 0, empty), &counts)),
        Tally::of(area(&curve(empty, 1, whole), &counts)),
    ])
}

/// The rank of each position, 0 for the highest value.
fn ranks(map: &Grid) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.values.len()).collect();
    order.sort_by(|a, b| map.values[*b].total_cmp(&map.values[*a]));
    let mut ranks = vec![0; order.len()];
    for (rank, position) in order.into_iter().enumerate() {
        ranks[position] = rank;
    }
    ranks
}

/// How many positions are changed at each point of the curve, from none to all.
fn counts(positions: usize) -> Vec<usize> {
    let step = positions.div_ceil(STEPS).max(1);
    (0..positions).step_by(step).chain([positions]).collect()
}

fn area(curve: &[f64], counts: &[usize]) -> f64 {
    let all = counts.last().copied().unwrap_or(1).max(1) as f64;
    let pieces = curve.windows(2).zip(counts.windows(2));
    pieces
        .map(|(y, x)| f64::midpoint(y[0], y[1]) * (x[1] - x[0]) as f64 / all)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_equal_but_the_last_and_reach_all_positions() {
        assert_eq!(counts(100).len(), 21);
        assert_eq!(counts(49)[..3], [0, 3, 6]);
        assert_eq!(counts(49)[16..], [48, 49]);
        assert_eq!(counts(3), [0, 1, 2, 3]);
    }

    #[test]
    fn equal_values_keep_their_order() {
        let map = Grid::new(2, 2, vec![0.5, 1.0, 0.5, 0.0]);
        assert_eq!(ranks(&map), [1, 0, 2, 3]);
    }

    #[test]
    fn the_area_counts_by_the_width_of_the_steps() {
        let found = area(&[1.0, 0.5, 0.0], &[0, 1, 4]);
        assert!((found - (0.75 * 0.25 + 0.25 * 0.75)).abs() < 1e-12);
    }
}
