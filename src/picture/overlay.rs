//! Overlay: the colored heatmap blended into the image.
//!
//! The heatmap covers the part of the image that the network read. Around it, where a crop cut
//! something off, the image is shown darker: the network did not see it.

use image::{Rgb, RgbImage, imageops};

use super::{Style, View};
use crate::geometry::{InputGeometry, PixelSize, resample_bilinear};
use crate::heatmap::{Grid, Heatmap, MapState};

/// Pixels between panels that stand side by side.
pub const GAP: u32 = 4;
/// Brightness of what the network did not see.
const UNSEEN: f32 = 0.4;

/// What a picture is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The image, at its own or a smaller size.
    pub image: &'a RgbImage,
    /// What the network reads, before normalization.
    pub seen: &'a RgbImage,
    pub map: Map<'a>,
    /// The map of a second class, drawn beside the first on one scale.
    pub beside: Option<Map<'a>>,
    pub geometry: &'a InputGeometry,
}

/// A map as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    pub heatmap: &'a Heatmap,
    /// Before ReLU and scaling.
    pub raw: &'a Grid,
}

/// Draws the picture into at most `bounds` pixels; proportions stay.
///
/// # Errors
/// When the image has no pixels.
pub fn compose(parts: &Parts<'_>, style: Style, bounds: PixelSize) -> Result<RgbImage, String> {
    if style.view == View::SideBySide {
        return side_by_side(parts, style, bounds);
    }
    let size =
        PixelSize::new(parts.geometry.image.width, parts.geometry.image.height).fitted_into(bounds);
    let image = resample_bilinear(parts.image, size)?;
    if style.view == View::Image {
        return Ok(image);
    }
    Ok(blend(&image, parts, style))
}

/// The final map at the input's size, as a grey level for each pixel; `None` where there is no
/// evidence to show.
fn levels(heatmap: &Heatmap, input: PixelSize) -> Option<Grid> {
    (heatmap.state == MapState::Ok)
        .then(|| heatmap.upsample(input.width as usize, input.height as usize))
}

/// Blends the heatmap into an image of any size.
fn blend(image: &RgbImage, parts: &Parts<'_>, style: Style) -> RgbImage {
    let geometry = parts.geometry;
    let table = style.colormap.table();
    let map = levels(parts.map.heatmap, geometry.input);
    let weight = match style.view {
        View::Heatmap => 1.0,
        _ => style.opacity.clamp(0.0, 1.0),
    };
    let scale_x = f64::from(geometry.image.width) / f64::from(image.width());
    let scale_y = f64::from(geometry.image.height) / f64::from(image.height());
    let (input_width, input_height) = (
        f64::from(geometry.input.width),
        f64::from(geometry.input.height),
    );
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let pixel = *image.get_pixel(x, y);
        let (u, v) = geometry.input_from_image(
            (f64::from(x) + 0.5) * scale_x,
            (f64::from(y) + 0.5) * scale_y,
        );
        if !(0.0..=input_width).contains(&u) || !(0.0..=input_height).contains(&v) {
            return Rgb(pixel.0.map(|channel| level(f32::from(channel) * UNSEEN)));
        }
        match &map {
            Some(map) => mix(pixel, table[index(map.sample(u, v))], weight),
            // Without evidence the heatmap alone is the color of zero; the overlay is the image.
            None if style.view == View::Heatmap => Rgb(table[0]),
            None => pixel,
        }
    })
}

/// The input, the heatmap and the overlay, in a row or in a column, whichever shows them larger.
fn side_by_side(parts: &Parts<'_>, style: Style, bounds: PixelSize) -> Result<RgbImage, String> {
    let input = parts.geometry.input;
    let row = input.fitted_into(PixelSize::new(
        bounds.width.saturating_sub(2 * GAP) / 3,
        bounds.height,
    ));
    let column = input.fitted_into(PixelSize::new(
        bounds.width,
        bounds.height.saturating_sub(2 * GAP) / 3,
    ));
    let in_row = row.width >= column.width;
    let panel = if in_row { row } else { column };
    let whole = InputGeometry {
        image: input,
        input,
        window: crate::geometry::Window {
            x: 0.0,
            y: 0.0,
            width: f64::from(input.width),
            height: f64::from(input.height),
        },
    };
    let seen = resample_bilinear(parts.seen, panel)?;
    let own = Parts {
        geometry: &whole,
        ..*parts
    };
    let heatmap = blend(
        &seen,
        &own,
        Style {
            view: View::Heatmap,
            ..style
        },
    );
    let overlay = blend(
        &seen,
        &own,
        Style {
            view: View::Overlay,
            ..style
        },
    );
    let (step_x, step_y) = if in_row {
        (panel.width + GAP, 0)
    } else {
        (0, panel.height + GAP)
    };
    let mut canvas = RgbImage::new(panel.width + 2 * step_x, panel.height + 2 * step_y);
    for (place, picture) in [&seen, &heatmap, &overlay].into_iter().enumerate() {
        let place = place as i64;
        imageops::replace(
            &mut canvas,
            picture,
            place * i64::from(step_x),
            place * i64::from(step_y),
        );
    }
    Ok(canvas)
}

fn mix(pixel: Rgb<u8>, color: [u8; 3], weight: f32) -> Rgb<u8> {
    let mut mixed = pixel;
    for (channel, heat) in mixed.0.iter_mut().zip(color) {
        *channel = level(f32::from(*channel) * (1.0 - weight) + f32::from(heat) * weight);
    }
    mixed
}

