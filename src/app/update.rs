//! Update: what an event changes, and what is to be done about it.
//!
//! No I/O, no clock, no thread: the same events give the same effects. One request is under way at
//! most; while it is, newer wishes overwrite each other, and the last one is sent when it is done.

mod explanation;
mod pages;
mod results;
mod review;
mod writing;

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::counted::is_due;
use super::event::{Effect, Event, Keep};
use super::help;
use super::layout::{list_rows, panes};
use super::review::Written;
use super::state::{Mode, ModelState, Search, State};
use super::zoom::Zoom;
use crate::dataset::order::{By, Order, sorted};
use crate::dataset::{ImageEntry, ImageId};
use crate::geometry::CellSize;
use crate::job::{Generation, ImageRef, Job, Outcome, Reply, Request, Target};
use crate::keymap::{Command, lookup};
use crate::terminal::Input;
use explanation::{call_off, set_target, start_over};

/// How much a key changes the opacity.
const OPACITY_STEP: f32 = 0.1;
/// Rows that one click of the wheel moves.
const WHEEL: isize = 3;
/// Images prepared ahead, beside the neighbours: those whose predictions the list lacks.
const AHEAD: usize = 12;

/// Takes one event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = match event {
        Event::Input(input) => on_input(state, input),
        Event::Reply(reply) => on_reply(state, reply),
        Event::Found(images) => {
            found(state, images);
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
        Event::Edited(images, Ok(note)) => writing::note_is(state, &images, &note),
        Event::Edited(_, Err(reason)) => {
            state.message = reason;
            Vec::new()
        }
    };
    effects.extend(pump(state));
    effects
}

/// Takes in images that have been found; they come after those that are there.
fn found(state: &mut State, images: Vec<ImageEntry>) {
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
        Input::Key(key) => on_key(state, key),
        Input::Mouse(mouse) => on_mouse(state, mouse),
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

fn on_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    state.message.clear();
    let quits = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if matches!(state.mode, Mode::Write(_))
        && !quits
        && let Mode::Write(writing) = std::mem::replace(&mut state.mode, Mode::Browse)
    {
        return writing::on_key(state, writing, key);
    }
    if let Some(effects) = results::on_key(state, &key) {
        return effects;
    }
    match state.mode {
        Mode::Pick(_) if !quits => pages::on_key(state, key),
        Mode::Help(page) if lookup(&key) != Some(Command::Quit) => {
            turn_help(state, page, key.code == KeyCode::Esc)
        }
        _ => match lookup(&key) {
            Some(command) => run(state, command),
            None => on_verdict_key(state, key),
        },
    }
}

fn on_verdict_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let held = KeyModifiers::CONTROL | KeyModifiers::ALT;
    let verdicts = &state.review.verdicts;
    let verdict = match key.code {
        KeyCode::Char(letter) if !key.modifiers.intersects(held) => {
            verdicts.iter().find(|verdict| verdict.key == letter)
        }
        _ => None,
    };
    match verdict.map(|verdict| verdict.name.clone()) {
        Some(name) => review::give(state, &name),
        None => Vec::new(),
    }
}

/// The next page of the help, or back to the images after the last one.
fn turn_help(state: &mut State, page: usize, leave: bool) -> Vec<Effect> {
    let last = page + 1 >= help::pages(state).len();
    state.mode = if leave || last {
        Mode::Browse
    } else {
        Mode::Help(page + 1)
    };
    vec![Effect::Redraw]
}

