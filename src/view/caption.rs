//! The caption: what the picture shows, in words. It describes the picture that is on the screen,
//! also while a newer one is on its way.
//!
//! Where there is little room the phrases stand one after the other, those first without which the
//! picture would be taken for another one; a mark at the end says that some are left out.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::{percent, status, title};
use crate::app::state::State;
use crate::dataset::ImageId;
use crate::explain::options::Options;
use crate::explain::target::Measure;
use crate::explain::{Explanation, Prediction};
use crate::heatmap::{MapState, THRESHOLD};
use crate::job::Outcome;
use crate::picture::overlay::in_row;
use crate::picture::{Marks, Style as PictureStyle, View};
use crate::text::{figures, visible};

/// From this height on, every phrase has a line of its own.
const TALL: u16 = 8;
/// Between two phrases on one line.
const DOT: &str = " · ";
/// Classes up to this rank are among the predictions that are shown.
const TOP: usize = 5;

/// A few words, and a name for them where there is room for one.
struct Phrase {
    name: &'static str,
    words: String,
    /// The same where there is little room.
    brief: String,
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
        vec![joined(fitting(phrases, area))]
    };
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: true });
    frame.render_widget(paragraph, text_area);
}

fn named(phrase: Phrase) -> Line<'static> {
    let name = Span::from(format!("{} ", phrase.name)).dim();
    Line::from(vec![name, Span::styled(phrase.words, phrase.style)])
}

/// As many phrases as fit into an area, the first in any case; in brief where they do not all fit.
fn fitting(mut phrases: Vec<Phrase>, area: Rect) -> Vec<Phrase> {
    let fits = |phrases: &[Phrase]| {
        let words: Vec<String> = phrases.iter().map(Phrase::on_a_line).collect();
        wrapped_rows(&words.join(DOT), usize::from(area.width)) <= usize::from(area.height)
    };
    if fits(&phrases) {
        return phrases;
    }
    for phrase in &mut phrases {
        phrase.words.clone_from(&phrase.brief);
    }
    if fits(&phrases) {
        return phrases;
    }
    let left_out = || Phrase {
        name: "",
        words: "…".to_owned(),
        brief: String::new(),
        style: Style::new(),
    };
    phrases.push(left_out());
    while phrases.len() > 2 && !fits(&phrases) {
        phrases.remove(phrases.len() - 2);
    }
    phrases
}

/// How many rows a text takes, wrapped at spaces.
fn wrapped_rows(text: &str, width: usize) -> usize {
    let width = width.max(1);
    let (mut rows, mut used) = (1, 0);
    for word in text.split(' ') {
        let word = word.width();
        let with_space = if used == 0 { word } else { used + 1 + word };
        if with_space <= width {
            used = with_space;
        } else {
            rows += usize::from(used > 0) + word.saturating_sub(1) / width;
            used = match word % width {
                0 if word > 0 => width,
                rest => rest,
            };
        }
    }
    rows
}

fn joined(phrases: Vec<Phrase>) -> Line<'static> {
    let mut spans = Vec::new();
    for phrase in phrases {
        if !spans.is_empty() {
            spans.push(Span::from(DOT).dim());
        }
        spans.push(Span::styled(phrase.on_a_line(), phrase.style));
    }
    Line::from(spans)
}

impl Phrase {
    fn on_a_line(&self) -> String {
        match self.name {
            "guessed" => format!("guessed: {}", self.words),
            "channels" | "scale" | "truth" | "review" => format!("{} {}", self.name, self.words),
            _ => self.words.clone(),
        }
    }
}

