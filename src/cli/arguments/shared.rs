//! Arguments that several commands have.

use std::path::PathBuf;

use clap::Args;

use crate::cli::ReviewSettings;
use crate::cli::values::{
    Crop, Scale, Three, crop, opacity, resize, scale, squash, three, verdict,
};
use crate::dataset::review::{Verdict, usual};
use crate::dataset::scan::ScanOptions;
use crate::explain::methods::MethodId;
use crate::explain::options::{Fusion, Options};
use crate::explain::target::Measure;
use crate::model::catalog::Hub;
use crate::model::device::DeviceChoice;
use crate::model::precision::PrecisionChoice;
use crate::model::recipe::{Interpolation, RecipeOverrides, Resize};
use crate::model::{LoadOptions, ModelSource};
use crate::picture::colormap::Colormap;
use crate::picture::{Marks, Style, View};

/// What is the same for several commands, so that one key of a configuration serves them all.
pub(in crate::cli) const TRUTH: &str = "True classes: CSV or TSV with a row for each object: file, class, and \
    a box as x,y,width,height or xmin,ymin,xmax,ymax. Without it truth.csv in the folder or beside \
    it, else the names of the folders, one a class";
pub(in crate::cli) const REVIEW: &str = "File of the review: verdicts, notes and scores; without it one for \
    each folder, and for each shard of `gradcam score`, in $XDG_STATE_HOME/gradcam/reviews";
pub(in crate::cli) const AUG_SMOOTH: &str =
    "The mean over the image, its mirror image, and both at other contrasts; six times the work";
pub(in crate::cli) const EIGEN_SMOOTH: &str =
    "The first principal component of the channels instead of their sum";

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(in crate::cli) struct ModelArguments {
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
    pub(in crate::cli) layers: Vec<String>,
    /// auto, cpu, cuda or cuda:N; several, as in cuda:0,cuda:1, share the images of explain and score
    #[arg(
        long = "device",
        value_name = "DEVICE",
        default_value = "auto",
        value_delimiter = ','
    )]
    pub(in crate::cli) devices: Vec<DeviceChoice>,
    /// Numbers to compute with: f32; bf16 (3 digits) on GPUs and processors that have it, f16 (4 digits)
    /// on GPUs: both faster; auto is f32
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
    /// Decode large JPEGs at a quarter or an eighth of their size: faster, and pixels move a little
    #[arg(long, help_heading = "Preprocessing")]
    scaled_jpeg: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Explanation")]
pub(in crate::cli) struct ExplanationArguments {
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
pub(in crate::cli) struct ScanArguments {
    /// Do not search folders inside folders
    #[arg(long)]
    no_recursive: bool,
    /// Show hidden files and folders too
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Review")]
pub(in crate::cli) struct ReviewArguments {
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
pub(in crate::cli) struct StyleArguments {
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

impl ModelArguments {
    pub(in crate::cli) fn hub(&self, hub: &Hub) -> Hub {
        Hub {
            offline: hub.offline || self.offline,
            ..hub.clone()
        }
    }

    /// `paths` are the images; one folder alone can tell the names of the classes.
    pub(in crate::cli) fn split(self, paths: &[PathBuf]) -> (ModelSource, LoadOptions) {
        let recipe = RecipeOverrides {
            resize: self.resize.or(self.squash),
            crop: self.crop.map(|crop| crop.0),
            interpolation: self.interpolation,
            mean: self.mean.map(|mean| mean.0),
            std: self.std.map(|std| std.0),
            bgr: self.bgr,
            scaled_jpeg: self.scaled_jpeg,
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
    pub(in crate::cli) fn options(&self, layers: &[String]) -> Options {
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
    pub(in crate::cli) fn options(&self) -> ScanOptions {
        ScanOptions {
            recursive: !self.no_recursive,
            hidden: self.hidden,
        }
    }
}

impl ReviewArguments {
    /// Who reviews, and where the store lies, may follow from the environment.
    pub(in crate::cli) fn settings(self) -> ReviewSettings {
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
    pub(in crate::cli) fn style(&self) -> Style {
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
