//! The command line: arguments and environment → plain settings. Nothing else reads either.

pub mod doctor;
pub mod evaluate;
pub mod explain;
pub mod layers;
pub mod methods;
pub mod models;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::dataset::scan::ScanOptions;
use crate::explain::methods::MethodId;
use crate::explain::options::{Fusion, Options};
use crate::explain::target::Measure;
use crate::graphics::{Choice, Environment};
use crate::model::catalog::Hub;
use crate::model::device::DeviceChoice;
use crate::model::precision::PrecisionChoice;
use crate::model::recipe::{Interpolation, RecipeOverrides, Resize};
use crate::model::{LoadOptions, ModelSource};
use crate::picture::colormap::Colormap;
use crate::picture::{Marks, Style, View};
use crate::text::{is_harmless, visible_lines};

/// See what an image classifier looks at: top-5 predictions and the Grad-CAM overlay, in the terminal.
#[derive(Debug, Parser)]
#[command(name = "gradcam", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    open: OpenArguments,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Explain images without the interface: write heatmaps and overlays, print predictions
    Explain(ExplainArguments),
    /// Measure how faithful maps are, over images with ground truth: tables, JSON and CSV
    Evaluate(evaluate::EvaluateArguments),
    /// Say what is found of the terminal, tmux, libtorch, CUDA and caches, and how pictures are drawn
    Doctor(DoctorArguments),
    /// List the layers of a model: name, operation, output shape, which is the default, and why not
    Layers(LayersArguments),
    /// List the ways to explain: name on the command line, what each does, and its paper
    Methods(MethodsArguments),
    /// List the models that can be given by name, and which of them are in the cache
    Models(ModelsArguments),
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
    /// True classes of the images, as `gradcam evaluate` reads them
    #[arg(long, help_heading = "Search", value_name = "FILE")]
    truth: Option<PathBuf>,
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
    /// How pictures are put on the terminal: auto, layered, iterm, sixel, blocks, or none (in words)
    #[arg(long, value_name = "HOW", default_value = "auto")]
    graphics: Choice,
    /// Folder that `s` saves pictures into
    #[arg(
        long,
        help_heading = "Program",
        value_name = "DIR",
        default_value = "."
    )]
    out: PathBuf,
    /// Write messages of the program and of libtorch to this file
    #[arg(long, help_heading = "Program", value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ExplainArguments {
    /// Image files, folders or patterns
    #[arg(value_name = "IMAGE", required_unless_present = "img_src")]
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
    /// As for the interface: auto, layered, iterm, sixel, blocks or none
    #[arg(long, value_name = "HOW", default_value = "auto")]
    graphics: Choice,
}

