//! Exports, read back.

mod page;

use std::ffi::OsStr;
use std::path::PathBuf;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use serde_json::{Map, Value, json};

use super::*;
use crate::dataset::score::{Answer, MapFigures, TrueClass};
use crate::dataset::store::{Place, Version};
use crate::file::Existing;
use crate::text::visible;

pub(crate) fn facts() -> ModelFacts {
    ModelFacts {
        name: "best.pth".to_owned(),
        family: "ResNet-18".to_owned(),
        fingerprint: "0123456789abcdef".to_owned(),
        classes: 6,
        recipe: "squashed to 112 x 112".to_owned(),
        layer: "layer4".to_owned(),
        precision: "f32".to_owned(),
        labels: ["cat", "tiger; cat", "<b>dog</b>", "crane", "\"cart\"", "木"]
            .map(str::to_owned)
            .into(),
    }
}

pub(crate) fn record(folder: &Path, name: &OsStr) -> Record {
    let place = Place::new(&[folder.to_owned()], Some(Path::new("x.sqlite")), None).unwrap();
    let path = folder.join(name);
    Record {
        image: place.key(&path),
        name: Arc::from(visible(&name.to_string_lossy())),
        path: Arc::from(path),
        file: None,
        score: None,
        unreadable: None,
        truth: Arc::from([]),
        said: None,
    }
}

fn score() -> Score {
    let top = [(0, 3.25), (1, 1.5), (2, -0.1)].map(|(class, logit)| Answer { class, logit });
    let map = |peak| MapFigures {
        peak,
        entropy: Some(0.75),
        center: Some([0.25, 0.5]),
        mass: Some(0.1),
    };
    Score {
        truth: Some(TrueClass {
            class: 5,
            logit: -2.0,
            rank: 6,
        }),
        map: Some(map(0.123_456_79)),
        true_map: Some(map(0.0)),
        agreement: Some(f32::NAN),
        ..Score::new(&top, 3.5, 0.7)
    }
}

/// One with all that can be known, one that cannot be read, and one of which nothing is known.
pub(crate) fn records(folder: &Path) -> Vec<Record> {
    let review = Review {
        verdict: Some(Arc::from("wrong")),
        note: Arc::from("=1+1, \"quoted\"\nand <script>alert(1)</script>"),
        tags: ["blur", "night; dark"].map(Arc::from).into(),
    };
    let stamp = Stamp {
        version: Version::NONE,
        by: Arc::from("anna"),
        at_millis: 1_700_000_000_123,
    };
    let all = Record {
        file: Some(FileIdentity {
            size: 5_000_000_000,
            mtime_ns: 1_700_000_000_123_456_789,
        }),
        score: Some(score()),
        truth: Arc::from([5, 1]),
        said: Some((review, stamp)),
        ..record(folder, OsStr::new("deep/a, b.png"))
    };
    let unreadable = Record {
        unreadable: Some(Arc::from("it is no image")),
        truth: Arc::from([0]),
        ..record(folder, OsStr::new("b.png"))
    };
    vec![all, unreadable, record(folder, OsStr::new("c.png"))]
}

struct Written {
    folder: tempfile::TempDir,
    records: Vec<Record>,
}

impl Written {
    fn new(records: impl FnOnce(&Path) -> Vec<Record>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        Self { folder, records }
    }

    fn write(&self, format: Format, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let facts = facts();
        let table = Table {
            model: Some(&facts),
            has_odd_paths: self.records.iter().any(|record| is_odd(&record.path)),
        };
        let records = self.records.iter().cloned();
        let written = write(
            records,
            &table,
            format,
            Destination::new(&path, Existing::Kept),
        )
        .unwrap();
        assert_eq!(written, self.records.len());
        path
    }

