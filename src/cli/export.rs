//! `gradcam export`: a review as a table, as pictures, or as a page, without the interface.

mod draw;
mod gather;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::arguments::{ModelArguments, ScanArguments, StyleArguments};
use super::many::ManySettings;
use super::progress::Progress;
use super::score::ScoreSettings;
use crate::dataset::confusion::Confusion;
use crate::dataset::export::report::{self, Report};
use crate::dataset::export::{self, Existing, Record, Table};
use crate::dataset::order::{By, Order};
use crate::dataset::scan::ScanOptions;
use crate::dataset::summary::Summary;
use crate::model::catalog::Hub;
use crate::model::{LoadOptions, Model, ModelSource};
use crate::picture::Style;
use crate::text::{count, visible, visible_lines};
use draw::Drawer;
use gather::{Gathered, gather};

#[derive(Debug, Args)]
#[command(
    after_help = "Verdicts and scores are those that the interface keeps; --score makes scores that are missing.\n\n\
Example: gradcam export val --filter 'wrong conf>0.9' --order -conf --out mistakes.html"
)]
pub(super) struct ExportArguments {
    /// Folders, image files or patterns, as the interface was given them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// File to write; a folder for png, made where it is missing
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// csv, jsonl or parquet for a table, html for a page, png for overlays; told by the ending of
    /// --out without it
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Only images that fit, in the language of the interface's filter
    #[arg(long, value_name = "QUERY", default_value = "")]
    filter: String,
    /// As in the interface: name, loss, -conf, mist and others; - goes down
    #[arg(long, value_name = "ORDER", default_value = "name", value_parser = Order::parse, allow_hyphen_values = true)]
    order: Order,
    /// True classes of the images, as `gradcam evaluate` reads them
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Score images that are not scored, or have changed since
    #[arg(long)]
    score: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Of a page: show so many images with pictures, and list the others
    #[arg(long, value_name = "N", default_value_t = 200)]
    pictures: usize,
    /// The file of the review; without it the one of the folder, in $XDG_STATE_HOME/gradcam/reviews
    #[arg(long, value_name = "FILE", help_heading = "Review")]
    review: Option<PathBuf>,
    /// Only what NAME has said; what others have said counts as not said
    #[arg(long, value_name = "NAME", help_heading = "Review")]
    reviewer: Option<String>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    scan: ScanArguments,
    #[command(flatten)]
    style: StyleArguments,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Csv,
    #[value(alias = "ndjson")]
    Jsonl,
    Parquet,
    Html,
    Png,
}

impl Format {
    /// The format that a file name ends in.
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        match ending.to_ascii_lowercase().as_str() {
            "htm" => Some(Self::Html),
            // A folder that is called so is the exception.
            ending => Self::from_str(ending, true)
                .ok()
                .filter(|format| *format != Self::Png),
        }
    }

    fn table(self) -> Option<export::Format> {
        match self {
            Self::Csv => Some(export::Format::Csv),
            Self::Jsonl => Some(export::Format::JsonLines),
            Self::Parquet => Some(export::Format::Parquet),
            Self::Html | Self::Png => None,
        }
    }
}

/// The kind of table that a file name ends in.
///
/// # Errors
/// A sentence, when it ends in none.
pub(super) fn table_format(path: &Path) -> Result<export::Format> {
    let format = Format::of(path).and_then(Format::table);
    format.with_context(|| {
        format!(
            "nothing tells what {} is to be; end it in .csv, .jsonl or .parquet",
            shown(path)
        )
    })
}

/// For `gradcam export`.
#[derive(Debug)]
pub struct ExportSettings {
    paths: Vec<PathBuf>,
    out: PathBuf,
    format: Format,
    filter: String,
    order: Order,
    truth: Option<PathBuf>,
    score: bool,
    existing: Existing,
    pictures: usize,
    review: Option<PathBuf>,
    reviewer: Option<String>,
    pub model: ModelSource,
    load: LoadOptions,
    pub hub: Hub,
    scan: ScanOptions,
    style: Style,
    /// Where programs keep what must not be lost; [`super::parse`] fills it in.
    pub(super) state: Option<PathBuf>,
}

impl ExportArguments {
    /// # Errors
    /// A sentence, when nothing tells the format.
    pub(super) fn settings(self, hub: &Hub) -> Result<ExportSettings, String> {
        let format = self.format.or_else(|| Format::of(&self.out));
        let format = format.ok_or_else(|| {
            format!(
                "nothing tells what {} is to be; end it in .csv, .jsonl, .parquet or .html, or give --format",
                self.out.display()
            )
        })?;
        let hub = self.model.hub(hub);
        let (model, load) = self.model.split(&self.paths);
        Ok(ExportSettings {
            paths: self.paths,
            out: self.out,
            format,
            filter: self.filter,
            order: self.order,
            truth: self.truth,
            score: self.score,
            existing: if self.force {
                Existing::Replaced
            } else {
                Existing::Kept
            },
            pictures: self.pictures,
            review: self.review,
            reviewer: self.reviewer,
            model,
            load,
            hub,
            scan: self.scan.options(),
            style: self.style.style(),
            state: None,
        })
    }
}