fn phrases(state: &State) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    let mut say = |name, (words, brief): (String, String), style| {
        if !words.is_empty() {
            phrases.push(Phrase {
                name,
                words,
                brief,
                style,
            });
        }
    };
    let same = |words: String| (words.clone(), words);
    let plain = Style::new();
    if state.full_screen
        && let Some(progress) = status::progress(state)
    {
        say("now", same(progress), plain.bold());
    }
    if let Some(shown) = &state.shown {
        let explanation = &shown.explanation;
        say("class", classes(shown), plain.bold());
        say("review", same(review(state, shown.image)), plain.cyan());
        if state.current().map(|image| image.id) != Some(shown.image) {
            let name = state.image(shown.image).name.clone();
            say("image", same(format!("still {name}")), plain.yellow());
        }
        say("map", same(warnings(shown)), plain.yellow());
        say("score", score(explanation), plain);
        say("layer", layer(explanation), plain);
        say("method", same(method(explanation)), plain);
        say("scale", same(scale(shown)), plain);
        say("view", how(shown.style, &explanation.options), plain);
        say("channels", same(channels(explanation)), plain);
        say("truth", same(truth(state, shown)), plain);
    }
    if let Some(summary) = state.summary() {
        say("recipe", same(summary.recipe_and_source()), plain);
        say("guessed", same(summary.guesses.join("; ")), plain.yellow());
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
        brief: String::new(),
        style: Style::new().dim(),
    }
}

/// The class or the two classes, and what was subtracted.
fn classes(shown: &Outcome) -> (String, String) {
    let explanation = &shown.explanation;
    let said = |name: fn(&Prediction) -> String| {
        let first = name(&explanation.target);
        let both = match &shown.beside {
            None => first,
            Some(_) if shown.style.view == View::Image => first,
            Some(beside) => {
                let (one, other) = sides(shown);
                format!("{one} {first}, {other} {}", name(&beside.target))
            }
        };
        match &explanation.versus {
            Some(versus) => format!("{both}, rather than {}", name(versus)),
            None => both,
        }
    };
    let is_one = shown.beside.is_none() && explanation.versus.is_none();
    let brief = if is_one {
        named_class
    } else {
        |class: &Prediction| class.label.clone()
    };
    (said(named_class), said(brief))
}

/// Where the two classes are, seen from each other.
fn sides(shown: &Outcome) -> (&'static str, &'static str) {
    match (
        in_row(&shown.picture, &shown.geometry, shown.style.view),
        shown.style.view,
    ) {
        (true, View::SideBySide) => ("middle", "right"),
        (true, _) => ("left", "right"),
        (false, View::SideBySide) => ("middle", "bottom"),
        (false, _) => ("top", "bottom"),
    }
}

/// "tabby 62.0%", with its rank where it is not among the predictions.
fn named_class(class: &Prediction) -> String {
    let words = format!("{} {}", class.label, percent(class.probability));
    if class.rank > TOP {
        format!("{words} (rank {})", class.rank)
    } else {
        words
    }
}

