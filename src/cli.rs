//! The command line: arguments and environment → plain settings. Nothing else reads either.

mod arguments;
pub mod doctor;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod layers;
mod many;
pub mod merge;
pub mod methods;
pub mod models;
mod progress;
pub mod score;
mod stop;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::dataset::review::Verdict;
use crate::dataset::scan::ScanOptions;
use crate::explain::options::Options;
use crate::graphics::{Choice, Environment};
use crate::model::catalog::Hub;
use crate::model::{LoadOptions, ModelSource};
use crate::picture::Style;
use crate::text::{is_harmless, visible_lines};
use arguments::Arguments;
use many::ManySettings;

/// What the program is to do, checked and complete.
#[derive(Debug)]
pub enum Settings {
    Doctor(doctor::DoctorSettings),
    Open(OpenSettings),
    Explain(ExplainSettings),
    Evaluate(evaluate::EvaluateSettings),
    Export(export::ExportSettings),
    Layers(LayersSettings),
    Merge(merge::MergeSettings),
    Methods(MethodsSettings),
    Models(ModelsSettings),
    Score(score::ScoreSettings),
}

/// For `gradcam methods`.
#[derive(Clone, Copy, Debug)]
pub struct MethodsSettings {
    pub json: bool,
}

/// For `gradcam models`.
#[derive(Debug)]
pub struct ModelsSettings {
    pub pattern: Option<String>,
    pub json: bool,
    pub hub: Hub,
}

/// For `gradcam layers`.
#[derive(Debug)]
pub struct LayersSettings {
    pub model: ModelSource,
    pub load: LoadOptions,
    pub hub: Hub,
    pub json: bool,
}

/// For the interface.
#[derive(Debug)]
pub struct OpenSettings {
    pub paths: Vec<PathBuf>,
    /// A table of true classes.
    pub truth: Option<PathBuf>,
    pub scan: ScanOptions,
    pub review: ReviewSettings,
    pub model: ModelSource,
    pub load: LoadOptions,
    pub hub: Hub,
    pub options: Options,
    pub style: Style,
    pub cache_bytes: usize,
    pub graphics: Choice,
    pub out: PathBuf,
    pub log: Option<PathBuf>,
    pub environment: Environment,
}

/// What is kept of a review, where, and in whose name.
#[derive(Debug)]
pub struct ReviewSettings {
    /// The file of the store, where the user has named one.
    pub file: Option<PathBuf>,
    pub reviewer: String,
    pub verdicts: Vec<Verdict>,
    /// Whether the folder is scored in the background.
    pub scores: bool,
    /// Where programs keep what must not be lost; nothing where the environment does not say.
    pub state_folder: Option<PathBuf>,
    /// A command as a shell understands it.
    pub editor: String,
}

/// For `gradcam explain`.
#[derive(Debug)]
pub struct ExplainSettings {
    pub many: ManySettings,
    pub model: ModelSource,
    pub load: LoadOptions,
    pub hub: Hub,
    pub options: Options,
    pub style: Style,
    pub pictures: Pictures,
    pub size: PictureSize,
    pub classes: Classes,
    /// The class that is subtracted, by index or by name.
    pub versus: Option<String>,
    pub beside: Option<Beside>,
    pub out: PathBuf,
    pub json: bool,
    pub raw: bool,
    pub show: bool,
    pub environment: Environment,
}

/// Which classes are explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// This many, best first.
    Top(usize),
    /// By index or by name.
    Named(Vec<String>),
}

/// Which pictures are written of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pictures {
    /// Heatmap and overlay.
    Both,
    Heatmap,
    Overlay,
    None,
}

/// How large pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureSize {
    Image,
    /// What the network sees, and nothing around it.
    Input,
    /// At most so many pixels on the longer side.
    Side(u32),
}

impl PictureSize {
    /// As on the command line.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Image => "image".to_owned(),
            Self::Input => "input".to_owned(),
            Self::Side(side) => side.to_string(),
        }
    }
}

/// The class that is shown beside each class that is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The most probable other class.
    Next,
    /// By index or by name.
    Named(String),
}

/// Reads the command line; prints help or a usage error and ends the program where that is all.
#[must_use]
pub fn parse() -> Settings {
    let (environment, hub) = environment();
    let mut settings = Arguments::try_parse()
        .and_then(|arguments| arguments.settings(&environment, &hub))
        .unwrap_or_else(|error| leave(&error));
    match &mut settings {
        Settings::Evaluate(evaluate) => evaluate.state = state_folder(),
        Settings::Export(export) => export.state = state_folder(),
        Settings::Score(score) => score.state = state_folder(),
        Settings::Open(open) => {
            open.review.state_folder = state_folder();
            if open.review.reviewer.is_empty() {
                open.review.reviewer = first_of(&["USER", "LOGNAME"], "somebody");
            }
            open.review.editor = first_of(&["VISUAL", "EDITOR"], "vi");
        }
        Settings::Doctor(doctor) => doctor.surroundings = surroundings(),
        _ => {}
    }
    settings
}