/// The entry of a color table for a value in 0..=1; truncated, as in pytorch-grad-cam.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
fn index(value: f32) -> usize {
    usize::from((value * 255.0) as u8)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
fn level(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Window;
    use crate::picture::colormap::Colormap;

    const STYLE: Style = Style {
        view: View::Overlay,
        opacity: 0.5,
        colormap: Colormap::Jet,
    };

    fn hot(corner_x: usize, corner_y: usize) -> Heatmap {
        let mut values = vec![0.0; 16];
        values[corner_y * 4 + corner_x] = 2.0;
        Heatmap::from_raw(&Grid::new(4, 4, values))
    }

    fn cropped(width: u32, height: u32) -> InputGeometry {
        let side = f64::from(width.min(height));
        let (x, y) = (
            (f64::from(width) - side) / 2.0,
            (f64::from(height) - side) / 2.0,
        );
        InputGeometry {
            image: PixelSize::new(width, height),
            input: PixelSize::new(32, 32),
            window: Window {
                x,
                y,
                width: side,
                height: side,
            },
        }
    }

    fn picture(width: u32, height: u32, heatmap: &Heatmap, style: Style) -> RgbImage {
        let image = RgbImage::from_pixel(width, height, Rgb([100, 100, 100]));
        let seen = RgbImage::from_pixel(32, 32, Rgb([100, 100, 100]));
        let geometry = cropped(width, height);
        let parts = Parts {
            image: &image,
            seen: &seen,
            map: Map {
                heatmap,
                raw: &heatmap.grid,
            },
            beside: None,
            geometry: &geometry,
        };
        compose(&parts, style, PixelSize::new(96, 96)).unwrap()
    }

    #[test]
    fn no_opacity_shows_the_image_itself() {
        let shown = picture(
            96,
            96,
            &hot(0, 0),
            Style {
                opacity: 0.0,
                ..STYLE
            },
        );
        assert!(shown.pixels().all(|pixel| pixel.0 == [100, 100, 100]));
    }

    #[test]
    fn the_hot_corner_lies_where_it_lies_on_the_image() {
        for (width, height) in [(96, 96), (96, 48), (48, 96)] {
            let shown = picture(width, height, &hot(3, 0), STYLE);
            let hottest = shown
                .enumerate_pixels()
                .max_by_key(|(_, _, p)| i32::from(p[0]) - i32::from(p[2]))
                .unwrap();
            let (x, y) = (
                f64::from(hottest.0) / f64::from(shown.width()),
                f64::from(hottest.1) / f64::from(shown.height()),
            );
            let geometry = cropped(width, height);
            let right = (geometry.window.x + 0.7 * geometry.window.width) / f64::from(width);
            let top = (geometry.window.y + 0.3 * geometry.window.height) / f64::from(height);
            assert!(
                x > right && y < top,
                "{width}x{height}: hottest at {x:.2}, {y:.2}"
            );
        }
    }

    #[test]
    fn what_the_network_did_not_see_is_darker() {
        let shown = picture(96, 48, &hot(0, 0), STYLE);
        assert_eq!(shown.dimensions(), (96, 48));
        assert_eq!(shown.get_pixel(2, 20).0, [40, 40, 40]);
        assert_eq!(shown.get_pixel(93, 20).0, [40, 40, 40]);
        let image_alone = picture(
            96,
            48,
            &hot(0, 0),
            Style {
                view: View::Image,
                ..STYLE
            },
        );
        assert_eq!(image_alone.get_pixel(2, 20).0, [100, 100, 100]);
    }

    #[test]
    fn an_empty_map_leaves_the_image_without_a_veil() {
        let empty = Heatmap::from_raw(&Grid::new(4, 4, vec![-1.0; 16]));
        let shown = picture(96, 96, &empty, STYLE);
        assert!(shown.pixels().all(|pixel| pixel.0 == [100, 100, 100]));
    }

    #[test]
    fn three_panels_stand_in_a_row_or_in_a_column() {
        let style = Style {
            view: View::SideBySide,
            ..STYLE
        };
        let image = RgbImage::from_pixel(64, 64, Rgb([100, 100, 100]));
        let seen = RgbImage::from_pixel(32, 32, Rgb([100, 100, 100]));
        let geometry = cropped(64, 64);
        let heatmap = hot(0, 0);
        let parts = Parts {
            image: &image,
            seen: &seen,
            map: Map {
                heatmap: &heatmap,
                raw: &heatmap.grid,
            },
            beside: None,
            geometry: &geometry,
        };
        let row = compose(&parts, style, PixelSize::new(300, 90)).unwrap();
        assert_eq!(row.dimensions(), (90 * 3 + 2 * GAP, 90));
        assert_eq!(row.get_pixel(45, 45).0, [100, 100, 100]);
        assert_eq!(row.get_pixel(91, 45).0, [0, 0, 0]);
        assert_eq!(row.get_pixel(90 + GAP + 80, 80).0, Colormap::Jet.table()[0]);
        let column = compose(&parts, style, PixelSize::new(50, 300)).unwrap();
        assert_eq!(column.dimensions(), (50, 50 * 3 + 2 * GAP));
    }

    #[test]
    fn a_line_of_pixels_is_an_image_too() {
        let shown = picture(960, 1, &hot(0, 0), STYLE);
        assert_eq!(shown.dimensions(), (96, 1));
    }
}
