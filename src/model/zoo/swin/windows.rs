//! Windows: attention between the positions of small squares, which every other block shifts.
//!
//! Liu et al. 2021, arXiv 2103.14030, section 3.2 and figure 4. All of it depends on the size of the
//! map, which is known when the graph is built; masks and position indices are constants.

use tch::{Kind, Tensor};

use super::super::FamilyError;
use super::super::net::Net;
use crate::model::graph::ValueId;

/// How a map is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Height and width of the map.
    pub(super) map: (usize, usize),
    /// Side of a window.
    pub(super) side: usize,
    /// How far the map is rolled before it is cut.
    pub(super) shift: (usize, usize),
}

impl Windows {
    /// Windows of this side on a map; a map that is no larger than a window is not shifted.
    pub(super) fn new(map: (usize, usize), side: usize, shifted: bool) -> Self {
        let side = side.max(1);
        let shift = |length: usize| {
            if shifted && length.next_multiple_of(side) > side {
                side / 2
            } else {
                0
            }
        };
        Self {
            map,
            side,
            shift: (shift(map.0), shift(map.1)),
        }
    }

    /// Rows and columns after padding to whole windows.
    fn padded(&self) -> (usize, usize) {
        (
            self.map.0.next_multiple_of(self.side),
            self.map.1.next_multiple_of(self.side),
        )
    }

    pub(super) fn count(&self) -> usize {
        let (rows, columns) = self.padded();
        (rows / self.side) * (columns / self.side)
    }

    /// Positions in a window.
    pub(super) fn tokens(&self) -> usize {
        self.side * self.side
    }

    /// `[images, height, width, channels]` as `[images * windows, tokens, channels]`.
    pub(super) fn cut(
        &self,
        net: &mut Net<'_>,
        x: ValueId,
        channels: usize,
    ) -> Result<ValueId, FamilyError> {
        let (rows, columns) = self.padded();
        let (below, right) = (rows - self.map.0, columns - self.map.1);
        let mut x = x;
        if below + right > 0 {
            let pad = [0, 0, 0, right as i64, 0, below as i64];
            x = net.call(
                "constant_pad_nd",
                &[("self", x.into()), ("pad", pad.into())],
            )?;
        }
        x = self.rolled(net, x, -1)?;
        let side = self.side;
        let [high, wide] = [rows / side, columns / side].map(|length| length as i64);
        let [side, width] = [side, channels].map(|length| length as i64);
        x = net.reshape(x, &[-1, high, side, wide, side, width])?;
        x = net.permute(x, &[0, 1, 3, 2, 4, 5])?;
        let cut = net.reshape(x, &[-1, self.tokens() as i64, width])?;
        net.set_channels(cut, Some(channels));
        Ok(cut)
    }

    /// The other way.
    pub(super) fn joined(
        &self,
        net: &mut Net<'_>,
        x: ValueId,
        channels: usize,
    ) -> Result<ValueId, FamilyError> {
        let (rows, columns) = self.padded();
        let side = self.side;
        let [high, wide] = [rows / side, columns / side].map(|length| length as i64);
        let [side, width] = [side, channels].map(|length| length as i64);
        let mut x = net.reshape(x, &[-1, high, wide, side, side, width])?;
        x = net.permute(x, &[0, 1, 3, 2, 4, 5])?;
        x = net.reshape(x, &[-1, rows as i64, columns as i64, width])?;
        x = self.rolled(net, x, 1)?;
        if (rows, columns) != self.map {
            x = net.narrow(x, 1, 0, self.map.0 as i64)?;
            x = net.narrow(x, 2, 0, self.map.1 as i64)?;
        }
        net.set_channels(x, Some(channels));
        Ok(x)
    }

    fn rolled(
        &self,
        net: &mut Net<'_>,
        x: ValueId,
        direction: i64,
    ) -> Result<ValueId, FamilyError> {
        if self.shift == (0, 0) {
            return Ok(x);
        }
        let shifts = [self.shift.0, self.shift.1].map(|shift| direction * shift as i64);
        net.call(
            "roll",
            &[
                ("self", x.into()),
                ("shifts", shifts.into()),
                ("dims", [1, 2].into()),
            ],
        )
    }

