//! What is explained and how: the commands that change the target, the options and the scale.

use super::review::{end_contrast, show_mistake};
use super::{Effect, wish};
use crate::app::state::State;
use crate::app::zoom::Zoom;
use crate::explain::Explanation;
use crate::explain::methods::{MethodId, Reads};
use crate::job::{Job, Outcome, Target};
use crate::keymap::{Command, Page};
use crate::model::{ClassIndex, LayerSummary};
use crate::text::figures;

/// Another target of the same image.
pub(super) fn set_target(state: &mut State, target: Target) {
    if state.is_same(state.target, target) {
        return;
    }
    let before = std::mem::replace(&mut state.target, target);
    state.before = Some(before);
    if state
        .beside
        .is_some_and(|beside| state.is_same(beside, target))
    {
        state.beside = Some(before);
    }
    let class = state.class_of(target);
    if class.is_some() && class == state.options.versus {
        state.options.versus = None;
        "the target is no longer subtracted".clone_into(&mut state.message);
    }
    wish(state);
}

/// The true class of the image, or the next one of several.
pub(super) fn true_class(state: &mut State) {
    let image = state.current().map(|image| image.id);
    let classes = image.map_or_else(Vec::new, |image| state.true_classes(image));
    if classes.is_empty() {
        "the true class of this image is not known".clone_into(&mut state.message);
        return;
    }
    let target = state.class_of(state.target);
    let place = classes.iter().position(|class| Some(*class) == target);
    let next = classes[place.map_or(0, |place| (place + 1) % classes.len())];
    if Some(next) == target {
        "the target is the true class".clone_into(&mut state.message);
    }
    set_target(state, Target::Class(next));
}

/// What another image starts with: its top prediction, beside the runner-up where two classes are
/// compared.
pub(super) fn start_over(state: &mut State) {
    state.target = Target::Rank(1);
    state.zoom = Zoom::default();
    state.before = None;
    end_contrast(state);
    state.options.versus = None;
    state.beside = state.beside.map(|_| Target::Rank(2));
    show_mistake(state);
    wish(state);
}

/// Shows the target alone, or beside the target before it, or else beside its strongest rival.
pub(super) fn compare(state: &mut State) {
    state.review.is_contrasted = false;
    if state.beside.take().is_none() {
        if state.summary().is_some_and(|summary| summary.classes < 2) {
            "the model has one class".clone_into(&mut state.message);
            return;
        }
        let before = state
            .before
            .filter(|before| !state.is_same(*before, state.target));
        state.beside = Some(before.unwrap_or_else(|| rival(state)));
    }
    wish(state);
}

/// Shows this class beside the target.
pub(super) fn show_beside(state: &mut State, class: ClassIndex) {
    let target = Target::Class(class);
    if state.is_same(state.target, target) {
        "the target itself cannot stand beside it".clone_into(&mut state.message);
    } else {
        state.beside = Some(target);
        state.review.is_contrasted = false;
        wish(state);
    }
}

/// Takes in the predictions of the selected image: a class may turn out to be the target.
pub(super) fn settle(state: &mut State) {
    if state.before.is_none() && show_mistake(state) {
        wish(state);
    }
    let target = state.target;
    let class = state.class_of(target);
    if class.is_some() && class == state.options.versus {
        state.options.versus = None;
        wish(state);
    }
    let beside = state.beside;
    if beside.is_some_and(|beside| state.is_same(beside, target)) {
        state.beside = Some(rival(state));
        wish(state);
    }
}

/// The strongest class that is not the target.
fn rival(state: &State) -> Target {
    if state.is_same(state.target, Target::Rank(1)) {
        Target::Rank(2)
    } else {
        Target::Rank(1)
    }
}

/// Explains the target rather than this class; once more takes that back.
pub(super) fn subtract(state: &mut State, class: ClassIndex) {
    if state.is_same(state.target, Target::Class(class)) {
        "the target itself cannot be subtracted".clone_into(&mut state.message);
        return;
    }
    let versus = &mut state.options.versus;
    *versus = (*versus != Some(class)).then_some(class);
    wish(state);
}

pub(super) fn counterfactual(state: &mut State) {
    state.options.counterfactual = !state.options.counterfactual;
    wish(state);
}

