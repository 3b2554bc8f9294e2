//! Picture: image + heatmap + style → pixels.

pub mod colormap;
pub mod decode;
pub mod files;
pub mod layers;
mod marks;
pub mod overlay;
mod panels;
pub mod scale;
pub mod words;

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

/// Lines over the colors, around what is above [`heatmap::THRESHOLD`] of the map's maximum.
///
/// [`heatmap::THRESHOLD`]: crate::heatmap::THRESHOLD
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// The outline of all of it.
    pub contour: bool,
    /// The box around its largest segment.
    pub bounding_box: bool,
}

impl Marks {
    pub const NONE: Self = Self::new(false, false);

    const fn new(contour: bool, bounding_box: bool) -> Self {
        Self {
            contour,
            bounding_box,
        }
    }

    /// The one after this: both, the contour, the box, none.
    #[must_use]
    pub fn next(self) -> Self {
        match (self.contour, self.bounding_box) {
            (false, false) => Self::new(true, true),
            (true, true) => Self::new(true, false),
            (true, false) => Self::new(false, true),
            (false, true) => Self::NONE,
        }
    }

    /// "contour and box".
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.contour, self.bounding_box) {
            (false, false) => "no marks",
            (true, true) => "contour and box",
            (true, false) => "contour",
            (false, true) => "box",
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
    /// Both signs of the raw map in diverging colors, instead of what ReLU leaves.
    pub signed: bool,
    /// The number that the end of the color scale stands for; without it each picture has its own.
    pub scale: Option<f32>,
    pub marks: Marks,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            view: View::Overlay,
            opacity: 0.5,
            colormap: Colormap::Jet,
            signed: false,
            scale: None,
            marks: Marks::NONE,
        }
    }
}
