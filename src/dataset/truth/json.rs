//! Ground truth as JSON: an object a line, a list of such objects, a map from files to classes,
//! COCO's instances, or an export of [`fiftyone`].
//!
//! ```text
//! {"file": "a.png", "class": "cat"}
//! {"file": "b.png", "objects": [{"class": "cat", "bbox": [1, 2, 30, 40]}, {"class": 7}]}
//! ```
//!
//! Names of fields are those of a table's columns. `bbox` is x, y, width and height in pixels, as COCO
//! has it. Objects may also be lists side by side, as in the `metadata.jsonl` of Hugging Face's
//! image folders: `"objects": {"bbox": [[1, 2, 30, 40]], "categories": [7]}`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fiftyone;
use super::read::{Bad, Extent, Listing, NO_BOX, Row, file, window};
use super::table::{CLASSES, CORNERS, FILES, SIZES};
use crate::geometry::Window;
use crate::text::visible;

const LISTS: [&str; 3] = ["objects", "detections", "annotations"];
const SEVERAL: [&str; 3] = ["labels", "classes", "categories"];
const BOXES: [&str; 3] = ["bbox", "box", "bounding_box"];

pub(super) const NO_OBJECT: &str = "it is no JSON object";
pub(super) const NO_FILE: &str = "it names no file";
pub(super) const NO_CLASS: &str = "it names no class";

/// What a text in JSON says.
///
/// # Errors
/// A reason in words, when it is no JSON or has none of the forms.
pub(super) fn listing(text: &str) -> Result<Listing, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    // An object over several lines does not end on its first.
    if lines.next().is_some() && serde_json::from_str::<Map<String, Value>>(first).is_ok() {
        return Ok(Listing::of_lines(of_lines(text)));
    }
    match serde_json::from_str::<Coco>(text) {
        Ok(coco) => return Ok(coco.listing()),
        Err(error) if text.contains("\"annotations\"") && text.contains("\"images\"") => {
            let error = visible(&error.to_string());
            return Err(format!("it is not as COCO's instances are: {error}"));
        }
        Err(_) => {}
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("it is no JSON: {}", visible(&error.to_string())))?;
    let mut rows = Vec::new();
    match value {
        Value::Object(export) if let Some(listing) = fiftyone::listing(&export) => return listing,
        Value::Array(records) => {
            for (record, place) in records.iter().zip(1..) {
                take(record, place, &mut rows);
            }
        }
        Value::Object(record) if FILES.iter().any(|name| record.contains_key(*name)) => {
            take(&Value::Object(record), 1, &mut rows);
        }
        Value::Object(files) => {
            for ((name, class), place) in files.iter().zip(1..) {
                of_file(name, class, None, place, &mut rows);
            }
        }
        _ => return Err("it is JSON, but no list and no object".to_owned()),
    }
    Ok(Listing {
        rows,
        unit: "entry",
        notes: Vec::new(),
    })
}

fn of_lines(text: &str) -> Vec<Result<Row, Bad>> {
    let mut rows = Vec::new();
    for (text, line) in text.lines().zip(1..) {
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(record) => take(&record, line, &mut rows),
            Err(_) => rows.push(Err(Bad {
                line,
                reason: NO_OBJECT,
            })),
        }
    }
    rows
}

/// The rows of one record: one for each of its objects or classes.
fn take(record: &Value, line: u64, rows: &mut Vec<Result<Row, Bad>>) {
    let bad = |reason| Err(Bad { line, reason });
    let Some(record) = record.as_object() else {
        rows.push(bad(NO_OBJECT));
        return;
    };
    let Some(name) = of_names(record, &FILES).and_then(Value::as_str) else {
        rows.push(bad(NO_FILE));
        return;
    };
    match of_names(record, &LISTS) {
        Some(Value::Array(objects)) => {
            for object in objects {
                match object.as_object() {
                    Some(object) => of_object(name, object, line, rows),
                    None => rows.push(bad(NO_OBJECT)),
                }
            }
        }
        Some(Value::Object(lists)) => side_by_side(name, lists, line, rows),
        _ => of_object(name, record, line, rows),
    }
}

/// An object, or an image without objects, with one class or several.
fn of_object(name: &str, object: &Map<String, Value>, line: u64, rows: &mut Vec<Result<Row, Bad>>) {
    let class = of_names(object, &CLASSES).or_else(|| of_names(object, &SEVERAL));
    match (class, bounds(object)) {
        (_, Err(reason)) => rows.push(Err(Bad { line, reason })),
        (None, _) => rows.push(Err(Bad {
            line,
            reason: NO_CLASS,
        })),
        (Some(class), Ok(bounds)) => of_file(name, class, bounds, line, rows),
    }
}

