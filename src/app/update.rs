//! Update: what an event changes, and what is to be done about it.
//!
//! No I/O, no clock, no thread: the same events give the same effects. One request is under way at
//! most; while it is, newer wishes overwrite each other, and the last one is sent when it is done.

mod commands;
mod explanation;
mod mouse;
mod pages;
mod queue;
mod replies;
mod results;
mod review;
mod wishes;
mod writing;

use super::event::{Effect, Event, ExportReply};
use super::state::{Search, State};
use crate::geometry::CellSize;
use crate::terminal::Input;
use queue::{follow_selection, requeue, select, step};
use wishes::wish;

/// Rows that one click of the wheel moves.
const WHEEL: isize = 3;

/// Takes one event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = match event {
        Event::Input(input) => on_input(state, input),
        Event::Reply(reply) => replies::on_reply(state, reply),
        Event::Found(images) => {
            queue::found(state, images);
            Vec::new()
        }
        Event::AllFound(natural, warning) => {
            state.search = Search::Done(natural);
            if let Some(warning) = warning {
                state.message = warning;
            }
            requeue(state);
            // What was found first is not what comes first.
            if !state.is_touched {
                select(state, 0);
            }
            open_folder(state)
        }
        Event::NothingFound(reason) => {
            state.search = Search::Failed(reason);
            Vec::new()
        }
        Event::Store(reply) => {
            review::on_store(state, reply);
            Vec::new()
        }
        Event::Export(ExportReply::Goes(far)) => {
            state.export = Some(far);
            Vec::new()
        }
        Event::Export(ExportReply::Ended(words)) => {
            state.export = None;
            state.message = words;
            Vec::new()
        }
        Event::Edited(images, Ok(note)) => writing::note_is(state, &images, &note),
        Event::Edited(_, Err(reason)) => {
            state.message = reason;
            Vec::new()
        }
    };
    effects.extend(wishes::pump(state));
    effects
}

/// When the images and the classes of the model are known, the worker can look for what is known of
/// them.
fn open_folder(state: &State) -> Vec<Effect> {
    match (&state.search, state.summary()) {
        (Search::Done(_), Some(_)) => vec![Effect::OpenFolder],
        _ => Vec::new(),
    }
}

fn on_input(state: &mut State, input: Input) -> Vec<Effect> {
    state.is_touched |= matches!(input, Input::Key(_) | Input::Mouse(_) | Input::Paste(_));
    match input {
        Input::Key(key) => commands::on_key(state, key),
        Input::Mouse(mouse) => mouse::on_mouse(state, mouse),
        Input::Paste(text) => {
            writing::on_paste(state, &text);
            pages::on_paste(state, &text)
        }
        Input::Resize(size) => {
            on_resize(state, size);
            vec![Effect::Redraw]
        }
        Input::Resumed => vec![Effect::Redraw],
        Input::Closed | Input::Failed => vec![Effect::Quit],
    }
}

fn on_resize(state: &mut State, size: CellSize) {
    if state.size != size {
        state.size = size;
        follow_selection(state);
        pages::refresh(state);
        results::follow(state);
        wish(state);
    }
}

#[cfg(test)]
pub(crate) mod tests;
