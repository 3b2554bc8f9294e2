//! Probe: what to ask a terminal, and what its answers say. No I/O; `terminal` does that.
//!
//! All questions go in one write. Every terminal answers the last one (primary device attributes),
//! so its answer ends the wait. What is no answer was typed, and is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tmux::passed_through;
use crate::geometry::{CellSize, PixelSize};
use crate::text::visible;

/// The longest answer that is waited for. Names and numbers take less.
const LONGEST: usize = 1024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Name and version.
    Version,
    /// kitty's protocol, pixels as they are.
    Kitty,
    /// kitty's protocol, a PNG.
    KittyPng,
    /// Pixels of a cell.
    CellSize,
    /// Pixels of the window.
    WindowSize,
    /// How many colors a Sixel picture has at most.
    Registers,
    /// What kind of terminal it is, and its extensions. Every terminal answers this.
    Attributes,
}

/// What a terminal answered: the part of each answer that says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<Topic, String>);

/// All that was asked and answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    pub answers: Answers,
    /// Of the terminal outside tmux, asked through it; `None` where there is no tmux.
    pub outside: Option<Answers>,
    pub passthrough: Passthrough,
    /// From the questions to the first answer; `None` where none came.
    pub round_trip: Option<Duration>,
    /// How long an answer would have been waited for.
    pub patience: Duration,
}

/// Whether tmux passes sequences on to the terminal outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// There is no tmux.
    #[default]
    NoTmux,
    /// This tmux runs on another machine, whose settings cannot be seen.
    Elsewhere,
    /// It was on before.
    On,
    /// It has been switched on for this pane, until the program ends.
    SwitchedOn,
    /// It cannot be switched on; tmux's words.
    Refused(String),
}

/// What is known of the window from the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    pub cells: CellSize,
    /// Zero where the system does not say.
    pub pixels: PixelSize,
}

impl Topic {
    /// In the order in which they are asked.
    pub const ALL: [Self; 7] = [
        Self::Version,
        Self::Kitty,
        Self::KittyPng,
        Self::CellSize,
        Self::WindowSize,
        Self::Registers,
        Self::Attributes,
    ];

    /// The question. From xterm's ctlseqs (XTVERSION, XTWINOPS, XTSMGRAPHICS, DA1) and kitty's
    /// graphics protocol, "Querying support and available transmission mediums".
    #[must_use]
    pub fn question(self) -> &'static str {
        match self {
            Self::Version => "\x1b[>q",
            Self::Kitty => "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
            // A gray picture of one pixel.
            Self::KittyPng => {
                "\x1b_Gi=32,a=q,t=d,f=100;iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==\x1b\\"
            }
            Self::CellSize => "\x1b[16t",
            Self::WindowSize => "\x1b[14t",
            Self::Registers => "\x1b[?1;1;0S",
            Self::Attributes => "\x1b[c",
        }
    }

    /// The question for people to read: "ESC [c".
    #[must_use]
    pub fn spelled(self) -> String {
        self.question().replace('\x1b', "ESC ")
    }

    /// What it is about, in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "name and version",
            Self::Kitty => "kitty graphics, raw pixels",
            Self::KittyPng => "kitty graphics, PNG",
            Self::CellSize => "pixels of a cell",
            Self::WindowSize => "pixels of the window",
            Self::Registers => "colors of a Sixel picture",
            Self::Attributes => "device attributes",
        }
    }
}

/// All questions, for one write.
#[must_use]
pub fn questions() -> String {
    Topic::ALL.map(Topic::question).concat()
}

/// Asks xterm for as many colors as viuer's Sixel pictures have (XTSMGRAPHICS, item 1, action 3);
/// the answer says how many there are then.
#[must_use]
pub fn more_registers() -> String {
    ["\x1b[?1;3;256S", Topic::Attributes.question()].concat()
}

/// All questions, for the terminal outside tmux.
#[must_use]
pub fn questions_through_tmux() -> Vec<u8> {
    Topic::ALL
        .map(|topic| passed_through(topic.question().as_bytes()))
        .concat()
}

impl Answers {
    /// The answer to one question, with control characters made visible.
    #[must_use]
    pub fn to(&self, topic: Topic) -> Option<&str> {
        self.0.get(&topic).map(String::as_str)
    }

    /// Primary device attributes, such as 62 and 4 (Sixel). `None`: nothing that understands escape
    /// sequences has answered.
    #[must_use]
    pub fn attributes(&self) -> Option<Vec<u16>> {
        let list = self.to(Topic::Attributes)?;
        Some(
            list.split(';')
                .filter_map(|part| part.parse().ok())
                .collect(),
        )
    }

