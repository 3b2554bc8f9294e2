//! Average drop and increase in confidence: what is left of the prediction where the map is low.
//!
//! With `p` the class's probability on the input `x`, and `p'` that on `x · map`:
//! `drop = max(0, p - p') / (p + 1e-7)`, `increase = 1 where p < p', else 0`
//! (Chattopadhay et al. 2018, arXiv 1710.11063, section 4.1). The input is multiplied after
//! normalization, so that what the map leaves out becomes the mean color. Values equal those of
//! torch-cam's `ClassificationMetric` for the same map.

use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Tally};
use crate::explain::methods::Watch;

const FIGURES: [Figure; 2] = [
    Figure::share("average_drop", "average drop", Better::Lower),
    Figure::share("increase", "increase", Better::Higher),
];

pub(super) static METRIC: Metric = Metric {
    name: "Average drop and increase in confidence",
    key: "drop",
    summary: "what the probability loses, and how often it gains, with the input times the map",
    needs: Needs::Nothing,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let class = maps.subject.top();
    let Some(map) = maps.map(class, watch)? else {
        return Ok(vec![Tally::default(); 2]);
    };
    let mut masked = maps.subject.values()?;
    for channel in masked.chunks_mut(map.values.len().max(1)) {
        for (value, weight) in channel.iter_mut().zip(&map.values) {
            *value *= weight;
        }
    }
    let before = maps.subject.probability(class);
    let after = maps
        .subject
        .probabilities_of(class, 1, |_| std::mem::take(&mut masked), watch)?;
    let after = after.first().copied().unwrap_or(f64::NAN);
    Ok(vec![
        Tally::of((before - after).max(0.0) / (before + 1e-7)),
        Tally::of(f64::from(u8::from(before < after))),
    ])
}
