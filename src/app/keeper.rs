//! Keeper: the store of reviews on the side of the interface. What is to be kept is on disk before
//! the next key is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::event::{Keep, StoreReply, Then};
use super::review::{Reviewing, Said};
use super::session::Session;
use super::state::State;
use crate::cli::ReviewSettings;
use crate::dataset::keys::Keys;
use crate::dataset::review::Review;
use crate::dataset::store::{Change, Place, Recorded, Reviewed, Stamp, Store, StoreError, Version};
use crate::dataset::{ImageEntry, ImageId};
use crate::text::{count, visible};

/// The open store.
pub(super) struct Keeper {
    store: Store,
    place: Place,
    /// Which image a name in the store means, as soon as all have been found.
    keys: Option<Arc<Keys>>,
    /// All reviews up to this version are known.
    known: Version,
    /// The session that was kept last.
    session: Option<Session>,
}

impl Keeper {
    /// Opens the store of the images that are looked for at `paths`. Where none can be kept on disk,
    /// it is one that ends with the program, and `reviewing` says why.
    ///
    /// # Errors
    /// When there is no memory either.
    pub(super) fn open(
        settings: &ReviewSettings,
        paths: &[PathBuf],
        reviewing: &mut Reviewing,
    ) -> Result<(Self, Vec<String>), StoreError> {
        let state = settings.state_folder.as_deref();
        let place = Place::new(paths, settings.file.as_deref(), state).or_else(|error| {
            // Keys are needed all the same.
            tracing::warn!("{error}");
            Place::new(paths, Some(Path::new("gradcam.sqlite")), None)
        })?;
        let opened = match (&settings.file, state) {
            (None, None) => Err(StoreError::NoPlace),
            _ => Store::open(&place, &settings.reviewer),
        };
        let mut notes = Vec::new();
        let store = match opened {
            Ok(store) => {
                notes.extend(store.notes().iter().cloned());
                reviewing.kept = Ok(store.name().to_owned());
                store
            }
            Err(reason) => {
                notes.push(format!("verdicts are not kept: {reason}"));
                reviewing.kept = Err(reason.to_string());
                Store::in_memory(&settings.reviewer)?
            }
        };
        let keeper = Self {
            store,
            place,
            keys: None,
            known: Version::NONE,
            session: None,
        };
        reviewing.views = keeper.store.views()?;
        reviewing.before = keeper
            .store
            .session()?
            .and_then(|text| Session::parse(&text));
        Ok((keeper, notes))
    }