/// What is wrong with the maps, in words.
fn warnings(shown: &Outcome) -> String {
    match &shown.beside {
        None => warning(&shown.explanation, shown.style).unwrap_or_default(),
        Some(beside) => [&shown.explanation, beside]
            .into_iter()
            .filter_map(|one| {
                let words = warning(one, shown.style)?;
                Some(format!("{}: {words}", one.target.label))
            })
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn warning(explanation: &Explanation, style: PictureStyle) -> Option<String> {
    match explanation.heatmap.state {
        MapState::Empty if style.signed => {
            Some("no evidence of the positive sign anywhere".to_owned())
        }
        _ => explanation.warning(),
    }
}

/// What is explained, where it is not the class's logit.
fn score(explanation: &Explanation) -> (String, String) {
    let options = &explanation.options;
    let (mut words, mut brief) = (Vec::new(), Vec::new());
    if options.counterfactual {
        words.push("counterfactual: what speaks against it");
        brief.push("counterfactual");
    }
    if options.measure == Measure::Probability {
        words.push("of the softmax probability");
        brief.push("of the probability");
    }
    (words.join(", "), brief.join(", "))
}

/// The layer or the layers.
fn layer(explanation: &Explanation) -> (String, String) {
    let words = explanation.layer();
    let brief = match explanation.layers.len() {
        0 | 1 => words.clone(),
        several => format!(
            "{} of {several} layers",
            explanation.options.joined_by().name()
        ),
    };
    (words, brief)
}

/// The channels that weigh most.
fn channels(explanation: &Explanation) -> String {
    let channels: Vec<String> = explanation
        .channels
        .iter()
        .map(|one| format!("{} ({})", one.channel, figures(one.weight, 2)))
        .collect();
    channels.join(", ")
}

/// The color scale, where it is not the picture's own.
fn scale(shown: &Outcome) -> String {
    let end = figures(shown.scale_end(), 2);
    let range = if shown.style.signed {
        format!("−{end} to {end}")
    } else {
        format!("0 to {end}")
    };
    match (shown.style.scale, &shown.beside) {
        _ if shown.style.view == View::Image => String::new(),
        (Some(_), _) => format!("fixed, {range}"),
        (None, Some(_)) => format!("shared, {range}"),
        (None, None) if shown.style.signed => range,
        (None, None) => String::new(),
    }
}

fn method(explanation: &Explanation) -> String {
    let options = &explanation.options;
    let mut words = vec![explanation.method()];
    if options.aug_smooth {
        words.push("aug_smooth");
    }
    if options.eigen_smooth {
        words.push("eigen_smooth");
    }
    words.join(", ")
}

/// What was said of an image, and by whom.
fn review(state: &State, image: ImageId) -> String {
    let Some(said) = state.review.said.get(&image) else {
        return String::new();
    };
    let mut words: Vec<String> = said
        .review
        .verdict
        .iter()
        .map(|name| visible(name))
        .collect();
    if !said.review.tags.is_empty() {
        words.push(format!("tags {}", visible(&said.review.tags.join(", "))));
    }
    if !said.review.note.is_empty() {
        words.push(format!(
            "\u{201c}{}\u{201d}",
            visible(&said.review.note.replace('\n', " "))
        ));
    }
    if words.is_empty() {
        return String::new();
    }
    format!("{} ({})", words.join(", "), visible(&said.stamp.by))
}

/// The true classes of the image, where they are known.
fn truth(state: &State, shown: &Outcome) -> String {
    let classes = state.true_classes(shown.image);
    let classes = classes.iter();
    let labels: Vec<&str> = classes
        .filter_map(|class| Some(state.labels.get(class.0)?.as_str()))
        .collect();
    labels.join(", ")
}

/// How it is drawn.
fn how(style: PictureStyle, options: &Options) -> (String, String) {
    let view = style.view.name();
    if style.view == View::Image {
        return (view.to_owned(), view.to_owned());
    }
    let colors = match (style.signed, options.counterfactual) {
        (false, _) => style.colormap.name(),
        (true, false) => "red for, blue against",
        // The score is negated, and so are the signs of the map.
        (true, true) => "red against, blue for",
    };
    let opacity = match style.view {
        View::Heatmap => String::new(),
        _ => format!(" at {:.0}%", style.opacity * 100.0),
    };
    let words = format!("{view}, {colors}{opacity}");
    if style.marks == Marks::NONE {
        return (words, format!("{colors}{opacity}"));
    }
    let marks = style.marks.name();
    let threshold = THRESHOLD * 100.0;
    (
        format!("{words}, {marks} at {threshold:.0}% of the maximum"),
        format!("{colors}{opacity}, {marks} at {threshold:.0}%"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_a_paragraph_wraps_them() {
        let texts = [
            "",
            "one",
            "one two three four",
            "a-word-that-is-longer-than-the-line and more",
            "bird 0 62.0% · layer4 · Grad-CAM · overlay, jet at 50%",
        ];
        for text in texts {
            for width in 5..40 {
                let paragraph = Paragraph::new(text).wrap(Wrap { trim: true });
                let area = Rect::new(0, 0, width, 40);
                let mut buffer = ratatui::buffer::Buffer::empty(area);
                ratatui::widgets::Widget::render(paragraph, area, &mut buffer);
                let cells = usize::from(width);
                let rows = buffer.content.chunks(cells);
                let used = rows.filter(|row| row.iter().any(|cell| cell.symbol() != " "));
                let counted = wrapped_rows(text, cells);
                assert_eq!(counted, used.count().max(1), "{text:?} in {width}");
            }
        }
    }
}