fn run(state: &mut State, command: Command) -> Vec<Effect> {
    let page = rows(state).max(1).cast_signed();
    match command {
        Command::NextImage => step(state, 1),
        Command::PreviousImage => step(state, -1),
        Command::FirstImage => select(state, 0),
        Command::LastImage => select(state, usize::MAX),
        Command::HalfPageDown => step(state, (page / 2).max(1)),
        Command::HalfPageUp => step(state, -(page / 2).max(1)),
        Command::PageDown => step(state, page),
        Command::PageUp => step(state, -page),
        Command::Filter => writing::filter(state),
        Command::Reverse => set_order(state, state.review.order.reversed()),
        Command::Matrix => return results::open_matrix(state),
        Command::Summary => return results::open_summary(state),
        Command::SaveView => writing::begin(state, Written::ViewName, String::new()),
        Command::Export => {
            writing::begin(state, Written::Export, "review.csv".to_owned());
        }
        Command::Mark => review::mark(state),
        Command::MarkRange => review::mark_range(state),
        Command::Note => writing::note(state),
        Command::EditNote => return writing::edit(state),
        Command::Tags => writing::tags(state),
        Command::NoVerdict => return review::take_away(state),
        Command::Undo => return vec![Effect::Keep(Keep::Undo)],
        Command::Redo => return vec![Effect::Keep(Keep::Redo)],
        Command::Advance => {
            state.review.advances = !state.review.advances;
            let words = if state.review.advances {
                "after a verdict the next image is selected"
            } else {
                "after a verdict the image stays selected"
            };
            words.clone_into(&mut state.message);
        }
        Command::Resume => review::resume(state),
        Command::NextMistakes => review::next_mistakes(state),
        Command::TargetRank(rank) => target_rank(state, usize::from(rank)),
        Command::NextTarget => turn_target(state, 1),
        Command::PreviousTarget => turn_target(state, -1),
        Command::TrueClass => explanation::true_class(state),
        Command::Open(page) => return pages::open(state, page),
        Command::Compare => explanation::compare(state),
        Command::PreviousLayer => explanation::turn_layer(state, -1),
        Command::NextLayer => explanation::turn_layer(state, 1),
        Command::Counterfactual => explanation::counterfactual(state),
        Command::Signed => explanation::signed(state),
        Command::NextMarks => explanation::turn_marks(state),
        Command::FixScale => explanation::fix_scale(state),
        Command::NextView => {
            state.style.view = state.style.view.next();
            wish(state);
        }
        Command::MoreOpacity => opacity(state, OPACITY_STEP),
        Command::LessOpacity => opacity(state, -OPACITY_STEP),
        Command::NextColormap => {
            state.style.colormap = state.style.colormap.next();
            wish(state);
        }
        Command::FullScreen => {
            state.full_screen = !state.full_screen;
            follow_selection(state);
            wish(state);
            return vec![Effect::Redraw];
        }
        Command::Closer => zoom(state, state.zoom.closer()),
        Command::Farther => zoom(state, state.zoom.farther()),
        Command::Pan(pan) => zoom(state, state.zoom.panned(pan)),
        Command::Save => return save(state),
        Command::CopyPath => return copy_path(state),
        Command::Help => {
            state.mode = Mode::Help(0);
            return vec![Effect::Redraw];
        }
        Command::Redraw => return vec![Effect::Redraw],
        Command::Back => {
            if state.is_waiting() && state.is_slow() {
                return call_off(state);
            }
            if state.zoom != Zoom::default() {
                zoom(state, Zoom::default());
                return Vec::new();
            }
            if state.full_screen {
                return run(state, Command::FullScreen);
            }
            if !state.review.marked.is_empty() || state.review.range_from.is_some() {
                state.review.marked.clear();
                state.review.range_from = None;
            } else if !state.filter.is_empty() {
                state.filter.clear();
                writing::set_query(state);
            }
        }
        Command::Suspend => return vec![Effect::Suspend],
        Command::Quit => return vec![Effect::Quit],
    }
    Vec::new()
}