/// The layer before or after, among those that can be explained.
pub(super) fn turn_layer(state: &mut State, by: isize) {
    let method = state.options.method.method();
    if method.reads != Reads::Layer {
        let key = state.keymap.called(Command::Open(Page::Methods));
        state.message = format!("{} reads no layer; {key} chooses a method", method.name);
        return;
    }
    if let Some(fusion) = method.fusion {
        let key = state.keymap.called(Command::Open(Page::Layers));
        state.message = format!(
            "{} is the {} of several layers; {key} marks others",
            method.name,
            fusion.name()
        );
        return;
    }
    let usable: Vec<&LayerSummary> = state
        .layers
        .iter()
        .filter(|layer| layer.why_not.is_none())
        .collect();
    let current = state.target_layers().last().copied().unwrap_or_default();
    let place = usable.iter().position(|layer| layer.name == current);
    let Some(place) = place else {
        "the layers are not known yet".clone_into(&mut state.message);
        return;
    };
    let next = place.checked_add_signed(by);
    if let Some(layer) = next.and_then(|place| usable.get(place)) {
        let name = layer.name.clone();
        state.message = format!("layer {name}");
        set_layers(state, vec![name]);
    } else {
        let end = if by < 0 { "first" } else { "last" };
        state.message = format!("{current} is the {end} layer with a map");
    }
}

/// Explains these layers, one or several.
pub(super) fn set_layers(state: &mut State, layers: Vec<String>) {
    let own = state.summary().map(|summary| summary.layer.clone());
    let is_own = layers.len() == 1 && layers.first() == own.as_ref();
    let layers = if is_own { Vec::new() } else { layers };
    if layers != state.options.layers {
        state.options.layers = layers;
        other_units(state);
        wish(state);
    }
}

pub(super) fn set_method(state: &mut State, method: MethodId) {
    if method != state.options.method {
        state.options.method = method;
        other_units(state);
        wish(state);
    }
}

/// The numbers of the map have another meaning now, so a color scale from before means nothing.
pub(super) fn other_units(state: &mut State) {
    if state.style.scale.take().is_some() {
        "other numbers: the color scale is no longer fixed".clone_into(&mut state.message);
    }
}

pub(super) fn signed(state: &mut State) {
    state.style.signed = !state.style.signed;
    if state.style.signed {
        "red speaks for the class, blue against it".clone_into(&mut state.message);
    }
    wish(state);
}

pub(super) fn turn_marks(state: &mut State) {
    state.style.marks = state.style.marks.next();
    state.message = format!("{} at 15% of the maximum", state.style.marks.name());
    wish(state);
}

/// Fixes the color scale to the one that is shown, or frees it.
pub(super) fn fix_scale(state: &mut State) {
    if state.style.scale.take().is_some() {
        "each picture has its own color scale again".clone_into(&mut state.message);
        wish(state);
        return;
    }
    let shown = state.shown.as_ref().filter(|_| !state.is_waiting());
    match shown.map(Outcome::scale_end) {
        Some(end) if end > 0.0 => {
            state.style.scale = Some(end);
            state.message = format!("color scale fixed, up to {}", figures(end, 2));
            wish(state);
        }
        _ => "there is no map to take the scale from".clone_into(&mut state.message),
    }
}

/// Leaves slow work that is under way, and goes back to what is shown.
pub(super) fn call_off(state: &mut State) -> Vec<Effect> {
    let current = state.current().map(|image| image.id);
    if let Some(shown) = &state.shown
        && current == Some(shown.image)
    {
        state.target = target_of(shown, &shown.explanation);
        let beside = shown.beside.as_ref();
        state.beside = beside.map(|beside| target_of(shown, beside));
        state.options = shown.explanation.options.clone();
        state.style = shown.style;
        "called off".clone_into(&mut state.message);
        wish(state);
        return Vec::new();
    }
    state.asked.latest.0 += 1;
    state.asked.wanted = false;
    state.shown = None;
    let method = state.options.method.method().name;
    state.failure = current.map(|image| {
        let key = state.keymap.called(Command::Open(Page::Methods));
        let reason = format!("{method} was called off. {key} chooses another method.");
        (image, reason)
    });
    let told = std::mem::replace(&mut state.asked.stopping, true);
    if told {
        Vec::new()
    } else {
        vec![Effect::Send(Job::Stop)]
    }
}

/// The target that a shown explanation is of: its rank, where that is among the predictions.
fn target_of(shown: &Outcome, explanation: &Explanation) -> Target {
    let prediction = &explanation.target;
    if prediction.rank <= shown.predictions.len() {
        Target::Rank(prediction.rank)
    } else {
        Target::Class(prediction.class)
    }
}
