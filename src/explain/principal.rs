//! The first principal component of a layer's channels, as a map.
//!
//! Positions are samples, channels are variables: `X = [positions, channels]`, centred by column;
//! the map is `X v` with `v` the first right singular vector (Muhammad and Yeasin 2020,
//! arXiv 2008.00299; pytorch-grad-cam's `get_2d_projection`). Of the smaller of the two Gram
//! matrices the eigenvectors give the same, for a fraction of the full decomposition. A singular
//! vector has no sign of its own: the map is turned so that its largest value in size is positive
//! (Chung and Ying 2025, Seg-Eigen-CAM, equation 13).

use tch::{Kind, Tensor};

use super::ExplainError;
use crate::heatmap::Grid;

/// The map of channels `[channels, height, width]`.
pub(super) fn component(channels: &Tensor) -> Result<Grid, ExplainError> {
    let size = channels.size();
    let (count, height, width) = (size[0], size[1], size[2]);
    let samples = channels
        .f_reshape([count, height * width])?
        .f_transpose(0, 1)?
        .f_to_kind(Kind::Double)?;
    let mean = samples.f_mean_dim([0_i64].as_slice(), true, Kind::Double)?;
    let samples = samples.f_sub(&mean)?;
    // The eigenvalues of `linalg_eigh` rise: the last eigenvector is the first component.
    let last = |gram: &Tensor| -> Result<(Tensor, Tensor), ExplainError> {
        let (values, vectors) = gram.f_linalg_eigh("L")?;
        Ok((values.f_select(0, -1)?, vectors.f_select(1, -1)?))
    };
    let turned = samples.f_transpose(0, 1)?;
    let map = if height * width <= count {
        let (value, vector) = last(&samples.f_matmul(&turned)?)?;
        vector.f_mul(&value.f_clamp_min(0.0)?.f_sqrt()?)?
    } else {
        let (_, vector) = last(&turned.f_matmul(&samples)?)?;
        samples.f_mv(&vector)?
    };
    let mut values = Vec::<f32>::try_from(map.f_to_kind(Kind::Float)?.f_contiguous()?)?;
    let (low, high) = values
        .iter()
        .fold((0.0_f32, 0.0_f32), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
    if -low > high {
        for value in &mut values {
            *value = -*value;
        }
    }
    let side = |length: i64| usize::try_from(length).unwrap_or(0);
    Ok(Grid::new(side(width), side(height), values))
}
