//! The lines of `--json`, `tests/schema/explain.schema.json`, and of a set's table,
//! `tests/schema/explanations.schema.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::Explainer;
use super::set::FileStamp;
use super::work::{Explained, Finding};
use crate::explain::options::Fusion;
use crate::explain::target::Measure;
use crate::explain::{ChannelWeight, Explanation, Prediction};
use crate::geometry::InputGeometry;
use crate::heatmap::{MapState, THRESHOLD, box_above};
use crate::model::ModelSummary;
use crate::model::precision::Precision;
use crate::model::recipe::Recipe;

/// An image that was explained.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    image: String,
    model: ModelRecord<'a>,
    recipe: RecipeRecord<'a>,
    device: &'a str,
    precision: Precision,
    /// In words, also where several became one.
    layer: String,
    /// As people call it.
    method: &'static str,
    options: OptionsRecord<'a>,
    predictions: &'a [Prediction],
    explanations: Vec<ExplanationRecord<'a>>,
    milliseconds: Milliseconds,
}

/// An image of a set: what is the same for all images stands in the manifest.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    /// Relative to the folder that was explained.
    image: &'a str,
    file: FileStamp,
    predictions: &'a [Prediction],
    explanations: Vec<ExplanationRecord<'a>>,
}

/// An image of a set that was not explained.
#[derive(Debug, Serialize)]
pub(super) struct FailedRow<'a> {
    pub(super) image: &'a str,
    pub(super) file: Option<FileStamp>,
    pub(super) error: &'a str,
}

/// An image that was not.
#[derive(Debug, Serialize)]
pub(super) struct Failure<'a> {
    pub(super) image: String,
    pub(super) error: &'a str,
}

#[derive(Debug, Serialize)]
struct ModelRecord<'a> {
    name: &'a str,
    family: &'a str,
    classes: usize,
    fingerprint: &'a str,
    /// What the checkpoint does not tell and was assumed, a sentence each.
    guesses: &'a [String],
}

#[derive(Debug, Serialize)]
struct RecipeRecord<'a> {
    text: &'a str,
    #[serde(flatten)]
    fields: &'a Recipe,
}

/// How all classes of the image were explained.
#[derive(Debug, Serialize)]
struct OptionsRecord<'a> {
    /// As on the command line.
    method: &'static str,
    /// Empty where the method reads no layer.
    layers: &'a [String],
    fusion: Fusion,
    score: Measure,
    /// The class whose score was subtracted.
    versus: Option<&'a Prediction>,
    counterfactual: bool,
    aug_smooth: bool,
    eigen_smooth: bool,
}

#[derive(Debug, Serialize)]
struct ExplanationRecord<'a> {
    #[serde(flatten)]
    map: MapRecord<'a>,
    /// The class that is drawn beside this one.
    beside: Option<MapRecord<'a>>,
    /// What was written: "heatmap", "overlay", "beside", and with `--raw` "map" and "raw".
    files: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct MapRecord<'a> {
    #[serde(flatten)]
    class: &'a Prediction,
    state: MapState,
    /// `null` where the map is not a number.
    peak: f32,
    /// Height and width of the map before scaling.
    grid: [usize; 2],
    /// Around the largest part above the threshold.
    #[serde(rename = "box")]
    bounding_box: Option<BoxRecord>,
    channels: &'a [ChannelWeight],
    /// The first layer with values that are not finite.
    not_finite_from: Option<&'a str>,
}

/// Left, top, right, bottom, the last two exclusive.
#[derive(Debug, Serialize)]
struct BoxRecord {
    input: [usize; 4],
    image: [u32; 4],
}

#[derive(Debug, Serialize)]
struct Milliseconds {
    decode: f64,
    prepare: f64,
    forward: f64,
    explain: f64,
    write: f64,
}

