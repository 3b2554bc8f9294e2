//! kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol): pictures that the terminal
//! keeps by number, places over cells, stacks by height and blends.
//!
//! A picture is sent once and placed often. Its number is our own: its high bytes are drawn by chance
//! for each run of the program, because other programs have pictures in the same terminal, and the
//! low byte counts. That byte is also one of the 256 colors, which text that stands for a picture
//! needs in tmux ([`super::placeholder`]).

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tmux::passed_through;
use crate::geometry::{CellSize, PixelSize};

/// Bytes of a picture in one sequence: 4096 letters of base64.
const CHUNK: usize = 3072;
/// Above text: kitty 0.26 smears text on software renderers where pictures lie under it.
pub const PHOTO_HEIGHT: i32 = 1;
pub const HEAT_HEIGHT: i32 = 2;
/// Above the text that it stands on.
const RELATIVE_HEIGHT: i32 = 1;

/// Takes every picture off the screen, also those that are not of this protocol, as Konsole
/// understands it: text does not take them away there, nor does `CSI J`.
pub const DELETE_ALL: &str = "\x1b_Ga=d,d=a,q=2\x1b\\";

/// How sequences reach the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Direct,
    Tmux,
}

/// The numbers of one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// All numbers are this plus a byte.
    base: u32,
}

/// A part of a picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub x: u32,
    pub y: u32,
    pub size: PixelSize,
}

/// What the terminal says of one of its pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub id: u32,
    /// `None` where all went well; else a word such as ENOENT.
    pub error: Option<String>,
}

/// What is written before a terminal is given back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Farewell {
    pub bytes: Vec<u8>,
    /// The terminal's answer about this number is the last one. Where the terminal is given back
    /// before it, the shell gets what is still to come.
    pub answered_by: Option<u32>,
}

impl Ids {
    /// Numbers by chance, that the route allows.
    #[must_use]
    pub fn by_chance(route: Route) -> Self {
        Self::new(route, RandomState::new().hash_one(route as u8))
    }

    fn new(route: Route, chance: u64) -> Self {
        let [first, second, ..] = chance.to_le_bytes();
        let base = match route {
            // Eight digits or less.
            Route::Direct => [0, first, second.max(1), 0],
            // The low byte is the color of text, the high one a mark above it.
            Route::Tmux => [first.max(1), 0, 0, 0],
        };
        Self {
            base: u32::from_be_bytes(base),
        }
    }

    #[must_use]
    pub fn id(self, low: u8) -> u32 {
        self.base | u32::from(low)
    }

    /// The low byte of a number that is ours.
    #[must_use]
    pub fn low(self, id: u32) -> Option<u8> {
        u8::try_from(id ^ self.base).ok()
    }
}

impl Route {
    /// A sequence as it reaches the terminal.
    #[must_use]
    pub fn sequence(self, body: &str) -> Vec<u8> {
        let sequence = format!("\x1b_G{body}\x1b\\").into_bytes();
        match self {
            Self::Direct => sequence,
            Self::Tmux => passed_through(&sequence),
        }
    }

    /// The sequences that store a PNG picture. The terminal says when it has it where it is to
    /// `answer`; otherwise it says nothing, of failures neither.
    #[must_use]
    pub fn upload(self, id: u32, png: &[u8], answer: bool) -> Vec<Vec<u8>> {
        let quiet = if answer { "" } else { "q=2," };
        let last = png.len().div_ceil(CHUNK).saturating_sub(1);
        let chunks = png.chunks(CHUNK).enumerate();
        chunks
            .map(|(place, chunk)| {
                let head = if place == 0 {
                    format!("a=t,i={id},f=100,")
                } else {
                    String::new()
                };
                let more = u8::from(place < last);
                let data = STANDARD.encode(chunk);
                self.sequence(&format!("{head}{quiet}m={more};{data}"))
            })
            .collect()
    }

