//! Heatmap: a plain grid of numbers that says where the evidence for a class lies.
//!
//! A method of `explain` makes the raw grid, on the positions of the target layer. This module
//! turns it into what is shown: ReLU, min-max scaling, bilinear upsampling, as
//! pytorch-grad-cam's `scale_cam_image` does. No tensors here.

/// Of a map's maximum: what is above it counts as evidence where a map becomes a box (Selvaraju et
/// al. 2017, arXiv 1610.02391, section 4.1).
pub const THRESHOLD: f32 = 0.15;

/// Numbers on a grid, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    pub width: usize,
    pub height: usize,
    /// `height * width` values, row by row.
    pub values: Vec<f32>,
}

/// Whether there is something to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapState {
    /// Some position speaks for the class.
    Ok,
    /// No position does: after ReLU every value is zero.
    Empty,
    /// The raw map has a value that is not finite.
    Nan,
}

/// A raw map after ReLU and min-max scaling, on the layer's grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Values in 0..=1. All zero unless `state` is [`MapState::Ok`].
    pub grid: Grid,
    /// The largest value after ReLU and before scaling, in units of the score times activation;
    /// it tells an empty map from a flat one.
    pub peak: f32,
    pub state: MapState,
}

impl Grid {
    /// # Panics
    /// In debug builds, when `values` does not have `width * height` entries.
    #[must_use]
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), width * height);
        Self {
            width,
            height,
            values,
        }
    }

    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// Each value changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        let values = self.values.iter().map(|value| change(*value)).collect();
        Self::new(self.width, self.height, values)
    }

    /// Each value joined with that of another grid of the same size.
    #[must_use]
    pub fn with(&self, other: &Self, join: impl Fn(f32, f32) -> f32) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        let values = pairs.map(|(a, b)| join(*a, *b)).collect();
        Self::new(self.width, self.height, values)
    }

    /// Left becomes right.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let rows = self.values.chunks(self.width.max(1));
        let values = rows.flat_map(|row| row.iter().rev().copied()).collect();
        Self::new(self.width, self.height, values)
    }

    /// The value at a real-valued point, in grid units with half-pixel centres: (0.5, 0.5) is the
    /// centre of the first position. Bilinear; clamped at the edges.
    pub fn sample(&self, x: f64, y: f64) -> f32 {
        let (x0, x1, fx) = Self::neighbours(x, self.width);
        let (y0, y1, fy) = Self::neighbours(y, self.height);
        let top = self.at(x0, y0) * (1.0 - fx) + self.at(x1, y0) * fx;
        let bottom = self.at(x0, y1) * (1.0 - fx) + self.at(x1, y1) * fx;
        top * (1.0 - fy) + bottom * fy
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped to 0..length")]
    fn neighbours(position: f64, length: usize) -> (usize, usize, f32) {
        let last = length.saturating_sub(1);
        let position = (position - 0.5).clamp(0.0, last as f64);
        let low = position.floor() as usize;
        ((low), (low + 1).min(last), (position - low as f64) as f32)
    }

    /// The grid at another size: bilinear with half-pixel centres and clamped edges, as
    /// `interpolate(mode="bilinear", align_corners=False)` in PyTorch.
    #[must_use]
    pub fn upsample(&self, width: usize, height: usize) -> Self {
        let (sx, sy) = (
            self.width as f64 / width as f64,
            self.height as f64 / height as f64,
        );
        let columns: Vec<_> = (0..width)
            .map(|x| Self::neighbours((x as f64 + 0.5) * sx, self.width))
            .collect();
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            let (y0, y1, fy) = Self::neighbours((y as f64 + 0.5) * sy, self.height);
            for &(x0, x1, fx) in &columns {
                let top = self.at(x0, y0) * (1.0 - fx) + self.at(x1, y0) * fx;
                let bottom = self.at(x0, y1) * (1.0 - fx) + self.at(x1, y1) * fx;
                values.push(top * (1.0 - fy) + bottom * fy);
            }
        }
        Self::new(width, height, values)
    }

    /// Subtracts the minimum and divides by the new maximum plus 1e-7, as pytorch-grad-cam's
    /// `scale_cam_image`. A flat grid becomes zero.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let low = self.values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = self
            .values
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        let scale = 1.0 / (high - low + 1e-7);
        self.map(|value| (value - low) * scale)
    }
}

impl Heatmap {
    /// ReLU and min-max scaling of a raw map.
    #[must_use]
    pub fn from_raw(raw: &Grid) -> Self {
        let zero = || Grid::new(raw.width, raw.height, vec![0.0; raw.values.len()]);
        if raw.values.iter().any(|v| !v.is_finite()) {
            return Self {
                grid: zero(),
                peak: f32::NAN,
                state: MapState::Nan,
            };
        }
        let positive: Vec<f32> = raw.values.iter().map(|v| v.max(0.0)).collect();
        let peak = positive.iter().copied().fold(0.0, f32::max);
        if peak <= 0.0 {
            return Self {
                grid: zero(),
                peak: 0.0,
                state: MapState::Empty,
            };
        }
        let grid = Grid::new(raw.width, raw.height, positive).normalized();
        Self {
            grid,
            peak,
            state: MapState::Ok,
        }
    }

    /// The final map at another size, in 0..=1: upsampled, then scaled once more, as
    /// pytorch-grad-cam does after resizing.
    #[must_use]
    pub fn upsample(&self, width: usize, height: usize) -> Grid {
        let upsampled = self.grid.upsample(width, height);
        if self.state == MapState::Ok {
            upsampled.normalized()
        } else {
            upsampled
        }
    }
}