/// Prints help or a usage error, and ends the program. An argument is often the name of a file, which
/// the error repeats.
fn leave(error: &clap::Error) -> ! {
    let is_shown = |argument: OsString| is_harmless(&argument.to_string_lossy());
    if std::env::args_os().all(is_shown) {
        error.exit()
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    clap::Error::raw(error.kind(), visible_lines(text)).exit()
}

/// The only place where the environment is read.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn environment() -> (Environment, Hub) {
    let lookup = |name: &str| std::env::var(name).ok();
    (Environment::from_lookup(lookup), Hub::from_lookup(lookup))
}

#[expect(clippy::disallowed_methods, reason = "only cli reads the environment")]
fn state_folder() -> Option<PathBuf> {
    evaluate::state_folder(|name| std::env::var(name).ok())
}

/// The first of these variables that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "only cli reads the environment")]
fn first_of(variables: &[&str], otherwise: &str) -> String {
    let values = variables.iter().filter_map(|name| std::env::var(name).ok());
    let mut values = values.filter(|value| !value.is_empty());
    values.next().unwrap_or_else(|| otherwise.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "only cli reads the environment")]
fn surroundings() -> doctor::Surroundings {
    doctor::Surroundings::from_lookup(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::model::recipe::Resize;

    fn parsed(arguments: &str) -> Result<Settings, String> {
        Arguments::try_parse_from(std::iter::once("gradcam").chain(arguments.split_whitespace()))
            .and_then(|arguments| arguments.settings(&Environment::default(), &Hub::default()))
            .map_err(|error| error.to_string())
    }

    fn opened(arguments: &str) -> OpenSettings {
        match parsed(arguments) {
            Ok(Settings::Open(settings)) => settings,
            other => panic!("{other:?}"),
        }
    }

    fn explained(arguments: &str) -> ExplainSettings {
        match parsed(arguments) {
            Ok(Settings::Explain(settings)) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_path_the_current_folder_is_opened_with_the_demo_model() {
        let settings = opened("");
        assert_eq!(settings.paths, [PathBuf::from(".")]);
        assert_eq!(settings.model, ModelSource::Demo);
        assert!(settings.scan.recursive && !settings.scan.hidden);
    }

    #[test]
    fn preprocessing_flags_become_changes_of_the_recipe() {
        let recipe = opened("photos --resize 288 --crop 256x192 --mean 0,0,0 --std 1,1,1 --bgr --interpolation bicubic").load.recipe;
        assert_eq!(recipe.resize, Some(Resize::ShorterSide(288)));
        assert_eq!(recipe.crop, Some(Some((256, 192))));
        assert_eq!((recipe.mean, recipe.std), (Some([0.0; 3]), Some([1.0; 3])));
        assert!(recipe.bgr);
        let recipe = opened("photos --squash 224 --crop none").load.recipe;
        assert_eq!(
            (recipe.resize, recipe.crop),
            (Some(Resize::Squash(224, 224)), Some(None))
        );
    }

    #[test]
    fn explain_takes_the_seed_programs_way_to_name_an_image() {
        let settings = explained("explain --img_src cat.jpg --class 3 --class tabby");
        assert_eq!(settings.many.paths, [PathBuf::from("cat.jpg")]);
        assert_eq!(
            settings.classes,
            Classes::Named(vec!["3".to_owned(), "tabby".to_owned()])
        );
        assert_eq!(explained("explain a.png --top 2").classes, Classes::Top(2));
        assert_eq!(explained("explain a.png").classes, Classes::Top(1));
    }

    #[test]
    fn drawing_flags_become_a_style() {
        let style = opened("photos --signed --scale 0.25 --contour --box").style;
        assert_eq!((style.signed, style.scale), (true, Some(0.25)));
        assert_eq!(style.marks.name(), "contour and box");
        assert_eq!(
            explained("explain a.png --scale own").style,
            Style::default()
        );
        let beside = |arguments| explained(arguments).beside;
        assert_eq!(beside("explain a.png --beside next"), Some(Beside::Next));
        let named = Some(Beside::Named("3".to_owned()));
        assert_eq!(beside("explain a.png --beside 3"), named);
    }

    #[test]
    fn a_set_of_verdicts_replaces_the_usual_one() {
        assert_eq!(opened("x").review.verdicts, crate::dataset::review::usual());
        let own = opened("x --verdict b=blurred --verdict i=ill --review r.sqlite").review;
        let keys: Vec<char> = own.verdicts.iter().map(|verdict| verdict.key).collect();
        assert_eq!(keys, ['b', 'i']);
        assert_eq!(own.file, Some(PathBuf::from("r.sqlite")));
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for arguments in [
            "explain",
            "explain a.png --top 0",
            "explain a.png --top 2 --class 1",
            "x --opacity 2",
            "x --mean 1,2",
            "x --crop 0",
            "x --device gpu",
            "x --colormap rainbow",
            "x --graphics ascii",
            "x --resize 3 --squash 4",
            "x --scale 0",
            "x --scale inf",
            "x --verdict j=jump",
            "x --verdict blurred",
            "x --verdict b=",
            "export x",
            "export --out a.csv",
            "export x --out a",
            "export x --out a.csv --order size",
        ] {
            assert!(parsed(arguments).is_err(), "{arguments}");
        }
    }
}
