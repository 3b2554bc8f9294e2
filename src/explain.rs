//! Explanations: what raises the score of one class, and where.

pub mod grad_cam;

use crate::heatmap::{Grid, Heatmap};
use crate::model::ClassIndex;

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
