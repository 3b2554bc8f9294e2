//! The five best classes of the selected image, with the target class marked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{head, percent, title};
use crate::app::state::State;
use crate::explain::Prediction;
use crate::job::Target;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let known = state
        .current()
        .and_then(|image| state.predictions.get(&image.id));
    title(
        frame,
        area,
        "Top 5",
        &format!("{} explain", state.keymap.ranks()),
    );
    for (row, prediction) in
        (1_u16..).zip(known.into_iter().flat_map(|predictions| predictions.iter()))
    {
        if row < area.height {
            let is = |target| state.is_same(target, Target::Class(prediction.class));
            let marker = match (is(state.target), state.beside.is_some_and(is)) {
                (true, _) => "▶ ",
                (false, true) => "▷ ",
                (false, false) => "  ",
            };
            frame.render_widget(
                line(state, prediction, marker, usize::from(area.width)),
                Rect {
                    y: area.y + row,
                    height: 1,
                    ..area
                },
            );
        }
    }
}

fn line(state: &State, prediction: &Prediction, marker: &str, width: usize) -> Line<'static> {
    const BAR: usize = 6;
    let share = percent(prediction.probability);
    let label_width = width.saturating_sub(2 + 2 + BAR + 1 + 6 + 1);
    let label = head(&prediction.label, label_width);
    let gap = label_width.saturating_sub(label.width());
    let name = Span::from(format!("{marker}{} {label}", prediction.rank));
    Line::from(vec![
        if marker == "▶ " { name.bold() } else { name },
        Span::from(format!("{} ", " ".repeat(gap))),
        Span::from(bar(prediction.probability, BAR)).fg(state.colors.accent),
        Span::from(format!(" {share:>6}")),
    ])
}

/// A bar in eighths of a cell.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a probability times eighths of a few cells"
)]
fn bar(probability: f32, cells: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = ((probability.clamp(0.0, 1.0) * cells as f32 * 8.0).round()) as usize;
    let bar = format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]);
    let pad = cells.saturating_sub(bar.width());
    bar + &" ".repeat(pad)
}
