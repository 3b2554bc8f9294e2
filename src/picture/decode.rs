//! From a file to an image the right way up: RGB, 8 bits a channel.
//!
//! Grey and 16-bit images are converted, and transparency is dropped, as Pillow's `convert("RGB")`
//! does for the training pipelines that the models come from. Sizes are bounded before memory is
//! taken, so that a file of a few bytes cannot ask for all of it.

mod scaled;

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use crate::text::visible;
pub use scaled::{Scaled, decode_scaled};

/// No side of an image is longer.
const MAX_SIDE: u32 = 65_535;
/// No decoder takes more memory, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Why an image cannot be shown; each is one sentence that begins with the file.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("{file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("{file} is not an image that gradcam reads: {reason}")]
    NotAnImage { file: String, reason: &'static str },
    #[error("{file} is damaged: {reason}")]
    Damaged { file: String, reason: String },
    #[error("{file} is too large: {reason}")]
    TooLarge { file: String, reason: String },
}

/// Reads an image file; its EXIF orientation is applied.
///
/// # Errors
/// When the file cannot be read, is no image, is damaged or would take too much memory.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    let file = visible(&path.display().to_string());
    let unreadable = |error: std::io::Error| DecodeError::Unreadable {
        file: file.clone(),
        reason: in_words(path, &error),
    };
    let mut content = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    (&mut content)
        .take(64)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    content.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let format = image::guess_format(&start).map_err(|_| DecodeError::NotAnImage {
        file: file.clone(),
        reason: what_it_is(&start),
    })?;

    let failed = |error: ImageError| match error {
        ImageError::Limits(limit) => DecodeError::TooLarge {
            file: file.clone(),
            reason: first_line(&limit.to_string()),
        },
        ImageError::Unsupported(_) => DecodeError::NotAnImage {
            file: file.clone(),
            reason: "its format has a variant that is not supported",
        },
        other => DecodeError::Damaged {
            file: file.clone(),
            reason: first_line(&other.to_string()),
        },
    };
    let mut reader = ImageReader::with_format(BufReader::new(content), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    if decoder.total_bytes() > MAX_BYTES {
        let (width, height) = decoder.dimensions();
        let reason = format!(
            "{width}x{height} pixels would take more than {} MiB",
            MAX_BYTES >> 20
        );
        return Err(DecodeError::TooLarge { file, reason });
    }
    // A broken orientation tag is no reason to refuse the picture.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image.into_rgb8())
}

fn in_words(path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotSeekable => "it is a pipe; write it into a file first".to_owned(),
        _ if path.is_dir() => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// What a file that is no image seems to be.
fn what_it_is(start: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    if start.is_empty() {
        "the file is empty"
    } else if text.starts_with("<!doctype") || text.starts_with("<html") {
        "it is a web page"
    } else if text.starts_with("version https://git-lfs") {
        "it is a Git LFS pointer; run `git lfs pull`"
    } else if text.contains("<svg") {
        "it is an SVG drawing; convert it to PNG first"
    } else {
        "its first bytes are none of JPEG, PNG, WebP, GIF, BMP, TIFF, TGA, ICO, QOI or PNM"
    }
}

fn first_line(text: &str) -> String {
    visible(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgb};

    use super::*;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn two_halves() -> DynamicImage {
        RgbImage::from_fn(16, 8, |x, _| {
            if x < 8 {
                Rgb([250, 0, 0])
            } else {
                Rgb([0, 0, 250])
            }
        })
        .into()
    }

    #[test]
    fn the_content_tells_the_format_not_the_name() {
        let (_folder, path) = written("photo.jpg", &encoded(&two_halves(), ImageFormat::Png));
        assert_eq!(decode(&path).unwrap(), two_halves().into_rgb8());
    }

    #[test]
    fn a_photo_is_turned_as_its_exif_tag_says() {
        let jpeg = encoded(&two_halves(), ImageFormat::Jpeg);
        // APP1 with one little-endian TIFF entry: orientation (0x0112) 6, a quarter turn clockwise.
        let exif: &[u8] = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let tagged = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let (_folder, path) = written("turned.jpg", &tagged);
        let image = decode(&path).unwrap();
        assert_eq!(image.dimensions(), (8, 16));
        let (top, bottom) = (image.get_pixel(4, 2), image.get_pixel(4, 13));
        assert!(
            top[0] > 150 && bottom[2] > 150,
            "the left half lies on top: {top:?} {bottom:?}"
        );
    }

    #[test]
    fn grey_sixteen_bit_and_transparent_images_become_rgb() {
        let grey: DynamicImage =
            image::ImageBuffer::from_pixel(3, 3, image::Luma([0x8080_u16])).into();
        let (_folder, path) = written("grey.png", &encoded(&grey, ImageFormat::Png));
        assert_eq!(
            *decode(&path).unwrap().get_pixel(1, 1),
            Rgb([128, 128, 128])
        );
        let clear: DynamicImage =
            image::ImageBuffer::from_pixel(3, 3, image::Rgba([9_u8, 8, 7, 0])).into();
        let (_folder, path) = written("clear.png", &encoded(&clear, ImageFormat::Png));
        assert_eq!(*decode(&path).unwrap().get_pixel(1, 1), Rgb([9, 8, 7]));
    }

    #[test]
    fn each_unreadable_file_says_why_in_one_line() {
        let png = encoded(&two_halves(), ImageFormat::Png);
        let mut bomb = png.clone();
        bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut wide = png.clone();
        wide[16..20].copy_from_slice(&[0, 1, 0x86, 0xa0]);
        for (name, bytes, expected) in [
            ("empty.png", vec![], "the file is empty"),
            (
                "page.jpg",
                b"<!DOCTYPE html><html>".to_vec(),
                "it is a web page",
            ),
            ("notes.png", b"dear diary".to_vec(), "none of JPEG"),
            ("cut.png", png[..png.len() / 2].to_vec(), "is damaged"),
            ("header.png", b"\x89PNG\r\n\x1a\n".to_vec(), "is damaged"),
            ("bomb.png", bomb, "is"),
            ("wide.png", wide, "is"),
        ] {
            let (_folder, path) = written(name, &bytes);
            let error = decode(&path).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(
            decode(folder.path())
                .unwrap_err()
                .to_string()
                .contains("it is a folder")
        );
        assert!(
            decode(&folder.path().join("no.png"))
                .unwrap_err()
                .to_string()
                .contains("no such file")
        );
    }
}
