//! `gradcam models`, and models by name: what there is, what is in the cache, and bringing it there.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{ModelsSettings, Settings};
use crate::model::ModelSource;
use crate::model::catalog::{self, CatalogError, Entry, Hub, Progress};
use crate::text::{json, visible};

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: String,
    weights: &'a str,
    classes: usize,
    mib: f32,
    top1: f32,
    cached: bool,
    preprocessing: String,
    file: &'a str,
}

/// Prints the table of models, or one JSON object a line.
///
/// # Errors
/// When no name fits the pattern, or the output cannot be written.
pub fn run(settings: &ModelsSettings, out: &mut dyn Write) -> Result<()> {
    let wanted = settings
        .pattern
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let found: Vec<&Entry> = catalog::entries()
        .iter()
        .filter(|entry| entry.full_name().to_lowercase().contains(&wanted))
        .collect();
    if found.is_empty() {
        return Err(catalog::unknown(&wanted).into());
    }
    if !settings.json {
        writeln!(
            out,
            "{:40} {:>7} {:>9} {:>7}  in the cache",
            "name", "classes", "size", "top-1"
        )?;
    }
    for entry in found {
        let cached = entry.cached(&settings.hub).is_some();
        if settings.json {
            let row = Row {
                name: entry.name(),
                weights: entry.weights,
                classes: entry.classes,
                mib: entry.mib,
                top1: entry.top1,
                cached,
                preprocessing: entry.recipe.in_words(),
                file: entry.file(),
            };
            writeln!(out, "{}", json(&row)?)?;
        } else {
            let row = format!(
                "{:40} {:>7} {:>5.0} MiB {:>6.1}%  {}",
                entry.name(),
                entry.classes,
                entry.mib,
                entry.top1,
                if cached { "yes" } else { "" }
            );
            writeln!(out, "{}", row.trim_end())?;
        }
    }
    Ok(())
}

/// The settings with the file or folder of a model that was given by name; it is downloaded if need
/// be, with a bar on standard error.
///
/// # Errors
/// When there is no such model, or it cannot be downloaded.
pub fn with_model_here(mut settings: Settings) -> Result<Settings> {
    let (source, hub) = match &mut settings {
        Settings::Open(settings) => (&mut settings.model, &settings.hub),
        Settings::Explain(settings) => (&mut settings.model, &settings.hub),
        Settings::Evaluate(settings) => (&mut settings.model, &settings.hub),
        Settings::Export(settings) => (&mut settings.model, &settings.hub),
        Settings::Layers(settings) => (&mut settings.model, &settings.hub),
        Settings::Score(settings) => (&mut settings.model, &settings.hub),
        Settings::Config(_)
        | Settings::Doctor(_)
        | Settings::Merge(_)
        | Settings::Methods(_)
        | Settings::Models(_)
        | Settings::Pages(_) => return Ok(settings),
    };
    *source = brought(source, hub)?;
    Ok(settings)
}

fn brought(source: &ModelSource, hub: &Hub) -> Result<ModelSource, CatalogError> {
    let mut bar: Option<ProgressBar> = None;
    let result = catalog::bring(source, hub, &mut |progress| show(&mut bar, progress));
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    result
}

/// Moves the bar; a new file gets a new one. Where nobody looks on, a line a file is enough.
fn show(bar: &mut Option<ProgressBar>, progress: Progress<'_>) {
    if bar
        .as_ref()
        .is_none_or(|bar| bar.message() != visible(progress.file))
    {
        if !std::io::stderr().is_terminal() {
            tracing::info!("downloading {}", progress.file);
        }
        let new = ProgressBar::new(progress.total.unwrap_or(0));
        if let Ok(style) = ProgressStyle::with_template(
            "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ) {
            new.set_style(style);
        }
        new.set_message(visible(progress.file));
        *bar = Some(new);
    }
    if let Some(bar) = bar {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    }
}
