//! Help: the keys, the verdicts and the language of filters, spread over pages of columns. Pure.

use unicode_width::UnicodeWidthStr;

use super::state::State;
use crate::dataset::query::terms;
use crate::keymap::Command;
use crate::text::visible;

/// Columns that a line of keys takes; two of them stand side by side where there is room.
const WIDTH: u16 = 58;
/// Columns of what stands on the left.
const LEFT: usize = 15;
/// Before what stands on the left, and after it.
const MARGIN: usize = 2;
const GAP: usize = 1;
/// A group is begun where more lines than these are left, or where all of it fits; one of few lines is
/// not divided.
const FEWEST: usize = 3;
const SHORT: usize = 8;

/// A line of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Heading(String),
    /// What is pressed or typed, with spaces up to a column, and what it means. A long meaning goes on
    /// in a line with nothing on the left.
    Row(String, String),
}

/// A heading and the rows below it.
struct Group {
    heading: String,
    rows: Vec<(String, String)>,
}

/// The pages: columns of lines.
#[must_use]
pub fn pages(state: &State) -> Vec<Vec<Vec<Line>>> {
    let side_by_side = usize::from((state.size.columns / WIDTH).clamp(1, 2));
    let width = usize::from(state.size.columns) / side_by_side;
    let rows = usize::from(state.size.rows.saturating_sub(1).max(1));
    let columns = columns(&groups(state), width, rows);
    columns.chunks(side_by_side).map(<[_]>::to_vec).collect()
}

fn groups(state: &State) -> Vec<Group> {
    let keys = state
        .keymap
        .groups()
        .into_iter()
        .map(|(heading, rows)| Group {
            heading,
            rows: rows
                .into_iter()
                .map(|(keys, help)| (keys, help.to_owned()))
                .collect(),
        });
    let mut groups: Vec<Group> = keys.collect();
    let verdicts = state.review.verdicts.iter();
    groups.push(Group {
        heading: "Verdicts".to_owned(),
        rows: verdicts
            .map(|verdict| (verdict.key.to_string(), visible(&verdict.name)))
            .collect(),
    });
    let key = state.keymap.called(Command::Filter);
    for line in terms::help() {
        let heading = format!("The queue, {key}: {}", line.group);
        let row = (line.term.to_owned(), line.meaning.to_owned());
        match groups.last_mut() {
            Some(last) if last.heading == heading => last.rows.push(row),
            _ => groups.push(Group {
                heading,
                rows: vec![row],
            }),
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

/// Columns of at most so many lines. The heading of a group stands above each part of it.
fn columns(groups: &[Group], width: usize, rows: usize) -> Vec<Vec<Line>> {
    let mut columns = Vec::new();
    let mut column: Vec<Line> = Vec::new();
    for group in groups {
        let lines = lines(group, width);
        let left = rows.saturating_sub(column.len());
        let is_divided = left < lines.len() + 1;
        let is_whole = lines.len() <= SHORT;
        if is_divided && (is_whole || left <= FEWEST) && !column.is_empty() {
            columns.push(std::mem::take(&mut column));
        }
        column.push(Line::Heading(group.heading.clone()));
        for line in lines {
            if column.len() >= rows && rows > 1 {
                columns.push(std::mem::take(&mut column));
                column.push(Line::Heading(format!("{}, continued", group.heading)));
            }
            column.push(line);
        }
    }
    columns.push(column);
    columns
}

fn lines(group: &Group, width: usize) -> Vec<Line> {
    let widest = group.rows.iter().map(|(left, _)| left.width()).max();
    let left_width = widest.unwrap_or(0).max(LEFT);
    let room = width.saturating_sub(MARGIN + left_width + GAP).max(10);
    let mut lines = Vec::new();
    for (left, meaning) in &group.rows {
        let pad = " ".repeat(left_width.saturating_sub(left.width()) + GAP);
        let mut left = format!("{}{left}{pad}", " ".repeat(MARGIN));
        for part in wrapped(meaning, room) {
            lines.push(Line::Row(left, part));
            left = " ".repeat(MARGIN + left_width + GAP);
        }
    }
    lines
}

/// The text in lines of at most so many columns, broken at spaces.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
