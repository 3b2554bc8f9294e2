//! The report of `gradcam doctor`; `tests/schema/doctor.schema.json` describes its JSON.

use std::collections::BTreeMap;

use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of gradcam.
    pub version: &'static str,
    pub terminal: Terminal,
    pub tmux: Tmux,
    /// The variables that are set, by name; `null` in the place of a value that is not told.
    pub environment: BTreeMap<&'static str, Option<String>>,
    pub libtorch: Libtorch,
    pub cuda: Cuda,
    pub bundled_model: Bundled,
    pub caches: [Cache; 2],
    /// Whether a variable forbids to download.
    pub offline: bool,
    pub files: Vec<OwnFile>,
    /// What does not work and is needed, a sentence each.
    pub problems: Vec<String>,
    /// What could be better, and how, a sentence each.
    pub hints: Vec<String>,
}

/// What the terminal answered, and what was made of it. Nothing where it was not asked.
#[derive(Debug, Default, Serialize)]
pub(super) struct Terminal {
    pub why_not_asked: Option<String>,
    /// As it names itself, or as it is called.
    pub name: Option<String>,
    /// How it was recognised.
    pub recognized: Option<String>,
    pub round_trip_milliseconds: Option<f64>,
    /// How long an answer would have been waited for.
    pub patience_milliseconds: Option<f64>,
    pub questions: Vec<Exchange>,
    /// Columns and rows.
    pub cells: Option<Size>,
    pub cell_pixels: Option<Size>,
    pub true_color: Option<bool>,
    pub sixel_colors: Option<u32>,
    /// As `--graphics` has it.
    pub graphics: Option<&'static str>,
    pub graphics_name: Option<&'static str>,
    /// Why these graphics.
    pub reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Exchange {
    pub about: &'static str,
    /// As it was sent, with the escape character as `ESC`.
    pub question: String,
    pub answer: Option<String>,
    /// What the terminal outside tmux answered.
    pub outside_tmux: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Size {
    pub width: u32,
    pub height: u32,
}

/// Nothing where the terminal was not asked.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tmux {
    pub is_between: Option<bool>,
    /// Whether it passes sequences on.
    pub passthrough: Option<&'static str>,
    /// What to set so that pictures get through.
    pub to_do: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Libtorch {
    pub version: Option<String>,
    pub folder: Option<String>,
    pub threads: i32,
    pub failure: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cuda {
    pub driver: Option<String>,
    pub gpus: usize,
    pub why_none: Option<String>,
}

/// The bundled model, loaded and run once.
#[derive(Debug, Serialize)]
pub(super) struct Bundled {
    pub device: Option<String>,
    pub milliseconds: f64,
    pub failure: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cache {
    pub name: &'static str,
    pub path: Option<String>,
    /// The variable that says where it is.
    pub told_by: Option<&'static str>,
    pub exists: bool,
    pub files: usize,
    pub bytes: u64,
    /// Otherwise there is more than was counted.
    pub is_counted_whole: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct OwnFile {
    pub name: &'static str,
    pub path: Option<String>,
    pub exists: bool,
    /// Whether this version reads or writes it.
    pub is_used: bool,
    pub note: &'static str,
}

impl Report {
    /// Draws the conclusions.
    pub(super) fn judge(&mut self) {
        if let Some(failure) = &self.libtorch.failure {
            self.problems
                .push(format!("libtorch does not compute: {failure}"));
        }
        if let Some(failure) = &self.bundled_model.failure {
            self.problems
                .push(format!("the bundled model does not run: {failure}"));
        }
        if let (Some(reason), Some(_)) = (&self.cuda.why_none, &self.cuda.driver) {
            self.hints.push(format!(
                "there is an NVIDIA driver, but no GPU is used: {reason}; `make run CUDA=1` installs a libtorch with CUDA"
            ));
        }
        if let Some(to_do) = &self.tmux.to_do {
            self.hints
                .push(format!("tmux does not pass pictures on: {to_do}"));
        }
        if self.terminal.round_trip_milliseconds.is_none() && self.terminal.why_not_asked.is_none()
        {
            self.hints.push(
                "the terminal did not answer; where it can show pictures, `--graphics` says how"
                    .to_owned(),
            );
        }
        for cache in &self.caches {
            if cache.path.is_none() {
                self.hints.push(format!(
                    "nothing tells where the cache of {} is; set HOME",
                    cache.name
                ));
            }
        }
    }
}
