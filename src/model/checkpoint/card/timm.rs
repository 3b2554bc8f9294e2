//! timm's `config.json`: the network's name, its class names, and `pretrained_cfg`, which says how
//! the network was evaluated (`timm.data.resolve_data_config`, `transforms_imagenet_eval`).

use serde_json::Value;

use super::fields::Fields;
use super::{CheckpointError, Fault, Interpolation, Recipe, names};
use crate::model::recipe::Resize;
use crate::text::visible;

/// What timm takes where a `pretrained_cfg` is silent.
const SIDE: u32 = 224;
const CROP_PCT: f64 = 0.875;

/// A file that is timm's.
pub(super) struct Config<'a> {
    pub(super) architecture: Option<String>,
    cfg: Fields<'a>,
    /// Side of the input that the network was built for, where that is not the pretrained one's.
    img_size: Option<(u32, u32)>,
    in_chans: Option<u32>,
}

impl<'a> Config<'a> {
    /// Nothing where the file is not timm's. In old files the fields of `pretrained_cfg` stand at
    /// the top.
    pub(super) fn read(config: &Fields<'a>) -> Result<Option<Self>, CheckpointError> {
        let nested = config.object("pretrained_cfg")?;
        let architecture = config.text("architecture")?.map(str::to_owned);
        if nested.is_none() && architecture.is_none() {
            return Ok(None);
        }
        let cfg = match nested {
            Some(cfg) => cfg,
            None => config.clone(),
        };
        let (mut img_size, mut in_chans) = (None, None);
        if let Some(arguments) = config.object("model_args")? {
            in_chans = arguments.get("in_chans", "a whole number")?;
            if cfg.flag("fixed_input_size", false)? {
                img_size = side(&arguments, "img_size")?;
            }
        }
        Ok(Some(Self {
            architecture,
            cfg,
            img_size,
            in_chans,
        }))
    }

    /// Names by class: the descriptions where there are any (ImageNet's names are WordNet numbers).
    pub(super) fn classes(
        &self,
        config: &Fields<'_>,
    ) -> Result<Option<Vec<String>>, CheckpointError> {
        for (fields, field) in [
            (config, "label_names"),
            (&self.cfg, "label_names"),
            (config, "labels"),
        ] {
            let Some(value) = fields.value(field) else {
                continue;
            };
            let found = names(fields, field, value)?;
            let descriptions = match config.object("label_descriptions")? {
                Some(descriptions) => Some(descriptions),
                None => self.cfg.object("label_descriptions")?,
            };
            let described = |name: String| {
                let description = descriptions.as_ref().and_then(|all| all.value(&name));
                match description.and_then(Value::as_str) {
                    Some(description) => description.to_owned(),
                    None => name,
                }
            };
            return Ok(Some(found.into_iter().map(described).collect()));
        }
        Ok(None)
    }

    pub(super) fn recipe(&self) -> Result<Recipe, Fault> {
        evaluation(&self.cfg, self.img_size, self.in_chans)
    }
}

/// The preprocessing of a `pretrained_cfg` alone.
pub(super) fn recipe(cfg: &Fields<'_>) -> Result<Recipe, Fault> {
    evaluation(cfg, None, None)
}

/// timm's steps at evaluation. Mode `center`: the shorter side becomes `floor(side / crop_pct)`,
/// then a crop of `side`. Mode `squash`: both sides do. Mode `border` pads and has no twin here.
fn evaluation(
    cfg: &Fields<'_>,
    img_size: Option<(u32, u32)>,
    in_chans: Option<u32>,
) -> Result<Recipe, Fault> {
    let [channels, height, width] = cfg
        .get("input_size", "three whole numbers: channels, height, width")?
        .unwrap_or([3, SIDE, SIDE]);
    let channels = in_chans.unwrap_or(channels);
    if channels != 3 {
        return Err(Fault::channels(channels.into()));
    }
    let (height, width) = img_size.unwrap_or((height, width));
    let crop_pct = cfg
        .get("crop_pct", "a number above zero")?
        .filter(|&share: &f64| share != 0.0)
        .unwrap_or(CROP_PCT);
    if crop_pct < 0.0 {
        return Err(cfg.wrong("crop_pct", "a number above zero").into());
    }
    let (scaled_height, scaled_width) = (floor(height, crop_pct), floor(width, crop_pct));
    let resize = match cfg.text("crop_mode")?.unwrap_or("center") {
        "center" if height == width => Resize::ShorterSide(scaled_height),
        "center" => {
            let step = format!(
                "a crop of {width}x{height} pixels from the middle of images that are scaled to cover it"
            );
            return Err(Fault::Inexpressible(step));
        }
        "squash" => Resize::Squash(scaled_width, scaled_height),
        other => {
            let step = format!("the crop mode {}", visible(other));
            return Err(Fault::Inexpressible(step));
        }
    };
    let imagenet = Recipe::imagenet();
    Ok(Recipe {
        resize,
        crop: Some((width, height)),
        interpolation: filter(cfg.text("interpolation")?.unwrap_or("bicubic"))?,
        mean: cfg.channels("mean")?.unwrap_or(imagenet.mean),
        std: cfg.channels("std")?.unwrap_or(imagenet.std),
        ..imagenet
    })
}

fn filter(name: &str) -> Result<Interpolation, Fault> {
    match name {
        "nearest" => Ok(Interpolation::Nearest),
        "bilinear" => Ok(Interpolation::Bilinear),
        "bicubic" => Ok(Interpolation::Bicubic),
        "lanczos" => Ok(Interpolation::Lanczos),
        other => Err(Fault::Inexpressible(format!(
            "the filter {}",
            visible(other)
        ))),
    }
}

/// Height and width from one number or two.
fn side(fields: &Fields<'_>, name: &str) -> Result<Option<(u32, u32)>, CheckpointError> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Side {
        Square(u32),
        Both(u32, u32),
    }
    let side = fields.get(name, "one or two whole numbers")?;
    Ok(side.map(|side| match side {
        Side::Square(side) => (side, side),
        Side::Both(height, width) => (height, width),
    }))
}

/// `floor(side / share)`, in float64 as Python has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a side above u32 saturates and is refused with the recipe"
)]
pub(super) fn floor(side: u32, share: f64) -> u32 {
    (f64::from(side) / share).floor() as u32
}
