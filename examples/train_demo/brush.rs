//! Drawing in an object's own coordinates: x to the right, y down, the object inside -1..1.

use std::f32::consts::TAU;

use tiny_skia::{
    BlendMode, Color, FillRule, LineCap, Paint, Path, PathBuilder, Pixmap, Rect, Shader, Stroke,
    Transform,
};

/// Red, green, blue in 0..1.
pub(crate) type Rgb = [f32; 3];

/// A pixmap with the transform from the coordinates in use to its pixels.
pub(crate) struct Brush<'a> {
    pub(crate) canvas: &'a mut Pixmap,
    pub(crate) transform: Transform,
    /// Draws holes instead of color; used to find what an occluder hides.
    pub(crate) erase: bool,
}

impl Brush<'_> {
    pub(crate) fn fill(&mut self, path: Option<Path>, color: Rgb) {
        let paint = self.paint(color);
        if let Some(path) = path {
            self.canvas
                .fill_path(&path, &paint, FillRule::Winding, self.transform, None);
        }
    }

    pub(crate) fn stroke(&mut self, path: Option<Path>, color: Rgb, width: f32) {
        let paint = self.paint(color);
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            ..Stroke::default()
        };
        if let Some(path) = path {
            self.canvas
                .stroke_path(&path, &paint, &stroke, self.transform, None);
        }
    }

    pub(crate) fn ellipse(&mut self, x: f32, y: f32, rx: f32, ry: f32, color: Rgb) {
        self.fill(ellipse(x, y, rx, ry), color);
    }

    pub(crate) fn polygon(&mut self, points: &[(f32, f32)], color: Rgb) {
        self.fill(polygon(points), color);
    }

    pub(crate) fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, color: Rgb) {
        self.polygon(
            &[
                (x, y),
                (x + width, y),
                (x + width, y + height),
                (x, y + height),
            ],
            color,
        );
    }

    pub(crate) fn line(&mut self, from: (f32, f32), to: (f32, f32), color: Rgb, width: f32) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.line_to(to.0, to.1);
        self.stroke(path.finish(), color, width);
    }

    /// A closed outline of cubic curves: a start, then control, control, end for each.
    pub(crate) fn blob(&mut self, start: (f32, f32), curves: &[[f32; 6]], color: Rgb) {
        self.fill(blob(start, curves), color);
    }

    fn paint(&self, [r, g, b]: Rgb) -> Paint<'static> {
        let channel = |value: f32| value.clamp(0.0, 1.0);
        let color =
            Color::from_rgba(channel(r), channel(g), channel(b), 1.0).unwrap_or(Color::BLACK);
        Paint {
            shader: Shader::SolidColor(color),
            blend_mode: if self.erase {
                BlendMode::Clear
            } else {
                BlendMode::SourceOver
            },
            anti_alias: true,
            ..Paint::default()
        }
    }
}

pub(crate) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

pub(crate) fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        if index == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    path.close();
    path.finish()
}

pub(crate) fn blob(start: (f32, f32), curves: &[[f32; 6]]) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(start.0, start.1);
    for &[a, b, c, d, e, f] in curves {
        path.cubic_to(a, b, c, d, e, f);
    }
    path.close();
    path.finish()
}

/// A star's outline: `points` tips at radius 1, notches at `inner`.
pub(crate) fn star(points: usize, inner: f32) -> Vec<(f32, f32)> {
    (0..points * 2)
        .map(|i| {
            let radius = if i % 2 == 0 { 1.0 } else { inner };
            let angle = TAU * i as f32 / (points * 2) as f32;
            (radius * angle.sin(), -radius * angle.cos())
        })
        .collect()
}

/// A color from hue (0..1, once around), saturation and value.
pub(crate) fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    let channel = |offset: f32| {
        let k = (offset + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

pub(crate) fn mix(a: Rgb, b: Rgb, weight: f32) -> Rgb {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * weight)
}

pub(crate) fn darker(color: Rgb, amount: f32) -> Rgb {
    mix(color, [0.05, 0.05, 0.15], amount)
}

pub(crate) fn lighter(color: Rgb, amount: f32) -> Rgb {
    mix(color, [1.0, 1.0, 1.0], amount)
}
