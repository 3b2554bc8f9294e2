//! Panels: pictures of one size in a row or in a column, whichever shows them larger.

use image::{RgbImage, imageops};

use crate::geometry::PixelSize;

/// Pixels between two panels in a picture of this height; fewer where pixels are large.
fn gap(height: u32) -> u32 {
    (height / 64).clamp(1, 4)
}

/// How panels stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    pub(super) panel: PixelSize,
    gap: u32,
    in_row: bool,
}

/// The arrangement of `count` panels of these proportions that is largest within the bounds.
pub(super) fn arrange(panel: PixelSize, count: u32, bounds: PixelSize) -> Arrangement {
    let gap = gap(bounds.height);
    let share = |length: u32| length.saturating_sub((count - 1) * gap) / count;
    let row = panel.fitted_into(PixelSize::new(share(bounds.width), bounds.height));
    let column = panel.fitted_into(PixelSize::new(bounds.width, share(bounds.height)));
    let in_row = row.width >= column.width;
    Arrangement {
        panel: if in_row { row } else { column },
        gap,
        in_row,
    }
}

/// Bounds for `count` panels of this size in a row.
pub(super) fn row(panel: PixelSize, count: u32) -> PixelSize {
    let gaps = (count - 1) * gap(panel.height);
    PixelSize::new(panel.width * count + gaps, panel.height)
}

/// Whether a picture of panels of these proportions has them in a row.
pub(super) fn is_row(picture: PixelSize, panel: PixelSize) -> bool {
    u64::from(picture.width) * u64::from(panel.height)
        > u64::from(picture.height) * u64::from(panel.width)
}

/// One picture of all panels.
pub(super) fn join(panels: &[RgbImage], arrangement: Arrangement) -> RgbImage {
    let Arrangement { panel, gap, in_row } = arrangement;
    let step = if in_row {
        PixelSize::new(panel.width + gap, 0)
    } else {
        PixelSize::new(0, panel.height + gap)
    };
    let more = u32::try_from(panels.len().saturating_sub(1)).unwrap_or(0);
    let mut canvas = RgbImage::new(
        panel.width + more * step.width,
        panel.height + more * step.height,
    );
    for (place, picture) in (0..).zip(panels) {
        let (x, y) = (
            place * i64::from(step.width),
            place * i64::from(step.height),
        );
        imageops::replace(&mut canvas, picture, x, y);
    }
    canvas
}
