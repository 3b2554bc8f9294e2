//! Scale: which number of a map gets which color.
//!
//! A picture of one map goes to the end of its colors, as pytorch-grad-cam's does: ReLU, then
//! min-max scaling before and after upsampling. Where several maps are to be compared, in one
//! picture or over many, a number means the same in all of them: `ReLU(raw) / end`, nothing
//! subtracted. With both signs it is `raw / end`, from -1 to 1.

use super::Style;
use super::colormap::{Table, diverging};
use crate::geometry::PixelSize;
use crate::heatmap::{Grid, Heatmap, MapState};

/// A map as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    pub heatmap: &'a Heatmap,
    /// Before ReLU and scaling.
    pub raw: &'a Grid,
}

/// The number that the end of the color scale stands for in a picture of these maps; 0 where no
/// map has anything to show.
#[must_use]
pub fn end(maps: &[Map<'_>], style: Style) -> f32 {
    let largest = || {
        maps.iter()
            .map(|map| map.reach(style.signed))
            .fold(0.0, f32::max)
    };
    style.scale.unwrap_or_else(largest)
}

impl Map<'_> {
    /// The largest value that can be drawn: the peak, or with both signs the largest size.
    fn reach(&self, signed: bool) -> f32 {
        if self.heatmap.state == MapState::Nan {
            return 0.0;
        }
        let sizes = self.raw.values.iter();
        sizes
            .map(|value| if signed { value.abs() } else { *value })
            .fold(0.0, f32::max)
    }
}

/// A map ready to be drawn.
pub(super) struct Colors {
    /// Levels in 0..=1, at the input's size; nothing where there is no evidence to show.
    levels: Option<Grid>,
    table: &'static Table,
    /// The level of zero.
    zero: f32,
}

impl Colors {
    /// The colors of a map. `end` is what the end of the scale stands for; without one the map has
    /// its own.
    pub(super) fn new(map: Map<'_>, style: Style, end: Option<f32>, input: PixelSize) -> Self {
        let (width, height) = (input.width as usize, input.height as usize);
        let scaled = |end: f32, low: f32| {
            let grid = map.raw.map(|value| (value / end).clamp(low, 1.0));
            grid.upsample(width, height)
        };
        let seen = match map.heatmap.state {
            MapState::Nan => false,
            MapState::Empty => style.signed,
            MapState::Ok => true,
        };
        let levels = if style.signed {
            let end = end.unwrap_or_else(|| map.reach(true));
            (seen && end > 0.0).then(|| scaled(end, -1.0).map(|value| value * 0.5 + 0.5))
        } else {
            seen.then(|| match end {
                Some(end) => scaled(end, 0.0),
                None => map.heatmap.upsample(width, height),
            })
        };
        Self {
            levels,
            table: if style.signed {
                diverging()
            } else {
                style.colormap.table()
            },
            zero: if style.signed { 0.5 } else { 0.0 },
        }
    }

    /// The color at a point of the input; nothing where the map has no evidence anywhere.
    pub(super) fn at(&self, x: f64, y: f64) -> Option<[u8; 3]> {
        self.has_evidence().then(|| self.of_level(self.level(x, y)))
    }

    /// Whether there is anything to show.
    pub(super) fn has_evidence(&self) -> bool {
        self.levels.is_some()
    }

    /// The entry of the color table at a point of the input; that of zero where there is no evidence.
    pub(super) fn level(&self, x: f64, y: f64) -> u8 {
        let levels = self.levels.as_ref();
        index(levels.map_or(self.zero, |levels| levels.sample(x, y)))
    }

    pub(super) fn of_level(&self, level: u8) -> [u8; 3] {
        self.table[usize::from(level)]
    }

    pub(super) fn of_zero(&self) -> [u8; 3] {
        self.of_level(index(self.zero))
    }
}

impl Colors {
    /// The number at a point of the input, in 0..=1, with both signs in -1..=1.
    pub(super) fn value(&self, x: f64, y: f64) -> Option<f32> {
        let level = self.levels.as_ref()?.sample(x, y);
        Some((level - self.zero) / (1.0 - self.zero))
    }

    pub(super) fn has_levels(&self) -> bool {
        self.levels.is_some()
    }
}

/// The entry of a color table for a value in 0..=1; truncated, as in pytorch-grad-cam.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates when it is cast"
)]
fn index(value: f32) -> u8 {
    (value * 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_PIXEL: PixelSize = PixelSize::new(1, 1);

    /// What a map of one number looks like.
    fn color(value: f32, style: Style, end: Option<f32>) -> Option<[u8; 3]> {
        let raw = Grid::new(1, 1, vec![value]);
        let heatmap = Heatmap::from_raw(&raw);
        let map = Map {
            heatmap: &heatmap,
            raw: &raw,
        };
        Colors::new(map, style, end, ONE_PIXEL).at(0.5, 0.5)
    }

    #[test]
    fn on_a_shared_scale_equal_numbers_have_equal_colors_and_larger_ones_the_last() {
        let style = Style::default();
        let table = style.colormap.table();
        assert_eq!(color(1.0, style, Some(4.0)), Some(table[63]));
        assert_eq!(color(2.0, style, Some(4.0)), Some(table[127]));
        assert_eq!(color(4.0, style, Some(4.0)), Some(table[255]));
        assert_eq!(color(9.0, style, Some(4.0)), Some(table[255]));
        assert_eq!(color(-1.0, style, Some(4.0)), None, "nothing to show");
    }

    #[test]
    fn with_both_signs_blue_is_against_and_red_is_for_the_class() {
        let style = Style {
            signed: true,
            ..Style::default()
        };
        assert_eq!(color(3.0, style, None), Some([255, 0, 0]));
        assert_eq!(color(-3.0, style, None), Some([0, 0, 255]));
        assert_eq!(color(-3.0, style, Some(6.0)), Some([126, 126, 255]));
        assert_eq!(color(0.0, style, Some(6.0)), Some([254, 254, 255]));
        assert_eq!(color(0.0, style, None), None, "zero everywhere");
        assert_eq!(color(f32::NAN, style, Some(1.0)), None);
    }

    #[test]
    fn the_scale_of_several_maps_ends_at_the_largest_of_all_or_where_it_was_fixed() {
        let grids = [vec![1.0, -8.0], vec![3.0, 0.0], vec![f32::NAN, 99.0]]
            .map(|values| Grid::new(2, 1, values));
        let heatmaps = grids.each_ref().map(Heatmap::from_raw);
        let maps: Vec<Map<'_>> = heatmaps
            .iter()
            .zip(&grids)
            .map(|(heatmap, raw)| Map { heatmap, raw })
            .collect();
        let style = Style::default();
        let signed = Style {
            signed: true,
            ..style
        };
        let fixed = Style {
            scale: Some(0.5),
            ..style
        };
        assert_eq!(end(&maps, style).to_bits(), 3.0_f32.to_bits());
        assert_eq!(end(&maps, signed).to_bits(), 8.0_f32.to_bits());
        assert_eq!(end(&maps, fixed).to_bits(), 0.5_f32.to_bits());
        assert_eq!(end(&maps[2..], style).to_bits(), 0.0_f32.to_bits());
    }
}
