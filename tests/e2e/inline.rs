//! A model of a terminal that has pictures in its cells, as text is: what is written over a picture
//! takes that part of it away, and so does what erases. In Konsole it does not.
//!
//! A picture is put on the screen as letters for private use, one letter for each picture. So the
//! screen itself says what is left of it. Konsole's are a list.

use std::collections::BTreeMap;

/// How such terminals differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// What it answers to the program's questions.
    pub(crate) answers: &'static [&'static str],
    /// Whether it shows Sixel pictures.
    sixel: bool,
    /// Whether it shows iTerm2's inline images.
    inline: bool,
    /// Whether pictures stay until kitty's protocol deletes them.
    sticks: bool,
    cursor: Cursor,
}

/// Where a picture leaves the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Stays,
    /// In the picture's first column of its last row.
    LastRow,
    /// After the picture's last row.
    After,
}

pub(crate) const ITERM2: Profile = Profile {
    name: "iTerm2",
    answers: &[
        "\x1bP>|iTerm2 3.5.10\x1b\\",
        "\x1b[6;18;9t",
        "\x1b[?64;1;2;4;6;17;18;21;22c",
    ],
    sixel: true,
    inline: true,
    sticks: false,
    cursor: Cursor::Stays,
};

pub(crate) const KONSOLE: Profile = Profile {
    name: "Konsole",
    answers: &[
        "\x1bP>|Konsole 22.12.3\x1b\\",
        "\x1b[6;18;9t",
        "\x1b[?62;1;4c",
    ],
    sticks: true,
    ..ITERM2
};

pub(crate) const FOOT: Profile = Profile {
    name: "foot",
    answers: &[
        "\x1bP>|foot(1.13.1)\x1b\\",
        "\x1b[6;18;9t",
        "\x1b[?62;4;22c",
    ],
    sixel: true,
    inline: false,
    sticks: false,
    cursor: Cursor::LastRow,
};

pub(crate) const XTERM_JS: Profile = Profile {
    name: "xterm.js",
    answers: &[
        "\x1bP>|xterm.js(6.0.0)\x1b\\",
        "\x1b[6;18;9t",
        "\x1b[?62;4;9;22c",
    ],
    sixel: true,
    inline: true,
    sticks: false,
    cursor: Cursor::After,
};

/// kitty's protocol deletes what is on the screen.
const DELETES: &str = "\x1b_Ga=d,d=a";

/// Where pictures begin, Sixel and iTerm2's, and what deletes them.
const BEGINNINGS: [&[u8]; 3] = [b"\x1bP", b"\x1b]1337;File=", DELETES.as_bytes()];

/// Letters for private use.
const LETTERS: std::ops::RangeInclusive<char> = '\u{e000}'..='\u{f8ff}';

/// A whole picture on the screen; row and column from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Puts pictures on a screen of text.
#[derive(Debug)]
pub(crate) struct Pictures {
    profile: Profile,
    pending: Vec<u8>,
    /// Columns and rows of all that were drawn.
    drawn: BTreeMap<char, (usize, usize)>,
    /// Those that text does not take away.
    stuck: Vec<Place>,
}

