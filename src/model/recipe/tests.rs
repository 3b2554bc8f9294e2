use super::*;

/// An image that Pillow and torchvision have resized and cropped; tests/golden/make.py makes them.
#[derive(Deserialize)]
struct Golden {
    image: (u32, u32),
    interpolation: Interpolation,
    resize: Side,
    crop: Option<(u32, u32)>,
    size: (u32, u32),
    /// Hexadecimal.
    pixels: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Side {
    Shorter(u32),
    Both(u32, u32),
}

/// The twin of `image` in tests/golden/make.py.
pub(crate) fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = |c: u32| {
            ((x * 7 + y * 13 + c * 29 + (x * y) % 31 * 5) % 256)
                .try_into()
                .unwrap()
        };
        image::Rgb([value(0), value(1), value(2)])
    })
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .map(|digit| digit.to_digit(16).unwrap().try_into().unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] * 16 + pair[1])
        .collect()
}

#[test]
fn what_the_network_sees_is_what_torchvision_makes_of_a_pillow_image() {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("../../../tests/golden/recipe.json")).unwrap();
    assert_eq!(goldens.len(), 32);
    for golden in goldens {
        let recipe = Recipe {
            resize: match golden.resize {
                Side::Shorter(side) => Resize::ShorterSide(side),
                Side::Both(width, height) => Resize::Squash(width, height),
            },
            crop: golden.crop,
            interpolation: golden.interpolation,
            ..Recipe::imagenet()
        };
        let what = format!("{} of {:?}", recipe.in_words(), golden.image);
        let (seen, geometry) = recipe
            .apply(&image(golden.image.0, golden.image.1))
            .unwrap();
        assert_eq!(seen.dimensions(), golden.size, "{what}");
        assert_eq!(
            geometry.input,
            PixelSize::new(golden.size.0, golden.size.1),
            "{what}"
        );
        let expected = bytes(&golden.pixels);
        let worst = seen
            .as_raw()
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst <= Some(1), "{what}: {worst:?}/255");
    }
}

#[test]
fn normalizing_subtracts_the_mean_divides_by_the_deviation_and_turns_the_channels() {
    let seen = RgbImage::from_pixel(2, 1, image::Rgb([255, 0, 51]));
    let (mean, std) = ([0.1, 0.2, 0.3], [0.5, 0.25, 0.1]);
    for (bgr, expected) in [(false, [1.8, -0.8, -1.0]), (true, [0.2, -0.8, 7.0])] {
        let recipe = Recipe {
            mean,
            std,
            bgr,
            ..Recipe::imagenet()
        };
        let tensor = recipe.normalize(&seen).unwrap();
        assert_eq!(tensor.size(), [1, 3, 1, 2]);
        for (channel, value) in (0..).zip(expected) {
            assert!(
                (tensor.double_value(&[0, channel, 0, 1]) - value).abs() < 1e-6,
                "{bgr} {channel}"
            );
        }
    }
}

#[test]
fn the_window_says_which_part_of_the_image_the_network_sees() {
    let (_, geometry) = Recipe::imagenet().apply(&image(512, 1024)).unwrap();
    // Shorter side 256 halves the image; the crop of 224 starts at (16, 144).
    let window = geometry.window;
    assert_eq!(
        (window.x, window.y, window.width, window.height),
        (32.0, 288.0, 448.0, 448.0)
    );
}

#[test]
fn an_image_smaller_than_the_crop_is_padded_on_all_sides() {
    let recipe = Recipe {
        resize: Resize::None,
        crop: Some((6, 6)),
        ..Recipe::imagenet()
    };
    let (seen, geometry) = recipe
        .apply(&RgbImage::from_pixel(2, 2, image::Rgb([9; 3])))
        .unwrap();
    assert_eq!(seen.get_pixel(1, 2).0, [0; 3]);
    assert_eq!(
        (seen.get_pixel(2, 2).0, seen.get_pixel(3, 3).0),
        ([9; 3], [9; 3])
    );
    assert_eq!((geometry.window.x, geometry.window.y), (-2.0, -2.0));
}

