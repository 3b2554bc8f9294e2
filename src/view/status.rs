//! The status line and the footer of keys.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};

use unicode_width::UnicodeWidthStr;

use super::{head, hints, tail};
use crate::app::review::{Writing, Written};
use crate::app::state::{Exporting, Mode, ModelState, Search, State};
use crate::dataset::ImageId;
use crate::dataset::order::Order;
use crate::job::Progress;
use crate::keymap::Command;
use crate::text::{count, visible};

/// Where the accuracy of all images cannot be true.
const ALARM: &str = "! absurd accuracy";

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let line = if let Mode::Write(writing) = &state.mode {
        written(state, writing, width)
    } else if progress(state).is_some() || state.export.is_some() {
        let message = Some(state.message.clone()).filter(|message| !message.is_empty());
        let words = [progress(state), export(state), message];
        let words: Vec<String> = words.into_iter().flatten().collect();
        Line::from(head(&words.join(" · "), width)).bold()
    } else if state.message.is_empty() {
        let alarm = state.review.alarm.as_ref();
        let alarm = alarm.map_or_else(String::new, |_| {
            format!(
                "{ALARM}; {} tells more",
                state.keymap.called(Command::Summary)
            )
        });
        let gap = if alarm.is_empty() { "" } else { " " };
        let room = width.saturating_sub(alarm.width() + gap.width());
        Line::from(vec![
            Span::from(alarm).bold().fg(state.colors.warning).reversed(),
            Span::from(format!("{gap}{}", head(&summary(state), room))).dim(),
        ])
    } else {
        Line::from(head(&state.message, width)).bold()
    };
    frame.render_widget(line, area);
}

/// A line that is being typed, with the cursor, and what it does.
fn written(state: &State, writing: &Writing, width: usize) -> Line<'static> {
    let name = match &writing.what {
        Written::Filter { .. } => "/".to_owned(),
        Written::Note(images) => format!("note{} ", several(images.len())),
        Written::Tags(images) => format!("tags{} ", several(images.len())),
        Written::ViewName => "name of the queue: ".to_owned(),
        Written::Export => "write to (.csv .jsonl .parquet .html FOLDER/): ".to_owned(),
    };
    let told = match (&writing.what, &state.review.fault) {
        (Written::Filter { .. }, Some(fault)) => format!(" {fault}"),
        (Written::Filter { offers, offered }, None) => {
            let about = offered.and_then(|place| offers.get(place));
            match about {
                Some(offer) => format!(
                    " {} ({} of {})",
                    offer.about,
                    offered.map_or(0, |place| place + 1),
                    offers.len()
                ),
                None => format!(" {}", count(state.queue.len(), "image")),
            }
        }
        _ => String::new(),
    };
    let (value, cursor) = (writing.line.value(), writing.line.cursor());
    let before: String = value.chars().take(cursor).collect();
    let after: String = value.chars().skip(cursor).collect();
    // The cursor stays on the screen, whatever the length of the line.
    let room = width.saturating_sub(name.width() + 1);
    let before = tail(&before, room);
    let after = head(&after, room.saturating_sub(before.width()));
    let rest = room.saturating_sub(before.width() + after.width());
    let told = head(&told, rest);
    let offered = offers(writing, rest.saturating_sub(told.width()));
    let told = Span::from(told);
    Line::from(vec![
        Span::from(name).bold(),
        Span::from(before),
        Span::from("▏"),
        Span::from(after),
        if state.review.fault.is_some() {
            told.fg(state.colors.wrong)
        } else {
            told.dim()
        },
        Span::from(offered).dim().italic(),
    ])
}

/// How the filter can go on, as far as there is room; nothing while Tab goes through it.
fn offers(writing: &Writing, room: usize) -> String {
    let Written::Filter {
        offers,
        offered: None,
    } = &writing.what
    else {
        return String::new();
    };
    let mut words = String::new();
    for offer in offers {
        let lead = if words.is_empty() { "  Tab: " } else { "  " };
        let offer = visible(&offer.text);
        if words.width() + lead.width() + offer.width() > room {
            break;
        }
        words.push_str(lead);
        words.push_str(&offer);
    }
    words
}

/// " (3 images)", where there are several.
fn several(images: usize) -> String {
    match images {
        1 => String::new(),
        more => format!(" ({})", count(more, "image")),
    }
}

/// What the wanted picture waits for: a file that does not answer, or a slow explanation and how to
/// stop it.
pub(super) fn progress(state: &State) -> Option<String> {
    if let Some((image, seconds)) = state.slow {
        let words = unanswered(state, image, seconds);
        let others = match state.current() {
            Some(current) if current.id != image => "nor have others; this image waits for them",
            _ => "any other image can be looked at",
        };
        return Some(format!("{words}; {others}"));
    }
    let (done, total) = state.progress?;
    let method = state.options.method.method().name;
    Some(format!(
        "{method} {done} of {total} · Esc or any change stops"
    ))
}

