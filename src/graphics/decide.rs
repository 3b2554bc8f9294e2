//! Decide: how pictures are drawn, from what the terminal answered. Pure.
//!
//! A protocol is chosen where the terminal says that it speaks it *and* is known to draw it well:
//! some answer `OK` and show one picture a cell, or none at all. The reason is a sentence for the
//! user.

use super::blocks::Glyphs;
use super::identity::{Brand, Identity, Version};
use super::probe::{Answers, Passthrough, Probed, WindowSize};
use super::{Capabilities, Choice, Environment, Protocol};
use crate::geometry::PixelSize;

/// Cells of a terminal that says nothing of their size.
const USUAL_CELL: PixelSize = PixelSize::new(10, 20);

/// Colors that viuer gives a Sixel picture; those of a terminal that does not say. Hardware and xterm
/// may have fewer.
pub const MOST_COLORS: u32 = 256;
/// xterm's own default as a VT340, where it does not answer.
const XTERM_REGISTERS: u32 = 16;

/// DEC's attribute of a terminal with Sixel graphics.
pub(super) const SIXEL: u16 = 4;

/// Terminals that stack pictures by transparency, from these versions on. kitty 0.20 has `C=1`;
/// of WezTerm it is the release whose source was read.
const STACKS: [(Brand, Version); 4] = [
    (Brand::Kitty, Version(0, 20, 0)),
    (Brand::Ghostty, Version(1, 0, 0)),
    (Brand::Konsole, Version(22, 4, 0)),
    (Brand::WezTerm, Version(20_240_203, 0, 0)),
];

/// Terminals that show iTerm2's inline images, from these versions on.
const INLINE: [(Brand, Version); 7] = [
    (Brand::Iterm2, Version(0, 0, 0)),
    (Brand::WezTerm, Version(0, 0, 0)),
    (Brand::Konsole, Version(22, 0, 0)),
    (Brand::Mintty, Version(0, 0, 0)),
    (Brand::XtermJs, Version(0, 0, 0)),
    (Brand::Rio, Version(0, 0, 0)),
    (Brand::Warp, Version(0, 0, 0)),
];

/// Terminals that draw sextants themselves, from these versions on. Of kitty, Konsole and foot the
/// oldest that were looked at; of VTE, WezTerm and Ghostty by their documents.
const SEXTANTS: [(Brand, Version); 6] = [
    (Brand::Kitty, Version(0, 26, 0)),
    (Brand::Konsole, Version(22, 12, 0)),
    (Brand::Foot, Version(1, 13, 0)),
    (Brand::Vte, Version(7000, 0, 0)),
    (Brand::WezTerm, Version(20_240_203, 0, 0)),
    (Brand::Ghostty, Version(1, 0, 0)),
];

/// The first kitty with text that stands for pictures.
const PLACEHOLDERS: Version = Version(0, 28, 0);
/// The first kitty that places a picture relative to such text.
const RELATIVE: Version = Version(0, 31, 0);

/// Chooses how pictures are drawn.
#[must_use]
pub fn decide(
    probed: &Probed,
    environment: &Environment,
    window: WindowSize,
    choice: Choice,
) -> Capabilities {
    let inside = Identity::of(&probed.answers, environment);
    let tmux = probed.outside.is_some() || inside.brand == Brand::Tmux;
    let outside = probed
        .outside
        .as_ref()
        .map(|answers| Identity::of(answers, &Environment::default()));
    let (best, why) = if tmux {
        in_tmux(probed, outside.as_ref())
    } else {
        directly(&probed.answers, &inside)
    };
    let (protocol, reason) = match choice {
        // Blocks are nothing but colors of text.
        Choice::Auto if best == Protocol::HalfBlocks && environment.no_color => {
            (Protocol::Text, format!("{why}, and NO_COLOR is set"))
        }
        Choice::Auto => (best, why),
        Choice::Use(protocol) => {
            let protocol = as_possible(protocol, tmux, outside.as_ref());
            (protocol, "asked for".to_owned())
        }
    };
    let drawing = probed.outside.as_ref().unwrap_or(&probed.answers);
    let registers = registers(&probed.answers, inside.brand);
    let terminal = outside.unwrap_or(inside);
    let glyphs = glyphs(environment, &terminal, tmux);
    Capabilities {
        protocol,
        cell_px: cell_size(drawing, window),
        true_color: true_color(environment, &terminal),
        kitty: probed.answers.kitty() && !tmux,
        tmux,
        registers,
        glyphs,
        round_trip: probed.round_trip,
        reason,
        terminal,
    }
}

