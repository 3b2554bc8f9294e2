//! Matrix: the page of the confusion matrix. Which classes stand in which order, which cell is
//! selected, and which cells are on the screen. Pure.

mod grid;

use std::collections::HashSet;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use super::counted::{Counted, class_name};
use super::state::State;
use crate::dataset::confusion::{Cell, Confusion};
use crate::geometry::CellSize;
pub use grid::{Grid, Place};

/// The page. Rows are true classes, columns predicted ones; only those that occur.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub counted: Arc<Counted>,
    /// Mistakes, the most frequent first.
    pub worst: Vec<Cell>,
    /// Classes of the rows and of the columns.
    pub truths: Vec<u32>,
    pub predictions: Vec<u32>,
    pub order: ClassOrder,
    pub shown: Shown,
    /// The selected row and column, from 1; 0 is the headings. One of them is not 0 where there are
    /// any classes.
    pub row: usize,
    pub column: usize,
    /// The first row and column on the screen, from 0, not counting the headings.
    pub top: usize,
    pub left: usize,
    /// Columns of the longest name.
    pub name_width: usize,
    /// The most images of a cell, and of a true class.
    pub most: usize,
    pub most_of_truth: usize,
}

/// In which order the classes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// Those of the most frequent mistakes first, so that they are together in the upper left.
    WorstFirst,
    ByNumber,
}

/// What the cells show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Counts,
    /// Shares of the images of a true class.
    OfTruth,
    /// Shares of the images taken for a class.
    OfPredicted,
}

/// What is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    Cell(Cell),
    Truth(u32),
    Predicted(u32),
}

impl Matrix {
    /// The page with the most frequent mistake selected.
    #[must_use]
    pub fn open(state: &State, counted: Arc<Counted>) -> Self {
        let mut matrix = Self {
            worst: counted.confusion.worst(),
            counted,
            truths: Vec::new(),
            predictions: Vec::new(),
            order: ClassOrder::WorstFirst,
            shown: Shown::Counts,
            row: 1,
            column: 1,
            top: 0,
            left: 0,
            name_width: 0,
            most: 0,
            most_of_truth: 0,
        };
        matrix.arrange(&state.labels);
        match matrix.worst.first().copied() {
            Some(cell) => matrix.select_cell(cell.truth, cell.predicted, state.size),
            None => matrix.select(1, 1, state.size),
        }
        matrix
    }

    /// Takes in what was counted again. What is selected stays selected.
    pub fn recount(&mut self, state: &State, counted: Arc<Counted>) {
        let selected = self.selected();
        self.worst = counted.confusion.worst();
        self.counted = counted;
        self.arrange(&state.labels);
        self.select_again(selected, state.size);
        if selected.is_none()
            && let Some(cell) = self.worst.first().copied()
        {
            self.select_cell(cell.truth, cell.predicted, state.size);
        }
    }

    /// The classes in the other order. What is selected stays selected.
    pub fn turn_order(&mut self, labels: &[String], size: CellSize) {
        let selected = self.selected();
        self.order = match self.order {
            ClassOrder::WorstFirst => ClassOrder::ByNumber,
            ClassOrder::ByNumber => ClassOrder::WorstFirst,
        };
        self.arrange(labels);
        self.select_again(selected, size);
    }

    pub fn turn_shown(&mut self) {
        self.shown = match self.shown {
            Shown::Counts => Shown::OfTruth,
            Shown::OfTruth => Shown::OfPredicted,
            Shown::OfPredicted => Shown::Counts,
        };
    }

    fn arrange(&mut self, labels: &[String]) {
        let confusion = &self.counted.confusion;
        let classes = match self.order {
            ClassOrder::ByNumber => confusion.classes(),
            ClassOrder::WorstFirst => worst_first(confusion, &self.worst),
        };
        let of = |has: &dyn Fn(u32) -> usize| -> Vec<u32> {
            let some = classes.iter().copied().filter(|class| has(*class) > 0);
            some.collect()
        };
        self.truths = of(&|class| confusion.of_truth(class));
        self.predictions = of(&|class| confusion.of_predicted(class));
        let widths = classes
            .iter()
            .map(|class| class_name(labels, *class).width());
        self.name_width = widths.max().unwrap_or(0);
        let counts = confusion.cells().iter().map(|cell| cell.count);
        self.most = counts.max().unwrap_or(0);
        let of_truths = self.truths.iter().map(|class| confusion.of_truth(*class));
        self.most_of_truth = of_truths.max().unwrap_or(0);
    }

