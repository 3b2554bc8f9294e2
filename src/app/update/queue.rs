//! The queue: which images are in it, in which order, and which is selected.

use std::collections::HashSet;

use super::explanation::start_over;
use crate::app::counted::is_due;
use crate::app::layout::{list_rows, panes};
use crate::app::state::{Search, State};
use crate::dataset::order::{By, Order, sorted};
use crate::dataset::{ImageEntry, ImageId};

/// Takes in images that have been found; they come after those that are there.
pub(super) fn found(state: &mut State, images: Vec<ImageEntry>) {
    let was_empty = state.queue.is_empty();
    let first = state.images.len();
    state.images.extend(images);
    let new = (first..state.images.len()).map(ImageId);
    let query = &state.review.query;
    let shown: Vec<ImageId> = new
        .filter(|id| query.is_empty() || query.lets(&state.row(*id)))
        .collect();
    state.queue.extend(shown);
    if was_empty && !state.queue.is_empty() {
        start_over(state);
    }
}

pub(super) fn step(state: &mut State, rows: isize) {
    select(state, state.selected.saturating_add_signed(rows));
}

/// Selects a place in the queue, or the last one beyond its end. Another image starts with its top
/// prediction.
pub(super) fn select(state: &mut State, place: usize) {
    let place = place.min(state.queue.len().saturating_sub(1));
    if place != state.selected {
        state.selected = place;
        follow_selection(state);
        start_over(state);
    }
}

/// Rows of the list that are on the screen, or would be.
pub(super) fn rows(state: &State) -> usize {
    panes(state.size, false, false).map_or(0, |panes| list_rows(panes.list))
}

/// Scrolls so that the selection is on the screen.
pub(super) fn follow_selection(state: &mut State) {
    let rows = rows(state).max(1);
    let last = state.queue.len().saturating_sub(rows);
    state.scroll = state
        .scroll
        .clamp((state.selected + 1).saturating_sub(rows), state.selected)
        .min(last);
}

/// Filters and sorts again. The current image stays selected where it is still there; else the one
/// after it that is.
pub(super) fn requeue(state: &mut State) {
    let query = &state.review.query;
    // In the order of their numbers, in which what is known of them lies in memory.
    let all = (0..state.images.len()).map(ImageId);
    let is_shown: Vec<bool> = all
        .clone()
        .map(|id| query.is_empty() || query.lets(&state.row(id)))
        .collect();
    let lets = |id: &ImageId| is_shown[id.0];
    let shown: Vec<ImageId> = match &state.search {
        Search::Done(natural) => natural.iter().copied().filter(lets).collect(),
        // Natural order comes when all are there.
        Search::UnderWay | Search::Failed(_) => all.filter(lets).collect(),
    };
    let queue = sorted(shown, state.review.order, |id| state.row(id));
    let before = state.current().map(|image| image.id);
    let current = state.review.anchor.or(before);
    let place = current.and_then(|id| queue.iter().position(|other| *other == id));
    let next = || {
        let there: HashSet<ImageId> = queue.iter().copied().collect();
        let mut after = state.queue.iter().skip(state.selected);
        let next = after.find(|id| there.contains(id))?;
        queue.iter().position(|id| id == next)
    };
    let selected = place.or_else(next);
    let selected = selected.unwrap_or_else(|| match place {
        None if state.selected > 0 && !queue.is_empty() => queue.len() - 1,
        _ => 0,
    });
    state.queue = queue;
    state.selected = selected;
    state.review.range_from = None;
    state.review.scored = state.scoring.done;
    follow_selection(state);
    if state.current().map(|image| image.id) != before {
        start_over(state);
    }
}

pub(super) fn set_order(state: &mut State, order: Order) {
    state.review.order = order;
    state.message = format!("order: {}", in_words(order));
    requeue(state);
}

/// "loss, descending: cross entropy with the true class".
fn in_words(order: Order) -> String {
    let direction = if order.descending {
        "descending"
    } else {
        "ascending"
    };
    format!("{}, {direction}: {}", order.by.name(), order.by.meaning())
}

/// A queue that depends on scores is made again when a tenth more are known, and when all are: made
/// again with each score, it would never stand still.
pub(super) fn requeue_as_scored(state: &mut State) {
    let depends = !state.review.query.is_empty() || state.review.order.by != By::Name;
    if depends && is_due(state, state.review.scored) {
        requeue(state);
    }
}
