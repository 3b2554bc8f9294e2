//! What the worker answers.

use super::queue::requeue_as_scored;
use super::wishes::wish;
use super::{explanation, open_folder, pages, results};
use crate::app::event::Effect;
use crate::app::state::{ModelState, State};
use crate::dataset::ImageId;
use crate::job::{Generation, Outcome, Reply};

pub(super) fn on_reply(state: &mut State, reply: Reply) -> Vec<Effect> {
    match reply {
        Reply::Ready(about) => {
            state.model = ModelState::Ready(Box::new(about.summary));
            state.labels = about.labels;
            pages::refresh(state);
            results::recount(state);
            wish(state);
            return open_folder(state);
        }
        Reply::Truth { truth, warning } => {
            state.truth = truth;
            if let Some(warning) = warning {
                state.message = warning;
            }
            explanation::settle(state);
        }
        Reply::Scored { scores, progress } => {
            state.scoring = progress;
            state.scores.resize(state.images.len(), None);
            for (image, score) in scores {
                match score {
                    Ok(score) => {
                        state.unreadable.remove(&image);
                        state.scores[image.0] = Some(score);
                    }
                    Err(reason) => {
                        state.unreadable.insert(image, reason);
                    }
                }
            }
            requeue_as_scored(state);
            results::as_scored(state);
        }
        Reply::Layers(layers) => {
            state.layers = layers;
            pages::refresh(state);
        }
        Reply::Progress {
            generation,
            done,
            total,
        } if state.asked.in_flight == Some(generation) => state.progress = Some((done, total)),
        // Heatmaps that are made ahead are the terminal's business.
        Reply::Progress { .. } | Reply::Ahead { .. } => {}
        Reply::Slow {
            generation,
            image,
            seconds,
        } => on_slow(state, generation, image, seconds),
        Reply::Stopped { generation } => landed(state, generation),
        Reply::Unavailable(reason) => state.model = ModelState::Unavailable(reason),
        Reply::Predicted { image, predictions } => {
            state.unreadable.remove(&image);
            state.predictions.insert(image, predictions);
            if state.current().is_some_and(|current| current.id == image) {
                explanation::settle(state);
            }
        }
        Reply::Unreadable { image, reason } => {
            state.unreadable.insert(image, reason);
        }
        Reply::Done {
            generation,
            image,
            result,
        } => on_done(state, generation, image, result),
        Reply::Saved(Ok(path)) => {
            state.message = format!("saved {}", crate::text::visible(&path.to_string_lossy()));
        }
        Reply::Saved(Err(reason)) => state.message = reason,
    }
    Vec::new()
}

/// A file does not answer: that of the wanted picture, or of one to save.
fn on_slow(state: &mut State, generation: Generation, image: ImageId, seconds: u64) {
    if state.asked.in_flight == Some(generation) {
        state.slow = Some((image, seconds));
    } else {
        let name = &state.image(image).name;
        state.message = format!("saving waits for {name}, which has not answered for {seconds} s");
    }
}

fn on_done(
    state: &mut State,
    generation: Generation,
    image: ImageId,
    result: Result<Outcome, String>,
) {
    landed(state, generation);
    if let Err(reason) = &result
        && !state.predictions.contains_key(&image)
    {
        state.unreadable.insert(image, reason.clone());
    }
    if generation != state.asked.latest {
        return;
    }
    match result {
        Ok(outcome) => {
            state.failure = None;
            state.shown = Some(outcome);
            pages::refresh(state);
        }
        Err(reason) => {
            state.shown = None;
            state.failure = Some((image, reason));
        }
    }
}

/// The request of this generation is no longer under way.
fn landed(state: &mut State, generation: Generation) {
    if state.asked.in_flight == Some(generation) {
        state.asked.in_flight = None;
        state.asked.stopping = false;
        state.progress = None;
        state.slow = None;
    }
}
