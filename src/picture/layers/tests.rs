use image::Rgb;

use super::*;
use crate::geometry::Window;
use crate::heatmap::{Grid, Heatmap};
use crate::picture::scale::Map;
use crate::tests::random::Random;

const CELL: PixelSize = PixelSize::new(9, 18);
const BOUNDS: PixelSize = PixelSize::new(400, 300);

/// A photo of noise, of which the network reads a square in the middle.
struct Sample {
    image: RgbImage,
    heatmap: Heatmap,
    raw: Grid,
    geometry: InputGeometry,
}

impl Sample {
    fn new(width: u32, height: u32, values: &[f32]) -> Self {
        let mut random = Random(7);
        let side = f64::from(width.min(height)) * 0.875;
        let start = |length: u32| (f64::from(length) - side) / 2.0;
        let grid = values.len().isqrt();
        let raw = Grid::new(grid, grid, values.to_vec());
        Self {
            image: RgbImage::from_fn(width, height, |_, _| {
                Rgb([0; 3].map(|_: u8| u8::try_from(random.below(256)).unwrap()))
            }),
            heatmap: Heatmap::from_raw(&raw),
            raw,
            geometry: InputGeometry {
                image: PixelSize::new(width, height),
                input: PixelSize::new(112, 112),
                window: Window {
                    x: start(width),
                    y: start(height),
                    width: side,
                    height: side,
                },
            },
        }
    }

    /// A map of a single hot spot at a 4x4 grid.
    fn spot(width: u32, height: u32) -> Self {
        let mut values = vec![-1.0; 16];
        values[6] = 2.0;
        values[9] = 1.0;
        Self::new(width, height, &values)
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            image: &self.image,
            seen: &self.image,
            map: Map {
                heatmap: &self.heatmap,
                raw: &self.raw,
            },
            beside: None,
            geometry: &self.geometry,
        }
    }

    fn layers(&self, style: Style) -> (Photo, Option<Heat>) {
        let parts = self.parts();
        let photo = photo(&parts, ground(&parts, style).unwrap(), BOUNDS).unwrap();
        let heat = heat(&parts, style, photo.size(), CELL);
        (photo, heat)
    }
}

/// What a heatmap has above a pixel of its cells, enlarged by the nearest pixel.
fn above(heat: &Heat, canvas: PixelSize, x: u32, y: u32) -> [u8; 4] {
    let column = x * heat.size.width / canvas.width;
    let row = y * heat.size.height / canvas.height;
    let index = heat.indices[(row * heat.size.width + column) as usize];
    heat.palette[usize::from(index)]
}

/// What a terminal shows that enlarges by the nearest pixel.
fn stacked(photo: &Photo, heat: Option<&Heat>) -> RgbImage {
    let mut picture = (*photo.picture).clone();
    let Some(heat) = heat else {
        return picture;
    };
    let canvas = CellSize::holding(photo.size(), CELL).pixels(CELL);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let [red, green, blue, alpha] = above(heat, canvas, x, y);
        let weight = f32::from(alpha) / 255.0;
        for (under, over) in pixel.0.iter_mut().zip([red, green, blue]) {
            let mixed = f32::from(*under) * (1.0 - weight) + f32::from(over) * weight;
            *under = level(mixed);
        }
    }
    picture
}

/// Root mean square and largest difference, in levels of 255, but for pixels next to the edge of what
/// the network saw.
fn difference(one: &RgbImage, other: &RgbImage, window: Window) -> (f64, u8) {
    assert_eq!(one.dimensions(), other.dimensions());
    let edges = |start: f64, length: f64| [start, start + length];
    let near =
        |at: u32, edges: [f64; 2]| edges.iter().any(|edge| (f64::from(at) - edge).abs() < 2.0);
    let apart: Vec<u8> = one
        .enumerate_pixels()
        .filter(|(x, y, _)| {
            let across = near(*x, edges(window.x, window.width));
            !across && !near(*y, edges(window.y, window.height))
        })
        .flat_map(|(x, y, pixel)| {
            let other = other.get_pixel(x, y);
            [0, 1, 2].map(|channel| pixel[channel].abs_diff(other[channel]))
        })
        .collect();
    let squares: f64 = apart.iter().map(|d| f64::from(*d).powi(2)).sum();
    let mean = (squares / apart.len() as f64).sqrt();
    (mean, apart.into_iter().max().unwrap())
}

