//! Noisy linear imputation (Rong et al. 2022, arXiv 2202.00449, section 4.1): each missing value is
//! the weighted mean of its eight neighbors, missing or not, plus noise.
//!
//! Neighbors that share a side weigh 1/6, those at corners 1/12; at the border the weights of those
//! that are there are scaled up to one. The system `(D - W) x = W known` is symmetric and positive
//! definite as soon as one value is known, and is solved by conjugate gradients, channel by channel.

use crate::model::random::Random;

/// Weights of the neighbors that share a side, and of those that share a corner.
const SIDE: f64 = 1.0 / 6.0;
const CORNER: f64 = 1.0 / 12.0;
/// The residual, as a share of the right-hand side, at which the solution is good enough: off by
/// less than 1e-5 at sizes of some hundred positions.
const RESIDUAL: f64 = 1e-9;

/// The values `[channels, height, width]` with those of missing positions imputed. Without a known
/// position they are zero.
pub(super) fn imputed(
    values: &[f32],
    (width, height): (usize, usize),
    missing: &[bool],
    noise: f64,
    random: &mut Random,
) -> Vec<f32> {
    let system = System::new(width, height, missing);
    let mut filled = values.to_vec();
    for channel in filled.chunks_mut((width * height).max(1)) {
        let solution = system.solved(channel);
        for (place, value) in channel.iter_mut().enumerate() {
            if missing[place] {
                let noisy = solution[system.at(place)] + noise * random.normal();
                #[expect(clippy::cast_possible_truncation, reason = "inputs are float32")]
                let rounded = noisy as f32;
                *value = rounded;
            }
        }
    }
    filled
}

/// The equations of the missing positions, on a grid with a border of zeros around it.
struct System {
    width: usize,
    /// Length of a row with its border.
    stride: usize,
    /// 1 where a value is missing, 0 where it is known and on the border.
    missing: Vec<f64>,
    /// The sum of the weights of the neighbors that are there.
    diagonal: Vec<f64>,
}

impl System {
    fn new(width: usize, height: usize, missing: &[bool]) -> Self {
        let mut system = Self {
            width,
            stride: width + 2,
            missing: vec![0.0; (width + 2) * (height + 2)],
            diagonal: Vec::new(),
        };
        let mut there = system.missing.clone();
        for (place, is_missing) in missing.iter().enumerate() {
            let at = system.at(place);
            there[at] = 1.0;
            system.missing[at] = f64::from(u8::from(*is_missing));
        }
        system.diagonal = vec![0.0; there.len()];
        for at in system.inner() {
            system.diagonal[at] = system.neighbors(&there, at);
        }
        system
    }

    /// Where a position lies on the grid with its border.
    fn at(&self, place: usize) -> usize {
        (place / self.width + 1) * self.stride + place % self.width + 1
    }

    /// All but the first and the last row and their corners.
    fn inner(&self) -> std::ops::Range<usize> {
        self.stride + 1..self.missing.len() - self.stride - 1
    }

    /// The weighted sum of a position's neighbors.
    fn neighbors(&self, x: &[f64], at: usize) -> f64 {
        let (up, down) = (at - self.stride, at + self.stride);
        SIDE * (x[up] + x[down] + x[at - 1] + x[at + 1])
            + CORNER * (x[up - 1] + x[up + 1] + x[down - 1] + x[down + 1])
    }

    /// `(D - W) x` at the missing positions; `x` is zero elsewhere.
    fn applied(&self, x: &[f64], product: &mut [f64]) {
        for at in self.inner() {
            product[at] = self.missing[at] * (self.diagonal[at] * x[at] - self.neighbors(x, at));
        }
    }

    /// The values of the missing positions, on the grid with its border.
    fn solved(&self, channel: &[f32]) -> Vec<f64> {
        let mut known = vec![0.0; self.missing.len()];
        for (place, value) in channel.iter().enumerate() {
            let at = self.at(place);
            known[at] = f64::from(*value) * (1.0 - self.missing[at]);
        }
        let mut residual = vec![0.0; known.len()];
        for at in self.inner() {
            residual[at] = self.missing[at] * self.neighbors(&known, at);
        }
        let mut x = vec![0.0; known.len()];
        let mut direction = residual.clone();
        let mut product = vec![0.0; known.len()];
        let mut squared = dot(&residual, &residual);
        let enough = squared * RESIDUAL * RESIDUAL;
        // In exact arithmetic there are as many steps as unknowns at most.
        for _ in 0..known.len() {
            if squared <= enough {
                break;
            }
            self.applied(&direction, &mut product);
            let step = squared / dot(&direction, &product);
            add(&mut x, step, &direction);
            add(&mut residual, -step, &product);
            let next = dot(&residual, &residual);
            let turn = next / squared;
            for (direction, residual) in direction.iter_mut().zip(&residual) {
                *direction = residual + turn * *direction;
            }
            squared = next;
        }
        x
    }
}

/// Summed in eight lanes, which the compiler can do at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

/// Between the two nearest of the values, as NumPy's `percentile` of float32 values.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a place among the values, and a share"
)]
pub(super) fn percentile(values: &[f32], percent: u8) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f32::NAN;
    };
    let place = last as f64 * (f64::from(percent) / 100.0);
    let low = (place.floor() as usize).min(last);
    let (a, b) = (sorted[low], sorted[(low + 1).min(last)]);
    let share = place.fract();
    if share < 0.5 {
        a + (b - a) * share as f32
    } else {
        b - (b - a) * (1.0 - share) as f32
    }
}
