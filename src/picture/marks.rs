//! Marks: lines over a picture around what is above the threshold of the heatmap.
//!
//! The threshold and the box are taken on the map at the input's size, and drawn at the picture's.

use image::{Rgb, RgbImage};

use super::Marks;
use crate::geometry::InputGeometry;
use crate::heatmap::{Grid, Heatmap, MapState, THRESHOLD, box_above};

/// A line is a pixel wide for so many pixels of the picture's shorter side.
const PIXELS_A_LINE: u32 = 250;
/// Smaller pictures have no room for the dark edge of a line.
const SMALL: u32 = 120;
/// Lines are light with a dark edge, to be seen on any color.
const LIGHT: Rgb<u8> = Rgb([255; 3]);
const DARK: Rgb<u8> = Rgb([0; 3]);

/// A pixel by its column and its row.
type Pixel = (u32, u32);

/// Draws the marks of a map over a picture; `geometry` is that of the picture.
pub(super) fn draw(
    picture: &mut RgbImage,
    geometry: &InputGeometry,
    heatmap: &Heatmap,
    marks: Marks,
) {
    if marks == Marks::NONE || heatmap.state != MapState::Ok {
        return;
    }
    let input = geometry.input;
    let map = heatmap.upsample(input.width as usize, input.height as usize);
    let mut line = Vec::new();
    if marks.contour {
        line.extend(contour(picture, geometry, &map));
    }
    if marks.bounding_box
        && let Some(bounds) = box_above(&map, THRESHOLD)
    {
        line.extend(rectangle(picture, geometry, bounds));
    }
    stroke(picture, &line);
}

/// Pixels above the threshold with a neighbor that is not.
fn contour(picture: &RgbImage, geometry: &InputGeometry, map: &Grid) -> Vec<Pixel> {
    let threshold = THRESHOLD * map.values.iter().copied().fold(0.0, f32::max);
    let pixels = || picture.enumerate_pixels().map(|(x, y, _)| (x, y));
    let above: Vec<bool> = pixels()
        .map(|(x, y)| geometry.input_from_pixel(x, y))
        .map(|point| point.is_some_and(|(u, v)| map.sample(u, v) > threshold))
        .collect();
    let (width, height) = picture.dimensions();
    let is_above =
        |x: u32, y: u32| x < width && y < height && above[y as usize * width as usize + x as usize];
    let is_edge = |&(x, y): &Pixel| {
        let (left, up) = (x.wrapping_sub(1), y.wrapping_sub(1));
        let around = [(left, y), (x + 1, y), (x, up), (x, y + 1)];
        is_above(x, y) && around.into_iter().any(|(x, y)| !is_above(x, y))
    };
    pixels().filter(is_edge).collect()
}

/// The border of a box of the input: left, top, right, bottom, the last two exclusive.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
fn rectangle(
    picture: &RgbImage,
    geometry: &InputGeometry,
    [left, top, right, bottom]: [usize; 4],
) -> Vec<Pixel> {
    let (left, top) = geometry.image_from_input(left as f64, top as f64);
    let (right, bottom) = geometry.image_from_input(right as f64, bottom as f64);
    let side = |low: f64, high: f64, length: u32| {
        let last = f64::from(length.saturating_sub(1));
        let low = low.floor().clamp(0.0, last) as u32;
        (low, (high.ceil() - 1.0).clamp(f64::from(low), last) as u32)
    };
    let (left, right) = side(left, right, picture.width());
    let (top, bottom) = side(top, bottom, picture.height());
    let across = (left..=right).flat_map(|x| [(x, top), (x, bottom)]);
    let down = (top..=bottom).flat_map(|y| [(left, y), (right, y)]);
    across.chain(down).collect()
}

/// Draws the pixels of a line, as wide as the picture's size asks for.
fn stroke(picture: &mut RgbImage, line: &[Pixel]) {
    let shorter = picture.width().min(picture.height());
    let width = (shorter / PIXELS_A_LINE).max(1);
    if shorter >= SMALL {
        for pixel in line {
            square(picture, *pixel, width + 2, DARK);
        }
    }
    for pixel in line {
        square(picture, *pixel, width, LIGHT);
    }
}

