//! Picture: image + heatmap + style → pixels.

pub mod colormap;
pub mod decode;
pub mod files;
pub mod overlay;

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
