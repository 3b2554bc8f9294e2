//! Overlay: the colored heatmap blended into the image.
//!
//! The heatmap covers the part of the image that the network read. Around it, where a crop cut
//! something off, the image is shown darker: the network did not see it. Two classes stand side by
//! side on one scale.

use image::imageops::crop_imm;
use image::{Pixel, Rgb, RgbImage};

use super::panels::{arrange, is_row, join, row};
use super::scale::{Colors, Map, end};
use super::{Style, View, marks};
use crate::geometry::{InputGeometry, PixelSize, Window, resample_bilinear};

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

/// One of the pictures that stand side by side.
#[derive(Clone, Copy)]
enum Panel<'a> {
    Image,
    Heatmap(Map<'a>),
    Overlay(Map<'a>),
}

impl<'a> Parts<'a> {
    fn panels(&self, view: View) -> Vec<Panel<'a>> {
        let maps = std::iter::once(self.map).chain(self.beside);
        match (view, self.beside) {
            (View::Image, _) => vec![Panel::Image],
            (View::Overlay, _) => maps.map(Panel::Overlay).collect(),
            (View::Heatmap, _) => maps.map(Panel::Heatmap).collect(),
            (View::SideBySide, None) => {
                vec![
                    Panel::Image,
                    Panel::Heatmap(self.map),
                    Panel::Overlay(self.map),
                ]
            }
            (View::SideBySide, Some(beside)) => {
                vec![
                    Panel::Image,
                    Panel::Overlay(self.map),
                    Panel::Overlay(beside),
                ]
            }
        }
    }

    /// Size of the picture that loses nothing.
    #[must_use]
    pub fn full_size(&self, view: View) -> PixelSize {
        let panel = panel_size(self.geometry, view);
        row(panel, count(&self.panels(view)))
    }
}

fn count(panels: &[Panel<'_>]) -> u32 {
    u32::try_from(panels.len()).unwrap_or(1)
}

/// The input stands for the image where all three pictures are shown.
fn panel_size(geometry: &InputGeometry, view: View) -> PixelSize {
    if view == View::SideBySide {
        geometry.input
    } else {
        geometry.image
    }
}

/// Whether a picture that was composed has its panels in a row, rather than in a column.
#[must_use]
pub fn in_row(picture: &RgbImage, geometry: &InputGeometry, view: View) -> bool {
    let size = PixelSize::new(picture.width(), picture.height());
    is_row(size, panel_size(geometry, view))
}

/// Draws the picture into at most `bounds` pixels; proportions stay.
///
/// # Errors
/// When the image has no pixels.
pub fn compose(parts: &Parts<'_>, style: Style, bounds: PixelSize) -> Result<RgbImage, String> {
    let panels = parts.panels(style.view);
    let arrangement = arrange(
        panel_size(parts.geometry, style.view),
        count(&panels),
        bounds,
    );
    let (image, geometry) = if style.view == View::SideBySide {
        (parts.seen, parts.geometry.input_alone())
    } else {
        (parts.image, *parts.geometry)
    };
    let geometry = geometry.at_size(arrangement.panel);
    let image = resample_bilinear(image, arrangement.panel)?;
    let shared = parts
        .beside
        .map(|beside| end(&[parts.map, beside], style))
        .or(style.scale);
    let drawn: Vec<RgbImage> = panels
        .into_iter()
        .map(|panel| match panel {
            Panel::Image => image.clone(),
            Panel::Heatmap(map) => blend(&image, &geometry, map, style, shared, None),
            Panel::Overlay(map) => {
                let weight = Some(style.opacity.clamp(0.0, 1.0));
                blend(&image, &geometry, map, style, shared, weight)
            }
        })
        .collect();
    Ok(join(&drawn, arrangement))
}

/// A part of an image, and where the network's input lies on it.
#[derive(Clone, Debug)]
pub struct Crop {
    image: RgbImage,
    geometry: InputGeometry,
}

impl Crop {
    /// The part of the picture's image that is given in fractions of it.
    #[must_use]
    pub fn new(parts: &Parts<'_>, part: Window) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float saturates when it is cast"
        )]
        let pixels = |share: f64, length: u32| (share * f64::from(length)).round() as u32;
        let (width, height) = parts.image.dimensions();
        let (x, y) = (pixels(part.x, width), pixels(part.y, height));
        let (columns, rows) = (
            pixels(part.width, width).clamp(1, width.max(1)),
            pixels(part.height, height).clamp(1, height.max(1)),
        );
        let image = crop_imm(parts.image, x, y, columns, rows).to_image();
        let geometry = parts.geometry.at_size(PixelSize::new(width, height));
        let geometry = InputGeometry {
            image: PixelSize::new(image.width(), image.height()),
            window: Window {
                x: geometry.window.x - f64::from(x),
                y: geometry.window.y - f64::from(y),
                ..geometry.window
            },
            ..geometry
        };
        Self { image, geometry }
    }

    /// The same picture of this part of the image.
    #[must_use]
    pub fn parts<'a>(&'a self, whole: &Parts<'a>) -> Parts<'a> {
        Parts {
            image: &self.image,
            geometry: &self.geometry,
            ..*whole
        }
    }
}

