//! Studio: does the worker's jobs with a model, and keeps what may be needed again.
//!
//! Each image is decoded and run once; each of its classes is explained once. A picture of another
//! style is composed from what is kept.

pub mod known;
mod name;
mod shelf;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use image::RgbImage;

use super::cache::Cache;
use super::drawer::{Drawn, Order};
use super::scoring::{Pace, Scoring};
use super::{Decoded, Explain, Opened, Prepared, ReadImage, seen};
use crate::dataset::ImageId;
use crate::dataset::score::Score;
use crate::dataset::truth::Truth;
use crate::explain::methods::{Unwatched, Watch};
use crate::explain::options::Options;
use crate::explain::score::{Subject, score};
use crate::explain::{ExplainError, Explanation, Prediction, explain, predictions, softmax};
use crate::geometry::{PixelSize, Window, resample_bilinear};
use crate::job::{About, Folder, Form, ImageRef, Outcome, Request, Target, Times, map_of};
use crate::model::passes::Passes;
use crate::model::{ClassIndex, Input, LayerSummary, Model};
use crate::picture::decode::decode;
use crate::picture::files::{output_path, save_png, stem};
use crate::picture::layers::{Ground, Heat, Layers, Photo, ground, heat, photo, whole};
use crate::picture::overlay::{Crop, Parts, compose};
use known::{Known, Sources};
use name::name_part;
use shelf::Shelf;
pub use shelf::{facts, facts_of};

/// How many predictions are shown.
pub const TOP: usize = 5;
/// Images that a GPU scores at once.
const GPU_BATCH: usize = 64;
/// Batches that are read ahead of a GPU.
const AHEAD_OF_GPU: usize = 3;
const MOST_READERS: usize = 32;
/// A file that is to be scored may take so long: its reader stands behind all other threads.
const PATIENCE: Duration = Duration::from_secs(10);
/// No picture on the screen is wider or higher; larger images are kept at this size.
const SCREEN: PixelSize = PixelSize::new(1280, 1280);

/// An image that has been decoded and run.
#[derive(Debug)]
pub struct Examined {
    pub image: RgbImage,
    pub input: Input,
    pub passes: Passes,
    pub logits: Vec<f32>,
    pub times: Times,
}

/// Decodes an image and runs the model on it.
///
/// # Errors
/// When the file cannot be read or the model does not run on it; one sentence.
pub fn examine(model: &Model, path: &Path) -> Result<Examined, String> {
    let mut taken = Duration::ZERO;
    let image = timed(&mut taken, || decode(path)).map_err(|error| error.to_string())?;
    let mut examined = run(model, path, image)?;
    examined.times.decode = taken;
    Ok(examined)
}

/// Reads image files.
#[must_use]
pub fn read_image() -> ReadImage {
    Arc::new(|path| decode(path).map_err(|error| error.to_string()))
}

/// Runs the model on an image from a file.
///
/// # Errors
/// When the model does not run on it; one sentence.
pub fn run(model: &Model, path: &Path, image: RgbImage) -> Result<Examined, String> {
    let mut times = Times::default();
    let input = timed(&mut times.prepare, || {
        let (seen, geometry) = seen::of_photo(path, &image, model.recipe())?;
        model.input(seen, geometry)
    });
    let input = input.map_err(|error| error.to_string())?;
    let mut passes = Passes::default();
    let layer = &model.summary().layer;
    let pass = timed(&mut times.forward, || passes.at(model, &input, layer));
    let logits = pass.map_err(|error| error.to_string())?.logits().to_vec();
    Ok(Examined {
        image,
        input,
        passes,
        logits,
        times,
    })
}

/// Adds how long `work` takes to a duration.
pub fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}

/// A model and the results that it has made.
#[derive(Debug)]
pub struct Studio {
    model: Model,
    kept: Cache<ImageId, Kept>,
    /// Where truth may be found, and where scores are kept.
    sources: Option<Sources>,
    /// What is known of images.
    truth: Truth,
    shelf: Option<Shelf>,
}

/// What a photo was made for: what lies below the heatmap, the largest size, and the part.
type MadeFor = (Ground, PixelSize, Option<Window>);

/// What is kept of one image.
#[derive(Debug)]
struct Kept {
    examined: Examined,
    predictions: Arc<[Prediction]>,
    probabilities: Arc<[f32]>,
    explanations: HashMap<(ClassIndex, Options), Explanation>,
    /// The photo below its heatmaps.
    photo: Option<(MadeFor, Photo)>,
    /// Times that no picture has reported yet.
    fresh: Times,
}

