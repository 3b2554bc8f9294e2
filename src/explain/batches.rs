//! Many images at once: one forward pass for each layer, and one backward pass for each class that is
//! asked of them. The explanations are those of [`explain`].

use image::RgbImage;

use super::methods::Unwatched;
use super::options::Options;
use super::{ExplainError, Explanation, Prediction, explain, fuse, predictions};
use crate::geometry::InputGeometry;
use crate::model::passes::Passes;
use crate::model::{
    Batch, ClassIndex, Input, Model, ModelError, Pass, RunError, Slope, differentiate,
};

/// An image of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// As the network sees it.
    pub seen: &'a RgbImage,
    pub geometry: InputGeometry,
}

/// What is asked of each image.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// How many predictions.
    pub top: usize,
    /// The classes to explain, by the predictions.
    pub classes: &'a dyn Fn(&[Prediction]) -> Vec<ClassIndex>,
    pub options: &'a Options,
}

/// What the network says of an image.
#[derive(Debug)]
pub struct Answer {
    /// The best classes, best first.
    pub predictions: Vec<Prediction>,
    /// One for each class that was asked, in order.
    pub explanations: Vec<Explanation>,
}

/// Whether [`explain_batch`] can explain so; else each image is explained by itself.
#[must_use]
pub fn takes(options: &Options) -> bool {
    options.method.method().takes_batches && !options.aug_smooth
}

/// Explains images of one size. Runs as many as `full` at once, the last one repeated; one by one
/// where a target layer does not keep images apart.
///
/// # Errors
/// When the network does not run on them. Within, what [`explain`] says of an image.
pub fn explain_batch(
    model: &Model,
    subjects: &[Subject<'_>],
    full: usize,
    question: Question<'_>,
) -> Result<Vec<Result<Answer, ExplainError>>, ExplainError> {
    match together(model, subjects, full, question) {
        Err(ExplainError::Model(ModelError::Run(RunError::NoBatch(_)))) if full > 1 => {
            let alone = |subject: &Subject<'_>| together(model, &[*subject], 1, question);
            let answers = subjects.iter().map(alone).collect::<Result<Vec<_>, _>>()?;
            Ok(answers.into_iter().flatten().collect())
        }
        answers => answers,
    }
}

fn together(
    model: &Model,
    subjects: &[Subject<'_>],
    full: usize,
    question: Question<'_>,
) -> Result<Vec<Result<Answer, ExplainError>>, ExplainError> {
    let seen: Vec<&RgbImage> = subjects.iter().map(|subject| subject.seen).collect();
    let inputs = model.tensor_of(&filled(&seen, full))?;
    let layers = fuse::layers(model, question.options)?;
    let batches = layers
        .iter()
        .map(|layer| model.run_batch(layer, &inputs, &|| false))
        .collect::<Result<Vec<Batch>, ModelError>>()?;
    let mut passes: Vec<Passes> = subjects.iter().map(|_| Passes::default()).collect();
    for batch in &batches {
        for (passes, pass) in passes.iter_mut().zip(batch.passes()?) {
            passes.keep(pass);
        }
    }
    let mut images = Vec::with_capacity(subjects.len());
    for ((place, subject), passes) in (0..).zip(subjects).zip(passes) {
        let input = Input {
            tensor: inputs.f_narrow(0, place, 1)?,
            seen: subject.seen.clone(),
            geometry: subject.geometry,
        };
        images.push(Image::new(model, input, passes, &layers[0], question));
    }
    let most = images.iter().map(|image| image.classes.len()).max();
    for turn in 0..most.unwrap_or(0) {
        for layer in &layers {
            let scores = images.iter();
            let scores = scores.filter_map(|image| image.score(turn, layer, question.options));
            differentiate(&scores.collect::<Vec<_>>()).map_err(ModelError::from)?;
        }
        for image in &mut images {
            image.explain(model, turn, question.options);
        }
    }
    Ok(images.into_iter().map(|image| image.answer).collect())
}

/// An image, and what is known of it so far.
struct Image {
    input: Input,
    passes: Passes,
    /// The classes that are asked of it.
    classes: Vec<ClassIndex>,
    answer: Result<Answer, ExplainError>,
}

impl Image {
    fn new(
        model: &Model,
        input: Input,
        mut passes: Passes,
        layer: &str,
        question: Question<'_>,
    ) -> Self {
        let pass = passes.at(model, &input, layer).map_err(ExplainError::from);
        let answer = pass.and_then(|pass| {
            Ok(Answer {
                predictions: predictions(model, &input, pass.logits(), question.top)?,
                explanations: Vec::new(),
            })
        });
        let classes = answer
            .as_ref()
            .map(|answer| (question.classes)(&answer.predictions));
        Self {
            classes: classes.unwrap_or_default(),
            input,
            passes,
            answer,
        }
    }

    /// Whose gradient is read in this turn, at this layer; nothing where none is, or the image has
    /// had its turns.
    fn score(&self, turn: usize, layer: &str, options: &Options) -> Option<(&Pass, Vec<Slope>)> {
        let score = options.score(*self.classes.get(turn)?);
        let pass = self.passes.made(layer)?;
        let slopes = (options.method.method().slopes)(&score, pass.logits());
        (!slopes.is_empty()).then_some((pass, slopes))
    }

    fn explain(&mut self, model: &Model, turn: usize, options: &Options) {
        let Some(&class) = self.classes.get(turn) else {
            return;
        };
        let Self { input, passes, .. } = self;
        let found = explain(model, input, passes, class, options, &mut Unwatched);
        match (found, &mut self.answer) {
            (Ok(explanation), Ok(answer)) => answer.explanations.push(explanation),
            (Err(error), answer) => {
                self.classes.clear();
                *answer = Err(error);
            }
            (Ok(_), Err(_)) => {}
        }
    }
}

/// The images, and the last one again until there are as many as `full`.
pub(super) fn filled<'a>(images: &[&'a RgbImage], full: usize) -> Vec<&'a RgbImage> {
    let last = images.last().copied();
    let missing = full.saturating_sub(images.len());
    images
        .iter()
        .copied()
        .chain(last.into_iter().cycle().take(missing))
        .collect()
}

#[cfg(test)]
mod tests;
