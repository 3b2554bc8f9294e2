//! Probe: what to ask a terminal, and what its answers mean. No I/O; `terminal` does that.
//!
//! All questions go in one write. Every terminal answers the last one (primary device attributes),
//! so its answer ends the wait. What is no answer was typed, and is kept.

use std::time::Duration;

use super::{Capabilities, Choice, Environment, Protocol};
use crate::geometry::{CellSize, PixelSize};
use crate::text::visible;

/// XTVERSION, a kitty query for a one-pixel picture, cell size, window size in pixels, and primary
/// device attributes last.
pub const QUESTIONS: &[u8] =
    b"\x1b[>q\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[14t\x1b[c";

/// Cells of a terminal that says nothing of their size.
const USUAL_CELL: PixelSize = PixelSize::new(10, 20);

/// What the terminal answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Primary device attributes, such as 62 and 4 (Sixel).
    pub attributes: Option<Vec<u16>>,
    /// Name and version.
    pub version: Option<String>,
    pub kitty: bool,
    /// Pixels of a cell.
    pub cell: Option<PixelSize>,
    /// Pixels of the window.
    pub window: Option<PixelSize>,
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
            self.pending.push(byte);
            match self.whole() {
                Whole::NotYet => {}
                Whole::Answer => self.pending.clear(),
                Whole::Typed => self.typed.append(&mut self.pending),
            }
        }
        self.answers.attributes.is_some()
    }

    /// Nothing more will come: what is pending was typed, unless it is the beginning of an answer.
    pub fn finish(&mut self) {
        if !matches!(self.pending.as_slice(), [0x1b, b'[' | b'_' | b'P', _, ..]) {
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
            [0x1b, b'_' | b'P', rest @ ..] => match rest {
                [body @ .., 0x1b, b'\\'] => {
                    let body = String::from_utf8_lossy(body).into_owned();
                    self.string(&body);
                    Whole::Answer
                }
                _ if rest.len() > 1024 => Whole::Typed,
                _ => Whole::NotYet,
            },
            _ => Whole::Typed,
        }
    }

    fn control_sequence(&mut self, body: &str) -> Whole {
        if let Some(list) = body
            .strip_prefix('?')
            .and_then(|rest| rest.strip_suffix('c'))
        {
            self.answers.attributes = Some(
                list.split(';')
                    .filter_map(|part| part.parse().ok())
                    .collect(),
            );
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
            [6, height, width] => self.answers.cell = Some(PixelSize::new(*width, *height)),
            [4, height, width] => self.answers.window = Some(PixelSize::new(*width, *height)),
            _ => {}
        }
        Whole::Answer
    }

    fn string(&mut self, body: &str) {
        if let Some(version) = body.strip_prefix(">|") {
            self.answers.version = Some(visible(version));
        } else if body.starts_with("Gi=31;OK") {
            self.answers.kitty = true;
        }
    }
}

enum Whole {
    NotYet,
    Answer,
    Typed,
}

/// What is known of the window from the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    pub cells: CellSize,
    /// Zero where the system does not say.
    pub pixels: PixelSize,
}

/// Chooses how pictures are drawn.
#[must_use]
pub fn decide(
    answers: &Answers,
    environment: &Environment,
    window: WindowSize,
    choice: Choice,
    round_trip: Option<Duration>,
) -> Capabilities {
    let brand = answers.version.clone().unwrap_or_default();
    let tmux = environment.tmux || brand.starts_with("tmux");
    let (best, why) = best(answers, environment, &brand, tmux);
    let (protocol, reason) = match choice {
        Choice::Auto => (best, why),
        Choice::Use(protocol) => (protocol, format!("{} was asked for", protocol.name())),
    };
    Capabilities {
        protocol,
        cell_px: cell_size(answers, window),
        true_color: true_color(environment, &brand),
        kitty: answers.kitty && !tmux,
        tmux,
        brand,
        round_trip,
        reason,
    }
}

