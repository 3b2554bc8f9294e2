//! Half blocks: each cell shows two pixels, the upper one as the color of `▀`, the lower one as
//! its background.

use image::{Rgb, RgbImage};

/// The glyph whose upper half is drawn.
pub const GLYPH: &str = "▀";

/// Upper and lower pixel of each cell, row by row of cells. The lower half of a last row that is
/// cut off is `None`.
pub fn rows(picture: &RgbImage) -> impl Iterator<Item = Vec<(Rgb<u8>, Option<Rgb<u8>>)>> + '_ {
    (0..picture.height()).step_by(2).map(|y| {
        (0..picture.width())
            .map(|x| {
                let below = (y + 1 < picture.height()).then(|| *picture.get_pixel(x, y + 1));
                (*picture.get_pixel(x, y), below)
            })
            .collect()
    })
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
mod tests {
    use super::*;

    #[test]
    fn an_odd_last_row_has_no_lower_half() {
        let picture = RgbImage::from_fn(2, 3, |x, y| Rgb([u8::try_from(x * 10 + y).unwrap(); 3]));
        let rows: Vec<_> = rows(&picture).collect();
        assert_eq!(rows[0][1], (Rgb([10; 3]), Some(Rgb([11; 3]))));
        assert_eq!(rows[1][0], (Rgb([2; 3]), None));
    }

    #[test]
    fn entries_of_the_palette_are_their_own_nearest() {
        assert_eq!(nearest_of_256(Rgb([255, 0, 0])), 196);
        assert_eq!(nearest_of_256(Rgb([95, 135, 175])), 67);
        assert_eq!(nearest_of_256(Rgb([128, 128, 128])), 244);
        assert_eq!(nearest_of_256(Rgb([255, 255, 255])), 231);
        assert_eq!(nearest_of_256(Rgb([0, 0, 0])), 16);
    }
}
