//! Stack: what a terminal of kitty's protocol holds and shows, and the next step towards what is
//! wanted. No I/O and no clock.
//!
//! The terminal keeps pictures by number. A [`Scene`] names the two that are wanted, a photo and the
//! heatmap above it, by their content. [`Stack::next`] says one step at a time: have a picture
//! encoded, send it, or place what is there. A step that is done or cut short is reported back; so is
//! a picture that the terminal says it has lost. A number that is on the screen is never sent again,
//! so that nothing flickers.

use std::collections::{BTreeSet, HashMap};

use super::kitty::{Answer, Farewell, HEAT_HEIGHT, Ids, PHOTO_HEIGHT, Part, Route};
use super::png::Png;
use super::{Slot, placeholder};
use crate::geometry::{PixelSize, Window};

/// Pictures that the terminal is asked to keep at a time; each has a number from 1 on.
const NUMBERS: u8 = 48;
/// How often a picture is sent that the terminal says it does not have.
const PATIENCE: u8 = 3;

/// How good a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// A photo at first sight.
    Preview,
    Full,
}

/// A picture by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: u64,
    pub quality: Quality,
}

/// What is to be on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    pub slot: Slot,
    pub photo: u64,
    pub heat: Option<u64>,
    /// The part that is shown, in fractions of the whole; `None` for all of it.
    pub part: Option<Window>,
}

/// What is wanted, and what time allows.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a condition of its own, and no two exclude each other"
)]
pub struct Wanted<'a> {
    pub scene: Option<&'a Scene>,
    /// Heatmaps that may be wanted next.
    pub ahead: &'a [u64],
    /// Whether a picture that nothing is known of may be begun.
    pub may_begin: bool,
    /// Whether the terminal has all photos that were sent.
    pub is_answered: bool,
    /// Whether the selection rests: time for full quality and for what may come.
    pub rests: bool,
    /// Whether what is on the screen is too old to be left there.
    pub is_late: bool,
}

/// Pictures that have been encoded.
pub type Library = HashMap<Key, Png>;

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Encode(Key),
    Upload(Upload),
    Show(Show),
}

/// A picture to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What it is; its quality may be better than asked for.
    pub key: Key,
    size: PixelSize,
    number: u8,
    /// Whether the number belongs to another picture, which goes.
    replaces: bool,
    is_photo: bool,
}

/// Placements to be changed; the writer makes one synchronized update of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    pub bytes: Vec<u8>,
    shown: Option<Shown>,
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    slot: Slot,
    part: Option<Window>,
    photo: u8,
    heat: Option<u8>,
}

/// A picture that the terminal has.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u8,
    key: Key,
    size: PixelSize,
    last_use: u64,
}

/// The belief of what the terminal holds and shows.
#[derive(Debug)]
pub struct Stack {
    route: Route,
    ids: Ids,
    held: Vec<Held>,
    shown: Option<Shown>,
    /// Whether the cells or the placements were erased since.
    is_erased: bool,
    /// How often pictures were lost.
    lost: HashMap<Key, u8>,
    /// Every number that was ever sent; some of them the terminal may have again.
    used: BTreeSet<u8>,
    /// The number that was sent last. Numbers go around, so that what is still said of one that was
    /// cut short is not taken for another picture.
    last: u8,
    clock: u64,
}

impl Stack {
    #[must_use]
    pub fn new(route: Route, ids: Ids) -> Self {
        Self {
            route,
            ids,
            held: Vec::new(),
            shown: None,
            is_erased: false,
            lost: HashMap::new(),
            used: BTreeSet::new(),
            last: 0,
            clock: 0,
        }
    }

    /// The next step towards what is wanted; nothing where all is done that may be done now.
    #[must_use]
    pub fn next(&self, wanted: Wanted<'_>, library: &Library) -> Option<Step> {
        let Some(scene) = wanted.scene else {
            return self.show(None);
        };
        let photo = self.best(scene.photo);
        let heat = scene.heat.map(full);
        let heat_number = heat.and_then(|key| self.number(key));
        let heat_is_missing =
            heat.is_some_and(|key| heat_number.is_none() && !self.is_hopeless(key));
        let ready = photo.filter(|_| !heat_is_missing || wanted.is_late);
        let shown = ready.map(|photo| Shown {
            slot: scene.slot,
            part: scene.part,
            photo,
            heat: heat_number,
        });
        if (ready.is_some() || wanted.is_late)
            && let Some(step) = self.show(shown)
        {
            return Some(step);
        }
        if let Some(key) = heat.filter(|_| heat_is_missing)
            && (photo.is_some() || wanted.may_begin)
        {
            return Some(self.fetch(key, false, scene, library));
        }
        let preview = Key {
            name: scene.photo,
            quality: Quality::Preview,
        };
        if photo.is_none() {
            let may_send = wanted.may_begin && wanted.is_answered && !self.is_hopeless(preview);
            return may_send.then(|| self.fetch(preview, true, scene, library));
        }
        if !wanted.rests {
            return None;
        }
        let better = full(scene.photo);
        if self.number(better).is_none() && !self.is_hopeless(better) {
            // What may come next waits until the line is free of this.
            return wanted
                .is_answered
                .then(|| self.fetch(better, true, scene, library));
        }
        let ahead = wanted.ahead.iter().map(|name| full(*name));
        let missing = ahead
            .into_iter()
            .find(|key| self.number(*key).is_none() && !self.is_hopeless(*key));
        missing.map(|key| self.fetch(key, false, scene, library))
    }

