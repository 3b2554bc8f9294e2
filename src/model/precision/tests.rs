use std::path::{Path, PathBuf};

use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction, explain, prediction_of, predictions};
use crate::model::device::{DeviceChoice, is_gpu};
use crate::model::passes::Passes;
use crate::model::zoo::tests::{basic, saved};
use crate::model::{LoadOptions, Model, ModelSource};
use crate::picture::decode::decode;

fn model(source: &ModelSource, device: DeviceChoice, precision: PrecisionChoice) -> Model {
    let options = LoadOptions {
        device,
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
fn differences(
    source: &ModelSource,
    device: DeviceChoice,
    precision: PrecisionChoice,
) -> (f32, f32) {
    let exact = model(source, device, PrecisionChoice::F32);
    let rounded = model(source, device, precision);
    assert!(rounded.takes_batches().unwrap());
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

fn stays_near(device: DeviceChoice, precision: PrecisionChoice) {
    let folder = tempfile::tempdir().unwrap();
    let small = ModelSource::File(saved(&basic([1, 2, 1, 1], 7), folder.path()));
    for (name, source) in [
        ("the demo model", ModelSource::Demo),
        ("a small network", small),
    ] {
        let (probability, map) = differences(&source, device, precision);
        println!("{name} on {device:?}, {precision:?}: {probability} {map}");
        assert!(probability < 0.02, "{name}: {probability}");
        assert!(map < 0.05, "{name}: {map}");
        // It is rounded at all.
        assert!(map > 0.0, "{name}");
    }
}

#[test]
fn sixteen_bits_keep_the_first_answer_and_move_probabilities_and_maps_within_a_bound() {
    // Asked first: once libtorch has run on the CPU, it may have decided that there is no GPU.
    let is_gpu = is_gpu(DeviceChoice::Auto);
    if processor_has_bfloat16() {
        stays_near(DeviceChoice::Cpu, PrecisionChoice::Bf16);
    }
    if is_gpu {
        stays_near(DeviceChoice::Auto, PrecisionChoice::Bf16);
        stays_near(DeviceChoice::Auto, PrecisionChoice::F16);
    }
}

#[test]
fn a_precision_is_refused_where_it_is_no_gain() {
    let choose = |choice, device| Precision::choose(choice, device);
    assert_eq!(
        choose(PrecisionChoice::F16, Device::Cpu)
            .unwrap_err()
            .to_string(),
        "float16 is for GPUs, and the device is cpu; leave --precision f16 out, or add --device cuda"
    );
    match choose(PrecisionChoice::Bf16, Device::Cpu) {
        Ok(precision) => assert_eq!(precision, Precision::Bf16),
        Err(error) => assert!(error.to_string().starts_with("this processor has no")),
    }
    for (choice, on_gpu) in [
        (PrecisionChoice::Auto, Precision::F32),
        (PrecisionChoice::F32, Precision::F32),
        (PrecisionChoice::Bf16, Precision::Bf16),
        (PrecisionChoice::F16, Precision::F16),
    ] {
        assert_eq!(choose(choice, Device::Cuda(1)).unwrap(), on_gpu);
        if on_gpu == Precision::F32 {
            assert_eq!(choose(choice, Device::Cpu).unwrap(), on_gpu);
        }
    }
}
