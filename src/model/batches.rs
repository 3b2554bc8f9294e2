//! Batches: many inputs at once, where the network takes them.

use image::RgbImage;
use tch::Tensor;

use super::precision::Precision;
use super::run::{self, Batch, RunError};
use super::{Model, ModelError, sample_input};

impl Model {
    /// Images as the network reads them, `[n, 3, height, width]`; all of one size.
    ///
    /// # Errors
    /// When they differ in size, or libtorch has no memory.
    pub fn tensor_of(&self, seen: &[&RgbImage]) -> Result<Tensor, ModelError> {
        if self.is_on_processor() {
            let tensors = seen
                .iter()
                .map(|seen| self.recipe.normalize(seen))
                .collect::<Result<Vec<Tensor>, _>>()?;
            return Ok(Tensor::f_cat(&tensors, 0)?);
        }
        Ok(self.recipe.normalize_on(seen, self.device)?)
    }

    /// Runs as many inputs `[n, 3, height, width]` at once as are given, split at a layer. Before each
    /// operation `stop` is asked whether to leave it at that.
    ///
    /// # Errors
    /// As [`Model::run_at`]; [`RunError::NoBatch`] when the layer does not keep the images apart;
    /// [`RunError::Stopped`] when it was to stop.
    pub fn run_batch(
        &self,
        layer: &str,
        inputs: &Tensor,
        stop: &dyn Fn() -> bool,
    ) -> Result<Batch, ModelError> {
        let plan = self.plan(layer)?;
        Ok(plan.run_batch(&self.graph, inputs, stop)?)
    }

    /// Logits `[n, classes]` of inputs `[n, 3, height, width]`, without autograd. In one go where
    /// the network takes batches.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn logits(&self, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.in_batches(inputs, |inputs| run::logits(&self.graph, inputs))
    }

    /// Programs that were exported for one image may refuse two, or mix them up.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn takes_batches(&self) -> Result<bool, ModelError> {
        if let Some(&known) = self.takes_batches.get() {
            return Ok(known);
        }
        let one = sample_input(&self.recipe, self.device)?;
        let other = one.f_flip([3])?;
        let both = run::logits(&self.graph, &Tensor::f_cat(&[&one, &other], 0)?);
        let alone = Tensor::f_cat(
            &[
                run::logits(&self.graph, &one)?,
                run::logits(&self.graph, &other)?,
            ],
            0,
        )?;
        let same = match both {
            Ok(both) if both.size() == alone.size() => {
                let (relative, absolute) = match self.summary.precision {
                    Precision::F32 => (1e-3, 1e-4),
                    // Other kernels round elsewhere, to 3 digits in each of many layers.
                    _ => (0.0, 0.05 * alone.f_abs()?.f_max()?.f_double_value(&[])?),
                };
                both.f_allclose(&alone, relative, absolute, true)?
            }
            _ => false,
        };
        Ok(*self.takes_batches.get_or_init(|| same))
    }

    /// In one go where the network takes batches, else one by one.
    pub(super) fn in_batches(
        &self,
        tensors: &Tensor,
        run: impl Fn(&Tensor) -> Result<Tensor, RunError>,
    ) -> Result<Tensor, ModelError> {
        let count = tensors.size().first().copied().unwrap_or(0);
        if count == 1 || self.takes_batches()? {
            return Ok(run(tensors)?);
        }
        let rows = (0..count)
            .map(|row| Ok(run(&tensors.f_narrow(0, row, 1)?)?))
            .collect::<Result<Vec<Tensor>, ModelError>>()?;
        Ok(Tensor::f_cat(&rows, 0)?)
    }
}
