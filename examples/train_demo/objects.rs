//! The twelve things that the demo model knows, each drawn from simple shapes.

use tiny_skia::PathBuilder;

use crate::brush::{Brush, Rgb, darker, hsv, lighter, star};
use crate::random::Random;

/// Class names in the order of the model's output.
pub(crate) const CLASSES: [&str; 12] = [
    "apple",
    "balloon",
    "butterfly",
    "car",
    "fish",
    "flower",
    "house",
    "mushroom",
    "sailboat",
    "star",
    "tree",
    "umbrella",
];

/// How one object differs from the others of its class.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) main: Rgb,
    pub(crate) second: Rgb,
    /// 0 plain, 1 stripes, 2 dots.
    pub(crate) texture: usize,
}

impl Look {
    pub(crate) fn random(random: &mut Random) -> Self {
        let hue = random.unit();
        let second = hue + random.between(0.2, 0.8);
        Self {
            main: hsv(hue, random.between(0.55, 0.95), random.between(0.6, 0.98)),
            second: hsv(second, random.between(0.4, 0.9), random.between(0.65, 1.0)),
            texture: random.below(3),
        }
    }
}

const BROWN: Rgb = [0.45, 0.3, 0.18];
const GREEN: Rgb = [0.3, 0.6, 0.28];
const GLASS: Rgb = [0.78, 0.9, 0.97];
const DARK: Rgb = [0.16, 0.17, 0.22];
const CREAM: Rgb = [0.97, 0.93, 0.84];

/// Draws one object of a class inside -1..1.
pub(crate) fn draw(brush: &mut Brush<'_>, class: usize, look: &Look) {
    match class {
        0 => apple(brush, look),
        1 => balloon(brush, look),
        2 => butterfly(brush, look),
        3 => car(brush, look),
        4 => fish(brush, look),
        5 => flower(brush, look),
        6 => house(brush, look),
        7 => mushroom(brush, look),
        8 => sailboat(brush, look),
        9 => five_pointed_star(brush, look),
        10 => tree(brush, look),
        _ => umbrella(brush, look),
    }
}

/// Stripes or dots in a part of the object that is `width` by `height` around a point.
fn texture(brush: &mut Brush<'_>, look: &Look, (x, y): (f32, f32), width: f32, height: f32) {
    let color = lighter(look.main, 0.35);
    match look.texture {
        1 => {
            for i in [-1.0, 0.0, 1.0] {
                let at = y + i * height * 0.32;
                brush.line(
                    (x - width * 0.4, at),
                    (x + width * 0.4, at),
                    color,
                    height * 0.1,
                );
            }
        }
        2 => {
            for (dx, dy) in [
                (-0.28, -0.2),
                (0.22, -0.28),
                (0.0, 0.1),
                (-0.25, 0.3),
                (0.3, 0.25),
            ] {
                brush.ellipse(
                    x + dx * width,
                    y + dy * height,
                    width * 0.08,
                    width * 0.08,
                    color,
                );
            }
        }
        _ => {}
    }
}

fn apple(brush: &mut Brush<'_>, look: &Look) {
    let outline = [
        [0.25, -0.75, 0.95, -0.65, 0.9, 0.05],
        [0.86, 0.6, 0.45, 1.05, 0.0, 0.85],
        [-0.45, 1.05, -0.86, 0.6, -0.9, 0.05],
        [-0.95, -0.65, -0.25, -0.75, 0.0, -0.45],
    ];
    brush.blob((0.0, -0.45), &outline, look.main);
    texture(brush, look, (0.0, 0.25), 1.0, 0.9);
    brush.ellipse(-0.45, -0.12, 0.14, 0.24, lighter(look.main, 0.55));
    brush.line((0.0, -0.42), (0.1, -0.92), BROWN, 0.12);
    brush.blob(
        (0.1, -0.6),
        &[
            [0.2, -0.95, 0.5, -1.0, 0.7, -0.9],
            [0.6, -0.6, 0.35, -0.5, 0.1, -0.6],
        ],
        GREEN,
    );
}

fn balloon(brush: &mut Brush<'_>, look: &Look) {
    let mut string = PathBuilder::new();
    string.move_to(0.0, 0.35);
    string.cubic_to(0.25, 0.55, -0.2, 0.75, 0.05, 1.0);
    brush.stroke(string.finish(), DARK, 0.05);
    brush.ellipse(0.0, -0.32, 0.56, 0.68, look.main);
    texture(brush, look, (0.0, -0.3), 0.75, 0.9);
    brush.polygon(
        &[(-0.12, 0.46), (0.12, 0.46), (0.0, 0.32)],
        darker(look.main, 0.25),
    );
    brush.ellipse(-0.22, -0.58, 0.1, 0.18, lighter(look.main, 0.65));
}

