//! Studio: does the worker's jobs with a model, and keeps what may be needed again.
//!
//! Each image is decoded and run once; each of its classes is explained once. A picture of another
//! style is composed from what is kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;

use super::Explain;
use super::cache::Cache;
use crate::dataset::ImageId;
use crate::explain::grad_cam::grad_cam;
use crate::explain::{Explanation, Prediction, predictions};
use crate::geometry::{PixelSize, resample_bilinear};
use crate::job::{ImageRef, Outcome, Request, Target, Times};
use crate::model::{ClassIndex, Input, Model, Pass};
use crate::picture::View;
use crate::picture::decode::decode;
use crate::picture::files::{label_part, output_path, save_png, stem};
use crate::picture::overlay::{GAP, Parts, compose};

/// How many predictions are shown.
pub const TOP: usize = 5;
/// No picture on the screen is wider or higher; larger images are kept at this size.
const SCREEN: PixelSize = PixelSize::new(1280, 1280);

/// An image that has been decoded and run.
#[derive(Debug)]
pub struct Examined {
    pub image: RgbImage,
    pub input: Input,
    pub pass: Pass,
    pub times: Times,
}

/// Decodes an image and runs the model on it.
///
/// # Errors
/// When the file cannot be read or the model does not run on it; one sentence.
pub fn examine(model: &Model, path: &Path) -> Result<Examined, String> {
    let mut times = Times::default();
    let image = timed(&mut times.decode, || decode(path)).map_err(|error| error.to_string())?;
    let input =
        timed(&mut times.prepare, || model.prepare(&image)).map_err(|error| error.to_string())?;
    let pass =
        timed(&mut times.forward, || model.run(&input)).map_err(|error| error.to_string())?;
    Ok(Examined {
        image,
        input,
        pass,
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
}

/// What is kept of one image.
#[derive(Debug)]
struct Kept {
    examined: Examined,
    predictions: Arc<[Prediction]>,
    explanations: HashMap<ClassIndex, Explanation>,
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
        }
    }

    fn kept(&mut self, image: &ImageRef) -> Result<&mut Kept, String> {
        if !self.kept.contains(image.id) {
            let mut examined = examine(&self.model, &image.path)?;
            let predictions =
                predictions(&self.model, &examined.pass, TOP).map_err(|error| error.to_string())?;
            examined.image = at_most(examined.image, SCREEN)?;
            let bytes = examined.image.as_raw().len()
                + examined.input.seen.as_raw().len() * 5
                + examined.pass.bytes();
            let kept = Kept {
                fresh: examined.times,
                predictions: predictions.into(),
                explanations: HashMap::new(),
                examined,
            };
            self.kept.insert(image.id, kept, bytes);
        }
        self.kept
            .get(image.id)
            .ok_or_else(|| "the result was not kept".to_owned())
    }

    fn explained(&mut self, request: &Request) -> Result<(&Kept, Explanation, Times), String> {
        self.kept(&request.image)?;
        let kept = self
            .kept
            .get(request.image.id)
            .ok_or_else(|| "the result was not kept".to_owned())?;
        let class = match request.target {
            Target::Class(class) => class,
            Target::Rank(rank) => {
                let place = rank.clamp(1, kept.predictions.len().max(1)) - 1;
                kept.predictions
                    .get(place)
                    .ok_or("the model has no classes")?
                    .class
            }
        };
        let mut times = std::mem::take(&mut kept.fresh);
        if !kept.explanations.contains_key(&class) {
            let explanation = timed(&mut times.explain, || {
                grad_cam(&self.model, &kept.examined.pass, class)
            });
            kept.explanations
                .insert(class, explanation.map_err(|error| error.to_string())?);
        }
        let explanation = kept
            .explanations
            .get(&class)
            .cloned()
            .ok_or("the explanation was not kept")?;
        Ok((kept, explanation, times))
    }
}

impl Explain for Studio {
    fn predict(&mut self, image: &ImageRef) -> Result<Arc<[Prediction]>, String> {
        Ok(Arc::clone(&self.kept(image)?.predictions))
    }

    fn show(&mut self, request: &Request) -> Result<Outcome, String> {
        let (kept, explanation, mut times) = self.explained(request)?;
        let parts = kept.examined.parts(&explanation);
        let picture = timed(&mut times.compose, || {
            compose(&parts, request.style, request.picture_size)
        })?;
        Ok(Outcome {
            image: request.image.id,
            predictions: Arc::clone(&kept.predictions),
            geometry: kept.examined.input.geometry,
            explanation,
            style: request.style,
            picture: Arc::new(picture),
            times,
        })
    }

    fn save(&mut self, request: &Request, folder: &Path) -> Result<PathBuf, String> {
        let (kept, explanation, _) = self.explained(request)?;
        // The image that is kept may be reduced; the file gets all its pixels.
        let image = decode(&request.image.path).map_err(|error| error.to_string())?;
        let parts = Parts {
            image: &image,
            ..kept.examined.parts(&explanation)
        };
        let picture = compose(&parts, request.style, full_size(&parts, request))?;
        let ending = format!("{}.png", request.style.view.name().replace(' ', "-"));
        let path = output_path(
            folder,
            &stem(&request.image.path),
            &label_part(&explanation.target.label),
            &ending,
        );
        save_png(&picture, &path)?;
        Ok(path)
    }
}

impl Examined {
    /// What a picture of this image is made of.
    #[must_use]
    pub fn parts<'a>(&'a self, explanation: &'a Explanation) -> Parts<'a> {
        Parts {
            image: &self.image,
            seen: &self.input.seen,
            heatmap: &explanation.heatmap,
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

/// The size of a picture that loses nothing: the image's own, or three inputs in a row.
fn full_size(parts: &Parts<'_>, request: &Request) -> PixelSize {
    match request.style.view {
        View::SideBySide => {
            let input = parts.geometry.input;
            PixelSize::new(input.width * 3 + 2 * GAP, input.height)
        }
        _ => parts.geometry.image,
    }
}
