//! Values of arguments: from text to what it means, or a sentence on what was expected.

use super::PictureSize;
use crate::dataset::review::Verdict;
use crate::model::recipe::Resize;

/// The end of the color scale, where it is fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale(pub(super) Option<f32>);

/// A crop, or explicitly none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crop(pub(super) Option<(u32, u32)>);

/// A number for each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Three(pub(super) [f32; 3]);

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

pub(super) fn resize(text: &str) -> Result<Resize, String> {
    if text == "none" {
        Ok(Resize::None)
    } else {
        side(text).map(Resize::ShorterSide)
    }
}

pub(super) fn squash(text: &str) -> Result<Resize, String> {
    size(text).map(|(width, height)| Resize::Squash(width, height))
}

pub(super) fn crop(text: &str) -> Result<Crop, String> {
    if text == "none" {
        Ok(Crop(None))
    } else {
        size(text).map(|size| Crop(Some(size)))
    }
}

pub(super) fn picture_size(text: &str) -> Result<PictureSize, String> {
    match text {
        "image" => Ok(PictureSize::Image),
        "input" => Ok(PictureSize::Input),
        _ => side(text).map(PictureSize::Side),
    }
}

pub(super) fn three(text: &str) -> Result<Three, String> {
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

pub(super) fn scale(text: &str) -> Result<Scale, String> {
    if text == "own" {
        return Ok(Scale(None));
    }
    let end = text.parse().ok();
    end.filter(|end: &f32| end.is_finite() && *end > 0.0)
        .map(|end| Scale(Some(end)))
        .ok_or_else(|| "expected a number above 0, or `own`".to_owned())
}

pub(super) fn opacity(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// "b=blurred": a key and a name. That the key means nothing else is looked at where all keys are
/// known.
pub(super) fn verdict(text: &str) -> Result<Verdict, String> {
    let mut letters = text.chars();
    let (Some(key), Some('='), name) = (letters.next(), letters.next(), letters.as_str().trim())
    else {
        return Err("expected a key and a name, as in b=blurred".to_owned());
    };
    if name.is_empty() || key.is_whitespace() || key.is_control() {
        return Err("expected a key and a name, as in b=blurred".to_owned());
    }
    Ok(Verdict {
        key,
        name: name.into(),
    })
}
