//! Cells: ratatui's changed cells as text, in few bytes.
//!
//! A class switch is a few words in three panes, and over a slow line its text counts as much as its
//! picture. ratatui's own backend resets every attribute and hides the cursor once more each frame.

use std::fmt::Write;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// How cells look.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    modifier: Modifier,
    foreground: Color,
    background: Color,
}

const PLAIN: Look = Look {
    modifier: Modifier::empty(),
    foreground: Color::Reset,
    background: Color::Reset,
};

/// ECMA-48's numbers for what makes text different (SGR).
const ATTRIBUTES: [(Modifier, u8); 9] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// Where the cursor is, as far as that is certain: terminals do not agree on how wide all letters are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cursor {
    At(u16, u16),
    /// Right after the cell of this place, if that is one column wide.
    After(u16, u16),
    Unknown,
}

/// The text that draws cells; nothing where there are none. Attributes are plain before and after.
#[must_use]
pub fn text<'a>(cells: impl Iterator<Item = (u16, u16, &'a Cell)>) -> Vec<u8> {
    let mut text = String::new();
    let (mut look, mut cursor) = (PLAIN, Cursor::Unknown);
    for (x, y, cell) in cells {
        text += &moved(cursor, (x, y));
        let next = Look {
            modifier: cell.modifier,
            foreground: cell.fg,
            background: cell.bg,
        };
        text += &changed(look, next);
        look = next;
        text += cell.symbol();
        cursor = if cell.symbol().len() == 1 {
            Cursor::At(x + 1, y)
        } else {
            Cursor::After(x, y)
        };
    }
    text += &changed(look, PLAIN);
    text.into_bytes()
}

fn moved(cursor: Cursor, (x, y): (u16, u16)) -> String {
    match cursor {
        Cursor::At(column, row) if (column, row) == (x, y) => String::new(),
        // As ratatui has it: what follows a cell follows it on the screen.
        Cursor::After(column, row) if (column + 1, row) == (x, y) => String::new(),
        Cursor::At(column, row) if row == y && column < x => match x - column {
            1 => "\x1b[C".to_owned(),
            columns => format!("\x1b[{columns}C"),
        },
        _ => format!("\x1b[{};{}H", y + 1, x + 1),
    }
}

/// The sequence from one look to another; empty where they are the same.
fn changed(from: Look, to: Look) -> String {
    if from == to {
        return String::new();
    }
    if to == PLAIN {
        return "\x1b[m".to_owned();
    }
    let mut codes = String::new();
    // Attributes are taken away all at once.
    let from = if to.modifier.contains(from.modifier) {
        from
    } else {
        codes += "0;";
        PLAIN
    };
    for (modifier, code) in ATTRIBUTES {
        if to.modifier.contains(modifier) && !from.modifier.contains(modifier) {
            let _never_fails = write!(codes, "{code};");
        }
    }
    if from.foreground != to.foreground {
        codes += &color(to.foreground, 38);
    }
    if from.background != to.background {
        codes += &color(to.background, 48);
    }
    format!("\x1b[{}m", codes.trim_end_matches(';'))
}

/// A color as the foreground (38) or the background (48).
fn color(color: Color, ground: u8) -> String {
    let index = match color {
        Color::Reset => return format!("{};", ground + 1),
        Color::Rgb(red, green, blue) => return format!("{ground};2;{red};{green};{blue};"),
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    format!("{ground};5;{index};")
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    fn drawn(cells: &[(u16, u16, Cell)]) -> String {
        let cells = cells.iter().map(|(x, y, cell)| (*x, *y, cell));
        String::from_utf8(text(cells)).unwrap()
    }

    fn cell(symbol: &'static str, style: Style) -> Cell {
        let mut cell = Cell::new(symbol);
        cell.set_style(style);
        cell
    }

    #[test]
    fn nothing_changed_is_nothing_sent() {
        assert_eq!(drawn(&[]), "");
    }

    #[test]
    fn cells_in_a_row_follow_each_other_and_gaps_are_skipped() {
        let plain = |symbol| cell(symbol, Style::new());
        let cells = [
            (3, 1, plain("a")),
            (4, 1, plain("b")),
            (6, 1, plain("c")),
            (9, 1, plain("…")),
            (10, 1, plain("d")),
            (20, 1, plain("…")),
            (30, 1, plain("e")),
            (0, 2, plain("f")),
        ];
        assert_eq!(
            drawn(&cells),
            "\x1b[2;4Hab\x1b[Cc\x1b[2C…d\x1b[9C…\x1b[2;31He\x1b[3;1Hf"
        );
    }

    #[test]
    fn looks_change_by_what_is_different_and_end_plain() {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let cells = [
            (0, 0, cell("a", bold)),
            (1, 0, cell("b", bold.fg(Color::Cyan))),
            (2, 0, cell("c", Style::new().add_modifier(Modifier::DIM))),
            (3, 0, cell("d", Style::new().bg(Color::Rgb(1, 2, 3)))),
        ];
        assert_eq!(
            drawn(&cells),
            "\x1b[1;1H\x1b[1ma\x1b[38;5;6mb\x1b[0;2mc\x1b[0;48;2;1;2;3md\x1b[m"
        );
    }
}
