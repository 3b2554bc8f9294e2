//! Graphics: how a picture is put on a terminal. The only module that makes escape sequences.
//!
//! [`probe`] asks the terminal what it can do, [`identity`] recognises it, and [`decide`] chooses a
//! protocol, all without doing I/O. A protocol turns a picture and the cells it may cover into bytes
//! ([`Encoded`]); blocks are ordinary cells, which the interface draws itself.

pub mod blocks;
pub mod cells;
pub mod colors;
pub mod decide;
pub mod identity;
pub mod iterm2;
pub mod kitty;
pub mod palette;
pub mod placeholder;
pub mod png;
pub mod probe;
pub mod sequences;
pub mod stack;
pub mod tmux;
pub mod viuer;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use crate::geometry::{CellSize, PixelSize};
use blocks::Glyphs;
use identity::{Brand, Identity};

/// The way pictures take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's protocol: the photo once, heatmaps as transparent layers above it.
    Layered,
    /// kitty's protocol through tmux: text that stands for a picture, which moves with the text.
    Placeholder {
        /// Whether the terminal outside places a layer relative to such text (kitty 0.31 and later).
        /// Otherwise each picture is whole.
        layers: bool,
    },
    /// A few pixels a cell, as colored text.
    #[default]
    HalfBlocks,
    /// No picture: the heatmap as digits, and where it is in words.
    Text,
    /// DEC's bitmap graphics.
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// What the terminal can do best.
    #[default]
    Auto,
    Use(Protocol),
}

/// What the terminal can do, and how that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub protocol: Protocol,
    /// Pixels of one cell.
    pub cell_px: PixelSize,
    /// 24-bit colors; 256 otherwise.
    pub true_color: bool,
    /// Whether it speaks kitty's protocol.
    pub kitty: bool,
    /// Whether tmux stands between.
    pub tmux: bool,
    /// The terminal that draws: the one outside where tmux stands between and passes questions on.
    pub terminal: Identity,
    /// Colors of a Sixel picture, 2 to 256.
    pub registers: u32,
    /// What the terminal draws pictures of text with.
    pub glyphs: Glyphs,
    /// Until the first answer; `None` where none came.
    pub round_trip: Option<Duration>,
    /// Why this protocol, in words.
    pub reason: String,
}

/// The environment variables that say something about a terminal; only hints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub term: String,
    pub colorterm: String,
    pub term_program: String,
    pub lc_terminal: String,
    /// Whether a tmux server on this machine says that it is around us.
    pub tmux: bool,
    pub ssh: bool,
    /// `NO_COLOR`: text has none.
    pub no_color: bool,
}

/// A rectangle of cells that a picture covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub x: u16,
    pub y: u16,
    pub size: CellSize,
}

/// A picture ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub slot: Slot,
    pub bytes: Arc<[u8]>,
}

impl Encoded {
    /// The picture after the cells of another one have been erased, by `removal` where that takes
    /// more than text.
    #[must_use]
    pub fn after_erasing(self, other: Option<Slot>, removal: &[u8]) -> Self {
        let erased = other.map(sequences::erased).unwrap_or_default();
        Self {
            bytes: [erased.as_slice(), removal, &self.bytes].concat().into(),
            ..self
        }
    }
}

impl Capabilities {
    /// What takes a picture away that stays under text, and when cells are erased; empty where there
    /// is no such picture.
    #[must_use]
    pub fn removal(&self) -> &'static [u8] {
        match self.protocol {
            Protocol::Sixel | Protocol::Iterm2
                if self.terminal.brand == Brand::Konsole && !self.tmux =>
            {
                kitty::DELETE_ALL.as_bytes()
            }
            _ => b"",
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "layered" => Ok(Self::Use(Protocol::Layered)),
            "placeholder" => Ok(Self::Use(Protocol::Placeholder { layers: true })),
            "placeholder-whole" => Ok(Self::Use(Protocol::Placeholder { layers: false })),
            "sixel" => Ok(Self::Use(Protocol::Sixel)),
            "iterm" => Ok(Self::Use(Protocol::Iterm2)),
            "blocks" => Ok(Self::Use(Protocol::HalfBlocks)),
            "none" => Ok(Self::Use(Protocol::Text)),
            _ => {
                Err("expected auto, layered, placeholder, sixel, iterm, blocks or none".to_owned())
            }
        }
    }
}

impl Protocol {
    /// As `--graphics` has it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Layered => "layered",
            Self::Placeholder { layers: true } => "placeholder",
            Self::Placeholder { layers: false } => "placeholder-whole",
            Self::HalfBlocks => "blocks",
            Self::Text => "none",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm",
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Layered => "kitty's layers",
            Self::Placeholder { layers: true } => "kitty's layers through tmux",
            Self::Placeholder { layers: false } => "kitty's pictures through tmux",
            Self::HalfBlocks => "blocks",
            Self::Text => "words",
            Self::Sixel => "Sixel",
            Self::Iterm2 => "iTerm2",
        }
    }
}

impl Environment {
    /// Reads the variables through `lookup`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| lookup(name).unwrap_or_default();
        Self {
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            term_program: text("TERM_PROGRAM"),
            lc_terminal: text("LC_TERMINAL"),
            tmux: lookup("TMUX").is_some_and(|value| !value.is_empty()),
            no_color: lookup("NO_COLOR").is_some_and(|value| !value.is_empty()),
            ssh: lookup("SSH_CONNECTION").is_some_and(|value| !value.is_empty()),
        }
    }
}

/// Turns a picture into the bytes that show it in a slot. Half blocks have none: they are cells.
/// Neither has kitty's protocol: [`stack`] says what it needs.
///
/// # Errors
/// When the picture cannot be encoded; one sentence.
pub fn encode(
    picture: &RgbImage,
    slot: Slot,
    protocol: Protocol,
    tmux: bool,
    capture: &viuer::Capture,
) -> Result<Option<Encoded>, String> {
    let body = match protocol {
        Protocol::HalfBlocks
        | Protocol::Text
        | Protocol::Layered
        | Protocol::Placeholder { .. } => return Ok(None),
        Protocol::Sixel => capture.sixel(picture)?,
        Protocol::Iterm2 if tmux => tmux::passed_through(&iterm2::encode(picture, slot.size)?),
        Protocol::Iterm2 => iterm2::encode(picture, slot.size)?,
    };
    Ok(Some(Encoded {
        slot,
        bytes: sequences::placed(slot, &body).into(),
    }))
}