fn best(
    answers: &Answers,
    environment: &Environment,
    brand: &str,
    tmux: bool,
) -> (Protocol, String) {
    let Some(attributes) = &answers.attributes else {
        return (
            Protocol::HalfBlocks,
            "the terminal did not answer in time".to_owned(),
        );
    };
    let sixel = attributes.contains(&4);
    if tmux {
        return if sixel {
            (
                Protocol::Sixel,
                "tmux says that it handles Sixel".to_owned(),
            )
        } else {
            (
                Protocol::HalfBlocks,
                "tmux is in between and does not handle Sixel".to_owned(),
            )
        };
    }
    // Konsole and WezTerm say Sixel too; their iTerm2 pictures are better and smaller.
    // xterm.js has pictures as a setting; with it on, it says Sixel too.
    let switched_off = |name: &str| !sixel && (name.starts_with("xterm.js") || name == "vscode");
    if let Some(name) = inline_images(brand, environment).filter(|name| !switched_off(name)) {
        return (
            Protocol::Iterm2,
            format!("{name} shows iTerm2's inline images"),
        );
    }
    if sixel {
        return (
            Protocol::Sixel,
            "the terminal says that it handles Sixel".to_owned(),
        );
    }
    (
        Protocol::HalfBlocks,
        "the terminal speaks neither Sixel nor iTerm2's protocol".to_owned(),
    )
}

/// Terminals that show iTerm2's inline images. The environment counts only where the terminal does
/// not name itself: variables survive in places where they are no longer true.
fn inline_images(brand: &str, environment: &Environment) -> Option<String> {
    const NAMES: [&str; 4] = ["iTerm2", "WezTerm", "mintty", "xterm.js"];
    if !brand.is_empty() {
        let konsole = brand
            .strip_prefix("Konsole ")
            .and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        let known = NAMES.iter().any(|name| brand.starts_with(name))
            || konsole.is_some_and(|year| year >= 22);
        return known.then(|| brand.to_owned());
    }
    let said = [&environment.term_program, &environment.lc_terminal];
    let names = [
        "iTerm.app",
        "iTerm2",
        "WezTerm",
        "mintty",
        "vscode",
        "WarpTerminal",
        "rio",
    ];
    said.into_iter()
        .find(|value| names.contains(&value.as_str()))
        .cloned()
}

/// What the terminal says of its cells, if it can be true; else what the system says; else the usual.
fn cell_size(answers: &Answers, window: WindowSize) -> PixelSize {
    let plausible =
        |size: &PixelSize| (4..=64).contains(&size.width) && (8..=128).contains(&size.height);
    let of_window = |pixels: PixelSize| {
        let cells = window.cells;
        (cells.columns > 0 && cells.rows > 0).then(|| {
            PixelSize::new(
                pixels.width / u32::from(cells.columns),
                pixels.height / u32::from(cells.rows),
            )
        })
    };
    answers
        .cell
        .filter(plausible)
        .or_else(|| of_window(window.pixels).filter(plausible))
        .or_else(|| answers.window.and_then(of_window).filter(plausible))
        .unwrap_or(USUAL_CELL)
}