impl Pictures {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            pending: Vec::new(),
            drawn: BTreeMap::new(),
            stuck: Vec::new(),
        }
    }

    /// Takes what a program writes.
    pub(crate) fn feed(&mut self, bytes: &[u8], screen: &mut vt100::Parser) {
        self.pending.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.pending);
        let mut rest = all.as_slice();
        loop {
            let (text, picture) = rest.split_at(beginning(rest));
            screen.process(text);
            rest = picture;
            let Some(length) = length(rest) else {
                break;
            };
            let (picture, after) = rest.split_at(length);
            self.draw(&String::from_utf8_lossy(picture), screen);
            rest = after;
        }
        self.pending = rest.to_vec();
    }

    /// Columns and rows, where the terminal shows such a picture.
    fn size(&self, sequence: &str) -> Option<(usize, usize)> {
        if let Some(sixel) = sequence.strip_prefix("\x1bP") {
            let (_, raster) = sixel.split_once("q\"1;1;")?;
            let width: usize = raster.split(';').next()?.parse().ok()?;
            // Bands of six pixels.
            let body = sixel.trim_end_matches("\x1b\\").trim_end_matches('-');
            let height = (body.matches('-').count() + 1) * 6;
            return self
                .profile
                .sixel
                .then_some((width.div_ceil(9), height.div_ceil(18)));
        }
        let (keys, _) = sequence.split_once(':')?;
        let number = |name: &str| {
            let (_, value) = keys.split_once(name)?;
            value.split(';').next()?.parse().ok()
        };
        let size = (number("width=")?, number("height=")?);
        self.profile.inline.then_some(size)
    }

    fn draw(&mut self, sequence: &str, screen: &mut vt100::Parser) {
        if sequence.starts_with(DELETES) {
            self.stuck.clear();
        }
        let Some((columns, rows)) = self.size(sequence) else {
            return;
        };
        let letter = LETTERS.clone().nth(self.drawn.len()).unwrap();
        self.drawn.insert(letter, (columns, rows));
        let (height, width) = screen.screen().size();
        let (height, width) = (usize::from(height.get()), usize::from(width.get()));
        let (top, left) = screen.screen().cursor_position();
        let (top, left) = (usize::from(top), usize::from(left));
        if self.profile.sticks {
            let (row, column) = (top + 1, left + 1);
            self.stuck.push(Place {
                row,
                column,
                columns,
                rows,
            });
            return;
        }
        // A picture that has no room below the cursor scrolls the screen.
        let missing = (top + rows).saturating_sub(height);
        if missing > 0 {
            let scrolled = format!("\x1b[{height};1H{}", "\n".repeat(missing));
            screen.process(scrolled.as_bytes());
        }
        let top = top.saturating_sub(missing);
        let line = letter.to_string().repeat(columns.min(width - left));
        let lines: Vec<String> = (top..(top + rows).min(height))
            .map(|row| format!("\x1b[{};{}H{line}", row + 1, left + 1))
            .collect();
        screen.process(lines.concat().as_bytes());
        let (row, column) = match self.profile.cursor {
            Cursor::Stays => (top, left),
            Cursor::LastRow => (top + rows - 1, left),
            Cursor::After => (top + rows - 1, left + columns),
        };
        let moved = format!("\x1b[{};{}H", row + 1, column + 1);
        screen.process(moved.as_bytes());
    }

    /// How many pictures have been drawn.
    pub(crate) fn drawn(&self) -> usize {
        self.drawn.len()
    }

    /// The only picture on the screen, where all of it is there; `Err` says what is there instead.
    pub(crate) fn only(&self, screen: &vt100::Screen) -> Result<Place, String> {
        if self.profile.sticks {
            return match self.stuck[..] {
                [only] => Ok(only),
                _ => Err(format!("{} pictures", self.stuck.len())),
            };
        }
        let mut cells: BTreeMap<char, Vec<(usize, usize)>> = BTreeMap::new();
        let (height, width) = screen.size();
        for (row, column) in
            (0..height.get()).flat_map(|row| (0..width.get()).map(move |column| (row, column)))
        {
            let cell = screen.cell(row, column).map(vt100::Cell::contents);
            if let Some(letter) = cell.and_then(|text| text.chars().next())
                && LETTERS.contains(&letter)
            {
                let place = (usize::from(row) + 1, usize::from(column) + 1);
                cells.entry(letter).or_default().push(place);
            }
        }
        let Some((letter, cells)) = cells.iter().next().filter(|_| cells.len() == 1) else {
            return Err(format!("{} pictures", cells.len()));
        };
        let (row, column) = cells[0];
        let (columns, rows) = self.drawn[letter];
        let is_newest = self.drawn.keys().next_back() == Some(letter);
        if is_newest && cells.len() == columns * rows {
            Ok(Place {
                row,
                column,
                columns,
                rows,
            })
        } else {
            Err(format!(
                "{} of {columns}x{rows} cells of a picture, the newest: {is_newest}",
                cells.len()
            ))
        }
    }
}

/// Where a picture begins, or may begin when more has come.
fn beginning(bytes: &[u8]) -> usize {
    let begins = |at: usize| {
        BEGINNINGS
            .iter()
            .any(|mark| bytes[at..].starts_with(mark) || mark.starts_with(&bytes[at..]))
    };
    let found = (0..bytes.len()).find(|at| bytes[*at] == 0x1b && begins(*at));
    found.unwrap_or(bytes.len())
}

/// Bytes of the picture that these begin with; `None` where more must come first.
fn length(bytes: &[u8]) -> Option<usize> {
    if !BEGINNINGS.iter().any(|mark| bytes.starts_with(mark)) {
        return None;
    }
    let ends = |at: &usize| bytes[*at] == 7 || bytes[*at..].starts_with(b"\x1b\\");
    let end = (1..bytes.len()).find(ends)?;
    Some(if bytes[end] == 7 { end + 1 } else { end + 2 })
}