/// Fills a square around a pixel, as far as it lies in the picture.
fn square(picture: &mut RgbImage, (x, y): Pixel, side: u32, color: Rgb<u8>) {
    let span = |center: u32, length: u32| {
        let start = center.saturating_sub((side - 1) / 2);
        start..(center + side / 2 + 1).min(length)
    };
    for y in span(y, picture.height()) {
        for x in span(x, picture.width()) {
            picture.put_pixel(x, y, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{PixelSize, Window};

    /// A picture of 40x20 pixels whose right half the network reads as 10x10.
    const RIGHT_HALF: InputGeometry = InputGeometry {
        image: PixelSize::new(40, 20),
        input: PixelSize::new(10, 10),
        window: Window {
            x: 20.0,
            y: 0.0,
            width: 20.0,
            height: 20.0,
        },
    };

    /// Evidence in two places of the input: 3x2 positions at (2, 4), and one at (9, 9).
    fn evidence() -> Heatmap {
        let mut values = vec![0.0; 100];
        for place in [42, 43, 44, 52, 53, 54, 99] {
            values[place] = 1.0;
        }
        Heatmap::from_raw(&Grid::new(10, 10, values))
    }

    fn marked(marks: Marks, heatmap: &Heatmap) -> Vec<Pixel> {
        let mut picture = RgbImage::from_pixel(40, 20, Rgb([50; 3]));
        draw(&mut picture, &RIGHT_HALF, heatmap, marks);
        let light = picture
            .enumerate_pixels()
            .filter(|(_, _, pixel)| **pixel == LIGHT);
        light.map(|(x, y, _)| (x, y)).collect()
    }

    const BOX: Marks = Marks {
        contour: false,
        bounding_box: true,
    };
    const CONTOUR: Marks = Marks {
        contour: true,
        bounding_box: false,
    };

    #[test]
    fn the_box_lies_around_the_largest_segment_where_it_lies_on_the_picture() {
        let line = marked(BOX, &evidence());
        // Positions 2..5 and 4..6 of the input are pixels 24..30 and 8..12 of the picture.
        assert_eq!((line[0], line[line.len() - 1]), ((24, 8), (29, 11)));
        assert_eq!(line.len(), 2 * 6 + 2 * 2);
    }

    #[test]
    fn the_contour_lies_around_every_segment_and_inside_of_what_the_network_read() {
        let line = marked(CONTOUR, &evidence());
        assert!(line.iter().all(|(x, _)| *x >= 20), "{line:?}");
        assert!(line.contains(&(39, 19)), "the segment in the corner");
        assert!(!line.contains(&(27, 9)), "the middle of a segment");
        for pixel in [(24, 9), (29, 10)] {
            let near = line
                .iter()
                .any(|(x, y)| x.abs_diff(pixel.0) <= 1 && y.abs_diff(pixel.1) <= 1);
            assert!(near, "no line near {pixel:?}: {line:?}");
        }
    }

    #[test]
    fn the_contour_lies_where_the_map_passes_the_threshold() {
        // From 0 in the first column to 1 in the last: 0.15 lies 1.35 columns from the middle of
        // the first, at pixel 20 + 2 (0.5 + 1.35) = 23.7 of the picture.
        let values = (0..100).map(|place| (place % 10) as f32).collect();
        let ramp = Heatmap::from_raw(&Grid::new(10, 10, values));
        let line = marked(CONTOUR, &ramp);
        assert_eq!(line.iter().map(|(x, _)| *x).min(), Some(24));
        assert!((0..20).all(|y| line.contains(&(24, y))), "{line:?}");
    }

    #[test]
    fn a_map_without_evidence_has_no_marks() {
        let empty = Heatmap::from_raw(&Grid::new(1, 1, vec![-1.0]));
        assert_eq!(marked(Marks::NONE.next(), &empty), []);
        assert_eq!(marked(Marks::NONE, &evidence()), []);
    }

    #[test]
    fn the_key_for_marks_comes_back_to_none() {
        let mut marks = Marks::NONE;
        let names: Vec<&str> = (0..4)
            .map(|_| {
                marks = marks.next();
                marks.name()
            })
            .collect();
        assert_eq!(names, ["contour and box", "contour", "box", "no marks"]);
    }
}