fn butterfly(brush: &mut Brush<'_>, look: &Look) {
    for side in [-1.0, 1.0] {
        brush.blob(
            (0.0, -0.1),
            &[
                [side * 0.2, -0.9, side * 0.95, -1.0, side * 0.95, -0.5],
                [side * 0.95, 0.0, side * 0.4, 0.1, 0.0, 0.05],
            ],
            look.main,
        );
        brush.blob(
            (0.0, 0.0),
            &[
                [side * 0.5, 0.0, side * 0.85, 0.3, side * 0.7, 0.65],
                [side * 0.5, 0.95, side * 0.1, 0.6, 0.0, 0.2],
            ],
            look.second,
        );
        brush.ellipse(side * 0.58, -0.5, 0.17, 0.17, lighter(look.main, 0.6));
        brush.ellipse(side * 0.42, 0.42, 0.11, 0.11, darker(look.second, 0.4));
        brush.line((0.0, -0.5), (side * 0.22, -0.88), DARK, 0.045);
    }
    brush.ellipse(0.0, 0.02, 0.085, 0.55, DARK);
}

fn car(brush: &mut Brush<'_>, look: &Look) {
    let cabin = [
        [-0.5, -0.55, -0.4, -0.6, -0.25, -0.6],
        [0.0, -0.6, 0.15, -0.6, 0.25, -0.6],
        [0.4, -0.6, 0.55, -0.3, 0.68, 0.0],
    ];
    brush.blob((-0.62, 0.0), &cabin, darker(look.main, 0.12));
    brush.polygon(
        &[
            (-0.48, -0.05),
            (-0.34, -0.45),
            (-0.05, -0.45),
            (-0.05, -0.05),
        ],
        GLASS,
    );
    brush.polygon(
        &[(0.05, -0.05), (0.05, -0.45), (0.25, -0.45), (0.48, -0.05)],
        GLASS,
    );
    let body = [
        [-0.95, -0.05, -0.8, -0.08, -0.6, -0.08],
        [-0.2, -0.08, 0.3, -0.08, 0.66, -0.08],
        [0.85, -0.05, 0.97, 0.05, 0.97, 0.2],
        [0.97, 0.3, 0.97, 0.35, 0.95, 0.42],
        [0.3, 0.42, -0.3, 0.42, -0.95, 0.42],
    ];
    brush.blob((-0.97, 0.2), &body, look.main);
    if look.texture == 1 {
        brush.rect(-0.95, 0.12, 1.9, 0.09, look.second);
    }
    for x in [-0.52, 0.55] {
        brush.ellipse(x, 0.42, 0.25, 0.25, DARK);
        brush.ellipse(x, 0.42, 0.11, 0.11, [0.75, 0.76, 0.8]);
    }
    brush.ellipse(0.9, 0.12, 0.07, 0.08, [1.0, 0.93, 0.6]);
}

fn fish(brush: &mut Brush<'_>, look: &Look) {
    brush.blob(
        (0.45, 0.0),
        &[
            [0.7, -0.2, 0.85, -0.45, 1.0, -0.5],
            [0.88, -0.15, 0.88, 0.15, 1.0, 0.5],
            [0.85, 0.45, 0.7, 0.2, 0.45, 0.0],
        ],
        look.second,
    );
    brush.blob(
        (-0.25, -0.35),
        &[
            [-0.1, -0.75, 0.25, -0.75, 0.4, -0.65],
            [0.35, -0.45, 0.3, -0.3, 0.2, -0.25],
        ],
        look.second,
    );
    brush.blob(
        (-0.98, 0.02),
        &[
            [-0.65, -0.62, 0.25, -0.62, 0.62, 0.0],
            [0.25, 0.62, -0.65, 0.62, -0.98, 0.02],
        ],
        look.main,
    );
    match look.texture {
        1 => {
            for x in [-0.25, 0.02, 0.28] {
                brush.line((x, -0.28), (x, 0.28), look.second, 0.11);
            }
        }
        2 => texture(brush, look, (0.0, 0.05), 0.7, 0.5),
        _ => {}
    }
    brush.blob(
        (-0.12, 0.1),
        &[
            [0.0, 0.05, 0.15, 0.15, 0.2, 0.32],
            [0.05, 0.35, -0.1, 0.3, -0.12, 0.1],
        ],
        darker(look.second, 0.2),
    );
    brush.ellipse(-0.62, -0.1, 0.12, 0.12, CREAM);
    brush.ellipse(-0.64, -0.1, 0.06, 0.06, DARK);
}

