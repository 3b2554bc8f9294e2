//! A batch against its images one by one, on the bundled model.

use std::path::Path;

use super::*;
use crate::explain::tests::Seen;
use crate::geometry::InputGeometry;
use crate::model::{LoadOptions, ModelSource};
use crate::picture::decode::decode;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images/");

fn demo() -> Model {
    Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap()
}

fn seen(model: &Model, name: &str) -> (RgbImage, InputGeometry) {
    let image = decode(Path::new(&format!("{FOLDER}{name}"))).unwrap();
    model.recipe().apply(&image).unwrap()
}

/// The two best classes.
fn two(ranked: &[Prediction]) -> Vec<ClassIndex> {
    ranked.iter().take(2).map(|one| one.class).collect()
}

#[test]
fn each_image_has_the_maps_that_it_has_alone() {
    for by_backward_pass in [false, true] {
        let model = demo();
        if by_backward_pass {
            model.with_backward_pass_at(&model.summary().layer);
        }
        let images =
            ["03-apple-umbrella.png", "05-fish.png", "10-tree.png"].map(|name| seen(&model, name));
        let all: Vec<&RgbImage> = images.iter().map(|(image, _)| image).collect();
        let answers = explain_batch(&model, &all, 4, 3, &two).unwrap();
        assert_eq!(answers.len(), 3);
        for (answer, (image, geometry)) in answers.into_iter().zip(images) {
            let answer = answer.unwrap();
            assert_eq!(answer.predictions.len(), 3);
            let mut alone = Seen::of_input(&model, model.input(image, geometry).unwrap());
            for (rank, found) in answer.explanations.iter().enumerate() {
                let wanted = alone
                    .explain(answer.predictions[rank].class.0, &Options::default())
                    .unwrap();
                assert_eq!(found.target.class, wanted.target.class);
                assert_eq!(found.target.rank, rank + 1);
                assert_eq!(
                    (&found.layers, found.heatmap.state),
                    (&wanted.layers, wanted.heatmap.state)
                );
                let peak = wanted.heatmap.peak.max(1e-6);
                for (a, b) in found.raw.values.iter().zip(&wanted.raw.values) {
                    assert!((a - b).abs() <= 1e-4 * peak, "{a} {b}");
                }
                let channels = |explanation: &Explanation| -> Vec<usize> {
                    explanation.channels.iter().map(|one| one.channel).collect()
                };
                assert_eq!(channels(found), channels(&wanted));
            }
        }
    }
}

#[test]
fn what_lies_beside_an_image_in_a_full_batch_changes_no_bit_of_it() {
    let model = demo();
    let [fish, tree] = ["05-fish.png", "10-tree.png"].map(|name| seen(&model, name).0);
    let map = |images: &[&RgbImage], place: usize| {
        let answers = explain_batch(&model, images, 4, 5, &two).unwrap();
        let answer = answers.into_iter().nth(place).flatten().unwrap();
        let logits: Vec<u32> = answer
            .predictions
            .iter()
            .map(|one| one.logit.to_bits())
            .collect();
        let map: Vec<u32> = answer.explanations[1]
            .raw
            .values
            .iter()
            .map(|v| v.to_bits())
            .collect();
        (logits, map)
    };
    let alone = map(&[&fish], 0);
    assert_eq!(alone, map(&[&tree, &tree, &fish], 2));
    assert_eq!(alone, map(&[&tree, &fish, &tree, &tree], 1));
}

#[test]
fn an_image_whose_logits_are_no_numbers_is_left_to_be_looked_at_by_itself() {
    assert!(ranked(&[0.0, f32::NAN]).is_err());
    assert!(takes(&Options::default()));
    let slow = Options {
        aug_smooth: true,
        ..Options::default()
    };
    assert!(!takes(&slow));
}