/// The rows of a file with a class or a list of classes.
fn of_file(
    name: &str,
    class: &Value,
    bounds: Option<Window>,
    line: u64,
    rows: &mut Vec<Result<Row, Bad>>,
) {
    let classes = match class {
        Value::Array(classes) => classes.as_slice(),
        one => std::slice::from_ref(one),
    };
    for class in classes {
        rows.push(match class_text(class) {
            Some(class) => Ok(Row {
                line,
                file: file(name),
                class,
                extent: bounds.map(Extent::Pixels),
            }),
            None => Err(Bad {
                line,
                reason: NO_CLASS,
            }),
        });
    }
}

/// Objects as a list of boxes and one of classes.
fn side_by_side(
    name: &str,
    lists: &Map<String, Value>,
    line: u64,
    rows: &mut Vec<Result<Row, Bad>>,
) {
    let classes = of_names(lists, &SEVERAL).or_else(|| of_names(lists, &CLASSES));
    let Some(classes) = classes.and_then(Value::as_array) else {
        rows.push(Err(Bad {
            line,
            reason: NO_CLASS,
        }));
        return;
    };
    let boxes = of_names(lists, &BOXES).and_then(Value::as_array);
    for (place, class) in classes.iter().enumerate() {
        let bounds = match boxes {
            None => Ok(None),
            Some(boxes) => boxes.get(place).ok_or(NO_BOX).and_then(bounds_of),
        };
        match bounds {
            Ok(bounds) => of_file(name, class, bounds, line, rows),
            Err(reason) => rows.push(Err(Bad { line, reason })),
        }
    }
}

/// The first of these fields that is there.
fn of_names<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let mut values = names.iter().filter_map(|name| object.get(*name));
    values.find(|value| !value.is_null())
}

/// A name, or a whole number.
pub(super) fn class_text(class: &Value) -> Option<String> {
    match class {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            Some(format!("{number:.0}"))
        }
        _ => None,
    }
}

/// The box of an object, in a field of its own or as four fields.
fn bounds(object: &Map<String, Value>) -> Result<Option<Window>, &'static str> {
    if let Some(value) = of_names(object, &BOXES) {
        return bounds_of(value);
    }
    let numbers = |names: &[&str; 4]| {
        let values: Vec<&Value> = names.iter().filter_map(|name| object.get(*name)).collect();
        <[&Value; 4]>::try_from(values).ok()
    };
    for (forms, corners) in [(&CORNERS, true), (&SIZES, false)] {
        if let Some(values) = forms.iter().find_map(numbers) {
            return four(values, corners).map(Some);
        }
    }
    Ok(None)
}

fn bounds_of(value: &Value) -> Result<Option<Window>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Array(values) => match values.as_slice() {
            [x, y, width, height] => four([x, y, width, height], false).map(Some),
            _ => Err(NO_BOX),
        },
        Value::Object(object) => bounds(object)?.map(Some).ok_or(NO_BOX),
        _ => Err(NO_BOX),
    }
}

fn four(values: [&Value; 4], corners: bool) -> Result<Window, &'static str> {
    window(four_numbers(values)?, corners)
}

pub(super) fn four_numbers(values: [&Value; 4]) -> Result<[f64; 4], &'static str> {
    let numbers: Vec<f64> = values.into_iter().filter_map(Value::as_f64).collect();
    <[f64; 4]>::try_from(numbers).map_err(|_| NO_BOX)
}

/// COCO's `instances_*.json`: what is used of it.
#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: Value,
    #[serde(default)]
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    image_id: Value,
    #[serde(default)]
    category_id: Value,
    #[serde(default)]
    bbox: Value,
}

#[derive(Deserialize)]
struct Category {
    id: Value,
    #[serde(default)]
    name: String,
}

impl Coco {
    fn listing(self) -> Listing {
        let images: HashMap<String, &str> = self
            .images
            .iter()
            .map(|image| (image.id.to_string(), image.file_name.as_str()))
            .collect();
        let names: HashMap<String, &str> = self
            .categories
            .iter()
            .map(|category| (category.id.to_string(), category.name.as_str()))
            .collect();
        let row = |(annotation, line): (&Annotation, u64)| {
            let bad = |reason| Bad { line, reason };
            let image = images.get(&annotation.image_id.to_string());
            let name = image.filter(|name| !name.is_empty());
            let name =
                name.ok_or_else(|| bad("its image_id is that of no image with a file_name"))?;
            // Numbers of categories are not those of the model's classes, unless they have no names.
            let class = match names.get(&annotation.category_id.to_string()) {
                Some(name) => Some((*name).to_owned()),
                None if names.is_empty() => class_text(&annotation.category_id),
                None => None,
            };
            Ok(Row {
                line,
                file: file(name),
                class: class.ok_or_else(|| bad("its category_id is that of no category"))?,
                extent: bounds_of(&annotation.bbox)
                    .map_err(bad)?
                    .map(Extent::Pixels),
            })
        };
        Listing {
            rows: self.annotations.iter().zip(1..).map(row).collect(),
            unit: "annotation",
            notes: Vec::new(),
        }
    }
}