fn flower(brush: &mut Brush<'_>, look: &Look) {
    brush.line((0.0, 0.0), (0.05, 0.98), GREEN, 0.1);
    brush.blob(
        (0.03, 0.75),
        &[
            [0.15, 0.4, 0.5, 0.35, 0.6, 0.4],
            [0.5, 0.7, 0.25, 0.8, 0.03, 0.75],
        ],
        GREEN,
    );
    for i in 0..6 {
        let angle = std::f32::consts::TAU * i as f32 / 6.0;
        brush.ellipse(
            0.36 * angle.cos(),
            -0.32 + 0.36 * angle.sin(),
            0.29,
            0.29,
            look.main,
        );
    }
    if look.texture == 2 {
        for i in 0..6 {
            let angle = std::f32::consts::TAU * i as f32 / 6.0;
            brush.ellipse(
                0.42 * angle.cos(),
                -0.32 + 0.42 * angle.sin(),
                0.09,
                0.09,
                lighter(look.main, 0.5),
            );
        }
    }
    brush.ellipse(0.0, -0.32, 0.24, 0.24, [0.98, 0.8, 0.25]);
    brush.ellipse(0.0, -0.32, 0.12, 0.12, [0.8, 0.5, 0.15]);
}

fn house(brush: &mut Brush<'_>, look: &Look) {
    brush.rect(0.35, -0.85, 0.2, 0.5, darker(look.second, 0.35));
    brush.rect(-0.72, -0.15, 1.44, 1.05, lighter(look.main, 0.45));
    if look.texture == 1 {
        for i in 0_u8..4 {
            let y = 0.05 + 0.24 * f32::from(i);
            brush.line((-0.7, y), (0.7, y), lighter(look.main, 0.25), 0.04);
        }
    }
    brush.polygon(&[(-0.95, -0.1), (0.0, -0.95), (0.95, -0.1)], look.second);
    brush.rect(-0.15, 0.3, 0.34, 0.6, darker(look.second, 0.3));
    for x in [-0.55, 0.32] {
        brush.rect(x, 0.1, 0.26, 0.28, GLASS);
        brush.line((x + 0.13, 0.1), (x + 0.13, 0.38), CREAM, 0.035);
    }
    brush.ellipse(0.12, 0.62, 0.035, 0.035, CREAM);
}

fn mushroom(brush: &mut Brush<'_>, look: &Look) {
    brush.blob(
        (-0.22, 0.0),
        &[
            [-0.2, 0.4, -0.35, 0.7, -0.3, 0.92],
            [-0.1, 1.0, 0.1, 1.0, 0.3, 0.92],
            [0.35, 0.7, 0.2, 0.4, 0.22, 0.0],
        ],
        CREAM,
    );
    brush.blob(
        (-0.95, 0.1),
        &[
            [-0.95, -0.75, -0.4, -0.95, 0.0, -0.95],
            [0.4, -0.95, 0.95, -0.75, 0.95, 0.1],
            [0.5, 0.25, -0.5, 0.25, -0.95, 0.1],
        ],
        look.main,
    );
    for (x, y, r) in [
        (-0.5, -0.3, 0.15),
        (0.05, -0.6, 0.16),
        (0.5, -0.25, 0.14),
        (0.0, -0.1, 0.12),
    ] {
        brush.ellipse(x, y, r, r * 0.9, CREAM);
    }
    brush.line((-0.3, 0.32), (0.3, 0.32), darker(CREAM, 0.15), 0.06);
}

