//! The oracle of methods: what pytorch-grad-cam computes on a network of every family.
//!
//! `tests/golden/methods.py` writes it to `tests/golden/methods/*.json.gz`, for the networks of
//! `tests/golden/families`; its docstring has the contract, and where pytorch-grad-cam is not
//! followed as it comes. Records of methods that are not in [`METHODS`] are passed over, and the
//! output names them.
//!
//! Where there is a GPU, the maps are compared there too.
//!
//! `GRADCAM_WRITE_TABLE=1` writes what was found into the table of `docs/methods.md`.

pub(super) mod literal;
mod table;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;
use tch::Device;

use super::{MethodId, Unwatched};
use crate::explain::options::Options;
use crate::explain::{Explanation, explain};
use crate::heatmap::Grid;
use crate::model::device::tested;
use crate::model::passes::Passes;
use crate::model::zoo::oracle::{model, model_on, variable};
use crate::model::{ClassIndex, Input, Model};

/// Largest difference of a value, in parts of the map's peak.
const TOLERANCE: f64 = 1e-4;

/// Methods whose sign pytorch-grad-cam leaves to the decomposition.
const UP_TO_SIGN: [&str; 2] = ["eigen-cam", "eigen-grad-cam"];

/// One network's maps.
#[derive(Debug, Deserialize)]
struct Record {
    /// "torchvision/resnet18".
    name: String,
    maps: Vec<Map>,
    /// Method, layer, and by how much the map moves with the input's last digit, where that is too
    /// much for a reference.
    unsteady: Vec<(String, String, f64)>,
    /// What comes where an operation in place has changed the layer's output.
    aliased: Option<Map>,
}

/// A map as pytorch-grad-cam has it.
#[derive(Debug, Deserialize)]
struct Map {
    /// A method's key.
    method: String,
    layers: Vec<String>,
    class: usize,
    at: Stage,
    #[serde(default)]
    eigen: bool,
    #[serde(default)]
    aug: bool,
    /// Height and width.
    size: [usize; 2],
    /// The largest value without sign.
    peak: f64,
    /// The value at `i * values / n`, for `i` of `n`.
    sample: Vec<f64>,
}

/// How far a map has come.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Before its ReLU, on the layer's grid.
    Raw,
    /// The mean over changed images, at the input's size.
    Mean,
    /// Scaled, at the input's size.
    Final,
}

fn path(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/methods")
        .join(file)
}

fn records(family: &str) -> Vec<Record> {
    let file = std::fs::File::open(path(&format!("{family}.json.gz"))).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Map {
    /// The same from gradcam; nothing where it has no such method.
    fn explain(&self, model: &Model, input: &Input, passes: &mut Passes) -> Option<Explanation> {
        let method: MethodId = self.method.parse().ok()?;
        let options = Options {
            method,
            layers: self.layers.clone(),
            eigen_smooth: self.eigen,
            aug_smooth: self.aug,
            ..Options::default()
        };
        let class = ClassIndex(self.class);
        let found = explain(model, input, passes, class, &options, &mut Unwatched);
        Some(found.unwrap_or_else(|error| panic!("{self:?}: {error}")))
    }

    /// The largest difference, in parts of the peak; infinite where the size is another.
    fn difference(&self, found: &Explanation) -> f64 {
        let [height, width] = self.size;
        let grid = match self.at {
            Stage::Raw | Stage::Mean => found.raw.clone(),
            Stage::Final => found.heatmap.upsample(width, height),
        };
        if [grid.height, grid.width] != self.size {
            return f64::INFINITY;
        }
        let apart = self.apart(&grid);
        if self.eigen || UP_TO_SIGN.contains(&self.method.as_str()) {
            apart.min(self.apart(&grid.map(|value| -value)))
        } else {
            apart
        }
    }

    fn apart(&self, grid: &Grid) -> f64 {
        let at = |i: usize| f64::from(grid.values[i * grid.values.len() / self.sample.len()]);
        let values = self.sample.iter().enumerate();
        values
            .map(|(i, expected)| (at(i) - expected).abs() / self.peak)
            // `f64::max` would pass over what is not a number.
            .fold(0.0, |worst, next| {
                if next > worst || next.is_nan() {
                    next
                } else {
                    worst
                }
            })
    }
}

/// Every map of a family equals pytorch-grad-cam's, and the table in the documentation has it.
fn all_match(family: &str) {
    let mut cells = Vec::new();
    let mut unknown = BTreeSet::new();
    let mut failures = Vec::new();
    for (record, device) in records(family)
        .iter()
        .flat_map(|record| tested().into_iter().map(move |device| (record, device)))
    {
        let (model, input) = model_on(device, family, &record.name);
        let mut passes = Passes::default();
        for (method, layer, moved) in &record.unsteady {
            println!(
                "{}: no reference for {method} at {layer}, {moved:e}",
                record.name
            );
        }
        for map in &record.maps {
            let Some(found) = map.explain(&model, &input, &mut passes) else {
                unknown.insert(map.method.clone());
                continue;
            };
            let difference = map.difference(&found);
            let cell = table::Cell::new(&record.name, map, difference);
            if difference > TOLERANCE || difference.is_nan() {
                failures.push(format!("on {device:?}: {cell:?}"));
            } else if device == Device::Cpu {
                cells.push(cell);
            }
        }
    }
    println!("{family}: {} maps; there is no {unknown:?}", cells.len());
    assert!(
        failures.is_empty(),
        "these differ:\n{}",
        failures.join("\n")
    );
    if variable("GRADCAM_WRITE_TABLE").is_some() {
        table::write(&cells);
    } else {
        table::has(&cells);
    }
}

/// Where pytorch-grad-cam reads what DenseNet's ReLU has overwritten, the paper is followed: the
/// map is of the output of `features` itself, which has negative values too.
#[test]
fn densenets_features_are_explained_as_they_are_before_the_relu_that_follows() {
    let record = records("densenet").remove(0);
    let (model, input) = model("densenet", &record.name);
    let mut passes = Passes::default();
    let pass = passes.at(&model, &input, "features").unwrap();
    assert!(pass.activations().unwrap().min().double_value(&[]) < -0.1);
    let aliased = record.aliased.unwrap();
    let found = aliased.explain(&model, &input, &mut passes).unwrap();
    assert!(aliased.difference(&found) > 0.01);
    let own = |map: &&Map| map.method == aliased.method && map.layers == aliased.layers;
    let copied = record.maps.iter().find(own).unwrap();
    assert!(copied.difference(&found) < TOLERANCE);
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

mod every_method_equals_pytorch_grad_cams_on {
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