#[derive(Debug, Args)]
struct MethodsArguments {
    /// Print one JSON object a line for each method, and nothing else
    #[arg(long)]
    json: bool,
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
struct ModelArguments {
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
    layers: Vec<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
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
    /// The mean over the image, its mirror image, and both at other contrasts; six times the work
    #[arg(long)]
    aug_smooth: bool,
    /// The first principal component of the channels instead of their sum
    #[arg(long)]
    eigen_smooth: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
struct ScanArguments {
    /// Do not search folders inside folders
    #[arg(long)]
    no_recursive: bool,
    /// Show hidden files and folders too
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Drawing")]
struct StyleArguments {
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

/// The end of the color scale, where it is fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale(Option<f32>);

/// A crop, or explicitly none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crop(Option<(u32, u32)>);

/// A number for each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Three([f32; 3]);

/// What the program is to do, checked and complete.
#[derive(Debug)]
pub enum Settings {
    Doctor(doctor::DoctorSettings),
    Open(OpenSettings),
    Explain(ExplainSettings),
    Evaluate(evaluate::EvaluateSettings),
    Layers(LayersSettings),
    Methods(MethodsSettings),
    Models(ModelsSettings),
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

/// For `gradcam explain`.
#[derive(Debug)]
pub struct ExplainSettings {
    pub images: Vec<PathBuf>,
    pub scan: ScanOptions,
    pub model: ModelSource,
    pub load: LoadOptions,
    pub hub: Hub,
    pub options: Options,
    pub style: Style,
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
    let arguments = Arguments::try_parse().unwrap_or_else(|error| leave(&error));
    let mut settings = arguments.settings(&environment, &hub);
    match &mut settings {
        Settings::Evaluate(evaluate) => evaluate.state = state_folder(),
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

#[expect(clippy::disallowed_methods, reason = "only cli reads the environment")]
fn surroundings() -> doctor::Surroundings {
    doctor::Surroundings::from_lookup(|name| std::env::var(name).ok())
}

impl Arguments {
    fn settings(self, environment: &Environment, hub: &Hub) -> Settings {
        let environment = environment.clone();
        match self.command {
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
                    model,
                    load,
                    hub,
                    options,
                    style: open.style.style(),
                    cache_bytes: open.cache_mb.saturating_mul(1 << 20),
                    graphics: open.graphics,
                    out: open.out,
                    log: open.log,
                    environment,
                })
            }
            Some(Subcommands::Doctor(doctor)) => Settings::Doctor(doctor::DoctorSettings {
                json: doctor.json,
                graphics: doctor.graphics,
                environment,
                hub: hub.clone(),
                surroundings: doctor::Surroundings::default(),
            }),
            Some(Subcommands::Models(models)) => Settings::Models(ModelsSettings {
                pattern: models.pattern,
                json: models.json,
                hub: hub.clone(),
            }),
            Some(Subcommands::Methods(methods)) => {
                Settings::Methods(MethodsSettings { json: methods.json })
            }
            Some(Subcommands::Evaluate(evaluate)) => Settings::Evaluate(evaluate.settings(hub)),
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
                let (model, load) = explain.model.split(&images);
                Settings::Explain(ExplainSettings {
                    images,
                    scan: explain.scan.options(),
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
        }
    }
}

impl ModelArguments {
    fn hub(&self, hub: &Hub) -> Hub {
        Hub {
            offline: hub.offline || self.offline,
            ..hub.clone()
        }
    }

    /// `paths` are the images; one folder alone can tell the names of the classes.
    fn split(self, paths: &[PathBuf]) -> (ModelSource, LoadOptions) {
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
                device: self.device,
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
    fn options(&self) -> ScanOptions {
        ScanOptions {
            recursive: !self.no_recursive,
            hidden: self.hidden,
        }
    }
}

impl StyleArguments {
    fn style(&self) -> Style {
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

fn side(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|side| *side > 0)
        .ok_or_else(|| format!("{text:?} is not a number of pixels"))
}

/// "224" is a square.
fn size(text: &str) -> Result<(u32, u32), String> {
    match text.split_once('x') {
        Some((width, height)) => Ok((side(width)?, side(height)?)),
        None => side(text).map(|side| (side, side)),
    }
}

fn resize(text: &str) -> Result<Resize, String> {
    if text == "none" {
        Ok(Resize::None)
    } else {
        side(text).map(Resize::ShorterSide)
    }
}

fn squash(text: &str) -> Result<Resize, String> {
    size(text).map(|(width, height)| Resize::Squash(width, height))
}

fn crop(text: &str) -> Result<Crop, String> {
    if text == "none" {
        Ok(Crop(None))
    } else {
        size(text).map(|size| Crop(Some(size)))
    }
}

fn three(text: &str) -> Result<Three, String> {
    let numbers: Vec<f32> = text
        .split(',')
        .map(|part| {
            part.trim()
                .parse()
                .map_err(|_| format!("{part:?} is not a number"))
        })
        .collect::<Result<_, _>>()?;
    <[f32; 3]>::try_from(numbers)
        .map(Three)
        .map_err(|_| "expected three numbers, as in 0.485,0.456,0.406".to_owned())
}

fn scale(text: &str) -> Result<Scale, String> {
    if text == "own" {
        return Ok(Scale(None));
    }
    let end = text.parse().ok();
    end.filter(|end: &f32| end.is_finite() && *end > 0.0)
        .map(|end| Scale(Some(end)))
        .ok_or_else(|| "expected a number above 0, or `own`".to_owned())
}

fn opacity(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &str) -> Result<Settings, String> {
        Arguments::try_parse_from(std::iter::once("gradcam").chain(arguments.split_whitespace()))
            .map(|arguments| arguments.settings(&Environment::default(), &Hub::default()))
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
        assert_eq!(settings.images, [PathBuf::from("cat.jpg")]);
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
        ] {
            assert!(parsed(arguments).is_err(), "{arguments}");
        }
    }
}
