//! The list of images, with the top prediction beside each as it becomes known.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{chosen, head, tail, title};
use crate::app::layout::list_rows;
use crate::app::state::{Search, State};
use crate::dataset::ImageId;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let place = if state.queue.is_empty() {
        0
    } else {
        state.selected + 1
    };
    title(
        frame,
        area,
        "Images",
        &format!(
            "{place}/{}{}",
            state.queue.len(),
            if matches!(state.search, Search::UnderWay) {
                "…"
            } else {
                ""
            }
        ),
    );
    let rows = state
        .queue
        .iter()
        .enumerate()
        .skip(state.scroll)
        .take(list_rows(area));
    for (row, (place, id)) in (1_u16..).zip(rows) {
        let line = line(state, *id, place == state.selected, usize::from(area.width));
        frame.render_widget(
            line,
            Rect {
                y: area.y + row,
                height: 1,
                ..area
            },
        );
    }
}

fn line(state: &State, id: ImageId, selected: bool, width: usize) -> Line<'static> {
    let colors = state.colors;
    let (right, answer) = match (state.predicted(id), state.unreadable.get(&id)) {
        (Some((class, probability)), _) => {
            let right = match state.is_right(id) {
                Some(true) => Span::from("✓ ").fg(colors.right),
                Some(false) => Span::from("✗ ").fg(colors.wrong),
                None => Span::from(""),
            };
            let label = head(state.label(class), width * 2 / 5);
            (right, format!("{label} {:3.0}%", probability * 100.0))
        }
        (None, Some(_)) => (Span::from(""), "! unreadable".to_owned()),
        (None, None) => (Span::from(""), String::new()),
    };
    let name_width = width.saturating_sub(right.width() + answer.width() + 5);
    let name = tail(&state.image(id).name, name_width);
    let gap = name_width.saturating_sub(name.width()) + 1;
    let pointer = if selected { "▸" } else { " " };
    let mark = if state.review.marked.contains(&id) {
        "◆"
    } else {
        " "
    };
    let marker = format!("{pointer}{mark}{} ", verdict(state, id));
    let line = Line::from(vec![
        Span::from(format!("{marker}{name}{}", " ".repeat(gap))),
        // What is selected has one look.
        if selected {
            Span::from(right.content)
        } else {
            right
        },
        if selected {
            Span::from(answer)
        } else {
            Span::from(answer).dim()
        },
    ]);
    if selected { line.style(chosen()) } else { line }
}

/// The key of an image's verdict; another sign where it is of another set, or where something else is
/// said of the image.
fn verdict(state: &State, image: ImageId) -> String {
    let Some(review) = state.review.of(image).filter(|review| !review.is_empty()) else {
        return " ".to_owned();
    };
    let Some(name) = &review.verdict else {
        return "·".to_owned();
    };
    let verdicts = &state.review.verdicts;
    let own = verdicts.iter().find(|verdict| verdict.name == *name);
    own.map_or_else(|| "•".to_owned(), |verdict| verdict.key.to_string())
}
