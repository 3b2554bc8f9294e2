//! Wishes: the picture that is wanted, and when it is asked for.

use super::queue::rows;
use crate::app::event::Effect;
use crate::app::state::State;
use crate::dataset::{ImageEntry, ImageId};
use crate::job::{ImageRef, Job, Request};

/// Images prepared ahead, beside the neighbours: those whose predictions the list lacks.
const AHEAD: usize = 12;

/// The user wants another picture than the one that was asked for.
pub(super) fn wish(state: &mut State) {
    state.asked.latest.0 += 1;
    state.asked.wanted = true;
}

/// Sends the newest wish if nothing is under way; otherwise what is under way is called off, once.
pub(super) fn pump(state: &mut State) -> Option<Effect> {
    if !state.asked.wanted || state.summary().is_none() {
        return None;
    }
    if state.asked.in_flight.is_some() {
        let told = std::mem::replace(&mut state.asked.stopping, true);
        return (!told).then_some(Effect::Send(Job::Stop));
    }
    state.asked.wanted = false;
    let Some(request) = request(state) else {
        state.shown = None;
        state.failure = None;
        return None;
    };
    state.asked.in_flight = Some(request.generation);
    Some(Effect::Send(Job::Show(request)))
}

fn reference(image: &ImageEntry) -> ImageRef {
    ImageRef {
        id: image.id,
        path: image.path.clone(),
    }
}

/// The whole picture that is wanted now.
pub(super) fn request(state: &State) -> Option<Request> {
    let reference = |id: &ImageId| reference(state.image(*id));
    let current = state.queue.get(state.selected)?;
    Some(Request {
        generation: state.asked.latest,
        image: reference(current),
        target: state.target,
        options: state.wanted_options(),
        beside: state.beside,
        style: state.style,
        picture_size: state.picture_size(),
        part: state.part().filter(|_| !state.takes_parts()),
        form: state.form(),
        prepare: ahead(state).iter().map(reference).collect(),
    })
}

/// The neighbours of the selection, then the rows on the screen without predictions.
fn ahead(state: &State) -> Vec<ImageId> {
    let near = [1_isize, -1, 2]
        .into_iter()
        .filter_map(|by| state.selected.checked_add_signed(by));
    let mut images: Vec<ImageId> = near
        .filter_map(|place| state.queue.get(place))
        .copied()
        .collect();
    let rows = rows(state);
    let on_screen = state.queue.iter().skip(state.scroll).take(rows);
    let unknown =
        |id: &&ImageId| state.predicted(**id).is_none() && !state.unreadable.contains_key(id);
    for id in on_screen.filter(unknown).take(AHEAD) {
        if !images.contains(id) && state.queue.get(state.selected) != Some(id) {
            images.push(*id);
        }
    }
    images
}
