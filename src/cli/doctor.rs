//! `gradcam doctor`: what the program finds around it, and what it makes of that.
//!
//! Looks at the terminal, tmux, libtorch, CUDA, the caches and the program's own files, changes none
//! of them, and downloads nothing. What is not there in this version is said to be not there.

mod report;
mod words;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use walkdir::WalkDir;

use super::config::Config;
use crate::graphics::decide::advice;
use crate::graphics::probe::{Passthrough, Topic};
use crate::graphics::{Choice, Environment};
use crate::model::catalog::Hub;
use crate::model::library::{cuda, library};
use crate::model::{LoadOptions, Model, ModelSource};
use crate::terminal::{Asked, ask};
use crate::text::{json_pretty, visible, with_causes};
use report::{Bundled, Cache, Cuda, Exchange, Libtorch, OwnFile, Report, Size, Terminal, Tmux};

/// Files in a cache that are counted; beyond that the sizes are lower bounds.
const MOST_FILES: usize = 50_000;

/// Variables that matter to the program. The value of those marked is nobody's business: only
/// whether they are set is told.
const VARIABLES: [(&str, bool); 26] = [
    ("COLORTERM", false),
    ("CUDA_VISIBLE_DEVICES", false),
    ("GRADCAM_HUB", true),
    ("HF_HOME", false),
    ("HF_HUB_CACHE", false),
    ("HF_HUB_OFFLINE", false),
    ("HTTPS_PROXY", true),
    ("HUGGINGFACE_HUB_CACHE", false),
    ("LANG", false),
    ("LC_ALL", false),
    ("LC_CTYPE", false),
    ("LC_TERMINAL", false),
    ("LD_LIBRARY_PATH", false),
    ("NO_COLOR", false),
    ("OMP_NUM_THREADS", false),
    ("SSH_CONNECTION", true),
    ("STY", false),
    ("TERM", false),
    ("TERM_PROGRAM", false),
    ("TERM_PROGRAM_VERSION", false),
    ("TMUX", true),
    ("TORCH_HOME", false),
    ("TRANSFORMERS_OFFLINE", false),
    ("XDG_CACHE_HOME", false),
    ("XDG_CONFIG_HOME", false),
    ("XDG_STATE_HOME", false),
];

/// For `gradcam doctor`.
#[derive(Debug)]
pub struct DoctorSettings {
    pub json: bool,
    pub graphics: Choice,
    pub environment: Environment,
    pub hub: Hub,
    pub surroundings: Surroundings,
    pub config: Config,
}

/// What the environment says beside the terminal and the caches. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The variables that are set, by name; `None` in the place of a value that is not told.
    variables: BTreeMap<&'static str, Option<String>>,
    /// `$XDG_STATE_HOME`, or its place below the home folder.
    state: Option<PathBuf>,
}

impl Surroundings {
    /// Reads the variables through `lookup`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let folder = |name: &str, below: &str| {
            set(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .or_else(|| Some(PathBuf::from(set("HOME")?).join(below)))
        };
        let variables = VARIABLES.iter().filter_map(|(name, is_secret)| {
            let value = set(name)?;
            Some((*name, (!is_secret).then(|| visible(&value))))
        });
        Self {
            variables: variables.collect(),
            state: folder("XDG_STATE_HOME", ".local/state"),
        }
    }
}

/// Looks, and prints what it finds. Returns whether everything works that the program needs.
///
/// # Errors
/// When the output cannot be written.
pub fn run(settings: &DoctorSettings, out: &mut dyn Write) -> Result<bool> {
    // The terminal first: keys that are typed while the rest is looked at are not its answers.
    let asked = ask(&settings.environment, settings.graphics);
    let report = examine(settings, asked.map_err(|error| with_causes(&*error)));
    if settings.json {
        writeln!(out, "{}", json_pretty(&report)?)?;
    } else {
        out.write_all(words::text(&report).as_bytes())?;
    }
    Ok(report.problems.is_empty())
}

/// Everything but the terminal, which is asked or not.
fn examine(settings: &DoctorSettings, asked: Result<Asked, String>) -> Report {
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        tmux: tmux(&asked),
        terminal: terminal(asked),
        environment: settings.surroundings.variables.clone(),
        libtorch: libtorch(),
        cuda: gpus(),
        bundled_model: bundled(),
        caches: caches(&settings.hub),
        offline: settings.hub.offline,
        files: own_files(&settings.surroundings, &settings.config),
        problems: Vec::new(),
        hints: Vec::new(),
    };
    report.judge();
    report
}