    /// Ends an upload of which not all has been sent. A bare deletion leaves kitty 0.26 waiting for
    /// the rest, and the next picture fails.
    #[must_use]
    pub fn abort(self, id: u32) -> Vec<u8> {
        [self.sequence("q=2,m=0;"), self.delete(id)].concat()
    }

    /// Deletes a picture with all its placements.
    #[must_use]
    pub fn delete(self, id: u32) -> Vec<u8> {
        self.sequence(&format!("a=d,d=I,i={id},q=2"))
    }

    /// Deletes the placement and keeps the picture.
    #[must_use]
    pub fn take_away(self, id: u32) -> Vec<u8> {
        self.sequence(&format!("a=d,d=i,i={id},p=1,q=2"))
    }

    /// Places a picture over cells from the cursor on. Only failures are answered.
    #[must_use]
    pub fn place(self, id: u32, cells: CellSize, part: Option<Part>, height: i32) -> Vec<u8> {
        let (columns, rows) = (cells.columns, cells.rows);
        let part = part_of(part);
        self.sequence(&format!(
            "a=p,q=1,i={id},p=1,c={columns},r={rows}{part},C=1,z={height}"
        ))
    }

    /// Makes a picture ready to be shown by text that stands for it.
    #[must_use]
    pub fn place_virtually(self, id: u32, cells: CellSize, part: Option<Part>) -> Vec<u8> {
        let (columns, rows) = (cells.columns, cells.rows);
        let part = part_of(part);
        self.sequence(&format!(
            "a=p,U=1,q=1,i={id},p=1,c={columns},r={rows}{part}"
        ))
    }

    /// Places a picture over another one, wherever text shows that.
    #[must_use]
    pub fn place_over(self, id: u32, other: u32, cells: CellSize, part: Option<Part>) -> Vec<u8> {
        let (columns, rows) = (cells.columns, cells.rows);
        let part = part_of(part);
        self.sequence(&format!(
            "a=p,q=1,i={id},p=1,P={other},Q=1,c={columns},r={rows}{part},z={RELATIVE_HEIGHT}"
        ))
    }

    /// Leaves nothing of these pictures behind, whatever was cut short. `last` is a number without a
    /// picture, which the terminal is asked about at the end.
    #[must_use]
    pub fn farewell(self, ids: impl IntoIterator<Item = u32>, last: u32) -> Farewell {
        let deletions: Vec<u8> = ids.into_iter().flat_map(|id| self.delete(id)).collect();
        if deletions.is_empty() {
            return Farewell::default();
        }
        let end: &[u8] = b"\x1b\\";
        let inner = match self {
            Self::Direct => Vec::new(),
            Self::Tmux => passed_through(end),
        };
        let question = self.sequence(&format!("i={last},s=1,v=1,a=q,t=d,f=24;AAAA"));
        let all = [
            end,
            &inner,
            &self.sequence("q=2,m=0;"),
            &deletions,
            &question,
        ];
        Farewell {
            bytes: all.concat(),
            answered_by: Some(last),
        }
    }
}

fn part_of(part: Option<Part>) -> String {
    part.map_or_else(String::new, |Part { x, y, size }| {
        format!(",x={x},y={y},w={},h={}", size.width, size.height)
    })
}

