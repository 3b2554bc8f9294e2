//! Sizes with their units, and the transforms between the spaces that a picture passes through.
//!
//! Spaces: *grid* (positions of the target layer), *input* (pixels the network reads), *image*
//! (pixels of the file, after its EXIF orientation), *picture* (pixels drawn on the screen) and
//! *cell* (the terminal's text grid). A transform is named `destination_from_source`.

use fast_image_resize as fir;
use image::RgbImage;

/// A size in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PixelSize {
    pub width: u32,
    pub height: u32,
}

impl PixelSize {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The largest size of this size's proportions that fits into `bounds`, at least 1x1.
    /// Smaller sizes are enlarged.
    #[must_use]
    pub fn fitted_into(self, bounds: Self) -> Self {
        if self.width == 0 || self.height == 0 {
            return Self::new(1, 1);
        }
        let scale = (f64::from(bounds.width) / f64::from(self.width))
            .min(f64::from(bounds.height) / f64::from(self.height));
        let side = |length: u32, bound: u32| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "clamped to the bounds, a u32"
            )]
            let scaled = (f64::from(length) * scale)
                .round()
                .clamp(1.0, f64::from(bound.max(1))) as u32;
            scaled
        };
        Self::new(
            side(self.width, bounds.width),
            side(self.height, bounds.height),
        )
    }
}

/// A size in terminal cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CellSize {
    pub columns: u16,
    pub rows: u16,
}

impl CellSize {
    pub const fn new(columns: u16, rows: u16) -> Self {
        Self { columns, rows }
    }

    /// The fewest cells that hold this many pixels.
    #[must_use]
    pub fn holding(pixels: PixelSize, cell_px: PixelSize) -> Self {
        let cells = |length: u32, cell: u32| {
            u16::try_from(length.div_ceil(cell.max(1))).unwrap_or(u16::MAX)
        };
        Self::new(
            cells(pixels.width, cell_px.width),
            cells(pixels.height, cell_px.height),
        )
    }

    /// How many pixels this many cells cover, with `cell_px` pixels a cell.
    #[must_use]
    pub fn pixels(self, cell_px: PixelSize) -> PixelSize {
        PixelSize::new(
            u32::from(self.columns) * cell_px.width,
            u32::from(self.rows) * cell_px.height,
        )
    }
}

/// An axis-parallel rectangle with real-valued corners; in which space, its owner says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Window {
    /// Whether a point lies in it; of its edges, the upper and the left one belong to it.
    #[must_use]
    pub fn contains(&self, x: f64, y: f64) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }

    /// The same in units that are so many times as small.
    #[must_use]
    pub fn scaled(&self, x: f64, y: f64) -> Self {
        Self {
            x: self.x * x,
            y: self.y * y,
            width: self.width * x,
            height: self.height * y,
        }
    }

    /// The same, larger by so much on every side.
    #[must_use]
    pub fn grown(&self, margin: f64) -> Self {
        Self {
            x: self.x - margin,
            y: self.y - margin,
            width: self.width + 2.0 * margin,
            height: self.height + 2.0 * margin,
        }
    }
}

/// How the network's input lies on the image: resizing and cropping as one affine map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputGeometry {
    /// Size of the decoded, oriented image.
    pub image: PixelSize,
    /// Size of the network's input.
    pub input: PixelSize,
    /// The part of the image that the input shows, in image pixels. It reaches outside the image
    /// where the crop is larger than the resized image and is padded.
    pub window: Window,
}

impl InputGeometry {
    /// The same for the image at another size.
    #[must_use]
    pub fn at_size(&self, image: PixelSize) -> Self {
        let x = f64::from(image.width) / f64::from(self.image.width);
        let y = f64::from(image.height) / f64::from(self.image.height);
        Self {
            image,
            input: self.input,
            window: self.window.scaled(x, y),
        }
    }

    /// The input's pixels alone, without the image that they come from.
    #[must_use]
    pub fn input_alone(&self) -> Self {
        Self {
            image: self.input,
            input: self.input,
            window: Window {
                x: 0.0,
                y: 0.0,
                width: f64::from(self.input.width),
                height: f64::from(self.input.height),
            },
        }
    }

