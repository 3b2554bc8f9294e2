//! What the tests of explanations share, and the tests that hold for every method.

use image::RgbImage;

use super::methods::Unwatched;
use super::*;
use crate::model::Pass;

/// An image that a model has seen.
pub(crate) struct Seen<'a> {
    pub(crate) model: &'a Model,
    pub(crate) input: Input,
    pub(crate) passes: Passes,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(model: &'a Model, image: &RgbImage) -> Self {
        Self {
            model,
            input: model.prepare(image).unwrap(),
            passes: Passes::default(),
        }
    }

    pub(crate) fn pass(&mut self) -> &Pass {
        let layer = &self.model.summary().layer;
        self.passes.at(self.model, &self.input, layer).unwrap()
    }

    pub(crate) fn explain(
        &mut self,
        class: usize,
        options: &Options,
    ) -> Result<Explanation, ExplainError> {
        let Self {
            model,
            input,
            passes,
        } = self;
        explain(
            model,
            input,
            passes,
            ClassIndex(class),
            options,
            &mut Unwatched,
        )
    }
}
