//! Arguments: the definition of the command line, and what it is turned into.

mod shared;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Command, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::config::{Config, ConfigSettings, with_opposites};
use super::many::ManyArguments;
use super::pages::{Page, Pages};
use super::values::picture_size;
use super::{
    Beside, Classes, ExplainSettings, LayersSettings, MethodsSettings, ModelsSettings,
    OpenSettings, PictureSize, Pictures, Settings, doctor, evaluate, export, merge, score,
};
use crate::graphics::colors::Colors;
use crate::graphics::{Choice, Environment};
use crate::keymap::Keymap;
use crate::model::catalog::Hub;
pub(super) use shared::{
    AUG_SMOOTH, EIGEN_SMOOTH, ModelArguments, REVIEW, ScanArguments, StyleArguments, TRUTH,
};
use shared::{ExplanationArguments, ReviewArguments};

const GRAPHICS: &str = "How pictures are put on the terminal: auto, layered, iterm, sixel, blocks, or \
    none (in words)";

/// See what an image classifier looks at: top-5 predictions and the Grad-CAM overlay, in the terminal.
#[derive(Debug, Parser)]
#[command(name = "gradcam", version, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    open: OpenArguments,
    #[command(flatten)]
    pub(super) everywhere: EverywhereArguments,
}

/// What every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Program")]
pub(super) struct EverywhereArguments {
    /// Read settings from this file, or from `none`; without it from gradcam/config.toml in
    /// $XDG_CONFIG_HOME (`gradcam config` tells more). A flag goes before what the file says, and
    /// --no-FLAG takes back what the file switches on
    #[arg(long, global = true, value_name = "FILE|none")]
    pub(super) config: Option<PathBuf>,
    /// Write messages of the program to this file; in the interface those of libtorch, too
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// More in the log: -v what is done step by step, -vv everything; with --log
    #[arg(short, long, global = true, action = ArgAction::Count, requires = "log")]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Explain images without the interface: write heatmaps and overlays, print predictions
    Explain(ExplainArguments),
    /// Score all images without the interface: predictions and figures of maps, kept and as a table
    Score(score::ScoreArguments),
    /// Make one of what several machines have scored or explained
    Merge(merge::MergeArguments),
    /// Measure how faithful maps are, over images with ground truth: tables, JSON and CSV
    Evaluate(evaluate::EvaluateArguments),
    /// Write verdicts and predictions as CSV, JSON lines or Parquet, overlays, or a page with all
    Export(export::ExportArguments),
    /// Say what is found of the terminal, tmux, libtorch, CUDA and caches, and how pictures are drawn
    Doctor(DoctorArguments),
    /// List the layers of a model: name, operation, output shape, which is the default, and why not
    Layers(LayersArguments),
    /// List the ways to explain: name on the command line, what each does, and its paper
    Methods(MethodsArguments),
    /// List the models that can be given by name, and which of them are in the cache
    Models(ModelsArguments),
    /// Say where settings are looked for, which file is read and what it sets; or print all there are
    Config(ConfigArguments),
    /// Print what a shell needs to complete commands, flags and values
    Completions(CompletionsArguments),
    /// Print the manual page, or write one for each command
    Man(ManArguments),
}

#[derive(Debug, Args)]
struct OpenArguments {
    /// Folders, image files or patterns; the current folder without any
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    explanation: ExplanationArguments,
    #[command(flatten)]
    scan: ScanArguments,
    #[arg(long, help = TRUTH, help_heading = "Search", value_name = "FILE")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    review: ReviewArguments,
    #[command(flatten)]
    style: StyleArguments,
    /// Memory for results of images seen before and prepared ahead, in MiB
    #[arg(
        long,
        help_heading = "Program",
        value_name = "N",
        default_value_t = 1024
    )]
    cache_mb: usize,
    #[arg(
        long,
        help = GRAPHICS,
        help_heading = "Program",
        value_name = "HOW",
        default_value = "auto"
    )]
    graphics: Choice,
    /// Folder that `s` saves pictures into
    #[arg(
        long,
        help_heading = "Program",
        value_name = "DIR",
        default_value = "."
    )]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct ExplainArguments {
    /// Image files, folders or patterns
    #[arg(value_name = "IMAGE", required_unless_present_any = ["img_src", "list"])]
    images: Vec<PathBuf>,
    /// Another way to name an image
    #[arg(long = "img_src", value_name = "FILE")]
    img_src: Vec<PathBuf>,
    /// Class to explain, by index or by name; can be given again
    #[arg(long = "class", value_name = "N|NAME")]
    classes: Vec<String>,
    /// Explain the K best classes
    #[arg(long, value_name = "K", conflicts_with = "classes", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Folder for the pictures; made where it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Print one JSON object a line for each image, and nothing else
    #[arg(long)]
    json: bool,
    /// Which pictures are written
    #[arg(long, value_enum, value_name = "WHICH", default_value = "both")]
    pictures: Pictures,
    /// How large pictures are: as the image, as the input of the network, or N pixels on the longer side
    #[arg(long, value_name = "image|input|N", default_value = "image", value_parser = picture_size)]
    size: PictureSize,
    /// Also write the map as .npy: at the input's size, and on the layer's grid before scaling
    #[arg(long)]
    raw: bool,
    /// Print the overlay into the terminal
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Explain what speaks for the class rather than for this one, by index or by name
    #[arg(long, value_name = "N|NAME")]
    versus: Option<String>,
    /// Also draw a picture of each class beside this one, on one color scale: an index, a name, or
    /// `next` for the most probable other class
    #[arg(long, value_name = "N|NAME|next")]
    beside: Option<String>,
    #[command(flatten)]
    many: ManyArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    explanation: ExplanationArguments,
    #[command(flatten)]
    scan: ScanArguments,
    #[command(flatten)]
    style: StyleArguments,
}

