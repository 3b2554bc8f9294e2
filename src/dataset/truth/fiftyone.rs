//! Ground truth as FiftyOne exports it: `samples.json` of a `FiftyOneDataset`, and `labels.json` of a
//! `FiftyOneImageClassificationDataset` or `FiftyOneImageDetectionDataset`.
//!
//! ```text
//! {"samples": [{"filepath": "data/a.jpg", "ground_truth": {"_cls": "Classification", "label": "cat"}}]}
//! {"classes": ["cat", "dog"], "labels": {"a": 0, "b": "dog", "c": null}}
//! {"classes": null, "labels": {"a": [{"label": "cat", "bounding_box": [0.1, 0.2, 0.3, 0.4]}]}}
//! ```
//!
//! Boxes are x, y, width and height in shares of the image. The names of `labels.json` are those of the
//! images without their endings, and its numbers are places in `classes`, where there are any.
//! Source: `fiftyone/utils/data/importers.py` and `parsers.py` of FiftyOne 1.22.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::json::{NO_CLASS, NO_FILE, NO_OBJECT, class_text, four_numbers};
use super::left_out::some;
use super::read::{Bad, Extent, Listing, NO_BOX, Row, file};
use crate::geometry::Window;
use crate::text::visible;

/// The field of a sample that has its truth, as FiftyOne's own data sets call it.
const FIELD: &str = "ground_truth";
/// What a field can be, and in which of its own fields a list of labels is.
const KINDS: [(&str, Option<&str>); 4] = [
    ("Classification", None),
    ("Classifications", Some("classifications")),
    ("Detection", None),
    ("Detections", Some("detections")),
];

const NO_LABEL: &str = "its field is no Classification, Classifications, Detection or Detections";
const NO_LIST: &str = "its field has no list of labels";
const NO_NUMBER: &str = "its number is that of none of the classes in the file";
const NO_SHARES: &str = "its box is not in shares of the image, from 0 to 1";

/// What a JSON object says, where it is such an export.
pub(super) fn listing(export: &Map<String, Value>) -> Option<Result<Listing, String>> {
    match (export.get("samples"), export.get("labels")) {
        (Some(Value::Array(samples)), _) if samples.first().is_none_or(Value::is_object) => {
            Some(of_samples(samples))
        }
        (_, Some(Value::Object(labels))) => Some(Ok(of_labels(labels, export.get("classes")))),
        _ => None,
    }
}

/// # Errors
/// A reason in words, when no field or several may be the truth.
fn of_samples(samples: &[Value]) -> Result<Listing, String> {
    let mut listing = Listing {
        rows: Vec::new(),
        unit: "sample",
        notes: Vec::new(),
    };
    let field = field(samples, &mut listing.notes)?;
    for (sample, line) in samples.iter().zip(1..) {
        let bad = |reason| Err(Bad { line, reason });
        let Some(sample) = sample.as_object() else {
            listing.rows.push(bad(NO_OBJECT));
            continue;
        };
        let label = sample.get(field).filter(|label| !label.is_null());
        match (sample.get("filepath").and_then(Value::as_str), label) {
            (None, _) => listing.rows.push(bad(NO_FILE)),
            (_, None) => {}
            (Some(name), Some(label)) => match labels_of(label) {
                Ok(labels) => {
                    let rows = labels.iter().map(|label| row(name, label, None, line));
                    listing.rows.extend(rows);
                }
                Err(reason) => listing.rows.push(bad(reason)),
            },
        }
    }
    Ok(listing)
}