/// The best protocol where nothing is in between, and why.
fn directly(answers: &Answers, terminal: &Identity) -> (Protocol, String) {
    let Some(attributes) = answers.attributes() else {
        let why = "the terminal did not answer in time";
        return (Protocol::HalfBlocks, why.to_owned());
    };
    let name = terminal.called_by();
    if answers.kitty() && terminal.is_one_of(&STACKS) {
        let why = format!("{name} stacks pictures of kitty's protocol");
        return (Protocol::Layered, why);
    }
    let sixel = attributes.contains(&SIXEL);
    // xterm.js has pictures as a setting; with it on, it says Sixel too.
    let switched_off = terminal.brand == Brand::XtermJs && !sixel;
    // Konsole and WezTerm say Sixel too; their iTerm2 pictures are better and smaller.
    if terminal.is_one_of(&INLINE) && !switched_off {
        let why = format!("{name} shows iTerm2's inline images");
        return (Protocol::Iterm2, why);
    }
    if sixel {
        let why = format!("{name} says that it handles Sixel");
        return (Protocol::Sixel, why);
    }
    let why = if answers.kitty() {
        format!("{name} speaks kitty's protocol, but is not known to stack its pictures")
    } else {
        format!("{name} speaks none of the protocols of kitty, iTerm2 and Sixel")
    };
    (Protocol::HalfBlocks, why)
}

/// The best protocol in tmux, and why. `outside` is the terminal that tmux runs in.
fn in_tmux(probed: &Probed, outside: Option<&Identity>) -> (Protocol, String) {
    let tmux_has_sixel = says_sixel(&probed.answers);
    let blocks = |why: String| (Protocol::HalfBlocks, why);
    let asked = probed
        .outside
        .as_ref()
        .filter(|answers| answers.attributes().is_some());
    let (Some(answers), Some(outside)) = (asked, outside) else {
        if tmux_has_sixel {
            let why = "tmux says that it handles Sixel";
            return (Protocol::Sixel, why.to_owned());
        }
        return blocks(format!(
            "tmux does not pass pictures on: {}",
            advice(&probed.passthrough)
        ));
    };
    let name = outside.called_by();
    if answers.kitty() && outside.is_from(Brand::Kitty, PLACEHOLDERS) {
        let layers = outside.is_from(Brand::Kitty, RELATIVE);
        let why = format!("tmux passes pictures on to {name}");
        return (Protocol::Placeholder { layers }, why);
    }
    if tmux_has_sixel && says_sixel(answers) {
        let why = format!("tmux and {name} say that they handle Sixel");
        return (Protocol::Sixel, why);
    }
    blocks(match outside.brand {
        Brand::Tmux => "tmux runs in tmux, which nothing passes through".to_owned(),
        _ => format!("{name} shows no picture that tmux can pass on"),
    })
}

/// What to do so that tmux passes pictures on, or why nothing can be done.
#[must_use]
pub fn advice(passthrough: &Passthrough) -> String {
    const SET: &str =
        "`set -g allow-passthrough on` in its configuration (tmux 3.3 or later) lets it";
    match passthrough {
        Passthrough::NoTmux => "there is no tmux".to_owned(),
        Passthrough::Elsewhere => format!("on the machine where it runs, {SET}"),
        Passthrough::Refused(words) => format!("it could not be told to ({words}); {SET}"),
        Passthrough::On | Passthrough::SwitchedOn => {
            "it was told to, but the terminal outside did not answer in time".to_owned()
        }
    }
}

/// In tmux, layers are only to be had by placeholders.
fn as_possible(protocol: Protocol, tmux: bool, outside: Option<&Identity>) -> Protocol {
    match protocol {
        Protocol::Layered if tmux => Protocol::Placeholder {
            layers: outside.is_some_and(|outside| outside.is_from(Brand::Kitty, RELATIVE)),
        },
        _ => protocol,
    }
}

fn says_sixel(answers: &Answers) -> bool {
    answers
        .attributes()
        .is_some_and(|attributes| attributes.contains(&SIXEL))
}

/// What fonts are sure to have, or the terminal draws itself.
fn glyphs(environment: &Environment, terminal: &Identity, tmux: bool) -> Glyphs {
    match environment.term.as_str() {
        // The console's fonts have 512 glyphs at most.
        "linux" => Glyphs::Halves,
        // How wide tmux takes a sextant for is a matter of the C library.
        _ if !tmux && terminal.is_one_of(&SEXTANTS) => Glyphs::Sextants,
        _ => Glyphs::Quadrants,
    }
}

fn registers(answers: &Answers, brand: Brand) -> u32 {
    let usual = if brand == Brand::Xterm {
        XTERM_REGISTERS
    } else {
        MOST_COLORS
    };
    answers.registers().unwrap_or(usual).min(MOST_COLORS)
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
        .cell()
        .filter(plausible)
        .or_else(|| of_window(window.pixels).filter(plausible))
        .or_else(|| answers.window().and_then(of_window).filter(plausible))
        .unwrap_or(USUAL_CELL)
}

fn true_color(environment: &Environment, terminal: &Identity) -> bool {
    let known = matches!(
        terminal.brand,
        Brand::Kitty
            | Brand::Ghostty
            | Brand::WezTerm
            | Brand::Iterm2
            | Brand::Foot
            | Brand::Konsole
            | Brand::Contour
            | Brand::Mintty
            | Brand::Rio
            | Brand::WindowsTerminal
    );
    known
        || matches!(environment.colorterm.as_str(), "truecolor" | "24bit")
        || environment.term.contains("direct")
}

#[cfg(test)]
mod tests;
