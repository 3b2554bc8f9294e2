//! `gradcam export`: a review as a table, as pictures, or as a page, without the interface.

mod gather;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};

use super::arguments::{ModelArguments, REVIEW, ScanArguments, StyleArguments, TRUTH};
use super::many::ManySettings;
use super::progress::Progress;
use super::score::ScoreSettings;
use crate::dataset::confusion::Confusion;
use crate::dataset::export::report::{self, Report};
use crate::dataset::export::{self, Record, Table};
use crate::dataset::order::Order;
use crate::dataset::scan::ScanOptions;
use crate::dataset::summary::Summary;
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::file::{Destination, Existing, WriteError};
use crate::model::catalog::Hub;
use crate::model::{LoadOptions, Model, ModelSource};
use crate::picture::Style;
use crate::picture::files::write_png;
use crate::text::{count, visible_lines};
use crate::worker::drawer::{Drawer, Drawn, Kind, Names};
use crate::worker::read_patiently;
use crate::worker::studio::read_image;
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
    #[arg(long, help = TRUTH, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Score images that are not scored, or have changed since
    #[arg(long)]
    score: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Of a page: show so many images with pictures, and list the others
    #[arg(long, value_name = "N", default_value_t = report::PICTURES)]
    pictures: usize,
    #[arg(long, help = REVIEW, value_name = "FILE", help_heading = "Review")]
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

impl ExportSettings {
    fn destination(&self) -> Destination<'_> {
        Destination::new(&self.out, self.existing)
    }
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
        return Err(refused(WriteError::Exists(shown(&settings.out))));
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
                let written = export::write(records, &table, format, settings.destination());
                written.map_err(refused)?;
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
    let queue_words = report::queue(&settings.filter, gathered.records.len(), settings.order);
    let report = Report {
        title: &report::title(&settings.paths),
        queue: &queue_words,
        table,
        summary: &summary,
        confusion: &confusion,
        pictures: settings.pictures,
        made_at: report::now(),
    };
    let records: Vec<Record> = queue.iter().map(|record| (*record).clone()).collect();
    let drawer = Drawer::new(Options::default(), settings.style);
    let mut all_well = true;
    progress.images(settings.pictures.min(records.len()), "drawn");
    let draw = |record: &Record| {
        let drawn = drawn(&drawer, Kind::Thumbnails, model, record, progress);
        let drawn = drawn.and_then(|all| all.into_iter().map(Drawn::for_page).collect());
        if let Err(reason) = &drawn {
            all_well = false;
            progress.say(reason);
        }
        progress.done(1);
        drawn
    };
    report::write(&report, &records, draw, settings.destination()).map_err(refused)?;
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
    let drawer = Drawer::new(Options::default(), settings.style);
    let mut names = Names::new(&model.labels().all(model.summary().classes));
    let (mut all_well, mut written) = (true, 0);
    progress.images(queue.len(), "drawn");
    for record in queue {
        let stem = names.stem(&record.path);
        match drawn(&drawer, Kind::Overlays, model, record, progress) {
            Ok(overlays) => {
                for overlay in overlays {
                    written += 1;
                    let path = names.path(&settings.out, &stem, &overlay.target);
                    let destination = Destination::new(&path, settings.existing);
                    write_png(&overlay.picture, destination).map_err(refused)?;
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

fn drawn(
    drawer: &Drawer,
    kind: Kind,
    model: &Model,
    record: &Record,
    progress: &Progress,
) -> Result<Vec<Drawn>, String> {
    let say = |sentence: &str| progress.say(sentence);
    let image = read_patiently(&read_image(), &record.path, &say)?;
    let drawn = drawer.draw(kind, model, image, record, &mut Unwatched)?;
    Ok(drawn.unwrap_or_default())
}

/// With what to do about it.
fn refused(error: WriteError) -> anyhow::Error {
    match error {
        WriteError::Exists(_) => anyhow!("{error}; --force replaces it"),
        _ => error.into(),
    }
}

fn shown(path: &Path) -> String {
    visible_lines(&path.display().to_string())
}

#[cfg(test)]
mod tests;
