//! Reading a truth, whatever form it has. The content decides, then the ending of the name.

use std::path::{Path, PathBuf};

use super::classes::Classes;
use super::{imagenet, json, table};
use crate::dataset::ImageEntry;
use crate::geometry::Window;

/// One object of an image, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Where it stands, in the [`Listing`]'s unit, from 1.
    pub(super) line: u64,
    pub(super) file: PathBuf,
    pub(super) class: String,
    pub(super) extent: Option<Extent>,
}

/// Where an object is, as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    /// In pixels of the image, after its EXIF orientation.
    Pixels(Window),
    /// In widths and heights of the same.
    Shares(Window),
}

/// A row that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) line: u64,
    /// "its box is not four numbers".
    pub(super) reason: &'static str,
}

/// What a file says.
#[derive(Debug, PartialEq)]
pub(super) struct Listing {
    pub(super) rows: Vec<Result<Row, Bad>>,
    /// What is counted: "line", "annotation".
    pub(super) unit: &'static str,
    /// What was guessed, a sentence each.
    pub(super) notes: Vec<String>,
}

impl Listing {
    pub(super) fn of_lines(rows: Vec<Result<Row, Bad>>) -> Self {
        Self {
            rows,
            unit: "line",
            notes: Vec::new(),
        }
    }
}

pub(super) const NO_BOX: &str = "its box is not four numbers with a positive width and height";
const IN_A_PIXEL: &str = "its box lies inside of one pixel; give pixels, not shares of the image";

/// Reads a file. `images` are in natural order, for lists without names.
///
/// # Errors
/// A reason in words, when the file cannot be read or has no known form.
pub(super) fn read(
    path: &Path,
    images: &[ImageEntry],
    classes: &Classes,
) -> Result<Listing, String> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ if path.is_dir() => "it is a folder".to_owned(),
        _ => error.to_string(),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let is_named_json = ["json", "jsonl", "ndjson"]
        .iter()
        .any(|json| ending.eq_ignore_ascii_case(json));
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.trim_start().starts_with(['{', '[']) || is_named_json {
        return json::listing(text);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match imagenet::listing(text, &name, images, classes) {
        Some(listing) => listing,
        None => table::rows(text).map(Listing::of_lines),
    }
}

/// Slashes for the backslashes of Windows.
pub(super) fn file(name: &str) -> PathBuf {
    PathBuf::from(if name.contains('/') {
        name.to_owned()
    } else {
        name.replace('\\', "/")
    })
}

/// A box of numbers; with `corners` the last two are the far corner, not the size.
///
/// # Errors
/// A reason, when they are no box.
pub(super) fn window(
    [x, y, third, fourth]: [f64; 4],
    corners: bool,
) -> Result<Window, &'static str> {
    let (width, height) = if corners {
        (third - x, fourth - y)
    } else {
        (third, fourth)
    };
    let numbers = [x, y, width, height];
    if !numbers.iter().all(|number| number.is_finite()) || width <= 0.0 || height <= 0.0 {
        return Err(NO_BOX);
    }
    let is_share = |at: f64, length: f64| at >= 0.0 && length < 1.0 && at + length <= 1.0;
    if is_share(x, width) && is_share(y, height) {
        return Err(IN_A_PIXEL);
    }
    Ok(Window {
        x,
        y,
        width,
        height,
    })
}