fn true_color(environment: &Environment, brand: &str) -> bool {
    const BRANDS: [&str; 9] = [
        "kitty", "ghostty", "WezTerm", "iTerm2", "foot", "Konsole", "contour", "mintty", "rio",
    ];
    matches!(environment.colorterm.as_str(), "truecolor" | "24bit")
        || environment.term.contains("direct")
        || BRANDS.iter().any(|name| brand.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[u8] =
        b"\x1bP>|XTerm(379)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[6;18;9t\x1b[4;648;1080t\x1b[?64;1;4;22c";

    fn answers(portions: &[&[u8]]) -> (Answers, Vec<u8>, bool) {
        let mut parser = Parser::default();
        let done = portions
            .iter()
            .map(|portion| parser.feed(portion))
            .last()
            .unwrap_or(false);
        parser.finish();
        (parser.answers, parser.typed, done)
    }

    #[test]
    fn answers_are_read_whole_or_byte_by_byte() {
        let expected = Answers {
            attributes: Some(vec![64, 1, 4, 22]),
            version: Some("XTerm(379)".to_owned()),
            kitty: true,
            cell: Some(PixelSize::new(9, 18)),
            window: Some(PixelSize::new(1080, 648)),
        };
        assert_eq!(answers(&[REPLIES]), (expected.clone(), vec![], true));
        let bytes: Vec<&[u8]> = REPLIES.chunks(1).collect();
        assert_eq!(answers(&bytes), (expected, vec![], true));
    }

    #[test]
    fn typed_keys_are_kept_in_order_and_never_taken_for_answers() {
        let mixed = [
            b"jc".as_slice(),
            &REPLIES[..20],
            b"",
            &REPLIES[20..],
            b"\x1b[B3",
        ]
        .concat();
        let (found, typed, done) = answers(&[&mixed]);
        assert_eq!((typed.as_slice(), done), (b"jc\x1b[B3".as_slice(), true));
        assert!(found.kitty);
    }

    #[test]
    fn silence_garbage_and_half_an_answer_are_no_answer() {
        assert_eq!(answers(&[]), (Answers::default(), vec![], false));
        assert_eq!(answers(&[b"\x1b"]).1, b"\x1b");
        assert_eq!(answers(&[b"\x1b[?6"]), (Answers::default(), vec![], false));
        let endless = [b"\x1b_".as_slice(), &[b'x'; 5000]].concat();
        assert!(!answers(&[&endless]).2);
    }

    fn decided(reply: &[u8], environment: &Environment, choice: Choice) -> Capabilities {
        let window = WindowSize {
            cells: CellSize::new(120, 36),
            pixels: PixelSize::new(0, 0),
        };
        decide(&answers(&[reply]).0, environment, window, choice, None)
    }

    #[test]
    fn each_terminal_gets_the_protocol_that_it_shows() {
        let plain = Environment::default();
        let stale = Environment {
            term_program: "iTerm.app".to_owned(),
            ..Environment::default()
        };
        let inside = Environment {
            tmux: true,
            ..Environment::default()
        };
        for (reply, environment, protocol) in [
            (
                &b"\x1bP>|XTerm(379)\x1b\\\x1b[?64;4c"[..],
                &plain,
                Protocol::Sixel,
            ),
            (
                b"\x1bP>|foot(1.13.1)\x1b\\\x1b[?62;4;22c",
                &stale,
                Protocol::Sixel,
            ),
            (
                b"\x1bP>|xterm.js(6.0.0)\x1b\\\x1b[?62;4;9;22c",
                &plain,
                Protocol::Iterm2,
            ),
            (
                b"\x1bP>|xterm.js(6.0.0)\x1b\\\x1b[?1;2c",
                &plain,
                Protocol::HalfBlocks,
            ),
            (
                b"\x1bP>|kitty(0.26.5)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;c",
                &plain,
                Protocol::HalfBlocks,
            ),
            (
                b"\x1bP>|WezTerm 20240203\x1b\\\x1b[?65;4c",
                &plain,
                Protocol::Iterm2,
            ),
            (
                b"\x1bP>|Konsole 22.12.3\x1b\\\x1b[?62;1;4c",
                &plain,
                Protocol::Iterm2,
            ),
            (b"\x1b[?62;1c", &stale, Protocol::Iterm2),
            (
                b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c",
                &inside,
                Protocol::HalfBlocks,
            ),
            (
                b"\x1bP>|tmux 3.5\x1b\\\x1b[?1;2;4c",
                &inside,
                Protocol::Sixel,
            ),
            (b"", &plain, Protocol::HalfBlocks),
        ] {
            let found = decided(reply, environment, Choice::Auto);
            assert_eq!(
                found.protocol, protocol,
                "{}: {}",
                found.brand, found.reason
            );
        }
    }

    #[test]
    fn the_users_choice_wins() {
        let found = decided(
            b"\x1b[?64;4c",
            &Environment::default(),
            Choice::Use(Protocol::HalfBlocks),
        );
        assert_eq!(
            (found.protocol, found.reason.as_str()),
            (Protocol::HalfBlocks, "half blocks was asked for")
        );
    }

    #[test]
    fn the_cell_size_is_the_most_trustworthy_one_that_can_be_true() {
        let window = WindowSize {
            cells: CellSize::new(100, 40),
            pixels: PixelSize::new(800, 640),
        };
        let size = |cell, pixels| {
            cell_size(
                &Answers {
                    cell,
                    ..Answers::default()
                },
                WindowSize { pixels, ..window },
            )
        };
        assert_eq!(
            size(Some(PixelSize::new(9, 18)), window.pixels),
            PixelSize::new(9, 18)
        );
        assert_eq!(
            size(Some(PixelSize::new(0, 0)), window.pixels),
            PixelSize::new(8, 16)
        );
        assert_eq!(size(None, PixelSize::new(0, 0)), USUAL_CELL);
    }
}
