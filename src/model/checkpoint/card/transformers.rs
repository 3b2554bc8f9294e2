//! `config.json` and `preprocessor_config.json` of transformers.
//!
//! A processor is named by its class, also in the names of older versions (`ViTFeatureExtractor`)
//! and of its implementations (`ViTImageProcessorFast`). The order is resize, crop, rescale,
//! normalize. Its crop rounds half pixels down where torchvision's rounds them to even.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::timm::floor;
use super::{CheckpointError, Fault, Interpolation, Recipe, names};
use crate::model::recipe::Resize;
use crate::text::visible;

/// `model_type` of the networks that gradcam builds. Others may give settings of the same names in
/// other types.
pub(super) const BUILT: &[&str] = &[
    "convnext",
    "convnextv2",
    "deit",
    "resnet",
    "swin",
    "swinv2",
    "vit",
];

/// What a class does where its file is silent.
struct Processor {
    /// The class's name without its ending.
    class: &'static str,
    /// `model_type` of networks that use it.
    models: &'static [&'static str],
    /// A size of one number is both sides, rather than the shorter one.
    square: bool,
    center_crop: bool,
}

const PROCESSORS: &[Processor] = &[
    Processor {
        class: "ViT",
        models: &["vit", "swin", "swinv2"],
        square: true,
        center_crop: false,
    },
    Processor {
        class: CONVNEXT,
        models: &["convnext", "convnextv2", "resnet", "regnet"],
        square: false,
        center_crop: false,
    },
    Processor {
        class: "DeiT",
        models: &["deit"],
        square: true,
        center_crop: true,
    },
    Processor {
        class: "Beit",
        models: &["beit"],
        square: true,
        center_crop: false,
    },
    Processor {
        class: "Bit",
        models: &["bit", "dinov2"],
        square: false,
        center_crop: true,
    },
    Processor {
        class: "MobileNetV1",
        models: &["mobilenet_v1"],
        square: false,
        center_crop: true,
    },
    Processor {
        class: "MobileNetV2",
        models: &["mobilenet_v2"],
        square: false,
        center_crop: true,
    },
];

/// The one that crops by `crop_pct`.
const CONVNEXT: &str = "ConvNext";
/// ConvNeXt's processor does not crop from this side on.
const CONVNEXT_WHOLE: u32 = 384;
/// Its share of the shorter side where the file is silent.
const CROP_PCT: f64 = 224.0 / 256.0;

/// `architectures` names the class of the network.
pub(super) fn architecture(config: &Fields<'_>) -> Result<Option<String>, CheckpointError> {
    let classes: Option<Vec<String>> = config.get("architectures", "a list of names")?;
    Ok(classes.and_then(|classes| classes.into_iter().next()))
}

/// Names by class. `LABEL_0`, `LABEL_1` … stand where nobody has given names.
pub(super) fn classes(config: &Fields<'_>) -> Result<Option<Vec<String>>, CheckpointError> {
    for field in ["id2label", "label2id"] {
        if let Some(value) = config.value(field) {
            let found = names(config, field, value)?;
            let nameless = found
                .iter()
                .enumerate()
                .all(|(class, name)| *name == format!("LABEL_{class}"));
            return Ok((!nameless).then_some(found));
        }
    }
    Ok(None)
}

/// The preprocessing of a `preprocessor_config.json`. `model_type` stands in `config.json`, and
/// tells the processor where its own file does not.
pub(super) fn recipe(fields: &Fields<'_>, model_type: Option<&str>) -> Result<Recipe, Fault> {
    let processor = processor(fields, model_type)?;
    for (field, step) in [
        ("do_pad", "padding"),
        ("rescale_offset", "an offset after scaling the pixels"),
    ] {
        if fields.flag(field, false)? {
            return Err(Fault::Inexpressible(step.to_owned()));
        }
    }
    let center_crop = fields.flag("do_center_crop", processor.center_crop)?;
    let mut crop = if center_crop {
        Some(crop_size(fields)?)
    } else {
        None
    };
    let mut resize = Resize::None;
    if fields.flag("do_resize", true)? {
        resize = size(fields, processor.square)?;
        if processor.class == CONVNEXT {
            (resize, crop) = convnext(fields, resize, crop)?;
        }
    }
    let (mean, std) = normalization(fields)?;
    Ok(Recipe {
        resize,
        crop,
        interpolation: filter(fields, resize)?,
        mean,
        std,
        crop_rounds_down: true,
        ..Recipe::imagenet()
    })
}

fn processor(fields: &Fields<'_>, model_type: Option<&str>) -> Result<&'static Processor, Fault> {
    let class = match fields.text("image_processor_type")? {
        Some(class) => Some(class),
        None => fields.text("feature_extractor_type")?,
    };
    let Some(class) = class else {
        let of_model = PROCESSORS
            .iter()
            .find(|known| model_type.is_some_and(|model| known.models.contains(&model)));
        return of_model.ok_or_else(|| {
            Fault::Inexpressible("an image processor without giving its name".to_owned())
        });
    };
    let stem = [
        "FeatureExtractor",
        "ImageProcessorFast",
        "ImageProcessorPil",
        "ImageProcessor",
    ]
    .iter()
    .find_map(|ending| class.strip_suffix(ending));
    PROCESSORS
        .iter()
        .find(|known| stem == Some(known.class))
        .ok_or_else(|| Fault::Inexpressible(format!("the image processor {}", visible(class))))
}

/// A size as the files have it: one number, a list, or an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    One(u32),
    /// Height and width.
    Two(u32, u32),
    Named(Map<String, Value>),
}