fn sailboat(brush: &mut Brush<'_>, look: &Look) {
    brush.line((0.0, -0.95), (0.0, 0.4), BROWN, 0.07);
    brush.blob(
        (0.06, -0.9),
        &[
            [0.5, -0.6, 0.75, -0.1, 0.8, 0.28],
            [0.5, 0.28, 0.3, 0.28, 0.06, 0.28],
        ],
        lighter(look.main, 0.7),
    );
    brush.blob(
        (-0.06, -0.75),
        &[
            [-0.3, -0.4, -0.5, 0.0, -0.7, 0.28],
            [-0.5, 0.28, -0.3, 0.28, -0.06, 0.28],
        ],
        look.second,
    );
    if look.texture == 1 {
        brush.line((0.1, -0.1), (0.64, -0.1), look.main, 0.1);
    }
    brush.blob(
        (-0.95, 0.4),
        &[
            [-0.4, 0.4, 0.4, 0.4, 0.95, 0.4],
            [0.85, 0.75, 0.65, 0.88, 0.5, 0.9],
            [0.1, 0.92, -0.3, 0.92, -0.55, 0.9],
            [-0.75, 0.85, -0.9, 0.65, -0.95, 0.4],
        ],
        look.main,
    );
    brush.line((-0.85, 0.53), (0.85, 0.53), lighter(look.main, 0.5), 0.06);
}

fn five_pointed_star(brush: &mut Brush<'_>, look: &Look) {
    let outline = star(5, 0.44);
    brush.polygon(&outline, look.main);
    let inner: Vec<_> = outline.iter().map(|(x, y)| (x * 0.62, y * 0.62)).collect();
    if look.texture != 0 {
        brush.polygon(
            &inner,
            if look.texture == 1 {
                lighter(look.main, 0.4)
            } else {
                look.second
            },
        );
    }
}

fn tree(brush: &mut Brush<'_>, look: &Look) {
    let leaves = [
        0.12 + look.main[0] * 0.45,
        0.38 + look.main[1] * 0.35,
        0.12 + look.main[2] * 0.15,
    ];
    brush.polygon(
        &[(-0.13, 0.98), (0.13, 0.98), (0.1, 0.2), (-0.1, 0.2)],
        BROWN,
    );
    if look.texture == 1 {
        for (y, half) in [(0.45, 0.78), (0.05, 0.62), (-0.35, 0.45)] {
            brush.polygon(&[(-half, y), (half, y), (0.0, y - 0.62)], leaves);
            brush.polygon(
                &[(0.0, y), (half, y), (0.0, y - 0.62)],
                darker(leaves, 0.15),
            );
        }
    } else {
        for (x, y, r) in [
            (-0.4, 0.0, 0.42),
            (0.4, 0.0, 0.42),
            (0.0, -0.45, 0.5),
            (0.0, 0.02, 0.45),
        ] {
            brush.ellipse(x, y, r, r, leaves);
        }
        brush.ellipse(-0.2, -0.5, 0.2, 0.17, lighter(leaves, 0.2));
        if look.texture == 2 {
            for (x, y) in [(-0.45, 0.05), (0.1, -0.3), (0.45, -0.05), (0.0, 0.2)] {
                brush.ellipse(x, y, 0.09, 0.09, look.second);
            }
        }
    }
}

fn umbrella(brush: &mut Brush<'_>, look: &Look) {
    let mut handle = PathBuilder::new();
    handle.move_to(0.0, -0.2);
    handle.line_to(0.0, 0.72);
    handle.cubic_to(0.0, 1.05, 0.34, 1.0, 0.32, 0.72);
    brush.stroke(handle.finish(), DARK, 0.08);
    brush.line((0.0, -0.75), (0.0, -0.95), DARK, 0.07);
    let canopy = [
        [-0.95, -0.55, -0.5, -0.82, 0.0, -0.82],
        [0.5, -0.82, 0.95, -0.55, 0.97, 0.1],
        [0.85, -0.06, 0.6, -0.06, 0.48, 0.1],
        [0.4, -0.06, 0.1, -0.06, 0.0, 0.1],
        [-0.1, -0.06, -0.4, -0.06, -0.48, 0.1],
        [-0.6, -0.06, -0.85, -0.06, -0.97, 0.1],
    ];
    brush.blob((-0.97, 0.1), &canopy, look.main);
    let panel = [
        [-0.45, -0.4, -0.2, -0.75, 0.0, -0.82],
        [0.2, -0.75, 0.45, -0.4, 0.48, 0.1],
        [0.4, -0.06, 0.1, -0.06, 0.0, 0.1],
        [-0.1, -0.06, -0.4, -0.06, -0.48, 0.1],
    ];
    if look.texture != 0 {
        brush.blob((-0.48, 0.1), &panel, look.second);
    }
    brush.line((0.0, -0.8), (0.0, 0.05), darker(look.main, 0.2), 0.035);
}
