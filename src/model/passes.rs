//! Passes: what was run of one image, by target layer.

use super::{Input, Model, ModelError, Pass};

/// The passes of one image. Each is made when its layer is first asked for, from what the others
/// have kept.
#[derive(Debug, Default)]
pub struct Passes(Vec<Pass>);

impl Passes {
    /// The pass that is split at this layer.
    ///
    /// # Errors
    /// As [`Model::run_at`].
    pub fn at(&mut self, model: &Model, input: &Input, layer: &str) -> Result<&Pass, ModelError> {
        let known = self.0.iter().position(|pass| pass.layer() == layer);
        let place = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(model.run_at(layer, input, &self.0)?);
        }
        Ok(&self.0[place])
    }

    /// Adds one that was made with those of other images.
    pub fn keep(&mut self, pass: Pass) {
        self.0.push(pass);
    }

    /// The pass that is split at this layer, where it was made.
    #[must_use]
    pub fn made(&self, layer: &str) -> Option<&Pass> {
        self.0.iter().find(|pass| pass.layer() == layer)
    }

    /// About how much memory they hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Pass::bytes).sum()
    }
}
