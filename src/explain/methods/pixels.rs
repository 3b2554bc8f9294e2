//! What methods share that look at pixels, or that pass many images through the network.
//!
//! A method of pixels finds a number for each channel of each pixel of the input as the network
//! reads it, `[3, height, width]`: its *attribution*. Parity with captum is held there. A map has one
//! number a pixel, and each method says how it makes the one of the other.

use tch::{Kind, Tensor};

use super::{Case, Watch};
use crate::explain::ExplainError;
use crate::heatmap::Grid;
use crate::model::random::Random;

/// Images that go through the network at once. More are hardly faster on a processor, need more
/// memory, and keep somebody who has changed their mind waiting.
pub(super) const IMAGES: i64 = 8;
/// The same where autograd keeps what each operation has read.
pub(super) const DIFFERENTIATED: i64 = 4;

/// Does work on `count` things, at most `most` at once: `work(first, how many)`.
pub(super) fn in_steps(
    count: i64,
    most: i64,
    watch: &mut dyn Watch,
    mut work: impl FnMut(i64, i64) -> Result<(), ExplainError>,
) -> Result<(), ExplainError> {
    let places = |number: i64| usize::try_from(number).unwrap_or(0);
    let mut first = 0;
    while first < count {
        watch.step(places(first), places(count))?;
        let length = most.clamp(1, count - first);
        work(first, length)?;
        first += length;
    }
    Ok(())
}

/// An image with noise of this standard deviation added.
pub(super) fn noisy(
    image: &Tensor,
    deviation: f64,
    random: &mut Random,
) -> Result<Tensor, ExplainError> {
    let numbers: Vec<f64> = (0..image.numel())
        .map(|_| deviation * random.normal())
        .collect();
    let noise = Tensor::from_slice(&numbers)
        .f_view(image.size().as_slice())?
        .f_to_kind(image.kind())?
        .f_to_device(image.device())?;
    Ok(image.f_add(&noise)?)
}

/// The scores of logits `[n, classes]`.
pub(super) fn scores(case: &Case<'_>, logits: &Tensor) -> Result<Vec<f32>, ExplainError> {
    let classes = case.pass.logits().len().max(1);
    let rows = numbers(logits)?;
    let rows = rows.chunks(classes);
    Ok(rows.map(|row| case.score.value(row)).collect())
}

/// All numbers, in order.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ExplainError> {
    let flat = tensor
        .f_detach()?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?
        .f_view([-1])?;
    Ok(Vec::<f32>::try_from(flat)?)
}

/// `[height, width]` as plain numbers.
pub(in crate::explain) fn grid(map: &Tensor) -> Result<Grid, ExplainError> {
    let size = map.size();
    let side = |axis: usize| {
        let length = size.get(axis).copied().unwrap_or(0);
        usize::try_from(length).unwrap_or(0)
    };
    Ok(Grid::new(side(1), side(0), numbers(map)?))
}

/// The largest size of an attribution `[3, height, width]` at each pixel.
pub(super) fn largest(attribution: &Tensor) -> Result<Grid, ExplainError> {
    grid(&attribution.f_abs()?.f_amax([0_i64].as_slice(), false)?)
}

/// The sum of an attribution `[3, height, width]` at each pixel.
pub(super) fn summed(attribution: &Tensor) -> Result<Grid, ExplainError> {
    grid(&attribution.f_sum_dim_intlist(0_i64, false, Kind::Float)?)
}

#[cfg(test)]
mod tests;
