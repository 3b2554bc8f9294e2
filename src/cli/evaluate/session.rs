//! Session: all images, one after the other, each by all methods, layers and metrics.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;

use super::EvaluateSettings;
use super::journal::{Journal, image_id};
use super::progress::Progress;
use crate::dataset::ImageEntry;
use crate::dataset::truth::{Object, Truth};
use crate::explain::ExplainError;
use crate::explain::evaluate::{Evaluator, Maps, MetricId, Subject, Tally};
use crate::explain::methods::Watch;
use crate::explain::options::Options;
use crate::model::{Model, ModelError, RunError};
use crate::text::visible;
use crate::worker::seen;

/// A method at a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    /// Nothing where the method reads none.
    pub(super) layer: Option<String>,
    pub(super) options: Options,
}

impl Task {
    /// "Grad-CAM at layer4"
    pub(super) fn name(&self) -> String {
        let method = self.options.method.method().name;
        match &self.layer {
            Some(layer) => format!("{method} at {}", visible(layer)),
            None => method.to_owned(),
        }
    }
}

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// How many images were measured.
    pub(super) images: usize,
    /// For a task and a metric the tallies of each image, one for each figure.
    pub(super) tallies: HashMap<(usize, MetricId), Vec<Vec<Tally>>>,
    /// Tasks that do not work on the network, by their place, and why.
    pub(super) left_out: BTreeMap<usize, String>,
    /// What failed, a sentence each.
    pub(super) failures: Vec<String>,
}

/// Everything that a run needs.
pub(super) struct Session<'a> {
    pub(super) model: &'a Model,
    pub(super) settings: &'a EvaluateSettings,
    pub(super) truth: Option<&'a Truth>,
    pub(super) tasks: &'a [Task],
    pub(super) metrics: &'a [MetricId],
    pub(super) journal: &'a mut Journal,
    pub(super) stopped: &'a AtomicBool,
}

/// Why an image was not measured to its end.
enum Ended {
    /// By the user.
    Stopped,
    /// It cannot be read, or the network does not run on it.
    Failed(String),
}

