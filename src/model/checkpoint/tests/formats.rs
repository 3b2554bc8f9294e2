//! Every format that tests/golden/formats.py writes, held by the numbers that Python put in.

use serde::Deserialize;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::run::Plan;
use crate::model::zoo;

#[derive(Deserialize)]
struct Expected {
    /// Height and width of the input for the logits.
    side: i64,
    logits: Vec<f32>,
    network: BTreeMap<String, Numbers>,
    files: BTreeMap<String, Content>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    /// The network, with this before its names.
    Prefix(String),
    Weights(BTreeMap<String, Numbers>),
}

#[derive(Debug, Deserialize, PartialEq)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn expected() -> Expected {
    let text = std::fs::read_to_string(golden("formats/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

const RESAVE: &str = "torch.save(model.state_dict()";

/// File, weight, and what is said of it; without a weight, what is said of the file.
const SENTENCES: &[(&str, Option<&str>, &[&str])] = &[
    ("quantised.pth", Some("q"), &["quantised", "dequantize()"]),
    (
        "quantised_by_channel.pth",
        Some("q"),
        &["quantised", "dequantize()"],
    ),
    ("sparse.pth", Some("s"), &["sparse", "v.to_dense()"]),
    ("sparse_rows.pth", Some("s"), &["sparse", "v.to_dense()"]),
    (
        "complex.pth",
        Some("c"),
        &["ComplexFloat", "floating point"],
    ),
    ("float8.pth", Some("f"), &["float8_e4m3fn", "v.float()"]),
    (
        "meta.pth",
        Some("m"),
        &["no numbers of its own", "load the weights"],
    ),
    (
        "beside_numbers.pth",
        Some("steps"),
        &["Int64", "floating point"],
    ),
    ("odd.safetensors", Some("f"), &["F8_E4M3", "v.float()"]),
    ("odd.safetensors", Some("n"), &["I64", "floating point"]),
    ("empty.pth", None, &["a dictionary without weights", RESAVE]),
    (
        "empty_nest.pth",
        None,
        &["a dictionary without weights", RESAVE],
    ),
    (
        "list_of_tensors.pth",
        None,
        &["a list without weights", RESAVE],
    ),
    (
        "tensor.pth",
        None,
        &["a single tensor without weights", RESAVE],
    ),
    ("text.pth", None, &["a plain value without weights", RESAVE]),
];

/// Holds a file against what Python says that is in it.
fn check(name: &str, content: &Content, expected: &Expected) -> Result<(), String> {
    let outcome = opened(golden("formats").join(name));
    for (_, weight, words) in SENTENCES.iter().filter(|(file, ..)| *file == name) {
        let error = match (weight, &outcome) {
            (Some(weight), Ok(checkpoint)) => checkpoint.read(weight).map(|_| ()),
            (Some(_), Err(error)) => return Err(error.to_string()),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) => {
                sentence(&error.to_string(), name, words)?;
                return Ok(());
            }
        };
        let error = error.err().ok_or("it is not refused")?;
        sentence(&error.to_string(), name, words)?;
    }
    let checkpoint = outcome.map_err(|error| error.to_string())?;
    match content {
        Content::Prefix(prefix) => {
            for (weight, numbers) in &expected.network {
                same(&checkpoint, &format!("{prefix}{weight}"), numbers)?;
            }
            let logits = logits(&checkpoint, expected.side)?;
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4 * b.abs().max(1.0);
            if logits.len() != 3 || !logits.iter().zip(&expected.logits).all(near) {
                return Err(format!("logits {logits:?}, not {:?}", expected.logits));
            }
        }
        Content::Weights(weights) => {
            for (weight, numbers) in weights {
                same(&checkpoint, weight, numbers)?;
            }
        }
    }
    Ok(())
}

fn sentence(error: &str, name: &str, words: &[&str]) -> Result<(), String> {
    let said = words.iter().all(|word| error.contains(word));
    if said && error.contains(name) && !error.contains(char::is_control) {
        Ok(())
    } else {
        Err(format!("says {error:?}, not {words:?}"))
    }
}

fn same(checkpoint: &Checkpoint, key: &str, wanted: &Numbers) -> Result<(), String> {
    let tensor = checkpoint.read(key).map_err(|error| error.to_string())?;
    let found = Numbers {
        shape: tensor
            .size()
            .iter()
            .map(|side| usize::try_from(*side).unwrap())
            .collect(),
        values: Vec::try_from(tensor.reshape([-1])).unwrap(),
    };
    if found != *wanted || checkpoint.shape(key) != Some(wanted.shape.as_slice()) {
        return Err(format!("{key} is {found:?}, not {wanted:?}"));
    }
    Ok(())
}

/// What the network says of `sin(0), sin(1), …`, found under whatever prefix.
fn logits(checkpoint: &Checkpoint, side: i64) -> Result<Vec<f32>, String> {
    let network = zoo::build(checkpoint, None).map_err(|error| error.to_string())?;
    let target = network.target_layer.clone();
    let graph = network
        .into_graph(checkpoint)
        .map_err(|error| error.to_string())?;
    let layer = graph.layer(&target).ok_or("there is no such layer")?;
    let image = Tensor::arange(3 * side * side, (Kind::Float, Device::Cpu)).sin();
    let pass = Plan::new(&graph, layer)
        .and_then(|plan| plan.run(&graph, &image.view([1, 3, side, side]), &[]))
        .map_err(|error| error.to_string())?;
    Ok(pass.logits().to_vec())
}

#[test]
fn every_format_is_read_to_the_number_or_refused_in_a_sentence() {
    let expected = expected();
    let wrong: Vec<String> = expected
        .files
        .iter()
        .filter_map(|(name, content)| {
            let error = check(name, content, &expected).err()?;
            Some(format!("{name}: {error}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_classes_beside_the_weights_are_taken() {
    for name in ["training.pth", "class_to_idx.pth"] {
        let classes = opened(golden("formats").join(name)).unwrap().card.classes;
        assert_eq!(classes.unwrap(), ["cat", "dog", "wren"], "{name}");
    }
    let classes = opened(golden("formats/state_dict.pth"))
        .unwrap()
        .card
        .classes;
    assert_eq!(classes, None);
}

/// A file as tch writes it, of a weight and a bias.
pub(super) fn saved_by_tch(path: &Path) {
    let store = VarStore::new(Device::Cpu);
    let value = Tensor::from_slice(&[1.0_f32, -2.5, 3.25, 4.0]).view([2, 2]);
    let _weight = store.root().sub("layer1").var_copy("weight", &value.tr());
    let _bias = store.root().var_copy("bias", &value.get(0));
    store.save(path).unwrap();
}

#[test]
fn weights_that_tch_saves_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.ot");
    saved_by_tch(&path);
    let checkpoint = opened(path).unwrap();
    assert_eq!(
        checkpoint.keys().collect::<Vec<_>>(),
        ["bias", "layer1.weight"]
    );
    assert_eq!(numbers(&checkpoint, "bias"), [1.0, -2.5]);
    assert_eq!(checkpoint.shape("layer1.weight"), Some(&[2, 2][..]));
    assert_eq!(
        numbers(&checkpoint, "layer1.weight"),
        [1.0, 3.25, -2.5, 4.0]
    );
}