fn terminal(asked: Result<Asked, String>) -> Terminal {
    let asked = match asked {
        Ok(asked) => asked,
        Err(reason) => {
            return Terminal {
                why_not_asked: Some(visible(&reason)),
                ..Terminal::default()
            };
        }
    };
    let (probed, capabilities) = (&asked.probed, &asked.capabilities);
    let questions = Topic::ALL.map(|topic| Exchange {
        about: topic.name(),
        question: topic.spelled(),
        answer: probed.answers.to(topic).map(str::to_owned),
        outside_tmux: probed
            .outside
            .as_ref()
            .and_then(|answers| answers.to(topic))
            .map(str::to_owned),
    });
    let size = |width: u32, height: u32| Some(Size { width, height });
    let cells = asked.window.cells;
    Terminal {
        why_not_asked: None,
        name: Some(capabilities.terminal.name.clone()).filter(|name| !name.is_empty()),
        recognized: Some(capabilities.terminal.by.in_words()),
        round_trip_milliseconds: probed
            .round_trip
            .map(|time| (time.as_secs_f64() * 1e4).round() / 10.0),
        patience_milliseconds: Some(probed.patience.as_secs_f64() * 1e3),
        questions: questions.into(),
        cells: size(cells.columns.into(), cells.rows.into()),
        cell_pixels: size(capabilities.cell_px.width, capabilities.cell_px.height),
        true_color: Some(capabilities.true_color),
        sixel_colors: Some(capabilities.registers),
        graphics: Some(capabilities.protocol.key()),
        graphics_name: Some(capabilities.protocol.name()),
        reason: Some(capabilities.reason.clone()),
    }
}

fn tmux(asked: &Result<Asked, String>) -> Tmux {
    let Ok(asked) = asked else {
        return Tmux::default();
    };
    let passthrough = &asked.probed.passthrough;
    let outside = asked.probed.outside.as_ref();
    let is_open = outside.is_some_and(|answers| answers.attributes().is_some());
    Tmux {
        is_between: Some(asked.capabilities.tmux),
        passthrough: Some(match passthrough {
            Passthrough::NoTmux => "no tmux",
            Passthrough::Elsewhere => "tmux runs on another machine",
            Passthrough::On => "on",
            Passthrough::SwitchedOn => "off, and switched on while the program runs",
            Passthrough::Refused(_) => "off, and cannot be switched on",
        }),
        to_do: (asked.capabilities.tmux && !is_open).then(|| advice(passthrough)),
    }
}

fn libtorch() -> Libtorch {
    let library = library();
    Libtorch {
        version: library.version,
        folder: library.folder.as_deref().map(shown),
        threads: library.threads,
        failure: library.failure.as_deref().map(visible),
    }
}

fn gpus() -> Cuda {
    let found = cuda();
    Cuda {
        driver: found.driver.as_deref().map(visible),
        why_none: found.gpus.as_ref().err().map(|reason| visible(reason)),
        gpus: found.gpus.unwrap_or(0),
    }
}

/// Loads the bundled model and explains nothing with it, as the interface does when it opens.
fn bundled() -> Bundled {
    let start = Instant::now();
    let options = LoadOptions::default();
    let ran = Model::load(&ModelSource::Demo, &options)
        .map_err(|error| error.to_string())
        .and_then(|model| {
            model.warm_up().map_err(|error| error.to_string())?;
            Ok(model.summary().device.clone())
        });
    Bundled {
        milliseconds: (start.elapsed().as_secs_f64() * 1e3).round(),
        failure: ran.as_ref().err().map(|reason| visible(reason)),
        device: ran.ok(),
    }
}

fn caches(hub: &Hub) -> [Cache; 2] {
    [
        cache("torch hub", hub.torch.as_deref(), hub.told_by.torch),
        cache(
            "Hugging Face",
            hub.hugging_face.as_deref(),
            hub.told_by.hugging_face,
        ),
    ]
}

/// What lies in a cache. Links are not followed: Hugging Face's lead to files that are counted.
fn cache(name: &'static str, folder: Option<&Path>, told_by: Option<&'static str>) -> Cache {
    let (mut files, mut bytes) = (0, 0);
    for entry in folder.into_iter().flat_map(WalkDir::new).flatten() {
        if files == MOST_FILES {
            break;
        }
        if let Ok(about) = entry.metadata().as_ref()
            && about.is_file()
        {
            files += 1;
            bytes += about.len();
        }
    }
    Cache {
        name,
        path: folder.map(shown),
        told_by,
        exists: folder.is_some_and(Path::is_dir),
        files,
        bytes,
        is_counted_whole: files < MOST_FILES,
    }
}

fn own_files(surroundings: &Surroundings, config: &Config) -> Vec<OwnFile> {
    let state = &surroundings.state;
    let below = |name: &str| state.as_ref().map(|path| path.join(name));
    let (configuration, what) = config.in_words();
    [
        ("configuration", configuration.map(Path::to_owned), what),
        (
            "reviews",
            below("gradcam/reviews"),
            "a file for each folder, with verdicts, notes and scores; --review FILE takes another",
        ),
        (
            "results of evaluate",
            below("gradcam/evaluate"),
            "evaluations go on from there",
        ),
        (
            "log",
            None,
            "written where `--log FILE` says, otherwise not at all",
        ),
    ]
    .map(|(name, path, note)| OwnFile {
        name,
        is_used: true,
        exists: path.as_deref().is_some_and(Path::exists),
        path: path.as_deref().map(shown),
        note,
    })
    .into()
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

#[cfg(test)]
mod tests;
