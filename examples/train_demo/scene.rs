//! A scene: a background, clutter that says nothing, and one or two objects. It is a description
//! in coordinates 0..1 and can be drawn at any size.

use image::RgbImage;
use tiny_skia::{Pixmap, Transform};

use crate::brush::{Brush, Rgb, darker, hsv, lighter, mix, star};
use crate::objects::{self, CLASSES, Look};
use crate::random::Random;

pub(crate) struct Scene {
    background: Background,
    clutter: Vec<Clutter>,
    pub(crate) objects: Vec<Object>,
}

struct Background {
    kind: usize,
    top: Rgb,
    bottom: Rgb,
    seed: u64,
}

/// A small thing without a class, behind the objects.
struct Clutter {
    kind: usize,
    x: f32,
    y: f32,
    size: f32,
    angle: f32,
    color: Rgb,
}

pub(crate) struct Object {
    pub(crate) class: usize,
    x: f32,
    y: f32,
    /// Half of its side; the object lies within -1..1 times this.
    size: f32,
    angle: f32,
    look: Look,
    /// A leaf or a post that hides a part: offset in the object's coordinates, and its colors.
    occluder: Option<(f32, f32, f32, Rgb)>,
}

/// A box in pixels: left, top, right, bottom; the last two exclusive.
pub(crate) type PixelBox = [u32; 4];

impl Scene {
    /// The `index`th scene of a seed, with one or two objects of different classes.
    pub(crate) fn random(seed: u64, index: u64, count: usize) -> Self {
        let mut random = Random::for_scene(seed, index);
        let random = &mut random;
        let background = Background::random(random);
        let clutter = (0..random.below(7))
            .map(|_| Clutter::random(random))
            .collect();
        let mut objects: Vec<Object> = Vec::new();
        while objects.len() < count {
            let object = Object::random(random, count);
            let apart = objects.iter().all(|other| {
                let distance = (other.x - object.x).hypot(other.y - object.y);
                other.class != object.class && distance > (other.size + object.size) * 1.02
            });
            if apart {
                objects.push(object);
            }
        }
        Self {
            background,
            clutter,
            objects,
        }
    }

    /// A scene for the gallery: given classes, calm backgrounds, no occlusion.
    pub(crate) fn sample(seed: u64, classes: &[usize]) -> Self {
        for attempt in 0.. {
            let mut scene = Self::random(seed, attempt, classes.len());
            let large = if classes.len() == 1 { 0.2 } else { 0.16 };
            let clear = scene.objects.iter().all(|object| {
                object.angle.abs() < 14.0 && object.size > large && object.occluder.is_none()
            });
            if scene
                .objects
                .iter()
                .map(|object| object.class)
                .eq(classes.iter().copied())
                && clear
            {
                scene.clutter.truncate(4);
                return scene;
            }
        }
        unreachable!("the search has no end")
    }

    /// The picture, `side` pixels wide and high, and the box of what is visible of each object.
    pub(crate) fn draw(&self, side: u32) -> (RgbImage, Vec<PixelBox>) {
        let mut canvas = self.background.draw(side);
        let unit = Transform::from_scale(side as f32, side as f32);
        for clutter in &self.clutter {
            clutter.draw(&mut Brush {
                canvas: &mut canvas,
                transform: unit,
                erase: false,
            });
        }
        let boxes = self
            .objects
            .iter()
            .map(|object| object.draw(&mut canvas, side))
            .collect();
        let pixels = canvas
            .pixels()
            .iter()
            .flat_map(|p| [p.red(), p.green(), p.blue()])
            .collect();
        (
            RgbImage::from_raw(side, side, pixels).unwrap_or_default(),
            boxes,
        )
    }
}

impl Background {
    fn random(random: &mut Random) -> Self {
        let hue = random.unit();
        let saturation = random.between(0.05, 0.45);
        let value = random.between(0.6, 0.97);
        let top = hsv(hue, saturation, value);
        let bottom = hsv(
            hue + random.between(-0.15, 0.15),
            saturation * 0.8,
            (value + random.between(-0.25, 0.2)).clamp(0.45, 1.0),
        );
        Self {
            kind: random.below(6),
            top,
            bottom,
            seed: random.below(1 << 30) as u64,
        }
    }