fn on_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if let Mode::Help(page) = state.mode {
        if matches!(mouse.kind, MouseEventKind::Down(_)) {
            return turn_help(state, page, false);
        }
        return Vec::new();
    }
    if matches!(state.mode, Mode::Pick(_)) {
        return pages::on_mouse(state, mouse);
    }
    if matches!(state.mode, Mode::Matrix(_) | Mode::Summary(_)) {
        return results::on_mouse(state, mouse);
    }
    let at = Position::new(mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::ScrollDown => step(state, WHEEL),
        MouseEventKind::ScrollUp => step(state, -WHEEL),
        MouseEventKind::Down(MouseButton::Left) => {
            let Some(panes) = state.panes() else {
                return Vec::new();
            };
            if let Some(row) = row_below_title(panes.list, at) {
                let place = state.scroll + row;
                if place < state.queue.len() {
                    select(state, place);
                }
            } else if let Some(row) = row_below_title(panes.predictions, at) {
                target_rank(state, row + 1);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Which row of a pane was clicked, not counting its title.
fn row_below_title(pane: Rect, at: Position) -> Option<usize> {
    pane.contains(at)
        .then(|| usize::from(at.y - pane.y))
        .and_then(|row| row.checked_sub(1))
}

fn step(state: &mut State, rows: isize) {
    select(state, state.selected.saturating_add_signed(rows));
}

/// Selects a place in the queue, or the last one beyond its end. Another image starts with its top
/// prediction.
fn select(state: &mut State, place: usize) {
    let place = place.min(state.queue.len().saturating_sub(1));
    if place != state.selected {
        state.selected = place;
        follow_selection(state);
        start_over(state);
    }
}

/// Rows of the list that are on the screen, or would be.
fn rows(state: &State) -> usize {
    panes(state.size, false, false).map_or(0, |panes| list_rows(panes.list))
}

/// Scrolls so that the selection is on the screen.
fn follow_selection(state: &mut State) {
    let rows = rows(state).max(1);
    let last = state.queue.len().saturating_sub(rows);
    state.scroll = state
        .scroll
        .clamp((state.selected + 1).saturating_sub(rows), state.selected)
        .min(last);
}

/// Filters and sorts again. The current image stays selected where it is still there; else the one
/// after it that is.
fn requeue(state: &mut State) {
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

fn set_order(state: &mut State, order: Order) {
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
fn requeue_as_scored(state: &mut State) {
    let depends = !state.review.query.is_empty() || state.review.order.by != By::Name;
    if depends && is_due(state, state.review.scored) {
        requeue(state);
    }
}

fn target_rank(state: &mut State, rank: usize) {
    let classes = state
        .summary()
        .map_or(usize::MAX, |summary| summary.classes);
    if rank > classes {
        state.message = format!("the model has {classes} classes");
    } else if rank <= 5 {
        set_target(state, Target::Rank(rank));
    }
}

/// The next or previous of the best five classes, around the end.
fn turn_target(state: &mut State, by: isize) {
    let count = state
        .summary()
        .map_or(5, |summary| summary.classes.clamp(1, 5));
    let ranks = 1..=count;
    let rank = ranks
        .into_iter()
        .find(|rank| state.is_same(state.target, Target::Rank(*rank)));
    let rank = rank.unwrap_or(1);
    let turned = (rank - 1).cast_signed() + by;
    target_rank(
        state,
        turned.rem_euclid(count.cast_signed()).cast_unsigned() + 1,
    );
}

fn opacity(state: &mut State, by: f32) {
    let changed = ((state.style.opacity + by) * 10.0).round() / 10.0;
    state.style.opacity = changed.clamp(0.0, 1.0);
    state.message = format!("opacity {:.0}%", state.style.opacity * 100.0);
    wish(state);
}

/// Shows another part of the picture.
fn zoom(state: &mut State, zoom: Zoom) {
    if zoom == state.zoom {
        if zoom == Zoom::default() {
            "all of the picture is shown; > looks closer".clone_into(&mut state.message);
        }
        return;
    }
    state.zoom = zoom;
    if state.part().is_none() && zoom != Zoom::default() {
        "pictures side by side are always whole".clone_into(&mut state.message);
        return;
    }
    state.message = match zoom.factor() {
        1 => "all of the picture".to_owned(),
        factor => format!("{factor} times as large"),
    };
    if !state.takes_parts() {
        wish(state);
    }
}

fn save(state: &mut State) -> Vec<Effect> {
    if state.is_waiting() && state.is_slow() {
        "the picture is not there yet; save it when it is".clone_into(&mut state.message);
        return Vec::new();
    }
    match request(state) {
        Some(request) if state.summary().is_some() && state.failure.is_none() => {
            state.message = "saving…".to_owned();
            vec![Effect::Send(Job::Save {
                request,
                folder: state.out.clone(),
            })]
        }
        _ => {
            state.message = "there is no picture to save".to_owned();
            Vec::new()
        }
    }
}

fn copy_path(state: &mut State) -> Vec<Effect> {
    let Some(path) = state
        .current()
        .map(|image| image.path.to_string_lossy().into_owned())
    else {
        return Vec::new();
    };
    state.message = "path copied, if the terminal allows it".to_owned();
    vec![Effect::Copy(path)]
}

fn on_reply(state: &mut State, reply: Reply) -> Vec<Effect> {
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
    }
}

/// The user wants another picture than the one that was asked for.
fn wish(state: &mut State) {
    state.asked.latest.0 += 1;
    state.asked.wanted = true;
}

/// Sends the newest wish if nothing is under way; otherwise what is under way is called off, once.
fn pump(state: &mut State) -> Option<Effect> {
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
fn request(state: &State) -> Option<Request> {
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

#[cfg(test)]
pub(crate) mod tests;