/// Blends a heatmap into an image; without a weight the heatmap takes its place.
fn blend(
    image: &RgbImage,
    geometry: &InputGeometry,
    map: Map<'_>,
    style: Style,
    shared: Option<f32>,
    weight: Option<f32>,
) -> RgbImage {
    let colors = Colors::new(map, style, shared, geometry.input);
    let mut picture = RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let pixel = *image.get_pixel(x, y);
        let Some((u, v)) = geometry.input_from_pixel(x, y) else {
            return dimmed(pixel);
        };
        // Red and blue of the image are not taken for the map's.
        let under = if style.signed { gray(pixel) } else { pixel };
        match (colors.at(u, v), weight) {
            (Some(color), weight) => mix(under, color, weight.unwrap_or(1.0)),
            // Without evidence the heatmap alone is the color of zero; the overlay is the image.
            (None, None) => Rgb(colors.of_zero()),
            (None, Some(_)) => pixel,
        }
    });
    marks::draw(&mut picture, geometry, map.heatmap, style.marks);
    picture
}

/// A pixel that the network did not see.
pub(super) fn dimmed(pixel: Rgb<u8>) -> Rgb<u8> {
    Rgb(pixel.0.map(|channel| level(f32::from(channel) * UNSEEN)))
}

pub(super) fn gray(pixel: Rgb<u8>) -> Rgb<u8> {
    let [luma] = pixel.to_luma().0;
    Rgb([luma; 3])
}

fn mix(pixel: Rgb<u8>, color: [u8; 3], weight: f32) -> Rgb<u8> {
    let mut mixed = pixel;
    for (channel, heat) in mixed.0.iter_mut().zip(color) {
        *channel = level(f32::from(*channel) * (1.0 - weight) + f32::from(heat) * weight);
    }
    mixed
}

