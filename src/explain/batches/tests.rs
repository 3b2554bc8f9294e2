//! A batch against its images one by one, on the bundled model.

use std::path::Path;

use super::*;
use crate::explain::methods::{MethodId, parity::network};
use crate::explain::options::Fusion;
use crate::explain::score;
use crate::explain::target::Measure;
use crate::explain::tests::Seen;
use crate::model::graph::{Builder, ValueId};
use crate::model::recipe::tests::image as picture;
use crate::model::tests::literal;
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

/// The two best classes; of the fish one more, so that not all have as many.
fn two_or_three(ranked: &[Prediction]) -> Vec<ClassIndex> {
    let count = if ranked[0].label == "fish" { 3 } else { 2 };
    ranked.iter().take(count).map(|one| one.class).collect()
}

fn answers(
    model: &Model,
    images: &[(RgbImage, InputGeometry)],
    options: &Options,
) -> Vec<Result<Answer, ExplainError>> {
    let subjects: Vec<Subject<'_>> = images
        .iter()
        .map(|(seen, geometry)| Subject {
            seen,
            geometry: *geometry,
        })
        .collect();
    let question = Question {
        top: 3,
        classes: &two_or_three,
        options,
    };
    explain_batch(model, &subjects, 4, question).unwrap()
}

/// Compares three images of a batch of four with the same by themselves.
fn are_as_alone(model: &Model, options: &Options) {
    assert!(takes(options) && model.takes_batches().unwrap());
    let names = ["03-apple-umbrella.png", "05-fish.png", "10-tree.png"];
    let images = names.map(|name| seen(model, name));
    let answers = answers(model, &images, options);
    assert_eq!(answers.len(), 3);
    for (answer, (image, geometry)) in answers.into_iter().zip(images) {
        let answer = answer.unwrap();
        assert_eq!(answer.predictions.len(), 3);
        let asked = two_or_three(&answer.predictions);
        assert_eq!(answer.explanations.len(), asked.len());
        let mut alone = Seen::of_input(model, model.input(image, geometry).unwrap());
        for (found, class) in answer.explanations.iter().zip(asked) {
            let wanted = alone.explain(class.0, options).unwrap();
            assert_eq!(found.target.class, class);
            assert_eq!(found.target.rank, wanted.target.rank);
            assert_eq!(
                (&found.layers, found.heatmap.state, &found.versus.is_some()),
                (
                    &wanted.layers,
                    wanted.heatmap.state,
                    &wanted.versus.is_some()
                ),
            );
            assert_eq!(found.raw.width, wanted.raw.width);
            let largest = |grid: &crate::heatmap::Grid| {
                grid.values
                    .iter()
                    .fold(0.0_f32, |most, value| most.max(value.abs()))
            };
            let scale = largest(&wanted.raw).max(1e-6);
            for (a, b) in found.raw.values.iter().zip(&wanted.raw.values) {
                assert!((a - b).abs() <= 1e-4 * scale, "{options:?}: {a} {b}");
            }
            let channels = |explanation: &Explanation| -> Vec<usize> {
                explanation.channels.iter().map(|one| one.channel).collect()
            };
            assert_eq!(channels(found), channels(&wanted));
        }
    }
}

#[test]
fn each_image_has_the_maps_of_every_method_that_it_has_alone() {
    let mut count = 0;
    for by_backward_pass in [false, true] {
        let model = demo();
        if by_backward_pass {
            model.with_backward_pass_at(&model.summary().layer);
        }
        for method in MethodId::all().filter(|id| id.method().takes_batches) {
            // CAM needs the weights that the backward pass takes the place of.
            if !(by_backward_pass && method.method().key == "cam") {
                let options = Options {
                    method,
                    ..Options::default()
                };
                are_as_alone(&model, &options);
                count += 1;
            }
        }
    }
    assert!(count >= 20, "{count}");
}

/// Maps of tokens, with the channels last, and before layers that take the place of a backward pass.
#[test]
fn each_image_has_the_maps_of_other_families_that_it_has_alone() {
    for name in ["resnet", "vgg", "vit", "gap vit", "swin"] {
        let (model, _) = network(name);
        for method in ["grad-cam", "grad-cam++", "finer-cam"] {
            let options = Options {
                method: method.parse().unwrap(),
                ..Options::default()
            };
            are_as_alone(&model, &options);
        }
    }
}