impl Answer {
    /// Reads what stands between `ESC _` and `ESC \`, such as "Gi=31,p=1;ENOENT:no such picture".
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let (keys, message) = body.strip_prefix('G')?.split_once(';')?;
        let id = keys.split(',').find_map(|key| key.strip_prefix("i="))?;
        let word = message.split(':').next().unwrap_or_default();
        Some(Self {
            id: id.parse().ok()?,
            error: (word != "OK").then(|| word.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_picture_goes_in_chunks_of_which_only_the_last_says_that_it_is_the_last() {
        let png: Vec<u8> = (0..=u8::MAX).cycle().take(7000).collect();
        let chunks = Route::Direct.upload(9, &png, false);
        let texts: Vec<String> = chunks.into_iter().map(text).collect();
        let heads: Vec<&str> = texts.iter().map(|t| t.split(';').next().unwrap()).collect();
        assert_eq!(
            heads,
            [
                "\x1b_Ga=t,i=9,f=100,q=2,m=1",
                "\x1b_Gq=2,m=1",
                "\x1b_Gq=2,m=0"
            ]
        );
        let sent: Vec<u8> = texts
            .iter()
            .flat_map(|t| {
                let data = t.split(';').nth(1).unwrap().strip_suffix("\x1b\\").unwrap();
                assert!(data.len() <= 4096);
                STANDARD.decode(data).unwrap()
            })
            .collect();
        assert_eq!(sent, png);
    }

    #[test]
    fn sequences_are_those_of_the_protocol() {
        let direct = Route::Direct;
        let cells = CellSize::new(56, 28);
        assert_eq!(
            text(direct.place(7, cells, None, HEAT_HEIGHT)),
            "\x1b_Ga=p,q=1,i=7,p=1,c=56,r=28,C=1,z=2\x1b\\"
        );
        let part = Part {
            x: 1,
            y: 2,
            size: PixelSize::new(3, 4),
        };
        assert_eq!(
            text(direct.place(7, cells, Some(part), PHOTO_HEIGHT)),
            "\x1b_Ga=p,q=1,i=7,p=1,c=56,r=28,x=1,y=2,w=3,h=4,C=1,z=1\x1b\\"
        );
        assert_eq!(
            text(direct.abort(7)),
            "\x1b_Gq=2,m=0;\x1b\\\x1b_Ga=d,d=I,i=7,q=2\x1b\\"
        );
        assert_eq!(
            text(Route::Tmux.take_away(7)),
            "\x1bPtmux;\x1b\x1b_Ga=d,d=i,i=7,p=1,q=2\x1b\x1b\\\x1b\\"
        );
        assert_eq!(
            text(direct.place_over(8, 7, cells, None)),
            "\x1b_Ga=p,q=1,i=8,p=1,P=7,Q=1,c=56,r=28,z=1\x1b\\"
        );
        assert_eq!(direct.farewell([], 6), Farewell::default());
        assert_eq!(
            text(direct.farewell([7], 6).bytes),
            "\x1b\\\x1b_Gq=2,m=0;\x1b\\\x1b_Ga=d,d=I,i=7,q=2\x1b\\\
             \x1b_Gi=6,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
        );
    }

    #[test]
    fn answers_are_read_and_other_texts_are_none() {
        let answer = |body| Answer::read(body).map(|answer| (answer.id, answer.error));
        assert_eq!(answer("Gi=31;OK"), Some((31, None)));
        assert_eq!(
            answer("Gi=712,p=1;ENOENT:Put command refers to non-existent image"),
            Some((712, Some("ENOENT".to_owned())))
        );
        for body in ["", "G", "Gi=;OK", "Gp=1;OK", ">|kitty", "Gi=1"] {
            assert_eq!(answer(body), None, "{body}");
        }
    }

    #[test]
    fn numbers_are_ours_alone_and_short_where_they_may_be() {
        for route in [Route::Direct, Route::Tmux] {
            for chance in [0, 1, 0x0100, u64::MAX] {
                let ids = Ids::new(route, chance);
                assert_eq!(ids.low(ids.id(17)), Some(17));
                assert_eq!(ids.low(17), None, "{route:?} {chance}");
                assert_eq!(ids.low(ids.id(17) ^ 256), None);
            }
        }
        let [_, middle, other, _] = Ids::new(Route::Tmux, 0xabcd).id(9).to_be_bytes();
        assert_eq!((middle, other), (0, 0));
        assert!(Ids::new(Route::Direct, u64::MAX).id(255) < 100_000_000);
    }
}
