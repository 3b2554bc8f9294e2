//! Keys and mouse in the confusion matrix and in the summary, and when they are counted again.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::writing::show_queue;
use super::{Effect, WHEEL};
use crate::app::counted::{Counted, is_due};
use crate::app::matrix::{Grid, Matrix, Place, Selected};
use crate::app::overview::{ClassesBy, Overview, Side};
use crate::app::state::{Mode, State};
use crate::dataset::confusion::written;
use crate::keymap::{Command, Keymap, MatrixCommand, SummaryCommand};
use crate::keymap::{lookup_in_matrix, lookup_in_summary};

/// What becomes of the page.
enum Then {
    Stay,
    Leave,
    /// The queue of this filter and order is shown.
    Queue(String, &'static str),
    Matrix,
    Summary,
}

/// Opens the confusion matrix. It hides the picture, so everything is drawn again.
pub(super) fn open_matrix(state: &mut State) -> Vec<Effect> {
    let counted = counted(state);
    state.mode = Mode::Matrix(Box::new(Matrix::open(state, counted)));
    vec![Effect::Redraw]
}

/// Opens the summary.
pub(super) fn open_summary(state: &mut State) -> Vec<Effect> {
    let counted = counted(state);
    state.mode = Mode::Summary(Box::new(Overview::open(counted)));
    vec![Effect::Redraw]
}

/// What all images say: what the page that is open has, else counted anew.
fn counted(state: &mut State) -> Arc<Counted> {
    match &state.mode {
        Mode::Matrix(matrix) => Arc::clone(&matrix.counted),
        Mode::Summary(overview) => Arc::clone(&overview.counted),
        _ => count(state),
    }
}

fn count(state: &mut State) -> Arc<Counted> {
    let counted = Counted::of(state);
    // An alarm over half of the images would come and go.
    if state.scoring.is_over() {
        state.review.alarm.clone_from(&counted.summary.alarm);
    }
    Arc::new(counted)
}

/// Takes in scores: the page that is open is counted again when enough have come, and the alarm when
/// all have.
pub(super) fn as_scored(state: &mut State) {
    let before = match &state.mode {
        Mode::Matrix(matrix) => matrix.counted.done,
        Mode::Summary(overview) => overview.counted.done,
        _ => {
            let is_done = state.scoring.is_over();
            if is_done && state.review.alarm_of != state.scoring.done {
                state.review.alarm_of = state.scoring.done;
                count(state);
            }
            return;
        }
    };
    if is_due(state, before) {
        recount(state);
    }
}

/// Counts again for the page that is open, if one is.
pub(super) fn recount(state: &mut State) {
    if !matches!(state.mode, Mode::Matrix(_) | Mode::Summary(_)) {
        return;
    }
    let counted = count(state);
    let mut mode = std::mem::replace(&mut state.mode, Mode::Browse);
    match &mut mode {
        Mode::Matrix(matrix) => matrix.recount(state, counted),
        Mode::Summary(overview) => overview.recount(counted, state.size),
        _ => {}
    }
    state.mode = mode;
}

/// Keeps what is selected on a screen of another size.
pub(super) fn follow(state: &mut State) {
    let size = state.size;
    match &mut state.mode {
        Mode::Matrix(matrix) => matrix.select(matrix.row, matrix.column, size),
        Mode::Summary(overview) => overview.follow(size),
        _ => {}
    }
}

/// Whether a key means on these pages what it means elsewhere.
fn is_general(keymap: &Keymap, key: &KeyEvent) -> bool {
    matches!(
        keymap.lookup(key),
        Some(Command::Quit | Command::Help | Command::Redraw | Command::Suspend)
    )
}

/// What a key does on these pages; nothing where it means what it means elsewhere.
pub(super) fn on_key(state: &mut State, key: &KeyEvent) -> Option<Vec<Effect>> {
    let then = match &mut state.mode {
        Mode::Matrix(matrix) => match lookup_in_matrix(key) {
            Some(command) => in_matrix(matrix, command, state.size, &state.labels),
            None if is_general(&state.keymap, key) => return None,
            None => Then::Stay,
        },
        Mode::Summary(overview) => match lookup_in_summary(key) {
            Some(command) => in_summary(overview, command, state.size, &state.labels),
            None if is_general(&state.keymap, key) => return None,
            None => Then::Stay,
        },
        _ => return None,
    };
    Some(follow_up(state, then))
}

/// A click selects, and opens what is selected; the wheel moves.
pub(super) fn on_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    let at = Position::new(mouse.column, mouse.row);
    let by = match mouse.kind {
        MouseEventKind::ScrollDown => WHEEL,
        MouseEventKind::ScrollUp => -WHEEL,
        MouseEventKind::Down(MouseButton::Left) => 0,
        _ => return Vec::new(),
    };
    let size = state.size;
    let then = match &mut state.mode {
        Mode::Matrix(matrix) if by != 0 => {
            let row = matrix.row.saturating_add_signed(by).max(1);
            matrix.select(row, matrix.column, size);
            Then::Stay
        }
        Mode::Matrix(matrix) => click_matrix(matrix, at, size, &state.labels),
        Mode::Summary(overview) if by != 0 => {
            overview.step(by, size);
            Then::Stay
        }
        Mode::Summary(overview) => click_summary(overview, at, size, &state.labels),
        _ => Then::Stay,
    };
    follow_up(state, then)
}

fn follow_up(state: &mut State, then: Then) -> Vec<Effect> {
    match then {
        Then::Stay => return Vec::new(),
        Then::Leave => state.mode = Mode::Browse,
        Then::Queue(filter, order) => {
            state.mode = Mode::Browse;
            show_queue(state, &filter, order);
        }
        Then::Matrix => return open_matrix(state),
        Then::Summary => return open_summary(state),
    }
    vec![Effect::Redraw]
}