/// The box around the evidence: left, top, right, bottom (the last two exclusive) of the largest
/// segment of positions strictly above `fraction` of the map's maximum. Positions belong together
/// where they share a side; of segments of one size the first row by row counts. `None` where
/// nothing is above zero, or a value is not a number.
///
/// With [`THRESHOLD`] on the map at the input's size this is the localization of the Grad-CAM paper.
#[must_use]
pub fn box_above(map: &Grid, fraction: f32) -> Option<[usize; 4]> {
    let peak = map.values.iter().copied().fold(0.0, f32::max);
    if peak <= 0.0 || !map.values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut open: Vec<bool> = map
        .values
        .iter()
        .map(|value| *value > fraction * peak)
        .collect();
    let mut largest: Option<Segment> = None;
    for start in 0..open.len() {
        if open[start] {
            let segment = Segment::taken_from(&mut open, map.width, start);
            if largest.as_ref().is_none_or(|best| segment.size > best.size) {
                largest = Some(segment);
            }
        }
    }
    largest.map(|segment| segment.bounds)
}

/// Positions that belong together.
struct Segment {
    size: usize,
    bounds: [usize; 4],
}

impl Segment {
    /// Takes the segment of a position out of those that are open.
    fn taken_from(open: &mut [bool], width: usize, start: usize) -> Self {
        let mut segment = Self {
            size: 0,
            bounds: [usize::MAX, usize::MAX, 0, 0],
        };
        let mut waiting = vec![start];
        open[start] = false;
        while let Some(place) = waiting.pop() {
            let (x, y) = (place % width, place / width);
            let [left, top, right, bottom] = segment.bounds;
            segment.size += 1;
            segment.bounds = [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)];
            let neighbors = [
                (x > 0).then(|| place - 1),
                (x + 1 < width).then_some(place + 1),
                place.checked_sub(width),
                Some(place + width),
            ];
            for next in neighbors.into_iter().flatten() {
                if open.get(next) == Some(&true) {
                    open[next] = false;
                    waiting.push(next);
                }
            }
        }
        segment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    #[test]
    fn negative_evidence_makes_an_empty_map_not_a_nan_one() {
        let map = Heatmap::from_raw(&Grid::new(2, 1, vec![-1.0, -3.0]));
        assert_eq!(map.state, MapState::Empty);
        assert_eq!(map.grid.values, vec![0.0, 0.0]);
        assert!(map.upsample(8, 8).values.iter().all(|&v| v == 0.0));
    }

    #[test]
    fn a_value_that_is_not_finite_is_said_in_the_state() {
        let map = Heatmap::from_raw(&Grid::new(2, 1, vec![f32::NAN, 1.0]));
        assert_eq!(map.state, MapState::Nan);
        assert!(map.grid.values.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn scaling_keeps_the_peak_and_reaches_one() {
        let map = Heatmap::from_raw(&Grid::new(2, 2, vec![1.0, 2.0, 3.0, 5.0]));
        assert_eq!((map.peak, map.state), (5.0, MapState::Ok));
        assert!(map.grid.values[0].abs() < 1e-6);
        assert!((map.grid.values[3] - 1.0).abs() < 1e-6);
    }

    // torch.nn.functional.interpolate(torch.tensor([[[[0., 1.], [2., 4.]]]]), size=(4, 4),
    //                                 mode="bilinear", align_corners=False)
    #[test]
    fn upsampling_equals_pytorch() {
        let up = Grid::new(2, 2, vec![0.0, 1.0, 2.0, 4.0]).upsample(4, 4);
        let expected = [
            0.0, 0.25, 0.75, 1.0, 0.5, 0.8125, 1.4375, 1.75, 1.5, 1.9375, 2.8125, 3.25, 2.0, 2.5,
            3.5, 4.0,
        ];
        assert!(
            up.values
                .iter()
                .zip(expected)
                .all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6)
        );
    }

    // scipy.ndimage.label(map > fraction * map.max()), the largest label's find_objects; SciPy
    // 1.17.1, of the numbers that the same generator makes in Python.
    #[test]
    fn the_box_is_that_of_scipys_largest_segment() {
        for (seed, fraction, expected) in [
            (0, 0.15, [0, 0, 9, 7]),
            (0, 0.5, [0, 1, 9, 5]),
            (0, 0.7, [0, 1, 4, 4]),
            (1, 0.7, [4, 2, 6, 6]),
            (2, 0.5, [4, 1, 9, 6]),
            (2, 0.7, [5, 1, 7, 6]),
            (3, 0.5, [6, 0, 9, 2]),
            (3, 0.7, [6, 0, 8, 2]),
        ] {
            let mut random = Random(seed);
            let values = (0..63).map(|_| random.below(100) as f32).collect();
            let found = box_above(&Grid::new(9, 7, values), fraction);
            assert_eq!(found, Some(expected), "seed {seed} above {fraction}");
        }
    }

    #[test]
    fn a_map_without_evidence_has_no_box_and_a_value_at_the_threshold_is_outside() {
        let map = |values: [f32; 4]| Grid::new(4, 1, values.to_vec());
        assert_eq!(box_above(&map([0.0; 4]), 0.15), None);
        assert_eq!(box_above(&map([-1.0, -2.0, -1.0, -1.0]), 0.15), None);
        assert_eq!(box_above(&map([1.0, f32::NAN, 0.0, 0.0]), 0.15), None);
        assert_eq!(
            box_above(&map([0.5, 1.0, 0.5, 0.0]), 0.5),
            Some([1, 0, 2, 1])
        );
        assert_eq!(
            box_above(&map([1.0, 0.0, 1.0, 0.0]), 0.15),
            Some([0, 0, 1, 1])
        );
    }
}
