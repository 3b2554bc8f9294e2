//! Lexer: the text of a query as terms, each with its place.

use std::ops::Range;

use super::QueryError;
use crate::dataset::figure::Figure;

/// A part of the text, with its quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// With `~` before it.
    pub(super) is_part: bool,
    pub(super) is_quoted: bool,
    /// Without the `~`.
    pub(super) at: Range<usize>,
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Open,
    Close,
    Minus,
    Word(Value),
    /// `name:value`.
    Field(String, Value),
    /// `name>value`.
    Compared(String, Comparison, Value),
}

/// A term and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) term: Term,
    pub(super) at: Range<usize>,
}

/// The terms of a text.
///
/// # Errors
/// When a quote is not closed.
pub(super) fn terms(text: &str) -> Result<Vec<Placed>, QueryError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_spaces();
        let start = lexer.at;
        let Some(first) = lexer.peek() else {
            return Ok(found);
        };
        let term = match first {
            '(' | ')' | '-' => {
                lexer.step();
                match first {
                    '(' => Term::Open,
                    ')' => Term::Close,
                    _ => Term::Minus,
                }
            }
            '"' => Term::Word(lexer.value()?),
            _ => lexer.term()?,
        };
        found.push(Placed {
            term,
            at: start..lexer.at,
        });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// A word, up to a space, a parenthesis that it did not open, or what `ends` it.
    fn word(&mut self, ends: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        let mut open = 0_usize;
        while let Some(letter) = self.peek() {
            match letter {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                _ if letter.is_whitespace() || ends(letter) => break,
                _ => {}
            }
            word.push(letter);
            self.step();
        }
        word
    }

    fn term(&mut self) -> Result<Term, QueryError> {
        let start = self.at;
        let word = self.word(|letter| matches!(letter, ':' | '<' | '>' | '='));
        let end = self.at;
        if self.peek() == Some(':') {
            self.step();
            return Ok(Term::Field(word, self.value()?));
        }
        // Spaces around the sign are as good as none, where the word is a figure.
        if Figure::named(&word).is_some() {
            self.skip_spaces();
        }
        if let Some(comparison) = self.comparison() {
            self.skip_spaces();
            return Ok(Term::Compared(word, comparison, self.value()?));
        }
        Ok(Term::Word(Value {
            text: word,
            is_part: false,
            is_quoted: false,
            at: start..end,
        }))
    }

    pub(super) fn comparison(&mut self) -> Option<Comparison> {
        let (comparison, length) = comparison(self.rest())?;
        self.at += length;
        Some(comparison)
    }

    /// What stands after a colon or a sign, or in quotes.
    fn value(&mut self) -> Result<Value, QueryError> {
        let is_part = self.peek() == Some('~');
        if is_part {
            self.step();
        }
        let start = self.at;
        let is_quoted = self.peek() == Some('"');
        let text = if is_quoted {
            self.in_quotes()?
        } else {
            self.word(|_| false)
        };
        Ok(Value {
            text,
            is_part,
            is_quoted,
            at: start..self.at,
        })
    }

    /// A backslash keeps the next character as it is.
    fn in_quotes(&mut self) -> Result<String, QueryError> {
        let start = self.at;
        let mut inside = String::new();
        self.step();
        while let Some(letter) = self.peek() {
            self.step();
            match letter {
                '"' => return Ok(inside),
                '\\' => {
                    inside.extend(self.peek());
                    self.step();
                }
                _ => inside.push(letter),
            }
        }
        let message = "the quote is not closed".to_owned();
        Err(QueryError::new(self.text, start..self.at, message))
    }
}

/// A sign at the beginning of a text, and its length.
pub(super) fn comparison(text: &str) -> Option<(Comparison, usize)> {
    const SIGNS: [(&str, Comparison); 6] = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("==", Comparison::Equal),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Equal),
    ];
    let found = SIGNS.iter().find(|(sign, _)| text.starts_with(sign));
    found.map(|(sign, comparison)| (*comparison, sign.len()))
}
