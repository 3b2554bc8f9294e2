//! Blocks: a picture as colored text. Each cell shows a glyph that divides it into two parts, one in
//! the foreground's color, the other in the background's.
//!
//! The glyph is the one with the least squared error against the picture, each part in its mean
//! color. More glyphs are never worse, but fonts may lack them: the half block is in all of them,
//! quadrants (U+2596 to U+259F) in those of nearly all terminals, and sextants (U+1FB00 to U+1FB3B)
//! are drawn by terminals that know them.

use std::sync::LazyLock;

use image::{Rgb, RgbImage};

use crate::geometry::PixelSize;

/// Pixels of a cell: about squares, and enough for all glyphs.
pub const BLOCK_PX: PixelSize = PixelSize::new(2, 4);

/// Parts of a cell: two columns, cut at the thirds and at the middle of the height.
const PARTS: usize = 8;
/// Twelfths of the height of a cell that each row of parts has.
const HEIGHTS: [u32; 4] = [4, 2, 2, 4];
/// How much of each row of pixels lies in each row of parts, in twelfths of the cell's height.
const SHARES: [[u32; 4]; 4] = [[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 1, 3]];
/// Cells whose two colors differ by less squared, in all channels together, have one color.
const SAME: f32 = 12.0;

/// Which glyphs may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Glyphs {
    /// The upper half alone.
    Halves,
    /// Halves and quarters of a cell.
    #[default]
    Quadrants,
    /// Sixths of a cell, too.
    Sextants,
}

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// A space where the cell has one color: that of the background.
    pub glyph: char,
    pub foreground: Rgb<u8>,
    pub background: Rgb<u8>,
}

/// A glyph, and which parts of a cell it draws: a bit each, row by row.
type Shape = (char, u8);

impl Glyphs {
    /// What to call them in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Halves => "half blocks",
            Self::Quadrants => "quadrants",
            Self::Sextants => "sextants",
        }
    }

    /// One of each two shapes that complete each other.
    fn shapes(self) -> &'static [Shape] {
        static SEXTANTS: LazyLock<Vec<Shape>> = LazyLock::new(|| {
            // The bit of the first sixth is not set in the half of the patterns that are kept.
            let patterns = (0..64).filter(|pattern| pattern & 1 == 0 && *pattern != 0);
            let shapes = patterns.map(|pattern| (sextant(pattern), parts_of_sixths(pattern)));
            QUADRANTS.into_iter().chain(shapes).collect()
        });
        match self {
            Self::Halves => &QUADRANTS[..1],
            Self::Quadrants => &QUADRANTS,
            Self::Sextants => &SEXTANTS,
        }
    }
}

const QUADRANTS: [Shape; 7] = [
    ('▀', 0b0000_1111),
    ('▌', 0b0101_0101),
    ('▘', 0b0000_0101),
    ('▝', 0b0000_1010),
    ('▖', 0b0101_0000),
    ('▗', 0b1010_0000),
    ('▚', 0b1010_0101),
];

/// The glyph of a pattern of sixths, a bit each, row by row (Unicode, Symbols for Legacy Computing).
/// Those of the left and the right half are older and stand elsewhere.
fn sextant(pattern: u8) -> char {
    const LEFT: u8 = 0b01_0101;
    const RIGHT: u8 = 0b10_1010;
    match pattern {
        LEFT => '▌',
        RIGHT => '▐',
        _ => {
            let before = 1 + u32::from(pattern > LEFT) + u32::from(pattern > RIGHT);
            char::from_u32(0x1_fb00 + u32::from(pattern) - before).unwrap_or(' ')
        }
    }
}

/// The parts that a pattern of sixths covers; the second row of sixths covers two rows of parts.
fn parts_of_sixths(pattern: u8) -> u8 {
    let row = |row: u8| (pattern >> (2 * row)) & 0b11;
    row(0) | row(1) << 2 | row(1) << 4 | row(2) << 6
}

/// The picture in blocks, row by row of cells. Cells that it covers in part are filled with its last
/// pixels.
pub fn rows(picture: &RgbImage, glyphs: Glyphs) -> impl Iterator<Item = Vec<Block>> + '_ {
    let columns = picture.width().div_ceil(BLOCK_PX.width);
    (0..picture.height().div_ceil(BLOCK_PX.height)).map(move |row| {
        (0..columns)
            .map(|column| block(&sums(picture, column, row), glyphs))
            .collect()
    })
}