type Size = crate::geometry::CellSize;

fn in_matrix(matrix: &mut Matrix, command: MatrixCommand, size: Size, labels: &[String]) -> Then {
    // Nothing is moved where there is nothing.
    let (row, column) = (matrix.row, matrix.column);
    match command {
        MatrixCommand::Left => matrix.step(0, -1, size),
        MatrixCommand::Right => matrix.step(0, 1, size),
        MatrixCommand::Up => matrix.step(-1, 0, size),
        MatrixCommand::Down => matrix.step(1, 0, size),
        MatrixCommand::PageLeft => matrix.page(0, -1, size),
        MatrixCommand::PageRight => matrix.page(0, 1, size),
        MatrixCommand::PageUp => matrix.page(-1, 0, size),
        MatrixCommand::PageDown => matrix.page(1, 0, size),
        MatrixCommand::FirstColumn => matrix.select(row, 1, size),
        MatrixCommand::LastColumn => matrix.select(row, usize::MAX, size),
        MatrixCommand::FirstRow => matrix.select(1, column, size),
        MatrixCommand::LastRow => matrix.select(usize::MAX, column, size),
        MatrixCommand::NextWorst => matrix.turn_worst(true, size),
        MatrixCommand::PreviousWorst => matrix.turn_worst(false, size),
        MatrixCommand::NextFigures => {
            matrix.turn_shown();
            matrix.select(row, column, size);
        }
        MatrixCommand::NextOrder => matrix.turn_order(labels, size),
        MatrixCommand::Choose => return images_of(matrix, labels),
        MatrixCommand::Summary => return Then::Summary,
        MatrixCommand::Leave => return Then::Leave,
    }
    Then::Stay
}

/// The queue of the selected cell or class.
fn images_of(matrix: &Matrix, labels: &[String]) -> Then {
    let filter = match matrix.selected() {
        None => return Then::Stay,
        Some(Selected::Cell(cell)) => {
            let confusion = &matrix.counted.confusion;
            confusion.query(cell.truth, cell.predicted, labels)
        }
        Some(Selected::Truth(class)) => format!("true:{} scored", written(class, labels)),
        Some(Selected::Predicted(class)) => format!("pred:{} known", written(class, labels)),
    };
    Then::Queue(filter, "-conf")
}

fn click_matrix(matrix: &mut Matrix, at: Position, size: Size, labels: &[String]) -> Then {
    let place = Grid::of(matrix, size).and_then(|grid| grid.at(matrix, at));
    let before = (matrix.row, matrix.column);
    match place {
        None => return Then::Stay,
        Some(Place::Cell(row, column)) => matrix.select(row, column, size),
        Some(Place::Worst(place)) => {
            if let Some(cell) = matrix.worst.get(place).copied() {
                matrix.select_cell(cell.truth, cell.predicted, size);
            }
        }
    }
    if before == (matrix.row, matrix.column) {
        images_of(matrix, labels)
    } else {
        Then::Stay
    }
}

fn in_summary(
    overview: &mut Overview,
    command: SummaryCommand,
    size: Size,
    labels: &[String],
) -> Then {
    let side = overview.side;
    let page = overview.rows(size).max(1).cast_signed();
    match command {
        SummaryCommand::Down => overview.step(1, size),
        SummaryCommand::Up => overview.step(-1, size),
        SummaryCommand::PageDown => overview.step(page, size),
        SummaryCommand::PageUp => overview.step(-page, size),
        SummaryCommand::First => overview.select(side, 0, size),
        SummaryCommand::Last => overview.select(side, usize::MAX, size),
        SummaryCommand::OtherSide => overview.turn_side(),
        SummaryCommand::ByRecall => overview.sort_by(ClassesBy::Recall),
        SummaryCommand::ByPrecision => overview.sort_by(ClassesBy::Precision),
        SummaryCommand::ByImages => overview.sort_by(ClassesBy::Images),
        SummaryCommand::ByNumber => overview.sort_by(ClassesBy::Number),
        SummaryCommand::Choose => return queue_of(overview, labels),
        SummaryCommand::Matrix => return Then::Matrix,
        SummaryCommand::Leave => return Then::Leave,
    }
    Then::Stay
}

/// The queue of the selected row.
fn queue_of(overview: &Overview, labels: &[String]) -> Then {
    match overview.queue(labels) {
        Some((filter, order)) => Then::Queue(filter, order),
        None => Then::Stay,
    }
}

fn click_summary(overview: &mut Overview, at: Position, size: Size, labels: &[String]) -> Then {
    let Some(areas) = overview.areas(size) else {
        return Then::Stay;
    };
    let shows = |side| areas.is_wide || overview.side == side;
    let (side, place) = if shows(Side::Figures) && areas.figures.contains(at) {
        let row = usize::from(at.y - areas.figures.y);
        (Side::Figures, overview.figure.scroll + row)
    } else if shows(Side::Classes) && areas.classes.contains(at) {
        let Some(row) = usize::from(at.y - areas.classes.y).checked_sub(1) else {
            return Then::Stay;
        };
        (Side::Classes, overview.class.scroll + row)
    } else {
        return Then::Stay;
    };
    let (all, selected) = match side {
        Side::Figures => (overview.entries.len(), overview.figure.selected),
        Side::Classes => (overview.classes.len(), overview.class.selected),
    };
    if place >= all {
        return Then::Stay;
    }
    if side == overview.side && place == selected {
        return queue_of(overview, labels);
    }
    overview.select(side, place, size);
    Then::Stay
}
