//! The easel: brings the photo and the heatmap that are wanted onto a terminal that keeps pictures.
//!
//! [`Stack`] says what to do next; this does it, one step at a time, and holds the clock. A step that
//! is under way is cut short when another one has become more urgent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::encoder::Encoder;
use crate::geometry::{CellSize, PixelSize};
use crate::graphics::kitty::{Answer, Farewell, Ids, Route};
use crate::graphics::png::{Png, indexed, photo};
use crate::graphics::stack::{Key, Library, Quality, Scene, Stack, Step, Upload, Wanted};
use crate::job::Generation;
use crate::picture::layers::{Heat, Layers, Photo};
use crate::terminal::{Drawing, Report, Session};

/// Bytes of a photo at first sight, and at full quality; a third more on the wire.
const PREVIEW_BYTES: usize = 16_000;
const FULL_BYTES: usize = 120_000;
/// Encoded pictures that are kept, in bytes.
const LIBRARY_BYTES: usize = 32 << 20;

/// Changes that come faster than this are one movement through the list.
const QUICK: Duration = Duration::from_millis(150);
/// In such a movement nothing is sent before the selection has stood still for so long.
const STILL: Duration = Duration::from_millis(90);
/// Then the selection rests: time for full quality, and for what may come next.
const REST: Duration = Duration::from_millis(150);
/// A picture that belongs to another caption is not left on the screen for longer.
const LATE: Duration = Duration::from_millis(400);
/// After this a terminal is taken to have a picture that it has not answered for.
const UNANSWERED: Duration = Duration::from_secs(5);
/// On lines slower than this, in bytes a second, a picture goes no faster than the line takes it.
const SLOW: f64 = 250_000.0;

/// What is to be encoded.
#[derive(Clone)]
pub(super) enum Order {
    Photo {
        key: Key,
        photo: Photo,
        canvas: PixelSize,
    },
    Heat {
        key: Key,
        heat: Arc<Heat>,
    },
}

/// An encoded picture.
pub(super) type Done = (Order, Result<Png, String>);

/// The wanted picture, its parts, and how far they are.
pub(super) struct Easel {
    stack: Stack,
    library: Library,
    encoder: Encoder<Order, Result<Png, String>>,
    encoding: Option<Key>,
    scene: Option<Scene>,
    photo: Option<Photo>,
    heat: Option<Arc<Heat>>,
    /// Heatmaps that may be wanted after the picture of this generation, most wanted first.
    ahead: (Generation, Vec<Arc<Heat>>),
    canvas: PixelSize,
    cell_px: PixelSize,
    in_hand: Option<InHand>,
    tokens: u64,
    unanswered: Option<Unanswered>,
    /// Bytes a second, where a photo was answered for.
    rate: Option<f64>,
    moved: Instant,
    may_begin: Instant,
    changed: Instant,
}

/// An upload that the writer has.
struct InHand {
    token: u64,
    upload: Upload,
    since: Instant,
    is_cut: bool,
    early_answer: Option<Answer>,
}

/// A photo that the terminal has not said it has.
struct Unanswered {
    upload: Upload,
    bytes: usize,
    since: Instant,
}

impl Order {
    fn key(&self) -> Key {
        match self {
            Self::Photo { key, .. } | Self::Heat { key, .. } => *key,
        }
    }

    fn done(&self) -> Result<Png, String> {
        match self {
            Self::Photo {
                key,
                photo: Photo { picture, .. },
                canvas,
            } => {
                let limit = match key.quality {
                    Quality::Preview => PREVIEW_BYTES,
                    Quality::Full => FULL_BYTES,
                };
                photo(picture, *canvas, limit)
            }
            Self::Heat { heat, .. } => indexed(heat.size, &heat.indices, &heat.palette),
        }
    }
}

