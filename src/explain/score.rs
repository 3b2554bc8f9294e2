//! Scores of many images: predictions, and figures of the Grad-CAM maps of the top and of the true
//! class at the default layer. Maps are those of [`super::methods::grad_cam`], made for a batch at
//! once.

use image::RgbImage;
use tch::{Device, Kind};

use super::batches::filled;
use super::{ExplainError, softmax};
use crate::dataset::score::{Answer, KEPT, MapFigures, Score, TrueClass};
use crate::dataset::truth::Object;
use crate::geometry::InputGeometry;
use crate::heatmap::{Grid, Heatmap, MapState};
use crate::model::{Batch, ClassIndex, Model, ModelError, RunError};

/// An image to score.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The image as the network sees it.
    pub seen: &'a RgbImage,
    pub geometry: &'a InputGeometry,
    /// What is known to be in it.
    pub truth: &'a [Object],
}

/// Scores images of one size; each gets a score, or a sentence on why there is none. As many as
/// `full` are run at once, the last one repeated; one by one where the layer does not keep images apart.
/// Before each operation of the network `stop` is
/// asked whether to leave it at that.
///
/// # Errors
/// When the network does not run on them; [`ExplainError::CalledOff`] when it was to stop.
pub fn score(
    model: &Model,
    subjects: &[Subject<'_>],
    full: usize,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Result<Score, String>>, ExplainError> {
    let seen: Vec<&RgbImage> = subjects.iter().map(|subject| subject.seen).collect();
    let inputs = model.tensor_of(&filled(&seen, full))?;
    let batch = match model.run_batch(&model.summary().layer, &inputs, stop) {
        Err(ModelError::Run(RunError::Stopped)) => {
            return Err(ExplainError::CalledOff);
        }
        Err(ModelError::Run(RunError::NoBatch(_))) if full > 1 => {
            let alone = |subject: &Subject<'_>| score(model, &[*subject], 1, stop);
            let scores = subjects.iter().map(alone).collect::<Result<Vec<_>, _>>()?;
            return Ok(scores.into_iter().flatten().collect());
        }
        batch => batch?,
    };
    let mut scores: Vec<Result<Score, String>> = batch
        .logits()?
        .iter()
        .zip(subjects)
        .map(|(logits, subject)| answered(logits, subject.truth))
        .collect();
    // An image without a score takes part with class 0, and its map is left aside.
    let class_of = |score: &Result<Score, String>, of: fn(&Score) -> Option<u32>| {
        let class = score.as_ref().ok().and_then(of).unwrap_or(0);
        ClassIndex(usize::try_from(class).unwrap_or(0))
    };
    // So many that each image of the batch has one.
    let rest = full.saturating_sub(subjects.len());
    let with_rest = |classes: Vec<ClassIndex>| {
        let last = classes.last().copied().unwrap_or(ClassIndex(0));
        [classes, vec![last; rest]].concat()
    };
    let predicted = with_rest(
        scores
            .iter()
            .map(|score| class_of(score, Score::predicted))
            .collect(),
    );
    let truth_or_predicted = |score: &Score| {
        let truth = score.truth.map(|truth| truth.class);
        truth.or_else(|| score.predicted())
    };
    let truth = with_rest(
        scores
            .iter()
            .map(|score| class_of(score, truth_or_predicted))
            .collect(),
    );
    let maps = grad_cams(&batch, &predicted)?;
    let true_maps = if truth == predicted {
        maps.clone()
    } else {
        grad_cams(&batch, &truth)?
    };
    for (((score, subject), map), true_map) in
        scores.iter_mut().zip(subjects).zip(&maps).zip(&true_maps)
    {
        if let Ok(score) = score {
            score.map = figures(map, subject);
            if score.truth.is_some() {
                score.true_map = figures(true_map, subject);
                score.agreement = agreement(map, true_map);
            }
        }
    }
    Ok(scores)
}

/// Grad-CAM maps before ReLU, of one class for each image.
fn grad_cams(batch: &Batch, classes: &[ClassIndex]) -> Result<Vec<Grid>, ExplainError> {
    let weights = batch.mean_gradients(classes)?;
    let spread = weights.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
    let maps = batch.activations()?.f_mul(&spread)?.f_sum_dim_intlist(
        [1_i64].as_slice(),
        /* keepdim= */ false,
        Kind::Float,
    )?;
    let &[_, height, width] = maps.size().as_slice() else {
        return Err(ModelError::from(RunError::NotAClassifier(maps.size())).into());
    };
    let side = |side: i64| usize::try_from(side).unwrap_or(0);
    let rows = maps.f_to_device(Device::Cpu)?.f_flatten(1, 2)?;
    Ok(Vec::<Vec<f32>>::try_from(rows.f_contiguous()?)?
        .into_iter()
        .map(|values| Grid::new(side(width), side(height), values))
        .collect())
}

/// What follows from the logits alone.
fn answered(logits: &[f32], truth: &[Object]) -> Result<Score, String> {
    if let Some(class) = logits.iter().position(|logit| !logit.is_finite()) {
        let logit = logits[class];
        return Err(format!(
            "the network's score for class {class} is {logit}, not a number; check the weights and the preprocessing"
        ));
    }
    let answer = |class: usize| Answer {
        class: u32::try_from(class).unwrap_or(u32::MAX),
        logit: logits[class],
    };
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    let by_logit = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    if logits.len() > KEPT {
        classes.select_nth_unstable_by(KEPT - 1, by_logit);
        classes.truncate(KEPT);
    }
    classes.sort_unstable_by(by_logit);
    let top: Vec<Answer> = classes.into_iter().map(answer).collect();
    let (log_sum, entropy) = sums(logits);
    let rank = |class: usize| {
        1 + logits
            .iter()
            .enumerate()
            .filter(|&(other, logit)| match logit.total_cmp(&logits[class]) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal => other < class,
                std::cmp::Ordering::Less => false,
            })
            .count()
    };
    let truth = truth
        .iter()
        .map(|object| object.class)
        .filter(|class| *class < logits.len())
        .map(|class| (rank(class), class))
        .min();
    let mut score = Score::new(&top, log_sum, entropy);
    score.truth = truth.map(|(rank, class)| TrueClass {
        class: answer(class).class,
        logit: logits[class],
        rank: u32::try_from(rank).unwrap_or(u32::MAX),
    });
    Ok(score)
}

/// The logarithm of the sum of the exponentials of logits, and the entropy of their softmax in nats.
#[expect(clippy::cast_possible_truncation, reason = "figures as float32")]
fn sums(logits: &[f32]) -> (f32, f32) {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits
        .iter()
        .map(|logit| (f64::from(*logit) - largest).exp())
        .sum();
    let probabilities = softmax(logits).into_iter().map(f64::from);
    let entropy: f64 = probabilities
        .filter(|probability| *probability > 0.0)
        .map(|probability| -probability * probability.ln())
        .sum();
    ((largest + sum.ln()) as f32, entropy as f32)
}

/// Figures of a map before ReLU; nothing of one that has values that are not numbers.
#[expect(clippy::cast_possible_truncation, reason = "figures as float32")]
fn figures(raw: &Grid, subject: &Subject<'_>) -> Option<MapFigures> {
    let heatmap = Heatmap::from_raw(raw);
    if heatmap.state == MapState::Nan {
        return None;
    }
    let positive = |value: &f32| f64::from(value.max(0.0));
    let sum: f64 = raw.values.iter().map(positive).sum();
    let (mut entropy, mut x, mut y) = (0.0, 0.0, 0.0);
    if sum > 0.0 {
        for (place, value) in raw.values.iter().enumerate() {
            let share = positive(value) / sum;
            if share > 0.0 {
                entropy -= share * share.ln();
            }
            x += share * ((place % raw.width) as f64 + 0.5) / raw.width as f64;
            y += share * ((place / raw.width) as f64 + 0.5) / raw.height as f64;
        }
        entropy /= (raw.values.len() as f64).ln();
    }
    Some(MapFigures {
        peak: heatmap.peak,
        entropy: (sum > 0.0).then_some(entropy as f32),
        center: (sum > 0.0).then_some([x as f32, y as f32]),
        mass: mass_in_boxes(&heatmap, subject),
    })
}

/// The share of a map at the input's size that lies in the true boxes; nothing without boxes.
#[expect(clippy::cast_possible_truncation, reason = "figures as float32")]
fn mass_in_boxes(heatmap: &Heatmap, subject: &Subject<'_>) -> Option<f32> {
    let boxes: Vec<_> = subject
        .truth
        .iter()
        .filter_map(|object| object.bounds)
        .collect();
    if boxes.is_empty() || heatmap.state != MapState::Ok {
        return None;
    }
    let (width, height) = subject.seen.dimensions();
    let map = heatmap.upsample(width as usize, height as usize);
    let (mut inside, mut all) = (0.0, 0.0);
    for (place, value) in map.values.iter().enumerate() {
        let value = f64::from(*value);
        all += value;
        let (column, row) = ((place % map.width) as f64, (place / map.width) as f64);
        let (x, y) = subject.geometry.image_from_input(column + 0.5, row + 0.5);
        if boxes.iter().any(|bounds| bounds.contains(x, y)) {
            inside += value;
        }
    }
    (all > 0.0).then(|| (inside / all) as f32)
}

/// Cosine of two maps after ReLU; nothing where one of them is empty or not a number.
#[expect(clippy::cast_possible_truncation, reason = "figures as float32")]
fn agreement(one: &Grid, other: &Grid) -> Option<f32> {
    let positive = |value: &f32| f64::from(value.max(0.0));
    let product = |a: &Grid, b: &Grid| -> f64 {
        let pairs = a.values.iter().zip(&b.values);
        pairs.map(|(a, b)| positive(a) * positive(b)).sum()
    };
    let sizes = (product(one, one) * product(other, other)).sqrt();
    let is_known = sizes > 0.0
        && one
            .values
            .iter()
            .chain(&other.values)
            .all(|value| value.is_finite());
    is_known.then(|| (product(one, other) / sizes).min(1.0) as f32)
}

#[cfg(test)]
mod tests;