    /// What is added to attention in each window, `[windows, heads, tokens, tokens]`, for the windows
    /// of as many images as there are queries of, `[images * windows, heads, tokens, …]`.
    pub(super) fn for_each_image(
        &self,
        net: &mut Net<'_>,
        added: ValueId,
        query: ValueId,
        heads: usize,
    ) -> Result<ValueId, FamilyError> {
        let [windows, heads, tokens] =
            [self.count(), heads, self.tokens()].map(|length| length as i64);
        let column = net.narrow(query, 3, 0, 1)?;
        let column = net.reshape(column, &[-1, windows, heads, tokens, 1])?;
        let size = [-1, windows, heads, tokens, tokens];
        let like = net.call("expand", &[("self", column.into()), ("size", size.into())])?;
        let added = net.call("unsqueeze", &[("self", added.into()), ("dim", 0.into())])?;
        let added = net.call(
            "expand_as",
            &[("self", added.into()), ("other", like.into())],
        )?;
        net.reshape(added, &[-1, heads, tokens, tokens])
    }

    /// What is added to attention between positions that only rolling has brought together:
    /// `[windows, 1, tokens, tokens]`.
    pub(super) fn mask(&self) -> Option<Tensor> {
        if self.shift == (0, 0) {
            return None;
        }
        let (rows, columns) = self.padded();
        let region = |at: usize, length: usize, shift: usize| -> usize {
            if shift == 0 || at < length - self.side {
                0
            } else if at < length - shift {
                1
            } else {
                2
            }
        };
        let tokens = self.tokens();
        let mut values = Vec::with_capacity(self.count() * tokens * tokens);
        for top in (0..rows).step_by(self.side) {
            for left in (0..columns).step_by(self.side) {
                let regions: Vec<(usize, usize)> = (0..tokens)
                    .map(|token| {
                        let (row, column) = (top + token / self.side, left + token % self.side);
                        (
                            region(row, rows, self.shift.0),
                            region(column, columns, self.shift.1),
                        )
                    })
                    .collect();
                for a in &regions {
                    values.extend(
                        regions
                            .iter()
                            .map(|b| if a == b { 0.0_f32 } else { -100.0 }),
                    );
                }
            }
        }
        let shape = [self.count(), 1, tokens, tokens].map(|length| length as i64);
        Some(Tensor::from_slice(&values).view(shape))
    }
}

/// For each pair of positions in a window, the row of the table of their relative position.
pub(in crate::model::zoo) fn relative_position_index(side: usize) -> Tensor {
    let span = 2 * side - 1;
    let position = |token: usize| (token / side, token % side);
    let mut rows: Vec<i64> = Vec::with_capacity(side.pow(4));
    for a in 0..side * side {
        for b in 0..side * side {
            let ((ay, ax), (by, bx)) = (position(a), position(b));
            let (dy, dx) = (ay + side - 1 - by, ax + side - 1 - bx);
            rows.push((dy * span + dx) as i64);
        }
    }
    Tensor::from_slice(&rows)
}

/// The relative positions themselves, on a logarithmic scale: `[(2 side - 1)^2, 2]`
/// (arXiv 2111.09883, section 3.3). `trained` is the side of the windows in training.
pub(super) fn log_positions(side: usize, trained: usize) -> Tensor {
    let span = 2 * side - 1;
    let last = (trained.max(2) - 1) as f64;
    let scaled = |at: usize| {
        let relative = (at as f64 - (side as f64 - 1.0)) / last * 8.0;
        relative.signum() * (relative.abs() + 1.0).log2() / 3.0
    };
    let values: Vec<f64> = (0..span * span)
        .flat_map(|row| [scaled(row / span), scaled(row % span)])
        // The sign of zero is one in Rust.
        .map(|value| if value.abs() < 1e-12 { 0.0 } else { value })
        .collect();
    Tensor::from_slice(&values)
        .to_kind(Kind::Float)
        .view([(span * span) as i64, 2])
}