    #[must_use]
    pub fn selected(&self) -> Option<Selected> {
        let at = |classes: &[u32], place: usize| {
            let place = place.checked_sub(1)?;
            classes.get(place).copied()
        };
        match (
            at(&self.truths, self.row),
            at(&self.predictions, self.column),
        ) {
            (Some(truth), Some(predicted)) => Some(Selected::Cell(Cell {
                truth,
                predicted,
                count: self.counted.confusion.count(truth, predicted),
            })),
            (Some(truth), None) => Some(Selected::Truth(truth)),
            (None, Some(predicted)) => Some(Selected::Predicted(predicted)),
            (None, None) => None,
        }
    }

    fn select_again(&mut self, selected: Option<Selected>, size: CellSize) {
        match selected {
            Some(Selected::Cell(cell)) => self.select_cell(cell.truth, cell.predicted, size),
            Some(Selected::Truth(class)) => self.select(place(&self.truths, class), 0, size),
            Some(Selected::Predicted(class)) => {
                self.select(0, place(&self.predictions, class), size);
            }
            None => self.select(1, 1, size),
        }
    }

    /// Selects the cell of two classes, or the first one where they are not there.
    pub fn select_cell(&mut self, truth: u32, predicted: u32, size: CellSize) {
        let (row, column) = (
            place(&self.truths, truth),
            place(&self.predictions, predicted),
        );
        self.select(row, column, size);
    }

    /// Selects a row and a column, from 1, or the last ones beyond the end, and scrolls there. 0 is a
    /// heading; the corner between the headings is nothing.
    pub fn select(&mut self, row: usize, column: usize, size: CellSize) {
        if row == 0 && column == 0 {
            return;
        }
        self.row = row.min(self.truths.len());
        self.column = column.min(self.predictions.len());
        let Some(grid) = Grid::of(self, size) else {
            return;
        };
        let follow = |first: usize, place: usize, room: usize, all: usize| {
            let last = all.saturating_sub(room);
            let kept = match place.checked_sub(1) {
                Some(at) => first.clamp((at + 1).saturating_sub(room), at),
                None => first,
            };
            kept.min(last)
        };
        self.top = follow(self.top, self.row, grid.rows(), self.truths.len());
        self.left = follow(
            self.left,
            self.column,
            grid.columns(),
            self.predictions.len(),
        );
    }

    /// Moves the selection by single steps, which also reach the headings.
    pub fn step(&mut self, down: isize, right: isize, size: CellSize) {
        let row = self.row.saturating_add_signed(down);
        let column = self.column.saturating_add_signed(right);
        self.select(row, column, size);
    }

    /// Moves by pages of rows and columns, which stop at the first ones.
    pub fn page(&mut self, down: isize, right: isize, size: CellSize) {
        let Some(grid) = Grid::of(self, size) else {
            return;
        };
        let moved = |place: usize, by: isize, room: usize| match (place, by) {
            (_, 0) => place,
            (0, ..0) => 0,
            _ => place
                .saturating_add_signed(by * room.max(1).cast_signed())
                .max(1),
        };
        let row = moved(self.row, down, grid.rows());
        let column = moved(self.column, right, grid.columns());
        self.select(row, column, size);
    }

    /// Where the selected cell stands among the most frequent mistakes, from 0.
    #[must_use]
    pub fn place_in_worst(&self) -> Option<usize> {
        let Some(Selected::Cell(cell)) = self.selected() else {
            return None;
        };
        self.worst.iter().position(|other| *other == cell)
    }

    /// Selects the next of the most frequent mistakes, or the one before, around the end.
    pub fn turn_worst(&mut self, forth: bool, size: CellSize) {
        let all = self.worst.len();
        if all == 0 {
            return;
        }
        let place = match (self.place_in_worst(), forth) {
            (None, _) => 0,
            (Some(place), true) => (place + 1) % all,
            (Some(place), false) => (place + all - 1) % all,
        };
        if let Some(cell) = self.worst.get(place).copied() {
            self.select_cell(cell.truth, cell.predicted, size);
        }
    }
}

/// Place of a class among others, from 1; the first where it is not there.
fn place(classes: &[u32], class: u32) -> usize {
    classes
        .iter()
        .position(|other| *other == class)
        .map_or(1, |place| place + 1)
}

/// The classes of the most frequent mistakes, true and predicted class side by side, then the others
/// by number.
fn worst_first(confusion: &Confusion, worst: &[Cell]) -> Vec<u32> {
    let of_worst = worst.iter().flat_map(|cell| [cell.truth, cell.predicted]);
    let mut seen = HashSet::new();
    of_worst
        .chain(confusion.classes())
        .filter(|class| seen.insert(*class))
        .collect()
}
