//! Report: the means of all figures, as tables on the screen and as files.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::EvaluateSettings;
use super::session::{Measured, Task};
use crate::dataset::truth::Truth;
use crate::explain::evaluate::summary::{Estimate, estimate};
use crate::explain::evaluate::{Better, Figure, MetricId, Tally, Unit};
use crate::file::{Aside, Destination, Existing, write_whole};
use crate::model::{Model, ModelSummary};
use crate::text::{count, json_pretty, visible};

/// Writes a file in place of one that is there.
fn replaced(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Aside<'_>>) -> Result<(), String>,
) -> Result<(), String> {
    let destination = Destination::new(path, Existing::Replaced);
    write_whole(destination, write).map_err(|error| error.to_string())
}

/// Everything that is said at the end.
pub(super) struct Report<'a> {
    model: &'a ModelSummary,
    truth: Option<&'a Truth>,
    tasks: &'a [Task],
    metrics: &'a [MetricId],
    measured: Measured,
    notes: Vec<String>,
    /// By task, metric and figure.
    estimates: BTreeMap<(usize, MetricId, usize), Estimate>,
    /// Whether a method that does not fit is no failure.
    any_method: bool,
}

/// One figure in a file.
#[derive(Serialize)]
struct Row<'a> {
    method: &'static str,
    layer: Option<&'a str>,
    metric: &'static str,
    figure: &'static str,
    value: f64,
    /// Of the confidence interval; nothing with one image alone.
    low: Option<f64>,
    high: Option<f64>,
    /// How many images said something, and how many cases they had.
    images: usize,
    cases: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    gradcam: &'static str,
    model: &'a ModelSummary,
    images: usize,
    truth: Option<&'a str>,
    settings: SettingsRecord,
    confidence: f64,
    figures: Vec<Row<'a>>,
    left_out: Vec<LeftOut<'a>>,
    notes: &'a [String],
    failures: &'a [String],
}