impl Easel {
    pub(super) fn start(route: Route, cell_px: PixelSize) -> std::io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            stack: Stack::new(route, Ids::by_chance(route)),
            library: Library::new(),
            encoder: Encoder::start(Order::done)?,
            encoding: None,
            scene: None,
            photo: None,
            heat: None,
            ahead: (Generation::default(), Vec::new()),
            canvas: PixelSize::default(),
            cell_px,
            in_hand: None,
            tokens: 0,
            unanswered: None,
            rate: None,
            moved: now,
            may_begin: now,
            changed: now,
        })
    }

    pub(super) fn done(&self) -> &Receiver<Done> {
        self.encoder.done()
    }

    /// The selection has moved.
    pub(super) fn moved(&mut self, now: Instant) {
        let is_quick = now.duration_since(self.moved) < QUICK;
        self.may_begin = if is_quick { now + STILL } else { now };
        self.moved = now;
    }

    /// Says which picture is wanted, after the cells have been drawn.
    pub(super) fn want(&mut self, scene: Option<Scene>, layers: Option<&Layers>, now: Instant) {
        if self.scene == scene {
            return;
        }
        let photo_before = self.scene.map(|scene| scene.photo);
        self.scene = scene;
        self.changed = now;
        let Some(layers) = layers else {
            return;
        };
        if photo_before != Some(layers.photo.name) {
            self.stack.forgive();
            self.forget_unlikely(layers.photo.name);
        }
        self.canvas = CellSize::holding(layers.photo.size(), self.cell_px).pixels(self.cell_px);
        self.photo = Some(layers.photo.clone());
        self.heat.clone_from(&layers.heat);
    }

    /// A heatmap may be wanted after the picture of this generation.
    pub(super) fn expect(&mut self, generation: Generation, heat: Arc<Heat>) {
        if self.ahead.0 != generation {
            self.ahead = (generation, Vec::new());
        }
        self.ahead.1.push(heat);
    }

    /// Lets go of what another photo leaves behind.
    fn forget_unlikely(&mut self, photo: u64) {
        let bytes: usize = self.library.values().map(|png| png.bytes.len()).sum();
        if bytes > LIBRARY_BYTES {
            self.library.retain(|key, _| key.name == photo);
        }
    }

    /// Does what can be done now.
    pub(super) fn drive(&mut self, session: &Session, now: Instant) {
        while self.step(session, now) {}
    }

    /// Does the next thing; returns whether there may be another at once.
    fn step(&mut self, session: &Session, now: Instant) -> bool {
        let next = self.next(now);
        if let Some(in_hand) = &mut self.in_hand {
            let is_worth =
                matches!(next, Some(Step::Upload(other)) if other.key == in_hand.upload.key);
            if !is_worth && !in_hand.is_cut {
                in_hand.is_cut = true;
                session.writer().cut();
            }
            return false;
        }
        match next {
            None => {}
            Some(Step::Encode(key)) => self.order(key),
            Some(Step::Upload(upload)) => self.hand_over(upload, session, now),
            Some(Step::Show(show)) => {
                session.writer().send(&show.bytes);
                self.stack.showed(&show);
                return true;
            }
        }
        false
    }

    fn next(&self, now: Instant) -> Option<Step> {
        let since = now.duration_since(self.changed.max(self.moved));
        let ahead: Vec<u64> = self.ahead.1.iter().map(|heat| heat.name).collect();
        self.stack.next(
            Wanted {
                scene: self.scene.as_ref(),
                ahead: &ahead,
                may_begin: now >= self.may_begin,
                is_answered: self.unanswered.is_none(),
                rests: since >= REST,
                is_late: now.duration_since(self.changed) >= LATE,
            },
            &self.library,
        )
    }

    /// When time alone may change what is to be done.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.scene?;
        let since = self.changed.max(self.moved);
        let waits = [self.may_begin, since + REST, self.changed + LATE];
        let unanswered = self.unanswered.as_ref().map(|one| one.since + UNANSWERED);
        let later = waits.into_iter().chain(unanswered).filter(|at| *at > now);
        later.min()
    }

    fn order(&mut self, key: Key) {
        if self.encoding == Some(key) {
            return;
        }
        let photo = self.photo.as_ref().filter(|photo| photo.name == key.name);
        let mut heats = self.heat.iter().chain(&self.ahead.1);
        let order = if let Some(heat) = heats.find(|heat| heat.name == key.name) {
            Order::Heat {
                key,
                heat: Arc::clone(heat),
            }
        } else if let Some(photo) = photo {
            Order::Photo {
                key,
                photo: photo.clone(),
                canvas: self.canvas,
            }
        } else {
            tracing::error!("a picture is wanted that nobody has");
            return;
        };
        self.encoding = Some(key);
        self.encoder.order(order);
    }

    fn hand_over(&mut self, upload: Upload, session: &Session, now: Instant) {
        let Some(png) = self.library.get(&upload.key) else {
            return;
        };
        let (pieces, cut) = self.stack.sequences(upload, png);
        self.stack.begun(upload);
        session.set_farewell(self.stack.farewell());
        self.tokens += 1;
        session.writer().draw(Drawing {
            token: self.tokens,
            pieces: pieces.into(),
            cut,
            pace: self.pace(),
        });
        self.in_hand = Some(InHand {
            token: self.tokens,
            upload,
            since: now,
            is_cut: false,
            early_answer: None,
        });
    }

    /// A little faster than the line was, to find out whether it has become faster.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates when it is cast"
    )]
    fn pace(&self) -> Option<u32> {
        let slow = self.rate.filter(|rate| *rate < SLOW);
        slow.map(|rate| (rate * 1.2) as u32)
    }

    /// Takes in an encoded picture.
    ///
    /// # Errors
    /// When it could not be encoded.
    pub(super) fn encoded(&mut self, (order, png): Done) -> Result<(), String> {
        let mut key = order.key();
        if self.encoding == Some(key) {
            self.encoding = None;
        }
        let png = png?;
        if let Order::Photo { canvas, .. } = order
            && png.size == canvas
        {
            // First sight at no loss: there is nothing to follow.
            key.quality = Quality::Full;
        }
        self.library.insert(key, png);
        Ok(())
    }

    /// Takes in what became of the upload in hand.
    pub(super) fn reported(&mut self, report: Report, round_trip: Duration, now: Instant) {
        let Some(in_hand) = self
            .in_hand
            .take_if(|in_hand| in_hand.token == report.token)
        else {
            return;
        };
        if !report.is_whole {
            return;
        }
        let upload = in_hand.upload;
        self.stack.uploaded(upload);
        if upload.is_photo() {
            let png = self.library.get(&upload.key);
            self.unanswered = Some(Unanswered {
                upload,
                bytes: png.map_or(0, |png| png.bytes.len() * 4 / 3),
                since: in_hand.since,
            });
        }
        if let Some(answer) = in_hand.early_answer {
            self.answered(answer, round_trip, now);
        }
    }

    /// Takes in what the terminal says of a picture.
    pub(super) fn answered(&mut self, answer: Answer, round_trip: Duration, now: Instant) {
        let stack = &self.stack;
        if let Some(in_hand) = &mut self.in_hand
            && stack.is_about(&answer, in_hand.upload)
        {
            // The terminal was faster than the writer's own word.
            in_hand.early_answer = Some(answer);
            return;
        }
        let about = |one: &mut Unanswered| stack.is_about(&answer, one.upload);
        if let Some(one) = self.unanswered.take_if(about) {
            let taken = now.duration_since(one.since).saturating_sub(round_trip);
            self.rate = Some(one.bytes as f64 / taken.as_secs_f64().max(1e-4));
        }
        if self.stack.answered(&answer)
            && let Some(error) = &answer.error
        {
            tracing::info!("the terminal says {error} of picture {}", answer.id);
        }
    }

    /// Stops to wait for an answer that does not come.
    pub(super) fn give_up_waiting(&mut self, now: Instant) {
        self.unanswered
            .take_if(|one| now.duration_since(one.since) >= UNANSWERED);
    }

    /// All cells have been written over.
    pub(super) fn erased(&mut self) {
        self.stack.erased();
    }

    /// The terminal was given away and has come back without pictures.
    pub(super) fn forgotten(&mut self, session: &Session) {
        session.writer().cut();
        self.in_hand = None;
        self.unanswered = None;
        self.stack.forgotten();
        session.set_farewell(Farewell::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphics::Slot;

    const PHOTO: Key = Key {
        name: 1,
        quality: Quality::Preview,
    };

    /// An easel whose writer has a photo in hand, the report of it, and the terminal's answer to it.
    fn in_hand() -> (Easel, Report, Answer) {
        let mut easel = Easel::start(Route::Direct, PixelSize::new(9, 18)).unwrap();
        let size = PixelSize::new(1, 1);
        let png = indexed(size, &[0], &[[1, 2, 3, 255]]).unwrap();
        easel.library.insert(PHOTO, png.clone());
        let scene = Scene {
            slot: Slot {
                x: 0,
                y: 0,
                size: CellSize::new(1, 1),
            },
            photo: PHOTO.name,
            heat: None,
            part: None,
        };
        let wanted = Wanted {
            scene: Some(&scene),
            may_begin: true,
            is_answered: true,
            ..Wanted::default()
        };
        let Some(Step::Upload(upload)) = easel.stack.next(wanted, &easel.library) else {
            panic!("no upload");
        };
        let (chunks, _) = easel.stack.sequences(upload, &png);
        let sent = String::from_utf8(chunks.concat()).unwrap();
        let id = sent.split("i=").nth(1).unwrap().split(',').next().unwrap();
        let answer = Answer {
            id: id.parse().unwrap(),
            error: None,
        };
        easel.stack.begun(upload);
        easel.in_hand = Some(InHand {
            token: 1,
            upload,
            since: Instant::now(),
            is_cut: false,
            early_answer: None,
        });
        let report = Report {
            token: 1,
            is_whole: true,
        };
        (easel, report, answer)
    }

    #[test]
    fn a_terminal_that_answers_before_the_writer_has_spoken_is_not_waited_for() {
        let now = Instant::now();
        for is_early in [false, true] {
            let (mut easel, report, answer) = in_hand();
            if is_early {
                easel.answered(answer, Duration::ZERO, now);
                easel.reported(report, Duration::ZERO, now);
            } else {
                easel.reported(report, Duration::ZERO, now);
                assert!(easel.unanswered.is_some());
                easel.answered(answer, Duration::ZERO, now);
            }
            assert!(easel.unanswered.is_none(), "early: {is_early}");
            assert!(easel.rate.is_some(), "early: {is_early}");
        }
    }

    #[test]
    fn a_movement_through_the_list_waits_until_it_stands_still() {
        let mut easel = Easel::start(Route::Direct, PixelSize::new(9, 18)).unwrap();
        let start = Instant::now() + Duration::from_secs(1);
        easel.moved(start);
        assert_eq!(easel.may_begin, start, "the first key");
        let next = start + Duration::from_millis(33);
        easel.moved(next);
        assert_eq!(easel.may_begin, next + STILL);
    }

    #[test]
    fn a_slow_line_gets_pictures_at_its_own_pace() {
        let mut easel = Easel::start(Route::Direct, PixelSize::new(9, 18)).unwrap();
        assert_eq!(easel.pace(), None);
        easel.rate = Some(16_000.0);
        assert_eq!(easel.pace(), Some(19_200));
        easel.rate = Some(2e6);
        assert_eq!(easel.pace(), None);
    }
}
