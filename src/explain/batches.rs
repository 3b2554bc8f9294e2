//! Grad-CAM of many images at once: one forward pass, and one backward pass for each class that is
//! asked of them. The maps are those of [`super::methods::grad_cam`].

use image::RgbImage;
use tch::{Device, Kind, Tensor};

use super::options::{Fusion, Options};
use super::{ExplainError, Explanation, Prediction, heaviest, prediction_at, ranked, softmax};
use crate::heatmap::{Grid, Heatmap, MapState};
use crate::model::{Batch, ClassIndex, Model, ModelError, RunError};

/// What the network says of one image of a batch.
#[derive(Debug)]
pub struct Answer {
    /// The best classes, best first.
    pub predictions: Vec<Prediction>,
    /// One for each class that was asked, in order.
    pub explanations: Vec<Explanation>,
}

/// Whether [`explain_batch`] can explain so; else each image is explained by itself.
#[must_use]
pub fn takes(options: &Options) -> bool {
    let plain = Options {
        // How maps are joined does not matter where there is one.
        fusion: Fusion::default(),
        ..options.clone()
    };
    plain == Options::default()
}

/// Explains images of one size by Grad-CAM at the model's own layer. Runs as many as `full` at once,
/// the last one repeated. `classes` says of the `top` best predictions of an image which classes are
/// to be explained. Nothing of an image whose logits are not all finite, or whose map is not: it is
/// to be looked at by itself.
///
/// # Errors
/// When the network does not run on them, or a class is out of range.
pub fn explain_batch(
    model: &Model,
    images: &[&RgbImage],
    full: usize,
    top: usize,
    classes: &dyn Fn(&[Prediction]) -> Vec<ClassIndex>,
) -> Result<Vec<Option<Answer>>, ExplainError> {
    let batch = model.run_batch(&model.tensor_of(&filled(images, full))?, &|| false)?;
    let logits = batch.logits()?;
    let asked: Vec<Option<Asked>> = logits
        .iter()
        .take(images.len())
        .map(|logits| Asked::new(model, logits, top, classes))
        .collect();
    let most = asked
        .iter()
        .flatten()
        .map(|asked| asked.classes.len())
        .max();
    let mut maps: Vec<Vec<ChannelMap>> = Vec::new();
    for turn in 0..most.unwrap_or(0) {
        let class = |asked: Option<&Asked>| {
            let class = asked.and_then(|asked| asked.classes.get(turn));
            // Whoever has no more classes takes part with some class.
            class.copied().unwrap_or(ClassIndex(0))
        };
        let wanted: Vec<ClassIndex> = (0..logits.len())
            .map(|place| class(asked.get(place).and_then(Option::as_ref)))
            .collect();
        maps.push(grad_cams(&batch, &wanted)?);
    }
    let mut answers = Vec::with_capacity(images.len());
    for (place, asked) in asked.into_iter().enumerate() {
        let turns = maps.iter_mut().map(|maps| std::mem::take(&mut maps[place]));
        answers.push(asked.and_then(|asked| asked.answered(model, &logits[place], turns)));
    }
    Ok(answers)
}

/// What is asked of an image.
struct Asked {
    ranked: Vec<ClassIndex>,
    probabilities: Vec<f32>,
    predictions: Vec<Prediction>,
    classes: Vec<ClassIndex>,
}

impl Asked {
    fn new(
        model: &Model,
        logits: &[f32],
        top: usize,
        classes: &dyn Fn(&[Prediction]) -> Vec<ClassIndex>,
    ) -> Option<Self> {
        let ranked = ranked(logits).ok()?;
        let probabilities = softmax(logits);
        let predictions: Vec<Prediction> = (0..top.min(ranked.len()))
            .map(|place| prediction_at(model, logits, &ranked, &probabilities, place))
            .collect();
        Some(Self {
            classes: classes(&predictions),
            ranked,
            probabilities,
            predictions,
        })
    }

    fn answered(
        self,
        model: &Model,
        logits: &[f32],
        maps: impl Iterator<Item = ChannelMap>,
    ) -> Option<Answer> {
        let explained = |(class, map): (&ClassIndex, ChannelMap)| {
            let place = self.ranked.iter().position(|other| other == class)?;
            let heatmap = Heatmap::from_raw(&map.raw);
            (heatmap.state != MapState::Nan).then(|| Explanation {
                target: prediction_at(model, logits, &self.ranked, &self.probabilities, place),
                versus: None,
                layers: vec![model.summary().layer.clone()],
                options: Options::default(),
                raw: map.raw,
                heatmap,
                channels: heaviest(&map.weights),
                not_finite_from: None,
            })
        };
        let explanations: Option<Vec<Explanation>> =
            self.classes.iter().zip(maps).map(explained).collect();
        Some(Answer {
            explanations: explanations?,
            predictions: self.predictions,
        })
    }
}

/// The images, and the last one again until there are as many as `full`.
pub(super) fn filled<'a>(images: &[&'a RgbImage], full: usize) -> Vec<&'a RgbImage> {
    let last = images.last().copied();
    let missing = full.saturating_sub(images.len());
    images
        .iter()
        .copied()
        .chain(last.into_iter().cycle().take(missing))
        .collect()
}

/// A map before ReLU, and the weights of its channels.
#[derive(Clone, Debug, Default)]
pub(super) struct ChannelMap {
    pub(super) raw: Grid,
    pub(super) weights: Vec<f32>,
}

/// Maps of one class for each image.
pub(super) fn grad_cams(
    batch: &Batch,
    classes: &[ClassIndex],
) -> Result<Vec<ChannelMap>, ExplainError> {
    let weights = batch.mean_gradients(classes)?;
    let activations = batch.activations()?;
    let spread = weights.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
    let maps =
        activations
            .f_mul(&spread)?
            .f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?;
    let &[_, height, width] = maps.size().as_slice() else {
        return Err(ModelError::from(RunError::NotAClassifier(maps.size())).into());
    };
    let side = |side: i64| usize::try_from(side).unwrap_or(0);
    let (width, height) = (side(width), side(height));
    let (maps, weights) = (rows(&maps)?, rows(&weights)?);
    Ok(maps
        .into_iter()
        .zip(weights)
        .map(|(values, weights)| ChannelMap {
            raw: Grid::new(width, height, values),
            weights,
        })
        .collect())
}

/// The values of each image of `[n, …]`.
fn rows(tensor: &Tensor) -> Result<Vec<Vec<f32>>, tch::TchError> {
    let count = tensor.size().first().copied().unwrap_or(0).max(1);
    let flat = tensor
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?
        .f_view([count, -1])?;
    Vec::<Vec<f32>>::try_from(flat)
}

#[cfg(test)]
mod tests;