#[derive(Serialize)]
struct SettingsRecord {
    seed: u64,
    tolerance: f64,
    reject: f64,
    aug_smooth: bool,
    eigen_smooth: bool,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    method: &'static str,
    layer: Option<&'a str>,
    reason: &'a str,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        settings: &EvaluateSettings,
        model: &'a Model,
        truth: Option<&'a Truth>,
        tasks: &'a [Task],
        metrics: &'a [MetricId],
        measured: Measured,
        notes: Vec<String>,
    ) -> Self {
        let mut estimates = BTreeMap::new();
        for ((task, metric), images) in &measured.tallies {
            for (place, figure) in metric.metric().figures.iter().enumerate() {
                let tallies: Vec<Tally> = images.iter().map(|tallies| tallies[place]).collect();
                if let Some(found) = estimate(&tallies, figure.key, settings.rules.seed) {
                    estimates.insert((*task, *metric, place), found);
                }
            }
        }
        Self {
            model: model.summary(),
            truth,
            tasks,
            metrics,
            measured,
            notes,
            estimates,
            any_method: settings.any_method,
        }
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.estimates.is_empty()
    }

    /// Whether all that was asked for was measured.
    pub(super) fn is_whole(&self) -> bool {
        self.measured.failures.is_empty() && (self.any_method || self.measured.left_out.is_empty())
    }

    /// A table for each metric, a row for each method and layer.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<()> {
        self.printed(out).context("cannot write to standard output")
    }

    fn printed(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{}, {}, {}; in brackets: 95 % confidence, by bootstrap over images",
            visible(&self.model.name),
            count(self.measured.images, "image"),
            match self.truth {
                Some(truth) => format!("truth from {}", truth.source),
                None => "without truth".to_owned(),
            }
        )?;
        for id in self.metrics {
            let rows = self.rows_of(*id);
            if rows.is_empty() {
                continue;
            }
            let metric = id.metric();
            writeln!(out, "\n{}: {}", metric.name, metric.summary)?;
            for line in aligned(&rows) {
                writeln!(out, "  {line}")?;
            }
        }
        if !self.measured.left_out.is_empty() {
            writeln!(out)?;
        }
        for (task, reason) in &self.measured.left_out {
            writeln!(out, "left out: {}: {reason}", self.tasks[*task].name())?;
        }
        Ok(())
    }

    /// The cells of a metric's table, its head first; nothing where it has no rows.
    fn rows_of(&self, id: MetricId) -> Vec<Vec<String>> {
        let shown = || {
            (0..)
                .zip(id.metric().figures)
                .filter(|(_, figure)| figure.is_shown)
        };
        let mut rows = Vec::new();
        for (task, what) in self.tasks.iter().enumerate() {
            let cells: Vec<Option<String>> = shown()
                .map(|(place, figure)| {
                    let found = self.estimates.get(&(task, id, place))?;
                    Some(with_interval(figure, found))
                })
                .collect();
            if cells.iter().any(Option::is_some) {
                let names = [method(what).to_owned(), layer(what)];
                let cells = cells.into_iter().map(Option::unwrap_or_default);
                rows.push(names.into_iter().chain(cells).collect());
            }
        }
        if !rows.is_empty() {
            let head = [String::new(), String::new()].into_iter();
            rows.insert(
                0,
                head.chain(shown().map(|(_, figure)| title(figure)))
                    .collect(),
            );
        }
        rows
    }

    /// Writes the files that were asked for.
    ///
    /// # Errors
    /// When one cannot be written; the text names it.
    pub(super) fn write(&self, settings: &EvaluateSettings) -> Result<(), String> {
        if let Some(path) = &settings.json {
            replaced(path, |file| {
                let text = json_pretty(&self.document(settings)).map_err(|e| e.to_string())?;
                writeln!(file, "{text}").map_err(|error| error.to_string())
            })?;
        }
        if let Some(path) = &settings.csv {
            replaced(path, |file| {
                self.write_csv(file).map_err(|error| error.to_string())
            })?;
        }
        if let Some(path) = &settings.markdown {
            replaced(path, |file| {
                file.write_all(self.markdown().as_bytes())
                    .map_err(|error| error.to_string())
            })?;
        }
        Ok(())
    }

    fn document(&self, settings: &EvaluateSettings) -> Document<'_> {
        let left_out = self.measured.left_out.iter().map(|(task, reason)| LeftOut {
            method: self.tasks[*task].options.method.method().key,
            layer: self.tasks[*task].layer.as_deref(),
            reason,
        });
        Document {
            gradcam: env!("CARGO_PKG_VERSION"),
            model: self.model,
            images: self.measured.images,
            truth: self.truth.map(|truth| truth.source.as_str()),
            settings: SettingsRecord {
                seed: settings.rules.seed,
                tolerance: settings.rules.tolerance,
                reject: settings.rules.reject,
                aug_smooth: settings.aug_smooth,
                eigen_smooth: settings.eigen_smooth,
            },
            confidence: 0.95,
            figures: self.rows().collect(),
            left_out: left_out.collect(),
            notes: &self.notes,
            failures: &self.measured.failures,
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.estimates.iter().map(|((task, metric, place), found)| {
            let (task, metric) = (&self.tasks[*task], metric.metric());
            let [low, high] = found.interval.map_or([None; 2], |ends| ends.map(Some));
            Row {
                method: task.options.method.method().key,
                layer: task.layer.as_deref(),
                metric: metric.key,
                figure: metric.figures[*place].key,
                value: found.value,
                low,
                high,
                images: found.images,
                cases: found.cases,
            }
        })
    }

    fn write_csv(&self, file: &mut dyn Write) -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_writer(file);
        table.write_record([
            "method", "layer", "metric", "figure", "value", "low", "high", "images", "cases",
        ])?;
        for row in self.rows() {
            let end = |end: Option<f64>| end.map_or_else(String::new, |end| end.to_string());
            table.write_record([
                row.method,
                row.layer.unwrap_or_default(),
                row.metric,
                row.figure,
                &row.value.to_string(),
                &end(row.low),
                &end(row.high),
                &row.images.to_string(),
                &row.cases.to_string(),
            ])?;
        }
        Ok(table.flush()?)
    }

    /// One table: a row for each method and layer, a column for each figure that is shown.
    fn markdown(&self) -> String {
        let mut layers: Vec<&Option<String>> = self.tasks.iter().map(|task| &task.layer).collect();
        layers.retain(|layer| layer.is_some());
        layers.dedup();
        let columns: Vec<(MetricId, usize, &Figure)> = self
            .metrics
            .iter()
            .flat_map(|id| {
                (0..)
                    .zip(id.metric().figures)
                    .map(|(place, figure)| (*id, place, figure))
            })
            .filter(|(_, _, figure)| figure.is_shown)
            .collect();
        let mut lines = Vec::new();
        let names = |what: &Task| match layers.len() {
            0 | 1 => vec![method(what).to_owned()],
            _ => vec![method(what).to_owned(), layer(what)],
        };
        for (task, what) in self.tasks.iter().enumerate() {
            let cells = columns.iter().map(|(id, place, figure)| {
                let found = self.estimates.get(&(task, *id, *place));
                found.map_or_else(String::new, |found| number(figure, found.value))
            });
            let cells: Vec<String> = cells.collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                lines.push([names(what), cells].concat());
            }
        }
        let width = if layers.len() > 1 { 2 } else { 1 };
        let heads = ["method", "layer"]
            .into_iter()
            .take(width)
            .map(str::to_owned);
        let head: Vec<String> = heads
            .chain(columns.iter().map(|(_, _, figure)| title(figure)))
            .collect();
        let rule: Vec<String> = (0..head.len())
            .map(|column| if column < width { "---" } else { "---:" }.to_owned())
            .collect();
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        [head, rule].into_iter().chain(lines).map(line).collect()
    }
}

fn method(task: &Task) -> &'static str {
    task.options.method.method().name
}

fn layer(task: &Task) -> String {
    task.layer
        .as_deref()
        .map_or_else(|| "the input".to_owned(), visible)
}

/// "average drop % ↓": an arrow to what is better.
fn title(figure: &Figure) -> String {
    let unit = match figure.unit {
        Unit::Share => " %",
        Unit::Number => "",
    };
    let arrow = match figure.better {
        Some(Better::Higher) => " ↑",
        Some(Better::Lower) => " ↓",
        Some(Better::Zero) => " →0",
        None => "",
    };
    format!("{}{unit}{arrow}", figure.title)
}

fn number(figure: &Figure, value: f64) -> String {
    match figure.unit {
        Unit::Share => format!("{:.1}", 100.0 * value),
        // No minus before zero.
        Unit::Number => format!("{:.3}", if value.abs() < 5e-4 { 0.0 } else { value }),
    }
}

/// "0.412 [0.390, 0.431]"
fn with_interval(figure: &Figure, found: &Estimate) -> String {
    let value = number(figure, found.value);
    match found
        .interval
        .map(|ends| ends.map(|end| number(figure, end)))
    {
        Some([low, high]) => format!("{value} [{low}, {high}]"),
        None => value,
    }
}

/// Lines of cells under each other: the first two columns to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 | 1 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells
                .collect::<Vec<String>>()
                .join("  ")
                .trim_end()
                .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests;