    /// Name and version.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.to(Topic::Version).filter(|name| !name.is_empty())
    }

    /// Whether kitty's protocol works, for PNG too.
    #[must_use]
    pub fn kitty(&self) -> bool {
        let is_ok = |topic| self.to(topic) == Some("OK");
        is_ok(Topic::Kitty) && is_ok(Topic::KittyPng)
    }

    /// Pixels of a cell.
    #[must_use]
    pub fn cell(&self) -> Option<PixelSize> {
        self.size(Topic::CellSize)
    }

    /// Pixels of the window.
    #[must_use]
    pub fn window(&self) -> Option<PixelSize> {
        self.size(Topic::WindowSize)
    }

    /// Takes over what was answered later.
    pub fn update(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Colors of a Sixel picture, 2 or more.
    #[must_use]
    pub fn registers(&self) -> Option<u32> {
        let count = self.to(Topic::Registers)?.parse().ok();
        count.filter(|count| *count >= 2)
    }

    fn size(&self, topic: Topic) -> Option<PixelSize> {
        let (width, height) = self.to(topic)?.split_once('x')?;
        Some(PixelSize::new(width.parse().ok()?, height.parse().ok()?))
    }
}

/// Reads answers out of bytes that come in any portions, with typed keys between them.
#[derive(Debug, Default)]
pub struct Parser {
    pub answers: Answers,
    /// What was typed, in order.
    pub typed: Vec<u8>,
    pending: Vec<u8>,
}

impl Parser {
    /// Takes some bytes. Returns whether the last answer has come.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if self.pending == [0x1b] && byte == 0x1b {
                // The Escape key, and then another one or an answer.
                self.typed.push(0x1b);
                continue;
            }
            self.pending.push(byte);
            match self.whole() {
                Whole::NotYet => {}
                Whole::Answer => self.pending.clear(),
                Whole::Typed => self.typed.append(&mut self.pending),
            }
        }
        self.answers.0.contains_key(&Topic::Attributes)
    }

    /// Nothing more will come: what is pending was typed, unless it is the beginning of an answer.
    pub fn finish(&mut self) {
        if !matches!(
            self.pending.as_slice(),
            [0x1b, b'[' | b'_' | b'P' | b']', _, ..]
        ) {
            self.typed.append(&mut self.pending);
        }
        self.pending.clear();
    }

    /// What the pending bytes are.
    fn whole(&mut self) -> Whole {
        match self.pending.as_slice() {
            [0x1b] => Whole::NotYet,
            [0x1b, b'[', rest @ ..] => match rest {
                [.., last @ 0x40..=0x7e] if rest.len() > 1 || *last != b'[' => {
                    let body = String::from_utf8_lossy(rest).into_owned();
                    self.control_sequence(&body)
                }
                _ if rest.len() > 64 => Whole::Typed,
                _ => Whole::NotYet,
            },
            [0x1b, kind @ (b'_' | b'P' | b']'), rest @ ..] => {
                let body = match rest {
                    [body @ .., 0x1b, b'\\'] => Some(body),
                    [body @ .., 0x07] if *kind == b']' => Some(body),
                    _ => None,
                };
                match body.map(|body| String::from_utf8_lossy(body).into_owned()) {
                    Some(body) => {
                        self.string(&body);
                        Whole::Answer
                    }
                    None if rest.len() > LONGEST => Whole::Typed,
                    None => Whole::NotYet,
                }
            }
            _ => Whole::Typed,
        }
    }

    fn control_sequence(&mut self, body: &str) -> Whole {
        if let Some(private) = body.strip_prefix('?') {
            if let Some(list) = private.strip_suffix('c') {
                self.note(Topic::Attributes, list);
            } else if let Some(report) = private.strip_suffix('S') {
                self.graphics_report(report);
            }
            // No key sends such a sequence.
            return Whole::Answer;
        }
        let Some(report) = body.strip_suffix('t') else {
            return Whole::Typed;
        };
        let numbers: Vec<u32> = report
            .split(';')
            .filter_map(|part| part.parse().ok())
            .collect();
        match numbers.as_slice() {
            [6, height, width] => self.note(Topic::CellSize, &format!("{width}x{height}")),
            [4, height, width] => self.note(Topic::WindowSize, &format!("{width}x{height}")),
            _ => {}
        }
        Whole::Answer
    }

    /// XTSMGRAPHICS: the item (1: color registers), 0 for success, and the value.
    fn graphics_report(&mut self, report: &str) {
        let parts: Vec<&str> = report.split(';').collect();
        if let ["1", "0", count] = parts.as_slice() {
            self.note(Topic::Registers, count);
        }
    }

    fn string(&mut self, body: &str) {
        if let Some(version) = body.strip_prefix(">|") {
            self.note(Topic::Version, version);
        } else if let Some((keys, message)) =
            body.strip_prefix('G').and_then(|rest| rest.split_once(';'))
        {
            match keys.split(',').find_map(|key| key.strip_prefix("i=")) {
                Some("31") => self.note(Topic::Kitty, message),
                Some("32") => self.note(Topic::KittyPng, message),
                _ => {}
            }
        }
    }

    fn note(&mut self, topic: Topic, answer: &str) {
        self.answers.0.insert(topic, visible(answer));
    }
}

