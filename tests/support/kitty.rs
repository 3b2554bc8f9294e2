//! A model of a terminal that keeps pictures: what it holds, what is on its screen, what it answers.
//!
//! Shared by the tests of the library and the end-to-end tests. It reads all that a program writes,
//! in any portions, and follows kitty's graphics protocol, the alternate screen, erasing, text that
//! stands for pictures, and tmux's passthrough.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How terminals differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "terminals differ in all of them"
)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// Whether it knows the protocol at all.
    pub(crate) speaks: bool,
    /// Whether `CSI 2 J` frees every picture.
    pub(crate) erasing_frees: bool,
    /// Whether text over a picture, also when it is erased, takes its placement away.
    pub(crate) text_removes: bool,
    /// Whether a picture may stand relative to another one.
    pub(crate) relative: bool,
    /// Whether data stays when a picture is deleted with `d=I`.
    pub(crate) keeps_data: bool,
    /// Pictures that it keeps; those without a placement go first.
    pub(crate) quota: usize,
    /// Whether it answers what it is asked not to answer.
    pub(crate) ignores_quiet: bool,
    /// Whether it says that it has nothing of what it is asked to place.
    pub(crate) lies: bool,
    /// Whether tmux is in between, and hands through what is wrapped.
    pub(crate) tmux: bool,
}

const KITTY: Profile = Profile {
    name: "kitty 0.41",
    speaks: true,
    erasing_frees: true,
    text_removes: false,
    relative: true,
    keeps_data: false,
    quota: 1000,
    ignores_quiet: false,
    lies: false,
    tmux: false,
};

/// Terminals that pictures are put on by layers.
pub(crate) const PROFILES: &[Profile] = &[
    KITTY,
    Profile {
        name: "kitty 0.26",
        relative: false,
        quota: 7,
        ..KITTY
    },
    Profile {
        name: "Ghostty",
        relative: false,
        ..KITTY
    },
    Profile {
        name: "WezTerm",
        relative: false,
        text_removes: true,
        erasing_frees: false,
        ..KITTY
    },
    Profile {
        name: "Konsole",
        relative: false,
        keeps_data: true,
        ..KITTY
    },
    Profile {
        name: "one that answers everything",
        ignores_quiet: true,
        ..KITTY
    },
    Profile {
        name: "one that keeps little",
        quota: 4,
        ..KITTY
    },
    Profile {
        name: "kitty 0.41 in tmux",
        tmux: true,
        ..KITTY
    },
];

/// A terminal that does not know the protocol.
pub(crate) const SILENT: Profile = Profile {
    name: "silent",
    speaks: false,
    ..KITTY
};

/// A terminal that denies to have what it was sent.
pub(crate) const LIAR: Profile = Profile {
    name: "liar",
    lies: true,
    ..KITTY
};

/// A picture on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// From 1.
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) z: i64,
    /// x, y, width, height of the part that is shown; zeros for all of it.
    pub(crate) part: [u32; 4],
    parent: Option<u32>,
    is_virtual: bool,
}

#[derive(Debug)]
struct Image {
    data: Vec<u8>,
    age: u64,
}

/// A picture of which more is to come.
#[derive(Debug)]
struct Loading {
    keys: BTreeMap<char, String>,
    data: String,
}

#[derive(Debug)]
pub(crate) struct Terminal {
    profile: Profile,
    images: BTreeMap<u32, Image>,
    placements: BTreeMap<(u32, u32), Placement>,
    loading: Option<Loading>,
    cursor: (usize, usize),
    color: Option<u8>,
    /// Text that stands for pictures: numbers by row and column.
    cells: BTreeMap<(usize, usize), u32>,
    pending: Vec<u8>,
    clock: u64,
    /// What it says, not yet taken.
    pub(crate) answers: Vec<u8>,
    /// Errors of any command.
    pub(crate) errors: Vec<String>,
    /// Pictures that were there when the alternate screen was left, and were not deleted.
    pub(crate) left_behind: Vec<u32>,
    /// Pictures sent whole.
    pub(crate) uploads: usize,
    /// Those of them that were to be answered for.
    pub(crate) answered: usize,
}

