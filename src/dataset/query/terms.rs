//! Terms: every word of the language with its meaning. Parsing, completion, the help page and the
//! README's table come from these tables.

use crate::dataset::figure::Figure;
use crate::dataset::row::Row;

/// A word that holds or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flag {
    Wrong,
    Right,
    Top5,
    Top5Wrong,
    Scored,
    Unscored,
    Unreadable,
    Known,
    Marked,
    Reviewed,
    Noted,
    Empty,
}

impl Flag {
    pub const ALL: [Self; 12] = [
        Self::Wrong,
        Self::Right,
        Self::Top5,
        Self::Top5Wrong,
        Self::Scored,
        Self::Unscored,
        Self::Unreadable,
        Self::Known,
        Self::Marked,
        Self::Reviewed,
        Self::Noted,
        Self::Empty,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Right => "right",
            Self::Top5 => "top5",
            Self::Top5Wrong => "top5wrong",
            Self::Scored => "scored",
            Self::Unscored => "unscored",
            Self::Unreadable => "unreadable",
            Self::Known => "known",
            Self::Marked => "marked",
            Self::Reviewed => "reviewed",
            Self::Noted => "noted",
            Self::Empty => "empty",
        }
    }

    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Wrong => "the top class is not a true one",
            Self::Right => "the top class is a true one",
            Self::Top5 => "a true class is among the best five",
            Self::Top5Wrong => "no true class is among the best five",
            Self::Scored => "the network has answered",
            Self::Unscored => "the network has not answered yet",
            Self::Unreadable => "the image cannot be read",
            Self::Known => "a true class is known",
            Self::Marked => "marked by hand",
            Self::Reviewed => "has a verdict, a note or a tag",
            Self::Noted => "has a note",
            Self::Empty => "the map of the top class is zero everywhere",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|flag| flag.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn holds(self, row: &Row<'_>) -> bool {
        match self {
            Self::Wrong => row.is_right() == Some(false),
            Self::Right => row.is_right() == Some(true),
            Self::Top5 => row.is_in_top5() == Some(true),
            Self::Top5Wrong => row.is_in_top5() == Some(false),
            Self::Scored => row.score.is_some(),
            Self::Unscored => row.score.is_none() && row.unreadable.is_none(),
            Self::Unreadable => row.unreadable.is_some(),
            Self::Known => row.is_known(),
            Self::Marked => row.is_marked,
            Self::Reviewed => row.review.is_some_and(|review| !review.is_empty()),
            Self::Noted => row.review.is_some_and(|review| !review.note.is_empty()),
            Self::Empty => row.is_empty(),
        }
    }
}

/// What stands before a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Predicted,
    True,
    Top,
    Verdict,
    Tag,
    Note,
    Name,
}

impl Field {
    pub const ALL: [Self; 7] = [
        Self::Predicted,
        Self::True,
        Self::Top,
        Self::Verdict,
        Self::Tag,
        Self::Note,
        Self::Name,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Predicted => "pred",
            Self::True => "true",
            Self::Top => "top",
            Self::Verdict => "verdict",
            Self::Tag => "tag",
            Self::Note => "note",
            Self::Name => "name",
        }
    }

    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Predicted => "the top class: a name, part of one, or a number",
            Self::True => "a true class",
            Self::Top => "a class among the best five",
            Self::Verdict => "the verdict; also none and any",
            Self::Tag => "a tag; also none and any",
            Self::Note => "words of the note; also none and any",
            Self::Name => "part of the file name",
        }
    }

    /// The term as help shows it.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Predicted => "pred:cat",
            Self::True => "true:dog",
            Self::Top => "top:cat",
            Self::Verdict => "verdict:none",
            Self::Tag => "tag:night",
            Self::Note => "note:blur",
            Self::Name => "name:img_0",
        }
    }

    /// Whether its values are classes.
    pub(super) fn is_class(self) -> bool {
        matches!(self, Self::Predicted | Self::True | Self::Top)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|field| field.name().eq_ignore_ascii_case(name))
    }
}

/// One line of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    pub group: &'static str,
    /// As it can be typed.
    pub term: &'static str,
    pub meaning: &'static str,
}

const WORDS: &str = "Words";
const FIELDS: &str = "Fields";
const FIGURES: &str = "Figures, as in conf>0.9";
const TOGETHER: &str = "Together";

/// How terms are written and combined.
const SYNTAX: [(&str, &str); 11] = [
    ("img_0", "a word by itself is part of the file name"),
    ("conf>0.9 wrong", "both hold"),
    ("wrong or unreadable", "one of them holds"),
    ("-marked", "it does not hold; also: not marked"),
    ("(empty or wrong) scored", "parentheses as usual"),
    (
        "conf>=90%",
        "also > < <= and =, which compares the digits written",
    ),
    ("conf:0.4..0.6", "from one number to another, both included"),
    ("pred:~cat", "part of a name, even where one is just so"),
    ("pred:#3", "the class of this number, whatever the names"),
    (
        "verdict:\"label error\"",
        "quotes keep spaces and parentheses",
    ),
    ("\"wrong\"", "a quoted word is always part of the file name"),
];

/// Every term, by group.
pub fn help() -> impl Iterator<Item = Help> {
    let flags = Flag::ALL.map(|flag| (WORDS, flag.name(), flag.meaning()));
    let fields = Field::ALL.map(|field| (FIELDS, field.example(), field.meaning()));
    let figures = Figure::ALL.map(|figure| (FIGURES, figure.name(), figure.meaning()));
    let syntax = SYNTAX.map(|(term, meaning)| (TOGETHER, term, meaning));
    let lines = flags.into_iter().chain(fields).chain(figures).chain(syntax);
    lines.map(|(group, term, meaning)| Help {
        group,
        term,
        meaning,
    })
}

/// The README's table.
#[must_use]
pub fn readme_table() -> String {
    let lines = help().map(|line| format!("| `{}` | {} |\n", line.term, line.meaning));
    format!("| filter | |\n|---|---|\n{}", lines.collect::<String>())
}