impl Studio {
    /// `cache_bytes` bounds the memory for results.
    #[must_use]
    pub fn new(model: Model, cache_bytes: usize) -> Self {
        Self {
            model,
            kept: Cache::new(cache_bytes),
            sources: None,
            truth: Truth::default(),
            shelf: None,
        }
    }

    /// Says where what is known of a folder comes from.
    #[must_use]
    pub fn with_sources(self, sources: Sources) -> Self {
        Self {
            sources: Some(sources),
            ..self
        }
    }

    /// How scoring is spread over this machine.
    fn pace(&self) -> Result<Pace, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let takes_batches = self
            .model
            .takes_batches()
            .map_err(|error| error.to_string())?;
        let on_processor = self.model.is_on_processor();
        let batch = match (takes_batches, on_processor) {
            (false, _) => 1,
            (true, true) => cores.clamp(4, 16),
            (true, false) => GPU_BATCH,
        };
        Ok(Pace {
            batch,
            ahead: if on_processor {
                batch
            } else {
                AHEAD_OF_GPU * batch
            },
            readers: cores.min(MOST_READERS),
            patience: PATIENCE,
        })
    }

    /// What is kept of an image; it is run where it is not kept and has been read.
    fn kept(&mut self, image: ImageId, read: Option<Decoded>) -> Result<&mut Kept, String> {
        if !self.kept.contains(image) {
            let Decoded {
                path,
                image: pixels,
                taken,
            } = read.ok_or("the image was not read")?;
            let mut examined = run(&self.model, &path, pixels)?;
            examined.times.decode = taken;
            let predictions = predictions(&self.model, &examined.input, &examined.logits, TOP)
                .map_err(|error| error.to_string())?;
            examined.image = at_most(examined.image, SCREEN)?;
            let kept = Kept {
                fresh: examined.times,
                predictions: predictions.into(),
                probabilities: softmax(&examined.logits).into(),
                explanations: HashMap::new(),
                photo: None,
                examined,
            };
            let bytes = kept.bytes();
            self.kept.insert(image, kept, bytes);
        }
        self.kept
            .get(image)
            .ok_or_else(|| "the result was not kept".to_owned())
    }

    /// The explanations of the wanted classes: the target, and the one beside it.
    fn explained(
        &mut self,
        request: &Request,
        watch: &mut dyn Watch,
    ) -> Result<Option<(&mut Kept, Shown)>, String> {
        let kept = self.kept(request.image.id, None)?;
        let target = kept.class(request.target)?;
        let beside = request
            .beside
            .map(|beside| kept.class(beside))
            .transpose()?;
        // The two are borrowed apart: what is kept of the image, and the model.
        let (model, kept) = (
            &self.model,
            self.kept
                .get(request.image.id)
                .ok_or("the result was not kept")?,
        );
        let mut times = std::mem::take(&mut kept.fresh);
        let mut explained = |class| {
            timed(&mut times.explain, || {
                kept.explain(model, class, &request.options, watch)
            })
        };
        let Some(explanation) = explained(target)? else {
            return Ok(None);
        };
        let beside = match beside {
            None => None,
            Some(class) => match explained(class)? {
                None => return Ok(None),
                beside => beside,
            },
        };
        let bytes = kept.bytes();
        self.kept.resize(request.image.id, bytes);
        let kept = self
            .kept
            .get(request.image.id)
            .ok_or("the result was not kept")?;
        Ok(Some((
            kept,
            Shown {
                explanation,
                beside,
                times,
            },
        )))
    }
}

/// What a picture is to show.
struct Shown {
    explanation: Explanation,
    beside: Option<Explanation>,
    times: Times,
}

impl Kept {
    /// About how much memory is held.
    fn bytes(&self) -> usize {
        let grids = self.explanations.values();
        self.examined.image.as_raw().len()
            + self.examined.input.seen.as_raw().len() * 5
            + self.examined.passes.bytes()
            + self
                .photo
                .as_ref()
                .map_or(0, |(_, photo)| photo.picture.as_raw().len())
            + grids.map(|one| 8 * one.raw.values.len()).sum::<usize>()
    }

