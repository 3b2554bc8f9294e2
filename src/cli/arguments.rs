//! Arguments: the definition of the command line, and what it is turned into.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Command, CommandFactory, Parser, Subcommand};

use clap_complete::Shell;

use super::config::{Config, ConfigSettings, with_opposites};
use super::many::ManyArguments;
use super::pages::{Page, Pages};
use super::values::{
    Crop, Scale, Three, crop, opacity, picture_size, resize, scale, squash, three, verdict,
};
use super::{
    Beside, Classes, ExplainSettings, LayersSettings, MethodsSettings, ModelsSettings,
    OpenSettings, PictureSize, Pictures, ReviewSettings, Settings, doctor, evaluate, export, merge,
    score,
};
use crate::dataset::review::{Verdict, usual};
use crate::dataset::scan::ScanOptions;
use crate::explain::methods::MethodId;
use crate::explain::options::{Fusion, Options};
use crate::explain::target::Measure;
use crate::graphics::colors::Colors;
use crate::graphics::{Choice, Environment};
use crate::keymap::Keymap;
use crate::model::catalog::Hub;
use crate::model::device::DeviceChoice;
use crate::model::precision::PrecisionChoice;
use crate::model::recipe::{Interpolation, RecipeOverrides, Resize};
use crate::model::{LoadOptions, ModelSource};
use crate::picture::colormap::Colormap;
use crate::picture::{Marks, Style, View};

/// What is the same for several commands, so that one key of a configuration serves them all.
pub(super) const TRUTH: &str = "True classes: CSV or TSV with a row for each object: file, class, and \
    a box as x,y,width,height or xmin,ymin,xmax,ymax. Without it truth.csv in the folder or beside \
    it, else the names of the folders, one a class";
pub(super) const REVIEW: &str = "File of the review: verdicts, notes and scores; without it one for \
    each folder, and for each shard of `gradcam score`, in $XDG_STATE_HOME/gradcam/reviews";
pub(super) const AUG_SMOOTH: &str =
    "The mean over the image, its mirror image, and both at other contrasts; six times the work";
pub(super) const EIGEN_SMOOTH: &str =
    "The first principal component of the channels instead of their sum";
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

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelArguments {
    /// Checkpoint (.safetensors, .pth, .pt, .bin, .ckpt or a folder of these), torch.export program
    /// (.pt2) or TorchScript archive, or a name from `gradcam models`;
    /// the bundled demo model without it
    #[arg(long, value_name = "FILE|NAME")]
    model: Option<PathBuf>,
    /// Never download a model that is given by name
    #[arg(long)]
    offline: bool,
    /// Class names: a file with one a line, JSON or CSV, or a folder with a subfolder for each class
    #[arg(long, value_name = "FILE|DIR")]
    labels: Option<PathBuf>,
    /// Target layer by its name in `gradcam layers`, such as layer3.1.conv2; the last one with a map
    /// before the head without it. Given again, the maps of all these layers become one
    #[arg(long = "layer", value_name = "NAME")]
    pub(super) layers: Vec<String>,
    /// auto, cpu, cuda or cuda:N; several, as in cuda:0,cuda:1, share the images of explain and score
    #[arg(
        long = "device",
        value_name = "DEVICE",
        default_value = "auto",
        value_delimiter = ','
    )]
    pub(super) devices: Vec<DeviceChoice>,
    /// Numbers to compute with: f32, or bf16 on processors that have it (faster, 3 digits); auto is f32
    #[arg(long, value_name = "NUMBERS", default_value = "auto")]
    precision: PrecisionChoice,
    /// Length of the shorter side after resizing, or none
    #[arg(long, value_name = "N|none", value_parser = resize, conflicts_with = "squash", help_heading = "Preprocessing")]
    resize: Option<Resize>,
    /// Part in the center that is kept, or none
    #[arg(long, value_name = "N|WxH|none", value_parser = crop, help_heading = "Preprocessing")]
    crop: Option<Crop>,
    /// Resize to this size, whatever the proportions
    #[arg(long, value_name = "N|WxH", value_parser = squash, help_heading = "Preprocessing")]
    squash: Option<Resize>,
    /// Mean of each channel, of pixels in 0..1
    #[arg(long, value_name = "R,G,B", value_parser = three, allow_hyphen_values = true, help_heading = "Preprocessing")]
    mean: Option<Three>,
    /// Standard deviation of each channel
    #[arg(long, value_name = "R,G,B", value_parser = three, allow_hyphen_values = true, help_heading = "Preprocessing")]
    std: Option<Three>,
    /// Filter for resizing
    #[arg(
        long,
        value_enum,
        value_name = "FILTER",
        help_heading = "Preprocessing"
    )]
    interpolation: Option<Interpolation>,
    /// The model reads blue first, as OpenCV does
    #[arg(long, help_heading = "Preprocessing")]
    bgr: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Explanation")]
