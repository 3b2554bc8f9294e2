//! Picture: image + heatmap + style → pixels.

pub mod colormap;
pub mod decode;
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

/// How the picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    pub view: View,
    /// Weight of the heatmap in the blend: 0 is the image alone, 1 the heatmap alone.
    pub opacity: f32,
    pub colormap: Colormap,
}