    /// Where the store lies, and which names images have in it.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn keys(&self) -> Option<&Arc<Keys>> {
        self.keys.as_ref()
    }

    /// Another connection, for the thread that scores.
    pub(super) fn another(&self) -> Result<Store, StoreError> {
        self.store.another()
    }

    /// All images have been found. Returns what is said of them.
    pub(super) fn know(&mut self, keys: Arc<Keys>, images: &[ImageEntry]) -> StoreReply {
        self.keys = Some(keys);
        match self.store.reviews() {
            Ok(changes) => {
                self.known = changes.version;
                StoreReply::Standing {
                    said: self.said(changes.reviews, images),
                    words: String::new(),
                    then: Then::Leave,
                }
            }
            Err(error) => StoreReply::Failed(error.to_string()),
        }
    }

    pub(super) fn keep(&mut self, keep: Keep, images: &[ImageEntry]) -> StoreReply {
        let done = match keep {
            Keep::Reviews {
                changes,
                words,
                then,
            } => self.record(changes, words, then, images),
            Keep::Undo => self.turn(Store::undo, "undone", images),
            Keep::Redo => self.turn(Store::redo, "done again", images),
            Keep::View(view) => self.store.save_view(&view).and_then(|()| {
                self.views(format!("the queue is saved as {}", visible(&view.name)))
            }),
            Keep::RemoveView(name) => self
                .store
                .remove_view(&name)
                .and_then(|_| self.views(format!("{} is taken away", visible(&name)))),
        };
        done.unwrap_or_else(|error| StoreReply::Failed(error.to_string()))
    }

    fn views(&self, words: String) -> Result<StoreReply, StoreError> {
        let views = self.store.views()?;
        Ok(StoreReply::Views { views, words })
    }

    fn record(
        &mut self,
        wanted: Vec<(ImageId, Version, Review)>,
        words: String,
        then: Then,
        images: &[ImageEntry],
    ) -> Result<StoreReply, StoreError> {
        let change = |(image, expected, review): &(ImageId, Version, Review)| Change {
            image: self.place.key(&images[image.0].path),
            expected: *expected,
            review: review.clone(),
        };
        let changes: Vec<Change> = wanted.iter().map(change).collect();
        Ok(match self.store.record(&changes)? {
            Recorded::Kept(stamps) => {
                let said = wanted
                    .into_iter()
                    .zip(stamps)
                    .map(|((image, _, review), stamp)| (image, Said { review, stamp }));
                StoreReply::Standing {
                    said: said.collect(),
                    words,
                    then,
                }
            }
            Recorded::Conflicts(conflicts) => {
                let words = conflict_words(&conflicts);
                StoreReply::Standing {
                    said: self.said(conflicts, images),
                    words,
                    then: Then::Leave,
                }
            }
        })
    }

    fn turn(
        &mut self,
        turn: impl FnOnce(&mut Store) -> Result<Option<crate::dataset::store::Turn>, StoreError>,
        done: &str,
        images: &[ImageEntry],
    ) -> Result<StoreReply, StoreError> {
        let Some(turned) = turn(&mut self.store)? else {
            return Ok(StoreReply::Failed(format!("there is nothing to be {done}")));
        };
        let mut words = format!("{done}: {}", turned.words);
        if !turned.conflicts.is_empty() {
            words = format!("{words}; {}", conflict_words(&turned.conflicts));
        }
        let steps = turned.steps.into_iter().map(|step| Reviewed {
            image: step.image,
            review: step.new,
            stamp: step.stamp,
        });
        let said = self.said(steps.chain(turned.conflicts), images);
        Ok(StoreReply::Standing {
            said,
            words,
            then: Then::GoTo,
        })
    }

    /// Keeps where the user is, if that is not kept yet.
    pub(super) fn keep_session(&mut self, state: &State) {
        let session = Session::of(state);
        if session.is_none() || session == self.session {
            return;
        }
        if let Some(session) = &session
            && let Err(error) = self.store.save_session(&session.to_text())
        {
            tracing::warn!("{error}");
        }
        self.session = session;
    }

    /// What others have changed since this was asked last.
    pub(super) fn poll(&mut self, images: &[ImageEntry]) -> Option<StoreReply> {
        self.keys.as_ref()?;
        let changes = match self.store.changes_since(self.known) {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!("{error}");
                return None;
            }
        };
        self.known = changes.version;
        let own = Arc::clone(self.store.reviewer());
        let others: Vec<Reviewed> = changes
            .reviews
            .into_iter()
            .filter(|reviewed| reviewed.stamp.by != own)
            .collect();
        if others.is_empty() {
            return None;
        }
        let who = visible(others.last().map_or("", |last| &last.stamp.by));
        let words = format!("{} reviewed by {who}", count(others.len(), "image"));
        Some(StoreReply::Standing {
            said: self.said(others, images),
            words,
            then: Then::Leave,
        })
    }

    /// What stands of images that are in the list.
    fn said(
        &self,
        reviewed: impl IntoIterator<Item = Reviewed>,
        images: &[ImageEntry],
    ) -> Vec<(ImageId, Said)> {
        let Some(keys) = &self.keys else {
            return Vec::new();
        };
        reviewed
            .into_iter()
            .filter_map(
                |Reviewed {
                     image,
                     review,
                     stamp,
                 }| {
                    let id = keys.find(image.as_bytes(), images)?;
                    Some((id, Said { review, stamp }))
                },
            )
            .collect()
    }
}

/// "anna has changed this image meanwhile: wrong; nothing was written, press again to replace it".
fn conflict_words(conflicts: &[Reviewed]) -> String {
    let Some(Reviewed {
        image,
        review,
        stamp,
    }) = conflicts.first()
    else {
        return String::new();
    };
    let Stamp { by, .. } = stamp;
    let verdict = review.verdict.as_deref().unwrap_or("no verdict");
    let who = if by.is_empty() { "somebody" } else { by };
    let others = match conflicts.len() {
        0 | 1 => String::new(),
        more => format!(" and {}", count(more - 1, "other image")),
    };
    format!(
        "{} has meanwhile said {} of {}{others}: nothing was written; once more replaces it",
        visible(who),
        visible(verdict),
        image.shown(),
    )
}
