//! Seen: from an image file to what the network sees of it.

use std::path::Path;
use std::time::Duration;

use image::RgbImage;

use super::studio::timed;
use crate::geometry::{InputGeometry, PixelSize};
use crate::model::recipe::{Recipe, RecipeError};
use crate::picture::decode::{Scaled, decode, decode_scaled};
use crate::text::visible;

/// What the network sees of a file.
#[derive(Debug)]
pub struct Seen {
    /// The image itself, where it was wanted.
    pub photo: Option<RgbImage>,
    /// As [`Recipe::apply`] makes it.
    pub pixels: RgbImage,
    pub geometry: InputGeometry,
    pub decode: Duration,
    pub prepare: Duration,
}

/// Reads a file. `keeps_photo`: the image itself is wanted too.
///
/// # Errors
/// One sentence, when it is no image that can be read, or the recipe does not fit it.
pub fn read(path: &Path, recipe: &Recipe, keeps_photo: bool) -> Result<Seen, String> {
    let (mut decoding, mut preparing) = (Duration::ZERO, Duration::ZERO);
    let scaled = timed(&mut decoding, || scaled(path, recipe));
    let seen = match scaled {
        Some(scaled) if !keeps_photo => timed(&mut preparing, || of_scaled(&scaled, recipe))
            .map(|(pixels, geometry)| (None, pixels, geometry)),
        scaled => {
            let photo = timed(&mut decoding, || decode(path)).map_err(|error| error.to_string())?;
            timed(&mut preparing, || of_both(scaled, &photo, recipe))
                .map(|(pixels, geometry)| (keeps_photo.then_some(photo), pixels, geometry))
        }
    };
    let (photo, pixels, geometry) =
        seen.map_err(|error| format!("{}: {error}", visible(&path.to_string_lossy())))?;
    Ok(Seen {
        photo,
        pixels,
        geometry,
        decode: decoding,
        prepare: preparing,
    })
}

/// The same of a file that has been read.
///
/// # Errors
/// As [`Recipe::apply`].
pub fn of_photo(
    path: &Path,
    photo: &RgbImage,
    recipe: &Recipe,
) -> Result<(RgbImage, InputGeometry), RecipeError> {
    of_both(scaled(path, recipe), photo, recipe)
}

fn scaled(path: &Path, recipe: &Recipe) -> Option<Scaled> {
    let is_wanted = recipe.scaled_jpeg;
    is_wanted.then(|| decode_scaled(path, |size| recipe.least(size)))?
}

fn of_scaled(scaled: &Scaled, recipe: &Recipe) -> Result<(RgbImage, InputGeometry), RecipeError> {
    recipe.apply_to(&scaled.pixels, scaled.window, scaled.size)
}

fn of_both(
    scaled: Option<Scaled>,
    photo: &RgbImage,
    recipe: &Recipe,
) -> Result<(RgbImage, InputGeometry), RecipeError> {
    let size = PixelSize::new(photo.width(), photo.height());
    // A file that was written in between is another image.
    match scaled.filter(|scaled| scaled.size == size) {
        Some(scaled) => of_scaled(&scaled, recipe),
        None => recipe.apply(photo),
    }
}

#[cfg(test)]
mod tests;
