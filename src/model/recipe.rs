//! Recipe: how an image becomes the network's input.
//!
//! The same steps as torchvision's `Resize`, `CenterCrop`, `ToTensor` and `Normalize` on a Pillow
//! image, with the same rounding. A wrong recipe gives plausible, wrong answers, so a recipe can
//! always say itself in words, and who chose it.

mod choice;

use fast_image_resize as fir;
use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

pub use choice::{Choice, Known};

use super::dispatch::pinned;
use crate::geometry::{InputGeometry, PixelSize, Window, resample_part, whole};

/// Mean and standard deviation of ImageNet's channels, as torchvision has them.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// The same for CIFAR-10, as its common training scripts have them.
const CIFAR: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]);
/// Both are 0.5: pixels in -1..=1.
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);
/// Inputs beyond this side are a mistake, not a wish.
const MAX_SIDE: u32 = 4096;

/// The first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The size stays.
    None,
    /// The shorter side becomes this long; proportions stay.
    ShorterSide(u32),
    /// Width and height become these; proportions change.
    Squash(u32, u32),
}

/// Filters with Pillow's names. All but `nearest` average over what falls together (antialiasing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    Nearest,
    Bilinear,
    Bicubic,
    Lanczos,
}

/// All steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub resize: Resize,
    /// Width and height of the part in the center that is kept; padded with black where the image
    /// is smaller.
    pub crop: Option<(u32, u32)>,
    pub interpolation: Interpolation,
    /// Subtracted from each channel, red first, of pixels in 0..=1.
    pub mean: [f32; 3],
    /// Each channel is divided by this.
    pub std: [f32; 3],
    /// Blue comes first, as networks from Caffe and OpenCV have it.
    pub bgr: bool,
    /// Where the crop's corner falls between two pixels: the lesser one, as transformers has it,
    /// rather than the even one of torchvision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crop_rounds_down: bool,
    /// Large JPEGs are decoded at a part of their size, which is faster and moves pixels a little.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scaled_jpeg: bool,
}

/// What the user changes; the rest stays as the checkpoint or the family has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipeOverrides {
    pub resize: Option<Resize>,
    /// `Some(None)`: no crop.
    pub crop: Option<Option<(u32, u32)>>,
    pub interpolation: Option<Interpolation>,
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
    pub bgr: bool,
    pub scaled_jpeg: bool,
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("the recipe asks for a side of {0} pixels; choose 1 to {MAX_SIDE}")]
    Side(u32),
    #[error("the recipe's {0} has a value that is not a finite number")]
    NotFinite(&'static str),
    #[error("the recipe's standard deviation is {0}; it must be above zero")]
    Std(f32),
    /// What somebody asks for, and the file that does.
    #[error(
        "{0}, which gradcam cannot do; say the whole preprocessing by flags, as in --squash 224 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5"
    )]
    Inexpressible(String),
    #[error("the image has no pixels")]
    NoPixels,
    #[error("resizing failed: {0}")]
    Resize(String),
    #[error(
        "the image is {0}x{1} and would become {2}x{3} pixels before the crop; it is too long for this recipe"
    )]
    TooLong(u32, u32, u32, u32),
}

impl RecipeOverrides {
    /// Whether the user has said all that can be wrong without showing: size, crop and numbers.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let size = match self.resize {
            Some(Resize::Squash(..)) => true,
            Some(_) => self.crop.is_some(),
            None => false,
        };
        size && self.mean.is_some() && self.std.is_some()
    }
}

impl Recipe {
    /// The convention for networks trained on ImageNet.
    #[must_use]
    pub fn imagenet() -> Self {
        Self::imagenet_at(256, 224, Interpolation::Bilinear)
    }

    /// The same at other sizes: the shorter side becomes `resize`, then a square of `crop` is kept.
    /// Inception v3: 342, 299, bilinear.
    #[must_use]
    pub fn imagenet_at(resize: u32, crop: u32, interpolation: Interpolation) -> Self {
        let (mean, std) = IMAGENET;
        Self {
            resize: Resize::ShorterSide(resize),
            crop: Some((crop, crop)),
            interpolation,
            mean,
            std,
            bgr: false,
            crop_rounds_down: false,
            scaled_jpeg: false,
        }
    }

