//! Ablation-CAM: a channel counts as much as the score falls without it.
//!
//! `w_k = (y_c - y_c^k) / y_c` with `y_c^k` the score when channel `k` of the target layer is taken
//! away, then `ReLU(Σ_k w_k A_k)` (Desai and Ramaswamy 2020, "Ablation-CAM: Visual Explanations for
//! Deep Convolutional Network via Gradient-free Localization", WACV, equations 3 and 4). A score that
//! is negative turns the map around.
//!
//! Where the lowest output of the layer is 0 a channel is replaced by 0, elsewhere by that lowest
//! output less 1e7, as in pytorch-grad-cam's `AblationCAM`: a deviation from the paper, which has 0
//! always. There the replacement moves by another 1e7 with each place that a channel has in its
//! batch, so that maps depend on `batch_size`; values here are those of `batch_size=1`, however many
//! channels are run at once. Of tokens a channel is taken from all, the class token among them
//! (`AblationLayerVit`).
//!
//! Only what follows the target layer runs, once a channel. Where that is global average pooling and
//! one linear layer nothing runs at all: the logits without channel `k` are
//! `y + (r - mean A_k) W_k`, with `r` what replaces it. Where channels stay apart up to a linear
//! layer, only what follows that layer runs.

use tch::Tensor;

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch, pixels};
use crate::explain::ExplainError;
use crate::explain::target::Score;

/// How far below all others an ablated channel is where not all are positive.
const BELOW: f32 = 1e7;
/// Memory for changed outputs of the layer.
const BYTES: usize = 64 << 20;
/// Most of them at once.
const OUTPUTS: i64 = 32;
/// Channels at once where a linear layer and what follows it runs.
const CHANGED: i64 = 128;
/// Rows of logits at once where nothing runs.
const ROWS: i64 = 256;

pub static METHOD: Method = Method {
    name: "Ablation-CAM",
    key: "ablation-cam",
    summary: "channels weighted by how the score falls without them",
    paper: "Desai and Ramaswamy 2020, WACV",
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let scores = match without_a_pass(case, watch)? {
        Some(scores) => scores,
        None => match by_changes(case, watch)? {
            Some(scores) => scores,
            None => by_passes(case, watch)?,
        },
    };
    // What speaks against a class is measured in parts of the same number, and so is turned
    // around.
    let score = Score {
        negated: false,
        ..case.score
    };
    let whole = score.value(case.pass.logits());
    let before = case.score.value(case.pass.logits());
    let weights: Vec<f32> = scores
        .into_iter()
        .map(|without| (before - without) / whole)
        .collect();
    let activations = case.pass.activations()?;
    let weights = Tensor::from_slice(&weights).f_to_device(activations.device())?;
    weighted(&activations, &weights)
}

/// What stands in the place of an ablated channel.
fn replacement(case: &Case<'_>) -> Result<f64, ExplainError> {
    let lowest = case.pass.output()?.f_min()?.f_double_value(&[])?;
    #[expect(clippy::cast_possible_truncation, reason = "it was float32 before")]
    let lowest = lowest as f32;
    Ok(f64::from(if lowest == 0.0 { 0.0 } else { lowest - BELOW }))
}

/// The score without each channel in turn, where that takes no pass.
fn without_a_pass(
    case: &Case<'_>,
    watch: &mut dyn Watch,
) -> Result<Option<Vec<f32>>, ExplainError> {
    let activations = case.pass.activations()?;
    let means = activations.f_mean_dim([1_i64, 2].as_slice(), false, None)?;
    let changes = means.f_neg()?.f_add_scalar(replacement(case)?)?;
    let mut scores = Vec::new();
    let mut closed = true;
    pixels::in_steps(case.pass.map().channels, ROWS, watch, |first, count| {
        let changes = changes.f_narrow(0, first, count)?;
        match case.pass.logits_of_changed_means(first, &changes)? {
            Some(logits) => scores.extend(pixels::scores(case, &logits)?),
            None => closed = false,
        }
        Ok(())
    })?;
    Ok(closed.then_some(scores))
}

/// The score without each channel in turn, where channels stay apart up to a linear layer.
fn by_changes(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Option<Vec<f32>>, ExplainError> {
    let Some(changes) = case.model.changes(case.pass, replacement(case)?)? else {
        return Ok(None);
    };
    let mut scores = Vec::new();
    pixels::in_steps(case.pass.map().channels, CHANGED, watch, |first, count| {
        let logits = case.model.rescore_changed(&changes, first, count)?;
        scores.extend(pixels::scores(case, &logits)?);
        Ok(())
    })?;
    Ok(Some(scores))
}

/// The score without each channel in turn, by passes through what follows the layer.
fn by_passes(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Vec<f32>, ExplainError> {
    let output = case.pass.output()?;
    let map = case.pass.map();
    let replacement = replacement(case)?;
    let bytes = (4 * output.numel()).max(1);
    let most = i64::try_from(BYTES / bytes).map_or(OUTPUTS, |most| most.min(OUTPUTS));
    let mut copies = vec![1; output.dim()];
    let mut scores = Vec::new();
    pixels::in_steps(map.channels, most, watch, |first, count| {
        copies[0] = count;
        let outputs = output.f_repeat(&copies)?;
        for row in 0..count {
            let mut channel =
                outputs
                    .f_narrow(0, row, 1)?
                    .f_narrow(map.channel_axis(), first + row, 1)?;
            let _ = channel.f_fill_(replacement)?;
        }
        let logits = case.model.rescore(case.pass, &outputs)?;
        scores.extend(pixels::scores(case, &logits)?);
        Ok(())
    })?;
    Ok(scores)
}

#[cfg(test)]
mod tests;
