//! Batch: many images' way through the network at once, for figures of each of them.

use std::collections::HashSet;

use tch::{Kind, Tensor};

use super::{Map, Plan, RunError, Steps};
use crate::model::ClassIndex;
use crate::model::graph::Graph;

/// Images that were run together, split at the target layer.
#[derive(Debug)]
pub struct Batch {
    layer: String,
    /// Output of the target layer, `[n, …]`; the leaf of the suffix.
    activations: Tensor,
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
        let activations = tapped
            .f_detach()?
            .f_set_requires_grad(pooled_head.is_none())?;
        values[tap.0] = Some(activations.shallow_clone());
        self.suffix.run_and(graph, &mut values, |_, _| go_on())?;
        let scores = values[graph.output.0].take().ok_or_else(no_path)?;
        let size = scores.size();
        if size.len() != 2 || size.first() != inputs.size().first() {
            return Err(RunError::NotAClassifier(size));
        }
        Ok(Batch {
            layer: self.layer.name.clone(),
            activations,
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
        Ok(self.map.view_all(&self.activations.f_detach()?)?)
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
        // No image's score depends on another image: the gradient of the sum has the gradient of
        // each in its place.
        let picked = self.scores.f_gather(1, &rows.f_unsqueeze(1)?, false)?;
        let gradients =
            Tensor::f_run_backward(&[picked.f_sum(None)?], &[&self.activations], true, false)?;
        let gradient = gradients
            .first()
            .ok_or_else(|| RunError::NoPath(self.layer.clone()))?;
        let gradients = self.map.view_all(gradient)?;
        Ok(gradients.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)?)
    }
}
