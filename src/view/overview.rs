//! The summary: figures, verdicts and calibration on one side, the classes on the other.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::{chosen, hints};
use crate::app::counted::class_name;
use crate::app::overview::{ALARM, Areas, ClassesBy, Entry, Overview, Side};
use crate::app::state::State;
use crate::dataset::summary::{BINS, ClassFigures, Rate, Summary};
use crate::keymap::SUMMARY_BINDINGS;
use crate::text::{count, figures, head, middle, padded, visible};

/// Columns of the name of a figure.
const NAME: usize = 20;
/// Columns of its value.
const VALUE: usize = 9;
/// Columns of a number of a class.
const NUMBER: usize = 10;
/// Signs of a bar.
const BAR: usize = 10;

pub(super) fn draw(state: &State, overview: &Overview, frame: &mut Frame<'_>) {
    let Some(areas) = overview.areas(state.size) else {
        return;
    };
    frame.render_widget(heading(state, overview, &areas), areas.page.title);
    if let Some(alarm) = &overview.counted.summary.alarm {
        let mark = Span::from(ALARM).bold().reversed();
        let line = Line::from(vec![mark, Span::from(visible(alarm)).bold()]);
        let paragraph = Paragraph::new(line)
            .fg(state.colors.warning)
            .wrap(Wrap { trim: true });
        frame.render_widget(paragraph, areas.alarm);
    }
    if areas.is_wide || overview.side == Side::Figures {
        draw_figures(overview, areas.figures, frame);
    }
    if areas.is_wide || overview.side == Side::Classes {
        draw_classes(state, overview, areas.classes, frame);
    }
    let [full, line] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(areas.page.detail);
    let words = detail(state, overview);
    frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: true }), full);
    let words = if state.message.is_empty() {
        let queue = overview.queue(&state.labels);
        let words = queue.map_or_else(String::new, |(filter, order)| {
            format!("Enter: {}, in the order {order}", visible(&filter))
        });
        Span::from(words).dim()
    } else {
        Span::from(state.message.clone()).bold()
    };
    frame.render_widget(words, line);
    let keys = SUMMARY_BINDINGS
        .iter()
        .map(|binding| match (binding.hint, overview.side) {
            ("classes", Side::Classes) => (binding.first_key(), "figures"),
            (hint, _) => (binding.first_key(), hint),
        });
    hints(frame, areas.page.footer, keys.collect());
}

/// The name of the page, which of the lists is shown where both have no room, and how far it is.
fn heading(state: &State, overview: &Overview, areas: &Areas) -> Line<'static> {
    let far = format!(" {}", overview.counted.how_far(state));
    let mut spans = vec![Span::from("Summary").bold(), Span::from(" ")];
    if !areas.is_wide {
        for (side, name) in [(Side::Figures, " figures "), (Side::Classes, " classes ")] {
            let style = if overview.side == side {
                chosen()
            } else {
                Style::new().dim()
            };
            spans.push(Span::styled(name, style));
        }
        spans.push(Span::from(" "));
    }
    let taken: usize = spans.iter().map(Span::width).sum();
    let rule = usize::from(areas.page.title.width).saturating_sub(taken + far.width());
    spans.push(Span::from("─".repeat(rule)).dim());
    spans.push(Span::from(far).dim());
    Line::from(spans)
}

fn draw_figures(overview: &Overview, area: Rect, frame: &mut Frame<'_>) {
    let cursor = overview.figure;
    let entries = overview.entries.iter().enumerate().skip(cursor.scroll);
    for (y, (place, entry)) in (area.y..area.bottom()).zip(entries) {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        let width = usize::from(area.width);
        if let Entry::Heading(name) = entry {
            let words = match *name {
                "Calibration" => "Calibration: how sure the network is, and how often right",
                name => name,
            };
            frame.render_widget(Line::from(head(words, width)).bold(), row);
            continue;
        }
        let is_selected = place == cursor.selected;
        let text = entry_row(&overview.counted.summary, *entry);
        let line = selectable(&text, is_selected, overview.side == Side::Figures, width);
        frame.render_widget(line, row);
    }
}

/// A row with a pointer where it is selected, and reversed where the keys move it.
fn selectable(text: &str, selected: bool, active: bool, width: usize) -> Line<'static> {
    let pointer = if selected { "▸ " } else { "  " };
    let text = padded(&head(&format!("{pointer}{text}"), width), width);
    match (selected, active) {
        (true, true) => Line::from(text).style(chosen()),
        (true, false) => Line::from(text).style(Style::new().add_modifier(Modifier::BOLD)),
        (false, _) => Line::from(text),
    }
}

/// "93.8 %".
fn percent(share: Option<f32>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn entry_row(summary: &Summary, entry: Entry) -> String {
    let of_images = |n: usize| (n.to_string(), format!("of {}", summary.images));
    let (name, (value, note)) = match entry {
        Entry::Heading(_) => return String::new(),
        Entry::Top1 => ("accuracy, top 1", rate(summary.top1)),
        Entry::Top5 => ("accuracy, top 5", rate(summary.top5)),
        Entry::Loss => (
            "mean loss",
            (number(summary.loss), "nats, cross entropy".to_owned()),
        ),
        Entry::Confidence => (
            "mean confidence",
            (percent(summary.confidence), "of all scored".to_owned()),
        ),
        Entry::CalibrationError => (
            "calibration error",
            (
                percent(summary.calibration.error()),
                "expected, 15 bins".to_owned(),
            ),
        ),
        Entry::Scored => ("scored", of_images(summary.scored)),
        Entry::Unreadable => ("cannot be read", of_images(summary.unreadable)),
        Entry::Known => ("true class known", of_images(summary.known)),
        Entry::Reviewed => ("reviewed", of_images(summary.reviewed)),
        Entry::Verdict(place) => {
            let verdict = summary.verdicts.get(place);
            let (name, count) = verdict.map_or(("", 0), |(name, count)| (name, *count));
            let name = padded(&middle(&visible(name), NAME + VALUE), NAME + VALUE);
            return format!("{name} {count:>6}");
        }
        Entry::Bin(bin) => return bin_row(summary, bin),
    };
    format!("{} {value:>VALUE$}  {note}", padded(name, NAME))
}

/// The rate and what it was counted of, with its interval.
fn rate(rate: Rate) -> (String, String) {
    let note = match rate.interval() {
        None => "nothing to compare".to_owned(),
        Some([low, high]) => {
            let [low, high] = [low, high].map(|bound| format!("{:.1}", bound * 100.0));
            format!("{} of {}, {low}–{high} %", rate.hits, rate.of)
        }
    };
    (percent(rate.share()), note)
}

fn number(value: Option<f32>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| figures(value, 3))
}

