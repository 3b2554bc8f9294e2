//! Scores of changed inputs, many at once.

use tch::{Kind, Tensor};

use super::Subject;
use crate::explain::methods::Watch;
use crate::explain::{ExplainError, softmax};
use crate::model::ClassIndex;

/// How many changed inputs run at once.
const BATCH: usize = 16;

impl Subject<'_> {
    /// The input's numbers, `[3, height, width]`, channel by channel.
    pub(super) fn values(&self) -> Result<Vec<f32>, ExplainError> {
        let plain = self.input.tensor.f_to_device(tch::Device::Cpu)?;
        let plain = plain.f_to_kind(Kind::Float)?.f_contiguous()?;
        Ok(Vec::<f32>::try_from(plain.f_view([-1])?)?)
    }

    /// Logits of changed inputs. Each is made when its batch is due.
    pub(super) fn logits_of(
        &self,
        count: usize,
        mut changed: impl FnMut(usize) -> Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Vec<f32>>, ExplainError> {
        let mut shape = self.input.tensor.size();
        let mut rows = Vec::with_capacity(count);
        let all: Vec<usize> = (0..count).collect();
        for batch in all.chunks(BATCH) {
            watch.step(rows.len(), count)?;
            let numbers: Vec<f32> = batch.iter().flat_map(|index| changed(*index)).collect();
            shape[0] = batch.len() as i64;
            let inputs = Tensor::f_from_slice(&numbers)?
                .f_view(shape.as_slice())?
                .f_to_kind(self.input.tensor.kind())?
                .f_to_device(self.input.tensor.device())?;
            let logits = self.evaluator.model.logits(&inputs)?;
            let logits = logits.f_to_kind(Kind::Float)?.f_contiguous()?;
            let classes = self.logits.len().max(1);
            let numbers = Vec::<f32>::try_from(logits.f_view([-1])?)?;
            rows.extend(numbers.chunks(classes).map(<[f32]>::to_vec));
        }
        Ok(rows)
    }

    /// Probabilities of a class for changed inputs.
    pub(super) fn probabilities_of(
        &self,
        class: ClassIndex,
        count: usize,
        changed: impl FnMut(usize) -> Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<f64>, ExplainError> {
        let logits = self.logits_of(count, changed, watch)?;
        let of_class =
            |row: &Vec<f32>| f64::from(softmax(row).get(class.0).copied().unwrap_or(f32::NAN));
        Ok(logits.iter().map(of_class).collect())
    }
}

/// The input with another value where `is_changed` says so of a position, whatever the channel.
pub(super) fn replaced(
    values: &[f32],
    positions: usize,
    is_changed: impl Fn(usize) -> bool,
    to: f32,
) -> Vec<f32> {
    let mut changed = values.to_vec();
    for channel in changed.chunks_mut(positions.max(1)) {
        for (position, value) in channel.iter_mut().enumerate() {
            if is_changed(position) {
                *value = to;
            }
        }
    }
    changed
}
