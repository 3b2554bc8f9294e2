//! Journal: the file that keeps what is measured, so that a run that was ended can go on.
//!
//! JSON lines that are only ever added to: a header that says what the results depend on, then one
//! line for each image, method, layer and metric, written whole and at once. A line that was cut off
//! when the machine or the program died is taken away when the file is opened again. An image is
//! known by its content and its ground truth, wherever it lies.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::EvaluateSettings;
use super::session::Task;
use crate::dataset::truth::Object;
use crate::explain::evaluate::{MetricId, Rules, Tally};
use crate::model::Model;
use crate::text::visible;

/// What results depend on, beside the image, the method, the layer and the metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Version and build of the program.
    gradcam: String,
    /// Name and fingerprint.
    model: String,
    preprocessing: String,
    device: String,
    rules: Rules,
    aug_smooth: bool,
    eigen_smooth: bool,
}

/// One result.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// For people.
    image: String,
    id: String,
    method: String,
    layer: Option<String>,
    metric: String,
    /// For each figure of the metric: the sum over its cases, and their number.
    tallies: Vec<(f64, u32)>,
}

impl Line {
    fn key(&self) -> Key {
        (
            self.id.clone(),
            self.method.clone(),
            self.layer.clone(),
            self.metric.clone(),
        )
    }
}

/// Image, method, layer, metric.
type Key = (String, String, Option<String>, String);

/// The open file, and what it holds.
#[derive(Debug)]
pub(in crate::cli) struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<Key, Vec<Tally>>,
}

impl Header {
    pub(super) fn new(model: &Model, settings: &EvaluateSettings) -> Self {
        let summary = model.summary();
        Self {
            gradcam: format!("{} {}", env!("CARGO_PKG_VERSION"), build()),
            model: format!("{} {}", summary.name, summary.fingerprint),
            preprocessing: summary.recipe.clone(),
            device: summary.device.clone(),
            rules: settings.rules,
            aug_smooth: settings.aug_smooth,
            eigen_smooth: settings.eigen_smooth,
        }
    }

    /// A name for the file of these settings.
    fn file_name(&self) -> Result<String> {
        let text = serde_json::to_string(self)?;
        let hash = blake3::hash(text.as_bytes()).to_hex();
        Ok(format!(
            "{}.jsonl",
            hash.chars().take(16).collect::<String>()
        ))
    }

    /// What the results of another header are the results of.
    fn difference(&self, other: &Self) -> Option<String> {
        let pairs = [
            (self.model != other.model).then(|| format!("the model {}", visible(&other.model))),
            (self.preprocessing != other.preprocessing)
                .then(|| format!("another preprocessing ({})", visible(&other.preprocessing))),
            (self.device != other.device).then(|| format!("the device {}", visible(&other.device))),
            ((self.rules, self.aug_smooth, self.eigen_smooth)
                != (other.rules, other.aug_smooth, other.eigen_smooth))
                .then(|| format!("other settings ({})", other.flags())),
            (self.gradcam != other.gradcam)
                .then(|| format!("another build of gradcam ({})", visible(&other.gradcam))),
        ];
        pairs.into_iter().flatten().next()
    }

    fn flags(&self) -> String {
        let Rules {
            seed,
            tolerance,
            reject,
        } = self.rules;
        let mut flags = format!("--seed {seed} --tolerance {tolerance} --reject {reject}");
        for (is_set, flag) in [
            (self.aug_smooth, " --aug-smooth"),
            (self.eigen_smooth, " --eigen-smooth"),
        ] {
            if is_set {
                flags.push_str(flag);
            }
        }
        flags
    }
}

/// Tells builds of the program apart by what the file holds: another one may measure otherwise. It is
/// the same on all machines that have the same file.
fn build() -> String {
    let file = std::env::current_exe();
    let mut hasher = blake3::Hasher::new();
    match file.and_then(|file| hasher.update_mmap_rayon(file).map(drop)) {
        Ok(()) => hasher.finalize().to_hex().chars().take(16).collect(),
        Err(_) => String::new(),
    }
}

/// Names an image by what it holds and what is known of it.
pub(super) fn image_id(content: &[u8], objects: &[Object]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content);
    hasher.update(format!("{objects:?}").as_bytes());
    hasher.finalize().to_hex().chars().take(16).collect()
}

impl Journal {
    /// Opens the file that the settings name, or that of these settings.
    ///
    /// # Errors
    /// When it cannot be read or written, is in use, or holds results of other settings.
    pub(super) fn open(header: &Header, settings: &EvaluateSettings) -> Result<Self> {
        let path = match (&settings.results, &settings.state) {
            (Some(path), _) => path.clone(),
            (None, Some(state)) => state.join("gradcam/evaluate").join(header.file_name()?),
            (None, None) => bail!(
                "nothing tells where results are kept; set HOME or XDG_STATE_HOME, or give --results FILE"
            ),
        };
        Self::at(&path, header, settings.fresh)
            .with_context(|| format!("the results {}", visible(&path.display().to_string())))
    }

