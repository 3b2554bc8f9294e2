//! ROAD: how the probability goes when positions are removed without leaving a trace
//! (Rong et al. 2022, arXiv 2202.00449).
//!
//! Positions at and above a percentile of the map are removed, the most relevant first (MoRF), or
//! those at and above the percentile of `1 - map`, the least relevant first (LeRF), and imputed from
//! their neighbors ([`imputer`]). The figure is `(LeRF - MoRF) / 2`, each the mean over the
//! percentiles 10, 20, … 90 of the change of the class's probability. Values equal those of
//! pytorch-grad-cam's `ROADCombined` with `ClassifierOutputSoftmaxTarget`, but for the noise, which
//! is told by the image here and the same for all methods. Of a map that has its smallest value (zero
//! after ReLU) in more places than a percentile leaves, all positions are removed, and the input is
//! zero, the mean color.

mod imputer;

use super::{Better, ExplainError, Figure, Maps, Metric, Needs, Subject, Tally};
use crate::explain::methods::Watch;
use crate::heatmap::Grid;
use crate::model::random::Random;

const PERCENTILES: [u8; 9] = [10, 20, 30, 40, 50, 60, 70, 80, 90];
/// Deviation of the noise on imputed values.
const NOISE: f64 = 0.01;

const FIGURES: [Figure; 3] = [
    Figure::number("road", "ROAD", Better::Higher),
    Figure::number("road_morf", "ROAD, MoRF", Better::Lower).in_files_only(),
    Figure::number("road_lerf", "ROAD, LeRF", Better::Higher).in_files_only(),
];

pub(super) static METRIC: Metric = Metric {
    name: "ROAD",
    key: "road",
    summary: "how much more the map's highest positions count than its lowest, when imputed",
    needs: Needs::Nothing,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    measured(maps, NOISE, watch)
}

fn measured(
    maps: &mut Maps<'_, '_>,
    noise: f64,
    watch: &mut dyn Watch,
) -> Result<Vec<Tally>, ExplainError> {
    let class = maps.subject.top();
    let Some(map) = maps.map(class, watch)? else {
        return Ok(vec![Tally::default(); FIGURES.len()]);
    };
    let subject = &*maps.subject;
    let mut imputed = imputations(subject, &map, noise, watch)?;
    let take = |at: usize| std::mem::take(&mut imputed[at]);
    let count = 2 * PERCENTILES.len();
    let found = subject.probabilities_of(class, count, take, watch)?;
    let before = subject.probability(class);
    let change = |part: &[f64]| part.iter().map(|p| p - before).sum::<f64>() / part.len() as f64;
    let (morf, lerf) = found.split_at(PERCENTILES.len());
    let (morf, lerf) = (change(morf), change(lerf));
    Ok(vec![
        Tally::of((lerf - morf) / 2.0),
        Tally::of(morf),
        Tally::of(lerf),
    ])
}

/// The input with the most relevant positions imputed, percentile by percentile, then with the least
/// relevant.
fn imputations(
    subject: &Subject<'_>,
    map: &Grid,
    noise: f64,
    watch: &mut dyn Watch,
) -> Result<Vec<Vec<f32>>, ExplainError> {
    let (values, size) = (subject.values()?, subject.size());
    let (image, seed) = (subject.name.as_str(), subject.evaluator.rules.seed);
    let inverted = map.map(|value| 1.0 - value);
    let jobs: Vec<(&str, &Grid, u8)> = [("morf", map), ("lerf", &inverted)]
        .into_iter()
        .flat_map(|(order, relevance)| PERCENTILES.map(|percentile| (order, relevance, percentile)))
        .collect();
    let imputed = |(order, relevance, percentile): (&str, &Grid, u8)| {
        let threshold = imputer::percentile(&relevance.values, percentile);
        let missing: Vec<bool> = relevance.values.iter().map(|v| *v >= threshold).collect();
        let mut random = Random::named(&format!("{image} {order} {percentile}"), seed);
        imputer::imputed(&values, size, &missing, noise, &mut random)
    };
    let mut done = Vec::with_capacity(jobs.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for part in jobs.chunks(threads) {
        watch.step(done.len(), jobs.len())?;
        done.extend(at_once(part, imputed));
    }
    Ok(done)
}

/// The results of these jobs, each on a thread of its own.
fn at_once<J: Copy + Send, R: Send>(jobs: &[J], work: impl Fn(J) -> R + Sync) -> Vec<R> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .iter()
            .map(|job| {
                let job = *job;
                scope.spawn(move || work(job))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests;
