//! The help: every key, the verdicts and the language of filters, on as many pages as they need. It
//! hides the picture, so nothing overlaps it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::help::{self, pages};
use crate::app::state::State;
use crate::keymap::Command;

pub(super) fn draw(state: &State, page: usize, frame: &mut Frame<'_>) {
    let pages = pages(state);
    // The terminal may have become larger.
    let page = page.min(pages.len().saturating_sub(1));
    let [top, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(frame.area());
    let number = match pages.len() {
        1 => String::new(),
        all => format!(", page {} of {all}", page + 1),
    };
    let hint = if page + 1 < pages.len() {
        "any key goes on, Esc back"
    } else {
        "any key goes back"
    };
    let quit = state.keymap.called(Command::Quit);
    let title = format!(" keys{number}; {hint}, {quit} quits");
    frame.render_widget(Line::from(vec!["gradcam".bold(), title.dim()]), top);
    let side_by_side = pages.first().map_or(1, Vec::len).max(1);
    let width = body.width / u16::try_from(side_by_side).unwrap_or(1);
    let columns = pages.into_iter().nth(page).unwrap_or_default();
    for (column, lines) in (0..).zip(columns) {
        let area = Rect {
            x: body.x + column * width,
            width,
            ..body
        };
        let lines: Vec<Line<'_>> = lines.into_iter().map(drawn).collect();
        frame.render_widget(Paragraph::new(lines), area);
    }
}

fn drawn(line: help::Line) -> Line<'static> {
    match line {
        help::Line::Heading(heading) => Line::from(heading.bold()),
        help::Line::Row(left, meaning) => {
            Line::from(vec![Span::from(left).cyan(), Span::from(meaning)])
        }
    }
}
