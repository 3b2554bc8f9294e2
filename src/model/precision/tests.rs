use std::path::{Path, PathBuf};

use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction, explain, prediction_of, predictions};
use crate::model::passes::Passes;
use crate::model::zoo::tests::{basic, saved};
use crate::model::{LoadOptions, Model, ModelSource};
use crate::picture::decode::decode;

fn model(source: &ModelSource, precision: PrecisionChoice) -> Model {
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    Model::load(source, &options).unwrap()
}

fn images() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/images");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What a model says of an image: its first answer, and the map of a class.
fn seen(model: &Model, image: &Path, class: Option<Prediction>) -> (Prediction, Explanation) {
    let input = model.prepare(&decode(image).unwrap()).unwrap();
    let mut passes = Passes::default();
    let pass = passes.at(model, &input, &model.summary().layer).unwrap();
    let logits = pass.logits().to_vec();
    let first = match class {
        Some(class) => prediction_of(model, &input, &logits, class.class).unwrap(),
        None => predictions(model, &input, &logits, 1).unwrap().remove(0),
    };
    let options = Options::default();
    let explanation = explain(
        model,
        &input,
        &mut passes,
        first.class,
        &options,
        &mut Unwatched,
    );
    (first, explanation.unwrap())
}

/// The largest differences of a probability and of a map, in parts of its peak, over all images.
fn differences(source: &ModelSource) -> (f32, f32) {
    let [exact, rounded] =
        [PrecisionChoice::F32, PrecisionChoice::Bf16].map(|choice| model(source, choice));
    assert_eq!(rounded.summary().device_and_precision(), "cpu, bf16");
    let (mut probability, mut map) = (0.0_f32, 0.0_f32);
    for image in images() {
        let (expected, expected_map) = seen(&exact, &image, None);
        let (found, found_map) = seen(&rounded, &image, Some(expected.clone()));
        assert_eq!(found.rank, 1, "{}", image.display());
        probability = probability.max((found.probability - expected.probability).abs());
        let pairs = found_map.heatmap.grid.values.iter();
        for (found, expected) in pairs.zip(&expected_map.heatmap.grid.values) {
            map = map.max((found - expected).abs());
        }
    }
    (probability, map)
}

#[test]
fn bfloat16_keeps_the_first_answer_and_moves_probabilities_and_maps_within_its_bound() {
    if !processor_has_bfloat16() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let small = ModelSource::File(saved(&basic([1, 2, 1, 1], 7), folder.path()));
    for (name, source) in [
        ("the demo model", ModelSource::Demo),
        ("a small network", small),
    ] {
        let (probability, map) = differences(&source);
        assert!(probability < 0.02, "{name}: {probability}");
        assert!(map < 0.05, "{name}: {map}");
        // It is rounded at all.
        assert!(map > 0.0, "{name}");
    }
}

#[test]
fn bfloat16_is_refused_where_it_is_no_gain() {
    let gpu = Precision::choose(PrecisionChoice::Bf16, Device::Cuda(1)).unwrap_err();
    assert_eq!(
        gpu.to_string(),
        "bfloat16 is for the CPU, and the device is cuda:1; leave --precision bf16 out, or add --device cpu"
    );
    match Precision::choose(PrecisionChoice::Bf16, Device::Cpu) {
        Ok(precision) => assert_eq!(precision, Precision::Bf16),
        Err(error) => assert!(error.to_string().starts_with("this processor has no")),
    }
    for choice in [PrecisionChoice::Auto, PrecisionChoice::F32] {
        assert_eq!(
            Precision::choose(choice, Device::Cpu).unwrap(),
            Precision::F32
        );
    }
}
