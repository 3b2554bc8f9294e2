use serde_json::Value;

use super::*;
use crate::explain::evaluate::tests::{golden, of_given_map};
use crate::explain::methods::Unwatched;
use crate::model::recipe::tests::image;

fn numbers(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn without_noise_the_figures_are_pytorch_grad_cams() {
    for name in ["bumpy", "sparse", "spots"] {
        let found = of_given_map(name, |maps| measured(maps, 0.0, &mut Unwatched).unwrap());
        for (figure, found) in FIGURES.iter().zip(found) {
            let expected = golden()["maps"][name][figure.key].as_f64().unwrap();
            let what = format!("{name} {}: {found}, expected {expected}", figure.key);
            assert!((found - expected).abs() < 1e-4, "{what}");
        }
    }
}

#[test]
fn noise_moves_the_figures_a_little_and_is_the_same_in_every_run() {
    let noisy = || of_given_map("bumpy", |maps| measure(maps, &mut Unwatched).unwrap());
    let (found, still) = (noisy(), golden()["maps"]["bumpy"]["road"].as_f64().unwrap());
    let moved = (found[0] - still).abs();
    assert!((1e-6..0.05).contains(&moved), "{moved}");
    assert!(
        found
            .iter()
            .zip(noisy())
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
}

/// The first two channels of tests/golden/make.py's image, 6 wide and 5 high, in 0..=1.
fn values() -> Vec<f32> {
    let image = image(6, 5);
    let channel = |c: usize| image.pixels().map(move |pixel| f32::from(pixel[c]) / 255.0);
    channel(0).chain(channel(1)).collect()
}

#[test]
fn holes_are_filled_as_pytorch_grad_cam_fills_them() {
    let golden = &golden()["imputed"];
    let missing: Vec<bool> = numbers(&golden["known"]).iter().map(|k| *k < 0.5).collect();
    let mut random = Random::new(0);
    let found = imputer::imputed(&values(), (6, 5), &missing, 0.0, &mut random);
    for (place, (a, b)) in found.iter().zip(numbers(&golden["filled"])).enumerate() {
        assert!((a - b).abs() < 1e-5, "{place}: {a}, expected {b}");
    }
}

#[test]
fn with_nothing_known_all_is_zero_and_with_all_known_nothing_changes() {
    let mut random = Random::new(0);
    let mut filled =
        |missing| imputer::imputed(&values(), (6, 5), &[missing; 30], 0.0, &mut random);
    assert_eq!(filled(true), [0.0; 60]);
    assert_eq!(filled(false), values());
}

#[test]
fn percentiles_are_numpys() {
    let values = [0.3, 0.0, 0.0, 0.9, 0.25, 0.1, 1.0];
    let expected = numbers(&golden()["percentiles"]);
    for (percent, expected) in PERCENTILES.into_iter().zip(expected) {
        let found = imputer::percentile(&values, percent);
        assert!(
            (found - expected).abs() < 1e-7,
            "{percent}: {found}, expected {expected}"
        );
    }
}