impl ExportSettings {
    /// How images without a score get one.
    fn scoring(&self) -> ScoreSettings {
        ScoreSettings {
            many: ManySettings::of(self.paths.clone(), self.scan, self.load.device),
            truth: self.truth.clone(),
            out: None,
            review: self.review.clone(),
            model: self.model.clone(),
            load: self.load.clone(),
            hub: self.hub.clone(),
            state: self.state.clone(),
        }
    }
}

/// Exports. Returns whether nothing failed.
///
/// # Errors
/// When the images, the store, the model or the truth cannot be read, the filter means nothing, or
/// a file is there already or cannot be written.
pub fn run(settings: &ExportSettings, out: &mut dyn Write) -> Result<bool> {
    let is_file = settings.format != Format::Png;
    if is_file && settings.existing == Existing::Kept && settings.out.symlink_metadata().is_ok() {
        // Said before the work, not after it.
        bail!(export::ExportError::Exists(shown(&settings.out)));
    }
    let progress = Progress::new();
    let gathered = gather(settings, &progress)?;
    let mut all_well = gathered.failures == 0;
    let table = Table {
        model: gathered.facts.as_ref(),
        has_odd_paths: gathered
            .records
            .iter()
            .any(|record| export::is_odd(&record.path)),
    };
    let queue = gathered.queue(settings.order);
    match settings.format {
        Format::Html => {
            let model = gathered.model.as_ref().context("no model is loaded")?;
            all_well &= page(settings, model, &gathered, &table, &queue, &progress)?;
        }
        Format::Png => {
            let model = gathered.model.as_ref().context("no model is loaded")?;
            all_well &= pictures(settings, model, &queue, &progress, out)?;
        }
        Format::Csv | Format::Jsonl | Format::Parquet => {
            if let Some(format) = settings.format.table() {
                let records = queue.iter().map(|record| (*record).clone());
                export::write(records, &table, format, &settings.out, settings.existing)?;
            }
        }
    }
    if is_file {
        writeln!(
            out,
            "wrote {} to {}",
            count(queue.len(), "image"),
            shown(&settings.out)
        )?;
    }
    Ok(all_well)
}

fn page(
    settings: &ExportSettings,
    model: &Model,
    gathered: &Gathered,
    table: &Table<'_>,
    queue: &[&Record],
    progress: &Progress,
) -> Result<bool> {
    let labels = gathered
        .facts
        .as_ref()
        .map_or(&[][..], |facts| &facts.labels);
    let classes = gathered.facts.as_ref().map_or(0, |facts| facts.classes);
    let rows = || gathered.records.iter().map(Record::row);
    let confusion = Confusion::of_rows(rows());
    let summary = Summary::of(rows(), &confusion, labels, classes);
    let all = gathered.records.len();
    let filter = match settings.filter.trim() {
        "" => "all images".to_owned(),
        filter => format!("those of {} that fit: {filter}", count(all, "image")),
    };
    let order = match settings.order {
        Order {
            by: By::Name,
            descending: false,
        } => "by name".to_owned(),
        Order { by, descending } => {
            let first = if descending { "largest" } else { "smallest" };
            format!("by {}, {first} first", by.name())
        }
    };
    let report = Report {
        title: &title(&settings.paths),
        queue: &format!("{filter}; {order}"),
        table,
        summary: &summary,
        confusion: &confusion,
        pictures: settings.pictures,
        made_at: now(),
    };
    let records: Vec<Record> = queue.iter().map(|record| (*record).clone()).collect();
    let mut drawer = Drawer::new(model, settings.style);
    let mut all_well = true;
    progress.images(settings.pictures.min(records.len()), "drawn");
    let draw = |record: &Record| {
        let drawn = drawer.thumbnails(record);
        if let Err(reason) = &drawn {
            all_well = false;
            progress.say(reason);
        }
        progress.done(1);
        drawn
    };
    report::write(&report, &records, draw, &settings.out, settings.existing)?;
    progress.finish();
    Ok(all_well)
}

fn pictures(
    settings: &ExportSettings,
    model: &Model,
    queue: &[&Record],
    progress: &Progress,
    out: &mut dyn Write,
) -> Result<bool> {
    std::fs::create_dir_all(&settings.out)
        .with_context(|| format!("cannot make the folder {}", shown(&settings.out)))?;
    let mut drawer = Drawer::new(model, settings.style);
    let (mut all_well, mut written) = (true, 0);
    progress.images(queue.len(), "drawn");
    for record in queue {
        match drawer.overlays(record) {
            Ok(overlays) => {
                for overlay in overlays {
                    written += 1;
                    overlay.save(&settings.out, settings.existing)?;
                }
            }
            Err(reason) => {
                all_well = false;
                progress.say(&reason);
            }
        }
        progress.done(1);
    }
    progress.finish();
    writeln!(
        out,
        "wrote {} of {} to {}",
        count(written, "overlay"),
        count(queue.len(), "image"),
        shown(&settings.out)
    )?;
    Ok(all_well)
}

/// The names of the folders that were reviewed; where they lie is nobody else's business.
fn title(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        real.file_name()
            .map_or_else(|| shown(path), |name| visible(&name.to_string_lossy()))
    };
    let names: Vec<String> = paths.iter().map(name).collect();
    names.join(", ")
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}

fn shown(path: &Path) -> String {
    visible_lines(&path.display().to_string())
}

#[cfg(test)]
mod tests;
