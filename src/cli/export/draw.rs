//! Pictures of an export: overlays of the predicted class, and of the true one where it is another.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, bail};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::shown;
use crate::dataset::export::report::Picture;
use crate::dataset::export::{Existing, ExportError, Record};
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction, explain, predictions};
use crate::geometry::PixelSize;
use crate::model::{ClassIndex, Model};
use crate::picture::files::{Stems, label_part, output_path, save_png};
use crate::picture::overlay::compose;
use crate::picture::{Style, View};
use crate::worker::studio::{Examined, examine};

/// Of a picture on a page, in pixels: twice as many as it is wide there.
const THUMBNAIL: PixelSize = PixelSize::new(352, 352);
const QUALITY: u8 = 82;

/// Draws pictures of images.
pub(super) struct Drawer<'a> {
    model: &'a Model,
    style: Style,
    stems: Stems,
    /// How many classes have the same name in file names.
    names: HashMap<String, usize>,
}

/// An overlay at the image's own size.
pub(super) struct Overlay {
    picture: RgbImage,
    stem: std::ffi::OsString,
    label: String,
}

impl Overlay {
    pub(super) fn save(&self, folder: &Path, existing: Existing) -> Result<()> {
        let path = output_path(folder, &self.stem, &self.label, "overlay.png");
        if existing == Existing::Kept && path.symlink_metadata().is_ok() {
            bail!(ExportError::Exists(shown(&path)));
        }
        save_png(&self.picture, &path).map_err(anyhow::Error::msg)
    }
}

impl<'a> Drawer<'a> {
    pub(super) fn new(model: &'a Model, style: Style) -> Self {
        let mut names: HashMap<String, usize> = HashMap::new();
        for label in model.labels().all(model.summary().classes) {
            *names.entry(label_part(&label)).or_default() += 1;
        }
        Self {
            model,
            style: Style {
                view: View::Overlay,
                ..style
            },
            stems: Stems::default(),
            names,
        }
    }

    /// The overlays of an image.
    pub(super) fn overlays(&mut self, record: &Record) -> Result<Vec<Overlay>, String> {
        let stem = self.stems.unique(&record.path);
        let (examined, explanations) = self.explained(record)?;
        let overlay = |explanation: &Explanation| {
            let parts = examined.parts(explanation, None);
            Ok(Overlay {
                picture: compose(&parts, self.style, parts.geometry.image)?,
                stem: stem.clone(),
                label: self.label(&explanation.target),
            })
        };
        explanations.iter().map(overlay).collect()
    }

    /// The photo and the overlays, small.
    pub(super) fn thumbnails(&mut self, record: &Record) -> Result<Vec<Picture>, String> {
        let (examined, explanations) = self.explained(record)?;
        let jpeg = |explanation: &Explanation, view| {
            let style = Style { view, ..self.style };
            let picture = compose(&examined.parts(explanation, None), style, THUMBNAIL)?;
            let mut jpeg = Vec::new();
            picture
                .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(jpeg)
        };
        let mut pictures = Vec::with_capacity(explanations.len() + 1);
        if let Some(first) = explanations.first() {
            pictures.push(Picture {
                jpeg: jpeg(first, View::Image)?,
                caption: "photo".to_owned(),
                warning: None,
            });
        }
        for explanation in &explanations {
            let Prediction {
                label, probability, ..
            } = &explanation.target;
            pictures.push(Picture {
                jpeg: jpeg(explanation, View::Overlay)?,
                caption: format!("for {label}, {:.1}\u{a0}%", probability * 100.0),
                warning: explanation.warning(),
            });
        }
        Ok(pictures)
    }

    /// The explanation of the predicted class, and of the true one where it is another.
    fn explained(&self, record: &Record) -> Result<(Examined, Vec<Explanation>), String> {
        let mut examined = examine(self.model, &record.path)?;
        let best = predictions(self.model, &examined.input, &examined.logits, 1)
            .map_err(|error| error.to_string())?;
        let predicted = best.first().ok_or("the model has no classes")?.class;
        let row = record.row();
        let truth = row.counted_for().map(|class| ClassIndex(class as usize));
        let is_true = row.truth.iter().any(|class| *class as usize == predicted.0);
        let other = truth.filter(|_| !is_true);
        let mut explanations = Vec::new();
        for class in std::iter::once(predicted).chain(other) {
            let Examined { input, passes, .. } = &mut examined;
            let (model, options) = (self.model, &Options::default());
            let explained = explain(model, input, passes, class, options, &mut Unwatched);
            explanations.push(explained.map_err(|error| error.to_string())?);
        }
        Ok((examined, explanations))
    }

    /// The label in file names; with the index where two classes share it.
    fn label(&self, target: &Prediction) -> String {
        let part = label_part(&target.label);
        match self.names.get(&part) {
            Some(several) if *several > 1 => format!("{part}-{}", target.class.0),
            _ => part,
        }
    }
}
