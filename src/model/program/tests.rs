use std::path::PathBuf;

use serde::Deserialize;
use tch::{Device, Tensor};

use super::*;
use crate::model::run::{Plan, look_through};

#[derive(Debug, Deserialize)]
struct Expected {
    layer: String,
    logits: Vec<f32>,
    grid: Vec<i64>,
    map: Vec<f64>,
}

/// A file that tests/golden/programs.py has written.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/programs")
        .join(name)
}

fn opened(name: &str) -> Result<Loaded, ProgramError> {
    open(&golden(name), (16, 16))
}

fn refused(name: &str) -> String {
    opened(name).unwrap_err().to_string()
}

/// The image of the script; the generator is seeded for it alone.
fn image() -> Tensor {
    let _turn = crate::model::zoo::generator();
    tch::manual_seed(7);
    Tensor::empty([1, 3, 16, 16], (Kind::Float, Device::Cpu)).uniform_(-2.0, 2.0)
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 2e-5,
            "{what}: {found} is not {expected}"
        );
    }
}

#[test]
fn programs_of_every_format_give_the_logits_and_maps_of_pytorch() {
    let text = std::fs::read_to_string(golden("programs.json")).unwrap();
    let all: HashMap<String, Expected> = serde_json::from_str(&text).unwrap();
    for name in [
        "net-2.6.pt2",
        "net-2.8.pt2",
        "net-2.13.pt2",
        "net-batch.pt2",
        "net-training.pt2",
        "net-scripted.pt",
        "net-traced.pt",
        "reshaping-batch.pt2",
        "reshaping-scripted.pt",
        "reshaping-traced.pt",
        "overwriting-functional.pt2",
    ] {
        let expected = &all[name.split('-').next().unwrap()];
        let loaded = opened(name).unwrap_or_else(|error| panic!("{error}"));
        let layer = loaded
            .graph
            .layer(&expected.layer)
            .unwrap_or_else(|| panic!("{name} has the layers {:?}", loaded.graph.layers));
        let plan = Plan::new(&loaded.graph, layer).unwrap();
        let pass = plan.run(&loaded.graph, &image(), &[]).unwrap();
        let numbers = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        close(&numbers(pass.logits()), &numbers(&expected.logits), name);
        let best = (0..5)
            .max_by(|a, b| pass.logits()[*a].total_cmp(&pass.logits()[*b]))
            .unwrap();
        let weights = pass
            .gradients(&[(crate::model::ClassIndex(best), 1.0)])
            .unwrap()
            .mean_dim([1_i64, 2].as_slice(), true, Kind::Float);
        let map =
            (weights * pass.activations().unwrap()).sum_dim_intlist(0_i64, false, Kind::Float);
        assert_eq!(map.size(), expected.grid, "{name}");
        close(
            &Vec::try_from(map.to_kind(Kind::Double).view([-1])).unwrap(),
            &expected.map,
            name,
        );
    }
}

#[test]
fn layers_have_the_names_of_modules_and_the_default_is_the_last_with_a_map() {
    for name in [
        "net-2.6.pt2",
        "net-2.13.pt2",
        "net-scripted.pt",
        "net-traced.pt",
    ] {
        let graph = opened(name).unwrap().graph;
        let names: Vec<&str> = graph
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect();
        for module in [
            "stem.0",
            "stem",
            "layer1.0.conv",
            "layer1.1.bn",
            "layer1.1",
            "layer1",
            "fc",
        ] {
            assert!(names.contains(&module), "{name} lacks {module}: {names:?}");
        }
        let (default, classes) = look_through(&graph, &image()).unwrap();
        assert_eq!((default.as_str(), classes), ("layer1", 5), "{name}");
    }
}

#[test]
fn a_frozen_archive_has_its_layers_by_operation() {
    let graph = opened("net-frozen.pt").unwrap().graph;
    let (default, classes) = look_through(&graph, &image()).unwrap();
    assert_eq!(classes, 5);
    assert!(graph.layer("conv2d_1").is_some(), "{:?}", graph.layers);
    assert!(graph.layer(&default).is_some());
}

#[test]
fn a_program_that_cannot_be_used_says_what_to_do() {
    let overwriting = refused("overwriting.pt2");
    assert!(
        overwriting.contains("overwrites a part of a tensor")
            && overwriting.contains("run_decompositions"),
        "{overwriting}"
    );
    let two = refused("net-two-images.pt2");
    assert!(
        two.contains("2 images at a time") && two.contains("dynamic_shapes"),
        "{two}"
    );
}

#[test]
fn a_damaged_archive_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(golden("net-2.13.pt2")).unwrap();
    for keep in [
        0,
        10,
        1000,
        whole.len() / 2,
        whole.len() - 100,
        whole.len() - 1,
    ] {
        let path = folder.path().join("cut.pt2");
        std::fs::write(&path, &whole[..keep]).unwrap();
        let error = open(&path, (16, 16)).unwrap_err().to_string();
        assert!(
            error.contains("cut.pt2") && !error.contains('\n'),
            "{keep}: {error}"
        );
    }
}