    /// Which point of the input lies in the middle of a pixel of the image; `None` where a crop cut
    /// it off.
    #[must_use]
    pub fn input_from_pixel(&self, x: u32, y: u32) -> Option<(f64, f64)> {
        let (u, v) = self.input_from_image(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let inside = (0.0..=f64::from(self.input.width)).contains(&u)
            && (0.0..=f64::from(self.input.height)).contains(&v);
        inside.then_some((u, v))
    }

    /// Where a point of the input (pixels, (0, 0) is the outer corner of the first pixel) lies on the image.
    #[must_use]
    pub fn image_from_input(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.window.x + x * self.window.width / f64::from(self.input.width),
            self.window.y + y * self.window.height / f64::from(self.input.height),
        )
    }

    /// Where a point of the image lies on the input; outside `0..size` where the crop cut it off.
    #[must_use]
    pub fn input_from_image(&self, x: f64, y: f64) -> (f64, f64) {
        (
            (x - self.window.x) * f64::from(self.input.width) / self.window.width,
            (y - self.window.y) * f64::from(self.input.height) / self.window.height,
        )
    }
}

/// A part of an image at another size. With a convolution the result equals Pillow's `resize` within
/// one level of 255.
///
/// # Errors
/// When a side is zero or the part lies outside of the image; the text is the library's.
pub fn resample_part(
    image: &RgbImage,
    part: Window,
    size: PixelSize,
    algorithm: fir::ResizeAlg,
) -> Result<RgbImage, String> {
    let source = fir::images::ImageRef::new(
        image.width(),
        image.height(),
        image.as_raw(),
        fir::PixelType::U8x3,
    )
    .map_err(|error| error.to_string())?;
    let mut target = fir::images::Image::new(size.width, size.height, fir::PixelType::U8x3);
    let options = fir::ResizeOptions::new().resize_alg(algorithm).crop(
        part.x,
        part.y,
        part.width,
        part.height,
    );
    fir::Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| error.to_string())?;
    RgbImage::from_raw(size.width, size.height, target.into_vec())
        .ok_or_else(|| "the result has another size".to_owned())
}

/// All of an image.
#[must_use]
pub fn whole(image: &RgbImage) -> Window {
    Window {
        x: 0.0,
        y: 0.0,
        width: f64::from(image.width()),
        height: f64::from(image.height()),
    }
}

/// The image at another size, for people to look at: bilinear, averaging over what falls together.
///
/// # Errors
/// As [`resample_part`].
pub fn resample_bilinear(image: &RgbImage, size: PixelSize) -> Result<RgbImage, String> {
    if (image.width(), image.height()) == (size.width, size.height) {
        return Ok(image.clone());
    }
    let bilinear = fir::ResizeAlg::Convolution(fir::FilterType::Bilinear);
    resample_part(image, whole(image), size, bilinear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_keeps_proportions_and_stays_inside() {
        let fitted = PixelSize::new(4000, 3000).fitted_into(PixelSize::new(640, 640));
        assert_eq!(fitted, PixelSize::new(640, 480));
        let thin = PixelSize::new(5000, 1).fitted_into(PixelSize::new(100, 100));
        assert_eq!(thin, PixelSize::new(100, 1));
        assert_eq!(
            PixelSize::new(0, 7).fitted_into(PixelSize::new(9, 9)),
            PixelSize::new(1, 1)
        );
    }

    #[test]
    fn image_and_input_points_round_trip() {
        let geometry = InputGeometry {
            image: PixelSize::new(640, 480),
            input: PixelSize::new(224, 224),
            window: Window {
                x: 110.0,
                y: 30.0,
                width: 420.0,
                height: 420.0,
            },
        };
        let (x, y) = geometry.image_from_input(56.0, 112.0);
        assert_eq!((x, y), (215.0, 240.0));
        assert_eq!(geometry.input_from_image(x, y), (56.0, 112.0));
        let half = geometry.at_size(PixelSize::new(320, 240));
        assert_eq!(half.image_from_input(56.0, 112.0), (107.5, 120.0));
        assert_eq!(half.input_from_pixel(54, 3), None, "left of the crop");
        assert_eq!(
            half.input_from_pixel(55, 15),
            Some((0.533_333_333_333_333_3, 0.533_333_333_333_333_3))
        );
    }
}
