//! The confusion matrix. What the cells say is also said in words below them.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::{chosen, hints, sentence, title};
use crate::app::counted::class_name;
use crate::app::layout::page_areas;
use crate::app::matrix::{ClassOrder, Grid, Matrix, Selected, Shown};
use crate::app::state::State;
use crate::dataset::confusion::Cell;
use crate::graphics::colors::Colors;
use crate::keymap::MATRIX_BINDINGS;
use crate::text::{count, middle, padded};

/// Shades of a cell by its share: nothing, up to a quarter, up to a half, and so on.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

pub(super) fn draw(state: &State, matrix: &Matrix, frame: &mut Frame<'_>) {
    let Some(areas) = page_areas(state.size) else {
        return;
    };
    let far = matrix.counted.how_far(state);
    title(frame, areas.title, "Confusion matrix", &far);
    let keys = MATRIX_BINDINGS
        .iter()
        .map(|binding| (binding.first_key(), binding.hint));
    hints(frame, areas.footer, keys.collect());
    if let Some(words) = matrix.counted.why_nothing(state) {
        sentence(frame, areas.rows, words);
        return;
    }
    let Some(grid) = Grid::of(matrix, state.size) else {
        return;
    };
    headings(state, matrix, &grid, frame);
    for (row, truth) in matrix
        .truths
        .iter()
        .enumerate()
        .skip(matrix.top)
        .take(grid.rows())
    {
        let y = grid.cells.y + u16::try_from(row - matrix.top).unwrap_or(u16::MAX);
        name(state, matrix, &grid, (row, *truth), y, frame);
        cells(state.colors, matrix, &grid, (row, *truth), y, frame);
    }
    if let Some(area) = grid.worst {
        worst(state, matrix, &grid, area, frame);
    }
    let [full, line] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(areas.detail);
    let words = in_words(state, matrix, usize::from(full.width));
    frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: true }), full);
    let words = if state.message.is_empty() {
        Span::from(switches(matrix)).dim()
    } else {
        Span::from(state.message.clone()).bold()
    };
    frame.render_widget(words, line);
}

/// Names of the columns. They take turns on the rows of headings, each with a line down to its
/// column.
fn headings(state: &State, matrix: &Matrix, grid: &Grid, frame: &mut Frame<'_>) {
    let corner = Rect {
        x: grid.names.x,
        width: grid.names.width.saturating_sub(1),
        ..grid.headings
    };
    // Which of how many: not all are on the screen.
    let place =
        |sign: &str, at: usize, all: usize| Line::from(format!("  {sign} {at}/{all}")).dim();
    let lines = if corner.height > 1 {
        let (rows, columns) = (matrix.truths.len(), matrix.predictions.len());
        vec![
            place("true ↓", matrix.row, rows),
            place("pred →", matrix.column, columns),
        ]
    } else {
        vec![Line::from("↓ true → pred").dim()]
    };
    frame.render_widget(Paragraph::new(lines), corner);
    let rows = usize::from(grid.headings.height);
    let columns = matrix.predictions.iter().enumerate();
    let on_screen = columns.skip(matrix.left).take(grid.columns());
    // The lines first: where there is no room for both, the name hides the line of another column.
    for is_name in [false, true] {
        for (column, class) in on_screen.clone() {
            let at = column - matrix.left;
            let own = at % rows;
            for (y, row) in (grid.headings.y..).zip(0..rows) {
                let x = grid.x(at);
                let room = usize::from(grid.headings.right().saturating_sub(x));
                let area = Rect {
                    x,
                    y,
                    width: grid.headings.right().saturating_sub(x),
                    height: 1,
                };
                if is_name && row == own {
                    let width = (grid.cell * rows - 1).min(room);
                    let name = middle(&class_name(&state.labels, *class), width);
                    let style = heading_style(matrix.column == column + 1, matrix.row == 0);
                    // The name is not as dim as a line below it.
                    let style = Style::reset().patch(style);
                    frame.render_widget(Span::styled(name, style), area);
                } else if !is_name && row > own {
                    frame.render_widget("│".dim(), area);
                }
            }
        }
    }
}