    /// Sends a picture, after it has been encoded.
    fn fetch(&self, key: Key, is_photo: bool, scene: &Scene, library: &Library) -> Step {
        let better = full(key.name);
        let found = [better, key]
            .into_iter()
            .filter(|found| found.quality >= key.quality)
            .find_map(|key| Some((key, library.get(&key)?)));
        let Some((key, png)) = found else {
            return Step::Encode(key);
        };
        let (number, replaces) = self.free_number(scene);
        Step::Upload(Upload {
            key,
            size: png.size,
            number,
            replaces,
            is_photo,
        })
    }

    /// A number that nothing has, or that of the picture that was used longest ago.
    fn free_number(&self, scene: &Scene) -> (u8, bool) {
        let taken = |number: &u8| self.held.iter().any(|held| held.number == *number);
        let around = (self.last + 1..=NUMBERS).chain(1..=self.last);
        if let Some(free) = around.into_iter().find(|number| !taken(number)) {
            return (free, false);
        }
        let is_needed = |held: &&Held| {
            let shown = self
                .shown
                .is_some_and(|shown| shown.photo == held.number || shown.heat == Some(held.number));
            shown || held.key.name == scene.photo || Some(held.key.name) == scene.heat
        };
        let unneeded = self.held.iter().filter(|held| !is_needed(held));
        let oldest = unneeded.min_by_key(|held| held.last_use);
        (oldest.map_or(1, |held| held.number), true)
    }

    /// Changes placements, where they are not as wanted.
    fn show(&self, wanted: Option<Shown>) -> Option<Step> {
        if wanted == self.shown && !self.is_erased {
            return None;
        }
        let body = match wanted {
            Some(shown) => self.placed(shown),
            None if self.shown.is_none() => return None,
            None => Vec::new(),
        };
        let gone: Vec<u8> = self
            .shown_numbers()
            .filter(|number| {
                wanted.is_none_or(|shown| *number != shown.photo && Some(*number) != shown.heat)
            })
            .flat_map(|number| self.route.take_away(self.ids.id(number)))
            .collect();
        Some(Step::Show(Show {
            bytes: [body, gone].concat(),
            shown: wanted,
        }))
    }

    fn shown_numbers(&self) -> impl Iterator<Item = u8> {
        let shown = self.shown;
        let photo = shown.map(|shown| shown.photo);
        let heat = shown.and_then(|shown| shown.heat);
        photo.into_iter().chain(heat)
    }

    /// The sequences that place what is not placed like this yet.
    fn placed(&self, wanted: Shown) -> Vec<u8> {
        let same = self.shown.filter(|shown| {
            !self.is_erased && shown.slot == wanted.slot && shown.part == wanted.part
        });
        let same_photo = same.is_some_and(|shown| shown.photo == wanted.photo);
        let same_heat = same.is_some_and(|shown| shown.heat == wanted.heat);
        let (slot, cells) = (wanted.slot, wanted.slot.size);
        let part = |number| self.part(number, wanted.part);
        let photo = self.ids.id(wanted.photo);
        let heat = wanted
            .heat
            .map(|number| (self.ids.id(number), part(number)));
        let mut bytes = Vec::new();
        match self.route {
            Route::Direct => {
                bytes.extend(format!("\x1b[{};{}H", slot.y + 1, slot.x + 1).into_bytes());
                if !same_photo {
                    bytes.extend(
                        self.route
                            .place(photo, cells, part(wanted.photo), PHOTO_HEIGHT),
                    );
                }
                if let Some((heat, part)) = heat.filter(|_| !same_heat) {
                    bytes.extend(self.route.place(heat, cells, part, HEAT_HEIGHT));
                }
            }
            Route::Tmux => {
                if !same_photo {
                    bytes.extend(self.route.place_virtually(photo, cells, part(wanted.photo)));
                    bytes.extend(placeholder::cells(slot, photo));
                }
                // What stands on a photo goes with it.
                if let Some((heat, part)) = heat.filter(|_| !(same_heat && same_photo)) {
                    bytes.extend(self.route.place_over(heat, photo, cells, part));
                }
            }
        }
        bytes
    }

