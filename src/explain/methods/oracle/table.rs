//! The table of methods in `docs/methods.md`: written from what the oracle has found, and held by
//! it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Map, TOLERANCE};

/// Columns, as the head of the table has them.
const METHODS: [&str; 14] = [
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "hires-cam",
    "element-wise-grad-cam",
    "layer-cam",
    "eigen-cam",
    "eigen-grad-cam",
    "shapley-cam",
    "finer-cam",
    "refine-cam",
    "ablation-cam",
    "score-cam",
    "full-grad",
];

/// The families' tests run at the same time and share the file.
static FILE: Mutex<()> = Mutex::new(());

/// What was found of one map.
#[derive(Debug)]
pub(super) struct Cell {
    row: Row,
    method: String,
    difference: f64,
}

/// Network and layers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    network: String,
    layers: String,
}

/// Differences as they are written, by row and method.
type Cells = BTreeMap<Row, BTreeMap<String, String>>;

impl Cell {
    pub(super) fn new(network: &str, map: &Map, difference: f64) -> Self {
        let layers = match map.layers.as_slice() {
            [] => "all".to_owned(),
            layers => {
                let quoted: Vec<String> = layers.iter().map(|name| format!("`{name}`")).collect();
                quoted.join(", ")
            }
        };
        let smoothed = match (map.eigen, map.aug) {
            (true, _) => ", eigen_smooth",
            (_, true) => ", aug_smooth",
            _ => "",
        };
        Self {
            row: Row {
                network: network.to_owned(),
                layers: format!("{layers}{smoothed}"),
            },
            method: map.method.clone(),
            difference,
        }
    }
}

fn head() -> String {
    format!(
        "| network | layer | {} |\n|---|---|{}\n",
        METHODS.join(" | "),
        "---|".repeat(METHODS.len())
    )
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/methods.md")
}

/// The text before the table, the table, and the text after it.
fn read() -> (String, Cells, String) {
    let text = std::fs::read_to_string(path()).unwrap();
    let (before, rest) = text.split_once(&head()).unwrap();
    let (table, after) = rest.split_at(rest.find("\n\n").map_or(rest.len(), |end| end + 1));
    let mut cells = Cells::new();
    for line in table.lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", network, layers, ref found @ .., ""] = columns[..] else {
            panic!("docs/methods.md has {line}");
        };
        let row = Row {
            network: network.to_owned(),
            layers: layers.to_owned(),
        };
        let named = METHODS.iter().zip(found);
        let filled = named.filter(|(_, difference)| !difference.is_empty());
        let filled = filled.map(|(method, found)| ((*method).to_owned(), (*found).to_owned()));
        cells.insert(row, filled.collect());
    }
    (before.to_owned(), cells, after.to_owned())
}

/// Puts these differences in the place of what was there: the largest one of a cell.
pub(super) fn write(found: &[Cell]) {
    let _turn = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, mut cells, after) = read();
    let mut worst: BTreeMap<(&Row, &str), f64> = BTreeMap::new();
    for cell in found {
        let known = worst.entry((&cell.row, &cell.method)).or_default();
        *known = known.max(cell.difference);
    }
    // What is no longer compared leaves the table.
    cells.retain(|row, _| !worst.keys().any(|(found, _)| found.network == row.network));
    for ((row, method), difference) in worst {
        let row = cells.entry(row.clone()).or_default();
        row.insert(method.to_owned(), format!("{difference:.0e}"));
    }
    let lines: Vec<String> = cells
        .iter()
        .map(|(row, found)| {
            let found = METHODS.map(|method| found.get(method).map_or("", String::as_str));
            format!(
                "| {} | {} | {} |\n",
                row.network,
                row.layers,
                found.join(" | ")
            )
        })
        .collect();
    std::fs::write(
        path(),
        [before.as_str(), &head(), &lines.concat(), &after].concat(),
    )
    .unwrap();
}

/// The table has these cells. The last digits of the differences are the processor's.
pub(super) fn has(found: &[Cell]) {
    let (_, table, _) = read();
    for cell in found {
        let written = table.get(&cell.row).and_then(|row| row.get(&cell.method));
        assert!(
            written.is_some(),
            "docs/methods.md lacks {cell:?}; GRADCAM_WRITE_TABLE=1 writes it"
        );
    }
    for (row, methods) in table {
        let of_network: Vec<&Cell> = found
            .iter()
            .filter(|cell| cell.row.network == row.network)
            .collect();
        for method in methods.keys().filter(|_| !of_network.is_empty()) {
            assert!(
                of_network
                    .iter()
                    .any(|cell| cell.row == row && cell.method == *method),
                "docs/methods.md has {method} of {row:?}, which nobody compares; GRADCAM_WRITE_TABLE=1 takes it out"
            );
        }
    }
}

#[test]
fn the_table_has_every_family_and_nothing_beyond_the_tolerance() {
    let (_, table, _) = read();
    assert!(table.len() > 50, "{} rows", table.len());
    let networks: std::collections::BTreeSet<&str> =
        table.keys().map(|row| row.network.as_str()).collect();
    assert!(networks.len() >= 19, "{networks:?}");
    for (row, found) in &table {
        for (method, difference) in found {
            let difference: f64 = difference.parse().unwrap();
            assert!(difference <= TOLERANCE, "{row:?} {method}");
        }
    }
}
