//! Sizes of images, for boxes that are shares of them. No pixel is decoded.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};

use crate::dataset::ImageId;
use crate::geometry::PixelSize;

/// A JPEG says its size and orientation in its first bytes; its decoder takes all that it is given.
const HEAD: u64 = 256 << 10;

/// The size of each image, read once.
#[derive(Default)]
pub(super) struct Sizes(HashMap<ImageId, Option<PixelSize>>);

impl Sizes {
    /// The size of an image after its EXIF orientation; nothing where the file does not say it.
    pub(super) fn of(&mut self, image: ImageId, path: &Path) -> Option<PixelSize> {
        *self.0.entry(image).or_insert_with(|| read(path))
    }
}

fn read(path: &Path) -> Option<PixelSize> {
    let mut file = File::open(path).ok()?;
    let mut head = Vec::new();
    (&mut file).take(HEAD).read_to_end(&mut head).ok()?;
    let is_jpeg = head.starts_with(b"\xff\xd8\xff");
    let of_head = is_jpeg.then(|| of(Cursor::new(head))).flatten();
    of_head.or_else(|| {
        file.rewind().ok()?;
        of(BufReader::new(file))
    })
}

fn of(content: impl BufRead + Seek) -> Option<PixelSize> {
    let reader = ImageReader::new(content).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    // A broken orientation tag is none, as when the image is decoded.
    Some(match decoder.orientation() {
        Ok(
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH,
        ) => PixelSize::new(height, width),
        _ => PixelSize::new(width, height),
    })
}