struct ExplanationArguments {
    /// How the map is made; `?` or any wrong name lists the methods
    #[arg(long, value_name = "METHOD", default_value = "grad-cam")]
    method: MethodId,
    /// How the maps of several layers become one
    #[arg(long, value_enum, value_name = "HOW", default_value = "mean")]
    fuse: Fusion,
    /// What is explained: the class's logit or its softmax probability
    #[arg(long, value_enum, value_name = "SCORE", default_value = "logit")]
    score: Measure,
    /// Show what speaks against the class: negated gradients
    #[arg(long)]
    counterfactual: bool,
    #[arg(long, help = AUG_SMOOTH)]
    aug_smooth: bool,
    #[arg(long, help = EIGEN_SMOOTH)]
    eigen_smooth: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(super) struct ScanArguments {
    /// Do not search folders inside folders
    #[arg(long)]
    no_recursive: bool,
    /// Show hidden files and folders too
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Review")]
struct ReviewArguments {
    #[arg(long, help = REVIEW, value_name = "FILE")]
    review: Option<PathBuf>,
    /// Who gives the verdicts; $USER without it
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,
    /// A verdict and its key, as in b=blurred; given again for each, in place of the usual ones
    #[arg(long = "verdict", value_name = "KEY=NAME", value_parser = verdict)]
    verdicts: Vec<Verdict>,
    /// Do not score the folder in the background
    #[arg(long)]
    no_scoring: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Drawing")]
pub(super) struct StyleArguments {
    /// jet, turbo, viridis, inferno or grey
    #[arg(long, value_name = "MAP", default_value = "jet")]
    colormap: Colormap,
    /// Weight of the heatmap in the overlay, 0 to 1
    #[arg(long, value_name = "W", default_value = "0.5", value_parser = opacity)]
    opacity: f32,
    /// Draw both signs of the map before ReLU: red speaks for the class, blue against it
    #[arg(long)]
    signed: bool,
    /// The number that the end of the color scale stands for, to compare pictures; `own`: each
    /// picture's own largest
    #[arg(long, value_name = "PEAK|own", default_value = "own", value_parser = scale)]
    scale: Scale,
    /// Draw the outline of what is above 15% of the map's maximum
    #[arg(long)]
    contour: bool,
    /// Draw the box around the largest part above 15% of the map's maximum
    #[arg(long = "box")]
    bounding_box: bool,
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

impl ModelArguments {
    pub(super) fn hub(&self, hub: &Hub) -> Hub {
        Hub {
            offline: hub.offline || self.offline,
            ..hub.clone()
        }
    }

    /// `paths` are the images; one folder alone can tell the names of the classes.
    pub(super) fn split(self, paths: &[PathBuf]) -> (ModelSource, LoadOptions) {
        let recipe = RecipeOverrides {
            resize: self.resize.or(self.squash),
            crop: self.crop.map(|crop| crop.0),
            interpolation: self.interpolation,
            mean: self.mean.map(|mean| mean.0),
            std: self.std.map(|std| std.0),
            bgr: self.bgr,
        };
        let source = self.model.map_or(ModelSource::Demo, ModelSource::File);
        (
            source,
            LoadOptions {
                labels: self.labels,
                images: match paths {
                    [folder] => Some(folder.clone()),
                    _ => None,
                },
                recipe,
                device: self.devices.first().copied().unwrap_or_default(),
                precision: self.precision,
                layer: self.layers.into_iter().next(),
            },
        )
    }
}

impl ExplanationArguments {
    fn options(&self, layers: &[String]) -> Options {
        Options {
            method: self.method,
            // One layer is the model's own.
            layers: match layers {
                [_, _, ..] => layers.to_vec(),
                _ => Vec::new(),
            },
            fusion: self.fuse,
            measure: self.score,
            versus: None,
            counterfactual: self.counterfactual,
            aug_smooth: self.aug_smooth,
            eigen_smooth: self.eigen_smooth,
        }
    }
}

impl ScanArguments {
    pub(super) fn options(&self) -> ScanOptions {
        ScanOptions {
            recursive: !self.no_recursive,
            hidden: self.hidden,
        }
    }
}

impl ReviewArguments {
    /// Who reviews, and where the store lies, may follow from the environment.
    fn settings(self) -> ReviewSettings {
        ReviewSettings {
            file: self.review,
            reviewer: self.reviewer.unwrap_or_default(),
            verdicts: if self.verdicts.is_empty() {
                usual()
            } else {
                self.verdicts
            },
            scores: !self.no_scoring,
            state_folder: None,
            editor: String::new(),
        }
    }
}

impl StyleArguments {
    pub(super) fn style(&self) -> Style {
        Style {
            view: View::Overlay,
            opacity: self.opacity,
            colormap: self.colormap,
            signed: self.signed,
            scale: self.scale.0,
            marks: Marks {
                contour: self.contour,
                bounding_box: self.bounding_box,
            },
        }
    }
}
