//! Pass: one image's way through the network, split at the target layer.

use std::borrow::Borrow;
use std::cell::RefCell;

use tch::{Kind, Tensor};

use super::dense::Living;
use super::readers::Readers;
use super::{Map, RunError};
use crate::model::ClassIndex;
use crate::model::graph::ValueId;

/// How much a score changes with the logit of a class: `d score / d logit`. A score is
/// differentiated through the few of them that are not zero.
pub type Slope = (ClassIndex, f32);

/// Up to as many slopes, classes are picked one by one.
const FEW_SLOPES: usize = 8;

/// One image's way through the network. Class switching needs nothing else.
#[derive(Debug)]
pub struct Pass {
    pub(super) layer: String,
    pub(super) tap: ValueId,
    /// Output of the target layer as it is; the leaf of the suffix.
    pub(super) activations: Tensor,
    pub(super) bridge: Vec<(ValueId, Tensor)>,
    pub(super) map: Map,
    /// `[1, classes]`, with the suffix's graph behind it unless `pooled_head` is there.
    pub(super) scores: Tensor,
    pub(super) logits: Vec<f32>,
    pub(super) pooled_head: Option<Tensor>,
    pub(super) dense: Option<Living>,
    pub(super) readers: Option<Readers<Tensor>>,
    /// The gradient of the last backward pass and the slopes that it was asked for: the methods
    /// that read it take turns at one class.
    pub(super) gradient: RefCell<Option<(Vec<Slope>, Tensor)>>,
    pub(super) bytes: usize,
}

impl Pass {
    /// Name of the target layer.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Scores of the classes before softmax.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Output of the target layer, `[channels, height, width]`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn activations(&self) -> Result<Tensor, RunError> {
        Ok(self.map.view(&self.activations.f_detach()?)?)
    }

    /// Output of the target layer as the network makes it, `[1, …]`, in float32; for
    /// [`super::Plan::rescore`].
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn output(&self) -> Result<Tensor, RunError> {
        Ok(self.activations.f_detach()?.f_to_kind(Kind::Float)?)
    }

    /// Where the positions and the channels are in [`Pass::output`].
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Gradient of a score with respect to the activations, `[channels, height, width]`. Runs no
    /// forward pass, and no backward pass for the slopes that it was last asked for.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn gradients(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        if let Some(weights) = self.head_weights(slopes)? {
            // d logit / d A_k(x, y) = weight[class, k] / (height * width), the same everywhere.
            let Map {
                channels,
                height,
                width,
                ..
            } = self.map;
            return Ok(weights
                .f_div_scalar((height * width) as f64)?
                .f_view([-1, 1, 1])?
                .f_expand([channels, height, width], false)?);
        }
        let known = |pass: &Self| match &*pass.gradient.borrow() {
            Some((of, gradient)) if of == slopes => Some(gradient.shallow_clone()),
            _ => None,
        };
        if known(self).is_none() {
            differentiate(&[(self, slopes.to_vec())])?;
        }
        known(self).ok_or_else(|| RunError::NoPath(self.layer.clone()))
    }

    /// Mean over positions of the gradient of a score with respect to the activations,
    /// `[channels]`. Where a pooling and linear layers follow it takes less than the gradient.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn mean_gradients(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        let sums = match &self.dense {
            Some(dense) => Some(dense.gradient_sums(|last| self.weighted(last, 0, slopes))?),
            // The weight of a channel is shared out to its positions.
            None => self.head_weights(slopes)?,
        };
        if let Some(sums) = sums {
            let positions = (self.map.height * self.map.width) as f64;
            return Ok(sums.f_to_kind(Kind::Float)?.f_div_scalar(positions)?);
        }
        if let Some(readers) = &self.readers {
            return readers.mean_gradient(&self.score(slopes)?, &self.map);
        }
        let gradients = self.gradients(slopes)?;
        Ok(gradients.f_mean_dim([1_i64, 2].as_slice(), false, Kind::Float)?)
    }

    /// What the linear layer gives each channel of the target layer for a score, `[channels]`,
    /// where only global average pooling stands before it; nothing elsewhere.
    ///
    /// # Errors
    /// When a class is out of range or libtorch refuses.
    pub fn head_weights(&self, slopes: &[Slope]) -> Result<Option<Tensor>, RunError> {
        let weight = self.pooled_head.as_ref();
        weight
            .map(|weight| self.weighted(weight, 0, slopes))
            .transpose()
    }

    /// Logits `[n, classes]` when the mean of one channel changes, of `first` and the following ones
    /// in turn, by the changes `[n]`; where only global average pooling and one linear layer follow
    /// the target layer, and nothing elsewhere.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn logits_of_changed_means(
        &self,
        first: i64,
        changes: &Tensor,
    ) -> Result<Option<Tensor>, RunError> {
        let Some(weight) = &self.pooled_head else {
            return Ok(None);
        };
        let count = changes.size().first().copied().unwrap_or(0);
        let rows = weight.f_narrow(1, first, count)?.f_transpose(0, 1)?;
        let moved = rows.f_mul(&changes.f_unsqueeze(1)?)?;
        Ok(Some(self.scores.f_detach()?.f_add(&moved)?))
    }

    /// The score `[]` as a function of the activations, for autograd.
    fn score(&self, slopes: &[Slope]) -> Result<Tensor, RunError> {
        Ok(self.weighted(&self.scores, 1, slopes)?.f_sum(None)?)
    }

    /// The sum over classes of the slope times the class's part of a tensor, along this axis.
    fn weighted(&self, tensor: &Tensor, axis: i64, slopes: &[Slope]) -> Result<Tensor, RunError> {
        if let Some((&(class, slope), others)) = slopes.split_first()
            && others.len() < FEW_SLOPES
        {
            let part = |class: ClassIndex, slope: f32| -> Result<Tensor, RunError> {
                let part = tensor.f_select(axis, self.row(class)?)?;
                // A logit alone is the usual score, and stays what it is to the last bit.
                Ok(match slope {
                    1.0 => part,
                    slope => part.f_mul_scalar(f64::from(slope))?,
                })
            };
            let first = part(class, slope);
            return others.iter().fold(first, |sum, &(class, slope)| {
                Ok(sum?.f_add(&part(class, slope)?)?)
            });
        }
        let mut weights = vec![0.0_f32; self.logits.len()];
        for &(class, slope) in slopes {
            self.row(class)?;
            weights[class.0] += slope;
        }
        let weights = Tensor::from_slice(&weights)
            .f_to_device(tensor.device())?
            .f_to_kind(tensor.kind())?;
        let rows = tensor.f_transpose(axis, -1)?;
        Ok(rows.f_mv(&weights)?)
    }

    /// About how much memory the pass holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn row(&self, class: ClassIndex) -> Result<i64, RunError> {
        let classes = self.logits.len();
        let out_of_range = RunError::ClassOutOfRange {
            class: class.0,
            classes,
        };
        if class.0 < classes {
            i64::try_from(class.0).map_err(|_| out_of_range)
        } else {
            Err(out_of_range)
        }
    }
}

