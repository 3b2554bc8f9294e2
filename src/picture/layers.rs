//! Layers: the photo and the heatmap apart, for terminals that stack pictures themselves.
//!
//! What a terminal shows of the two equals what [`compose`] draws: the photo carries what does not
//! depend on the opacity (darker where the network did not see, gray under a map of both signs), and
//! the heatmap is a small picture of palette entries, of which the palette holds colors and opacity.
//! A picture that is no such stack (several panels, marks) is drawn whole, as a photo without a
//! heatmap.

use std::sync::Arc;

use image::RgbImage;

use super::overlay::{Parts, compose, dimmed, gray, level};
use super::scale::Colors;
use super::{Marks, Style, View};
use crate::geometry::{CellSize, InputGeometry, PixelSize, resample_bilinear};

/// Pixels of the longer side of a heatmap whose grid is coarse. Terminals that enlarge by the nearest
/// pixel show no blocks at this size.
const SIDE: u32 = 112;
/// Pixels of a heatmap for each position of its grid; finer ones are not seen.
const PIXELS_A_POSITION: u32 = 4;
/// No heatmap is larger.
const LARGEST_SIDE: u32 = 256;
/// Sides are multiples of this, so that a part of the picture has whole pixels of the heatmap.
const STEP: u32 = 8;
/// An edge that lies this close to one between two pixels is sharp enough.
const SHARP: f64 = 0.04;

/// A picture as it is stacked.
#[derive(Clone, Debug)]
pub struct Layers {
    pub photo: Photo,
    pub heat: Option<Arc<Heat>>,
}

/// The picture below.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The same for the same pixels.
    pub name: u64,
    pub picture: Arc<RgbImage>,
}

/// The heatmap above: it covers the cells of the photo, and is transparent where it has nothing to
/// show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heat {
    /// The same for the same pixels and palette.
    pub name: u64,
    pub size: PixelSize,
    /// Entries of the palette, row by row.
    pub indices: Vec<u8>,
    /// Red, green, blue, alpha.
    pub palette: Vec<[u8; 4]>,
}

/// What lies below a heatmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The image as it is.
    Image,
    /// Darker where the network did not see it.
    Seen,
    /// The same, and gray where it did.
    Gray,
}

impl Photo {
    #[must_use]
    pub fn new(picture: RgbImage) -> Self {
        Self {
            name: name_of((picture.width(), picture.height()), [picture.as_raw()]),
            picture: Arc::new(picture),
        }
    }

    #[must_use]
    pub fn size(&self) -> PixelSize {
        PixelSize::new(self.picture.width(), self.picture.height())
    }
}

/// What lies below the heatmap of a picture; nothing where the picture is no stack of two.
#[must_use]
pub fn ground(parts: &Parts<'_>, style: Style) -> Option<Ground> {
    match style.view {
        View::Image => Some(Ground::Image),
        View::SideBySide => None,
        _ if parts.beside.is_some() || style.marks != Marks::NONE => None,
        View::Overlay | View::Heatmap => {
            let colors = Colors::new(parts.map, style, style.scale, parts.geometry.input);
            let colored = style.signed && colors.has_evidence();
            Some(if colored { Ground::Gray } else { Ground::Seen })
        }
    }
}

/// Draws the picture below into at most `bounds` pixels.
///
/// # Errors
/// When the image has no pixels.
pub fn photo(parts: &Parts<'_>, ground: Ground, bounds: PixelSize) -> Result<Photo, String> {
    let size = parts.geometry.image.fitted_into(bounds);
    let mut picture = resample_bilinear(parts.image, size)?;
    if ground != Ground::Image {
        let geometry = parts.geometry.at_size(size);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if geometry.input_from_pixel(x, y).is_none() {
                *pixel = dimmed(*pixel);
            } else if ground == Ground::Gray {
                *pixel = gray(*pixel);
            }
        }
    }
    Ok(Photo::new(picture))
}

/// The picture in one piece.
///
/// # Errors
/// When the image has no pixels.
pub fn whole(parts: &Parts<'_>, style: Style, bounds: PixelSize) -> Result<Photo, String> {
    Ok(Photo::new(compose(parts, style, bounds)?))
}

/// The heatmap above a photo of this size, which begins where its cells do; nothing where the photo
/// alone is the picture.
#[must_use]
pub fn heat(parts: &Parts<'_>, style: Style, photo: PixelSize, cell_px: PixelSize) -> Option<Heat> {
    let opacity = match style.view {
        View::Overlay => style.opacity.clamp(0.0, 1.0),
        View::Heatmap => 1.0,
        View::Image | View::SideBySide => return None,
    };
    let colors = Colors::new(parts.map, style, style.scale, parts.geometry.input);
    if opacity <= 0.0 || (style.view == View::Overlay && !colors.has_evidence()) {
        return None;
    }
    let canvas = CellSize::holding(photo, cell_px).pixels(cell_px);
    let stand = Stand {
        geometry: parts.geometry.at_size(photo),
        canvas,
    };
    let grid = &parts.map.heatmap.grid;
    let positions = u32::try_from(grid.width.max(grid.height)).unwrap_or(LARGEST_SIDE);
    let size = stand.raster(
        positions
            .saturating_mul(PIXELS_A_POSITION)
            .clamp(SIDE, LARGEST_SIDE),
    );
    let level_at = |x, y| {
        let (u, v) = stand.input_from_raster(size, x, y)?;
        // The first entry is the transparent one; the lowest two levels share the second.
        Some(colors.level(u, v).max(1))
    };
    let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let indices = pixels.map(|(x, y)| level_at(x, y).unwrap_or(0)).collect();
    Some(Heat::new(size, indices, palette(&colors, opacity)))
}