#[test]
fn each_image_has_the_maps_of_every_score_and_layer_that_it_has_alone() {
    let model = demo();
    let usual = Options::default();
    let layers: Vec<String> = model.stages(&model.summary().layer, 3).unwrap();
    assert!(layers.len() == 3);
    for options in [
        Options {
            measure: Measure::Probability,
            ..usual.clone()
        },
        Options {
            versus: Some(ClassIndex(1)),
            counterfactual: true,
            ..usual.clone()
        },
        Options {
            eigen_smooth: true,
            ..usual.clone()
        },
        Options {
            layers: vec![layers[1].clone()],
            ..usual.clone()
        },
        Options {
            layers,
            fusion: Fusion::Max,
            method: "grad-cam++".parse().unwrap(),
            ..usual
        },
    ] {
        are_as_alone(&model, &options);
    }
}

#[test]
fn what_lies_beside_an_image_in_a_full_batch_changes_no_bit_of_it() {
    let model = demo();
    let early = model.stages(&model.summary().layer, 2).unwrap();
    let [fish, tree] = ["05-fish.png", "10-tree.png"].map(|name| seen(&model, name));
    for layers in [Vec::new(), vec![early[0].clone()]] {
        let options = Options {
            layers,
            method: "grad-cam++".parse().unwrap(),
            ..Options::default()
        };
        let map = |images: &[(RgbImage, InputGeometry)], place: usize| {
            let answers = answers(&model, images, &options);
            let answer = answers.into_iter().nth(place).unwrap().unwrap();
            let logits: Vec<u32> = answer
                .predictions
                .iter()
                .map(|one| one.logit.to_bits())
                .collect();
            let map = &answer.explanations[1].raw.values;
            (logits, map.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        };
        let of = |images: &[&(RgbImage, InputGeometry)], place| {
            map(&images.iter().copied().cloned().collect::<Vec<_>>(), place)
        };
        let alone = of(&[&fish], 0);
        assert_eq!(alone, of(&[&tree, &tree, &fish], 2));
        assert_eq!(alone, of(&[&tree, &fish, &tree, &tree], 1));
    }
}

#[test]
fn a_class_that_does_not_exist_is_an_error_of_each_image() {
    let model = demo();
    let [fish, tree] = ["05-fish.png", "10-tree.png"].map(|name| seen(&model, name));
    let options = Options {
        versus: Some(ClassIndex(999)),
        ..Options::default()
    };
    for answer in answers(&model, &[fish, tree], &options) {
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("999"), "{error}");
    }
}

/// A network whose layer puts the channels of all images of a batch one behind the other.
fn mixing() -> Model {
    const SIDE: i64 = 15;
    let mut builder = Builder::default();
    let image = builder.input();
    let reshaped = |builder: &mut Builder, x: ValueId, shape: &[i64]| {
        let arguments = [("self", x.into()), ("shape", shape.into())];
        builder.call("reshape", &arguments).unwrap()
    };
    let mixed = reshaped(&mut builder, image, &[1, -1, SIDE, SIDE]);
    builder.layer("mixed", mixed, None);
    let apart = reshaped(&mut builder, mixed, &[-1, 3 * SIDE * SIDE]);
    let weights: Vec<f32> = (0..6 * SIDE * SIDE)
        .map(|at| (at % 7) as f32 - 3.0)
        .collect();
    let weight = builder.constant(tch::Tensor::from_slice(&weights).view([2, -1]));
    let arguments = [("input", apart.into()), ("weight", weight.into())];
    let logits = builder.call("linear", &arguments).unwrap();
    literal(builder.finish(logits), "mixed", (15, 15))
}

#[test]
fn a_layer_that_mixes_images_is_explained_and_scored_image_by_image() {
    let model = mixing();
    assert!(model.takes_batches().unwrap());
    let mirrored = image::imageops::flip_horizontal(&picture(15, 15));
    let images = [picture(15, 15), mirrored].map(|image| model.recipe().apply(&image).unwrap());
    let found = answers(&model, &images, &Options::default());
    let subjects = images.each_ref().map(|(seen, geometry)| score::Subject {
        seen,
        geometry,
        truth: &[],
    });
    let scores = score::score(&model, &subjects, 4, &|| false).unwrap();
    assert_eq!((found.len(), scores.len()), (2, 2));
    for ((answer, score), (seen, geometry)) in found.into_iter().zip(scores).zip(images) {
        let (answer, score) = (answer.unwrap(), score.unwrap());
        let mut alone = Seen::of_input(&model, model.input(seen, geometry).unwrap());
        for found in &answer.explanations {
            let class = found.target.class.0;
            let wanted = alone.explain(class, &Options::default()).unwrap();
            assert_eq!(found.raw, wanted.raw);
        }
        let best = score.top().next().unwrap();
        let wanted = &answer.predictions[0];
        assert_eq!(
            (best.class as usize, best.logit),
            (wanted.class.0, wanted.logit)
        );
    }
}