/// A sum of colors, weighted by area.
#[derive(Clone, Copy, Default)]
struct Sum {
    color: [f32; 3],
    area: f32,
}

impl Sum {
    fn add(&mut self, other: Self) {
        for (sum, value) in self.color.iter_mut().zip(other.color) {
            *sum += value;
        }
        self.area += other.area;
    }

    /// By how much the squared error shrinks when the area gets its mean instead of black.
    fn gain(&self) -> f32 {
        let squares = self.color.iter().map(|value| value * value).sum::<f32>();
        squares / self.area.max(1.0)
    }

    fn mean(&self) -> [f32; 3] {
        self.color.map(|value| value / self.area.max(1.0))
    }
}

/// The sums of the parts of a cell.
fn sums(picture: &RgbImage, column: u32, row: u32) -> [Sum; PARTS] {
    let mut sums = [Sum::default(); PARTS];
    for (part, sum) in sums.iter_mut().enumerate() {
        let (band, side) = (part / 2, u32::from(part % 2 == 1));
        let x = (column * BLOCK_PX.width + side).min(picture.width() - 1);
        for (line, share) in (0..).zip(SHARES[band]).filter(|(_, share)| *share > 0) {
            let y = (row * BLOCK_PX.height + line).min(picture.height() - 1);
            let weight = share as f32;
            sum.add(Sum {
                color: picture
                    .get_pixel(x, y)
                    .0
                    .map(|value| f32::from(value) * weight),
                area: weight,
            });
        }
        debug_assert!((sum.area - HEIGHTS[band] as f32).abs() < 1e-6);
    }
    sums
}

fn block(sums: &[Sum; PARTS], glyphs: Glyphs) -> Block {
    let split = |shape: u8| {
        let mut sides = [Sum::default(); 2];
        for (part, sum) in sums.iter().enumerate() {
            sides[usize::from(shape >> part & 1)].add(*sum);
        }
        sides
    };
    let gain = |shape: u8| split(shape).iter().map(Sum::gain).sum::<f32>();
    // The first of several that are as good: the simplest.
    let best = glyphs
        .shapes()
        .iter()
        .rev()
        .max_by(|(_, a), (_, b)| gain(*a).total_cmp(&gain(*b)));
    let &(glyph, shape) = best.unwrap_or(&QUADRANTS[0]);
    let [background, foreground] = split(shape).map(|side| side.mean());
    let difference = |i: usize| (foreground[i] - background[i]).powi(2);
    if (0..3).map(difference).sum::<f32>() < SAME {
        let [all, _] = split(0);
        let color = rounded(all.mean());
        return Block {
            glyph: ' ',
            foreground: color,
            background: color,
        };
    }
    Block {
        glyph,
        foreground: rounded(foreground),
        background: rounded(background),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
fn rounded(color: [f32; 3]) -> Rgb<u8> {
    Rgb(color.map(|value| value.round() as u8))
}

/// The nearest entry of xterm's 256 colors: the 6x6x6 cube or the 24 greys, whichever is closer
/// by squared distance with the weights of luminance.
#[must_use]
pub fn nearest_of_256(Rgb(color): Rgb<u8>) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |value: u8| {
        (0_u8..6)
            .min_by_key(|&i| value.abs_diff(STEPS[usize::from(i)]))
            .unwrap_or(0)
    };
    let [r, g, b] = color.map(step);
    let cube = [r, g, b].map(|i| STEPS[usize::from(i)]);
    let mean = color.iter().map(|&value| u16::from(value)).sum::<u16>() / 3;
    let grey_step = u8::try_from(mean.saturating_sub(3) / 10)
        .unwrap_or(23)
        .min(23);
    let grey = [8 + 10 * grey_step; 3];
    if distance(color, grey) < distance(color, cube) {
        232 + grey_step
    } else {
        16 + 36 * r + 6 * g + b
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let weighted = |i: usize, weight: u32| weight * u32::from(a[i].abs_diff(b[i])).pow(2);
    weighted(0, 3) + weighted(1, 6) + weighted(2, 1)
}

#[cfg(test)]
mod tests;