    fn draw(&self, side: u32) -> Pixmap {
        #[expect(clippy::expect_used, reason = "the sizes are ours and never zero")]
        let mut canvas = Pixmap::new(side, side).expect("a canvas of a size above zero");
        let transform = Transform::from_scale(side as f32, side as f32);
        let mut brush = Brush {
            canvas: &mut canvas,
            transform,
            erase: false,
        };
        let mut random = Random::new(self.seed);
        let bands: u16 = 48;
        for band in 0..bands {
            let at = f32::from(band) / f32::from(bands);
            brush.rect(
                -0.01,
                at,
                1.02,
                1.3 / f32::from(bands),
                mix(self.top, self.bottom, at),
            );
        }
        match self.kind {
            // Hills under a sky.
            1 | 2 => {
                for layer in [0.0, 0.14] {
                    let (a, b) = (
                        random.between(0.55, 0.8) + layer,
                        random.between(0.55, 0.8) + layer,
                    );
                    let color = mix(darker(self.bottom, 0.18 + layer), [0.4, 0.6, 0.35], 0.25);
                    brush.blob(
                        (-0.05, a),
                        &[
                            [0.3, a - 0.2, 0.6, b + 0.2, 1.05, b],
                            [1.05, 0.9, 1.05, 1.0, 1.05, 1.05],
                            [0.7, 1.05, 0.3, 1.05, -0.05, 1.05],
                        ],
                        color,
                    );
                }
            }
            // Stripes.
            3 => {
                let (count, tilt) = (3 + random.below(5), random.between(-0.3, 0.3));
                for i in 0..count {
                    let x = (i as f32 + 0.5) / count as f32;
                    brush.line(
                        (x - tilt, -0.1),
                        (x + tilt, 1.1),
                        darker(self.top, 0.1),
                        0.35 / count as f32,
                    );
                }
            }
            // Dots.
            4 => {
                for _ in 0..30 {
                    let (x, y, r) = (random.unit(), random.unit(), random.between(0.006, 0.02));
                    brush.ellipse(x, y, r, r, lighter(self.bottom, 0.35));
                }
            }
            // A floor.
            5 => {
                let horizon = random.between(0.55, 0.8);
                brush.rect(-0.01, horizon, 1.02, 1.0, darker(self.bottom, 0.22));
            }
            _ => {}
        }
        canvas
    }
}

impl Clutter {
    fn random(random: &mut Random) -> Self {
        Self {
            kind: random.below(6),
            x: random.unit(),
            y: random.unit(),
            size: random.between(0.02, 0.075),
            angle: random.between(0.0, 360.0),
            color: hsv(
                random.unit(),
                random.between(0.1, 0.7),
                random.between(0.4, 0.95),
            ),
        }
    }

    fn draw(&self, brush: &mut Brush<'_>) {
        brush.transform = brush
            .transform
            .pre_translate(self.x, self.y)
            .pre_rotate(self.angle)
            .pre_scale(self.size, self.size);
        match self.kind {
            0 => brush.ellipse(0.0, 0.0, 1.0, 0.8, self.color),
            1 => brush.rect(-0.9, -0.6, 1.8, 1.2, self.color),
            2 => brush.line((-1.4, 0.0), (1.4, 0.2), self.color, 0.3),
            3 => brush.polygon(&[(-1.0, 0.7), (1.0, 0.7), (0.0, -0.9)], self.color),
            4 => {
                brush.ellipse(-0.6, 0.1, 0.6, 0.5, self.color);
                brush.ellipse(0.3, -0.1, 0.8, 0.6, self.color);
            }
            _ => brush.polygon(&star(8, 0.8), self.color),
        }
    }
}

impl Object {
    fn random(random: &mut Random, count: usize) -> Self {
        let size = if count == 1 {
            random.between(0.15, 0.34)
        } else {
            random.between(0.13, 0.235)
        };
        let margin = size * 0.92;
        let occluder = random.chance(0.25).then(|| {
            let angle = random.between(0.0, std::f32::consts::TAU);
            let color = hsv(
                random.unit(),
                random.between(0.1, 0.5),
                random.between(0.35, 0.9),
            );
            (
                0.85 * angle.cos(),
                0.85 * angle.sin(),
                random.between(0.3, 0.5),
                color,
            )
        });
        Self {
            class: random.below(CLASSES.len()),
            x: random.between(margin, 1.0 - margin),
            y: random.between(margin, 1.0 - margin),
            size,
            angle: random.between(-28.0, 28.0),
            look: Look::random(random),
            occluder,
        }
    }

    /// Draws onto the canvas; returns the box of the visible part.
    fn draw(&self, canvas: &mut Pixmap, side: u32) -> PixelBox {
        let scale = side as f32;
        let transform = Transform::from_scale(scale, scale)
            .pre_translate(self.x, self.y)
            .pre_rotate(self.angle)
            .pre_scale(self.size, self.size);
        #[expect(clippy::expect_used, reason = "the canvas has this size already")]
        let mut layer = Pixmap::new(side, side).expect("a canvas of a size above zero");
        objects::draw(
            &mut Brush {
                canvas: &mut layer,
                transform,
                erase: false,
            },
            self.class,
            &self.look,
        );
        let shown = layer.clone();
        if let Some((x, y, radius, _)) = self.occluder {
            Brush {
                canvas: &mut layer,
                transform,
                erase: true,
            }
            .ellipse(x, y, radius, radius * 0.8, [0.0; 3]);
        }
        let visible = bounding_box(&layer, side);
        canvas.draw_pixmap(
            0,
            0,
            shown.as_ref(),
            &tiny_skia::PixmapPaint::default(),
            Transform::identity(),
            None,
        );
        if let Some((x, y, radius, color)) = self.occluder {
            Brush {
                canvas,
                transform,
                erase: false,
            }
            .ellipse(x, y, radius, radius * 0.8, color);
        }
        visible
    }
}

/// The smallest box around the pixels that are at least half covered.
fn bounding_box(layer: &Pixmap, side: u32) -> PixelBox {
    let mut found = [side, side, 0, 0];
    for (pixel, index) in layer.pixels().iter().zip(0_u32..) {
        if pixel.alpha() >= 128 {
            let (x, y) = (index % side, index / side);
            found = [
                found[0].min(x),
                found[1].min(y),
                found[2].max(x + 1),
                found[3].max(y + 1),
            ];
        }
    }
    found
}
