//! Reading: from a file to what the network sees.

use std::time::Duration;

use image::RgbImage;

use crate::dataset::ImageEntry;
use crate::dataset::store::FileIdentity;
use crate::geometry::InputGeometry;
use crate::model::recipe::Recipe;
use crate::text::visible;
use crate::worker::seen::{self, Seen};

/// An image as the network sees it.
#[derive(Debug)]
pub struct Ready {
    /// Its place among the images of the run.
    pub place: usize,
    /// The file before it was read: what is written to it meanwhile makes it another one.
    pub file: FileIdentity,
    /// The image itself, where the work needs it.
    pub photo: Option<RgbImage>,
    pub seen: RgbImage,
    pub geometry: InputGeometry,
    pub decode: Duration,
    pub prepare: Duration,
}

impl Ready {
    /// # Errors
    /// One sentence, when the file is no image that can be read.
    pub(super) fn read(
        place: usize,
        image: &ImageEntry,
        recipe: &Recipe,
        keeps_photo: bool,
    ) -> Result<Self, String> {
        // Asked before, told after: where there is no such file the decoder has the better words.
        let file = FileIdentity::of(&image.path);
        let Seen {
            photo,
            pixels,
            geometry,
            decode,
            prepare,
        } = seen::read(&image.path, recipe, keeps_photo)?;
        let file =
            file.map_err(|error| format!("{}: {error}", visible(&image.path.to_string_lossy())))?;
        Ok(Self {
            place,
            file,
            photo,
            seen: pixels,
            geometry,
            decode,
            prepare,
        })
    }
}
