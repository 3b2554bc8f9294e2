//! Keys and mouse on a page of rows to choose from.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::explanation::{other_units, set_layers, set_method, set_target, show_beside, subtract};
use super::queue::set_order;
use super::{Effect, WHEEL, wish};
use crate::app::event::Keep;
use crate::app::layout::page_areas;
use crate::app::picker::{Picker, USUAL_QUEUES, queues};
use crate::app::state::{Mode, State};
use crate::dataset::order::{By, Order};
use crate::explain::methods::MethodId;
use crate::explain::options::Fusion;
use crate::explain::target::Measure;
use crate::job::Target;
use crate::keymap::{Page, PageCommand, lookup_on};
use crate::model::ClassIndex;

/// What becomes of the page.
#[derive(Clone, Debug, PartialEq)]
enum Then {
    Stay,
    Leave,
    /// It stays, and something is kept.
    Keep(Keep),
}

/// Opens a page. It hides the picture, so everything is drawn again.
pub(super) fn open(state: &mut State, page: Page) -> Vec<Effect> {
    state.mode = Mode::Pick(Picker::open(page, state, rows(state)));
    vec![Effect::Redraw]
}

pub(super) fn on_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    with_picker(state, |state, picker| {
        let rows = rows(state);
        if let Some(command) = lookup_on(picker.page, &key) {
            return run(state, picker, command);
        }
        let held = KeyModifiers::CONTROL | KeyModifiers::ALT;
        if let KeyCode::Char(letter) = key.code
            && picker.page.has_filter()
            && !key.modifiers.intersects(held)
        {
            let filter = format!("{}{letter}", picker.filter);
            picker.filter_by(filter, state, rows);
        }
        Then::Stay
    })
}

pub(super) fn on_paste(state: &mut State, text: &str) -> Vec<Effect> {
    with_picker(state, |state, picker| {
        if picker.page.has_filter() {
            let letters = text.chars().filter(|character| !character.is_control());
            let filter = picker.filter.chars().chain(letters).collect();
            picker.filter_by(filter, state, rows(state));
        }
        Then::Stay
    })
}

/// A click selects a row, and chooses the one that is selected; the wheel moves.
pub(super) fn on_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    with_picker(state, |state, picker| {
        let rows = rows(state);
        match mouse.kind {
            MouseEventKind::ScrollDown => picker.step(WHEEL, rows),
            MouseEventKind::ScrollUp => picker.step(-WHEEL, rows),
            MouseEventKind::Down(MouseButton::Left) => {
                let at = Position::new(mouse.column, mouse.row);
                let area = page_areas(state.size).map(|areas| areas.rows);
                if let Some(area) = area.filter(|area| area.contains(at)) {
                    let place = picker.scroll + usize::from(at.y - area.y);
                    if place == picker.selected {
                        return run(state, picker, PageCommand::Choose);
                    }
                    if place < picker.items.len() {
                        picker.select(place, rows);
                    }
                }
            }
            _ => {}
        }
        Then::Stay
    })
}

/// Takes in what has become known, or another size of the terminal.
pub(super) fn refresh(state: &mut State) {
    with_picker(state, |state, picker| {
        picker.refresh(state, rows(state));
        Then::Stay
    });
}

/// Does something with the page that is open, and closes it where that is what follows.
fn with_picker(
    state: &mut State,
    work: impl FnOnce(&mut State, &mut Picker) -> Then,
) -> Vec<Effect> {
    match std::mem::replace(&mut state.mode, Mode::Browse) {
        Mode::Pick(mut picker) => {
            let kept = match work(state, &mut picker) {
                Then::Leave => return vec![Effect::Redraw],
                Then::Stay => Vec::new(),
                Then::Keep(keep) => vec![Effect::Keep(keep)],
            };
            state.mode = Mode::Pick(picker);
            kept
        }
        other => {
            state.mode = other;
            Vec::new()
        }
    }
}

/// Rows that are on the screen at a time.
fn rows(state: &State) -> usize {
    page_areas(state.size).map_or(1, |areas| usize::from(areas.rows.height))
}

