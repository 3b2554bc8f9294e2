//! Keys while images are looked at: the commands, and what the small ones do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::explanation::{self, call_off, set_target};
use super::queue::{follow_selection, rows, select, set_order, step};
use super::wishes::{request, wish};
use super::{pages, results, review, writing};
use crate::app::event::{Effect, Keep};
use crate::app::help;
use crate::app::review::Written;
use crate::app::state::{Mode, State};
use crate::app::zoom::Zoom;
use crate::job::{Job, Target};
use crate::keymap::Command;

/// How much a key changes the opacity.
const OPACITY_STEP: f32 = 0.1;

pub(super) fn on_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
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
        Mode::Help(page) if state.keymap.lookup(&key) != Some(Command::Quit) => {
            turn_help(state, page, key.code == KeyCode::Esc)
        }
        _ => match state.keymap.lookup(&key) {
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
pub(super) fn turn_help(state: &mut State, page: usize, leave: bool) -> Vec<Effect> {
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
        Command::Back => return back(state),
        Command::Suspend => return vec![Effect::Suspend],
        Command::Quit => return vec![Effect::Quit],
    }
    Vec::new()
}

/// Leaves the nearest of what can be left.
fn back(state: &mut State) -> Vec<Effect> {
    if state.is_waiting() && state.is_slow() {
        return call_off(state);
    }
    if state.export.is_some() {
        return vec![Effect::CallOffExport];
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
    Vec::new()
}

pub(super) fn target_rank(state: &mut State, rank: usize) {
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
            let key = state.keymap.called(Command::Closer);
            state.message = format!("all of the picture is shown; {key} looks closer");
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
