//! The help: every key, on as many pages as it needs. It hides the picture, so nothing overlaps it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::layout::help_pages;
use crate::app::state::State;
use crate::keymap::groups;

pub(super) fn draw(state: &State, page: usize, frame: &mut Frame<'_>) {
    let spread = help_pages(state.size);
    let [top, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(frame.area());
    let number = match spread.pages {
        1 => String::new(),
        pages => format!(", page {} of {pages}", page + 1),
    };
    let hint = if page + 1 < spread.pages {
        "any key goes on, Esc back, q quits"
    } else {
        "any key goes back, q quits"
    };
    let title = format!(" keys{number}; {hint}");
    frame.render_widget(Line::from(vec!["gradcam".bold(), title.dim()]), top);
    let (rows, columns) = (usize::from(spread.rows), usize::from(spread.columns));
    let lines = lines();
    let width = body.width / spread.columns;
    let shown = lines.chunks(rows).skip(page * columns).take(columns);
    for (column, lines) in (0..).zip(shown) {
        let area = Rect {
            x: body.x + column * width,
            width,
            ..body
        };
        frame.render_widget(Paragraph::new(lines.to_vec()), area);
    }
}

fn lines() -> Vec<Line<'static>> {
    groups()
        .flat_map(|(group, rows)| {
            let heading = Line::from(group.bold());
            let rows = rows.into_iter().map(|(keys, help)| {
                Line::from(vec![
                    Span::from(format!("  {keys:<15} ")).cyan(),
                    Span::from(help),
                ])
            });
            std::iter::once(heading).chain(rows).collect::<Vec<_>>()
        })
        .collect()
}
