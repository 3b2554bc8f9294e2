//! A line that is typed: the queue, a note, tags, a name.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::review::{change, standing, subjects};
use super::{requeue, select, step};
use crate::app::event::{Effect, Keep, Then};
use crate::app::review::{Writing, Written, tags_of};
use crate::app::state::{Exporting, Mode, State};
use crate::dataset::ImageId;
use crate::dataset::query::{Query, Vocabulary, complete};
use crate::dataset::store::View;
use crate::keymap::Command;
use crate::text::count;

/// Begins a line.
pub(super) fn begin(state: &mut State, what: Written, text: String) {
    let line = Input::new(text);
    state.mode = Mode::Write(Writing { what, line });
}

pub(super) fn filter(state: &mut State) {
    let what = Written::Filter {
        offers: Vec::new(),
        offered: None,
    };
    state.review.anchor = state.current().map(|image| image.id);
    let line = Input::new(state.filter.clone());
    let mut writing = Writing { what, line };
    suggest(state, &mut writing);
    state.mode = Mode::Write(writing);
}

/// A note on the marked images, or on the selected one. Several begin with an empty one.
pub(super) fn note(state: &mut State) {
    let images = subjects(state);
    let text = match images.as_slice() {
        [] => return,
        [image] => standing(state, *image).note.to_string(),
        _ => String::new(),
    };
    if text.contains('\n') {
        let key = state.keymap.called(Command::EditNote);
        state.message = format!("the note has several lines; {key} opens it in your editor");
        return;
    }
    begin(state, Written::Note(images), text);
}

/// The note in the user's editor.
pub(super) fn edit(state: &State) -> Vec<Effect> {
    let images = subjects(state);
    let note = match images.as_slice() {
        [] => return Vec::new(),
        [image] => standing(state, *image).note,
        _ => Arc::from(""),
    };
    vec![Effect::Edit { images, note }]
}

/// Tags of the marked images, or of the selected one; several begin with those that all have.
pub(super) fn tags(state: &mut State) {
    let images = subjects(state);
    let Some((first, others)) = images.split_first() else {
        return;
    };
    let mut tags: Vec<Arc<str>> = standing(state, *first).tags.to_vec();
    tags.retain(|tag| {
        let has = |image: &ImageId| standing(state, *image).tags.contains(tag);
        others.iter().all(has)
    });
    begin(state, Written::Tags(images), tags.join(", "));
}

pub(super) fn on_key(state: &mut State, mut writing: Writing, key: KeyEvent) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let is_filter = matches!(writing.what, Written::Filter { .. });
    match key.code {
        KeyCode::Enter => return finish(state, writing),
        KeyCode::Esc => {
            state.review.anchor = None;
            if is_filter {
                state.filter.clear();
                state.review.fault = None;
                set_query(state);
            }
            return Vec::new();
        }
        KeyCode::Down if is_filter => step(state, 1),
        KeyCode::Up if is_filter => step(state, -1),
        KeyCode::Tab | KeyCode::BackTab => {
            offer(state, &mut writing, key.code == KeyCode::Tab);
            take_filter(state, &writing);
        }
        KeyCode::Char('e') if control => {
            if let Written::Note(images) = writing.what {
                let note = Arc::from(writing.line.value());
                return vec![Effect::Edit { images, note }];
            }
        }
        _ => {
            if let Some(request) = request(key) {
                writing.line.handle(request);
                suggest(state, &mut writing);
                take_filter(state, &writing);
            }
        }
    }
    state.mode = Mode::Write(writing);
    Vec::new()
}

pub(super) fn on_paste(state: &mut State, text: &str) {
    if let Mode::Write(writing) = &mut state.mode {
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            writing.line.handle(InputRequest::InsertChar(letter));
        }
        let mut writing = writing.clone();
        suggest(state, &mut writing);
        take_filter(state, &writing);
        state.mode = Mode::Write(writing);
    }
}

/// What a key does to a line; as in a shell.
fn request(key: KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('b') if control => InputRequest::GoToPrevChar,
        KeyCode::Char('f') if control => InputRequest::GoToNextChar,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('u') if control => InputRequest::DeleteFromStart,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('d') if control => InputRequest::DeleteNextChar,
        KeyCode::Char('h') if control => InputRequest::DeletePrevChar,
        KeyCode::Char('y') if control => InputRequest::Yank,
        KeyCode::Char('b') if alt => InputRequest::GoToPrevWord,
        KeyCode::Char('f') if alt => InputRequest::GoToNextWord,
        KeyCode::Char(letter) if !control && !alt => InputRequest::InsertChar(letter),
        KeyCode::Left if control => InputRequest::GoToPrevWord,
        KeyCode::Right if control => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        _ => return None,
    })
}