enum Whole {
    NotYet,
    Answer,
    Typed,
}

/// Reads bytes that came at once.
#[cfg(test)]
pub(crate) fn read(bytes: &[u8]) -> Parser {
    let mut parser = Parser::default();
    parser.feed(bytes);
    parser.finish();
    parser
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const REPLIES: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b_Gi=32;OK\x1b\\\x1b[6;18;9t\x1b[4;648;1080t\x1b[?1;0;256S\x1b[?64;1;4;22c";

    fn assert_all(answers: &Answers) {
        assert_eq!(answers.attributes(), Some(vec![64, 1, 4, 22]));
        assert_eq!(answers.version(), Some("XTerm(379)"));
        assert!(answers.kitty());
        assert_eq!(answers.cell(), Some(PixelSize::new(9, 18)));
        assert_eq!(answers.window(), Some(PixelSize::new(1080, 648)));
        assert_eq!(answers.registers(), Some(256));
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        for cut in 0..REPLIES.len() {
            let mut parser = Parser::default();
            let (first, second) = REPLIES.split_at(cut);
            assert!(!parser.feed(first));
            assert!(parser.feed(second), "cut at {cut}");
            assert_all(&parser.answers);
            assert_eq!(parser.typed, b"", "cut at {cut}");
        }
        let mut parser = Parser::default();
        let done = REPLIES.chunks(1).map(|byte| parser.feed(byte)).last();
        assert_eq!(done, Some(true));
        assert_all(&parser.answers);
    }

    #[test]
    fn typed_keys_are_kept_in_order_and_never_taken_for_answers() {
        // Between any two answers; an answer itself comes whole.
        let answers = REPLIES.split_inclusive(|byte| b"\\tSc".contains(byte));
        let mut parser = Parser::default();
        let keys: [&[u8]; 7] = [b"j", b"c", b"\x1b", b"\x1b[B", b"3", b"\x1bOA", b"\xc3\xa9"];
        for (key, answer) in keys.into_iter().cycle().zip(answers) {
            parser.feed(key);
            parser.feed(answer);
        }
        assert_all(&parser.answers);
        let typed = String::from_utf8_lossy(&parser.typed).into_owned();
        assert!(
            "jc\x1b\x1b[B3\x1bOA\u{e9}jc\x1b".starts_with(&typed),
            "{typed:?}"
        );
        assert!(typed.len() > 8, "{typed:?}");
    }

    #[test]
    fn what_nobody_asked_for_is_neither_an_answer_nor_a_key() {
        let late = b"\x1b[?2026;2$y\x1b]11;rgb:0000/0000/0000\x1b\\\x1b]10;rgb:f/f/f\x07\x1b[?1u";
        let parser = read(late);
        assert_eq!((parser.answers, parser.typed), (Answers::default(), vec![]));
    }

    #[test]
    fn silence_garbage_and_half_an_answer_are_no_answer() {
        let nothing = |bytes: &[u8]| read(bytes).answers == Answers::default();
        assert!(nothing(b""));
        assert_eq!(read(b"\x1b").typed, b"\x1b");
        assert!(nothing(b"\x1b[?6") && read(b"\x1b[?6").typed.is_empty());
        assert!(nothing(&[b"\x1b_".as_slice(), &[b'x'; 5000]].concat()));
    }

    #[test]
    fn a_terminal_that_refuses_png_does_not_speak_kittys_protocol_as_it_is_used() {
        assert!(
            !read(b"\x1b_Gi=31;OK\x1b\\\x1b_Gi=32;EINVAL\x1b\\\x1b[?62c")
                .answers
                .kitty()
        );
        assert!(!read(b"\x1b_Gi=31;OK\x1b\\\x1b[?62c").answers.kitty());
    }

    #[test]
    fn a_name_with_an_escape_sequence_is_shown_harmless() {
        let answers = read(b"\x1bP>|kitty\x1b[2J(9)\x1b\\").answers;
        assert_eq!(answers.version(), Some("kitty\\u{1b}[2J(9)"));
    }

    #[test]
    fn the_picture_that_is_asked_about_is_one() {
        let question = Topic::KittyPng.question();
        let payload = question
            .strip_suffix("\x1b\\")
            .unwrap()
            .split_once(';')
            .unwrap()
            .1;
        let png = STANDARD.decode(payload).unwrap();
        let pixels = image::load_from_memory(&png).unwrap().into_luma8();
        assert_eq!(pixels.dimensions(), (1, 1));
    }

    #[test]
    fn device_attributes_are_asked_last() {
        assert!(questions().ends_with("\x1b[c"));
        assert!(questions_through_tmux().ends_with(b"\x1bPtmux;\x1b\x1b[c\x1b\\"));
    }
}
