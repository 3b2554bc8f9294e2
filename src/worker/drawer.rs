//! Drawer: pictures of an export, which are overlays of the predicted class, and of the true one where
//! it is another.
//!
//! The model belongs to the worker's thread. Whoever exports beside the interface reads the images
//! and writes the files, and asks an [`Artist`] for the pictures, one image after the other.

mod artist;
mod names;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::studio::{Examined, run};
use crate::dataset::export::Record;
use crate::dataset::export::report::Picture;
use crate::explain::methods::Watch;
use crate::explain::options::Options;
use crate::explain::{ExplainError, Explanation, Prediction, explain, predictions};
use crate::geometry::PixelSize;
use crate::model::{ClassIndex, Model};
use crate::picture::overlay::compose;
use crate::picture::{Style, View};
pub use artist::{Artist, Order, Refusal};
pub use names::Names;

/// Of a picture on a page, in pixels: twice as many as it is wide there.
const THUMBNAIL: PixelSize = PixelSize::new(352, 352);
const QUALITY: u8 = 82;

/// How pictures are drawn.
#[derive(Clone, Debug)]
pub struct Drawer {
    options: Options,
    style: Style,
}

/// Which pictures of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At the image's own size.
    Overlays,
    /// Small ones for a page, and the photo.
    Thumbnails,
}

/// A picture of an image, and what it shows.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub picture: RgbImage,
    pub target: Prediction,
    caption: String,
    warning: Option<String>,
}

impl Drawn {
    /// The same for a page.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn for_page(self) -> Result<Picture, String> {
        let mut jpeg = Vec::new();
        self.picture
            .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
            .map_err(|error| error.to_string())?;
        Ok(Picture {
            jpeg,
            caption: self.caption,
            warning: self.warning,
        })
    }
}

impl Drawer {
    /// What compares two classes has no meaning for all images, and is left out.
    #[must_use]
    pub fn new(options: Options, style: Style) -> Self {
        Self {
            options: Options {
                versus: None,
                counterfactual: false,
                ..options
            },
            style: Style {
                view: View::Overlay,
                ..style
            },
        }
    }

    /// Draws an image; nothing when the watch has called it off.
    ///
    /// # Errors
    /// When the model does not run on it, or the method does not work on the model; one sentence.
    pub fn draw(
        &self,
        kind: Kind,
        model: &Model,
        image: RgbImage,
        record: &Record,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<Drawn>>, String> {
        let mut examined = run(model, &record.path, image)?;
        let explanations = self.explained(model, &mut examined, record, watch)?;
        let pictures = explanations.map(|explanations| match kind {
            Kind::Overlays => self.overlays(&examined, &explanations),
            Kind::Thumbnails => self.thumbnails(&examined, &explanations),
        });
        pictures.transpose()
    }

    fn overlays(
        &self,
        examined: &Examined,
        explanations: &[Explanation],
    ) -> Result<Vec<Drawn>, String> {
        let size = examined.input.geometry.image;
        let overlay = |explanation| self.drawn(examined, explanation, View::Overlay, size);
        explanations.iter().map(overlay).collect()
    }

    /// The photo and the overlays, small.
    fn thumbnails(
        &self,
        examined: &Examined,
        explanations: &[Explanation],
    ) -> Result<Vec<Drawn>, String> {
        let photo = explanations.first().map(|first| (first, View::Image));
        let overlays = explanations.iter().map(|one| (one, View::Overlay));
        let drawn = |(explanation, view)| self.drawn(examined, explanation, view, THUMBNAIL);
        photo.into_iter().chain(overlays).map(drawn).collect()
    }

    fn drawn(
        &self,
        examined: &Examined,
        explanation: &Explanation,
        view: View,
        size: PixelSize,
    ) -> Result<Drawn, String> {
        let style = Style { view, ..self.style };
        let (caption, warning) = match view {
            View::Image => ("photo".to_owned(), None),
            _ => (self.caption(explanation), explanation.warning()),
        };
        Ok(Drawn {
            picture: compose(&examined.parts(explanation, None), style, size)?,
            target: explanation.target.clone(),
            caption,
            warning,
        })
    }

    /// "for tiger cat, 61.2 %", with the method and the layer where they are not the usual ones.
    fn caption(&self, explanation: &Explanation) -> String {
        let Prediction {
            label, probability, ..
        } = &explanation.target;
        let words = format!("for {label}, {:.1}\u{a0}%", probability * 100.0);
        if self.options == Options::default() {
            return words;
        }
        let method = self.options.method.method().name;
        format!("{words}, {method}, {}", explanation.layer())
    }

    /// The explanation of the predicted class, and of the true one where it is another.
    fn explained(
        &self,
        model: &Model,
        examined: &mut Examined,
        record: &Record,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<Explanation>>, String> {
        let best = predictions(model, &examined.input, &examined.logits, 1)
            .map_err(|error| error.to_string())?;
        let predicted = best.first().ok_or("the model has no classes")?.class;
        let row = record.row();
        let truth = row.counted_for().map(|class| ClassIndex(class as usize));
        let is_true = row.truth.iter().any(|class| *class as usize == predicted.0);
        let other = truth.filter(|_| !is_true);
        let mut explanations = Vec::new();
        for class in std::iter::once(predicted).chain(other) {
            let Examined { input, passes, .. } = &mut *examined;
            match explain(model, input, passes, class, &self.options, watch) {
                Ok(explanation) => explanations.push(explanation),
                Err(ExplainError::CalledOff) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(Some(explanations))
    }
}
