//! Occlusion: how much the score falls when a gray square hides a part of the image.
//!
//! Zeiler and Fergus 2013, arXiv 1311.2901, section 4.2. The square has a seventh of the input's
//! shorter side and moves by half of that; it has the mean color that the preprocessing subtracts,
//! zeros. Each pixel gets the mean fall of the score over the squares that hid it, in units of the
//! score, negative where hiding it helps. The attribution is that of captum's `Occlusion` with these
//! windows, the same for the three channels of a pixel; the map is one of them.

use super::{Case, Evidence, Method, Reads, Watch, pixels};
use crate::explain::ExplainError;
use crate::heatmap::Grid;

/// Squares along the shorter side, side by side.
const PARTS: usize = 7;

pub static METHOD: Method = Method {
    name: "Occlusion",
    key: "occlusion",
    summary: "how much the score falls when a part is hidden",
    paper: "Zeiler and Fergus 2013, arXiv 1311.2901",
    reads: Reads::Pixels,
    is_slow: true,
    ..Method::by(evidence)
};

fn evidence(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Evidence, ExplainError> {
    Ok(Evidence::Map(map(case, watch)?))
}

/// Where squares are.
#[derive(Clone, Copy, Debug)]
struct Squares {
    height: usize,
    width: usize,
    side: usize,
    stride: usize,
}

impl Squares {
    fn on(height: usize, width: usize) -> Self {
        let side = (height.min(width) / PARTS).max(1);
        let stride = (side / 2).max(1);
        Self {
            height,
            width,
            side,
            stride,
        }
    }

    fn along(&self, length: usize) -> usize {
        length.saturating_sub(self.side).div_ceil(self.stride) + 1
    }

    fn count(&self) -> usize {
        self.along(self.height) * self.along(self.width)
    }

    /// First row and column, height and width; the last squares may be cut off by the border.
    fn place(&self, number: usize) -> (usize, usize, usize, usize) {
        let columns = self.along(self.width);
        let (top, left) = (
            number / columns * self.stride,
            number % columns * self.stride,
        );
        let until = |start: usize, length: usize| self.side.min(length - start);
        (top, left, until(top, self.height), until(left, self.width))
    }
}

/// The mean fall of the score over the squares that hid a pixel.
fn map(case: &Case<'_>, watch: &mut dyn Watch) -> Result<Grid, ExplainError> {
    let image = &case.input.tensor;
    let size = case.input.geometry.input;
    let squares = Squares::on(size.height as usize, size.width as usize);
    let score = case.score.value(case.pass.logits());
    let nothing = || {
        Grid::new(
            squares.width,
            squares.height,
            vec![0.0; squares.width * squares.height],
        )
    };
    let (mut falls, mut times) = (nothing(), nothing());
    pixels::in_steps(
        squares.count() as i64,
        pixels::IMAGES,
        watch,
        |first, count| {
            let places: Vec<_> = (first..first + count)
                .map(|number| squares.place(usize::try_from(number).unwrap_or(0)))
                .collect();
            let images = image.f_repeat([count, 1, 1, 1])?;
            for (row, &(top, left, height, width)) in (0..).zip(&places) {
                let mut hidden = images
                    .f_select(0, row)?
                    .f_narrow(1, top as i64, height as i64)?
                    .f_narrow(2, left as i64, width as i64)?;
                let _ = hidden.f_zero_()?;
            }
            let scores = pixels::scores(case, &case.model.logits(&images)?)?;
            for (&place, hidden) in places.iter().zip(scores) {
                add(&mut falls, place, score - hidden);
                add(&mut times, place, 1.0);
            }
            Ok(())
        },
    )?;
    Ok(falls.with(&times, |fall, times| fall / times))
}

/// Adds to all pixels of a square.
fn add(grid: &mut Grid, (top, left, height, width): (usize, usize, usize, usize), amount: f32) {
    for y in top..top + height {
        let row = y * grid.width + left;
        for value in &mut grid.values[row..row + width] {
            *value += amount;
        }
    }
}

#[cfg(test)]
mod tests;