impl Terminal {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            images: BTreeMap::new(),
            placements: BTreeMap::new(),
            loading: None,
            cursor: (1, 1),
            color: None,
            cells: BTreeMap::new(),
            pending: Vec::new(),
            clock: 0,
            answers: Vec::new(),
            errors: Vec::new(),
            left_behind: Vec::new(),
            uploads: 0,
            answered: 0,
        }
    }

    /// Takes what a program writes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.pending);
        let mut rest = all.as_slice();
        while let Some(used) = self.one(rest) {
            rest = &rest[used..];
        }
        self.pending = rest.to_vec();
    }

    /// Numbers of all pictures that are held.
    pub(crate) fn held(&self) -> Vec<u32> {
        self.images.keys().copied().collect()
    }

    /// The bytes of a picture that is held.
    pub(crate) fn data(&self, id: u32) -> Option<&[u8]> {
        self.images.get(&id).map(|image| image.data.as_slice())
    }

    /// What is on the screen, from the lowest to the highest: numbers and placements.
    pub(crate) fn visible(&self) -> Vec<(u32, Placement)> {
        let mut seen: Vec<(u32, Placement)> = self
            .placements
            .iter()
            .filter(|((id, _), placement)| self.is_seen(*id, placement))
            .map(|((id, _), placement)| (*id, placement.clone()))
            .collect();
        seen.sort_by_key(|(id, placement)| (placement.z, *id));
        seen
    }

    fn is_seen(&self, id: u32, placement: &Placement) -> bool {
        // Text has the low byte as its color, and the high one as a mark that is not read here.
        let shown_as_text = |id: u32| {
            let low = id & 0x00ff_ffff;
            self.cells.values().any(|cell| *cell == low)
        };
        match placement.parent {
            Some(parent) => shown_as_text(parent),
            None => !placement.is_virtual || shown_as_text(id),
        }
    }

    /// Frees a picture, as a terminal does that has too many.
    pub(crate) fn evict(&mut self, id: u32) {
        self.images.remove(&id);
        self.placements.retain(|(other, _), _| *other != id);
    }

    /// Reads one piece of text or one sequence; `None` where more must come first.
    fn one(&mut self, bytes: &[u8]) -> Option<usize> {
        match bytes {
            [] | [0x1b] => None,
            [0x1b, b'[', rest @ ..] => {
                let last = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
                self.control(&String::from_utf8_lossy(&rest[..=last]));
                Some(last + 3)
            }
            [0x1b, b'P', rest @ ..] if self.profile.tmux && rest.starts_with(b"tmux;") => {
                self.passed_through(rest).map(|used| used + 2)
            }
            [0x1b, kind @ (b'_' | b'P' | b']'), rest @ ..] => {
                let end = (0..rest.len())
                    .find(|at| rest[*at] == 7 || rest[*at..].starts_with(b"\x1b"))?;
                let used = if rest[end] == 7 { end + 1 } else { end + 2 };
                if used > rest.len() {
                    return None;
                }
                // tmux keeps for itself what is not wrapped.
                if *kind == b'_' && !self.profile.tmux {
                    self.string(&String::from_utf8_lossy(&rest[..end]));
                }
                Some(used + 2)
            }
            [0x1b, _, ..] => Some(2),
            [first, ..] => {
                let length = match first {
                    0xf0.. => 4,
                    0xe0.. => 3,
                    0xc0.. => 2,
                    _ => 1,
                };
                let text = std::str::from_utf8(bytes.get(..length)?).unwrap_or("?");
                self.print(text.chars().next().unwrap_or('?'));
                Some(length)
            }
        }
    }

    /// What tmux hands through: escape bytes inside are doubled.
    fn passed_through(&mut self, wrapped: &[u8]) -> Option<usize> {
        let mut inner = Vec::new();
        let mut at = "tmux;".len();
        loop {
            match wrapped.get(at..at + 2)? {
                [0x1b, 0x1b] => {
                    inner.push(0x1b);
                    at += 2;
                }
                [0x1b, b'\\'] => break,
                [byte, _] => {
                    inner.push(*byte);
                    at += 1;
                }
                _ => return None,
            }
        }
        if let Some(body) = inner.strip_prefix(b"\x1b_")
            && let Some(body) = body.strip_suffix(b"\x1b\\")
        {
            self.string(&String::from_utf8_lossy(body));
        }
        Some(at + 2)
    }

    fn print(&mut self, letter: char) {
        let (row, column) = self.cursor;
        match (letter, self.color) {
            ('\u{10EEEE}', Some(low)) => {
                self.cells.insert((row, column), u32::from(low));
                self.cursor.1 += 1;
            }
            // Marks above a letter: the third one is the high byte of the number.
            ('\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{592}'.., _)
                if self.cells.contains_key(&(row, column.saturating_sub(1))) => {}
            _ => {
                self.cells.remove(&(row, column));
                self.cover((row, column), (row, column));
                self.cursor.1 += 1;
            }
        }
    }

    /// Text is written from one cell to another, in reading order.
    fn cover(&mut self, (first_row, _): (usize, usize), (last_row, _): (usize, usize)) {
        if self.profile.text_removes {
            self.placements.retain(|_, placement| {
                placement.row > last_row || placement.row + placement.rows <= first_row
            });
        }
    }

    fn control(&mut self, body: &str) {
        match body {
            "?1049h" | "?1049l" => {
                if body == "?1049l" {
                    let keeps = self.profile.keeps_data;
                    let left = self.images.keys().filter(|id| {
                        // What is nowhere on the screen is the terminal's own business there.
                        !keeps || self.placements.keys().any(|(placed, _)| placed == *id)
                    });
                    self.left_behind.extend(left);
                }
                // Each screen has its own pictures, and neither is what it was.
                self.images.clear();
                self.placements.clear();
                self.cells.clear();
                self.loading = None;
            }
            "J" => {
                let from = self.cursor;
                self.cells.retain(|place, _| *place < from);
                self.cover(from, (usize::MAX, 1));
            }
            "2J" => {
                self.cells.clear();
                if self.profile.erasing_frees {
                    self.images.clear();
                    self.placements.clear();
                }
                self.cover((1, 1), (usize::MAX, 1));
            }
            _ => self.other_control(body),
        }
    }

    fn other_control(&mut self, body: &str) {
        let numbers = |text: &str| -> Vec<usize> {
            text.split(';')
                .filter_map(|part| part.parse().ok())
                .collect()
        };
        if let Some(place) = body.strip_suffix('H') {
            let place = numbers(place);
            self.cursor = (
                place.first().copied().unwrap_or(1),
                place.get(1).copied().unwrap_or(1),
            );
        } else if let Some(columns) = body.strip_suffix('C') {
            self.cursor.1 += columns.parse().unwrap_or(1);
        } else if let Some(look) = body.strip_suffix('m') {
            let look = numbers(look);
            self.color = match look.as_slice() {
                [38, 5, low] => u8::try_from(*low).ok(),
                _ => None,
            };
        }
    }

    fn string(&mut self, body: &str) {
        let Some(body) = body.strip_prefix('G').filter(|_| self.profile.speaks) else {
            return;
        };
        let (keys, data) = body.split_once(';').unwrap_or((body, ""));
        let keys: BTreeMap<char, String> = keys
            .split(',')
            .filter_map(|pair| Some((pair.chars().next()?, pair.get(2..)?.to_owned())))
            .collect();
        let text = |name: char| keys.get(&name).map(String::as_str);
        if self.loading.is_some() || matches!(text('a'), Some("t") | None) {
            self.transmitted(keys, data);
            return;
        }
        let id = text('i').and_then(|id| id.parse().ok()).unwrap_or(0);
        let quiet = keys.get(&'q').cloned().unwrap_or_default();
        match text('a') {
            Some("p") => {
                let placed = self.place(id, &keys);
                self.answer(id, &quiet, placed);
            }
            Some("d") => {
                if self.profile.ignores_quiet {
                    self.answer(id, "", Ok(()));
                }
                self.delete(id, keys.get(&'d').map_or("", String::as_str));
            }
            Some("q") => self.answer(id, &quiet, Ok(())),
            other => self.errors.push(format!("unknown action {other:?}")),
        }
    }

    fn transmitted(&mut self, keys: BTreeMap<char, String>, data: &str) {
        let more = keys.get(&'m').is_some_and(|more| more == "1");
        let begins = keys.contains_key(&'i');
        if begins && self.loading.is_some() {
            self.errors
                .push("a picture begins inside of another one".to_owned());
        }
        let mut loading = self.loading.take().unwrap_or_else(|| Loading {
            keys,
            data: String::new(),
        });
        loading.data += data;
        if more {
            self.loading = Some(loading);
            return;
        }
        let id = loading.keys.get(&'i').and_then(|id| id.parse().ok());
        let Some(id) = id else {
            // The end of a picture that was never begun.
            return;
        };
        let quiet = loading.keys.get(&'q').cloned().unwrap_or_default();
        self.answered += usize::from(quiet.is_empty());
        let stored = STANDARD
            .decode(&loading.data)
            .map_err(|_| "EINVAL".to_owned());
        let stored = stored.and_then(|data| {
            if data.ends_with(b"IEND\xae\x42\x60\x82") {
                Ok(data)
            } else {
                Err("EBADPNG".to_owned())
            }
        });
        let result = stored.map(|data| {
            // Another picture of this number goes with its placements.
            self.evict(id);
            self.clock += 1;
            self.uploads += 1;
            let age = self.clock;
            self.images.insert(id, Image { data, age });
            self.keep_to_quota(id);
        });
        self.answer(id, &quiet, result);
    }

    fn keep_to_quota(&mut self, newest: u32) {
        while self.images.len() > self.profile.quota {
            let placed = |id: u32| self.placements.keys().any(|(other, _)| *other == id);
            let oldest = self
                .images
                .iter()
                .filter(|(id, _)| **id != newest)
                .min_by_key(|(id, image)| (placed(**id), image.age))
                .map(|(id, _)| *id);
            match oldest {
                Some(id) => self.evict(id),
                None => return,
            }
        }
    }

    fn place(&mut self, id: u32, keys: &BTreeMap<char, String>) -> Result<(), String> {
        if self.profile.lies || !self.images.contains_key(&id) {
            return Err("ENOENT".to_owned());
        }
        let number = |name: char| -> i64 {
            keys.get(&name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(0)
        };
        let small = |name: char| u32::try_from(number(name)).unwrap_or(0);
        let cells = |name: char| usize::try_from(number(name)).unwrap_or(0);
        let parent = keys.get(&'P').and_then(|parent| parent.parse().ok());
        let parent: Option<u32> = parent.filter(|_| self.profile.relative);
        if let Some(parent) = parent
            && !self.placements.contains_key(&(parent, 1))
        {
            return Err("ENOPARENT".to_owned());
        }
        let placement = Placement {
            row: self.cursor.0,
            column: self.cursor.1,
            columns: cells('c'),
            rows: cells('r'),
            z: number('z'),
            part: [small('x'), small('y'), small('w'), small('h')],
            parent,
            is_virtual: number('U') == 1,
        };
        self.placements.insert((id, small('p')), placement);
        Ok(())
    }

    fn delete(&mut self, id: u32, what: &str) {
        match what {
            "i" | "I" => {
                self.placements
                    .retain(|(other, _), placement| *other != id && placement.parent != Some(id));
                if what == "I" && !self.profile.keeps_data {
                    self.images.remove(&id);
                }
            }
            other => self
                .errors
                .push(format!("deletes more than its own: d={other}")),
        }
    }

    fn answer(&mut self, id: u32, quiet: &str, result: Result<(), String>) {
        let is_said = match (&result, quiet) {
            _ if self.profile.ignores_quiet => true,
            (Ok(()), "1" | "2") | (Err(_), "2") => false,
            _ => true,
        };
        if let Err(error) = &result {
            self.errors.push(format!("{error} of {id}"));
        }
        if is_said {
            let words = result.err().unwrap_or_else(|| "OK".to_owned());
            self.answers
                .extend(format!("\x1b_Gi={id};{words}\x1b\\").into_bytes());
        }
    }
}
