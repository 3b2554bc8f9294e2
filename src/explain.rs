//! Explanations: what raises the score of one class, and where.

pub mod batches;
pub mod evaluate;
mod fuse;
pub mod methods;
pub mod options;
mod principal;
pub mod score;
pub mod target;

use crate::heatmap::{Grid, Heatmap, MapState};
use crate::model::passes::Passes;
use crate::model::{ClassIndex, Input, Model, ModelError, RunError};
use methods::Watch;
use options::Options;
use target::Measure;

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

/// How much a channel of the target layer speaks for the class.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ChannelWeight {
    pub channel: usize,
    pub weight: f32,
}

/// The explanation of one class of one image. Plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The target class, with its place among all classes.
    pub target: Prediction,
    /// The class whose score was subtracted.
    pub versus: Option<Prediction>,
    /// The target layers by their dotted names; none where the method reads no layer.
    pub layers: Vec<String>,
    pub options: Options,
    /// The map before ReLU and scaling: on the layer's grid, or at the input's size where several
    /// maps became one or the method reads pixels.
    pub raw: Grid,
    pub heatmap: Heatmap,
    /// The channels with the largest weights, largest first; empty where the method has none.
    pub channels: Vec<ChannelWeight>,
    /// Where the numbers stop being numbers, where they do: a layer's name.
    pub not_finite_from: Option<String>,
}

impl Explanation {
    /// What people call the method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.options.method.method().name
    }

    /// "layer4", "mean of layer3, layer4", "the input".
    #[must_use]
    pub fn layer(&self) -> String {
        match self.layers.as_slice() {
            [] if self.options.method.method().reads == methods::Reads::Attention => {
                "the attention of all blocks".to_owned()
            }
            [] => "the input".to_owned(),
            [layer] => layer.clone(),
            layers => format!(
                "{} of {}",
                self.options.joined_by().name(),
                layers.join(", ")
            ),
        }
    }

    /// How it was made: the method, the layer, and all that is not as usual.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let mut words = vec![self.method().to_owned(), self.layer()];
        if let Some(versus) = &self.versus {
            words.push(format!("rather than {}", versus.label));
        }
        let Options {
            measure,
            counterfactual,
            aug_smooth,
            eigen_smooth,
            ..
        } = self.options;
        let unusual = [
            (counterfactual, "counterfactual"),
            (
                measure == Measure::Probability,
                "of the softmax probability",
            ),
            (aug_smooth, "aug_smooth"),
            (eigen_smooth, "eigen_smooth"),
        ];
        words.extend(
            unusual
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, words)| words.to_owned()),
        );
        words
    }

    /// What is wrong with the map, in words.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self.heatmap.state {
            MapState::Ok => None,
            MapState::Empty if self.options.counterfactual => {
                Some("all zero: no evidence against this class".to_owned())
            }
            MapState::Empty => Some("all zero: no positive evidence for this class".to_owned()),
            MapState::Nan => {
                let from = self.not_finite_from.as_ref();
                let from = from.map(|layer| format!(", from layer {layer} on"));
                let from = from.unwrap_or_default();
                Some(format!("has values that are not numbers{from}"))
            }
        }
    }
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
    #[error(
        "the network's score for {label} is {logit}, not a number{}; check the weights and the preprocessing",
        from.as_ref().map(|layer| format!(" (from layer {layer} on)")).unwrap_or_default()
    )]
    NotFinite {
        label: String,
        logit: f32,
        /// The first layer whose output is not finite.
        from: Option<String>,
    },
    #[error("{method} does not work on this network: {reason}")]
    Unfit {
        method: &'static str,
        reason: String,
    },
    #[error("the explanation was called off")]
    CalledOff,
}

/// How many channels are kept with an explanation.
const CHANNELS: usize = 5;

