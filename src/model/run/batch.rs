//! Batch: many images' way through the network at once, for figures of each of them.

use std::cell::RefCell;
use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::pass::backward;
use super::{Map, Pass, Plan, RunError, Steps};
use crate::model::ClassIndex;
use crate::model::graph::{Graph, ValueId};

/// Images that were run together, split at the target layer.
#[derive(Debug)]
pub struct Batch {
    layer: String,
    tap: ValueId,
    /// Output of the target layer, `[n, …]`.
    activations: Tensor,
    /// The same for each image, `[1, …]`; the leaves of the suffix.
    leaves: Vec<Tensor>,
    map: Map,
    /// `[n, classes]`, with the suffix's graph behind it unless `pooled_head` is there.
    scores: Tensor,
    pooled_head: Option<Tensor>,
}

impl Plan {
    /// Runs the network on images `[n, 3, height, width]`. Before each operation `stop` is asked
    /// whether to leave it at that.
    ///
    /// # Errors
    /// As [`Plan::run`]; [`RunError::Stopped`] when it was to stop.
    pub fn run_batch(
        &self,
        graph: &Graph,
        inputs: &Tensor,
        stop: &dyn Fn() -> bool,
    ) -> Result<Batch, RunError> {
        let go_on = || {
            if stop() {
                Err(RunError::Stopped)
            } else {
                Ok(())
            }
        };
        let mut values = graph.no_values();
        values[graph.input.0] = Some(inputs.shallow_clone());
        let tap = self.layer.output;
        let wanted: HashSet<_> = self.bridge.iter().copied().chain([tap]).collect();
        let prefix = Steps::quickest(graph, &wanted, &values);
        tch::no_grad(|| prefix.run_and(graph, &mut values, |_, _| go_on()))?;
        let no_path = || RunError::NoPath(self.layer.name.clone());
        let tapped = values[tap.0].take().ok_or_else(no_path)?;
        let map = self.map_of(&tapped)?;
        let pooled_head = self.head_weight(graph);
        let count = inputs.size().first().copied().unwrap_or(0);
        if tapped.size().first() != Some(&count) {
            return Err(RunError::NoBatch(self.layer.name.clone()));
        }
        let leaves = (0..count)
            .map(|place| {
                let own = tapped.f_detach()?.f_narrow(0, place, 1)?;
                own.f_set_requires_grad(pooled_head.is_none())
            })
            .collect::<Result<Vec<Tensor>, _>>()?;
        let activations = match pooled_head {
            Some(_) => tapped,
            None => Tensor::f_cat(&leaves, 0)?,
        };
        values[tap.0] = Some(activations.shallow_clone());
        self.suffix.run_and(graph, &mut values, |_, _| go_on())?;
        let scores = values[graph.output.0].take().ok_or_else(no_path)?;
        let size = scores.size();
        if size.len() != 2 || size.first() != Some(&count) {
            return Err(RunError::NotAClassifier(size));
        }
        Ok(Batch {
            layer: self.layer.name.clone(),
            tap,
            activations: activations.f_detach()?,
            leaves,
            map,
            scores,
            pooled_head,
        })
    }
}

impl Batch {
    /// Scores of the classes before softmax, of each image.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn logits(&self) -> Result<Vec<Vec<f32>>, RunError> {
        let scores = self.scores.f_detach()?.f_to_kind(Kind::Float)?;
        Ok(Vec::<Vec<f32>>::try_from(scores)?)
    }

    /// Output of the target layer, `[n, channels, height, width]`, in float32.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn activations(&self) -> Result<Tensor, RunError> {
        Ok(self.map.view_all(&self.activations)?)
    }

    /// Gradient of the logit of one class for each image with respect to the activations, its mean
    /// over positions, `[n, channels]`. Runs no forward pass.
    ///
    /// # Errors
    /// When there is not one class for each image, one is out of range, or libtorch refuses.
    pub fn mean_gradients(&self, classes: &[ClassIndex]) -> Result<Tensor, RunError> {
        let size = self.scores.size();
        let count = size.last().copied().unwrap_or(0);
        let rows = classes
            .iter()
            .map(|class| match i64::try_from(class.0) {
                Ok(row) if row < count => Ok(row),
                _ => Err(RunError::ClassOutOfRange {
                    class: class.0,
                    classes: usize::try_from(count).unwrap_or(0),
                }),
            })
            .collect::<Result<Vec<i64>, RunError>>()?;
        let rows = Tensor::from_slice(&rows).f_to_device(self.scores.device())?;
        if let Some(weight) = &self.pooled_head {
            let positions = (self.map.height * self.map.width) as f64;
            let weights = weight.f_index_select(0, &rows)?.f_to_kind(Kind::Float)?;
            return Ok(weights.f_div_scalar(positions)?);
        }
        // No image's score depends on another image: the gradient of the sum has each one's own.
        let picked = self.scores.f_gather(1, &rows.f_unsqueeze(1)?, false)?;
        let gradients = backward(&picked.f_sum(None)?, &self.leaves, &self.layer)?;
        let gradients = self.map.view_all(&Tensor::f_cat(&gradients, 0)?)?;
        Ok(gradients.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)?)
    }

    /// The pass of each image, for methods that read activations, logits and gradients. A pass runs
    /// backward through the whole batch, unless [`super::differentiate`] has done so for all.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn passes(&self) -> Result<Vec<Pass>, RunError> {
        let images = (0..).zip(&self.leaves).zip(self.logits()?);
        images
            .map(|((place, leaf), logits)| {
                Ok(Pass {
                    layer: self.layer.clone(),
                    tap: self.tap,
                    activations: leaf.shallow_clone(),
                    // Values are not divided by image here: whatever needs them is run again.
                    bridge: Vec::new(),
                    map: self.map,
                    scores: self.scores.f_narrow(0, place, 1)?,
                    logits,
                    pooled_head: self.pooled_head.as_ref().map(Tensor::shallow_clone),
                    dense: None,
                    readers: None,
                    gradient: RefCell::default(),
                    bytes: 4 * leaf.numel(),
                })
            })
            .collect()
    }
}
