//! Parameter randomization: does the map notice that the network has lost what it learned?
//!
//! The sanity check of Adebayo et al. 2018, arXiv 1810.03292, section 3.1: the layers' weights are
//! replaced by random ones from the head down (`model/randomize.rs` says how), and the map of
//! the same class is compared with that of the trained network. A method whose maps stay alike does
//! not depend on what the network learned: the closer to 0 the better. The steps are the head alone,
//! a quarter, half, three quarters and all of the layers with weights.
//!
//! *Rank* is Spearman's correlation of the raw maps, before ReLU and scaling, signs included (their
//! "without absolute values"): after ReLU the map of a random network is often empty. *SSIM* is the
//! structural similarity of the final maps, as they are seen; of an empty map it is that of zeros,
//! and where the trained network's own map is empty there is nothing to compare.

use super::{Better, Evaluator, ExplainError, Figure, Maps, Metric, Needs, Tally, rank, ssim};
use crate::explain::methods::Watch;
use crate::explain::{Explanation, explain};
use crate::heatmap::MapState;
use crate::model::passes::Passes;
use crate::model::{ClassIndex, Model};

/// Shares of the layers that are random; the first is the head alone.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

const FIGURES: [Figure; 2 * SHARES.len()] = [
    Figure::number("rank_head", "rank, head", Better::Zero),
    Figure::number("rank_quarter", "rank, quarter", Better::Zero).in_files_only(),
    Figure::number("rank_half", "rank, half", Better::Zero),
    Figure::number("rank_three_quarters", "rank, 3 quarters", Better::Zero).in_files_only(),
    Figure::number("rank_all", "rank, all", Better::Zero),
    Figure::number("ssim_head", "SSIM, head", Better::Zero).in_files_only(),
    Figure::number("ssim_quarter", "SSIM, quarter", Better::Zero).in_files_only(),
    Figure::number("ssim_half", "SSIM, half", Better::Zero).in_files_only(),
    Figure::number("ssim_three_quarters", "SSIM, 3 quarters", Better::Zero).in_files_only(),
    Figure::number("ssim_all", "SSIM, all", Better::Zero),
];

pub(super) static METRIC: Metric = Metric {
    name: "Parameter randomization",
    key: "randomization",
    summary: "how alike the map stays as weights become random from the head down",
    needs: Needs::Nothing,
    figures: &FIGURES,
    measure,
};

fn measure(maps: &mut Maps<'_, '_>, watch: &mut dyn Watch) -> Result<Vec<Tally>, ExplainError> {
    let class = maps.subject.top();
    let trained = maps.explanation(class, watch)?.clone();
    let mut ranks = Vec::new();
    let mut similarities = Vec::new();
    for (step, model) in maps.subject.evaluator.cascade()?.iter().enumerate() {
        watch.step(step, SHARES.len())?;
        let random = explained(model, step, maps, class, watch)?;
        ranks.push(random.as_ref().map_or_else(Tally::default, |random| {
            Tally::of(rank::correlation(&trained.raw.values, &random.raw.values))
        }));
        let (width, height) = maps.subject.size();
        similarities.push(random.as_ref().map_or_else(Tally::default, |random| {
            similarity(&trained, random, width, height)
        }));
    }
    ranks.extend(similarities);
    Ok(ranks)
}

fn similarity(trained: &Explanation, random: &Explanation, width: usize, height: usize) -> Tally {
    let states = (trained.heatmap.state, random.heatmap.state);
    match states {
        (MapState::Ok, MapState::Ok | MapState::Empty) => Tally::of(ssim::similarity(
            &trained.heatmap.upsample(width, height),
            &random.heatmap.upsample(width, height),
        )),
        _ => Tally::default(),
    }
}

impl Evaluator<'_> {
    /// The network with more and more random weights.
    fn cascade(&self) -> Result<&[Model], ExplainError> {
        if let Some(known) = self.cascade.get() {
            return Ok(known);
        }
        let layers = self.model.weighted_layers();
        let made = SHARES
            .iter()
            .map(|share| {
                self.model
                    .randomized(random_layers(layers, *share), self.rules.seed)
            })
            .collect::<Result<Vec<Model>, _>>()?;
        Ok(self.cascade.get_or_init(|| made))
    }
}

/// How many of the layers are random; one at least.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most the number of layers"
)]
fn random_layers(layers: usize, share: f64) -> usize {
    ((layers as f64 * share).round() as usize).max(1)
}

/// The explanation by a network with random weights; nothing where its scores are not numbers.
fn explained(
    model: &Model,
    step: usize,
    maps: &mut Maps<'_, '_>,
    class: ClassIndex,
    watch: &mut dyn Watch,
) -> Result<Option<Explanation>, ExplainError> {
    let passes = &mut maps.subject.random_passes;
    if passes.is_empty() {
        passes.resize_with(SHARES.len(), Passes::default);
    }
    let input = &maps.subject.input;
    match explain(model, input, &mut passes[step], class, &maps.options, watch) {
        Ok(explanation) => Ok(Some(explanation)),
        // Numbers may grow beyond all bounds in a network whose weights do not fit each other.
        Err(ExplainError::NotFinite { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_from_the_head_to_all_layers() {
        assert_eq!(
            SHARES.map(|share| random_layers(41, share)),
            [1, 10, 21, 31, 41]
        );
        assert_eq!(SHARES.map(|share| random_layers(2, share)), [1, 1, 1, 2, 2]);
    }
}