#[test]
fn the_stack_looks_like_the_picture_that_is_composed() {
    for (width, height) in [(640, 480), (480, 640), (300, 300)] {
        let sample = Sample::spot(width, height);
        for view in [View::Overlay, View::Heatmap, View::Image] {
            for signed in [false, true] {
                let style = Style {
                    view,
                    signed,
                    ..Style::default()
                };
                let (photo, heat) = sample.layers(style);
                let shown = stacked(&photo, heat.as_ref());
                let composed = compose(&sample.parts(), style, BOUNDS).unwrap();
                let window = sample.geometry.at_size(photo.size()).window;
                let (mean, largest) = difference(&shown, &composed, window);
                let what = format!("{width}x{height} {view:?} signed {signed}: {mean} {largest}");
                assert!(
                    mean < 6.0 && (view != View::Image || largest == 0),
                    "{what}"
                );
                // Nothing of the map lies where the network did not see the photo.
                assert_eq!(shown.get_pixel(0, 0), composed.get_pixel(0, 0), "{what}");
            }
        }
    }
}

#[test]
fn edges_of_the_map_lie_within_a_pixel_of_where_the_network_stopped_to_see() {
    let sample = Sample::spot(640, 480);
    let (photo, heat) = sample.layers(Style::default());
    let shown = stacked(&photo, heat.as_ref());
    let composed = compose(&sample.parts(), Style::default(), BOUNDS).unwrap();
    let window = sample.geometry.at_size(photo.size()).window;
    let edge = (0..400).find(|x| f64::from(*x) >= window.x).unwrap();
    for y in (40..260).step_by(10) {
        for x in [edge - 2, edge + 1] {
            let apart = |channel: usize| {
                shown.get_pixel(x, y)[channel].abs_diff(composed.get_pixel(x, y)[channel])
            };
            assert!((0..3).all(|channel| apart(channel) < 24), "{x} {y}");
        }
    }
}

#[test]
fn the_map_ends_where_the_photo_does() {
    let mut sample = Sample::spot(64, 64);
    sample.geometry.window = Window {
        x: 0.0,
        y: 0.0,
        width: 64.0,
        height: 64.0,
    };
    for side in (150..700).step_by(15) {
        let photo = PixelSize::new(side, side);
        let heat = heat(&sample.parts(), Style::default(), photo, CELL).unwrap();
        let canvas = CellSize::holding(photo, CELL).pixels(CELL);
        let is_covered = |x, y| above(&heat, canvas, x, y)[3] > 0;
        let columns = (0..canvas.width).take_while(|x| is_covered(*x, 0));
        let rows = (0..canvas.height).take_while(|y| is_covered(0, *y));
        for covered in [columns.count(), rows.count()] {
            let apart = covered.abs_diff(side as usize);
            assert!(
                apart <= 2 && (apart == 0 || side != 495),
                "{covered} of {side}"
            );
        }
    }
}

#[test]
fn an_empty_map_and_no_opacity_leave_the_photo_alone() {
    let empty = Sample::new(300, 300, &[-1.0; 16]);
    let (photo, heat) = empty.layers(Style::default());
    assert!(heat.is_none());
    let composed = compose(&empty.parts(), Style::default(), BOUNDS).unwrap();
    assert_eq!(*photo.picture, composed);
    let style = Style {
        opacity: 0.0,
        ..Style::default()
    };
    assert!(Sample::spot(300, 300).layers(style).1.is_none());
    // The heatmap alone is the color of zero.
    let style = Style {
        view: View::Heatmap,
        ..Style::default()
    };
    let (photo, heat) = empty.layers(style);
    let composed = compose(&empty.parts(), style, BOUNDS).unwrap();
    let window = empty.geometry.at_size(photo.size()).window;
    assert!(difference(&stacked(&photo, heat.as_ref()), &composed, window).1 <= 4);
}

#[test]
fn another_opacity_is_another_palette_and_the_same_pixels() {
    let sample = Sample::spot(300, 300);
    let (photo, half) = sample.layers(Style::default());
    let style = Style {
        opacity: 0.6,
        ..Style::default()
    };
    let (same, more) = sample.layers(style);
    let (half, more) = (half.unwrap(), more.unwrap());
    assert_eq!((photo.name, &half.indices), (same.name, &more.indices));
    assert_ne!((half.name, half.palette), (more.name, more.palette));
}

#[test]
fn what_is_no_stack_of_two_is_drawn_whole() {
    let sample = Sample::spot(300, 300);
    let mut parts = sample.parts();
    let style = Style::default();
    assert_eq!(ground(&parts, style), Some(Ground::Seen));
    for other in [
        Style {
            view: View::SideBySide,
            ..style
        },
        Style {
            marks: Marks::NONE.next(),
            ..style
        },
    ] {
        assert_eq!(ground(&parts, other), None);
    }
    parts.beside = Some(parts.map);
    assert_eq!(ground(&parts, style), None);
}
