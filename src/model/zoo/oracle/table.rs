//! The table of networks in `docs/models.md`: written from what the oracle has found, and held by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Difference, Record, TOLERANCE};

const HEAD: &str = "| layout | network | input | logits differ by | map differs by | default layer |\n|---|---|---|---|---|---|\n";

/// The families' tests run at the same time and share the file.
static FILE: Mutex<()> = Mutex::new(());

/// A line of the table.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// torchvision, timm or transformers.
    layout: String,
    network: String,
    /// Height and width: "224x224".
    input: String,
    /// The differences, "2e-6".
    logits: String,
    map: String,
    layer: String,
}

impl Row {
    pub(super) fn new(record: &Record, difference: &Difference) -> Self {
        let (layout, network) = record.name.split_once('/').unwrap();
        let [height, width] = record.input;
        Self {
            layout: layout.to_owned(),
            network: network.to_owned(),
            input: format!("{height}x{width}"),
            logits: format!("{:.0e}", difference.logits),
            map: format!("{:.0e}", difference.map),
            layer: format!("`{}`", record.cam.layer),
        }
    }

    fn read(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", layout, network, input, logits, map, layer, ""] = cells.as_slice() else {
            return None;
        };
        let text = |cell: &str| cell.to_owned();
        logits.parse::<f64>().ok()?;
        Some(Self {
            layout: text(layout),
            network: text(network),
            input: text(input),
            logits: text(logits),
            map: text(map),
            layer: text(layer),
        })
    }

    fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            self.layout, self.network, self.input, self.logits, self.map, self.layer
        )
    }

    /// torchvision first; variants of a network below it.
    fn place(&self) -> (usize, String) {
        let layouts = ["torchvision", "timm", "transformers"];
        let layout = layouts.iter().position(|layout| *layout == self.layout);
        (layout.unwrap(), self.network.clone())
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/models.md")
}

/// The text before the table, the table, and the text after it.
fn read() -> (String, Vec<Row>, String) {
    let text = std::fs::read_to_string(path()).unwrap();
    let (before, rest) = text.split_once(HEAD).unwrap();
    let (table, after) = rest.split_at(rest.find("\n\n").map_or(rest.len(), |end| end + 1));
    let rows = table.lines().map(|line| Row::read(line).unwrap()).collect();
    (before.to_owned(), rows, after.to_owned())
}

/// Puts these rows in the place of those with their names.
pub(super) fn write(rows: Vec<Row>) {
    let _turn = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, old, after) = read();
    let all: BTreeMap<_, Row> = old
        .into_iter()
        .chain(rows)
        .map(|row| (row.place(), row))
        .collect();
    let lines: String = all.values().map(Row::line).collect();
    std::fs::write(path(), [&before, HEAD, &lines, &after].concat()).unwrap();
}

/// The table has these rows. The last digits of the differences are the processor's.
pub(super) fn has(rows: &[Row]) {
    let (_, table, _) = read();
    for row in rows {
        let written = table.iter().find(|other| other.place() == row.place());
        let written = written.unwrap_or_else(|| panic!("docs/models.md lacks {row:?}"));
        assert_eq!((&written.input, &written.layer), (&row.input, &row.layer));
    }
}

#[test]
fn the_table_has_every_builder_of_torchvision_and_nothing_beyond_the_tolerance() {
    let (_, table, _) = read();
    let names: Vec<&str> = table
        .iter()
        .filter(|row| row.layout == "torchvision")
        .map(|row| row.network.as_str())
        .collect();
    for entry in crate::model::catalog::entries() {
        assert!(names.contains(&entry.model), "{}", entry.model);
    }
    for row in &table {
        for difference in [&row.logits, &row.map] {
            assert!(difference.parse::<f64>().unwrap() <= TOLERANCE, "{row:?}");
        }
    }
}