/// Of the heading of the selected row or column, and where it is itself selected.
fn heading_style(is_of_selected: bool, is_heading: bool) -> Style {
    match (is_of_selected, is_heading) {
        (true, true) => chosen(),
        (true, false) => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        (false, _) => Style::new(),
    }
}

/// Name of a row, and how many images there are.
fn name(
    state: &State,
    matrix: &Matrix,
    grid: &Grid,
    (row, class): (usize, u32),
    y: u16,
    frame: &mut Frame<'_>,
) {
    let support = matrix.counted.confusion.of_truth(class).to_string();
    let width = usize::from(grid.names.width).saturating_sub(2 + 2);
    let is_selected = matrix.row == row + 1;
    let digits = matrix.most_of_truth.to_string().len();
    let room = width.saturating_sub(digits + 1);
    let name = middle(&class_name(&state.labels, class), room);
    let pad = " ".repeat(room.saturating_sub(name.width()) + 1);
    let pointer = if is_selected { "▸ " } else { "  " };
    let line = Line::from(vec![
        Span::from(pointer),
        Span::styled(name, heading_style(is_selected, matrix.column == 0)),
        Span::from(format!("{pad}{support:>digits$}")).dim(),
    ]);
    let area = Rect {
        y,
        height: 1,
        ..grid.names
    };
    frame.render_widget(line, area);
}

fn cells(
    colors: Colors,
    matrix: &Matrix,
    grid: &Grid,
    (row, truth): (usize, u32),
    y: u16,
    frame: &mut Frame<'_>,
) {
    let columns = matrix.predictions.iter().enumerate();
    for (column, predicted) in columns.skip(matrix.left).take(grid.columns()) {
        let text = cell(matrix, truth, *predicted, grid.digits);
        let style = match (truth == *predicted, text.trim() == "·") {
            (true, _) => Style::new().fg(colors.right).bold(),
            (false, true) => Style::new().dim(),
            (false, false) => Style::new().fg(colors.wrong),
        };
        let is_selected = (matrix.row, matrix.column) == (row + 1, column + 1);
        let style = if is_selected { chosen().bold() } else { style };
        let area = Rect {
            x: grid.x(column - matrix.left),
            y,
            width: u16::try_from(grid.cell).unwrap_or(u16::MAX),
            height: 1,
        };
        frame.render_widget(Span::styled(text, style), area.intersection(grid.cells));
    }
}

/// "▒  12"; a point where there is nothing. On the diagonal there is always a number.
fn cell(matrix: &Matrix, truth: u32, predicted: u32, digits: usize) -> String {
    let confusion = &matrix.counted.confusion;
    let count = confusion.count(truth, predicted);
    let share = match matrix.shown {
        Shown::Counts | Shown::OfTruth => confusion.row_rate(truth, predicted),
        Shown::OfPredicted => confusion.column_rate(truth, predicted),
    };
    let share = share.unwrap_or(0.0);
    let number = match matrix.shown {
        _ if count == 0 && truth != predicted => "·".to_owned(),
        Shown::Counts => count.to_string(),
        Shown::OfTruth | Shown::OfPredicted => format!("{:.0}%", share * 100.0),
    };
    format!("{}{number:>digits$}", shade(share))
}

/// A fuller sign for a larger share, 0..=1.
fn shade(share: f32) -> char {
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 4")]
    let place = (share * 4.0).ceil() as usize;
    SHADES[place.min(SHADES.len() - 1)]
}

/// The mistakes, the most frequent first, with the one that is selected among them.
fn worst(state: &State, matrix: &Matrix, grid: &Grid, area: Rect, frame: &mut Frame<'_>) {
    let selected = matrix.place_in_worst();
    let all = matrix.worst.len();
    let number = selected.map_or_else(|| all.to_string(), |place| format!("{}/{all}", place + 1));
    title(frame, area, "Worst pairs", &number);
    if all == 0 {
        let below = Rect {
            y: area.y + 1,
            height: 1.min(area.height),
            ..area
        };
        frame.render_widget("No image is taken for another class.".dim(), below);
        return;
    }
    let digits = matrix
        .worst
        .first()
        .map_or(1, |cell| cell.count.to_string().len());
    let room = usize::from(area.width).saturating_sub(2 + digits + 1 + 3);
    let pairs = matrix
        .worst
        .iter()
        .enumerate()
        .skip(grid.first_worst(matrix));
    for (y, (place, cell)) in (area.y + 1..area.bottom()).zip(pairs) {
        let is_selected = selected == Some(place);
        let line = pair(state, cell, digits, room, is_selected);
        let line = if is_selected {
            line.style(chosen())
        } else {
            line
        };
        let area = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(line, area);
    }
}