    /// The convention for networks of small images, trained on CIFAR.
    #[must_use]
    pub fn cifar_at(side: u32) -> Self {
        let (mean, std) = CIFAR;
        Self {
            resize: Resize::Squash(side, side),
            crop: None,
            mean,
            std,
            ..Self::imagenet()
        }
    }

    /// The same steps with pixels in -1..=1: a mean and a standard deviation of 0.5, as the
    /// authors of ViT have it.
    #[must_use]
    pub fn half(self) -> Self {
        let (mean, std) = HALF;
        Self { mean, std, ..self }
    }

    /// The convention by the side of the input that a network is trained on.
    #[must_use]
    pub fn convention(input_side: u32) -> Self {
        match input_side {
            0..64 => Self::cifar_at(input_side),
            _ => Self::imagenet(),
        }
    }

    /// The recipe with the user's changes. A squash has no crop unless the user asks for one.
    ///
    /// # Errors
    /// When the result makes no sense: a side of zero, a standard deviation of zero.
    pub fn with(mut self, overrides: &RecipeOverrides) -> Result<Self, RecipeError> {
        if let Some(resize) = overrides.resize {
            self.resize = resize;
            if matches!(resize, Resize::Squash(..)) {
                self.crop = None;
            }
        }
        self.crop = overrides.crop.unwrap_or(self.crop);
        self.interpolation = overrides.interpolation.unwrap_or(self.interpolation);
        self.mean = overrides.mean.unwrap_or(self.mean);
        self.std = overrides.std.unwrap_or(self.std);
        self.bgr |= overrides.bgr;
        self.scaled_jpeg |= overrides.scaled_jpeg;
        self.checked()
    }

    fn checked(self) -> Result<Self, RecipeError> {
        let (a, b) = match self.resize {
            Resize::None => (1, 1),
            Resize::ShorterSide(side) => (side, side),
            Resize::Squash(width, height) => (width, height),
        };
        let (c, d) = self.crop.unwrap_or((1, 1));
        if let Some(&side) = [a, b, c, d]
            .iter()
            .find(|side| !(1..=MAX_SIDE).contains(*side))
        {
            return Err(RecipeError::Side(side));
        }
        for (name, values) in [("mean", self.mean), ("standard deviation", self.std)] {
            if values.iter().any(|value| !value.is_finite()) {
                return Err(RecipeError::NotFinite(name));
            }
        }
        if let Some(&std) = self.std.iter().find(|std| **std <= 0.0) {
            return Err(RecipeError::Std(std));
        }
        Ok(self)
    }

    /// One line for people: "shorter side 256 (bilinear), center crop 224, ImageNet mean and std".
    #[must_use]
    pub fn in_words(&self) -> String {
        let side = |width: u32, height: u32| {
            if width == height {
                width.to_string()
            } else {
                format!("{width}x{height}")
            }
        };
        let filter = match self.interpolation {
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
            Interpolation::Lanczos => "lanczos",
        };
        let mut parts = vec![match self.resize {
            Resize::None => "size kept".to_owned(),
            Resize::ShorterSide(length) => format!("shorter side {length} ({filter})"),
            Resize::Squash(width, height) => {
                format!("squashed to {} ({filter})", side(width, height))
            }
        }];
        if let Some((width, height)) = self.crop {
            parts.push(format!("center crop {}", side(width, height)));
        }
        let numbers = |values: [f32; 3]| values.map(|value| value.to_string()).join(",");
        parts.push(if (self.mean, self.std) == IMAGENET {
            "ImageNet mean and std".to_owned()
        } else if (self.mean, self.std) == CIFAR {
            "CIFAR-10 mean and std".to_owned()
        } else if (self.mean, self.std) == HALF {
            "mean and std 0.5".to_owned()
        } else {
            format!("mean {} std {}", numbers(self.mean), numbers(self.std))
        });
        if self.bgr {
            parts.push("BGR".to_owned());
        }
        if self.scaled_jpeg {
            parts.push("large JPEGs decoded at a part of their size".to_owned());
        }
        parts.join(", ")
    }

    /// The picture that the network sees, before normalization, and how it lies on the image.
    ///
    /// # Errors
    /// When the image has no pixels, or is so long that resizing it would take all memory.
    pub fn apply(&self, image: &RgbImage) -> Result<(RgbImage, InputGeometry), RecipeError> {
        let size = PixelSize::new(image.width(), image.height());
        self.apply_to(image, whole(image), size)
    }