fn run(state: &mut State, picker: &mut Picker, command: PageCommand) -> Then {
    let rows = rows(state);
    let page = rows.max(1).cast_signed();
    match command {
        PageCommand::Down => picker.step(1, rows),
        PageCommand::Up => picker.step(-1, rows),
        PageCommand::PageDown => picker.step(page, rows),
        PageCommand::PageUp => picker.step(-page, rows),
        PageCommand::First => picker.select(0, rows),
        PageCommand::Last => picker.select(usize::MAX, rows),
        PageCommand::Leave => return Then::Leave,
        PageCommand::Choose => return choose(state, picker),
        PageCommand::Erase => {
            let mut filter = picker.filter.clone();
            filter.pop();
            picker.filter_by(filter, state, rows);
        }
        PageCommand::Subtract => {
            if let Some(class) = picker.item() {
                subtract(state, ClassIndex(class));
                return Then::Leave;
            }
        }
        PageCommand::Beside => {
            if let Some(class) = picker.item() {
                show_beside(state, ClassIndex(class));
                return Then::Leave;
            }
        }
        PageCommand::Mark => {
            if is_layer(state, picker) {
                picker.mark();
                picker.step(1, rows);
            }
        }
        PageCommand::NextFusion => {
            let method = state.options.method.method();
            if let Some(fusion) = method.fusion {
                let (name, fusion) = (method.name, fusion.name());
                state.message = format!("{name} is the {fusion} of several layers");
                return Then::Stay;
            }
            let fusion = &mut state.options.fusion;
            *fusion = match fusion {
                Fusion::Mean => Fusion::Max,
                Fusion::Max => Fusion::Product,
                Fusion::Product => Fusion::Mean,
            };
            if state.options.layers.len() > 1 {
                changed(state);
            }
        }
        PageCommand::AugSmooth => {
            state.options.aug_smooth = !state.options.aug_smooth;
            changed(state);
        }
        PageCommand::EigenSmooth => {
            state.options.eigen_smooth = !state.options.eigen_smooth;
            changed(state);
        }
        PageCommand::Reverse => {
            set_order(state, state.review.order.reversed());
            picker.refresh(state, rows);
        }
        PageCommand::Remove => {
            let saved = picker
                .item()
                .and_then(|item| item.checked_sub(USUAL_QUEUES.len()));
            match saved.and_then(|place| state.review.views.get(place)) {
                Some(view) => return Then::Keep(Keep::RemoveView(view.name.clone())),
                None => "this queue is always there".clone_into(&mut state.message),
            }
        }
        PageCommand::Probability => {
            state.options.measure = match state.options.measure {
                Measure::Logit => Measure::Probability,
                Measure::Probability => Measure::Logit,
            };
            changed(state);
        }
    }
    Then::Stay
}

/// A switch of the page was turned.
fn changed(state: &mut State) {
    other_units(state);
    wish(state);
}

fn choose(state: &mut State, picker: &Picker) -> Then {
    let Some(item) = picker.item() else {
        "nothing fits the filter".clone_into(&mut state.message);
        return Then::Stay;
    };
    match picker.page {
        Page::Classes => set_target(state, Target::Class(ClassIndex(item))),
        Page::Layers => {
            if picker.marked.is_empty() && !is_layer(state, picker) {
                return Then::Stay;
            }
            let items: Vec<usize> = if picker.marked.is_empty() {
                vec![item]
            } else {
                picker.marked.iter().copied().collect()
            };
            let layers = items.into_iter().filter_map(|item| state.layers.get(item));
            let names = layers.map(|layer| layer.name.clone()).collect();
            set_layers(state, names);
        }
        Page::Methods => {
            if let Some(method) = MethodId::all().nth(item) {
                set_method(state, method);
            }
        }
        Page::Orders => {
            if let Some(by) = By::all().nth(item) {
                set_order(state, Order::first(by));
            }
        }
        Page::Queues => {
            if let Some(view) = queues(state).get(item) {
                super::writing::show_queue(state, &view.filter, &view.order);
            }
        }
    }
    Then::Leave
}

/// Whether the selected layer can be a target layer; says why it cannot.
fn is_layer(state: &mut State, picker: &Picker) -> bool {
    let layer = picker.item().and_then(|item| state.layers.get(item));
    match layer {
        None => false,
        Some(layer) => match layer.why_not {
            None => true,
            Some(reason) => {
                state.message = format!("{}: {reason}", layer.name);
                false
            }
        },
    }
}
