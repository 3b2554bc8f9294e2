//! The caption: what the picture shows, in words. It describes the picture that is on the screen,
//! also while a newer one is on its way.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::percent;
use crate::app::state::State;
use crate::heatmap::MapState;
use crate::job::Outcome;
use crate::picture::View;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let mut lines = Vec::new();
    if let Some(shown) = &state.shown {
        lines.push(target(state, shown));
    }
    if let Some(summary) = state.summary() {
        let mut words = vec![Span::from(summary.recipe.clone()).dim()];
        if !summary.guesses.is_empty() {
            words.push(Span::from(format!(" · guessed: {}", summary.guesses.join("; "))).yellow());
        }
        lines.push(Line::from(words));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}

fn target(state: &State, shown: &Outcome) -> Line<'static> {
    let explanation = &shown.explanation;
    let mut words = vec![
        Span::from(explanation.target.label.clone()).bold(),
        Span::from(format!(" {}", percent(explanation.target.probability))),
        Span::from(format!(" · {} · {}", explanation.layer, explanation.method)),
    ];
    match explanation.heatmap.state {
        MapState::Ok => {
            let style = &shown.style;
            let how = match style.view {
                View::Image => "image alone".to_owned(),
                View::Heatmap => format!("heatmap, {}", style.colormap.name()),
                view => format!(
                    "{}, {} at {:.0} %",
                    view.name(),
                    style.colormap.name(),
                    style.opacity * 100.0
                ),
            };
            words.push(Span::from(format!(" · {how}")));
        }
        MapState::Empty => words.push(
            Span::from(" · no positive evidence for this class: the map is all zero").yellow(),
        ),
        MapState::Nan => words.push(Span::from(" · the map has values that are not numbers").red()),
    }
    let current = state.current().map(|image| image.id);
    if current != Some(shown.image) {
        words.push(Span::from(format!(
            " · of {}",
            state.image(shown.image).name
        )));
    }
    if state.is_waiting() {
        words.push(Span::from(" …"));
    }
    Line::from(words)
}
