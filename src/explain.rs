//! Explanations: what raises the score of one class, and where.

pub mod grad_cam;

use crate::heatmap::{Grid, Heatmap};
use crate::model::{ClassIndex, Model, Pass, RunError};

/// One of the network's answers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Prediction {
    /// Place in the order of probability; 1 is the top prediction.
    pub rank: usize,
    pub class: ClassIndex,
    /// The class's name, control characters made visible, or "class N" where none is known.
    pub label: String,
    /// Output before softmax.
    pub logit: f32,
    /// Softmax of the logits, 0..=1.
    pub probability: f32,
}

/// The explanation of one class of one image. Plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The target class, with its place among all classes.
    pub target: Prediction,
    /// Dotted name of the target layer.
    pub layer: String,
    /// Name of the method, "Grad-CAM".
    pub method: &'static str,
    /// The map on the layer's grid before ReLU and scaling.
    pub raw: Grid,
    pub heatmap: Heatmap,
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
    #[error(
        "the network's score for {label} is {logit}, not a number; check the weights and the preprocessing"
    )]
    NotFinite { label: String, logit: f32 },
}

/// The `k` best classes, best first. Equal logits keep the order of their classes.
///
/// # Errors
/// When a logit is not a finite number.
pub fn predictions(model: &Model, pass: &Pass, k: usize) -> Result<Vec<Prediction>, ExplainError> {
    let ranked = ranked(model, pass)?;
    let probabilities = softmax(pass.logits());
    Ok((1..)
        .zip(ranked.into_iter().take(k))
        .map(|(rank, class)| prediction(model, pass, rank, class, &probabilities))
        .collect())
}

/// One class with its place among all classes.
///
/// # Errors
/// When the class is out of range or a logit is not a finite number.
pub fn prediction_of(
    model: &Model,
    pass: &Pass,
    class: ClassIndex,
) -> Result<Prediction, ExplainError> {
    let classes = pass.logits().len();
    let place = ranked(model, pass)?
        .iter()
        .position(|other| *other == class);
    let place = place.ok_or(RunError::ClassOutOfRange {
        class: class.0,
        classes,
    })?;
    Ok(prediction(
        model,
        pass,
        place + 1,
        class,
        &softmax(pass.logits()),
    ))
}

fn ranked(model: &Model, pass: &Pass) -> Result<Vec<ClassIndex>, ExplainError> {
    let logits = pass.logits();
    if let Some(class) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(ExplainError::NotFinite {
            label: model.labels().get(ClassIndex(class)),
            logit: logits[class],
        });
    }
    let mut classes: Vec<ClassIndex> = (0..logits.len()).map(ClassIndex).collect();
    classes.sort_by(|a, b| logits[b.0].total_cmp(&logits[a.0]));
    Ok(classes)
}

fn prediction(
    model: &Model,
    pass: &Pass,
    rank: usize,
    class: ClassIndex,
    probabilities: &[f32],
) -> Prediction {
    let label = model.labels().get(class);
    Prediction {
        rank,
        class,
        label,
        logit: pass.logits()[class.0],
        probability: probabilities[class.0],
    }
}

/// Probabilities of logits; the largest is subtracted first, so that nothing overflows.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits
        .iter()
        .map(|logit| f64::from(logit - largest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a probability as float32, like the logits"
    )]
    powers.iter().map(|power| (power / sum) as f32).collect()
}
