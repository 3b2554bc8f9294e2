//! The help page: every key, in two columns. It hides the picture, so nothing overlaps it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::keymap::groups;

pub(super) fn draw(frame: &mut Frame<'_>) {
    let [top, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(frame.area());
    let heading = Line::from(vec![
        "gradcam".bold(),
        " keys; any key goes back, q quits".dim(),
    ]);
    frame.render_widget(heading, top);
    let lines: Vec<Vec<Line<'static>>> = groups()
        .map(|(group, bindings)| {
            let heading = Line::from(group.bold());
            let rows = bindings.into_iter().map(|binding| {
                Line::from(vec![
                    Span::from(format!("  {:<10}", binding.key_names())).cyan(),
                    Span::from(binding.help),
                ])
            });
            std::iter::once(heading).chain(rows).collect()
        })
        .collect();
    let total: usize = lines.iter().map(Vec::len).sum();
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)])
        .spacing(1)
        .areas(body);
    let (mut columns, mut used) = ([Vec::new(), Vec::new()], 0);
    for group in lines {
        let column = usize::from(used * 2 >= total);
        used += group.len();
        columns[column].extend(group);
    }
    for (column, area) in columns.into_iter().zip([left, right]) {
        frame.render_widget(Paragraph::new(column), area);
    }
}