    /// The pixels of a held picture that a part of the whole is.
    fn part(&self, number: u8, part: Option<Window>) -> Option<Part> {
        let size = self.held.iter().find(|held| held.number == number)?.size;
        let Window {
            x,
            y,
            width,
            height,
        } = part?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float saturates when it is cast"
        )]
        let pixels = |share: f64, length: u32| (share * f64::from(length)).round() as u32;
        Some(Part {
            x: pixels(x, size.width),
            y: pixels(y, size.height),
            size: PixelSize::new(
                pixels(width, size.width).max(1),
                pixels(height, size.height).max(1),
            ),
        })
    }

    fn number(&self, key: Key) -> Option<u8> {
        let held = self.held.iter().find(|held| held.key == key);
        held.map(|held| held.number)
    }

    /// The best that is there of a photo.
    fn best(&self, name: u64) -> Option<u8> {
        let there = self.held.iter().filter(|held| held.key.name == name);
        there
            .max_by_key(|held| held.key.quality)
            .map(|held| held.number)
    }

    fn is_hopeless(&self, key: Key) -> bool {
        self.lost.get(&key).is_some_and(|count| *count >= PATIENCE)
    }

    /// The sequences of an upload, and those that end it where it is cut short.
    #[must_use]
    pub fn sequences(&self, upload: Upload, png: &Png) -> (Vec<Vec<u8>>, Vec<u8>) {
        let id = self.ids.id(upload.number);
        let mut chunks = self.route.upload(id, &png.bytes, upload.is_photo);
        if upload.replaces
            && let Some(first) = chunks.first_mut()
        {
            *first = [self.route.delete(id), std::mem::take(first)].concat();
        }
        (chunks, self.route.abort(id))
    }

    /// An upload has been begun: what had its number is gone.
    pub fn begun(&mut self, upload: Upload) {
        self.held.retain(|held| held.number != upload.number);
        self.used.insert(upload.number);
        self.last = upload.number;
    }

    /// An upload has been written whole.
    pub fn uploaded(&mut self, upload: Upload) {
        self.clock += 1;
        self.held.push(Held {
            number: upload.number,
            key: upload.key,
            size: upload.size,
            last_use: self.clock,
        });
    }

    /// Placements have been changed.
    pub fn showed(&mut self, show: &Show) {
        self.clock += 1;
        self.shown = show.shown;
        self.is_erased = false;
        let numbers: Vec<u8> = self.shown_numbers().collect();
        for held in &mut self.held {
            if numbers.contains(&held.number) {
                held.last_use = self.clock;
            }
        }
    }

    /// Takes in what the terminal says of a picture. Returns whether it was about one of ours.
    pub fn answered(&mut self, answer: &Answer) -> bool {
        let Some(number) = self.ids.low(answer.id) else {
            return false;
        };
        if answer.error.is_some()
            && let Some(place) = self.held.iter().position(|held| held.number == number)
        {
            let held = self.held.swap_remove(place);
            *self.lost.entry(held.key).or_default() += 1;
            if self.shown_numbers().any(|shown| shown == number) {
                self.is_erased = true;
            }
        }
        true
    }

    /// Whether an upload is the one that an answer is about.
    #[must_use]
    pub fn is_about(&self, answer: &Answer, upload: Upload) -> bool {
        self.ids.low(answer.id) == Some(upload.number)
    }

    /// The screen was erased; the pictures are still there.
    pub fn erased(&mut self) {
        self.is_erased = true;
    }

    /// The terminal has none of the pictures any more.
    pub fn forgotten(&mut self) {
        self.held.clear();
        self.used.clear();
        self.forgive();
        self.shown = None;
        self.is_erased = false;
    }

    /// Pictures that were lost too often may be sent again.
    pub fn forgive(&mut self) {
        self.lost.clear();
    }

    /// What deletes all pictures, also one that is being sent.
    #[must_use]
    pub fn farewell(&self) -> Farewell {
        let numbers = self.used.iter().map(|number| self.ids.id(*number));
        // No picture has the number 0.
        self.route.farewell(numbers, self.ids.id(0))
    }
}

impl Upload {
    /// Whether the terminal says when it has it.
    #[must_use]
    pub fn is_photo(&self) -> bool {
        self.is_photo
    }
}

fn full(name: u64) -> Key {
    Key {
        name,
        quality: Quality::Full,
    }
}

#[cfg(test)]
mod tests;