    /// The picture of an explanation in the form that is asked for.
    fn drawn(
        &mut self,
        request: &Request,
        explanation: &Explanation,
        beside: Option<&Explanation>,
    ) -> Result<(Arc<RgbImage>, Option<Layers>), String> {
        let (style, bounds) = (request.style, request.picture_size);
        let whole_image = self.examined.parts(explanation, beside);
        let crop = request.part.map(|part| Crop::new(&whole_image, part));
        let parts = crop
            .as_ref()
            .map_or(whole_image, |crop| crop.parts(&whole_image));
        let below = ground(&parts, style);
        let (photo, heat) = match (request.form, below) {
            (Form::Pixels, _) => return Ok((Arc::new(compose(&parts, style, bounds)?), None)),
            (Form::Photo, _) | (Form::Layers { .. }, None) => (whole(&parts, style, bounds)?, None),
            (Form::Layers { cell_px }, Some(ground)) => {
                let made_for = (ground, bounds, request.part);
                let known = self.photo.as_ref().filter(|(key, _)| *key == made_for);
                let photo = match known {
                    Some((_, photo)) => photo.clone(),
                    None => photo(&parts, ground, bounds)?,
                };
                let heat = heat(&parts, style, photo.size(), cell_px).map(Arc::new);
                self.photo = Some((made_for, photo.clone()));
                (photo, heat)
            }
        };
        Ok((Arc::clone(&photo.picture), Some(Layers { photo, heat })))
    }

    fn class(&self, target: Target) -> Result<ClassIndex, String> {
        match target {
            Target::Class(class) => Ok(class),
            Target::Rank(rank) => {
                let place = rank.clamp(1, self.predictions.len().max(1)) - 1;
                let found = self.predictions.get(place);
                Ok(found.ok_or("the model has no classes")?.class)
            }
        }
    }

