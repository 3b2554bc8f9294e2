//! PNG for terminals: small heatmaps by palette, and photos within a limit of bytes.
//!
//! kitty's protocol takes no JPEG, and a photograph shrinks little without loss. Where the lossless
//! picture is beyond the limit, its colors are reduced to a palette, then its pixels to fewer.

use std::sync::Arc;

use color_quant::NeuQuant;
use image::{RgbImage, Rgba, RgbaImage, imageops};
use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use crate::geometry::{PixelSize, resample_bilinear};

/// Of the pixels of a photo, one in so many teaches the palette.
const SAMPLING: i32 = 10;
/// Entries of a photo's palette; one more is transparent.
const COLORS: usize = 255;
/// A photograph by palette rarely takes fewer bytes for a pixel; where to begin.
const BYTES_A_PIXEL: f64 = 0.6;
/// How often a smaller picture is tried.
const TRIALS: usize = 8;

/// An encoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Png {
    pub size: PixelSize,
    pub bytes: Arc<[u8]>,
}

/// A picture of palette entries, red, green, blue, alpha; as small as any filter makes it.
///
/// # Errors
/// When the indices are not those of the size and the palette.
pub fn indexed(size: PixelSize, indices: &[u8], palette: &[[u8; 4]]) -> Result<Png, String> {
    let filters = [
        Filter::NoFilter,
        Filter::Sub,
        Filter::Up,
        Filter::Paeth,
        Filter::Adaptive,
    ];
    let mut smallest: Option<Vec<u8>> = None;
    for filter in filters {
        let bytes = by_palette(size, indices, palette, filter)?;
        if smallest
            .as_ref()
            .is_none_or(|best| bytes.len() < best.len())
        {
            smallest = Some(bytes);
        }
    }
    let bytes = smallest.ok_or("no filter")?.into();
    Ok(Png { size, bytes })
}

/// A photo in the upper left corner of a canvas that is transparent beside it, in at most about
/// `limit` bytes.
/// The result has fewer pixels where the limit asks for it; proportions of the canvas stay.
///
/// # Errors
/// When the photo has no pixels or is larger than the canvas.
pub fn photo(photo: &RgbImage, canvas: PixelSize, limit: usize) -> Result<Png, String> {
    let area = f64::from(canvas.width) * f64::from(canvas.height);
    let mut scale = (limit as f64 / BYTES_A_PIXEL / area).sqrt().min(1.0);
    if scale >= 1.0 {
        let whole = lossless(photo, canvas)?;
        if whole.len() <= limit {
            return Ok(Png {
                size: canvas,
                bytes: whole.into(),
            });
        }
    }
    let mut last = reduced(photo, canvas, scale)?;
    for _ in 0..TRIALS {
        if last.bytes.len() <= limit {
            break;
        }
        scale *= (limit as f64 / last.bytes.len() as f64).sqrt() * 0.97;
        last = reduced(photo, canvas, scale)?;
    }
    Ok(last)
}

fn lossless(photo: &RgbImage, canvas: PixelSize) -> Result<Vec<u8>, String> {
    if (photo.width(), photo.height()) == (canvas.width, canvas.height) {
        return encode(
            canvas,
            ColorType::Rgb,
            Filter::Adaptive,
            photo.as_raw(),
            None,
        );
    }
    let mut padded = RgbaImage::new(canvas.width, canvas.height);
    for (x, y, pixel) in photo.enumerate_pixels() {
        let [red, green, blue] = pixel.0;
        if x < canvas.width && y < canvas.height {
            padded.put_pixel(x, y, Rgba([red, green, blue, 255]));
        }
    }
    encode(
        canvas,
        ColorType::Rgba,
        Filter::Adaptive,
        padded.as_raw(),
        None,
    )
}

/// The photo by a palette, all sides times `scale`.
fn reduced(photo: &RgbImage, canvas: PixelSize, scale: f64) -> Result<Png, String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates when it is cast"
    )]
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let size = PixelSize::new(scaled(canvas.width), scaled(canvas.height));
    let inner = PixelSize::new(
        scaled(photo.width()).min(size.width),
        scaled(photo.height()).min(size.height),
    );
    let small = resample_bilinear(photo, inner)?;
    let pixels: Vec<u8> = small
        .pixels()
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255])
        .collect();
    let colors = NeuQuant::new(SAMPLING, COLORS, &pixels);
    let mut palette: Vec<[u8; 4]> = Vec::with_capacity(COLORS + 1);
    // Transparent ones first: their number is that of the alphas that the file needs.
    palette.push([0; 4]);
    palette.extend(
        colors
            .color_map_rgb()
            .chunks_exact(3)
            .map(|c| [c[0], c[1], c[2], 255]),
    );
    let entry = |pixel: &[u8]| u8::try_from(colors.index_of(pixel) + 1).unwrap_or(u8::MAX);
    let entries: Vec<u8> = pixels.chunks_exact(4).map(entry).collect();
    let mut raster = image::GrayImage::new(size.width, size.height);
    let inside = image::GrayImage::from_raw(inner.width, inner.height, entries)
        .ok_or("the photo has another size")?;
    imageops::replace(&mut raster, &inside, 0, 0);
    let bytes = by_palette(size, raster.as_raw(), &palette, Filter::NoFilter)?.into();
    Ok(Png { size, bytes })
}

