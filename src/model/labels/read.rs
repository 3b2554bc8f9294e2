//! Class names from text, tables and JSON.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

/// More than any list of names has.
const MAX_BYTES: u64 = 64 << 20;
/// More classes than any model has; a number in a file cannot make the list longer.
const MAX_CLASSES: usize = 1 << 20;

/// Names of columns that hold the class's number, and of those that hold its name, best first.
/// pandas leaves the title of its index empty.
const INDEX_COLUMNS: [&str; 11] = [
    "index",
    "idx",
    "id",
    "class_id",
    "class_index",
    "class_idx",
    "label_id",
    "number",
    "class",
    "label",
    "",
];
const NAME_COLUMNS: [&str; 7] = [
    "name",
    "class_name",
    "label_name",
    "classname",
    "label",
    "class",
    "description",
];

/// The names in a file: a name a line; JSON as [`names`] has it, also inside a transformers
/// `config.json`; or, where the file's name ends in `.csv` or `.tsv` or a tab is in its first line,
/// a table whose columns are known by their header or by what they hold.
///
/// # Errors
/// A reason in words.
pub(super) fn file(path: &Path) -> Result<Vec<String>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    let names = if text.trim_start().starts_with(['[', '{']) {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        names(value.get("id2label").unwrap_or(&value))?
    } else if let Some(delimiter) = delimiter(path, text) {
        table(text, delimiter)?
    } else {
        return Ok(text.lines().map(str::to_owned).collect());
    };
    match names.iter().position(String::is_empty) {
        Some(class) => Err(format!(
            "it has no name for class {class}; the first class is 0"
        )),
        None => Ok(names),
    }
}

/// The names in a JSON value: a list of names; an object from index to name or from name to index.
/// In place of a name a list may stand whose last entry is the name (ImageNet's
/// `["n01440764", "tench"]`). A class that an object leaves out has an empty name.
///
/// # Errors
/// A reason in words.
pub(crate) fn names(value: &Value) -> Result<Vec<String>, String> {
    let strange = || "it is neither a list of names nor an object of index and name".to_owned();
    match value {
        Value::Array(names) => names
            .iter()
            .map(name)
            .collect::<Option<_>>()
            .ok_or_else(strange),
        Value::Object(entries) => by_index(entries)
            .or_else(|| by_name(entries))
            .ok_or_else(strange)
            .and_then(in_order),
        _ => Err(strange()),
    }
}

fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(parts) => parts.last()?.as_str().map(str::to_owned),
        _ => None,
    }
}

fn by_index(entries: &Map<String, Value>) -> Option<Vec<(usize, String)>> {
    entries
        .iter()
        .map(|(key, value)| Some((key.parse().ok()?, name(value)?)))
        .collect()
}

fn by_name(entries: &Map<String, Value>) -> Option<Vec<(usize, String)>> {
    let index = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => usize::try_from(value.as_u64()?).ok(),
    };
    entries
        .iter()
        .map(|(key, value)| Some((index(value)?, key.clone())))
        .collect()
}

/// Names at their places.
fn in_order(numbered: Vec<(usize, String)>) -> Result<Vec<String>, String> {
    let last = numbered.iter().map(|(class, _)| *class).max();
    if let Some(last) = last.filter(|last| *last >= MAX_CLASSES) {
        return Err(format!("class {last} is out of range"));
    }
    let mut names = vec![None; last.map_or(0, |last| last + 1)];
    for (class, name) in numbered {
        if names[class].replace(name).is_some() {
            return Err(format!("it has two names for class {class}"));
        }
    }
    Ok(names.into_iter().map(Option::unwrap_or_default).collect())
}

/// What stands between the columns; nothing where the file is no table.
fn delimiter(path: &Path, text: &str) -> Option<u8> {
    let first = text.lines().next()?;
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.unwrap_or_default().as_str() {
        _ if first.contains('\t') => Some(b'\t'),
        "csv" if first.contains(';') && !first.contains(',') => Some(b';'),
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => None,
    }
}

/// Names from the rows of a table, ordered by the column of numbers where there is one.
fn table(text: &str, delimiter: u8) -> Result<Vec<String>, String> {
    let mut rows = rows(text, delimiter)?;
    let header = match rows.first() {
        Some(first) if is_header(first) => rows.remove(0),
        _ => Vec::new(),
    };
    let width = rows.first().map_or(0, Vec::len);
    let index = index_column(&rows, &header, width);
    let name = name_column(&header, width, index);
    let Some(index) = index else {
        return Ok(rows
            .into_iter()
            .map(|mut row| row.swap_remove(name))
            .collect());
    };
    let numbered = rows.into_iter().map(|mut row| {
        let class = row[index].parse();
        let class = class.map_err(|_| format!("{:?} is no class number", row[index]))?;
        Ok((class, row.swap_remove(name)))
    });
    in_order(numbered.collect::<Result<_, String>>()?)
}

/// The cells, as many in each row.
fn rows(text: &str, delimiter: u8) -> Result<Vec<Vec<String>>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| match record {
            Ok(record) => Ok(record.iter().map(str::to_owned).collect()),
            Err(error) => Err(match error.position() {
                Some(position) => format!(
                    "line {} does not have as many columns as the first",
                    position.line()
                ),
                None => error.to_string(),
            }),
        })
        .collect()
}

/// A first row with a known title and no number.
fn is_header(row: &[String]) -> bool {
    let is_title = |cell: &String| {
        let cell = cell.to_lowercase();
        let known = INDEX_COLUMNS.iter().chain(&NAME_COLUMNS);
        !cell.is_empty() && known.into_iter().any(|title| *title == cell)
    };
    row.iter().any(is_title) && !row.iter().any(|cell| cell.parse::<usize>().is_ok())
}

/// Of the columns of whole numbers the one with the best title; without a header the first. A table
/// of one column has names alone.
fn index_column(rows: &[Vec<String>], header: &[String], width: usize) -> Option<usize> {
    let of_numbers = |column: &usize| rows.iter().all(|row| row[*column].parse::<usize>().is_ok());
    if width < 2 {
        return None;
    }
    (0..width)
        .filter(of_numbers)
        .map(|column| (rank(&INDEX_COLUMNS, header, column), column))
        .filter(|(rank, _)| header.is_empty() || *rank < INDEX_COLUMNS.len())
        .min()
        .map(|(_, column)| column)
}

/// Of the other columns the one with the best header, else the last.
fn name_column(header: &[String], width: usize, index: Option<usize>) -> usize {
    let columns = (0..width).rev().filter(|column| Some(*column) != index);
    columns
        .min_by_key(|&column| rank(&NAME_COLUMNS, header, column))
        .unwrap_or_default()
}

/// The place of a column's header in a list of headers.
fn rank(known: &[&str], header: &[String], column: usize) -> usize {
    let title = header.get(column).map(|title| title.to_lowercase());
    known
        .iter()
        .position(|name| Some(*name) == title.as_deref())
        .unwrap_or(known.len())
}
