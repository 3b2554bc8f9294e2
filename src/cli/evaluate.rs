//! `gradcam evaluate`: how faithful maps are, measured over a folder of images.
//!
//! Images are measured one after the other, each by all methods, layers and metrics that were asked
//! for. What is done goes to a file at once ([`journal`]), so that a run that was ended goes on
//! where it was. At the end the means are printed and written ([`report`]).

pub(super) mod journal;
mod progress;
mod report;
mod session;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use clap::Args;

use super::Hub;
use super::arguments::{AUG_SMOOTH, EIGEN_SMOOTH, ModelArguments, ScanArguments, TRUTH};
use super::stop::stopped_by_signals;
use crate::dataset::ImageEntry;
use crate::dataset::scan::{ScanOptions, scan};
use crate::dataset::shard::Shard;
use crate::dataset::store::Names;
use crate::dataset::truth::{Classes, Truth};
use crate::explain::evaluate::{MetricId, Needs, Rules};
use crate::explain::methods::{MethodId, Reads};
use crate::explain::options::Options;
use crate::model::{LoadOptions, Model, ModelSource};
use journal::{Header, Journal};
use progress::Progress;
use report::Report;
use session::{Session, Task};

#[derive(Debug, Args)]
#[command(
    after_help = "A run that was ended, by Ctrl-C or otherwise, goes on where it was when the same command is \
given again.\n\nExample: gradcam evaluate assets/demo/images --truth assets/demo/truth.csv --method all"
)]
#[command(mut_arg("layers", |argument| argument.help("Target layer; given again, each is measured")))]
pub(super) struct EvaluateArguments {
    /// Folders, image files or patterns
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[arg(long, help = TRUTH, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Methods, separated by commas or given again, or all
    #[arg(long = "method", value_name = "METHOD", default_value = "grad-cam", value_delimiter = ',', value_parser = chosen::<MethodId>)]
    methods: Vec<Chosen<MethodId>>,
    /// Metrics, separated by commas or given again: pointing, localization, drop, deletion, road,
    /// occlusion, randomization, or all
    #[arg(long, value_name = "METRIC", default_value = "all", value_delimiter = ',', value_parser = chosen::<MetricId>)]
    metrics: Vec<Chosen<MetricId>>,
    /// Measure no more than N images, spread evenly over all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only part I of N, told by the names of the images; `gradcam merge` makes one of the --results of
    /// all parts
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Pointing game: count a maximum this near to the box as a hit, in pixels of the image
    #[arg(long, value_name = "PX", default_value = "0", value_parser = distance)]
    tolerance: f64,
    /// Pointing game with recall: reject a class whose peak is below this share of the largest of the
    /// top 5
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = share)]
    reject: f64,
    /// Of the noise, the random weights and the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[arg(long, help = AUG_SMOOTH)]
    aug_smooth: bool,
    #[arg(long, help = EIGEN_SMOOTH)]
    eigen_smooth: bool,
    /// Write all figures with their confidence intervals as JSON
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    json: Option<PathBuf>,
    /// The same as CSV, a row for each figure
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    csv: Option<PathBuf>,
    /// Write one table of all methods as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    markdown: Option<PathBuf>,
    /// Keep what is done in this file and go on from it; a file of another model or of other settings
    /// is refused. Without it a file for each model and settings in $XDG_STATE_HOME/gradcam/evaluate
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    results: Option<PathBuf>,
    /// Measure everything again, whatever is done already
    #[arg(long, help_heading = "Files")]
    fresh: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    scan: ScanArguments,
}

/// One of a list, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen<T> {
    All,
    One(T),
}

fn chosen<T: std::str::FromStr<Err = String>>(text: &str) -> Result<Chosen<T>, String> {
    match text.trim() {
        "all" => Ok(Chosen::All),
        one => one.parse().map(Chosen::One),
    }
}