    fn at(path: &Path, header: &Header, fresh: bool) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context("their folder cannot be made")?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .context("cannot be opened")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "are being written by another gradcam evaluate; wait for it, or give another file with --results"
                )
            }
            // Some file systems have no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("the results are not locked: {error}");
            }
        }
        if fresh {
            file.set_len(0).context("cannot be emptied")?;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).context("cannot be read")?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut journal = Self {
            path: path.to_owned(),
            file,
            known: HashMap::new(),
        };
        let mut lines = text.get(..whole).unwrap_or_default().lines();
        match lines.next() {
            None if text.len() > whole && !text.starts_with("{\"gradcam\":") => {
                bail!("are not results of gradcam evaluate; give another file with --results")
            }
            None => {
                journal.file.set_len(0).context("cannot be emptied")?;
                journal.add_line(header)?;
            }
            Some(first) => {
                let Ok(other) = serde_json::from_str::<Header>(first) else {
                    bail!("are not results of gradcam evaluate; give another file with --results")
                };
                if let Some(difference) = header.difference(&other) {
                    bail!(
                        "are those of {difference}; give another file with --results, or --fresh to throw them away"
                    );
                }
                journal
                    .file
                    .set_len(whole as u64)
                    .context("cannot be cut")?;
                for (number, line) in (2..).zip(lines) {
                    let line: Line = serde_json::from_str(line).with_context(|| {
                        format!("are damaged in line {number}; --fresh throws them away")
                    })?;
                    journal.remember(&line);
                }
            }
        }
        journal
            .file
            .seek(SeekFrom::End(0))
            .context("cannot be read")?;
        Ok(journal)
    }

    /// Takes over the results of other files; returns how many are new.
    ///
    /// # Errors
    /// When one cannot be read or written, or holds results of other settings than the first.
    pub(in crate::cli) fn merge(parts: &[PathBuf], out: &Path) -> Result<usize> {
        let mut whole: Option<Self> = None;
        let mut taken = 0;
        for part in parts {
            let named = || format!("the results {}", visible(&part.display().to_string()));
            let text = std::fs::read_to_string(part).with_context(named)?;
            let mut lines = text.lines();
            let header: Header = serde_json::from_str(lines.next().unwrap_or_default())
                .context("are not results of gradcam evaluate")
                .with_context(named)?;
            let whole = match &mut whole {
                Some(whole) => {
                    Self::check(&Self::header_of(out)?, &header).with_context(named)?;
                    whole
                }
                none => none.insert(Self::at(out, &header, false).with_context(|| {
                    format!("the results {}", visible(&out.display().to_string()))
                })?),
            };
            // A run that was killed leaves a last line that is none.
            for line in lines.filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
                if !whole.known.contains_key(&line.key()) {
                    whole.add_line(&line)?;
                    whole.remember(&line);
                    taken += 1;
                }
            }
        }
        Ok(taken)
    }

    fn header_of(path: &Path) -> Result<Header> {
        let text = std::fs::read_to_string(path)?;
        Ok(serde_json::from_str(
            text.lines().next().unwrap_or_default(),
        )?)
    }

    fn check(header: &Header, other: &Header) -> Result<()> {
        if let Some(difference) = header.difference(other) {
            bail!("are those of {difference}; they do not fit");
        }
        Ok(())
    }

    fn remember(&mut self, line: &Line) {
        let tallies = line.tallies.iter();
        let tallies = tallies.map(|(sum, cases)| Tally {
            sum: *sum,
            cases: *cases,
        });
        let tallies = tallies.collect();
        self.known.insert(line.key(), tallies);
    }

    /// A result that is there already.
    pub(super) fn find(&self, id: &str, task: &Task, metric: MetricId) -> Option<&Vec<Tally>> {
        let metric = metric.metric();
        let key = (
            id.to_owned(),
            task.options.method.method().key.to_owned(),
            task.layer.clone(),
            metric.key.to_owned(),
        );
        let known = self.known.get(&key);
        known.filter(|tallies| tallies.len() == metric.figures.len())
    }

    /// Adds a result; it is in the file when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(
        &mut self,
        image: &str,
        id: &str,
        task: &Task,
        metric: MetricId,
        tallies: &[Tally],
    ) -> Result<()> {
        let line = Line {
            image: image.to_owned(),
            id: id.to_owned(),
            method: task.options.method.method().key.to_owned(),
            layer: task.layer.clone(),
            metric: metric.metric().key.to_owned(),
            tallies: tallies
                .iter()
                .map(|tally| (tally.sum, tally.cases))
                .collect(),
        };
        self.add_line(&line)?;
        self.remember(&line);
        Ok(())
    }

    fn add_line(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write the results {}", self.shown()))
    }

    /// The file, for people.
    pub(super) fn shown(&self) -> String {
        visible(&self.path.display().to_string())
    }

    /// How many results there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests;