/// The nearest of 256 levels.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
pub(super) fn level(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heatmap::{Grid, Heatmap};
    use crate::picture::Marks;
    use crate::picture::colormap::Colormap;

    const STYLE: Style = Style {
        view: View::Overlay,
        opacity: 0.5,
        colormap: Colormap::Jet,
        signed: false,
        scale: None,
        marks: Marks::NONE,
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

    fn parts<'a>(
        [image, seen]: [&'a RgbImage; 2],
        heatmap: &'a Heatmap,
        geometry: &'a InputGeometry,
    ) -> Parts<'a> {
        Parts {
            image,
            seen,
            map: Map {
                heatmap,
                raw: &heatmap.grid,
            },
            beside: None,
            geometry,
        }
    }

    fn picture(width: u32, height: u32, heatmap: &Heatmap, style: Style) -> RgbImage {
        let image = RgbImage::from_pixel(width, height, Rgb([100, 100, 100]));
        let seen = RgbImage::from_pixel(32, 32, Rgb([100, 100, 100]));
        let geometry = cropped(width, height);
        let parts = parts([&image, &seen], heatmap, &geometry);
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
    fn a_part_of_the_picture_is_the_same_as_in_the_whole() {
        let image = RgbImage::from_fn(96, 48, |x, y| {
            Rgb([x * 2, y * 5, 60].map(|level| u8::try_from(level).unwrap()))
        });
        let geometry = cropped(96, 48);
        let heatmap = hot(2, 1);
        let parts = parts([&image, &image], &heatmap, &geometry);
        let whole = compose(&parts, STYLE, PixelSize::new(96, 48)).unwrap();
        let part = Window {
            x: 0.25,
            y: 0.5,
            width: 0.5,
            height: 0.5,
        };
        let crop = Crop::new(&parts, part);
        let shown = compose(&crop.parts(&parts), STYLE, PixelSize::new(48, 24)).unwrap();
        assert_eq!(shown.dimensions(), (48, 24));
        for (x, y, pixel) in shown.enumerate_pixels() {
            assert_eq!(pixel, whole.get_pixel(x + 24, y + 24), "{x} {y}");
        }
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
        let parts = parts([&image, &seen], &heatmap, &geometry);
        let row = compose(&parts, style, PixelSize::new(300, 90)).unwrap();
        assert_eq!(row.dimensions(), (90 * 3 + 2, 90));
        assert_eq!(row.get_pixel(45, 45).0, [100, 100, 100]);
        assert_eq!(row.get_pixel(90, 45).0, [0, 0, 0]);
        assert_eq!(row.get_pixel(90 + 1 + 80, 80).0, Colormap::Jet.table()[0]);
        let column = compose(&parts, style, PixelSize::new(50, 300)).unwrap();
        assert_eq!(column.dimensions(), (50, 50 * 3 + 2 * 4));
    }

    #[test]
    fn a_line_of_pixels_is_an_image_too() {
        let shown = picture(960, 1, &hot(0, 0), STYLE);
        assert_eq!(shown.dimensions(), (96, 1));
    }

    /// The picture of a strong map at the left and a map of a quarter of it at the right.
    fn two_classes(style: Style, bounds: PixelSize) -> RgbImage {
        let image = RgbImage::from_pixel(64, 64, Rgb([100, 100, 100]));
        let seen = RgbImage::from_pixel(32, 32, Rgb([100, 100, 100]));
        let geometry = cropped(64, 64);
        let raws = [8.0, 2.0].map(|value| Grid::new(1, 1, vec![value]));
        let heatmaps = raws.each_ref().map(Heatmap::from_raw);
        let [map, beside] = [0, 1].map(|place| Map {
            heatmap: &heatmaps[place],
            raw: &raws[place],
        });
        let parts = Parts {
            image: &image,
            seen: &seen,
            map,
            beside: Some(beside),
            geometry: &geometry,
        };
        let picture = compose(&parts, style, bounds).unwrap();
        let row = picture.width() > picture.height();
        assert_eq!(in_row(&picture, &geometry, style.view), row);
        picture
    }

    #[test]
    fn two_classes_stand_side_by_side_on_one_scale() {
        let style = Style {
            view: View::Heatmap,
            ..STYLE
        };
        let table = Colormap::Jet.table();
        let row = two_classes(style, PixelSize::new(200, 60));
        assert_eq!(row.dimensions(), (60 * 2 + 1, 60));
        assert_eq!(row.get_pixel(30, 30).0, table[255]);
        assert_eq!(row.get_pixel(60 + 1 + 30, 30).0, table[63]);
        let column = two_classes(style, PixelSize::new(60, 200));
        assert_eq!(column.dimensions(), (60, 60 * 2 + 3));
        assert_eq!(column.get_pixel(30, 60 + 3 + 30).0, table[63]);
        let fixed = Style {
            scale: Some(16.0),
            ..style
        };
        let row = two_classes(fixed, PixelSize::new(200, 60));
        assert_eq!(row.get_pixel(30, 30).0, table[127]);
        assert_eq!(row.get_pixel(60 + 1 + 30, 30).0, table[31]);
    }

    #[test]
    fn three_panels_of_two_classes_are_the_input_and_both_overlays() {
        let style = Style {
            view: View::SideBySide,
            opacity: 1.0,
            ..STYLE
        };
        let table = Colormap::Jet.table();
        let row = two_classes(style, PixelSize::new(300, 60));
        let middle = |panel: u32| row.get_pixel(panel * (60 + 1) + 30, 30).0;
        assert_eq!(
            [middle(0), middle(1), middle(2)],
            [[100; 3], table[255], table[63]]
        );
    }

    #[test]
    fn colors_of_the_image_are_not_taken_for_those_of_a_map_of_both_signs() {
        let blue = RgbImage::from_pixel(64, 64, Rgb([0, 0, 255]));
        let geometry = cropped(64, 64);
        let raw = Grid::new(2, 1, vec![0.0, 1.0]);
        let heatmap = Heatmap::from_raw(&raw);
        let parts = Parts {
            image: &blue,
            seen: &blue,
            map: Map {
                heatmap: &heatmap,
                raw: &raw,
            },
            beside: None,
            geometry: &geometry,
        };
        let style = Style {
            signed: true,
            ..STYLE
        };
        let picture = compose(&parts, style, PixelSize::new(64, 64)).unwrap();
        let [red, green, blue] = picture.get_pixel(0, 32).0;
        assert_eq!(red, green);
        assert!(blue.abs_diff(green) <= 1, "{red} {green} {blue}");
        let [red, _, blue] = picture.get_pixel(63, 32).0;
        assert!(red > blue + 100, "{red} {blue}");
    }

    #[test]
    fn a_picture_at_its_full_size_has_every_pixel_of_the_image() {
        for (width, height) in [(400, 37), (37, 400), (300, 300)] {
            let image = RgbImage::from_fn(width, height, |x, y| {
                Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 7])
            });
            let geometry = cropped(width, height);
            let empty = Heatmap::from_raw(&Grid::new(1, 1, vec![-1.0]));
            let map = Map {
                heatmap: &empty,
                raw: &empty.grid,
            };
            let parts = Parts {
                image: &image,
                seen: &image,
                map,
                beside: Some(map),
                geometry: &geometry,
            };
            let size = parts.full_size(View::Overlay);
            let picture = compose(&parts, STYLE, size).unwrap();
            assert_eq!(picture.dimensions(), (size.width, size.height));
            let middle = (width / 2, height / 2);
            let at = |x| picture.get_pixel(x, middle.1);
            assert_eq!(at(middle.0), image.get_pixel(middle.0, middle.1));
            assert_eq!(at(size.width - width + middle.0), at(middle.0));
        }
    }
}