    /// The explanation of a class; nothing when the watch has called it off.
    fn explain(
        &mut self,
        model: &Model,
        class: ClassIndex,
        options: &Options,
        watch: &mut dyn Watch,
    ) -> Result<Option<Explanation>, String> {
        let key = (class, options.clone());
        if let Some(known) = self.explanations.get(&key) {
            return Ok(Some(known.clone()));
        }
        let Examined { input, passes, .. } = &mut self.examined;
        match explain(model, input, passes, class, options, watch) {
            Ok(explanation) => {
                self.explanations.insert(key, explanation.clone());
                Ok(Some(explanation))
            }
            Err(ExplainError::CalledOff) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Explain for Studio {
    fn about(&self) -> About {
        let summary = self.model.summary().clone();
        About {
            labels: self.model.labels().all(summary.classes).into(),
            summary,
        }
    }

    fn layers(&mut self) -> Result<Arc<[LayerSummary]>, String> {
        let layers = self.model.layers().map_err(|error| error.to_string())?;
        Ok(layers.into())
    }

    fn reader(&self) -> ReadImage {
        read_image()
    }

    fn keeps(&self, image: ImageId) -> bool {
        self.kept.contains(image)
    }

    fn predict(
        &mut self,
        image: ImageId,
        read: Option<Decoded>,
    ) -> Result<Arc<[Prediction]>, String> {
        Ok(Arc::clone(&self.kept(image, read)?.predictions))
    }

    fn show(
        &mut self,
        request: &Request,
        watch: &mut dyn Watch,
    ) -> Result<Option<Outcome>, String> {
        let Some((kept, shown)) = self.explained(request, watch)? else {
            return Ok(None);
        };
        let Shown {
            explanation,
            beside,
            mut times,
        } = shown;
        let (picture, layers) = timed(&mut times.compose, || {
            kept.drawn(request, &explanation, beside.as_ref())
        })?;
        Ok(Some(Outcome {
            image: request.image.id,
            predictions: Arc::clone(&kept.predictions),
            probabilities: Arc::clone(&kept.probabilities),
            geometry: kept.examined.input.geometry,
            explanation,
            beside,
            style: request.style,
            picture,
            layers,
            times,
        }))
    }

    fn ahead(&mut self, request: &Request, rank: usize) -> Result<Option<Arc<Heat>>, String> {
        let options = &request.options;
        let is_slow = options.method.method().is_slow || options.aug_smooth;
        let Form::Layers { cell_px } = request.form else {
            return Ok(None);
        };
        // An image that has been let go is not run again for this.
        let (model, Some(kept)) = (&self.model, self.kept.get(request.image.id)) else {
            return Ok(None);
        };
        if is_slow || rank > kept.predictions.len() {
            return Ok(None);
        }
        let class = kept.class(Target::Rank(rank))?;
        let Some(explanation) = kept.explain(model, class, options, &mut Unwatched)? else {
            return Ok(None);
        };
        let whole_image = kept.examined.parts(&explanation, None);
        let crop = request.part.map(|part| Crop::new(&whole_image, part));
        let parts = crop
            .as_ref()
            .map_or(whole_image, |crop| crop.parts(&whole_image));
        if request.beside.is_some() || ground(&parts, request.style).is_none() {
            return Ok(None);
        }
        let photo = parts.geometry.image.fitted_into(request.picture_size);
        Ok(heat(&parts, request.style, photo, cell_px).map(Arc::new))
    }

    type Known = Known;

    fn look_up(&mut self, folder: Folder) -> Result<Receiver<Known>, String> {
        let sources = self.sources.take().ok_or("a folder is opened once")?;
        let labels = self.model.labels().all(self.model.summary().classes);
        known::look_up(sources, folder, labels, facts_of(&self.model))
            .map_err(|error| format!("no thread to look things up: {error}"))
    }

    fn open(&mut self, known: Known) -> Result<Opened, String> {
        let pace = self.pace()?;
        let scoring = Scoring::start(self.model.recipe(), pace);
        let mut scoring = scoring.map_err(|error| format!("no thread to read images: {error}"))?;
        let Known {
            images,
            truth,
            classes,
            warning,
            shelf,
            scores,
        } = known;
        for (image, file, _) in &scores {
            scoring.knows(*image, *file);
        }
        scoring.add(images.iter().map(|image| ImageRef {
            id: image.id,
            path: Arc::clone(&image.path),
        }));
        self.truth = truth;
        self.shelf = shelf;
        let scores = scores
            .into_iter()
            .map(|(image, _, score)| (image, Ok(score)));
        Ok(Opened {
            scoring,
            scores: scores.collect(),
            truth: Arc::new(classes),
            warning,
        })
    }

    fn score(
        &mut self,
        batch: &[Prepared],
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Score, String>>>, String> {
        let subjects: Vec<Subject<'_>> = batch
            .iter()
            .map(|image| Subject {
                seen: &image.seen,
                geometry: &image.geometry,
                truth: self.truth.of(image.image),
            })
            .collect();
        let scores = match score(&self.model, &subjects, subjects.len(), stop) {
            Err(ExplainError::CalledOff) => return Ok(None),
            scores => scores.map_err(|error| error.to_string())?,
        };
        if let Some(shelf) = &mut self.shelf {
            shelf.keep(batch, &scores);
        }
        Ok(Some(scores))
    }

    fn save(&mut self, request: &Request, folder: &Path, read: Decoded) -> Result<PathBuf, String> {
        if !self.keeps(request.image.id) {
            self.kept(request.image.id, Some(read.clone()))?;
        }
        let Some((kept, shown)) = self.explained(request, &mut Unwatched)? else {
            return Err("nothing was explained".to_owned());
        };
        // The image that is kept may be reduced; the file gets all its pixels.
        let parts = Parts {
            image: &read.image,
            ..kept
                .examined
                .parts(&shown.explanation, shown.beside.as_ref())
        };
        let picture = compose(&parts, request.style, parts.full_size(request.style.view))?;
        let ending = format!("{}.png", request.style.view.name().replace(' ', "-"));
        let path = output_path(
            folder,
            &stem(&request.image.path),
            &name_part(&shown.explanation, shown.beside.as_ref(), request.style),
            &ending,
        );
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                let folder = crate::text::visible(&folder.to_string_lossy());
                format!("cannot make the folder {folder}: {error}")
            })?;
        }
        save_png(&picture, &path)?;
        Ok(path)
    }

    fn draw(&mut self, order: &Order, watch: &mut dyn Watch) -> Result<Option<Vec<Drawn>>, String> {
        let Order {
            drawer,
            kind,
            image,
            record,
            ..
        } = order;
        drawer.draw(*kind, &self.model, image.clone(), record, watch)
    }
}

impl Examined {
    /// What a picture of this image is made of.
    #[must_use]
    pub fn parts<'a>(
        &'a self,
        explanation: &'a Explanation,
        beside: Option<&'a Explanation>,
    ) -> Parts<'a> {
        Parts {
            image: &self.image,
            seen: &self.input.seen,
            map: map_of(explanation),
            beside: beside.map(map_of),
            geometry: &self.input.geometry,
        }
    }
}

/// The image, reduced where it is larger than the bounds.
fn at_most(image: RgbImage, bounds: PixelSize) -> Result<RgbImage, String> {
    let size = PixelSize::new(image.width(), image.height());
    if size.width <= bounds.width && size.height <= bounds.height {
        return Ok(image);
    }
    resample_bilinear(&image, size.fitted_into(bounds))
}
