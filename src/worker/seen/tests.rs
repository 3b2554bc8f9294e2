use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, Rgb};

use super::*;

/// With a fine pattern, soft shades, an edge and another side for each corner.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a byte")]
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |period: f32| 40.0 * (x as f32 / period).sin() * (y as f32 / period).cos();
        let slope = 160.0 * x as f32 / width as f32;
        let grain = f32::from((x * 7919 + y * 104_729 + x * y % 613).to_le_bytes()[0]) / 16.0;
        let shade = |level: f32| (level + grain).clamp(0.0, 255.0) as u8;
        if x > width / 2 && y < height / 3 {
            Rgb([shade(30.0), shade(200.0 - wave(300.0)), shade(60.0)])
        } else {
            Rgb([
                shade(60.0 + slope),
                shade(90.0 + wave(200.0)),
                shade(120.0 + wave(37.0)),
            ])
        }
    })
}

fn jpeg(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    image.write_with_encoder(encoder).unwrap();
    bytes
}

/// With an EXIF orientation, 1 to 8: APP1 with one little-endian TIFF entry (0x0112).
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif =
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
            .to_vec();
    exif[28] = orientation;
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

fn recipe(scaled_jpeg: bool) -> Recipe {
    Recipe {
        scaled_jpeg,
        ..Recipe::imagenet_at(64, 56, crate::model::recipe::Interpolation::Bilinear)
    }
}

/// What the network sees at full size and scaled, of the same file.
fn both(name: &str, bytes: &[u8]) -> [Seen; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    [false, true].map(|scaled| read(&path, &recipe(scaled), false).unwrap())
}

/// Levels of 255 by which values differ: on average, and all but one in a hundred.
fn apart(one: &RgbImage, other: &RgbImage) -> (f64, u8) {
    assert_eq!(one.dimensions(), other.dimensions());
    let pairs = one.as_raw().iter().zip(other.as_raw());
    let mut levels: Vec<u8> = pairs.map(|(a, b)| a.abs_diff(*b)).collect();
    levels.sort_unstable();
    let sum: f64 = levels.iter().map(|&level| f64::from(level)).sum();
    (sum / levels.len() as f64, levels[levels.len() * 99 / 100])
}

#[test]
fn a_large_jpeg_at_a_part_of_its_size_is_within_a_tolerance_of_the_whole() {
    let grey = DynamicImage::from(photo(1500, 1030)).into_luma8().into();
    for (name, image) in [
        ("an eighth", photo(1501, 1027).into()),
        ("a quarter", photo(803, 611).into()),
        ("grey", grey),
    ] {
        let jpeg = jpeg(&image);
        for orientation in 1..=8 {
            let [whole, scaled] = both("photo.jpg", &turned(&jpeg, orientation));
            assert_eq!(whole.geometry, scaled.geometry, "{name}, {orientation}");
            let (mean, most) = apart(&whole.pixels, &scaled.pixels);
            println!("{name}, {orientation}: {mean:.3} {most}");
            assert!(mean > 0.0, "{name} was not scaled");
            assert!(
                mean < 1.0 && most <= 5,
                "{name}, {orientation}: {mean} {most}"
            );
        }
    }
}

#[test]
fn what_cannot_be_scaled_is_read_whole() {
    let large = photo(1501, 1027);
    let mut png = std::io::Cursor::new(Vec::new());
    large.write_to(&mut png, image::ImageFormat::Png).unwrap();
    for (name, bytes) in [
        ("small.jpg", jpeg(&photo(500, 400).into())),
        ("large.png", png.into_inner()),
    ] {
        let [whole, scaled] = both(name, &bytes);
        assert_eq!(whole.pixels, scaled.pixels, "{name}");
    }
}

#[test]
fn a_photo_that_is_wanted_comes_whole_and_the_network_sees_it_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    std::fs::write(&path, jpeg(&photo(1501, 1027).into())).unwrap();
    let alone = read(&path, &recipe(true), false).unwrap();
    let seen = read(&path, &recipe(true), true).unwrap();
    let photo = seen.photo.unwrap();
    assert_eq!(photo.dimensions(), (1501, 1027));
    assert_eq!(alone.pixels, seen.pixels);
    assert!(alone.photo.is_none());
    let (pixels, geometry) = of_photo(&path, &photo, &recipe(true)).unwrap();
    assert_eq!((pixels, geometry), (alone.pixels, alone.geometry));
    // A file that was written meanwhile is another image.
    let other = image::imageops::crop_imm(&photo, 0, 0, 900, 900).to_image();
    let (pixels, _) = of_photo(&path, &other, &recipe(true)).unwrap();
    assert_eq!(pixels, recipe(true).apply(&other).unwrap().0);
}

#[test]
fn a_damaged_jpeg_has_the_words_that_it_has_at_full_size() {
    let whole = jpeg(&photo(1501, 1027).into());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.jpg");
    let header = whole
        .windows(2)
        .position(|two| two == [0xff, 0xda])
        .unwrap();
    for kept in [3, 30, header / 2, header] {
        std::fs::write(&path, &whole[..kept]).unwrap();
        let [expected, found] = [false, true].map(|scaled| read(&path, &recipe(scaled), false));
        assert_eq!(found.unwrap_err(), expected.unwrap_err(), "{kept}");
    }
}