impl Session<'_> {
    /// Measures what is not there yet; nothing when the user has stopped it.
    ///
    /// # Errors
    /// When a layer cannot be explained, or the results not be written.
    pub(super) fn measure(
        &mut self,
        images: &[ImageEntry],
        progress: &mut Progress,
    ) -> Result<Option<Measured>> {
        let evaluator = Evaluator::new(self.model, self.settings.rules);
        let mut measured = Measured::default();
        progress.say(&format!(
            "results are kept in {}; {} are there already",
            self.journal.shown(),
            self.journal.len()
        ))?;
        progress.images(images.len());
        for image in images {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let start = Instant::now();
            let objects = self.truth.map_or(&[][..], |truth| truth.of(image.id));
            let id = match std::fs::read(&image.path) {
                Ok(content) => image_id(&content, objects),
                Err(error) => {
                    measured.fail(format!("{}: {error}", image.name), progress)?;
                    continue;
                }
            };
            let missing = self.missing(&id, &measured);
            let took = if missing.is_empty() {
                None
            } else {
                match self.image(
                    &evaluator,
                    image,
                    objects,
                    &id,
                    &missing,
                    &mut measured,
                    progress,
                )? {
                    Ok(()) => Some(start.elapsed()),
                    Err(Ended::Stopped) => return Ok(None),
                    Err(Ended::Failed(reason)) => {
                        measured.fail(reason, progress)?;
                        continue;
                    }
                }
            };
            self.collect(&id, &mut measured);
            progress.image_done(&image.name, took)?;
        }
        Ok(Some(measured))
    }

    /// Places of tasks, and the metrics that they lack of an image.
    fn missing(&self, id: &str, measured: &Measured) -> Vec<(usize, Vec<MetricId>)> {
        let lacking = |task: &Task| -> Vec<MetricId> {
            let metrics = self.metrics.iter().copied();
            metrics
                .filter(|metric| self.journal.find(id, task, *metric).is_none())
                .collect()
        };
        (0..)
            .zip(self.tasks)
            .filter(|(place, _)| !measured.left_out.contains_key(place))
            .map(|(place, task)| (place, lacking(task)))
            .filter(|(_, metrics)| !metrics.is_empty())
            .collect()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one image's part of the loop above"
    )]
    fn image(
        &mut self,
        evaluator: &Evaluator<'_>,
        image: &ImageEntry,
        objects: &[Object],
        id: &str,
        missing: &[(usize, Vec<MetricId>)],
        measured: &mut Measured,
        progress: &mut Progress,
    ) -> Result<Result<(), Ended>> {
        let mut subject = match self.subject(evaluator, &image.path, objects, id)? {
            Ok(subject) => subject,
            Err(reason) => return Ok(Err(Ended::Failed(reason))),
        };
        for (place, metrics) in missing {
            let task = &self.tasks[*place];
            let mut maps = Maps::new(&mut subject, task.options.clone());
            for metric in metrics {
                let mut watch = Watching {
                    stopped: self.stopped,
                    progress,
                    what: format!("{}, {}", task.name(), metric.metric().key),
                };
                match (metric.metric().measure)(&mut maps, &mut watch) {
                    Ok(tallies) => self.journal.add(
                        &image.path.to_string_lossy(),
                        id,
                        task,
                        *metric,
                        &tallies,
                    )?,
                    Err(ExplainError::CalledOff) => return Ok(Err(Ended::Stopped)),
                    Err(error) => {
                        measured.refuse(*place, task, &image.name, &error, progress)?;
                        break;
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// The image, run once. A layer that cannot be explained is an error of the whole run, an image
    /// that cannot be read is a sentence.
    fn subject<'e>(
        &self,
        evaluator: &'e Evaluator<'e>,
        path: &Path,
        objects: &[Object],
        id: &str,
    ) -> Result<Result<Subject<'e>, String>> {
        let named = |error: &dyn std::fmt::Display| {
            format!("{}: {error}", visible(&path.display().to_string()))
        };
        let seen = match seen::read(path, self.model.recipe(), /* keeps_photo= */ false) {
            Ok(seen) => seen,
            Err(reason) => return Ok(Err(reason)),
        };
        let input = match self.model.input(seen.pixels, seen.geometry) {
            Ok(input) => input,
            Err(error) => return Ok(Err(named(&error))),
        };
        let mut subject = match evaluator.subject(input, objects, id) {
            Ok(subject) => subject,
            Err(error) if is_of_the_layer(&error) => return Err(error.into()),
            Err(error) => return Ok(Err(named(&error))),
        };
        for layer in self.tasks.iter().filter_map(|task| task.layer.as_ref()) {
            subject.reach(layer)?;
        }
        Ok(Ok(subject))
    }

    /// Takes over what the journal has of an image.
    fn collect(&self, id: &str, measured: &mut Measured) {
        measured.images += 1;
        for (place, task) in self.tasks.iter().enumerate() {
            for metric in self.metrics {
                if let Some(tallies) = self.journal.find(id, task, *metric) {
                    let all = measured.tallies.entry((place, *metric)).or_default();
                    all.push(tallies.clone());
                }
            }
        }
    }
}

impl Measured {
    fn fail(&mut self, sentence: String, progress: &mut Progress) -> Result<()> {
        progress.say(&sentence)?;
        self.failures.push(sentence);
        progress.image_done("", None)
    }

    /// A method that does not fit the network is not asked again; another error is this image's.
    fn refuse(
        &mut self,
        place: usize,
        task: &Task,
        image: &str,
        error: &ExplainError,
        progress: &Progress,
    ) -> Result<()> {
        let sentence = if let ExplainError::Unfit { reason, .. } = error {
            self.left_out.insert(place, reason.clone());
            error.to_string()
        } else {
            let sentence = format!("{image}: {}: {error}", task.name());
            self.failures.push(sentence.clone());
            sentence
        };
        progress.say(&sentence)
    }
}

/// Whether every image would fail like this.
fn is_of_the_layer(error: &ExplainError) -> bool {
    matches!(
        error,
        ExplainError::Model(
            ModelError::NoLayer { .. }
                | ModelError::Run(
                    RunError::NoMap { .. } | RunError::NoPath(_) | RunError::NotAClassifier(_)
                )
        )
    )
}

/// The user, who may have had enough.
struct Watching<'a> {
    stopped: &'a AtomicBool,
    progress: &'a Progress,
    what: String,
}

impl Watch for Watching<'_> {
    fn step(&mut self, done: usize, total: usize) -> Result<(), ExplainError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(ExplainError::CalledOff);
        }
        self.progress.at(&match total {
            0 | 1 => self.what.clone(),
            _ => format!("{} {done}/{total}", self.what),
        });
        Ok(())
    }
}