/// The field that has the truth: [`FIELD`], else the only one with labels.
fn field<'a>(samples: &'a [Value], notes: &mut Vec<String>) -> Result<&'a str, String> {
    let all = || samples.iter().filter_map(Value::as_object).flatten();
    if samples.is_empty() || all().any(|(name, value)| name == FIELD && !value.is_null()) {
        return Ok(FIELD);
    }
    let with_labels = all().filter(|(_, value)| kind(value).is_some());
    let fields: BTreeSet<&str> = with_labels.map(|(name, _)| name.as_str()).collect();
    let mut names = fields.iter().map(|name| visible(name));
    match (fields.first(), fields.len()) {
        (Some(only), 1) => {
            notes.push(format!(
                "its samples have no {FIELD}; {} is taken for it",
                visible(only)
            ));
            Ok(only)
        }
        (None, _) => Err(format!(
            "its samples have no {FIELD}, and no other field with a Classification, Classifications, Detection or Detections"
        )),
        _ => Err(format!(
            "its samples have no {FIELD}, and several fields may be it: {}; rename the right one to {FIELD} and export again",
            some(names.by_ref())
        )),
    }
}

/// Which of [`KINDS`] a field of a sample is.
fn kind(value: &Value) -> Option<(&'static str, Option<&'static str>)> {
    let name = value.get("_cls")?.as_str()?;
    KINDS.into_iter().find(|(kind, _)| *kind == name)
}

/// The labels of a field of a sample.
fn labels_of(field: &Value) -> Result<&[Value], &'static str> {
    match kind(field).ok_or(NO_LABEL)? {
        (_, None) => Ok(std::slice::from_ref(field)),
        (_, Some(list)) => match field.get(list) {
            Some(Value::Array(labels)) => Ok(labels),
            None | Some(Value::Null) => Ok(&[]),
            Some(_) => Err(NO_LIST),
        },
    }
}

fn of_labels(labels: &Map<String, Value>, classes: Option<&Value>) -> Listing {
    let classes = classes.and_then(Value::as_array).map(Vec::as_slice);
    let mut rows = Vec::new();
    for ((name, target), line) in labels.iter().zip(1..) {
        let targets = match target {
            Value::Null => &[],
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        rows.extend(
            targets
                .iter()
                .map(|target| row(name, target, classes, line)),
        );
    }
    Listing {
        rows,
        unit: "entry",
        notes: Vec::new(),
    }
}

/// A label as an object, a name or a number.
fn row(name: &str, label: &Value, classes: Option<&[Value]>, line: u64) -> Result<Row, Bad> {
    let bad = |reason| Bad { line, reason };
    let (class, bounds) = match label {
        Value::Object(label) => (
            label.get("label").unwrap_or(&Value::Null),
            label.get("bounding_box").filter(|bounds| !bounds.is_null()),
        ),
        plain => (plain, None),
    };
    Ok(Row {
        line,
        file: file(name),
        class: class_of(class, classes).map_err(bad)?,
        extent: bounds.map(shares).transpose().map_err(bad)?,
    })
}

/// The name of a class; a number is a place in `classes`, where there are any.
fn class_of(class: &Value, classes: Option<&[Value]>) -> Result<String, &'static str> {
    let class = match (class, classes) {
        (Value::Number(number), Some(classes)) => {
            let place = number
                .as_u64()
                .and_then(|place| usize::try_from(place).ok());
            let class = place.and_then(|place| classes.get(place));
            class.ok_or(NO_NUMBER)?
        }
        _ => class,
    };
    class_text(class).ok_or(NO_CLASS)
}

/// A box in shares of the image.
fn shares(value: &Value) -> Result<Extent, &'static str> {
    let values = value.as_array().ok_or(NO_BOX)?;
    let values: &[Value; 4] = values.as_slice().try_into().map_err(|_| NO_BOX)?;
    let [x, y, width, height] = four_numbers(values.each_ref())?;
    if !(width > 0.0 && height > 0.0) {
        return Err(NO_BOX);
    }
    // A box that was drawn by hand may reach out of the image a little; one in pixels is larger.
    let is_near = |at: f64, length: f64| at >= -1.0 && at + length <= 2.0;
    if !is_near(x, width) || !is_near(y, height) {
        return Err(NO_SHARES);
    }
    Ok(Extent::Shares(Window {
        x,
        y,
        width,
        height,
    }))
}