/// The line of an image.
pub(super) fn record<'a>(
    explainer: &'a Explainer<'_>,
    image: &Path,
    explained: &'a Explained,
) -> Record<'a> {
    let ModelSummary {
        name,
        family,
        classes,
        fingerprint,
        layer,
        guesses,
        recipe,
        device,
        precision,
        ..
    } = &explainer.about.summary;
    let first = explained.findings.first();
    let times = explained.times;
    let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 100.0;
    Record {
        image: image.to_string_lossy().into_owned(),
        model: ModelRecord {
            name,
            family,
            classes: *classes,
            fingerprint,
            guesses,
        },
        recipe: RecipeRecord {
            text: recipe,
            fields: &explainer.about.recipe,
        },
        device,
        precision: *precision,
        layer: first.map_or_else(|| layer.clone(), |finding| finding.explanation.layer()),
        method: explainer.options.method.method().name,
        options: options_record(explainer, explained),
        predictions: &explained.predictions,
        explanations: explanations(explained, |file| file),
        milliseconds: Milliseconds {
            decode: milliseconds(times.decode),
            prepare: milliseconds(times.prepare),
            forward: milliseconds(times.forward),
            explain: milliseconds(times.explain),
            write: milliseconds(times.write),
        },
    }
}

/// The row of an image. Files are named relative to the set's folder.
pub(super) fn row<'a>(image: &'a str, explained: &'a Explained, folder: &Path) -> Row<'a> {
    Row {
        image,
        file: explained.file.into(),
        predictions: &explained.predictions,
        explanations: explanations(explained, |file| file.strip_prefix(folder).unwrap_or(file)),
    }
}

fn explanations<'a>(
    explained: &'a Explained,
    named: impl Fn(&'a Path) -> &'a Path,
) -> Vec<ExplanationRecord<'a>> {
    let record = |finding: &'a Finding| {
        let name = |path: &'a PathBuf| named(path).to_string_lossy().into_owned();
        let files = finding.files.iter();
        let map = |explanation| map_record(explanation, &explained.geometry);
        ExplanationRecord {
            map: map(&finding.explanation),
            beside: finding.beside.as_ref().map(map),
            files: files.map(|(kind, path)| (*kind, name(path))).collect(),
        }
    };
    explained.findings.iter().map(record).collect()
}

fn options_record<'a>(explainer: &'a Explainer<'_>, explained: &'a Explained) -> OptionsRecord<'a> {
    let options = &explainer.options;
    let first = explained.findings.first();
    let first = first.map(|finding| &finding.explanation);
    OptionsRecord {
        method: options.method.method().key,
        layers: first.map_or(&[], |explanation| &explanation.layers),
        fusion: options.joined_by(),
        score: options.measure,
        versus: first.and_then(|explanation| explanation.versus.as_ref()),
        counterfactual: options.counterfactual,
        aug_smooth: options.aug_smooth,
        eigen_smooth: options.eigen_smooth,
    }
}

fn map_record<'a>(explanation: &'a Explanation, geometry: &InputGeometry) -> MapRecord<'a> {
    let heatmap = &explanation.heatmap;
    let input = geometry.input;
    let map = heatmap.upsample(input.width as usize, input.height as usize);
    MapRecord {
        class: &explanation.target,
        state: heatmap.state,
        peak: heatmap.peak,
        grid: [explanation.raw.height, explanation.raw.width],
        bounding_box: box_above(&map, THRESHOLD).map(|input| BoxRecord {
            input,
            image: on_image(input, geometry),
        }),
        channels: &explanation.channels,
        not_finite_from: explanation.not_finite_from.as_deref(),
    }
}

/// The pixels of the image that a box of the input touches.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the image, a u32"
)]
fn on_image([left, top, right, bottom]: [usize; 4], geometry: &InputGeometry) -> [u32; 4] {
    let (left, top) = geometry.image_from_input(left as f64, top as f64);
    let (right, bottom) = geometry.image_from_input(right as f64, bottom as f64);
    let (width, height) = (geometry.image.width, geometry.image.height);
    let within = |value: f64, length: u32| value.clamp(0.0, f64::from(length)) as u32;
    [
        within(left.floor(), width),
        within(top.floor(), height),
        within(right.ceil(), width),
        within(bottom.ceil(), height),
    ]
}
