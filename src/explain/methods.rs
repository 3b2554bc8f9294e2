//! Methods: ways from a score to a map, one file each, in one table.
//!
//! A new method is a file and a line in [`METHODS`]; help, pickers and the README's list come from
//! the table.

pub mod ablation_cam;
mod attention;
pub mod attention_rollout;
pub mod cam;
pub mod deconvolution;
pub mod eigen_cam;
pub mod eigen_grad_cam;
pub mod element_wise_grad_cam;
pub mod finer_cam;
pub mod full_grad;
pub mod grad_cam;
pub mod grad_cam_plus_plus;
pub mod gradient;
pub mod gradient_attention_rollout;
pub mod guided_backprop;
pub mod guided_grad_cam;
pub mod hires_cam;
pub mod integrated_gradients;
pub mod layer_cam;
pub mod occlusion;
#[cfg(test)]
pub(super) mod parity;
pub(super) mod pixels;
pub mod refine_cam;
pub mod score_cam;
pub mod shapley_cam;
pub mod smooth_grad;
pub mod smooth_grad_cam_plus_plus;
pub mod xgrad_cam;

use std::fmt::Debug;

use tch::Tensor;

use super::ExplainError;
use super::options::Fusion;
use super::target::Score;
use crate::heatmap::Grid;
use crate::model::{Input, Model, Pass, Slope};

/// What a method is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub model: &'a Model,
    /// The image as the network reads it.
    pub input: &'a Input,
    /// The image's pass, split at the target layer.
    pub pass: &'a Pass,
    pub score: Score,
}

impl Case<'_> {
    /// `d score / d logit` at the logits of the image.
    #[must_use]
    pub fn slopes(&self) -> Vec<Slope> {
        self.score.slopes(self.pass.logits())
    }
}

/// What a method found.
#[derive(Debug)]
pub enum Evidence {
    /// What each channel adds, `[channels, height, width]`; the map is the sum over channels,
    /// before its ReLU.
    Channels {
        shares: Tensor,
        /// One for each channel, where the method weights channels as a whole.
        weights: Option<Vec<f32>>,
    },
    /// The map itself, before its ReLU, on the layer's grid or at the input's size.
    Map(Grid),
}

/// What a method looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The output of the target layer.
    Layer,
    /// The pixels of the input, whatever the target layer.
    Pixels,
    /// The attention of all blocks of a transformer, whatever the target layer.
    Attention,
}

/// A way from a score to a map.
#[derive(Debug)]
pub struct Method {
    /// What people call it: "Grad-CAM++".
    pub name: &'static str,
    /// On the command line: "grad-cam++".
    pub key: &'static str,
    /// What it does, in at most 60 columns.
    pub summary: &'static str,
    /// "Selvaraju et al. 2017, arXiv 1610.02391".
    pub paper: &'static str,
    pub reads: Reads,
    /// How it joins the maps of several layers, where that is what the method is. It then reads the
    /// last layers of the stages, unless the user names several layers.
    pub fusion: Option<Fusion>,
    /// Whether it takes many passes through the network, and says how far it is.
    pub is_slow: bool,
    /// The slopes of the score at these logits, whose gradient it reads; none where it reads none.
    pub slopes: fn(&Score, &[f32]) -> Vec<Slope>,
    /// Whether that gradient, the activations and the logits are all that it reads: many images are
    /// then explained at once.
    pub takes_batches: bool,
    pub evidence: Find,
}

/// What a method finds in a case.
///
/// # Errors
/// When libtorch refuses, the network lacks what the method needs, or it was called off.
pub type Find = fn(&Case<'_>, &mut dyn Watch) -> Result<Evidence, ExplainError>;

impl Method {
    /// What most methods have in common; each has names of its own.
    const fn by(evidence: Find) -> Self {
        Self {
            name: "",
            key: "",
            summary: "",
            paper: "",
            reads: Reads::Layer,
            fusion: None,
            is_slow: false,
            slopes: Score::slopes,
            takes_batches: false,
            evidence,
        }
    }
}

/// Somebody who wants to know how far a slow method is, and may call it off.
pub trait Watch {
    /// Called before each step of work.
    ///
    /// # Errors
    /// [`ExplainError::CalledOff`], when the result is no longer wanted.
    fn step(&mut self, done: usize, total: usize) -> Result<(), ExplainError>;
}

/// Nobody: never calls anything off.
#[derive(Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn step(&mut self, _done: usize, _total: usize) -> Result<(), ExplainError> {
        Ok(())
    }
}

/// Every method, in the order of the picker.
pub static METHODS: &[&Method] = &[
    &grad_cam::METHOD,
    &grad_cam_plus_plus::METHOD,
    &xgrad_cam::METHOD,
    &hires_cam::METHOD,
    &element_wise_grad_cam::METHOD,
    &layer_cam::METHOD,
    &cam::METHOD,
    &finer_cam::METHOD,
    &shapley_cam::METHOD,
    &refine_cam::METHOD,
    &eigen_cam::METHOD,
    &eigen_grad_cam::METHOD,
    &ablation_cam::METHOD,
    &score_cam::METHOD,
    &full_grad::METHOD,
    &smooth_grad_cam_plus_plus::METHOD,
    &guided_backprop::METHOD,
    &guided_grad_cam::METHOD,
    &deconvolution::METHOD,
    &gradient::METHOD,
    &integrated_gradients::METHOD,
    &smooth_grad::METHOD,
    &occlusion::METHOD,
    &attention_rollout::METHOD,
    &gradient_attention_rollout::METHOD,
];

/// A method by its place in [`METHODS`]. The first one is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId(usize);

impl MethodId {
    /// Every method.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..METHODS.len()).map(Self)
    }

    #[must_use]
    pub fn method(self) -> &'static Method {
        METHODS[self.0]
    }
}

impl std::str::FromStr for MethodId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |text: &str| {
            let kept = text.chars().filter(|c| c.is_alphanumeric() || *c == '+');
            kept.collect::<String>().to_lowercase()
        };
        let wanted = plain(text);
        Self::all()
            .find(|id| plain(id.method().key) == wanted || plain(id.method().name) == wanted)
            .ok_or_else(|| {
                let keys: Vec<&str> = METHODS.iter().map(|method| method.key).collect();
                format!("there is no such method; there are {}", keys.join(", "))
            })
    }
}

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_method_is_found_by_its_key_and_by_its_name_and_fits_its_column() {
        let mut keys = HashSet::new();
        for id in MethodId::all() {
            let method = id.method();
            assert_eq!(method.key.parse(), Ok(id));
            assert_eq!(method.name.to_uppercase().parse(), Ok(id));
            assert!(keys.insert(method.key), "{} stands twice", method.key);
            assert!(
                (1..=60).contains(&method.summary.chars().count()),
                "{}",
                method.summary
            );
            assert!(!method.paper.is_empty());
        }
        let error = "no-cam".parse::<MethodId>().unwrap_err();
        assert!(error.contains("grad-cam"), "{error}");
    }
}
