//! The caption: what the picture shows, in words. It describes the picture that is on the screen,
//! also while a newer one is on its way.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{percent, title};
use crate::app::state::State;
use crate::heatmap::MapState;
use crate::job::Outcome;
use crate::picture::{Style as PictureStyle, View};

/// From this height on, every phrase has a line of its own.
const TALL: u16 = 8;

/// A few words, and a name for them where there is room for one.
struct Phrase {
    name: &'static str,
    words: String,
    style: Style,
}

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let mut phrases = phrases(state);
    let mut text_area = area;
    let lines: Vec<Line<'_>> = if area.height >= TALL {
        title(frame, area, "Shown", "");
        text_area.y += 1;
        text_area.height -= 1;
        phrases.push(drawn(state));
        phrases.into_iter().map(named).collect()
    } else {
        vec![joined(phrases)]
    };
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: true });
    frame.render_widget(paragraph, text_area);
}

fn named(phrase: Phrase) -> Line<'static> {
    let name = Span::from(format!("{} ", phrase.name)).dim();
    Line::from(vec![name, Span::styled(phrase.words, phrase.style)])
}

fn joined(phrases: Vec<Phrase>) -> Line<'static> {
    let mut spans = Vec::new();
    for phrase in phrases {
        if !spans.is_empty() {
            spans.push(Span::from(" · ").dim());
        }
        if phrase.name == "guessed" {
            spans.push(Span::styled("guessed: ", phrase.style));
        }
        spans.push(Span::styled(phrase.words, phrase.style));
    }
    Line::from(spans)
}

fn phrases(state: &State) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    let mut say = |name, words: String, style| phrases.push(Phrase { name, words, style });
    let plain = Style::new();
    if let Some(shown) = &state.shown {
        let explanation = &shown.explanation;
        let (label, probability) = (&explanation.target.label, explanation.target.probability);
        let class = format!("{label} {}", percent(probability));
        say("class", class, plain.bold());
        if let Some(warning) = warning(shown) {
            say("map", warning.to_owned(), plain.yellow());
        }
        say("layer", explanation.layer(), plain);
        say("method", explanation.method().to_owned(), plain);
        say("view", how(shown.style), plain);
        if state.current().map(|image| image.id) != Some(shown.image) {
            let name = state.image(shown.image).name.clone();
            say("image", format!("still {name}"), plain.yellow());
        }
    }
    if let Some(summary) = state.summary() {
        say("recipe", summary.recipe_and_source(), plain);
        if !summary.guesses.is_empty() {
            say("guessed", summary.guesses.join("; "), plain.yellow());
        }
    }
    phrases
}

/// How the picture is put on the terminal, and why so.
fn drawn(state: &State) -> Phrase {
    let capabilities = &state.capabilities;
    Phrase {
        name: "drawn",
        words: format!(
            "by {}: {}",
            capabilities.protocol.name(),
            capabilities.reason
        ),
        style: Style::new().dim(),
    }
}

fn warning(shown: &Outcome) -> Option<&'static str> {
    match shown.explanation.heatmap.state {
        MapState::Ok => None,
        MapState::Empty => Some("all zero: no positive evidence for this class"),
        MapState::Nan => Some("has values that are not numbers"),
    }
}

fn how(style: PictureStyle) -> String {
    let (view, colormap) = (style.view.name(), style.colormap.name());
    match style.view {
        View::Image => view.to_owned(),
        View::Heatmap => format!("{view}, {colormap}"),
        View::Overlay | View::SideBySide => {
            format!("{view}, {colormap} at {:.0}%", style.opacity * 100.0)
        }
    }
}