/// Gives each pass the gradient of its score, by one backward pass for all of them: those of a batch
/// share their way through the network, and no image's score depends on another image.
///
/// # Errors
/// When a class is out of range or libtorch refuses.
pub fn differentiate(scores: &[(&Pass, Vec<Slope>)]) -> Result<(), RunError> {
    // Elsewhere the gradient is a row of a weight.
    let by_backward_pass = |(pass, _): &&(&Pass, Vec<Slope>)| pass.pooled_head.is_none();
    let scores: Vec<_> = scores.iter().filter(by_backward_pass).collect();
    let Some((first, _)) = scores.first() else {
        return Ok(());
    };
    let values = scores
        .iter()
        .map(|(pass, slopes)| pass.score(slopes))
        .collect::<Result<Vec<Tensor>, RunError>>()?;
    let sum = Tensor::f_stack(&values, 0)?.f_sum(None)?;
    let leaves: Vec<&Tensor> = scores.iter().map(|(pass, _)| &pass.activations).collect();
    let gradients = backward(&sum, &leaves, &first.layer)?;
    for ((pass, slopes), gradient) in scores.into_iter().zip(gradients) {
        let gradient = pass.map.view(&gradient)?;
        pass.gradient.replace(Some((slopes.clone(), gradient)));
    }
    Ok(())
}

/// Gradient of a score with respect to the activations of each image, as they are.
pub(super) fn backward<T: Borrow<Tensor>>(
    score: &Tensor,
    leaves: &[T],
    layer: &str,
) -> Result<Vec<Tensor>, RunError> {
    let gradients = Tensor::f_run_backward(&[score], leaves, true, false)?;
    if gradients.iter().all(Tensor::defined) {
        Ok(gradients)
    } else {
        Err(RunError::NoPath(layer.to_owned()))
    }
}