    /// How large an image of this size has to be decoded at least, where it may be decoded at a part
    /// of its size: twice as large as it becomes, so that each pixel of the result is a mean of several.
    #[must_use]
    pub fn least(&self, size: PixelSize) -> PixelSize {
        let resized = self.resized(size);
        PixelSize::new(
            resized.width.saturating_mul(2),
            resized.height.saturating_mul(2),
        )
    }

    /// As [`Recipe::apply`], of an image of a size whose pixels are there at a part of it: it covers
    /// `window` of them.
    ///
    /// # Errors
    /// As [`Recipe::apply`].
    pub fn apply_to(
        &self,
        pixels: &RgbImage,
        window: Window,
        size: PixelSize,
    ) -> Result<(RgbImage, InputGeometry), RecipeError> {
        if size.width == 0 || size.height == 0 {
            return Err(RecipeError::NoPixels);
        }
        let resized_size = self.resized(size);
        if u64::from(resized_size.width) * u64::from(resized_size.height) > 1 << 28 {
            return Err(RecipeError::TooLong(
                size.width,
                size.height,
                resized_size.width,
                resized_size.height,
            ));
        }
        let resized = self.resize(pixels, window, resized_size)?;
        let (input, left, top) = match self.crop {
            None => (resized, 0, 0),
            Some(size) => center_crop(&resized, size, self.crop_rounds_down),
        };
        let scale_x = f64::from(size.width) / f64::from(resized_size.width);
        let scale_y = f64::from(size.height) / f64::from(resized_size.height);
        let input_size = PixelSize::new(input.width(), input.height());
        let window = Window {
            x: left as f64 * scale_x,
            y: top as f64 * scale_y,
            width: f64::from(input_size.width) * scale_x,
            height: f64::from(input_size.height) * scale_y,
        };
        Ok((
            input,
            InputGeometry {
                image: size,
                input: input_size,
                window,
            },
        ))
    }

    /// The normalized input, `[1, 3, height, width]` in float32, of a picture from [`Recipe::apply`].
    ///
    /// # Errors
    /// When libtorch has no memory.
    pub fn normalize(&self, seen: &RgbImage) -> Result<Tensor, tch::TchError> {
        let order = if self.bgr { [2, 1, 0] } else { [0, 1, 2] };
        let mut values = Vec::with_capacity(seen.as_raw().len());
        for (position, channel) in order.into_iter().enumerate() {
            // Mean and deviation are given in the order that the network reads.
            let (mean, std) = (self.mean[position], self.std[position]);
            values.extend(
                seen.pixels()
                    .map(|pixel| (f32::from(pixel[channel]) / 255.0 - mean) / std),
            );
        }
        Tensor::f_from_slice(&values)?.f_view([
            1,
            3,
            i64::from(seen.height()),
            i64::from(seen.width()),
        ])
    }

    /// The same of many pictures of one size, `[n, 3, height, width]`, computed on the device: a
    /// quarter of the bytes goes there, from memory that it can read by itself.
    ///
    /// # Errors
    /// When they differ in size, or there is no memory.
    pub fn normalize_on(
        &self,
        seen: &[&RgbImage],
        device: Device,
    ) -> Result<Tensor, tch::TchError> {
        let (width, height) = seen.first().map_or((0, 0), |seen| seen.dimensions());
        let bytes: Vec<u8> = seen
            .iter()
            .flat_map(|seen| seen.as_raw())
            .copied()
            .collect();
        let shape = [
            i64::try_from(seen.len()).unwrap_or(0),
            i64::from(height),
            i64::from(width),
            3,
        ];
        let bytes = Tensor::f_from_slice(&bytes)?.f_view(shape)?;
        // Where the system gives no such memory, the bytes go the slower way.
        let pinned = match device {
            Device::Cpu => None,
            _ => pinned(&bytes).ok(),
        };
        let there = pinned.unwrap_or(bytes).f_to_device_(
            device,
            Kind::Uint8,
            /* non_blocking= */ true,
            /* copy= */ false,
        )?;
        let pixels = there.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
        let pixels = if self.bgr {
            pixels.f_flip([1])?
        } else {
            pixels
        };
        let of_channels = |values: [f32; 3]| {
            Tensor::f_from_slice(&values)?
                .f_to_device(device)?
                .f_view([1, 3, 1, 1])
        };
        pixels
            .f_div_scalar(255.0)?
            .f_sub(&of_channels(self.mean)?)?
            .f_div(&of_channels(self.std)?)?
            .f_contiguous()
    }