    fn json(&self) -> Vec<Map<String, Value>> {
        let text = std::fs::read_to_string(self.write(Format::JsonLines, "r.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Values of CSV by the kind that JSON has: nothing, a list, or a text.
fn as_csv(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_csv).collect();
            items.join(";")
        }
        other => other.to_string(),
    }
}

fn as_json(field: &Field, like: &Value) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => json!(flag),
        Field::Int(number) => json!(number),
        Field::Long(number) if like.is_string() => {
            let moment = chrono::DateTime::from_timestamp_nanos(*number);
            json!(moment.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true))
        }
        Field::Long(number) => json!(number),
        // As the shortest text that is this number.
        Field::Float(number) => serde_json::from_str(&number.to_string()).unwrap(),
        Field::Str(text) => json!(text),
        Field::TimestampMillis(millis) => {
            let moment = chrono::DateTime::from_timestamp_millis(*millis).unwrap();
            json!(moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        }
        Field::ListInternal(list) => {
            let items = list.elements().iter();
            items.map(|item| as_json(item, &Value::Null)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Whether two values are the same; 1 and 1.0 are.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => a == b,
    }
}

#[test]
fn all_that_is_known_is_in_a_line() {
    let written = Written::new(records);
    let lines = written.json();
    let folder = written.folder.path().to_str().unwrap();
    let first = &lines[0];
    for (column, value) in [
        ("path", json!(format!("{folder}/deep/a, b.png"))),
        ("image", json!("deep/a, b.png")),
        ("file_size", json!(5_000_000_000_u64)),
        ("file_time", json!("2023-11-14T22:13:20.123456789Z")),
        ("scored", json!(true)),
        ("class", json!(0)),
        ("label", json!("cat")),
        ("logit", json!(3.25)),
        ("label_2", json!("tiger; cat")),
        ("class_3", json!(2)),
        ("class_4", json!(null)),
        ("true_classes", json!([5, 1])),
        ("true_labels", json!(["木", "tiger; cat"])),
        ("right", json!(false)),
        // The better one of the two true classes.
        ("true_rank", json!(2)),
        ("loss", json!(2.0)),
        ("map_peak", json!(0.123_456_79)),
        ("map_center_x", json!(0.25)),
        ("true_map_peak", json!(0.0)),
        ("agreement", json!(null)),
        ("verdict", json!("wrong")),
        ("tags", json!(["blur", "night; dark"])),
        ("reviewer", json!("anna")),
        ("reviewed_at", json!("2023-11-14T22:13:20.123Z")),
        ("model", json!("best.pth")),
        ("layer", json!("layer4")),
        ("gradcam_version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(first[column], value, "{column}");
    }
    let probability = first["probability"].as_f64().unwrap();
    assert!((probability - (-0.25_f64).exp()).abs() < 1e-6);
    assert_eq!(lines[1]["unreadable"], "it is no image");
    assert_eq!(lines[1]["true_labels"], json!(["cat"]));
    assert_eq!(lines[2]["scored"], false);
    assert_eq!(lines[2]["tags"], json!([]));
    assert!(!first.contains_key("path_bytes_hex"));
}

#[test]
fn json_lines_keep_to_their_schema() {
    let schema = include_str!("../../../tests/schema/review.schema.json");
    let schema = serde_json::from_str(schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for lines in [Written::new(records).json(), Written::new(odd).json()] {
        for line in lines {
            let line = Value::Object(line);
            if let Err(error) = schema.validate(&line) {
                panic!("{error} at {} in {line}", error.instance_path());
            }
        }
    }
}

#[test]
fn csv_has_the_same_with_empty_fields_and_semicolons() {
    let written = Written::new(records);
    let path = written.write(Format::Csv, "r.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().next().unwrap().starts_with("path,image,"));
    assert!(text.ends_with("\r\n"));
    let mut reader = ::csv::Reader::from_path(path).unwrap();
    let names = reader.headers().unwrap().clone();
    let mut lines = written.json().into_iter();
    for line in reader.records() {
        let (line, known) = (line.unwrap(), lines.next().unwrap());
        assert_eq!(names.len(), known.len());
        for (name, field) in names.iter().zip(&line) {
            let wanted = as_csv(&known[name]);
            let is_number = wanted.parse::<f64>().ok().zip(field.parse::<f64>().ok());
            let is_near = is_number.is_some_and(|(a, b)| (a - b).abs() < 1e-9);
            assert!(is_near || field == wanted, "{name}: {field} {wanted}");
        }
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn parquet_has_the_same_with_nulls_and_lists() {
    let written = Written::new(records);
    let path = written.write(Format::Parquet, "r.parquet");
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut lines = written.json().into_iter();
    for row in reader.get_row_iter(None).unwrap() {
        let (row, known) = (row.unwrap(), lines.next().unwrap());
        assert_eq!(row.get_column_iter().count(), known.len());
        for (name, field) in row.get_column_iter() {
            let value = as_json(field, &known[name]);
            assert!(
                is_same(&value, &known[name]),
                "{name}: {value} {}",
                known[name]
            );
        }
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn parquet_is_written_in_groups_and_labels_once() {
    let written = Written::new(records);
    let facts = facts();
    let path = written.folder.path().join("groups.parquet");
    let mut file = std::fs::File::create(&path).unwrap();
    let table = Table {
        model: Some(&facts),
        has_odd_paths: false,
    };
    let all = || written.records.iter().cloned();
    let rows = parquet::grouped(all().chain(all()), &table, &mut file, 4).unwrap();
    assert_eq!(rows, 6);
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let groups: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(::parquet::file::metadata::RowGroupMetaData::num_rows)
        .collect();
    assert_eq!(groups, [4, 2]);
    let column = |name: &str| {
        let group = reader.metadata().row_group(0);
        let mut columns = group.columns().iter();
        let column = columns.find(|column| column.column_path().string() == name);
        column.unwrap().dictionary_page_offset().is_some()
    };
    assert!(column("label") && column("tags.list.element"));
    assert!(!column("path"));
}

/// A path that is no text, beside one that is.
fn odd(folder: &Path) -> Vec<Record> {
    vec![
        record(folder, OsStr::from_bytes(b"\xff.png")),
        record(folder, OsStr::new("a.png")),
    ]
}

#[test]
fn a_path_that_is_no_text_has_its_bytes_in_a_column_of_their_own() {
    let written = Written::new(odd);
    let lines = written.json();
    let hex = lines[0]["path_bytes_hex"].as_str().unwrap();
    assert!(hex.ends_with("2fff2e706e67"), "{hex}");
    assert!(
        lines[0]["path"]
            .as_str()
            .unwrap()
            .ends_with("/\u{fffd}.png")
    );
    assert_eq!(lines[1]["path_bytes_hex"], Value::Null);
}

#[test]
fn a_file_that_is_there_is_replaced_only_where_that_was_asked_for() {
    let written = Written::new(records);
    let path = written.folder.path().join("r.csv");
    std::fs::write(&path, "mine").unwrap();
    let export = |existing| {
        let records = written.records.iter().cloned();
        let destination = Destination::new(&path, existing);
        write(records, &Table::default(), Format::Csv, destination)
    };
    let error = export(Existing::Kept).unwrap_err().to_string();
    assert!(error.ends_with("r.csv is there already"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(export(Existing::Replaced).unwrap(), 3);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("path,"));
    let files = std::fs::read_dir(written.folder.path()).unwrap();
    assert_eq!(files.count(), 1, "something is left beside it");
}

#[test]
fn the_documentation_has_the_columns() {
    let page = include_str!("../../../docs/review.md");
    let table = documented();
    assert!(
        page.contains(&table),
        "docs/review.md must have this:\n{table}"
    );
}
