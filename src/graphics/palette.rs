//! Palette: a picture in few colors, for terminals that have no more.
//!
//! A VT340, and xterm as one, has 16 color registers. A picture made for 256 then has quite wrong
//! colors, since the later ones overwrite the first.

use color_quant::NeuQuant;
use image::imageops::dither;
use image::{DynamicImage, RgbImage};

/// NeuQuant looks at every n-th pixel; from 1 (best) to 30 (fastest).
const SAMPLING: i32 = 3;

/// The picture in at most so many colors (2 to 256), chosen for it, with the error spread to
/// neighbours (Floyd and Steinberg 1976).
#[must_use]
pub fn reduced(picture: &RgbImage, colors: u32) -> RgbImage {
    let mut pixels = DynamicImage::ImageRgb8(picture.clone()).into_rgba8();
    let palette = NeuQuant::new(SAMPLING, colors.clamp(2, 256) as usize, &pixels);
    dither(&mut pixels, &palette);
    DynamicImage::ImageRgba8(pixels).into_rgb8()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use image::Rgb;

    use super::*;

    #[test]
    fn few_colors_are_left_and_the_mean_stays() {
        let shade = |x: u32, y: u32| Rgb([x, y, 255 - x].map(|value| u8::try_from(value).unwrap()));
        let picture = RgbImage::from_fn(256, 200, shade);
        let reduced = reduced(&picture, 16);
        let colors: BTreeSet<_> = reduced.pixels().map(|pixel| pixel.0).collect();
        assert!((8..=16).contains(&colors.len()), "{}", colors.len());
        let mean = |picture: &RgbImage, channel: usize| {
            let sum: f64 = picture
                .pixels()
                .map(|pixel| f64::from(pixel[channel]))
                .sum();
            sum / f64::from(picture.width() * picture.height())
        };
        for channel in 0..3 {
            let off = mean(&picture, channel) - mean(&reduced, channel);
            assert!(off.abs() < 8.0, "channel {channel} is off by {off}");
        }
    }
}