fn pair(state: &State, cell: &Cell, digits: usize, room: usize, selected: bool) -> Line<'static> {
    let truth = class_name(&state.labels, cell.truth);
    let predicted = class_name(&state.labels, cell.predicted);
    // What one of the names does not need is the other's.
    let half = room / 2;
    let first = half.max(room.saturating_sub(predicted.width()));
    let truth = middle(&truth, first);
    let predicted = middle(&predicted, room.saturating_sub(truth.width()));
    let pointer = if selected { "▸" } else { " " };
    let text = format!("{pointer} {:>digits$} {truth} → {predicted}", cell.count);
    Line::from(padded(&text, room + 2 + digits + 1 + 3))
}

/// What is selected, in full words; in fewer where they do not fit into two lines.
fn in_words(state: &State, matrix: &Matrix, width: usize) -> String {
    let fits = |words: &String| words.width() <= 2 * width - width / 5;
    let [most, less] = [true, false].map(|full| words(state, matrix, full, usize::MAX));
    let names = width / 4;
    [most, less]
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| words(state, matrix, false, names))
}

/// The same with names of at most so many columns.
fn words(state: &State, matrix: &Matrix, full: bool, columns: usize) -> String {
    let confusion = &matrix.counted.confusion;
    let name = |class| middle(&class_name(&state.labels, class), columns);
    let percent = |share: Option<f32>| format!("{:.0} %", share.unwrap_or(0.0) * 100.0);
    match matrix.selected() {
        None => String::new(),
        Some(Selected::Cell(cell)) => {
            let Cell {
                truth,
                predicted,
                count,
            } = cell;
            let (of_truth, of_predicted) =
                (confusion.of_truth(truth), confusion.of_predicted(predicted));
            let row = percent(confusion.row_rate(truth, predicted));
            let column = percent(confusion.column_rate(truth, predicted));
            let (true_name, predicted_name) = (name(truth), name(predicted));
            if truth == predicted && !full {
                format!(
                    "{true_name}, right: {count} of {of_truth} true (recall {row}), {count} of \
                     {of_predicted} predicted (precision {column})"
                )
            } else if !full {
                format!(
                    "true {true_name}, predicted {predicted_name}: {count} of {of_truth} true \
                     ({row}), {count} of {of_predicted} predicted ({column})"
                )
            } else if truth == predicted {
                format!(
                    "{true_name}, right: {count} of {of_truth} that are {true_name} ({row}, recall), \
                     {count} of {of_predicted} predicted as {true_name} ({column}, precision)"
                )
            } else {
                format!(
                    "true {true_name}, predicted {predicted_name}: {count} of {of_truth} that are \
                     {true_name} ({row}), {count} of {of_predicted} predicted as {predicted_name} \
                     ({column})"
                )
            }
        }
        Some(Selected::Truth(class)) => format!(
            "true {}: {}, {} right ({}, recall); Enter shows them",
            name(class),
            count(confusion.of_truth(class), "image"),
            confusion.count(class, class),
            percent(confusion.row_rate(class, class))
        ),
        Some(Selected::Predicted(class)) => format!(
            "predicted {}: {}, {} right ({}, precision); Enter shows them",
            name(class),
            count(confusion.of_predicted(class), "image"),
            confusion.count(class, class),
            percent(confusion.column_rate(class, class))
        ),
    }
}

fn switches(matrix: &Matrix) -> String {
    let (shown, shades) = match matrix.shown {
        Shown::Counts => ("counts", "row"),
        Shown::OfTruth => ("% of the row", "row"),
        Shown::OfPredicted => ("% of the column", "column"),
    };
    let order = match matrix.order {
        ClassOrder::WorstFirst => "worst pairs first",
        ClassOrder::ByNumber => "by class number",
    };
    format!("{shown} · {order} · ░▒▓█ quarters of the {shades}")
}
