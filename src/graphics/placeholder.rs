//! Placeholders: text that stands for a picture of kitty's, as any text does in tmux.
//!
//! Each cell is the letter U+10EEEE. Its color is the low byte of the picture's number; the first one
//! of a row says by marks above it which row and column of the picture it is, and what the high byte
//! is; those after it continue.

use std::fmt::Write;

use super::Slot;

const LETTER: char = '\u{10EEEE}';

/// kitty's `rowcolumn-diacritics.txt`: marks above a letter (class 230 of Unicode 6.0) that nothing
/// fuses with it, as far as a byte counts. First and last of each run.
const MARKS: &[(u32, u32)] = &[
    (0x305, 0x305),
    (0x30d, 0x30e),
    (0x310, 0x310),
    (0x312, 0x312),
    (0x33d, 0x33f),
    (0x346, 0x346),
    (0x34a, 0x34c),
    (0x350, 0x352),
    (0x357, 0x357),
    (0x35b, 0x35b),
    (0x363, 0x36f),
    (0x483, 0x487),
    (0x592, 0x595),
    (0x597, 0x599),
    (0x59c, 0x5a1),
    (0x5a8, 0x5a9),
    (0x5ab, 0x5ac),
    (0x5af, 0x5af),
    (0x5c4, 0x5c4),
    (0x610, 0x617),
    (0x657, 0x65b),
    (0x65d, 0x65e),
    (0x6d6, 0x6dc),
    (0x6df, 0x6e2),
    (0x6e4, 0x6e4),
    (0x6e7, 0x6e8),
    (0x6eb, 0x6ec),
    (0x730, 0x730),
    (0x732, 0x733),
    (0x735, 0x736),
    (0x73a, 0x73a),
    (0x73d, 0x73d),
    (0x73f, 0x741),
    (0x743, 0x743),
    (0x745, 0x745),
    (0x747, 0x747),
    (0x749, 0x74a),
    (0x7eb, 0x7f1),
    (0x7f3, 0x7f3),
    (0x816, 0x819),
    (0x81b, 0x823),
    (0x825, 0x827),
    (0x829, 0x82d),
    (0x951, 0x951),
    (0x953, 0x954),
    (0xf82, 0xf83),
    (0xf86, 0xf87),
    (0x135d, 0x135f),
    (0x17dd, 0x17dd),
    (0x193a, 0x193a),
    (0x1a17, 0x1a17),
    (0x1a75, 0x1a7c),
    (0x1b6b, 0x1b6b),
    (0x1b6d, 0x1b73),
    (0x1cd0, 0x1cd2),
    (0x1cda, 0x1cdb),
    (0x1ce0, 0x1ce0),
    (0x1dc0, 0x1dc1),
    (0x1dc3, 0x1dc9),
    (0x1dcb, 0x1dcc),
    (0x1dd1, 0x1de6),
    (0x1dfe, 0x1dfe),
    (0x20d0, 0x20d1),
    (0x20d4, 0x20d7),
    (0x20db, 0x20dc),
    (0x20e1, 0x20e1),
    (0x20e7, 0x20e7),
    (0x20e9, 0x20e9),
    (0x20f0, 0x20f0),
    (0x2cef, 0x2cf1),
    (0x2de0, 0x2dff),
    (0xa66f, 0xa66f),
    (0xa67c, 0xa67d),
    (0xa6f0, 0xa6f1),
    (0xa8e0, 0xa8f1),
];

/// The mark that means a number.
fn mark(number: u16) -> Option<char> {
    let all = MARKS.iter().flat_map(|(first, last)| *first..=*last);
    char::from_u32(all.into_iter().nth(usize::from(number))?)
}

/// Text over a slot that stands for the picture of this number. Rows beyond those that marks can
/// count are left out.
#[must_use]
pub fn cells(slot: Slot, id: u32) -> Vec<u8> {
    let [high, _, _, low] = id.to_be_bytes();
    let high = mark(high.into());
    let mut text = format!("\x1b[38;5;{low}m");
    for row in 0..slot.size.rows {
        let (Some(at), Some(first), Some(high)) = (mark(row), mark(0), high) else {
            break;
        };
        let _never_fails = write!(text, "\x1b[{};{}H", slot.y + row + 1, slot.x + 1);
        text.extend([LETTER, at, first, high]);
        text.extend(std::iter::repeat_n(
            LETTER,
            usize::from(slot.size.columns.saturating_sub(1)),
        ));
    }
    text += "\x1b[39m";
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::geometry::CellSize;

    #[test]
    fn marks_are_those_of_kitty() {
        // Places in kitty's file: the first, the 40th, the 100th, the 256th.
        assert_eq!(mark(0), Some('\u{305}'));
        assert_eq!(mark(39), Some('\u{597}'));
        let all: HashSet<char> = (0..256).map(|number| mark(number).unwrap()).collect();
        assert_eq!(all.len(), 256);
        let widths = all
            .iter()
            .map(|mark| unicode_width::UnicodeWidthChar::width(*mark));
        assert!(widths.into_iter().all(|width| width == Some(0)));
    }

    #[test]
    fn each_row_says_where_it_begins_and_the_rest_continues() {
        let slot = Slot {
            x: 4,
            y: 1,
            size: CellSize::new(3, 2),
        };
        let text = String::from_utf8(cells(slot, 0x0100_0007)).unwrap();
        assert_eq!(
            text,
            "\x1b[38;5;7m\
             \x1b[2;5H\u{10EEEE}\u{305}\u{305}\u{30d}\u{10EEEE}\u{10EEEE}\
             \x1b[3;5H\u{10EEEE}\u{30d}\u{305}\u{30d}\u{10EEEE}\u{10EEEE}\
             \x1b[39m"
        );
    }
}
