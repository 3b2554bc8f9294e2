//! Picture: image + heatmap + style → pixels.

pub mod colormap;
pub mod decode;
pub mod overlay;

use std::io::{BufWriter, Write};
use std::path::Path;

use image::RgbImage;

use crate::text::visible;
use colormap::Colormap;

/// Which parts of the explanation are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// The image with the coloured heatmap blended in.
    Overlay,
    /// The image alone.
    Image,
    /// The coloured heatmap alone.
    Heatmap,
    /// The network's input, the heatmap and the overlay, side by side.
    SideBySide,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Overlay, Self::Image, Self::Heatmap, Self::SideBySide];

    /// The one after this, the first after the last.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL
            .iter()
            .position(|other| *other == self)
            .unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Image => "image",
            Self::Heatmap => "heatmap",
            Self::SideBySide => "side by side",
        }
    }
}

/// How the picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    pub view: View,
    /// Weight of the heatmap in the blend: 0 is the image alone, 1 the heatmap alone.
    pub opacity: f32,
    pub colormap: Colormap,
}

/// Writes a PNG file.
///
/// # Errors
/// When the file cannot be written; the text names it.
pub fn save_png(picture: &RgbImage, path: &Path) -> Result<(), String> {
    write_whole(path, |file| {
        let encoder = image::codecs::png::PngEncoder::new(file);
        picture
            .write_with_encoder(encoder)
            .map_err(|error| error.to_string())
    })
}

/// Writes a file so that it is there whole or not at all: aside first, then renamed.
///
/// # Errors
/// When `write` fails or the file cannot be made; the text names it.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), String>,
) -> Result<(), String> {
    let failed = |reason: String| {
        format!(
            "cannot write {}: {reason}",
            visible(&path.display().to_string())
        )
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = Path::new(&aside);
    let written = std::fs::File::create(aside)
        .map_err(|error| error.to_string())
        .and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush().map_err(|error| error.to_string())
        })
        .and_then(|()| std::fs::rename(aside, path).map_err(|error| error.to_string()));
    written.map_err(|reason| {
        // The reason is what matters; a part that cannot be removed changes nothing about it.
        drop(std::fs::remove_file(aside));
        failed(reason)
    })
}
