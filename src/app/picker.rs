//! Picker: a page of rows to choose from: classes, layers or methods. Which rows are there, in
//! which order, and which one is selected. Pure.

use std::collections::BTreeSet;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::state::State;
use crate::dataset::order::By;
use crate::dataset::store::View;
use crate::explain::methods::METHODS;
use crate::job::Target;
use crate::keymap::Page;

/// A page to choose from. Its items are numbered as the model or the program numbers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picker {
    pub page: Page,
    pub filter: String,
    /// Items that the filter lets through, in the order in which they are shown.
    pub items: Vec<usize>,
    /// Place among these.
    pub selected: usize,
    /// First row that is on the screen.
    pub scroll: usize,
    /// Items that are marked, to be used together.
    pub marked: BTreeSet<usize>,
}

impl Picker {
    /// The page with the item in use selected. `rows` are on the screen at a time.
    #[must_use]
    pub fn open(page: Page, state: &State, rows: usize) -> Self {
        let used = used(page, state);
        let mut picker = Self {
            page,
            filter: String::new(),
            items: items(page, "", state),
            selected: 0,
            scroll: 0,
            marked: BTreeSet::new(),
        };
        if used.len() > 1 {
            picker.marked.extend(&used);
        }
        picker.select_item(used.first().copied(), rows);
        picker
    }

    /// The selected item.
    #[must_use]
    pub fn item(&self) -> Option<usize> {
        self.items.get(self.selected).copied()
    }

    /// Selects a place, or the last one beyond the end, and scrolls it onto the screen.
    pub fn select(&mut self, place: usize, rows: usize) {
        self.selected = place.min(self.items.len().saturating_sub(1));
        let rows = rows.max(1);
        let last = self.items.len().saturating_sub(rows);
        self.scroll = self
            .scroll
            .clamp((self.selected + 1).saturating_sub(rows), self.selected)
            .min(last);
    }

    /// Moves the selection.
    pub fn step(&mut self, by: isize, rows: usize) {
        self.select(self.selected.saturating_add_signed(by), rows);
    }

    /// Changes the filter. The best row is selected.
    pub fn filter_by(&mut self, filter: String, state: &State, rows: usize) {
        self.filter = filter;
        self.items = items(self.page, &self.filter, state);
        self.select(0, rows);
    }

    /// Takes in what has become known. The selected item stays selected where it is still there.
    pub fn refresh(&mut self, state: &State, rows: usize) {
        let item = self.item();
        self.items = items(self.page, &self.filter, state);
        self.select_item(item, rows);
    }

    /// Marks the selected item, or takes its mark away.
    pub fn mark(&mut self) {
        if let Some(item) = self.item()
            && !self.marked.remove(&item)
        {
            self.marked.insert(item);
        }
    }

    fn select_item(&mut self, item: Option<usize>, rows: usize) {
        let place = item.and_then(|item| self.items.iter().position(|other| *other == item));
        self.select(place.unwrap_or(0), rows);
    }
}

/// The items in use.
#[must_use]
pub fn used(page: Page, state: &State) -> Vec<usize> {
    match page {
        Page::Classes => {
            let target = state.class_of(state.target);
            target.map(|class| class.0).into_iter().collect()
        }
        Page::Layers => {
            let names = state.target_layers();
            let used = |place: &usize| names.contains(&state.layers[*place].name.as_str());
            (0..state.layers.len()).filter(used).collect()
        }
        Page::Methods => {
            let used = state.options.method.method().key;
            let is_used = |place: &usize| METHODS[*place].key == used;
            (0..METHODS.len()).filter(is_used).collect()
        }
        Page::Orders => {
            let used = |by: &By| *by == state.review.order.by;
            By::all().position(|by| used(&by)).into_iter().collect()
        }
        Page::Queues => {
            let order = state.review.order.to_string();
            let used = |view: &View| view.filter == state.filter && view.order == order;
            queues(state).iter().position(used).into_iter().collect()
        }
    }
}

/// The items that a filter lets through. Classes come in the order of how well they fit, then of
/// their probability; layers in the order of the network.
fn items(page: Page, filter: &str, state: &State) -> Vec<usize> {
    let mut items: Vec<usize> = (0..match page {
        Page::Classes => state.labels.len(),
        Page::Layers => state.layers.len(),
        Page::Methods => METHODS.len(),
        Page::Orders => By::all().count(),
        Page::Queues => queues(state).len(),
    })
        .collect();
    let mut fits = vec![0; items.len()];
    if !filter.trim().is_empty() {
        let name = |item: usize| match page {
            Page::Classes => format!("{} {item}", state.labels[item]),
            Page::Layers => state.layers[item].name.clone(),
            Page::Methods | Page::Orders | Page::Queues => String::new(),
        };
        let pattern = Pattern::parse(filter, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut characters = Vec::new();
        let number = filter.trim().parse::<usize>().ok();
        items.retain(|item| {
            let name = name(*item);
            let fit = pattern.score(Utf32Str::new(&name, &mut characters), &mut matcher);
            // Who types a number means that class first.
            fits[*item] = if number == Some(*item) {
                u32::MAX
            } else {
                fit.unwrap_or(0)
            };
            fit.is_some()
        });
    }
    if page == Page::Classes {
        let probabilities = state.probabilities().unwrap_or_default();
        let probability = |item: usize| probabilities.get(item).copied().unwrap_or(0.0);
        items.sort_by(|a, b| {
            let by_fit = fits[*b].cmp(&fits[*a]);
            by_fit.then_with(|| probability(*b).total_cmp(&probability(*a)))
        });
    }
    items
}

/// Queues under a name: those that everybody has, then those that were saved.
#[must_use]
pub fn queues(state: &State) -> Vec<View> {
    let view = |(name, filter, order): (&str, &str, &str)| View {
        name: name.to_owned(),
        filter: filter.to_owned(),
        order: order.to_owned(),
    };
    let usual = USUAL_QUEUES.map(view);
    usual
        .into_iter()
        .chain(state.review.views.iter().cloned())
        .collect()
}

/// Name, filter and order of the queues that everybody has.
pub const USUAL_QUEUES: [(&str, &str, &str); 10] = [
    ("all images", "", "name"),
    ("mistakes, the surest first", "wrong", "-conf"),
    ("mistakes, the highest loss first", "wrong", "-loss"),
    ("labels that may be wrong", "wrong", "-mist"),
    ("narrow decisions", "", "margin"),
    (
        "right, but the map misses the box",
        "right mass<0.5",
        "mass",
    ),
    (
        "mistakes with the same evidence for both classes",
        "wrong agree>0.5",
        "-agree",
    ),
    ("empty maps", "empty", "-conf"),
    ("without a verdict", "verdict:none", "name"),
    ("cannot be read", "unreadable", "name"),
];

/// How a class is used, in a word.
#[must_use]
pub fn role(state: &State, class: usize) -> Option<&'static str> {
    let is = |target: Option<Target>| {
        let found = target.and_then(|target| state.class_of(target));
        found.is_some_and(|found| found.0 == class)
    };
    if is(Some(state.target)) {
        Some("target")
    } else if is(state.beside) {
        Some("beside")
    } else if state.options.versus.is_some_and(|other| other.0 == class) {
        Some("subtracted")
    } else {
        None
    }
}
