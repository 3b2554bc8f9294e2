//! Parity: methods equal what captum, pytorch-grad-cam and torchcam say of small networks.
//!
//! tests/golden/attributions.py makes the values, and says from which versions and how.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use image::RgbImage;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::grad_cam::weighted;
use super::{
    Case, Evidence, MethodId, Unwatched, gradient, guided_backprop, guided_grad_cam,
    integrated_gradients, pixels, smooth_grad, smooth_grad_cam_plus_plus,
};
use crate::explain::ExplainError;
use crate::explain::target::Score;
use crate::model::passes::Passes;
use crate::model::recipe::tests::image;
use crate::model::recipe::{RecipeOverrides, Resize};
use crate::model::walk::Rule;
use crate::model::zoo::tests::{Shapes, saved};
use crate::model::{ClassIndex, LoadOptions, Model, ModelSource};

/// Side of the image.
const SIDE: u32 = 64;
/// Every one of this many values is in a record.
const STEP: usize = 13;
/// Largest difference of a value, in parts of the largest.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    network: String,
    shapes: Shapes,
    class: usize,
    logits: Vec<f32>,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    method: String,
    layer: Option<String>,
    shape: Vec<usize>,
    peak: f32,
    sample: Vec<f32>,
}

fn goldens() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/attributions.json.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One of the networks of the script, and the class that it sees in the image.
pub(in crate::explain) fn network(name: &str) -> (Model, ClassIndex) {
    let all = goldens();
    let golden = all.iter().find(|golden| golden.network == name).unwrap();
    (golden.model(), ClassIndex(golden.class))
}

/// The image of the script.
pub(super) fn picture() -> RgbImage {
    image(SIDE, SIDE)
}

/// Does something with what a method is asked about: a layer of a network, the default one without
/// a name, and a score.
pub(super) fn asked<T>(
    model: &Model,
    layer: Option<&str>,
    score: Score,
    work: impl FnOnce(&Case<'_>) -> T,
) -> T {
    let input = model.prepare(&picture()).unwrap();
    let mut passes = Passes::default();
    let layer = layer.unwrap_or(&model.summary().layer);
    let pass = passes.at(model, &input, layer).unwrap();
    work(&Case {
        model,
        input: &input,
        pass,
        score,
    })
}

/// The values of evidence: the map before its ReLU.
pub(super) fn values(evidence: Evidence) -> Vec<f32> {
    match evidence {
        Evidence::Map(map) => map.values,
        Evidence::Channels { shares, .. } => {
            pixels::numbers(&shares.sum_dim_intlist(0_i64, false, Kind::Float)).unwrap()
        }
    }
}

impl Golden {
    fn model(&self) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let recipe = RecipeOverrides {
            resize: Some(Resize::Squash(SIDE, SIDE)),
            crop: Some(None),
            mean: Some([0.5; 3]),
            std: Some([0.25; 3]),
            ..RecipeOverrides::default()
        };
        let options = LoadOptions {
            recipe,
            ..LoadOptions::default()
        };
        let file = ModelSource::File(saved(&self.shapes, folder.path()));
        Model::load(&file, &options).unwrap()
    }
}

impl Record {
    fn of(&self, case: &Case<'_>) -> Result<Vec<f32>, ExplainError> {
        let watch = &mut Unwatched;
        let attribution: Tensor = match self.method.as_str() {
            "gradient" => gradient::attribution(case)?,
            "integrated-gradients" => integrated_gradients::attribution(case, watch)?,
            "smooth-grad" => smooth_grad::attribution(case, watch)?,
            "guided-backprop" => guided_backprop::attribution(case, Rule::Guided, "")?,
            "deconvolution" => guided_backprop::attribution(case, Rule::Deconvolution, "")?,
            "guided-grad-cam" => guided_grad_cam::attribution(case)?,
            "smooth-grad-cam++ without noise" => {
                let weights = smooth_grad_cam_plus_plus::weights(case, 0.0, watch)?;
                return Ok(values(weighted(&case.pass.activations()?, &weights)?));
            }
            key => {
                let method = key.parse::<MethodId>().unwrap().method();
                return Ok(values((method.evidence)(case, watch)?));
            }
        };
        pixels::numbers(&attribution)
    }
}

#[test]
fn values_equal_those_of_captum_pytorch_grad_cam_and_torchcam() {
    let mut compared = Vec::new();
    for golden in goldens() {
        let model = golden.model();
        let score = Score::logit(ClassIndex(golden.class));
        asked(&model, None, score, |case| {
            for (a, b) in case.pass.logits().iter().zip(&golden.logits) {
                assert!((a - b).abs() < 1e-4, "{}: {a} {b}", golden.network);
            }
        });
        for record in &golden.records {
            let what = format!("{} {} {:?}", golden.network, record.method, record.layer);
            let found = asked(&model, record.layer.as_deref(), score, |case| {
                record
                    .of(case)
                    .unwrap_or_else(|error| panic!("{what}: {error}"))
            });
            assert_eq!(
                found.len(),
                record.shape.iter().product::<usize>(),
                "{what}"
            );
            let sparse = found.iter().step_by(STEP);
            assert_eq!(sparse.len(), record.sample.len(), "{what}");
            let worst = sparse
                .zip(&record.sample)
                .map(|(a, b)| (a - b).abs() / record.peak)
                .fold(0.0, f32::max);
            println!("{what}: {worst:.1e}");
            compared.push((worst, what));
        }
    }
    assert_eq!(compared.len(), 56);
    compared.retain(|(worst, _)| worst.is_nan() || *worst > TOLERANCE);
    assert!(compared.is_empty(), "{compared:?}");
}