/// How far the export is, and how to stop it.
fn export(state: &State) -> Option<String> {
    let Exporting { done, total, slow } = state.export?;
    let far = match total {
        0 => "writing the queue".to_owned(),
        _ => format!("{done} of {} drawn", count(total, "image")),
    };
    let slow = slow.map(|(image, seconds)| unanswered(state, image, seconds));
    let words = [Some(far), slow, Some("Esc calls it off".to_owned())];
    Some(words.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

/// "a.png has not answered for 12 s".
fn unanswered(state: &State, image: ImageId, seconds: u64) -> String {
    let waited = in_words(Duration::from_secs(seconds));
    format!("{} has not answered for {waited}", state.image(image).name)
}

fn summary(state: &State) -> String {
    let mut parts = match &state.model {
        ModelState::Loading => vec!["loading the model…".to_owned()],
        ModelState::Unavailable(_) => vec!["no model".to_owned()],
        ModelState::Ready(model) => vec![match &model.device_note {
            Some(note) => format!("{} ({note})", model.device_and_precision()),
            None => model.device_and_precision(),
        }],
    };
    if state.is_waiting() && state.summary().is_some() {
        parts.push("working…".to_owned());
    }
    if matches!(state.search, Search::UnderWay) {
        let images = count(state.images.len(), "image");
        parts.push(format!("searching, {images} so far"));
    }
    parts.extend(scoring(state));
    if let Err(reason) = &state.review.kept {
        parts.push(format!("verdicts are not kept: {reason}"));
    }
    if !state.filter.is_empty() {
        parts.push(format!(
            "{} {} of {}",
            state.filter,
            state.queue.len(),
            state.images.len()
        ));
    }
    if state.review.order != Order::default() {
        parts.push(format!("order {}", state.review.order));
    }
    if let Some(shown) = &state.shown {
        let times = shown.times;
        let stages = [
            ("decode", times.decode + times.prepare),
            ("forward", times.forward),
            ("map", times.explain),
            ("draw", times.compose),
        ];
        let taken: Vec<String> = stages
            .iter()
            .filter(|(_, time)| *time > Duration::ZERO)
            // Of one width, so that other times do not move what follows.
            .map(|(name, time)| format!("{name} {:>5.1} ms", time.as_secs_f64() * 1000.0))
            .collect();
        if !taken.is_empty() {
            parts.push(taken.join(", "));
        }
    }
    if let Some(model) = state.summary() {
        let (name, family, classes) = (&model.name, &model.family, model.classes);
        parts.push(format!("{name}: {family}, {classes} classes"));
    }
    parts.join(" · ")
}

/// How far the scoring of the folder is; nothing when it is done.
fn scoring(state: &State) -> Option<String> {
    let Progress {
        done,
        total,
        per_second,
        late,
    } = state.scoring;
    if done == total {
        return None;
    }
    let far = format!("scored {done} of {total}");
    let left = total - done - late.map_or(0, |late| late.files);
    let far = match per_second.filter(|rate| *rate > 0.0 && left > 0) {
        Some(rate) => {
            let left = Duration::from_secs_f64(left as f64 / rate);
            format!("{far}, {rate:.0}/s, {} left", in_words(left))
        }
        None => far,
    };
    let late = late.map(|late| {
        let words = unanswered(state, late.image, late.seconds);
        match late.files {
            1 => format!(", {words}"),
            2 => format!(", {words}, nor has 1 other"),
            files => format!(", {words}, nor have {} others", files - 1),
        }
    });
    Some(far + &late.unwrap_or_default())
}

/// "40 s", "12 min", "3 h 20 min".
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

pub(super) fn footer(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let keys = match &state.mode {
        Mode::Write(writing) => {
            let (enter, tab, leave) = match writing.what {
                Written::Filter { .. } => ("keep", "complete", "all images"),
                Written::Tags(_) => ("keep", "complete", "leave"),
                Written::Note(_) => ("keep", "", "leave"),
                Written::ViewName => ("save the queue", "", "leave"),
                Written::Export => ("write", "", "leave"),
            };
            let key = |key: &str, hint| (key.to_owned(), hint);
            let editor = match writing.what {
                Written::Note(_) => "editor",
                _ => "",
            };
            vec![
                key("Tab", tab),
                key("Ctrl-e", editor),
                key("Enter", enter),
                key("Esc", leave),
            ]
        }
        _ => state.keymap.hints(),
    };
    hints(frame, area, keys);
}
