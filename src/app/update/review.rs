//! Verdicts, notes and tags: what the keys mean, and what comes back from the store.

use std::sync::Arc;

use super::explanation::set_target;
use super::{requeue, select, step, wish};
use crate::app::event::{Effect, Keep, StoreReply, Then};
use crate::app::review::{Mistakes, Said};
use crate::app::state::State;
use crate::dataset::ImageId;
use crate::dataset::order::By;
use crate::dataset::review::Review;
use crate::dataset::store::Version;
use crate::job::Target;
use crate::keymap::Command;
use crate::model::ClassIndex;
use crate::text::count;

/// The images that a verdict is for: those that are marked, else the selected one.
pub(super) fn subjects(state: &State) -> Vec<ImageId> {
    if state.review.marked.is_empty() {
        return state.current().map(|image| image.id).into_iter().collect();
    }
    let mut marked: Vec<ImageId> = state.review.marked.iter().copied().collect();
    marked.sort_unstable();
    marked
}

/// What stands of an image.
pub(super) fn standing(state: &State, image: ImageId) -> Review {
    state.review.of(image).cloned().unwrap_or_default()
}

/// Changes what is said of images.
pub(super) fn change(
    state: &State,
    images: &[ImageId],
    words: &str,
    then: Then,
    change: impl Fn(&mut Review),
) -> Vec<Effect> {
    let changes: Vec<(ImageId, Version, Review)> = images
        .iter()
        .map(|image| {
            let said = state.review.said.get(image);
            let expected = said.map_or(Version::NONE, |said| said.stamp.version);
            let mut review = standing(state, *image);
            change(&mut review);
            (*image, expected, review)
        })
        .collect();
    if changes.is_empty() {
        return Vec::new();
    }
    let whose = match images {
        [image] => state.image(*image).name.to_string(),
        images => count(images.len(), "image"),
    };
    vec![Effect::Keep(Keep::Reviews {
        changes,
        words: format!("{whose}: {words}"),
        then,
    })]
}

/// Gives a verdict; takes it away where all the images have it already.
pub(super) fn give(state: &mut State, verdict: &Arc<str>) -> Vec<Effect> {
    let images = subjects(state);
    let has = |image: &ImageId| {
        let review = state.review.of(*image);
        review.and_then(|review| review.verdict.as_ref()) == Some(verdict)
    };
    if !images.is_empty() && images.iter().all(has) {
        return take_away(state);
    }
    let goes_on = state.review.advances && state.review.marked.is_empty();
    let then = if goes_on { Then::Advance } else { Then::Stay };
    change(state, &images, verdict, then, |review| {
        review.verdict = Some(Arc::clone(verdict));
    })
}

pub(super) fn take_away(state: &mut State) -> Vec<Effect> {
    let images = subjects(state);
    change(state, &images, "no verdict", Then::Stay, |review| {
        review.verdict = None;
    })
}

/// Marks the selected image, or takes its mark away.
pub(super) fn mark(state: &mut State) {
    if let Some(image) = state.current().map(|image| image.id) {
        if !state.review.marked.remove(&image) {
            state.review.marked.insert(image);
        }
        step(state, 1);
        say_marked(state);
    }
}

/// Begins a range, or marks it.
pub(super) fn mark_range(state: &mut State) {
    let Some(from) = state.review.range_from.take() else {
        state.review.range_from = Some(state.selected);
        let key = state.keymap.called(Command::MarkRange);
        state.message = format!("a range begins here; {key} at its other end marks it");
        return;
    };
    let (first, last) = (from.min(state.selected), from.max(state.selected));
    let range = state.queue.iter().skip(first).take(last - first + 1);
    state.review.marked.extend(range);
    say_marked(state);
}

fn say_marked(state: &mut State) {
    let marked = state.review.marked.len();
    state.message = if marked == 0 {
        "nothing is marked".to_owned()
    } else {
        let key = state.keymap.called(Command::Back);
        format!(
            "{} marked; {key} takes the marks away",
            count(marked, "image")
        )
    };
}

pub(super) fn on_store(state: &mut State, reply: StoreReply) {
    match reply {
        StoreReply::Standing { said, words, then } => stand(state, said, words, then),
        StoreReply::Views { views, words } => {
            state.review.views = views;
            state.message = words;
            super::pages::refresh(state);
        }
        StoreReply::Failed(reason) => state.message = reason,
    }
}

fn stand(state: &mut State, said: Vec<(ImageId, Said)>, words: String, then: Then) {
    let last = said.last().map(|(image, _)| *image);
    state.review.said.extend(said);
    if then != Then::Leave {
        state.review.marked.clear();
    }
    if !words.is_empty() {
        state.message = words;
    }
    let current = state.current().map(|image| image.id);
    // A queue that is ordered by verdicts must not move under the hand that gives them.
    let is_by_review = matches!(state.review.order.by, By::Verdict | By::Changed);
    if !state.review.query.is_empty() && !is_by_review {
        requeue(state);
    }
    match then {
        Then::Advance if state.current().map(|image| image.id) == current => step(state, 1),
        Then::GoTo => {
            let place = state.queue.iter().position(|id| Some(*id) == last);
            if let Some(place) = place {
                select(state, place);
            }
        }
        Then::Advance | Then::Stay | Then::Leave => {}
    }
}

/// Goes on where the user was the last time.
pub(super) fn resume(state: &mut State) {
    let Some(before) = state.review.before.clone() else {
        "there is no earlier session of this folder".clone_into(&mut state.message);
        return;
    };
    if state.summary().is_none() {
        "the model is loading".clone_into(&mut state.message);
        return;
    }
    before.set_options(state);
    let (filter, order) = before.queue();
    super::writing::show_queue(state, filter, order);
    let image = before.image(state);
    match image.and_then(|image| state.queue.iter().position(|other| *other == image)) {
        Some(place) => {
            select(state, place);
            if let Some(class) = before.class(state) {
                set_target(state, Target::Class(class));
            }
            state.message = format!("as before: {}", before.in_words());
        }
        None => state.message = format!("{} is no longer there", before.in_words()),
    }
    wish(state);
}

/// Shows the image as a mistake is to be shown, if it is one and the user has not chosen otherwise.
/// Returns whether that changes what is wanted.
pub(super) fn show_mistake(state: &mut State) -> bool {
    let is_plain =
        state.target == Target::Rank(1) && state.beside.is_none() && state.options.versus.is_none();
    let truth = state.current().and_then(|image| wrong(state, image.id));
    let (true, Some(truth)) = (is_plain, truth) else {
        return false;
    };
    match state.review.mistakes {
        Mistakes::Plain => return false,
        Mistakes::Beside => state.beside = Some(Target::Class(truth)),
        Mistakes::Difference => state.options.versus = Some(truth),
    }
    state.review.is_contrasted = true;
    true
}

/// The true class of an image that the network gets wrong.
fn wrong(state: &State, image: ImageId) -> Option<ClassIndex> {
    if state.is_right(image)? {
        return None;
    }
    let ranked = state.row(image).counted_for()?;
    usize::try_from(ranked).ok().map(ClassIndex)
}

/// Takes the contrast of a mistake away, where the user has not asked for it.
pub(super) fn end_contrast(state: &mut State) {
    if std::mem::take(&mut state.review.is_contrasted) {
        state.beside = None;
        state.options.versus = None;
    }
}

pub(super) fn next_mistakes(state: &mut State) {
    let mistakes = state.review.mistakes.next();
    state.review.mistakes = mistakes;
    mistakes.in_words().clone_into(&mut state.message);
    end_contrast(state);
    show_mistake(state);
    wish(state);
}
