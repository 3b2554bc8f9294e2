//! The oracle: what PyTorch computes for every network of every family, with the same weights.
//!
//! `tests/golden/families.py` builds the networks, fills them with numbers that any libtorch makes
//! again, runs them, and writes what it saw to `tests/golden/families/*.json.gz`; its docstring is
//! the contract that [`Filled`] keeps. The tests build the same networks from nothing but the names
//! and shapes of their weights. Where there is a GPU, they run there too.
//!
//! Two variables steer them: `GRADCAM_ONLY=resnet18` limits the records to those whose name has it,
//! `GRADCAM_WRITE_TABLE=1` writes what was found into the table of `docs/models.md`.

mod table;

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tch::{Device, Kind, Tensor};

use super::{Network, build};
use crate::model::checkpoint::{Card, Checkpoint, CheckpointError, Store};
use crate::model::device::tested;
use crate::model::fused::Copies;
use crate::model::graph::Graph;
use crate::model::run::{self, Plan, shapes};
use crate::model::{ClassIndex, Input, Model};

/// Largest difference of a number, where the numbers of its kind are about 1.
const TOLERANCE: f64 = 1e-4;

/// libtorch's generator of random numbers is one for all threads, and the largest networks fill the
/// memory: one network at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The right to use the generator.
pub(crate) fn generator() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One network as PyTorch has it.
#[derive(Debug, Deserialize)]
struct Record {
    /// "torchvision/resnet18 with 7 classes".
    name: String,
    keys: Vec<Key>,
    input: [i64; 2],
    gain: f64,
    classes: usize,
    #[serde(default)]
    settings: BTreeMap<String, serde_json::Value>,
    logits: Logits,
    layers: Vec<LayerRecord>,
    cam: Cam,
}