fn read_size(fields: &Fields<'_>, name: &str) -> Result<Size, Fault> {
    fields
        .get(
            name,
            "a number of pixels, or an object with height and width",
        )?
        .ok_or_else(|| silent(name))
}

fn silent(name: &str) -> Fault {
    Fault::Inexpressible(format!("preprocessing without giving its {name}"))
}

/// Width and height from an object with these.
fn both(fields: &Fields<'_>, name: &str) -> Result<Option<(u32, u32)>, CheckpointError> {
    let Some(size) = fields.object(name)? else {
        return Ok(None);
    };
    let side = |side| size.get(side, "a number of pixels");
    Ok(side("width")?.zip(side("height")?))
}

fn size(fields: &Fields<'_>, square: bool) -> Result<Resize, Fault> {
    match read_size(fields, "size")? {
        Size::One(side) if square => Ok(Resize::Squash(side, side)),
        Size::One(side) => Ok(Resize::ShorterSide(side)),
        Size::Two(height, width) => Ok(Resize::Squash(width, height)),
        Size::Named(named) => {
            if let Some((width, height)) = both(fields, "size")? {
                return Ok(Resize::Squash(width, height));
            }
            let bounded = named
                .get("longest_edge")
                .is_some_and(|edge| !edge.is_null());
            match fields.object("size")? {
                Some(size) if !bounded => size
                    .get("shortest_edge", "a number of pixels")?
                    .map(Resize::ShorterSide)
                    .ok_or_else(|| {
                        fields
                            .wrong("size", "a size with shortest_edge, or height and width")
                            .into()
                    }),
                _ => Err(Fault::Inexpressible(
                    "a resize with a longest edge".to_owned(),
                )),
            }
        }
    }
}

/// Width and height. A single number is a square, whatever the processor.
fn crop_size(fields: &Fields<'_>) -> Result<(u32, u32), Fault> {
    match read_size(fields, "crop_size")? {
        Size::One(side) => Ok((side, side)),
        Size::Two(height, width) => Ok((width, height)),
        Size::Named(_) => both(fields, "crop_size")?.ok_or_else(|| {
            fields
                .wrong("crop_size", "a size with height and width")
                .into()
        }),
    }
}

/// ConvNeXt's processor: the shorter side becomes `size / crop_pct`, then a crop of `size`; from
/// 384 on the whole image is squashed.
fn convnext(
    fields: &Fields<'_>,
    resize: Resize,
    crop: Option<(u32, u32)>,
) -> Result<(Resize, Option<(u32, u32)>), Fault> {
    let Resize::ShorterSide(side) = resize else {
        return Err(fields.wrong("size", "a size with shortest_edge").into());
    };
    if crop.is_some() {
        return Err(Fault::Inexpressible("a crop after a crop".to_owned()));
    }
    if side >= CONVNEXT_WHOLE {
        return Ok((Resize::Squash(side, side), None));
    }
    let crop_pct = fields.positive("crop_pct")?.unwrap_or(CROP_PCT);
    Ok((
        Resize::ShorterSide(floor(side, crop_pct)),
        Some((side, side)),
    ))
}

/// Pillow's numbers for its filters.
fn filter(fields: &Fields<'_>, resize: Resize) -> Result<Interpolation, Fault> {
    match fields.get::<u64>("resample", "the number of a filter")? {
        Some(0) => Ok(Interpolation::Nearest),
        Some(1) => Ok(Interpolation::Lanczos),
        Some(2) => Ok(Interpolation::Bilinear),
        Some(3) => Ok(Interpolation::Bicubic),
        Some(4) => Err(Fault::Inexpressible("the filter box".to_owned())),
        Some(5) => Err(Fault::Inexpressible("the filter hamming".to_owned())),
        Some(_) => Err(fields
            .wrong("resample", "the number of a filter, 0 to 5")
            .into()),
        None if resize == Resize::None => Ok(Interpolation::Bilinear),
        None => Err(silent("resample")),
    }
}

/// `(pixel * factor - mean) / std` for pixels in 0..=255, as the mean and deviation of pixels in
/// 0..=1.
fn normalization(fields: &Fields<'_>) -> Result<([f32; 3], [f32; 3]), Fault> {
    if !fields.flag("do_rescale", true)? {
        let step = "pixels that are not scaled to 0..1".to_owned();
        return Err(Fault::Inexpressible(step));
    }
    let (mean, std) = if fields.flag("do_normalize", true)? {
        (
            fields
                .channels("image_mean")?
                .ok_or_else(|| silent("image_mean"))?,
            fields
                .channels("image_std")?
                .ok_or_else(|| silent("image_std"))?,
        )
    } else {
        ([0.0; 3], [1.0; 3])
    };
    let scale = 255.0 * fields.positive("rescale_factor")?.unwrap_or(1.0 / 255.0);
    if (scale - 1.0).abs() < 1e-6 {
        return Ok((mean, std));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "numbers of the network's precision"
    )]
    let scale = scale as f32;
    Ok((
        mean.map(|value| value / scale),
        std.map(|value| value / scale),
    ))
}
