//! Review: what people say of the images, and which images the queue shows. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tui_input::Input;

use super::session::Session;
use crate::dataset::ImageId;
use crate::dataset::order::Order;
use crate::dataset::query::{Completion, Query, QueryError};
use crate::dataset::review::{Review, Verdict};
use crate::dataset::store::{Stamp, View};

/// What stands of an image in the store, and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub review: Review,
    pub stamp: Stamp,
}

/// The part of the state that is about reviewing.
#[derive(Debug)]
pub struct Reviewing {
    /// The verdicts that can be given.
    pub verdicts: Vec<Verdict>,
    pub said: HashMap<ImageId, Said>,
    /// Images that the next verdict is for, in place of the selected one.
    pub marked: HashSet<ImageId>,
    /// Place in the queue where a range of marks has begun.
    pub range_from: Option<usize>,
    /// What the text of the filter means.
    pub query: Query,
    /// Why the text of the filter means nothing; then the query is that of before.
    pub fault: Option<QueryError>,
    pub order: Order,
    /// The image that was selected when the filter began to be typed: it is selected again when it
    /// comes back into the queue.
    pub anchor: Option<ImageId>,
    /// Queues under a name.
    pub views: Vec<View>,
    /// Where verdicts are kept, safe to print; why they cannot be kept.
    pub kept: Result<String, String>,
    pub mistakes: Mistakes,
    /// Whether the second class of the picture is there because the image is a mistake.
    pub is_contrasted: bool,
    /// How many images were scored when the queue was made last.
    pub scored: usize,
    /// Whether the selection goes on to the next image after a verdict.
    pub advances: bool,
    /// Where the user was the last time.
    pub before: Option<Session>,
    /// Why the accuracy of all images can hardly be true, in a sentence.
    pub alarm: Option<String>,
    /// How many images were scored when that was looked at.
    pub alarm_of: usize,
}

/// What is shown of an image that the network gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistakes {
    /// The predicted and the true class side by side on one scale.
    Beside,
    /// What speaks for the predicted class rather than for the true one.
    Difference,
    /// The predicted class, as of any other image.
    Plain,
}

impl Mistakes {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Beside => Self::Difference,
            Self::Difference => Self::Plain,
            Self::Plain => Self::Beside,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::Difference => "difference",
            Self::Plain => "plain",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Beside, Self::Difference, Self::Plain];
        all.into_iter().find(|one| one.name() == name)
    }

    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Beside => "mistakes: the predicted and the true class side by side",
            Self::Difference => "mistakes: the predicted class rather than the true one",
            Self::Plain => "mistakes: the predicted class alone",
        }
    }
}

/// A line that is being typed.
#[derive(Clone, Debug)]
pub struct Writing {
    pub what: Written,
    pub line: Input,
}

/// What a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The queue that is shown, in the language of [`crate::dataset::query`].
    Filter {
        /// How the term at the cursor can go on, and which of these is in the line.
        offers: Vec<Completion>,
        offered: Option<usize>,
    },
    /// A note on these images.
    Note(Vec<ImageId>),
    /// Tags of these images, with commas between them.
    Tags(Vec<ImageId>),
    /// The name that the queue is saved under.
    ViewName,
    /// The file that the queue is written to.
    Export,
}

impl Reviewing {
    #[must_use]
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        Self {
            verdicts,
            said: HashMap::new(),
            marked: HashSet::new(),
            range_from: None,
            query: Query::default(),
            fault: None,
            order: Order::default(),
            anchor: None,
            views: Vec::new(),
            kept: Err("no store is open".to_owned()),
            mistakes: Mistakes::Beside,
            is_contrasted: false,
            scored: 0,
            advances: true,
            before: None,
            alarm: None,
            alarm_of: 0,
        }
    }

    #[must_use]
    pub fn of(&self, image: ImageId) -> Option<&Review> {
        self.said.get(&image).map(|said| &said.review)
    }

    /// All verdicts: those in use, and those of other sets that some image has.
    #[must_use]
    pub fn all_verdicts(&self) -> Vec<Arc<str>> {
        let mut all: Vec<Arc<str>> = self
            .verdicts
            .iter()
            .map(|verdict| Arc::clone(&verdict.name))
            .collect();
        for said in self.said.values() {
            if let Some(verdict) = &said.review.verdict
                && !all.contains(verdict)
            {
                all.push(Arc::clone(verdict));
            }
        }
        all
    }

    /// All tags that some image has, in alphabetical order.
    #[must_use]
    pub fn all_tags(&self) -> Vec<Arc<str>> {
        let tags = self.said.values().flat_map(|said| said.review.tags.iter());
        let mut all: Vec<Arc<str>> = tags.cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Tags of a line: separated by commas, each once, in alphabetical order.
#[must_use]
pub fn tags_of(line: &str) -> Arc<[Arc<str>]> {
    let mut tags: Vec<Arc<str>> = line
        .split(',')
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(Arc::from)
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into()
}
