//! Grid: where the parts of the confusion matrix are on the screen, for drawing and for the mouse.

use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::{Matrix, Shown};
use crate::app::layout::page_areas;
use crate::geometry::CellSize;

/// From this width on, the worst pairs are listed beside the matrix.
const WIDE: u16 = 116;
/// Columns of that list.
const WORST_WIDTH: u16 = 38;
/// Cells grow up to this many columns, so that headings fit.
const WIDEST_CELL: usize = 14;
/// Digits of a number, and of "100%" with a space before it.
const FEWEST_DIGITS: usize = 4;
const RATE_DIGITS: usize = 5;
/// Columns of a name of a row, at least: there is room for words in the corner above.
const SHORTEST_NAME: usize = 8;
/// From this height on, there is room for three rows of column headings.
const TALL: u16 = 15;

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Column headings. They are long, so that they take turns on these rows.
    pub headings: Rect,
    /// Row headings: a pointer, the name, how many images there are.
    pub names: Rect,
    pub cells: Rect,
    /// Columns of a cell, with the gap after it.
    pub cell: usize,
    /// Digits of a number.
    pub digits: usize,
    /// The list of the worst pairs, with its title.
    pub worst: Option<Rect>,
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Row and column, from 1; 0 is a heading.
    Cell(usize, usize),
    /// Of the list of worst pairs, as it is scrolled.
    Worst(usize),
}

impl Grid {
    /// Where everything is; nothing where the terminal is too small.
    #[must_use]
    pub fn of(matrix: &Matrix, size: CellSize) -> Option<Self> {
        let body = page_areas(size)?.rows;
        let (body, worst) = if body.width >= WIDE {
            let [body, worst] =
                Layout::horizontal([Constraint::Fill(1), Constraint::Length(WORST_WIDTH)])
                    .spacing(2)
                    .areas(body);
            (body, Some(worst))
        } else {
            (body, None)
        };
        let support = matrix.most_of_truth.to_string().len();
        let room = usize::from(body.width);
        let name = matrix.name_width.clamp(SHORTEST_NAME, room / 4);
        // A pointer and a space before the name, a space before the number and two after it.
        let names_width = (2 + name + 1 + support + 2).min(room);
        let digits = match matrix.shown {
            Shown::Counts => matrix.most.to_string().len().max(FEWEST_DIGITS),
            Shown::OfTruth | Shown::OfPredicted => RATE_DIGITS,
        };
        // A shade before the number, a gap after it.
        let smallest = digits + 2;
        let for_each = (room - names_width) / matrix.predictions.len().max(1);
        let cell = for_each.clamp(smallest, WIDEST_CELL.max(smallest));
        let most_rows = if body.height >= TALL { 3 } else { 2 };
        let heading_rows = (matrix.name_width + 1).div_ceil(cell).clamp(1, most_rows);
        let heading_rows = u16::try_from(heading_rows).unwrap_or(1);
        let [headings, rows] =
            Layout::vertical([Constraint::Length(heading_rows), Constraint::Fill(1)]).areas(body);
        let names_width = u16::try_from(names_width).unwrap_or(body.width);
        let split = [Constraint::Length(names_width), Constraint::Fill(1)];
        let [_, headings] = Layout::horizontal(split).areas(headings);
        let [names, cells] = Layout::horizontal(split).areas(rows);
        Some(Self {
            headings,
            names,
            cells,
            cell,
            digits,
            worst,
        })
    }

    /// Rows that are on the screen at a time.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::from(self.cells.height)
    }

    /// Columns that are on the screen at a time; the gap after the last one may be missing.
    #[must_use]
    pub fn columns(&self) -> usize {
        ((usize::from(self.cells.width) + 1) / self.cell).max(1)
    }

    /// Where a column begins that is on the screen, from 0.
    #[must_use]
    pub fn x(&self, column: usize) -> u16 {
        let offset = u16::try_from(column * self.cell).unwrap_or(u16::MAX);
        self.cells.x.saturating_add(offset)
    }

    /// First place of the list of worst pairs that is on the screen.
    #[must_use]
    pub fn first_worst(&self, matrix: &Matrix) -> usize {
        let rows = self
            .worst
            .map_or(0, |area| usize::from(area.height).saturating_sub(1));
        let place = matrix.place_in_worst().unwrap_or(0);
        let last = matrix.worst.len().saturating_sub(rows);
        place.saturating_sub(rows / 2).min(last)
    }

    /// What is at a position.
    #[must_use]
    pub fn at(&self, matrix: &Matrix, at: Position) -> Option<Place> {
        if let Some(area) = self.worst.filter(|area| area.contains(at)) {
            let row = usize::from(at.y - area.y).checked_sub(1)?;
            let place = self.first_worst(matrix) + row;
            return (place < matrix.worst.len()).then_some(Place::Worst(place));
        }
        let row = |from: u16| {
            let row = matrix.top + usize::from(at.y - from) + 1;
            (row <= matrix.truths.len()).then_some(row)
        };
        let column = |from: u16| {
            let column = usize::from(at.x - from) / self.cell;
            let place = matrix.left + column + 1;
            let is_there = column < self.columns() && place <= matrix.predictions.len();
            is_there.then_some(place)
        };
        if self.names.contains(at) {
            Some(Place::Cell(row(self.names.y)?, 0))
        } else if self.headings.contains(at) {
            Some(Place::Cell(0, column(self.headings.x)?))
        } else if self.cells.contains(at) {
            Some(Place::Cell(row(self.cells.y)?, column(self.cells.x)?))
        } else {
            None
        }
    }
}