/// The line is done.
fn finish(state: &mut State, writing: Writing) -> Vec<Effect> {
    let text = writing.line.value().trim();
    match &writing.what {
        Written::Filter { .. } => {
            if let Some(fault) = &state.review.fault {
                state.message = fault.to_string();
                state.mode = Mode::Write(writing);
            } else {
                state.review.anchor = None;
            }
            Vec::new()
        }
        Written::Note(images) => note_is(state, images, text),
        Written::Tags(images) => {
            let tags = tags_of(text);
            let words = if tags.is_empty() {
                "no tags".to_owned()
            } else {
                format!("tags {}", tags.join(", "))
            };
            change(state, images, &words, Then::Stay, |review| {
                review.tags = Arc::clone(&tags);
            })
        }
        Written::ViewName | Written::Export if text.is_empty() => Vec::new(),
        Written::Export if state.export.is_some() => {
            "an export is under way; Esc calls it off".clone_into(&mut state.message);
            Vec::new()
        }
        Written::Export => {
            state.export = Some(Exporting::default());
            vec![Effect::Export(text.to_owned())]
        }
        Written::ViewName => vec![Effect::Keep(Keep::View(View {
            name: text.to_owned(),
            filter: state.filter.clone(),
            order: state.review.order.to_string(),
        }))],
    }
}

/// Puts a note to images.
pub(super) fn note_is(state: &State, images: &[ImageId], text: &str) -> Vec<Effect> {
    let words = if text.is_empty() { "no note" } else { "noted" };
    change(state, images, words, Then::Stay, |review| {
        review.note = Arc::from(text);
    })
}

/// Looks for the ways in which the term at the cursor can go on. They are shown, and Tab takes them.
fn suggest(state: &State, writing: &mut Writing) {
    let cursor = cursor(&writing.line);
    if let Written::Filter { offers, offered } = &mut writing.what {
        let (verdicts, tags) = (state.review.all_verdicts(), state.review.all_tags());
        let vocabulary = vocabulary(state, &verdicts, &tags);
        *offers = complete(writing.line.value(), cursor, &vocabulary);
        *offered = None;
    }
}

/// Place of the cursor in bytes.
fn cursor(line: &Input) -> usize {
    let text = line.value();
    let place = text.char_indices().nth(line.cursor());
    place.map_or(text.len(), |(place, _)| place)
}

/// Puts the next way to go on into the line, or the one before.
fn offer(state: &State, writing: &mut Writing, forth: bool) {
    let text = writing.line.value().to_owned();
    let cursor = cursor(&writing.line);
    match &mut writing.what {
        Written::Filter { offers, offered } => {
            let count = offers.len();
            if count == 0 {
                return;
            }
            let next = match (*offered, forth) {
                (None, true) => 0,
                (None, false) => count - 1,
                (Some(place), true) => (place + 1) % count,
                (Some(place), false) => (place + count - 1) % count,
            };
            // What an earlier offer has put there makes room.
            let end = offered.map_or(cursor, |before| {
                offers[before].replaces.start + offers[before].text.len()
            });
            let one = &offers[next];
            let (before, after) = (text.get(..one.replaces.start), text.get(end..));
            if let (Some(before), Some(after)) = (before, after) {
                let cursor = before.chars().count() + one.text.chars().count();
                writing.line =
                    Input::new(format!("{before}{}{after}", one.text)).with_cursor(cursor);
                *offered = Some(next);
            }
        }
        Written::Tags(_) => {
            let typed = text.rsplit(',').next().unwrap_or_default().trim_start();
            let tags = state.review.all_tags();
            let fits = |tag: &&Arc<str>| tag.starts_with(typed) && ***tag != *typed;
            if let Some(rest) = tags
                .iter()
                .find(fits)
                .and_then(|tag| tag.strip_prefix(typed))
            {
                writing.line = Input::new(format!("{text}{rest}"));
            }
        }
        Written::Note(_) | Written::ViewName | Written::Export => {}
    }
}

/// Takes in what the filter says now.
fn take_filter(state: &mut State, writing: &Writing) {
    if matches!(writing.what, Written::Filter { .. }) && state.filter != writing.line.value() {
        writing.line.value().clone_into(&mut state.filter);
        set_query(state);
    }
}

fn vocabulary<'a>(
    state: &'a State,
    verdicts: &'a [Arc<str>],
    tags: &'a [Arc<str>],
) -> Vocabulary<'a> {
    Vocabulary {
        labels: &state.labels,
        classes: state.labels.len(),
        verdicts,
        tags,
    }
}

/// Makes the queue that the filter describes; where it means nothing, the queue stays.
pub(super) fn set_query(state: &mut State) {
    let (verdicts, tags) = (state.review.all_verdicts(), state.review.all_tags());
    match Query::parse(&state.filter, &vocabulary(state, &verdicts, &tags)) {
        Ok(query) => {
            state.review.query = query;
            state.review.fault = None;
            requeue(state);
        }
        Err(fault) => state.review.fault = Some(fault),
    }
}

/// Shows the queue that is described, in this order.
pub(super) fn show_queue(state: &mut State, filter: &str, order: &str) {
    match crate::dataset::order::Order::parse(order) {
        Ok(order) => state.review.order = order,
        Err(reason) => state.message = reason,
    }
    filter.clone_into(&mut state.filter);
    set_query(state);
    // Who opens a queue wants what is first in it.
    select(state, 0);
    state.message = match &state.review.fault {
        Some(fault) => fault.to_string(),
        None => format!(
            "{} of {}",
            count(state.queue.len(), "image"),
            state.images.len()
        ),
    };
}