/// " 87–93 %   1234 images  sure 90 %  right 85 %  ████████│·".
fn bin_row(summary: &Summary, place: usize) -> String {
    let bin = &summary.calibration.bins()[place.min(BINS - 1)];
    let edge = |edge: usize| edge as f32 / BINS as f32 * 100.0;
    let range = format!("{:.0}–{:.0} %", edge(place), edge(place + 1));
    let [sure, right] = [bin.confidence(), bin.accuracy()].map(|share| share.unwrap_or(0.0));
    format!(
        "{range:>8} {:>7}  sure {:>3.0} %  right {:>3.0} %  {}",
        bin.count,
        sure * 100.0,
        right * 100.0,
        bar(right, sure)
    )
}

/// How often right as a bar, with a stroke where it would be as often as the network is sure.
fn bar(right: f32, sure: f32) -> String {
    let signs = BAR as f32;
    #[expect(clippy::cast_possible_truncation, reason = "up to the length of a bar")]
    let [full, stroke] = [right, sure].map(|share| (share * signs).round() as usize);
    let sign = |at: usize| match at {
        at if at == stroke => '│',
        at if at < full => '█',
        _ => '·',
    };
    (0..=BAR).map(sign).collect()
}

fn draw_classes(state: &State, overview: &Overview, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let name = width.saturating_sub(2 + 4 * NUMBER);
    let mut spans = vec![Span::from(padded("  class", 2 + name))];
    for (by, heading) in [
        (Some(ClassesBy::Images), "images"),
        (Some(ClassesBy::Recall), "recall"),
        (Some(ClassesBy::Precision), "precision"),
        (None, "predicted"),
    ] {
        let pad = NUMBER.saturating_sub(heading.width());
        let heading = Span::from(heading).bold();
        let is_order = by == Some(overview.by);
        spans.push(Span::from(" ".repeat(pad)));
        spans.push(if is_order {
            heading.underlined()
        } else {
            heading
        });
    }
    frame.render_widget(
        Line::from(spans),
        Rect {
            height: 1.min(area.height),
            ..area
        },
    );
    if overview.classes.is_empty() {
        let words = overview.counted.why_nothing(state).unwrap_or_default();
        let below = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
        frame.render_widget(Paragraph::new(words).dim().wrap(Wrap { trim: true }), below);
        return;
    }
    let cursor = overview.class;
    let classes = overview.classes.iter().enumerate().skip(cursor.scroll);
    for (y, (place, figures)) in (area.y + 1..area.bottom()).zip(classes) {
        let text = class_row(state, *figures, name);
        let is_active = overview.side == Side::Classes;
        let line = selectable(&text, place == cursor.selected, is_active, width);
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(line, row);
    }
}

fn class_row(state: &State, figures: ClassFigures, name_width: usize) -> String {
    let name = class_name(&state.labels, figures.class);
    let name = padded(&middle(&name, name_width), name_width);
    format!(
        "{name}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}",
        figures.support,
        percent(figures.recall()),
        percent(figures.precision()),
        figures.predicted
    )
}

/// The selected row in full words.
fn detail(state: &State, overview: &Overview) -> String {
    let summary = &overview.counted.summary;
    if overview.side == Side::Classes {
        let Some(class) = overview.class() else {
            return String::new();
        };
        let name = class_name(&state.labels, class.class);
        return format!(
            "{name}: {} right of {} that are {name}, {} predicted as {name}",
            class.right,
            count(class.support, "image"),
            class.predicted
        );
    }
    let words = match overview.entry() {
        None | Some(Entry::Heading(_)) => "",
        Some(Entry::Top1) => {
            "how often the top class is a true one; the range has it with 95 % confidence (Wilson)"
        }
        Some(Entry::Top5) => "how often a true class is among the best five",
        Some(Entry::Loss) => "cross entropy with the true class, where its logit is known",
        Some(Entry::Confidence) => {
            "mean probability of the top class; far above the accuracy, the network is too sure"
        }
        Some(Entry::CalibrationError) => {
            "mean distance between how sure the network is and how often it is right (Guo 2017)"
        }
        Some(Entry::Scored) => "images that the network has answered; Enter: those it has not",
        Some(Entry::Unreadable) => "images that cannot be read",
        Some(Entry::Known) => "images with a known true class; Enter: those without",
        Some(Entry::Reviewed) => "images with a verdict, a note or a tag",
        Some(Entry::Verdict(place)) => {
            let name = summary.verdicts.get(place).map_or("", |(name, _)| name);
            return format!("images with the verdict {}", visible(name));
        }
        Some(Entry::Bin(_)) => {
            "images by the probability of the top class: the bar is how often it is right, the \
             stroke how often it should be"
        }
    };
    words.to_owned()
}
