//! Identity: which terminal it is, and its version.
//!
//! Terminals name themselves in their answer to XTVERSION, each in a form of its own. Windows
//! Terminal does not, but has device attributes like no other. The environment is the last resort,
//! and only where an answer agrees with it: its variables survive in places where they are no longer
//! true.

use super::Environment;
use super::probe::Answers;
use crate::text::head;

/// Terminals that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Brand {
    Kitty,
    Ghostty,
    WezTerm,
    Konsole,
    Iterm2,
    Foot,
    Xterm,
    /// VS Code's terminal and others in browsers.
    XtermJs,
    Mlterm,
    Contour,
    Mintty,
    Rio,
    Warp,
    WindowsTerminal,
    /// GNOME's terminal and others; the version is 100 times that of VTE.
    Vte,
    Zellij,
    Tmux,
    /// GNU screen.
    Screen,
    #[default]
    Other,
}

/// The first three numbers of a version; 0 where there are fewer. WezTerm's first is a date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

/// How a terminal was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recognition {
    /// It named itself.
    Name,
    /// By its primary device attributes.
    Attributes,
    /// By this variable, which an answer agrees with.
    Variable(&'static str),
    #[default]
    Not,
}

/// A terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub brand: Brand,
    pub version: Version,
    /// As it names itself, or as it is called; empty where nothing is known.
    pub name: String,
    pub by: Recognition,
}

/// The beginnings of answers to XTVERSION.
const NAMES: [(&str, Brand); 18] = [
    ("kitty", Brand::Kitty),
    ("ghostty", Brand::Ghostty),
    ("WezTerm", Brand::WezTerm),
    ("Konsole", Brand::Konsole),
    ("iTerm2", Brand::Iterm2),
    ("foot", Brand::Foot),
    ("XTerm", Brand::Xterm),
    ("xterm.js", Brand::XtermJs),
    ("mlterm", Brand::Mlterm),
    ("contour", Brand::Contour),
    ("mintty", Brand::Mintty),
    ("rio", Brand::Rio),
    ("Warp", Brand::Warp),
    ("Windows Terminal", Brand::WindowsTerminal),
    ("VTE", Brand::Vte),
    ("Zellij", Brand::Zellij),
    ("tmux", Brand::Tmux),
    ("screen", Brand::Screen),
];

/// What only Windows Terminal says of itself: conformance level 1 and all of these extensions.
const WINDOWS_TERMINAL: [u16; 8] = [6, 7, 14, 21, 22, 23, 24, 28];

/// DEC's attribute of a terminal with Sixel graphics.
const SIXEL: u16 = 4;

/// Columns of a name that are kept.
const LONGEST: usize = 48;

impl Identity {
    /// Who answered, in this environment.
    #[must_use]
    pub fn of(answers: &Answers, environment: &Environment) -> Self {
        match answers.version() {
            Some(name) => Self::named(name),
            None => Self::unnamed(answers, environment),
        }
    }

    fn named(name: &str) -> Self {
        let known = NAMES.iter().find_map(|(beginning, brand)| {
            let (start, rest) = name.split_at_checked(beginning.len())?;
            let goes_on = rest.starts_with(|next: char| next.is_alphabetic() || next == '.');
            (start.eq_ignore_ascii_case(beginning) && !goes_on).then_some((*brand, rest))
        });
        let (brand, rest) = known.unwrap_or((Brand::Other, name));
        Self {
            brand,
            version: Version::within(rest),
            name: head(name, LONGEST),
            by: Recognition::Name,
        }
    }

    fn unnamed(answers: &Answers, environment: &Environment) -> Self {
        let attributes = answers.attributes().unwrap_or_default();
        let has_all = |wanted: &[u16]| wanted.iter().all(|one| attributes.contains(one));
        if attributes.first() == Some(&61) && has_all(&WINDOWS_TERMINAL) {
            return Self::called(
                Brand::WindowsTerminal,
                "Windows Terminal",
                Recognition::Attributes,
            );
        }
        // Nor does tmux before 3.2; in a terminal with more to say its variable is a stale one.
        if environment.tmux && attributes == [1, 2] {
            return Self::called(Brand::Tmux, "tmux", Recognition::Variable("TMUX"));
        }
        // GNU screen does not name itself and answers as a VT100 with options.
        if environment.term.starts_with("screen") && attributes == [1, 2] {
            return Self::called(Brand::Screen, "GNU screen", Recognition::Variable("TERM"));
        }
        // Terminals with inline images say Sixel, too; without it the variable is a stale one.
        let said = [
            ("TERM_PROGRAM", environment.term_program.as_str()),
            ("LC_TERMINAL", environment.lc_terminal.as_str()),
        ];
        for (variable, value) in said.into_iter().filter(|_| has_all(&[SIXEL])) {
            let brand = match value {
                "iTerm.app" | "iTerm2" => (Brand::Iterm2, "iTerm2"),
                "WezTerm" => (Brand::WezTerm, "WezTerm"),
                "mintty" => (Brand::Mintty, "mintty"),
                "vscode" => (Brand::XtermJs, "VS Code"),
                "WarpTerminal" => (Brand::Warp, "Warp"),
                "rio" => (Brand::Rio, "rio"),
                _ => continue,
            };
            return Self::called(brand.0, brand.1, Recognition::Variable(variable));
        }
        Self::default()
    }

