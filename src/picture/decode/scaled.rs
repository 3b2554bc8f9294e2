//! JPEGs decoded at a quarter or an eighth of their size, straight from the transform.
//!
//! A block of 8x8 pixels lies in a JPEG as its discrete cosine transform. The transform back from its
//! lowest frequencies alone gives 2x2 pixels, or one, that are about the means of what they stand for
//! (libjpeg's `scale_num`, Pillow's `draft`). What is saved is the transform and all work on pixels;
//! the bits have to be read all the same.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

use super::{MAX_BYTES, MAX_SIDE};
use crate::geometry::{PixelSize, Window};

/// An image at a part of its size, after its EXIF orientation.
#[derive(Debug)]
pub struct Scaled {
    pub pixels: RgbImage,
    /// The image on these pixels, of which the outermost may reach over its edge.
    pub window: Window,
    /// Of the image itself.
    pub size: PixelSize,
}

/// Eighths of the sides that are worth it: at a half, decoding takes as long as at full size.
const EIGHTHS: [u16; 2] = [1, 2];

/// Decodes a JPEG as small as its sides are at least what `least` says for its size; its EXIF
/// orientation is applied. Nothing where it has to be decoded at full size, or is no JPEG of grey
/// or colour that can be read: [`super::decode`] has the words for that.
#[must_use]
pub fn decode_scaled(path: &Path, least: impl Fn(PixelSize) -> PixelSize) -> Option<Scaled> {
    let mut decoder = Decoder::new(BufReader::new(File::open(path).ok()?));
    decoder.set_max_decoding_buffer_size(usize::try_from(MAX_BYTES).ok()?);
    decoder.read_info().ok()?;
    let info = decoder.info()?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    // A progressive one keeps all its numbers while it is decoded.
    if u64::from(width) * u64::from(height) * 6 > MAX_BYTES || width.max(height) > MAX_SIDE {
        return None;
    }
    let orientation = orientation_of(&decoder);
    let size = oriented(PixelSize::new(width, height), orientation);
    let least = least(size);
    let part = |side: u32, eighths: u16| (side * u32::from(eighths)).div_ceil(8);
    let eighths = EIGHTHS.into_iter().find(|&eighths| {
        part(size.width, eighths) >= least.width && part(size.height, eighths) >= least.height
    })?;
    let side = |side: u16| u16::try_from(part(u32::from(side), eighths)).ok();
    let (width, height) = decoder.scale(side(info.width)?, side(info.height)?).ok()?;
    let bytes = decoder.decode().ok()?;
    // Said after the pixels, it comes too late for the sides.
    if orientation_of(&decoder) != orientation {
        return None;
    }
    let (width, height) = (u32::from(width), u32::from(height));
    let mut pixels = match info.pixel_format {
        PixelFormat::RGB24 => DynamicImage::from(RgbImage::from_raw(width, height, bytes)?),
        PixelFormat::L8 => DynamicImage::from(image::GrayImage::from_raw(width, height, bytes)?),
        PixelFormat::L16 | PixelFormat::CMYK32 => return None,
    };
    pixels.apply_orientation(orientation);
    let pixels = pixels.into_rgb8();
    let covered = |side: u32| f64::from(side) * f64::from(eighths) / 8.0;
    let (width, height) = (covered(size.width), covered(size.height));
    let (is_left, is_top) = ends_at(orientation);
    let spare =
        |is_so: bool, all: u32, covered: f64| if is_so { f64::from(all) - covered } else { 0.0 };
    let window = Window {
        x: spare(is_left, pixels.width(), width),
        y: spare(is_top, pixels.height(), height),
        width,
        height,
    };
    Some(Scaled {
        pixels,
        window,
        size,
    })
}

/// Whether one of the file's far edges, the right and the lower one, comes to lie on the left, and
/// whether one comes to lie on top.
fn ends_at(orientation: Orientation) -> (bool, bool) {
    match orientation {
        Orientation::NoTransforms | Orientation::Rotate90FlipH => (false, false),
        Orientation::FlipHorizontal | Orientation::Rotate90 => (true, false),
        Orientation::FlipVertical | Orientation::Rotate270 => (false, true),
        Orientation::Rotate180 | Orientation::Rotate270FlipH => (true, true),
    }
}

/// A broken orientation tag is no reason to refuse the picture.
fn orientation_of(decoder: &Decoder<BufReader<File>>) -> Orientation {
    let exif = decoder.exif_data();
    exif.and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

fn oriented(size: PixelSize, orientation: Orientation) -> PixelSize {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => PixelSize::new(size.height, size.width),
        _ => size,
    }
}