#[test]
fn a_squash_drops_the_crop_unless_the_user_gives_one() {
    let squash = RecipeOverrides {
        resize: Some(Resize::Squash(96, 96)),
        ..RecipeOverrides::default()
    };
    assert_eq!(Recipe::imagenet().with(&squash).unwrap().crop, None);
    let both = RecipeOverrides {
        crop: Some(Some((64, 64))),
        ..squash
    };
    assert_eq!(Recipe::imagenet().with(&both).unwrap().crop, Some((64, 64)));
}

#[test]
fn recipes_that_make_no_sense_are_refused_in_words() {
    let none = RecipeOverrides::default;
    for (overrides, words) in [
        (
            RecipeOverrides {
                resize: Some(Resize::ShorterSide(0)),
                ..none()
            },
            "a side of 0 pixels",
        ),
        (
            RecipeOverrides {
                crop: Some(Some((9000, 10))),
                ..none()
            },
            "a side of 9000 pixels",
        ),
        (
            RecipeOverrides {
                std: Some([1.0, 0.0, 1.0]),
                ..none()
            },
            "must be above zero",
        ),
        (
            RecipeOverrides {
                mean: Some([f32::NAN, 0.0, 0.0]),
                ..none()
            },
            "mean has a value that is not",
        ),
    ] {
        let error = Recipe::imagenet().with(&overrides).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let needle = RgbImage::new(1, 30_000);
    let wide = Recipe {
        resize: Resize::ShorterSide(4000),
        ..Recipe::imagenet()
    };
    assert!(
        wide.apply(&needle)
            .unwrap_err()
            .to_string()
            .contains("too long for this recipe")
    );
}

#[test]
fn a_recipe_says_itself_in_words() {
    assert_eq!(
        Recipe::imagenet().in_words(),
        "shorter side 256 (bilinear), center crop 224, ImageNet mean and std"
    );
    assert_eq!(
        Recipe::convention(32).in_words(),
        "squashed to 32 (bilinear), CIFAR-10 mean and std"
    );
    let own = Recipe {
        resize: Resize::None,
        crop: None,
        mean: [0.5; 3],
        bgr: true,
        ..Recipe::imagenet()
    };
    assert_eq!(
        own.in_words(),
        "size kept, mean 0.5,0.5,0.5 std 0.229,0.224,0.225, BGR"
    );
}

#[test]
fn conventions_of_other_sizes_and_spreads_say_themselves() {
    for (recipe, words) in [
        (
            Recipe::imagenet_at(342, 299, Interpolation::Bilinear),
            "shorter side 342 (bilinear), center crop 299, ImageNet mean and std",
        ),
        (
            Recipe::imagenet_at(248, 224, Interpolation::Bicubic).half(),
            "shorter side 248 (bicubic), center crop 224, mean and std 0.5",
        ),
        (
            Recipe::cifar_at(28),
            "squashed to 28 (bilinear), CIFAR-10 mean and std",
        ),
    ] {
        assert_eq!(recipe.in_words(), words);
    }
    assert_eq!(Recipe::convention(32), Recipe::cifar_at(32));
    assert_eq!(Recipe::convention(299), Recipe::imagenet());
}

#[test]
fn pictures_are_normalized_on_a_device_as_one_by_one() {
    let pictures = [3_u8, 5].map(|step| {
        RgbImage::from_fn(6, 4, |x, y| {
            let shade = |add: u32| u8::try_from((x * 7 + y * 31 + add) % 256).unwrap();
            image::Rgb([shade(0), shade(90).wrapping_mul(step), shade(170)])
        })
    });
    let seen: Vec<&RgbImage> = pictures.iter().collect();
    for bgr in [false, true] {
        let recipe = Recipe {
            bgr,
            ..Recipe::imagenet()
        };
        let one_by_one: Vec<Tensor> = seen
            .iter()
            .map(|seen| recipe.normalize(seen).unwrap())
            .collect();
        let wanted = Tensor::cat(&one_by_one, 0);
        let found = recipe.normalize_on(&seen, Device::Cpu).unwrap();
        assert_eq!(found.size(), [2, 3, 4, 6]);
        assert!(found.allclose(&wanted, 0.0, 1e-6, false), "bgr {bgr}");
    }
}