fn distance(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "expected a number of pixels".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// For `gradcam evaluate`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug)]
pub struct EvaluateSettings {
    pub model: ModelSource,
    pub load: LoadOptions,
    pub hub: Hub,
    paths: Vec<PathBuf>,
    scan: ScanOptions,
    truth: Option<PathBuf>,
    methods: Vec<MethodId>,
    /// Whether methods that do not fit the network are left out; else they are errors.
    any_method: bool,
    /// The model's own where there is none.
    layers: Vec<String>,
    metrics: Vec<MetricId>,
    /// Whether metrics that need more truth than there is are left out; else they are errors.
    any_metric: bool,
    limit: Option<usize>,
    shard: Option<Shard>,
    rules: Rules,
    aug_smooth: bool,
    eigen_smooth: bool,
    json: Option<PathBuf>,
    csv: Option<PathBuf>,
    markdown: Option<PathBuf>,
    results: Option<PathBuf>,
    fresh: bool,
    /// Where programs keep what they may need again; [`super::parse`] fills it in.
    pub(super) state: Option<PathBuf>,
}

impl EvaluateArguments {
    pub(super) fn settings(self, hub: &Hub) -> EvaluateSettings {
        let hub = self.model.hub(hub);
        let layers = self.model.layers.clone();
        let (model, load) = self.model.split(&self.paths);
        let (methods, any_method) = listed(self.methods, MethodId::all());
        let (metrics, any_metric) = listed(self.metrics, MetricId::all());
        EvaluateSettings {
            model,
            load,
            hub,
            paths: self.paths,
            scan: self.scan.options(),
            truth: self.truth,
            methods,
            any_method,
            layers,
            metrics,
            any_metric,
            limit: self.limit.map(|limit| limit as usize),
            shard: self.shard,
            rules: Rules {
                seed: self.seed,
                tolerance: self.tolerance,
                reject: self.reject,
            },
            aug_smooth: self.aug_smooth,
            eigen_smooth: self.eigen_smooth,
            json: self.json,
            csv: self.csv,
            markdown: self.markdown,
            results: self.results,
            fresh: self.fresh,
            state: None,
        }
    }
}

/// Each that was chosen once, and whether all were.
fn listed<T: PartialEq>(chosen: Vec<Chosen<T>>, all: impl Iterator<Item = T>) -> (Vec<T>, bool) {
    if chosen.contains(&Chosen::All) {
        return (all.collect(), true);
    }
    let mut list = Vec::new();
    for one in chosen {
        if let Chosen::One(one) = one
            && !list.contains(&one)
        {
            list.push(one);
        }
    }
    (list, false)
}

/// `$XDG_STATE_HOME`, or its place below the home folder.
pub(super) fn state_folder(lookup: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = |name: &str| lookup(name).map(PathBuf::from);
    folder("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(folder("HOME")?.join(".local/state")))
}

/// Measures, prints the tables and writes the files. Returns whether nothing failed.
///
/// # Errors
/// When the model, an image or the truth cannot be read, the results are those of other settings,
/// or a file cannot be written.
pub fn run(settings: &EvaluateSettings, out: &mut dyn Write) -> Result<bool> {
    evaluate(settings, &*stopped_by_signals()?, out)
}

/// The same until somebody says stop.
fn evaluate(
    settings: &EvaluateSettings,
    stopped: &AtomicBool,
    out: &mut dyn Write,
) -> Result<bool> {
    let progress = &mut Progress::start();
    let found = scan(&settings.paths, settings.scan)?;
    for warning in &found.warnings {
        progress.say(warning)?;
    }
    let model = Model::load(&settings.model, &settings.load)?;
    let mut notes = Vec::new();
    let classes = Classes::new(&model.labels().all(model.summary().classes));
    let truth = Truth::find(
        settings.truth.as_deref(),
        &settings.paths,
        &found.images,
        &classes,
        &mut notes,
    )?;
    let mut images = spread(found.images, settings.limit);
    if let Some(shard) = settings.shard {
        let names = Names::new(&settings.paths);
        images.retain(|image| shard.has(&names.key(&image.path)));
    }
    notes.extend(truth.iter().flat_map(|truth| truth.notes.clone()));
    let metrics = metrics(settings, truth.as_ref(), &mut notes)?;
    for guess in &model.summary().guesses {
        progress.say(&format!("guessed: {guess}"))?;
    }
    for note in &notes {
        progress.say(note)?;
    }
    let tasks = tasks(settings, &model);
    let header = Header::new(&model, settings);
    let mut journal = Journal::open(&header, settings)?;
    let mut session = Session {
        model: &model,
        settings,
        truth: truth.as_ref(),
        tasks: &tasks,
        metrics: &metrics,
        journal: &mut journal,
        stopped,
    };
    let Some(measured) = session.measure(&images, progress)? else {
        progress.say(&format!(
            "stopped; what is done is kept in {}, and the same command goes on from there",
            journal.shown()
        ))?;
        return Ok(false);
    };
    let report = Report::new(
        settings,
        &model,
        truth.as_ref(),
        &tasks,
        &metrics,
        measured,
        notes,
    );
    report.print(out)?;
    report.write(settings).map_err(anyhow::Error::msg)?;
    if report.is_empty() {
        bail!("nothing could be measured");
    }
    Ok(report.is_whole())
}

/// So many of them, at equal distances.
fn spread(images: Vec<ImageEntry>, limit: Option<usize>) -> Vec<ImageEntry> {
    let all = images.len();
    let wanted = limit.unwrap_or(all).min(all);
    let mut images: Vec<Option<ImageEntry>> = images.into_iter().map(Some).collect();
    (0..wanted)
        .filter_map(|place| images[place * all / wanted].take())
        .collect()
}

/// The metrics for which enough is known.
fn metrics(
    settings: &EvaluateSettings,
    truth: Option<&Truth>,
    notes: &mut Vec<String>,
) -> Result<Vec<MetricId>> {
    let mut kept = Vec::new();
    for id in &settings.metrics {
        let metric = id.metric();
        let lacking = match (metric.needs, truth) {
            (Needs::Nothing, _) | (Needs::Truth, Some(_)) => None,
            (Needs::Boxes, Some(truth)) if truth.has_boxes() => None,
            (Needs::Boxes, Some(truth)) => {
                Some(format!("the ground truth, {}, has no boxes", truth.source))
            }
            (_, None) => {
                Some("the classes of the images are not known; --truth FILE tells them".to_owned())
            }
        };
        match lacking {
            None => kept.push(*id),
            Some(why) if settings.any_metric => {
                notes.push(format!("{} is left out: {why}", metric.key));
            }
            Some(why) => bail!("{} cannot be measured: {why}", metric.key),
        }
    }
    Ok(kept)
}

/// Every method at every layer; at none where it reads none.
fn tasks(settings: &EvaluateSettings, model: &Model) -> Vec<Task> {
    let layers = match settings.layers.as_slice() {
        [] => std::slice::from_ref(&model.summary().layer),
        layers => layers,
    };
    let task = |method: MethodId, layer: Option<&String>| Task {
        layer: layer.cloned(),
        options: Options {
            method,
            layers: layer.into_iter().cloned().collect(),
            aug_smooth: settings.aug_smooth,
            eigen_smooth: settings.eigen_smooth,
            ..Options::default()
        },
    };
    let of_method = |method: &MethodId| -> Vec<Task> {
        match method.method().reads {
            Reads::Layer => layers
                .iter()
                .map(|layer| task(*method, Some(layer)))
                .collect(),
            Reads::Pixels | Reads::Attention => vec![task(*method, None)],
        }
    };
    settings.methods.iter().flat_map(of_method).collect()
}

#[cfg(test)]
mod tests;
