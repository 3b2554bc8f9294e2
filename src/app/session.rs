//! Session: where somebody was when the program ended, to go on there. Pure.

use serde::{Deserialize, Serialize};

use super::review::Mistakes;
use super::state::State;
use crate::dataset::ImageId;
use crate::explain::methods::MethodId;
use crate::job::Target;
use crate::model::ClassIndex;
use crate::picture::View;
use crate::picture::colormap::Colormap;

/// What is kept of the state. Parts that another version does not know are as usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The selected image, by its name in the list.
    image: String,
    filter: String,
    order: String,
    /// Layers and classes are those of this model.
    fingerprint: String,
    /// The class where it is not the top prediction.
    class: Option<usize>,
    layers: Vec<String>,
    method: String,
    view: String,
    colormap: String,
    opacity: Option<f32>,
    mistakes: String,
    stays: bool,
}

impl Session {
    /// Where the user is now; nothing before the model is loaded, or where nothing is selected.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let summary = state.summary()?;
        let image = state.current()?;
        let class = match state.target {
            Target::Rank(1) => None,
            target => state.class_of(target).map(|class| class.0),
        };
        Some(Self {
            image: image.name.to_string(),
            filter: state.filter.clone(),
            order: state.review.order.to_string(),
            fingerprint: summary.fingerprint.clone(),
            class,
            layers: state.options.layers.clone(),
            method: state.options.method.method().key.to_owned(),
            view: state.style.view.name().to_owned(),
            colormap: state.style.colormap.name().to_owned(),
            opacity: Some(state.style.opacity),
            mistakes: state.review.mistakes.name().to_owned(),
            stays: !state.review.advances,
        })
    }

    /// The session of a text; nothing where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// "05-fish.png in wrong, by -conf".
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = self.image.clone();
        if !self.filter.is_empty() {
            words.push_str(" in ");
            words.push_str(&self.filter);
        }
        if !self.order.is_empty() && self.order != "name" {
            words.push_str(", by ");
            words.push_str(&self.order);
        }
        crate::text::visible(&words)
    }

    /// Whether the program starts there anyway.
    #[must_use]
    pub fn is_the_beginning(&self, state: &State) -> bool {
        let first = state.images.first().map(|image| &*image.name);
        self.filter.is_empty() && self.order == "name" && first == Some(&self.image)
    }

    /// The image that was selected, where it is still in the list.
    pub(super) fn image(&self, state: &State) -> Option<ImageId> {
        let found = state.images.iter().find(|image| *image.name == self.image);
        found.map(|image| image.id)
    }

    pub(super) fn queue(&self) -> (&str, &str) {
        (&self.filter, &self.order)
    }

    /// Puts the options and the style into the state; layers only those of the same model.
    pub(super) fn set_options(&self, state: &mut State) {
        let is_same_model = self.is_of_model(state);
        if let Ok(method) = self.method.parse::<MethodId>() {
            state.options.method = method;
        }
        if is_same_model {
            state.options.layers.clone_from(&self.layers);
        }
        let view = View::ALL.into_iter().find(|view| view.name() == self.view);
        state.style.view = view.unwrap_or(state.style.view);
        if let Ok(colormap) = self.colormap.parse::<Colormap>() {
            state.style.colormap = colormap;
        }
        if let Some(opacity) = self.opacity.filter(|opacity| (0.0..=1.0).contains(opacity)) {
            state.style.opacity = opacity;
        }
        if let Some(mistakes) = Mistakes::named(&self.mistakes) {
            state.review.mistakes = mistakes;
        }
        state.review.advances = !self.stays;
    }

    /// The class that was explained, where it is one of this model's and not the top prediction.
    pub(super) fn class(&self, state: &State) -> Option<ClassIndex> {
        let class = self.class.filter(|class| *class < state.labels.len())?;
        self.is_of_model(state).then_some(ClassIndex(class))
    }

    fn is_of_model(&self, state: &State) -> bool {
        state
            .summary()
            .is_some_and(|summary| summary.fingerprint == self.fingerprint)
    }
}
