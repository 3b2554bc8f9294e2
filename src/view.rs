//! View: draws the state. Changes nothing; says where a picture belongs.

mod caption;
mod help;
mod list;
mod matrix;
mod overview;
mod picker;
mod picture;
mod predictions;
mod status;
mod words;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use crate::app::layout::SMALLEST;
use crate::app::state::{Mode, ModelState, State};
use crate::graphics::Slot;
use crate::keymap::Command;
use crate::text::{head, is_harmless, tail};

/// Draws everything. Returns the cells that a picture is to cover, where one is shown by a
/// graphics protocol.
pub fn view(state: &State, frame: &mut Frame<'_>) -> Option<Slot> {
    let slot = panes(state, frame);
    make_harmless(frame.buffer_mut());
    slot
}

/// Nothing that a terminal could obey is left in a cell. Texts are made visible where they come in;
/// this holds what was forgotten there, and what is typed.
fn make_harmless(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !is_harmless(cell.symbol()) {
            cell.set_char(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn panes(state: &State, frame: &mut Frame<'_>) -> Option<Slot> {
    let Some(panes) = state.panes() else {
        too_small(state, frame);
        return None;
    };
    match &state.mode {
        Mode::Help(page) => {
            help::draw(state, *page, frame);
            return None;
        }
        Mode::Pick(picker) => {
            picker::draw(state, picker, frame);
            return None;
        }
        Mode::Matrix(matrix) => {
            matrix::draw(state, matrix, frame);
            return None;
        }
        Mode::Summary(overview) => {
            overview::draw(state, overview, frame);
            return None;
        }
        Mode::Browse | Mode::Write(_) => {}
    }
    let slot = if let ModelState::Unavailable(reason) = &state.model {
        let quit = state.keymap.called(Command::Quit);
        let text = format!("The model cannot be used.\n\n{reason}\n\n{quit} quits.");
        sentence(frame, panes.picture, &text);
        None
    } else {
        picture::draw(state, frame, panes.picture)
    };
    caption::draw(state, frame, panes.caption);
    if !state.full_screen {
        list::draw(state, frame, panes.list);
        predictions::draw(state, frame, panes.predictions);
        status::draw(state, frame, panes.status);
        status::footer(state, frame, panes.footer);
    }
    slot
}

fn too_small(state: &State, frame: &mut Frame<'_>) {
    let (needs, has) = (SMALLEST, state.size);
    let text = format!(
        "gradcam needs at least {}x{} cells; this terminal has {}x{}. {} quits.",
        needs.columns,
        needs.rows,
        has.columns,
        has.rows,
        state.keymap.called(Command::Quit)
    );
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), frame.area());
}

/// A text in the middle of a pane.
fn sentence(frame: &mut Frame<'_>, area: Rect, text: &str) {
    let width = area.width.saturating_sub(4).max(1);
    let paragraph = Paragraph::new(text)
        .wrap(Wrap { trim: true })
        .alignment(Alignment::Center);
    let lines: u16 = text
        .lines()
        .map(|line| {
            u16::try_from(line.width())
                .unwrap_or(u16::MAX)
                .div_ceil(width)
                .max(1)
        })
        .sum::<u16>()
        .min(area.height);
    let middle = Rect {
        x: area.x + 2.min(area.width / 2),
        y: area.y + (area.height - lines) / 2,
        width: width.min(area.width),
        height: (lines + 1).min(area.height),
    };
    frame.render_widget(paragraph, middle.intersection(area));
}

/// A pane's title: a word on a thin rule.
fn title(frame: &mut Frame<'_>, area: Rect, left: &str, right: &str) {
    let width = usize::from(area.width);
    let right = if right.width() + left.width() + 4 <= width {
        right
    } else {
        ""
    };
    let rule =
        width.saturating_sub(left.width() + right.width() + usize::from(!right.is_empty()) + 1);
    let mut spans = vec![
        Span::from(left.to_owned()).bold(),
        Span::from(format!(" {}", "─".repeat(rule))).dim(),
    ];
    if !right.is_empty() {
        spans.push(Span::from(format!(" {right}")).dim());
    }
    frame.render_widget(
        Line::from(spans),
        Rect {
            height: 1.min(area.height),
            ..area
        },
    );
}

/// As many keys with their hints as fit, the last two in any case; those without a hint are left
/// out.
fn hints(frame: &mut Frame<'_>, area: Rect, mut keys: Vec<(String, &str)>) {
    keys.retain(|(_, hint)| !hint.is_empty());
    let width = |keys: &[(String, &str)]| -> usize {
        let widths = keys
            .iter()
            .map(|(key, hint)| key.width() + hint.width() + 3);
        widths.sum()
    };
    while keys.len() > 2 && width(&keys) > usize::from(area.width) {
        keys.remove(keys.len() - 3);
    }
    let spans: Vec<Span<'_>> = keys
        .into_iter()
        .flat_map(|(key, hint)| {
            [
                Span::from(key).bold(),
                Span::from(format!(" {hint}  ")).dim(),
            ]
        })
        .collect();
    frame.render_widget(Line::from(spans), area);
}

/// What is selected: visible without colors, too.
fn chosen() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// 0.9876 as "98.8%".
fn percent(probability: f32) -> String {
    format!("{:.1}%", probability * 100.0)
}

#[cfg(test)]
mod tests;
