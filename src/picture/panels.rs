//! Panels: pictures of one size in a row or in a column, whichever shows them larger.

use image::{RgbImage, imageops};

use crate::geometry::PixelSize;

/// Pixels between two panels.
const GAP: u32 = 4;

/// How panels stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    pub(super) panel: PixelSize,
    pub(super) in_row: bool,
}

/// The arrangement of `count` panels of these proportions that is largest within the bounds.
pub(super) fn arrange(panel: PixelSize, count: u32, bounds: PixelSize) -> Arrangement {
    let share = |length: u32| length.saturating_sub((count - 1) * GAP) / count;
    let row = panel.fitted_into(PixelSize::new(share(bounds.width), bounds.height));
    let column = panel.fitted_into(PixelSize::new(bounds.width, share(bounds.height)));
    if row.width >= column.width {
        Arrangement {
            panel: row,
            in_row: true,
        }
    } else {
        Arrangement {
            panel: column,
            in_row: false,
        }
    }
}

/// Bounds for `count` panels of this size in a row.
pub(super) fn row(panel: PixelSize, count: u32) -> PixelSize {
    PixelSize::new(panel.width * count + (count - 1) * GAP, panel.height)
}

/// Whether a picture of panels of these proportions has them in a row.
pub(super) fn is_row(picture: PixelSize, panel: PixelSize) -> bool {
    u64::from(picture.width) * u64::from(panel.height)
        > u64::from(picture.height) * u64::from(panel.width)
}

/// One picture of all panels.
pub(super) fn join(panels: &[RgbImage], arrangement: Arrangement) -> RgbImage {
    let Arrangement { panel, in_row } = arrangement;
    let count = u32::try_from(panels.len()).unwrap_or(1).max(1);
    let (step, size) = if in_row {
        ((panel.width + GAP, 0), row(panel, count))
    } else {
        let height = panel.height * count + (count - 1) * GAP;
        ((0, panel.height + GAP), PixelSize::new(panel.width, height))
    };
    let mut canvas = RgbImage::new(size.width, size.height);
    for (place, picture) in (0..).zip(panels) {
        let (x, y) = (place * i64::from(step.0), place * i64::from(step.1));
        imageops::replace(&mut canvas, picture, x, y);
    }
    canvas
}
