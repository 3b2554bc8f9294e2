use super::*;
use crate::geometry::resample_bilinear;

const ALL: [Glyphs; 3] = [Glyphs::Halves, Glyphs::Quadrants, Glyphs::Sextants];

/// A cell of these pixels, black or white, row by row.
fn cell(pixels: [u8; 8], glyphs: Glyphs) -> Block {
    let picture = RgbImage::from_fn(2, 4, |x, y| Rgb([255 * pixels[(y * 2 + x) as usize]; 3]));
    rows(&picture, glyphs).next().unwrap()[0]
}

#[test]
fn the_glyph_is_the_one_that_looks_like_the_cell() {
    for (pixels, glyph, bright) in [
        ([1, 1, 1, 1, 0, 0, 0, 0], '▀', true),
        ([0, 0, 0, 0, 1, 1, 1, 1], '▀', false),
        ([1, 0, 1, 0, 1, 0, 1, 0], '▌', true),
        ([1, 0, 1, 0, 0, 0, 0, 0], '▘', true),
        ([0, 1, 0, 1, 1, 1, 1, 1], '▘', false),
        ([1, 0, 1, 0, 0, 1, 0, 1], '▚', true),
        ([0, 1, 0, 1, 1, 0, 1, 0], '▚', false),
    ] {
        for glyphs in [Glyphs::Quadrants, Glyphs::Sextants] {
            let found = cell(pixels, glyphs);
            let foreground = Rgb([if bright { 255 } else { 0 }; 3]);
            assert_eq!(
                (found.glyph, found.foreground),
                (glyph, foreground),
                "{pixels:?}"
            );
        }
        assert!(['▀', ' '].contains(&cell(pixels, Glyphs::Halves).glyph));
    }
}

#[test]
fn a_cell_of_one_color_is_a_space_on_it() {
    for glyphs in ALL {
        let found = cell([1; 8], glyphs);
        assert_eq!((found.glyph, found.background), (' ', Rgb([255; 3])));
    }
}

#[test]
fn sextants_have_the_glyphs_of_their_patterns() {
    assert_eq!(sextant(0b00_0001), '\u{1fb00}');
    assert_eq!(sextant(0b01_0100), '\u{1fb13}');
    assert_eq!(sextant(0b01_0110), '\u{1fb14}');
    assert_eq!(sextant(0b10_1001), '\u{1fb27}');
    assert_eq!(sextant(0b10_1011), '\u{1fb28}');
    assert_eq!(sextant(0b11_1110), '\u{1fb3b}');
    assert_eq!((sextant(0b01_0101), sextant(0b10_1010)), ('▌', '▐'));
    // The rows of pixels lie across the thirds, so the middle third is what sticks out.
    let picture = RgbImage::from_fn(2, 4, |x, y| {
        Rgb([if x == 1 && (1..3).contains(&y) {
            255
        } else {
            0
        }; 3])
    });
    let found = rows(&picture, Glyphs::Sextants).next().unwrap()[0];
    assert_eq!(found.glyph, sextant(0b00_1000));
}

#[test]
fn cells_that_are_covered_in_part_are_filled() {
    let picture = RgbImage::from_pixel(3, 5, Rgb([7; 3]));
    let rows: Vec<_> = rows(&picture, Glyphs::Quadrants).collect();
    assert_eq!((rows.len(), rows[0].len()), (2, 2));
    assert!(
        rows.iter()
            .flatten()
            .all(|block| block.background == Rgb([7; 3]))
    );
}

#[test]
fn entries_of_the_palette_are_their_own_nearest() {
    assert_eq!(nearest_of_256(Rgb([255, 0, 0])), 196);
    assert_eq!(nearest_of_256(Rgb([95, 135, 175])), 67);
    assert_eq!(nearest_of_256(Rgb([128, 128, 128])), 244);
    assert_eq!(nearest_of_256(Rgb([255, 255, 255])), 231);
    assert_eq!(nearest_of_256(Rgb([0, 0, 0])), 16);
}

/// Pixels of a cell when the picture is looked at.
const SCREEN_PX: PixelSize = PixelSize::new(12, 24);

/// What a terminal makes of the blocks.
fn drawn(picture: &RgbImage, glyphs: Glyphs) -> RgbImage {
    let rows: Vec<Vec<Block>> = rows(picture, glyphs).collect();
    let shapes = glyphs.shapes();
    let (columns, lines) = (
        u32::try_from(rows[0].len()).unwrap(),
        u32::try_from(rows.len()).unwrap(),
    );
    let (width, height) = (SCREEN_PX.width, SCREEN_PX.height);
    RgbImage::from_fn(columns * width, lines * height, |x, y| {
        let block = rows[(y / height) as usize][(x / width) as usize];
        let shape = shapes
            .iter()
            .find(|(glyph, _)| *glyph == block.glyph)
            .map_or(0, |(_, shape)| *shape);
        let twelfth = y % height * 12 / height;
        let band = [4, 6, 8, 12].iter().position(|end| twelfth < *end).unwrap();
        let part = band * 2 + usize::from(x % width >= width / 2);
        if shape >> part & 1 == 1 {
            block.foreground
        } else {
            block.background
        }
    })
}

/// The mean squared error of a channel.
fn error(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    squares.sum::<f64>() / a.len() as f64
}

/// Prints the table with `-- --nocapture`.
#[test]
fn more_glyphs_come_nearer_to_the_bundled_pictures() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images");
    for cells in [20, 40] {
        let mut errors = [0.0; 3];
        let mut count = 0.0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let photo = image::open(entry.unwrap().path()).unwrap().into_rgb8();
            let screen = PixelSize::new(cells * SCREEN_PX.width, cells / 2 * SCREEN_PX.height);
            let source = resample_bilinear(&photo, screen).unwrap();
            let size = PixelSize::new(cells * BLOCK_PX.width, cells / 2 * BLOCK_PX.height);
            let picture = resample_bilinear(&photo, size).unwrap();
            for (sum, glyphs) in errors.iter_mut().zip(ALL) {
                *sum += error(&source, &drawn(&picture, glyphs));
            }
            count += 1.0;
        }
        let means = errors.map(|sum| sum / count);
        for (mean, glyphs) in means.iter().zip(ALL) {
            let decibels = 10.0 * (255.0_f64.powi(2) / mean).log10();
            println!(
                "{cells}x{} {:12} {mean:7.1} {decibels:5.2} dB",
                cells / 2,
                glyphs.name()
            );
        }
        let [halves, quadrants, sextants] = means;
        assert!(
            quadrants < halves * 0.9 && sextants < quadrants * 0.9,
            "{means:?}"
        );
    }
}

#[test]
fn each_part_has_its_mean_color() {
    let picture = RgbImage::from_fn(2, 4, |_, y| Rgb([[0, 90, 200, 240][y as usize]; 3]));
    for glyphs in [Glyphs::Halves, Glyphs::Quadrants] {
        let found = rows(&picture, glyphs).next().unwrap()[0];
        let colors = (found.foreground, found.background);
        assert_eq!(colors, (Rgb([45; 3]), Rgb([220; 3])));
    }
}