/// Name and shape; a kind as third part where it is not float32.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Key {
    Float(String, Vec<usize>),
    Other(String, Vec<usize>, IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Logits {
    first: Vec<f64>,
    sum_abs: f64,
}

#[derive(Debug, Deserialize)]
struct LayerRecord {
    name: String,
    shape: Vec<i64>,
    mean_abs: f64,
    sample: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Cam {
    layer: String,
    class: usize,
    grid: [usize; 2],
    raw: Vec<f64>,
}

/// The weights of a record, made when they are read.
#[derive(Debug)]
struct Filled {
    gain: f64,
    weights: BTreeMap<String, (i64, Vec<usize>)>,
}

/// How far a network is from PyTorch's.
#[derive(Debug)]
struct Difference {
    /// In parts of the mean size of a logit.
    logits: f64,
    /// In parts of the map's peak.
    map: f64,
}

/// All records of a family's file.
fn records(family: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/golden/families/{family}.json.gz"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A network of a family's file, with its input.
pub(crate) fn model(family: &str, name: &str) -> (Model, Input) {
    model_on(Device::Cpu, family, name)
}

/// The same on a device.
pub(crate) fn model_on(device: Device, family: &str, name: &str) -> (Model, Input) {
    let records = records(family);
    let record = records.iter().find(|record| record.name == name).unwrap();
    let _turn = generator();
    let checkpoint = record.checkpoint();
    let network = record.network(&checkpoint).unwrap();
    let layer = network.target_layer.clone();
    let mut graph = network.into_graph(&checkpoint).unwrap();
    graph.to_device(device).unwrap();
    let size = record.input.map(|side| u32::try_from(side).unwrap());
    let model = Model::of_graph(graph, &layer, record.classes, size);
    (model, Input::of_tensor(record.image().to_device(device)))
}

#[expect(clippy::disallowed_methods, reason = "a message to this test alone")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Every network of the family is recognised, and its logits, layers and map equal PyTorch's. The
/// table in the documentation has them all.
fn all_match(family: &str) {
    let only = variable("GRADCAM_ONLY").unwrap_or_default();
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for record in records(family) {
        if !record.name.contains(&only) {
            continue;
        }
        for device in tested() {
            match record.compare(device) {
                Ok(difference) if device == Device::Cpu => {
                    rows.push(table::Row::new(&record, &difference));
                }
                Ok(_) => {}
                Err(failure) => failures.push(format!("{} on {device:?}: {failure}", record.name)),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} match; these do not:\n{}",
        rows.len(),
        failures.join("\n")
    );
    if variable("GRADCAM_WRITE_TABLE").is_some() {
        table::write(rows);
    } else {
        table::has(&rows);
    }
}

impl Record {
    fn checkpoint(&self) -> Checkpoint {
        let mut weights = BTreeMap::new();
        let mut number = 0;
        for key in &self.keys {
            match key {
                Key::Float(name, shape) => {
                    weights.insert(name.clone(), (number, shape.clone()));
                    number += 1;
                }
                // A whole number buffer; the network computes it again.
                Key::Other(name, shape, _) => {
                    weights.insert(name.clone(), (-1, shape.clone()));
                }
            }
        }
        let store = Filled {
            gain: self.gain,
            weights,
        };
        let card = Card {
            settings: self.settings.clone(),
            ..Card::default()
        };
        Checkpoint::of(self.name.clone(), String::new(), card, store).unwrap()
    }

    fn network(&self, checkpoint: &Checkpoint) -> Result<Network, String> {
        let size = self.input.map(|side| usize::try_from(side).unwrap());
        build(checkpoint, Some(size.into())).map_err(|error| error.to_string())
    }

    /// The input, `[1, 3, height, width]`. Needs the generator's turn.
    fn image(&self) -> Tensor {
        let [height, width] = self.input;
        tch::manual_seed(7);
        Tensor::empty([1, 3, height, width], (Kind::Float, Device::Cpu)).uniform_(-2.0, 2.0)
    }

    /// # Errors
    /// What differs first, in words.
    fn compare(&self, device: Device) -> Result<Difference, String> {
        let _turn = generator();
        let checkpoint = self.checkpoint();
        let network = self.network(&checkpoint)?;
        if network.classes != self.classes {
            return Err(format!("{} classes, not {}", network.classes, self.classes));
        }
        let default = network.target_layer.clone();
        if default != self.cam.layer {
            return Err(format!(
                "the default layer is {default}, not {}",
                self.cam.layer
            ));
        }
        let mut graph = network
            .into_graph(&checkpoint)
            .map_err(|error| error.to_string())?;
        graph.to_device(device).map_err(|error| error.to_string())?;
        let input = self.image().to_device(device);
        self.compare_layers(&graph, &input)?;
        // As the program runs it.
        graph.fuse_operations(Copies::Any);
        graph.narrow_operations();
        let layer = graph
            .layer(&default)
            .ok_or("the default layer is not in the graph")?;
        let plan = Plan::new(&graph, layer).map_err(|error| error.to_string())?;
        let pass = plan
            .run(&graph, &input, &[])
            .map_err(|error| error.to_string())?;
        let logits: Vec<f64> = pass.logits().iter().copied().map(f64::from).collect();
        let sum_abs: f64 = logits.iter().map(|logit| logit.abs()).sum();
        let scale = self.logits.sum_abs / self.classes as f64;
        let logit_difference = difference(&self.logits.first, &logits, scale)
            .max((sum_abs - self.logits.sum_abs).abs() / self.logits.sum_abs);
        if logit_difference > TOLERANCE {
            return Err(format!(
                "the logits differ by {logit_difference:.2e} of their size"
            ));
        }
        // Of two images each has the logits that it has alone.
        let both = Tensor::cat(&[input.flip([3]), input.shallow_clone()], 0);
        let both = run::logits(&graph, &both).map_err(|error| format!("of two images: {error}"))?;
        let second: Vec<f64> = numbers(&both.select(0, 1));
        let apart = difference(&logits, &second, scale);
        if apart > TOLERANCE {
            return Err(format!(
                "the logits of the second of two images differ by {apart:.2e} of their size"
            ));
        }
        let class = ClassIndex(self.cam.class);
        let (activations, weights) = (
            pass.activations().map_err(|error| error.to_string())?,
            pass.mean_gradients(&[(class, 1.0)])
                .map_err(|error| error.to_string())?,
        );
        let raw =
            (activations * weights.view([-1, 1, 1])).sum_dim_intlist(0_i64, false, Kind::Float);
        let grid: Vec<i64> = self
            .cam
            .grid
            .iter()
            .map(|&side| i64::try_from(side).unwrap())
            .collect();
        if raw.size() != grid {
            return Err(format!("the map is {:?}, not {grid:?}", raw.size()));
        }
        let raw = numbers(&raw);
        let size = self
            .cam
            .raw
            .iter()
            .fold(0.0_f64, |size, value| size.max(value.abs()));
        let map = difference(&self.cam.raw, &raw, size);
        if map > TOLERANCE {
            return Err(format!(
                "the map of {default} differs by {map:.2e} of its peak"
            ));
        }
        Ok(Difference {
            logits: logit_difference,
            map,
        })
    }

    fn compare_layers(&self, graph: &Graph, input: &Tensor) -> Result<(), String> {
        let shapes = shapes(graph, input).map_err(|error| error.to_string())?;
        let wanted: HashMap<&str, &LayerRecord> = self
            .layers
            .iter()
            .map(|layer| (layer.name.as_str(), layer))
            .collect();
        for (name, record) in wanted {
            let layer = graph
                .layer(name)
                .ok_or_else(|| format!("there is no layer {name}"))?;
            let found = shapes
                .get(&layer.output)
                .ok_or_else(|| format!("{name} was not run"))?;
            if *found != record.shape {
                return Err(format!(
                    "layer {name} has shape {found:?}, not {:?}",
                    record.shape
                ));
            }
            let mut values: Vec<Option<Tensor>> = (0..graph.values).map(|_| None).collect();
            values[graph.input.0] = Some(input.shallow_clone());
            let output = tch::no_grad(|| {
                for node in &graph.nodes {
                    let outputs = node
                        .run(|id| graph.constants.get(&id).or_else(|| values[id.0].as_ref()))
                        .map_err(|error| error.to_string())?;
                    for (id, output) in node.outputs.iter().zip(outputs) {
                        values[id.0] = Some(output);
                    }
                    if let Some(output) = values[layer.output.0].take() {
                        return Ok(output);
                    }
                }
                Err(format!("{name} was never made"))
            })?;
            let flat = numbers(&output);
            let sample: Vec<f64> = (0..16).map(|i| flat[i * flat.len() / 16]).collect();
            let off = difference(&record.sample, &sample, record.mean_abs);
            if off > TOLERANCE {
                return Err(format!("layer {name} differs by {off:.2e} of its size"));
            }
        }
        Ok(())
    }
}

impl Store for Filled {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        Ok(self
            .weights
            .iter()
            .map(|(name, (_, shape))| (name.clone(), shape.clone()))
            .collect())
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let (number, shape) = &self.weights[key];
        assert!(
            *number >= 0,
            "{key} is not a weight of floating point numbers"
        );
        let size: Vec<i64> = shape
            .iter()
            .map(|&length| i64::try_from(length).unwrap())
            .collect();
        tch::manual_seed(1000 + number);
        let t = Tensor::empty(size.as_slice(), (Kind::Float, Device::Cpu)).uniform_(-1.0, 1.0);
        let scaled = |t: &Tensor, factor: f64, offset: f64| t * factor + offset;
        let last = key.rsplit('.').next().unwrap_or(key);
        Ok(if last == "logit_scale" {
            scaled(&t, 1.0, 2.0)
        } else if last.contains("layer_scale")
            || last.contains("gamma")
            || last.starts_with("lambda")
        {
            scaled(&t, 0.3, 0.5)
        } else if last == "running_var" {
            scaled(&t.abs(), 0.5, 1.0)
        } else if shape.len() > 1 && last.ends_with("weight") {
            let fan_in: usize = shape.iter().skip(1).product();
            scaled(&t, self.gain * (3.0 / fan_in as f64).sqrt(), 0.0)
        } else if shape.len() <= 1 && last.ends_with("weight") {
            scaled(&t, 0.3, 1.0)
        } else {
            scaled(&t, 0.3, 0.0)
        })
    }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

/// The largest difference, in parts of `size`; infinite where lengths differ or a number is none.
fn difference(expected: &[f64], found: &[f64], size: f64) -> f64 {
    if found.len() < expected.len() {
        return f64::INFINITY;
    }
    expected
        .iter()
        .zip(found)
        .map(|(a, b)| (a - b).abs() / size.max(1e-6))
        .fold(0.0, |worst, next| {
            if next.is_nan() {
                f64::INFINITY
            } else {
                worst.max(next)
            }
        })
}

/// One test for each file of records.
macro_rules! families {
    ($($family:ident),* $(,)?) => {
        $(#[test]
        fn $family() {
            all_match(stringify!($family));
        })*
    };
}

mod every_network_equals_pytorchs {
    use super::all_match;

    families!(
        alexnet,
        convnext,
        densenet,
        efficientnet,
        googlenet,
        inception,
        maxvit,
        mnasnet,
        mobilenet_v2,
        mobilenet_v3,
        regnet,
        resnet,
        shufflenet,
        squeezenet,
        swin,
        vgg,
        vit
    );
}
