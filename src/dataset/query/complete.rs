//! Completion: how the term at the cursor can go on.

use std::ops::Range;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::Vocabulary;
use super::resolve::quoted;
use super::terms::{Field, Flag};
use crate::dataset::figure::Figure;

/// How many are offered at most.
const MOST: usize = 100;

/// One way in which a term can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The part of the text that it replaces, in bytes; ends at the cursor.
    pub replaces: Range<usize>,
    pub text: String,
    /// What it is, in a few words.
    pub about: String,
}

/// How the term at the cursor (in bytes) can go on, best first. Names are found by letters of theirs
/// in order, as the page of classes finds them.
#[must_use]
pub fn complete(text: &str, cursor: usize, vocabulary: &Vocabulary<'_>) -> Vec<Completion> {
    let Some(before) = text.get(..cursor) else {
        return Vec::new();
    };
    let start = term_start(before);
    let term = before.get(start..).unwrap_or_default();
    let (from, typed, offers) = match term.split_once(':') {
        Some((name, value)) if !term.starts_with('"') => {
            let Some(field) = Field::named(name) else {
                return Vec::new();
            };
            let from = cursor - value.len();
            (
                from,
                value.trim_start_matches(['~', '"']),
                values(field, vocabulary),
            )
        }
        _ => (start, term, words()),
    };
    let completion = |(text, about)| Completion {
        replaces: from..cursor,
        text,
        about,
    };
    let found = fitting(typed, offers).into_iter().take(MOST);
    found.map(completion).collect()
}

/// Where the last term of a text begins, behind what negates or groups it.
fn term_start(text: &str) -> usize {
    let mut start = 0;
    let mut in_quotes = false;
    let mut is_escaped = false;
    let mut last = ' ';
    for (at, letter) in text.char_indices() {
        if in_quotes {
            in_quotes = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
        } else if letter.is_whitespace() || (at == start && matches!(letter, '(' | ')' | '-')) {
            start = at + letter.len_utf8();
        } else {
            in_quotes = letter == '"' && (at == start || matches!(last, ':' | '~'));
        }
        last = letter;
    }
    start
}

/// What is offered: how it is found, how it is written, what it is.
type Offer = (String, String, String);

fn words() -> Vec<Offer> {
    let offer = |name: &str, sign: &str, meaning: &str| {
        (name.to_owned(), format!("{name}{sign}"), meaning.to_owned())
    };
    let fields = Field::ALL.map(|field| offer(field.name(), ":", field.meaning()));
    let flags = Flag::ALL.map(|flag| offer(flag.name(), "", flag.meaning()));
    let figures = Figure::ALL.map(|figure| offer(figure.name(), ">", figure.meaning()));
    flags.into_iter().chain(fields).chain(figures).collect()
}

fn values(field: Field, vocabulary: &Vocabulary<'_>) -> Vec<Offer> {
    let named = |name: &str, about: &str| (name.to_owned(), quoted(name), about.to_owned());
    let mut offers: Vec<Offer> = match field {
        Field::Verdict => vocabulary
            .verdicts
            .iter()
            .map(|name| named(name, "verdict"))
            .collect(),
        Field::Tag => vocabulary
            .tags
            .iter()
            .map(|name| named(name, "tag"))
            .collect(),
        Field::Note | Field::Name => Vec::new(),
        Field::Predicted | Field::True | Field::Top => classes(vocabulary.labels),
    };
    let about = match field {
        Field::Verdict => "verdict",
        Field::Tag => "tag",
        Field::Note => "note",
        _ => return offers,
    };
    let word = |word: &str| (word.to_owned(), word.to_owned(), format!("{word} {about}"));
    offers.extend(["none", "any"].map(word));
    offers
}

/// By name, or by number where the name is several classes'.
fn classes(labels: &[String]) -> Vec<Offer> {
    let mut times = std::collections::HashMap::new();
    for label in labels {
        *times
            .entry(crate::dataset::truth::plain(label))
            .or_insert(0_usize) += 1;
    }
    let offer = |(class, label): (usize, &String)| {
        let is_alone = times.get(&crate::dataset::truth::plain(label)) == Some(&1);
        let (text, about) = if is_alone {
            (quoted(label), format!("class {class}"))
        } else {
            (format!("#{class}"), label.clone())
        };
        (format!("{label} {class}"), text, about)
    };
    labels.iter().enumerate().map(offer).collect()
}

/// The offers that have the typed letters; those that begin with them first.
fn fitting(typed: &str, offers: Vec<Offer>) -> Vec<(String, String)> {
    let (case, accents) = (CaseMatching::Ignore, Normalization::Smart);
    let pattern = Pattern::new(typed, case, accents, AtomKind::Fuzzy);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut letters = Vec::new();
    let begins = typed.to_lowercase();
    let mut found: Vec<(bool, u32, (String, String))> = offers
        .into_iter()
        .filter_map(|(name, text, about)| {
            let fit = pattern.score(Utf32Str::new(&name, &mut letters), &mut matcher)?;
            Some((name.to_lowercase().starts_with(&begins), fit, (text, about)))
        })
        .collect();
    found.sort_by_key(|(begins, fit, _)| std::cmp::Reverse((*begins, *fit)));
    found.into_iter().map(|(_, _, offer)| offer).collect()
}
