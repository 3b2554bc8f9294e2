//! Score-CAM: a channel counts as much as the class scores when only what it looks at is visible.
//!
//! `α_k = softmax over k of y_c(x ∘ H_k)` with `H_k` the channel's activations at the input's size,
//! scaled to 0..1, then `ReLU(Σ_k α_k A_k)` (Wang et al. 2019, arXiv 1910.01279, section 3.2 and
//! algorithm 1). As in pytorch-grad-cam's `ScoreCAM`, the activations are brought to the input's size
//! first (bilinear, corners on corners) and scaled then, the image is masked as the network reads it,
//! so that what is hidden has the mean color, and the score of a baseline is not subtracted, which
//! would change nothing after the softmax.
//!
//! One pass through the whole network a channel; channels that are zero everywhere share one.

use tch::Tensor;

use super::grad_cam::weighted;
use super::{Case, Evidence, Method, Watch, pixels};
use crate::explain::{ExplainError, softmax};

pub static METHOD: Method = Method {
    name: "Score-CAM",
    key: "score-cam",
    summary: "channels weighted by the score of what they look at",
    paper: "Wang et al. 2019, arXiv 1910.01279",
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    let activations = case.pass.activations()?;
    let scores = scores(case, &activations, watch)?;
    let weights = Tensor::from_slice(&softmax(&scores)).f_to_device(activations.device())?;
    weighted(&activations, &weights)
}

/// The score of the image behind each channel of `[channels, height, width]`.
fn scores(
    case: &Case<'_>,
    activations: &Tensor,
    watch: &mut dyn Watch,
) -> Result<Vec<f32>, ExplainError> {
    let image = &case.input.tensor;
    let peaks = activations.f_abs()?.f_amax([1_i64, 2].as_slice(), false)?;
    let peaks = pixels::numbers(&peaks)?;
    let seeing: Vec<i64> = (0..)
        .zip(&peaks)
        .filter(|(_, peak)| **peak != 0.0)
        .map(|(channel, _)| channel)
        .collect();
    let blind = if seeing.len() < peaks.len() {
        let hidden = case.model.logits(&image.f_zeros_like()?)?;
        pixels::scores(case, &hidden)?.first().copied()
    } else {
        None
    };
    let mut scores = vec![blind.unwrap_or(f32::NAN); peaks.len()];
    let count = i64::try_from(seeing.len()).unwrap_or(0);
    let order = Tensor::from_slice(&seeing).f_to_device(activations.device())?;
    pixels::in_steps(count, pixels::IMAGES, watch, |first, count| {
        let channels = order.f_narrow(0, first, count)?;
        let masks = masks(&activations.f_index_select(0, &channels)?, image)?;
        let logits = case.model.logits(&image.f_mul(&masks)?)?;
        let found = pixels::scores(case, &logits)?;
        let places = usize::try_from(first).map(|first| &seeing[first..]);
        for (channel, score) in places.into_iter().flatten().zip(found) {
            if let Some(place) = usize::try_from(*channel)
                .ok()
                .and_then(|at| scores.get_mut(at))
            {
                *place = score;
            }
        }
        Ok(())
    })?;
    Ok(scores)
}

/// Channels `[n, height, width]` as masks of an image, `[n, 1, height, width]` of its size.
fn masks(channels: &Tensor, image: &Tensor) -> Result<Tensor, ExplainError> {
    let size = image.size();
    let large =
        channels
            .f_unsqueeze(1)?
            .f_upsample_bilinear2d([size[2], size[3]], true, None, None)?;
    let over = [2_i64, 3];
    let low = large.f_amin(over.as_slice(), true)?;
    let high = large.f_amax(over.as_slice(), true)?;
    let range = high.f_sub(&low)?.f_add_scalar(1e-8)?;
    Ok(large.f_sub(&low)?.f_div(&range)?)
}

#[cfg(test)]
mod tests;