/// Explains one class of an image. Runs no forward pass for a layer that `passes` has, unless the
/// method itself asks for more.
///
/// # Errors
/// When a class is out of range, a layer has no map, the method does not fit the network, or the
/// watch calls it off.
pub fn explain(
    model: &Model,
    input: &Input,
    passes: &mut Passes,
    class: ClassIndex,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Explanation, ExplainError> {
    let layers = fuse::layers(model, options)?;
    let logits = passes.at(model, input, &layers[0])?.logits().to_vec();
    let target = prediction_of(model, input, &logits, class)?;
    let versus = options
        .versus
        .map(|other| prediction_of(model, input, &logits, other))
        .transpose()?;
    let score = options.score(class);
    let found = fuse::map(model, input, passes, &layers, score, options, watch)?;
    let heatmap = Heatmap::from_raw(&found.raw);
    let not_finite_from = match heatmap.state {
        MapState::Nan => model.first_not_finite(input)?,
        _ => None,
    };
    Ok(Explanation {
        target,
        versus,
        layers: match options.method.method().reads {
            methods::Reads::Layer => layers,
            _ => Vec::new(),
        },
        options: options.clone(),
        raw: found.raw,
        heatmap,
        channels: heaviest(&found.weights),
        not_finite_from,
    })
}

/// The largest weights, largest first; those that are not positive are left out.
fn heaviest(weights: &[f32]) -> Vec<ChannelWeight> {
    let mut channels: Vec<ChannelWeight> = (0..)
        .zip(weights.iter().copied())
        .map(|(channel, weight)| ChannelWeight { channel, weight })
        .filter(|channel| channel.weight > 0.0)
        .collect();
    channels.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    channels.truncate(CHANNELS);
    channels
}

/// The `k` best classes of an input with these logits, best first. Equal logits keep the order of their classes.
///
/// # Errors
/// When a logit is not a finite number.
pub fn predictions(
    model: &Model,
    input: &Input,
    logits: &[f32],
    k: usize,
) -> Result<Vec<Prediction>, ExplainError> {
    let ranked = ranked_of(model, input, logits)?;
    let probabilities = softmax(logits);
    Ok((0..k.min(ranked.len()))
        .map(|place| prediction_at(model, logits, &ranked, &probabilities, place))
        .collect())
}

/// One class with its place among all classes.
///
/// # Errors
/// When the class is out of range or a logit is not a finite number.
pub fn prediction_of(
    model: &Model,
    input: &Input,
    logits: &[f32],
    class: ClassIndex,
) -> Result<Prediction, ExplainError> {
    let ranked = ranked_of(model, input, logits)?;
    let place = ranked.iter().position(|other| *other == class);
    let place = place.ok_or(RunError::ClassOutOfRange {
        class: class.0,
        classes: logits.len(),
    })?;
    let probabilities = softmax(logits);
    Ok(prediction_at(model, logits, &ranked, &probabilities, place))
}

fn ranked_of(
    model: &Model,
    input: &Input,
    logits: &[f32],
) -> Result<Vec<ClassIndex>, ExplainError> {
    match ranked(logits) {
        Ok(ranked) => Ok(ranked),
        Err(class) => Err(ExplainError::NotFinite {
            label: model.labels().get(class),
            logit: logits[class.0],
            from: model.first_not_finite(input)?,
        }),
    }
}

/// All classes, best first; the first class whose logit is not finite, where there is one.
fn ranked(logits: &[f32]) -> Result<Vec<ClassIndex>, ClassIndex> {
    if let Some(class) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(ClassIndex(class));
    }
    let mut classes: Vec<ClassIndex> = (0..logits.len()).map(ClassIndex).collect();
    classes.sort_by(|a, b| logits[b.0].total_cmp(&logits[a.0]));
    Ok(classes)
}

/// The class at a place of the order, 0 for the best.
fn prediction_at(
    model: &Model,
    logits: &[f32],
    ranked: &[ClassIndex],
    probabilities: &[f32],
    place: usize,
) -> Prediction {
    let class = ranked[place];
    Prediction {
        rank: place + 1,
        class,
        label: model.labels().get(class),
        logit: logits[class.0],
        probability: probabilities[class.0],
    }
}

/// Probabilities of logits; the largest is subtracted first, so that nothing overflows.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
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

#[cfg(test)]
pub(crate) mod tests;