    /// Height and width of the input, where the recipe makes all images equal.
    #[must_use]
    pub fn input_size(&self) -> Option<(usize, usize)> {
        let (width, height) = match (self.crop, self.resize) {
            (Some(crop), _) => crop,
            (None, Resize::Squash(width, height)) => (width, height),
            (None, _) => return None,
        };
        Some((height as usize, width as usize))
    }

    /// torchvision truncates the longer side.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a side above u32 saturates and is refused as too long"
    )]
    fn resized(&self, size: PixelSize) -> PixelSize {
        let longer = |side: u32, long: u32, short: u32| {
            (u64::from(side) * u64::from(long) / u64::from(short)).clamp(1, u64::from(u32::MAX))
                as u32
        };
        match self.resize {
            Resize::None => size,
            Resize::Squash(width, height) => PixelSize::new(width, height),
            Resize::ShorterSide(side) if size.width <= size.height => {
                PixelSize::new(side, longer(side, size.height, size.width))
            }
            Resize::ShorterSide(side) => {
                PixelSize::new(longer(side, size.width, size.height), side)
            }
        }
    }

    fn resize(
        &self,
        image: &RgbImage,
        part: Window,
        size: PixelSize,
    ) -> Result<RgbImage, RecipeError> {
        let is_whole = part == whole(image);
        if is_whole && (image.width(), image.height()) == (size.width, size.height) {
            return Ok(image.clone());
        }
        let algorithm = match self.interpolation {
            Interpolation::Nearest => return Ok(nearest(image, part, size)),
            Interpolation::Bilinear => fir::ResizeAlg::Convolution(fir::FilterType::Bilinear),
            Interpolation::Bicubic => fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom),
            Interpolation::Lanczos => fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3),
        };
        // First across, then down, rounded to whole numbers in between, as Pillow does up to 12. In
        // one go the library takes the other order, and bicubic and Lanczos overshoots are clipped
        // elsewhere. (Pillow 13 chooses the order by the sizes.)
        let across = PixelSize::new(size.width, image.height());
        let columns = Window {
            y: 0.0,
            height: f64::from(image.height()),
            ..part
        };
        let rows = Window {
            x: 0.0,
            width: f64::from(size.width),
            ..part
        };
        resample_part(image, columns, across, algorithm)
            .and_then(|narrowed| resample_part(&narrowed, rows, size, algorithm))
            .map_err(RecipeError::Resize)
    }
}

/// Picks pixels. Positions are summed up step by step in float64 as in Pillow's `ImagingScaleAffine`,
/// which decides on which side of a border the sum falls.
fn nearest(image: &RgbImage, part: Window, size: PixelSize) -> RgbImage {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below the side it is bounded by"
    )]
    let places = |start: f64, length: f64, to: u32, side: u32| -> Vec<u32> {
        let step = length / f64::from(to);
        let first = start + step * 0.5;
        let positions = std::iter::successors(Some(first), |position| Some(position + step));
        let clamped = positions.map(|position| (position as u32).min(side - 1));
        clamped.take(to as usize).collect()
    };
    let (columns, rows) = (
        places(part.x, part.width, size.width, image.width()),
        places(part.y, part.height, size.height, image.height()),
    );
    RgbImage::from_fn(size.width, size.height, |x, y| {
        *image.get_pixel(columns[x as usize], rows[y as usize])
    })
}

/// The center of an image, and where its corner lies on it; negative where it is padded.
/// Offsets are rounded half to even, as Python's `round` does in torchvision's `center_crop`, or
/// down, as transformers does.
fn center_crop(
    image: &RgbImage,
    (width, height): (u32, u32),
    round_down: bool,
) -> (RgbImage, i64, i64) {
    let offset = |image: u32, crop: u32| -> i64 {
        let spare = i64::from(image) - i64::from(crop);
        if spare < 0 {
            // torchvision pads (crop - image) / 2 on this side before it crops.
            -((-spare) / 2)
        } else {
            let half = spare / 2;
            if spare % 2 == 1 && half % 2 == 1 && !round_down {
                half + 1
            } else {
                half
            }
        }
    };
    let (left, top) = (offset(image.width(), width), offset(image.height(), height));
    let mut canvas = RgbImage::new(width, height);
    imageops::replace(&mut canvas, image, -left, -top);
    (canvas, left, top)
}

#[cfg(test)]
pub(crate) mod tests;
