//! The command line: arguments and environment → plain settings. Nothing else reads either.

mod arguments;
pub mod config;
pub mod doctor;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod layers;
pub mod logging;
mod many;
pub mod merge;
pub mod methods;
pub mod models;
pub mod pages;
mod progress;
pub mod score;
mod stop;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Command, FromArgMatches, ValueEnum};
use serde::Serialize;

use crate::dataset::review::Verdict;
use crate::dataset::scan::ScanOptions;
use crate::explain::options::Options;
use crate::graphics::colors::Colors;
use crate::graphics::{Choice, Environment};
use crate::keymap::Keymap;
use crate::model::catalog::Hub;
use crate::model::library::{Library, library};
use crate::model::{LoadOptions, ModelSource};
use crate::picture::Style;
use crate::text::{is_harmless, visible_lines};
use arguments::{Arguments, command};
use config::Config;
use logging::LogSettings;
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
    Config(config::ConfigSettings),
    Pages(pages::Pages),
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
    pub keymap: Keymap,
    pub colors: Colors,
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

/// Reads the command line and the configuration; prints help or a usage error and ends the program
/// where that is all. The only place where the environment is read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn parse() -> (Settings, LogSettings) {
    let lookup = |name: &str| std::env::var(name).ok();
    read(std::env::args_os().collect(), lookup).unwrap_or_else(|error| leave(&error))
}

/// What the arguments and the environment say.
fn read(
    arguments: Vec<OsString>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(Settings, LogSettings), clap::Error> {
    let mut arguments = with_the_command_first(arguments);
    // What is given is known before all that is required is there: a file may have it.
    let given = command().ignore_errors(true);
    let given = given.try_get_matches_from(&arguments)?;
    let named = given.get_one::<PathBuf>("config");
    let config = Config::read(named.map(PathBuf::as_path), command(), &lookup).map_err(wrong)?;
    let set = config.arguments(command(), &given).map_err(wrong)?;
    let place = if given.subcommand().is_some() { 2 } else { 1 };
    let place = place.min(arguments.len());
    arguments.splice(place..place, set);

    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    let parsed = Arguments::from_arg_matches_mut(&mut matches);
    let parsed = parsed.map_err(|error| error.format(&mut command))?;
    let log = LogSettings {
        file: parsed.everywhere.log.clone(),
        verbose: parsed.everywhere.verbose,
    };
    let environment = Environment::from_lookup(&lookup);
    let mut settings = parsed.settings(&environment, &Hub::from_lookup(&lookup))?;
    complete(&mut settings, config, lookup).map_err(wrong)?;
    Ok((settings, log))
}

/// Fills in what follows from the environment and from parts of the file that are no flags.
fn complete(
    settings: &mut Settings,
    config: Config,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let state = evaluate::state_folder(&lookup);
    match settings {
        Settings::Evaluate(evaluate) => evaluate.state = state,
        Settings::Export(export) => export.state = state,
        Settings::Score(score) => score.state = state,
        Settings::Open(open) => {
            open.review.state_folder = state;
            if open.review.reviewer.is_empty() {
                open.review.reviewer = first_of(&["USER", "LOGNAME"], "somebody", &lookup);
            }
            open.review.editor = first_of(&["VISUAL", "EDITOR"], "vi", &lookup);
            config.check_verdicts(&open.review.verdicts)?;
            open.keymap = config.keymap();
            open.colors = config.colors();
        }
        Settings::Doctor(doctor) => {
            doctor.surroundings = doctor::Surroundings::from_lookup(&lookup);
            doctor.config = config;
        }
        Settings::Config(asked) => asked.config = config,
        _ => {}
    }
    Ok(())
}

/// Flags that every command has may stand before its name, too: `gradcam --log FILE explain …`.
fn with_the_command_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let definition = command();
    let mut place = 1;
    while let Some(text) = arguments.get(place).and_then(|argument| argument.to_str()) {
        if definition.find_subcommand(text).is_some() {
            let name = arguments.remove(place);
            arguments.insert(1, name);
            break;
        }
        match words_of_general_flag(&definition, text) {
            Some(words) => place += words,
            None => break,
        }
    }
    arguments
}

/// How many arguments a flag that every command has takes, with itself; nothing for others.
fn words_of_general_flag(definition: &Command, text: &str) -> Option<usize> {
    let (name, has_value) = match text.split_once('=') {
        Some((name, _)) => (name, true),
        None => (text, false),
    };
    let mut general = definition.get_arguments().filter(|arg| arg.is_global_set());
    let arg = general.find(|arg| {
        let is_long = arg.get_long().is_some() && name.strip_prefix("--") == arg.get_long();
        let letters = name.strip_prefix('-').unwrap_or_default();
        let mut letters = letters.chars().map(Some).peekable();
        is_long || (letters.peek().is_some() && letters.all(|letter| letter == arg.get_short()))
    })?;
    let takes_value = !matches!(arg.get_action(), ArgAction::Count | ArgAction::SetTrue);
    Some(if takes_value && !has_value { 2 } else { 1 })
}

/// What is wrong with the configuration is a usage error.
fn wrong(words: String) -> clap::Error {
    clap::Error::raw(ErrorKind::InvalidValue, words + "\n")
}

/// Prints help or a usage error, and ends the program. An argument is often the name of a file, which
/// the error repeats.
fn leave(error: &clap::Error) -> ! {
    if error.kind() == ErrorKind::DisplayVersion {
        let version = format!("{}\n{}", env!("CARGO_PKG_VERSION"), versions(&library()));
        // The program ends here.
        let definition = command().version(&*version.leak());
        if let Err(told) = definition.try_get_matches_from(["gradcam", "--version"]) {
            told.exit()
        }
    }
    let is_shown = |argument: OsString| is_harmless(&argument.to_string_lossy());
    if std::env::args_os().all(is_shown) {
        error.exit()
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    clap::Error::raw(error.kind(), visible_lines(text)).exit()
}

/// "libtorch 2.13.0+cu130, CUDA 13.0"
fn versions(library: &Library) -> String {
    let version = library.version.as_deref().unwrap_or("of unknown version");
    let cuda = match &library.cuda {
        Some(cuda) => format!("CUDA {cuda}"),
        None => "without its CUDA half".to_owned(),
    };
    format!("libtorch {version}, {cuda}")
}

/// The first of these variables that is set and not empty.
fn first_of(
    variables: &[&str],
    otherwise: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> String {
    let values = variables.iter().filter_map(|name| lookup(name));
    let mut values = values.filter(|value| !value.is_empty());
    values.next().unwrap_or_else(|| otherwise.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recipe::Resize;

    fn parsed(arguments: &str) -> Result<Settings, String> {
        let words = std::iter::once("gradcam").chain(arguments.split_whitespace());
        read(words.map(OsString::from).collect(), |_| None)
            .map(|(settings, _)| settings)
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
        command().debug_assert();
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