fn by_palette(
    size: PixelSize,
    indices: &[u8],
    palette: &[[u8; 4]],
    filter: Filter,
) -> Result<Vec<u8>, String> {
    encode(size, ColorType::Indexed, filter, indices, Some(palette))
}

fn encode(
    size: PixelSize,
    color: ColorType,
    filter: Filter,
    pixels: &[u8],
    palette: Option<&[[u8; 4]]>,
) -> Result<Vec<u8>, String> {
    let failed = |error: png::EncodingError| format!("cannot encode the picture: {error}");
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size.width, size.height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(if palette.is_some() {
        Compression::High
    } else {
        Compression::Balanced
    });
    encoder.set_filter(filter);
    if let Some(palette) = palette {
        let colors: Vec<u8> = palette
            .iter()
            .flat_map(|[r, g, b, _]| [*r, *g, *b])
            .collect();
        // Alphas after the last one that is not opaque may be left out.
        let opaque = |entry: &[u8; 4]| entry[3] == u8::MAX;
        let needed = palette
            .iter()
            .rposition(|entry| !opaque(entry))
            .map_or(0, |at| at + 1);
        encoder.set_palette(colors);
        encoder.set_trns(
            palette
                .iter()
                .take(needed)
                .map(|entry| entry[3])
                .collect::<Vec<u8>>(),
        );
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    /// A smooth picture with some noise, as photographs are.
    fn photograph(width: u32, height: u32) -> RgbImage {
        let mut random = Random(3);
        RgbImage::from_fn(width, height, |x, y| {
            let mut wave = |rate: f32, shift: f32| {
                let angle = (x as f32).mul_add(rate, y as f32 * rate * 0.7 + shift);
                let noise = random.below(40) as f32;
                level((angle.sin() * 0.5 + 0.5) * 200.0 + noise)
            };
            image::Rgb([wave(0.021, 0.0), wave(0.013, 1.0), wave(0.017, 2.0)])
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates when it is cast"
    )]
    fn level(value: f32) -> u8 {
        value as u8
    }

    fn decoded(png: &Png) -> RgbaImage {
        image::load_from_memory(&png.bytes).unwrap().into_rgba8()
    }

    #[test]
    fn a_palette_picture_decodes_to_its_entries() {
        let palette = [[0; 4], [255, 0, 0, 128], [0, 0, 255, 128]];
        let size = PixelSize::new(3, 2);
        let png = indexed(size, &[0, 1, 2, 2, 1, 0], &palette).unwrap();
        let picture = decoded(&png);
        let pixels: Vec<[u8; 4]> = picture.pixels().map(|pixel| pixel.0).collect();
        assert_eq!(
            pixels,
            [0, 1, 2, 2, 1, 0].map(|index: usize| palette[index])
        );
    }

    #[test]
    fn a_photo_keeps_to_its_limit_and_looks_like_itself() {
        let original = photograph(430, 320);
        let canvas = PixelSize::new(432, 324);
        for limit in [16_000, 120_000] {
            let png = photo(&original, canvas, limit).unwrap();
            assert!(png.bytes.len() <= limit, "{} of {limit}", png.bytes.len());
            let large = imageops::resize(
                &decoded(&png),
                canvas.width,
                canvas.height,
                imageops::FilterType::Triangle,
            );
            let apart: f64 = original
                .enumerate_pixels()
                .map(|(x, y, pixel)| {
                    let shown = large.get_pixel(x, y);
                    f64::from(shown[1].abs_diff(pixel[1]))
                })
                .sum();
            let mean = apart / f64::from(original.width() * original.height());
            assert!(mean < 14.0, "{limit}: {mean}");
        }
    }

    #[test]
    fn a_photo_that_fits_is_kept_as_it_is_with_transparent_margins() {
        let original = RgbImage::from_fn(30, 20, |x, y| {
            image::Rgb([
                u8::try_from(x * 8).unwrap(),
                u8::try_from(y * 9).unwrap(),
                5,
            ])
        });
        let canvas = PixelSize::new(36, 20);
        let png = photo(&original, canvas, 100_000).unwrap();
        assert_eq!(png.size, canvas);
        let shown = decoded(&png);
        assert_eq!(shown.get_pixel(30, 5)[3], 0);
        for (x, y, pixel) in original.enumerate_pixels() {
            let [red, green, blue] = pixel.0;
            assert_eq!(shown.get_pixel(x, y).0, [red, green, blue, 255]);
        }
    }
}