#[derive(Debug, Args)]
struct ModelsArguments {
    /// Only names that contain this
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// Print one JSON object a line for each model, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DoctorArguments {
    /// Print one JSON object, and nothing else
    #[arg(long)]
    json: bool,
    #[arg(long, help = GRAPHICS, value_name = "HOW", default_value = "auto")]
    graphics: Choice,
}

#[derive(Debug, Args)]
struct MethodsArguments {
    /// Print one JSON object a line for each method, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// Print a file with every key: those that are set, and all others as comments
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Args)]
struct CompletionsArguments {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
struct ManArguments {
    /// Folder for a page of each command; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct LayersArguments {
    /// Print one JSON object a line for each layer, and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
}

/// The definition of the command line. Each switch has an opposite, which the help does not list.
pub(super) fn command() -> Command {
    with_opposites(Arguments::command())
}

impl Arguments {
    /// # Errors
    /// When arguments that are well-formed make no sense together.
    pub(super) fn settings(
        self,
        environment: &Environment,
        hub: &Hub,
    ) -> Result<Settings, clap::Error> {
        let environment = environment.clone();
        Ok(match self.command {
            None => {
                let open = self.open;
                let paths = if open.paths.is_empty() {
                    vec![PathBuf::from(".")]
                } else {
                    open.paths
                };
                let hub = open.model.hub(hub);
                let options = open.explanation.options(&open.model.layers);
                let (model, load) = open.model.split(&paths);
                Settings::Open(OpenSettings {
                    paths,
                    truth: open.truth,
                    scan: open.scan.options(),
                    review: open.review.settings(),
                    model,
                    load,
                    hub,
                    options,
                    style: open.style.style(),
                    cache_bytes: open.cache_mb.saturating_mul(1 << 20),
                    graphics: open.graphics,
                    out: open.out,
                    log: self.everywhere.log,
                    keymap: Keymap::default(),
                    colors: Colors::default(),
                    environment,
                })
            }
            Some(Subcommands::Doctor(doctor)) => doctor.settings(environment, hub),
            Some(Subcommands::Config(asked)) => asked.settings(),
            Some(Subcommands::Completions(asked)) => pages(Page::Completions(asked.shell)),
            Some(Subcommands::Man(asked)) => pages(Page::Manual(asked.out)),
            Some(Subcommands::Models(models)) => Settings::Models(ModelsSettings {
                pattern: models.pattern,
                json: models.json,
                hub: hub.clone(),
            }),
            Some(Subcommands::Methods(methods)) => {
                Settings::Methods(MethodsSettings { json: methods.json })
            }
            Some(Subcommands::Score(score)) => Settings::Score(score.settings(hub)),
            Some(Subcommands::Merge(merge)) => Settings::Merge(merge.settings()),
            Some(Subcommands::Evaluate(evaluate)) => Settings::Evaluate(evaluate.settings(hub)),
            Some(Subcommands::Export(export)) => {
                let usage = |words| command().error(ErrorKind::MissingRequiredArgument, words);
                Settings::Export(export.settings(hub).map_err(usage)?)
            }
            Some(Subcommands::Layers(layers)) => {
                let hub = layers.model.hub(hub);
                let (model, load) = layers.model.split(&[]);
                Settings::Layers(LayersSettings {
                    model,
                    load,
                    hub,
                    json: layers.json,
                })
            }
            Some(Subcommands::Explain(explain)) => {
                let images = [explain.images, explain.img_src].concat();
                let hub = explain.model.hub(hub);
                let options = explain.explanation.options(&explain.model.layers);
                let devices = explain.model.devices.clone();
                let (model, load) = explain.model.split(&images);
                Settings::Explain(ExplainSettings {
                    many: explain
                        .many
                        .settings(images, explain.scan.options(), devices),
                    pictures: explain.pictures,
                    size: explain.size,
                    model,
                    load,
                    hub,
                    options,
                    versus: explain.versus,
                    beside: explain.beside.map(|name| match name.as_str() {
                        "next" => Beside::Next,
                        _ => Beside::Named(name),
                    }),
                    style: explain.style.style(),
                    classes: if explain.classes.is_empty() {
                        Classes::Top(explain.top.map_or(1, |top| top as usize))
                    } else {
                        Classes::Named(explain.classes)
                    },
                    out: explain.out,
                    json: explain.json,
                    raw: explain.raw,
                    show: explain.show,
                    environment,
                })
            }
        })
    }
}

impl DoctorArguments {
    fn settings(self, environment: Environment, hub: &Hub) -> Settings {
        Settings::Doctor(doctor::DoctorSettings {
            json: self.json,
            graphics: self.graphics,
            environment,
            hub: hub.clone(),
            surroundings: doctor::Surroundings::default(),
            config: Config::default(),
        })
    }
}

impl ConfigArguments {
    fn settings(self) -> Settings {
        Settings::Config(ConfigSettings {
            print: self.print,
            config: Config::default(),
            command: command(),
        })
    }
}

fn pages(page: Page) -> Settings {
    Settings::Pages(Pages {
        page,
        command: command(),
    })
}