    fn called(brand: Brand, name: &str, by: Recognition) -> Self {
        Self {
            brand,
            version: Version::default(),
            name: name.to_owned(),
            by,
        }
    }

    /// Whether it is this terminal, of this version or a later one.
    #[must_use]
    pub fn is_from(&self, brand: Brand, version: Version) -> bool {
        self.brand == brand && self.version >= version
    }

    /// Whether it is one of these, of that version or a later one.
    #[must_use]
    pub fn is_one_of(&self, list: &[(Brand, Version)]) -> bool {
        let mut list = list.iter();
        list.any(|(brand, version)| self.is_from(*brand, *version))
    }

    /// The name to call it by in a sentence.
    #[must_use]
    pub fn called_by(&self) -> &str {
        if self.name.is_empty() {
            "the terminal"
        } else {
            &self.name
        }
    }
}

impl Recognition {
    /// How, in words.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Name => "it names itself".to_owned(),
            Self::Attributes => "by its device attributes, which no other terminal has".to_owned(),
            Self::Variable(name) => format!("by the variable {name}, which its answers agree with"),
            Self::Not => "it does not name itself".to_owned(),
        }
    }
}

impl Version {
    /// The first numbers in what follows a name: "(0.26.5)", " 3.3a", " next-3.7".
    fn within(text: &str) -> Self {
        let rest = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let mut numbers = rest
            .get(..end)
            .unwrap_or_default()
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self(next(), next(), next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphics::probe::read;

    #[test]
    fn terminals_are_recognised_by_name_and_version() {
        for (name, brand, version) in [
            ("kitty(0.26.5)", Brand::Kitty, Version(0, 26, 5)),
            ("ghostty 1.3.1-main+abc", Brand::Ghostty, Version(1, 3, 1)),
            (
                "WezTerm 20240203-110809-5046fc22",
                Brand::WezTerm,
                Version(20_240_203, 0, 0),
            ),
            ("Konsole 22.12.3", Brand::Konsole, Version(22, 12, 3)),
            ("iTerm2 3.5.10", Brand::Iterm2, Version(3, 5, 10)),
            ("foot(1.13.1)", Brand::Foot, Version(1, 13, 1)),
            ("XTerm(379)", Brand::Xterm, Version(379, 0, 0)),
            ("xterm.js(6.0.0)", Brand::XtermJs, Version(6, 0, 0)),
            ("contour 0.4.3.6442", Brand::Contour, Version(0, 4, 3)),
            ("Zellij(0.45.0)", Brand::Zellij, Version(0, 45, 0)),
            ("tmux 3.3a", Brand::Tmux, Version(3, 3, 0)),
            ("tmux next-3.7", Brand::Tmux, Version(3, 7, 0)),
            ("kitty", Brand::Kitty, Version(0, 0, 0)),
            ("kittykat 9", Brand::Other, Version(9, 0, 0)),
            ("VTE(7600)", Brand::Vte, Version(7600, 0, 0)),
        ] {
            let found = Identity::named(name);
            assert_eq!((found.brand, found.version), (brand, version), "{name}");
        }
    }

    #[test]
    fn a_variable_counts_only_where_an_answer_agrees_with_it() {
        let stale = Environment {
            term_program: "iTerm.app".to_owned(),
            ..Environment::default()
        };
        let brand =
            |reply: &[u8], environment| Identity::of(&read(reply).answers, environment).brand;
        assert_eq!(brand(b"\x1b[?62;4c", &stale), Brand::Iterm2);
        assert_eq!(brand(b"\x1b[?62;22c", &stale), Brand::Other);
        assert_eq!(brand(b"", &stale), Brand::Other);
        assert_eq!(
            brand(b"\x1bP>|foot(1.13.1)\x1b\\\x1b[?62;4c", &stale),
            Brand::Foot
        );
        let windows = b"\x1b[?61;4;6;7;14;21;22;23;24;28;32;42c";
        assert_eq!(brand(windows, &stale), Brand::WindowsTerminal);
    }
}