/// Entry 0 is transparent; the others are the levels of the colors, all of one opacity.
fn palette(colors: &Colors, opacity: f32) -> Vec<[u8; 4]> {
    let alpha = level(opacity * 255.0);
    let seen = (1..=u8::MAX).map(|level| {
        let [red, green, blue] = colors.of_level(level);
        [red, green, blue, alpha]
    });
    std::iter::once([0; 4]).chain(seen).collect()
}

impl Heat {
    /// A picture of palette entries. Only the entries that occur are kept, in their order.
    fn new(size: PixelSize, mut indices: Vec<u8>, palette: Vec<[u8; 4]>) -> Self {
        let mut used = [false; 256];
        for index in &indices {
            used[usize::from(*index)] = true;
        }
        let mut kept = Vec::new();
        let mut place = [0; 256];
        for (index, entry) in palette.into_iter().enumerate().filter(|(i, _)| used[*i]) {
            place[index] = u8::try_from(kept.len()).unwrap_or(u8::MAX);
            kept.push(entry);
        }
        for index in &mut indices {
            *index = place[usize::from(*index)];
        }
        Self {
            name: name_of((size.width, size.height), [&indices, kept.as_flattened()]),
            size,
            indices,
            palette: kept,
        }
    }
}

/// The cells that a photo begins with, in pixels, and the network's input on the photo.
struct Stand {
    canvas: PixelSize,
    geometry: InputGeometry,
}

impl Stand {
    /// The size of a heatmap over the cells, its longer side about `side`, whose pixels have edges
    /// where the heatmap has its own.
    fn raster(&self, side: u32) -> PixelSize {
        let PixelSize { width, height } = self.canvas;
        let longer = f64::from(width.max(height));
        let window = self.geometry.window;
        let photo = self.geometry.image;
        let along = |length: u32, edges: [f64; 2]| {
            let wanted = f64::from(side) * f64::from(length) / longer;
            best_side(wanted, edges.map(|edge| edge / f64::from(length)))
        };
        let seen = |start: f64, length: f64, whole: u32| {
            [start.max(0.0), (start + length).min(f64::from(whole))]
        };
        PixelSize::new(
            along(width, seen(window.x, window.width, photo.width)),
            along(height, seen(window.y, window.height, photo.height)),
        )
    }

    /// The point of the input in the middle of a pixel of the heatmap; `None` where the network saw
    /// nothing.
    fn input_from_raster(&self, raster: PixelSize, x: u32, y: u32) -> Option<(f64, f64)> {
        let middle = |place: u32, count: u32, length: u32| {
            (f64::from(place) + 0.5) * f64::from(length) / f64::from(count)
        };
        let x = middle(x, raster.width, self.canvas.width);
        let y = middle(y, raster.height, self.canvas.height);
        let PixelSize { width, height } = self.geometry.image;
        let on_photo =
            (0.0..f64::from(width)).contains(&x) && (0.0..f64::from(height)).contains(&y);
        let (u, v) = self.geometry.input_from_image(x, y);
        let input = self.geometry.input;
        let seen = (0.0..=f64::from(input.width)).contains(&u)
            && (0.0..=f64::from(input.height)).contains(&v);
        (on_photo && seen).then_some((u, v))
    }
}

/// The number of pixels, near the wanted one, at which edges at these fractions of a side lie nearest
/// to edges of pixels; the smallest of those that are sharp.
fn best_side(wanted: f64, edges: [f64; 2]) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates when it is cast"
    )]
    let first = ((wanted / f64::from(STEP)).ceil() as u32).max(1);
    let blur = |side: u32| {
        let off = edges.map(|edge| {
            let at = edge * f64::from(side);
            (at - at.round()).abs()
        });
        off[0].max(off[1])
    };
    let sides = || (first..=first + first.div_ceil(2)).map(|steps| steps * STEP);
    let sharp = sides().find(|side| blur(*side) <= SHARP);
    let sharpest = || sides().min_by(|a, b| blur(*a).total_cmp(&blur(*b)));
    sharp.or_else(sharpest).unwrap_or(STEP)
}

/// A name for content: the same for the same, and for nothing else as far as anyone will see.
fn name_of<const N: usize>(size: (u32, u32), contents: [&[u8]; N]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.0.to_le_bytes());
    hasher.update(&size.1.to_le_bytes());
    for content in contents {
        hasher.update(content);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
