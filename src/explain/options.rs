//! Options: how an explanation is made; all that is not the image and the class. Plain data.

use super::methods::MethodId;
use super::target::{Measure, Score};
use crate::model::ClassIndex;

/// How an explanation is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    pub method: MethodId,
    /// Target layers by name; the model's own where there is none.
    pub layers: Vec<String>,
    /// How the maps of several layers become one.
    pub fusion: Fusion,
    pub measure: Measure,
    /// What speaks for the class rather than for this one.
    pub versus: Option<ClassIndex>,
    /// What speaks against the class: the gradient negated.
    pub counterfactual: bool,
    /// The mean over the image, its mirror image, and both at 0.9 and 1.1 times their contrast.
    pub aug_smooth: bool,
    /// The first principal component of the channels instead of their sum.
    pub eigen_smooth: bool,
}

impl Options {
    /// How the maps of several layers become one: the method's own way, where it has one.
    #[must_use]
    pub fn joined_by(&self) -> Fusion {
        self.method.method().fusion.unwrap_or(self.fusion)
    }

    /// What is explained of a class.
    #[must_use]
    pub fn score(&self, class: ClassIndex) -> Score {
        Score {
            class,
            measure: self.measure,
            versus: self.versus,
            negated: self.counterfactual,
        }
    }
}

/// How the maps of several layers become one, after each was scaled to 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// As pytorch-grad-cam does.
    #[default]
    Mean,
    /// As torch-cam does.
    Max,
    /// Only where all layers agree; RefineCAM.
    Product,
}

impl Fusion {
    /// "mean", as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "maximum",
            Self::Product => "product",
        }
    }
}
