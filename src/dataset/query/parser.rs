//! Parser: terms → what must hold of a row.

use std::ops::Range;

use super::lexer::{Comparison, Placed, Term, Value, comparison, terms};
use super::needle::Needle;
use super::resolve::{self, Unknown, near};
use super::terms::{Field, Flag};
use super::{Interval, QueryError, Test, Vocabulary};
use crate::dataset::figure::Figure;
use crate::text::visible;

/// How deep parentheses and negations may lie in each other.
const DEEPEST: usize = 64;

pub(super) fn parse(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Test, QueryError> {
    let mut parser = Parser {
        text,
        vocabulary,
        terms: terms(text)?,
        next: 0,
        depth: 0,
    };
    if parser.terms.is_empty() {
        return Ok(Test::All(Vec::new()));
    }
    let test = parser.either()?;
    match parser.peek() {
        None => Ok(test),
        // Nothing else ends a chain of terms.
        Some(term) => Err(parser.error(term.at.clone(), "there is no ( for this )".to_owned())),
    }
}

struct Parser<'a> {
    text: &'a str,
    vocabulary: &'a Vocabulary<'a>,
    terms: Vec<Placed>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Placed> {
        self.terms.get(self.next)
    }

    fn error(&self, at: Range<usize>, message: String) -> QueryError {
        QueryError::new(self.text, at, message)
    }

    /// The end of the text, where something is missing.
    fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }

    /// Takes a word that joins others.
    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.is_next(word);
        self.next += usize::from(is_it);
        is_it
    }

    fn is_next(&self, word: &str) -> bool {
        matches!(
            self.peek(),
            Some(Placed { term: Term::Word(value), .. })
                if !value.is_quoted && value.text.eq_ignore_ascii_case(word)
        )
    }

    /// Terms with `or` between them.
    fn either(&mut self) -> Result<Test, QueryError> {
        let mut tests = vec![self.all()?];
        while self.takes("or") {
            tests.push(self.all()?);
        }
        Ok(one_or(tests, Test::Any))
    }

    /// Terms side by side, or with `and` between them; at least one.
    fn all(&mut self) -> Result<Test, QueryError> {
        let mut tests = vec![self.negated()?];
        loop {
            if !self.takes("and") {
                let ends = match self.peek() {
                    None => true,
                    Some(placed) => placed.term == Term::Close || self.is_next("or"),
                };
                if ends {
                    return Ok(one_or(tests, Test::All));
                }
            }
            tests.push(self.negated()?);
        }
    }

    fn negated(&mut self) -> Result<Test, QueryError> {
        if self.depth >= DEEPEST {
            let at = self
                .peek()
                .map_or_else(|| self.end(), |placed| placed.at.clone());
            return Err(self.error(at, format!("more than {DEEPEST} are nested here")));
        }
        self.depth += 1;
        let test = self.nested();
        self.depth -= 1;
        test
    }

    fn nested(&mut self) -> Result<Test, QueryError> {
        if self.takes("not") {
            return Ok(Test::Not(Box::new(self.negated()?)));
        }
        let Some(placed) = self.peek().cloned() else {
            return Err(self.error(self.end(), "a term is missing here".to_owned()));
        };
        if self.is_next("or") || self.is_next("and") {
            return Err(self.error(placed.at, "a term is missing before this".to_owned()));
        }
        self.next += 1;
        match placed.term {
            Term::Minus => Ok(Test::Not(Box::new(self.negated()?))),
            Term::Open => {
                let test = self.either()?;
                if self.peek().is_some() {
                    // Only a parenthesis ends a chain of terms.
                    self.next += 1;
                    Ok(test)
                } else {
                    Err(self.error(placed.at, "this ( is not closed".to_owned()))
                }
            }
            Term::Close => Err(self.error(placed.at, "a term is missing before this".to_owned())),
            Term::Word(value) => Ok(word(&value)),
            Term::Field(name, value) => self.field(&name, &value, placed.at),
            Term::Compared(name, sign, value) => match Figure::named(&name) {
                Some(figure) => self.compared(figure, sign, &value),
                None => Err(self.unknown(&name, placed.at)),
            },
        }
    }

    fn field(&self, name: &str, value: &Value, at: Range<usize>) -> Result<Test, QueryError> {
        let Some(field) = Field::named(name) else {
            return match Figure::named(name) {
                Some(figure) => self.ranged(figure, value),
                None => Err(self.unknown(name, at)),
            };
        };
        if value.text.is_empty() {
            let what = if field.is_class() {
                "class"
            } else {
                field.name()
            };
            return Err(self.error(
                at,
                format!("after {}: there must be a {what}", field.name()),
            ));
        }
        let needle = || Needle::new(&value.text);
        let is_word = |word: &str| {
            !value.is_quoted && !value.is_part && value.text.eq_ignore_ascii_case(word)
        };
        let unknown = |unknown: Unknown| QueryError {
            suggestions: unknown.suggestions,
            ..self.error(value.at.clone(), unknown.message)
        };
        let any = match field {
            Field::Verdict => Some(Test::HasVerdict),
            Field::Tag => Some(Test::HasTag),
            Field::Note => Some(Test::Flag(Flag::Noted)),
            _ => None,
        };
        if let Some(any) = any {
            if is_word("any") {
                return Ok(any);
            }
            if is_word("none") {
                return Ok(Test::Not(Box::new(any)));
            }
        }
        Ok(match field {
            Field::Name => Test::Name(needle()),
            Field::Note => Test::Note(needle()),
            Field::Tag if value.is_part => Test::TagHas(needle()),
            Field::Tag => Test::Tag(needle()),
            Field::Verdict if value.is_part => Test::VerdictHas(needle()),
            Field::Verdict => {
                Test::Verdict(resolve::verdicts(value, self.vocabulary.verdicts).map_err(unknown)?)
            }
            Field::Predicted | Field::True | Field::Top => {
                let classes = resolve::classes(value, self.vocabulary).map_err(unknown)?;
                match field {
                    Field::Predicted => Test::Predicted(classes),
                    Field::True => Test::True(classes),
                    _ => Test::Top(classes),
                }
            }
        })
    }

    /// A name that is no field and no figure.
    fn unknown(&self, name: &str, at: Range<usize>) -> QueryError {
        let fields = Field::ALL.iter().map(|field| field.name());
        let figures = Figure::ALL.iter().map(|figure| figure.name());
        let message = if name.is_empty() {
            "a name is missing before this".to_owned()
        } else {
            format!(
                "{} is no field and no figure; in quotes it is part of a file name",
                visible(name)
            )
        };
        QueryError {
            suggestions: near(name, fields.chain(figures)),
            ..self.error(at, message)
        }
    }

    /// `conf:0.4..0.6`, `conf:>0.4`, `rank:3`; either end of a range may be left out.
    fn ranged(&self, figure: Figure, value: &Value) -> Result<Test, QueryError> {
        if let Some((sign, length)) = comparison(&value.text) {
            let value = Value {
                text: value.text.get(length..).unwrap_or_default().to_owned(),
                ..value.clone()
            };
            return self.compared(figure, sign, &value);
        }
        let Some((low, high)) = value.text.split_once("..") else {
            return self.compared(figure, Comparison::Equal, value);
        };
        let bound = |text: &str, open: f32| match text {
            "" => Ok(open),
            _ => self.number(figure, text, value).map(|number| number.value),
        };
        let low = bound(low, f32::NEG_INFINITY)?;
        let high = bound(high, f32::INFINITY)?;
        if low > high {
            let message = "the range ends before it begins".to_owned();
            return Err(self.error(value.at.clone(), message));
        }
        Ok(Test::Figure(
            figure,
            Interval {
                low: (low, true),
                high: (high, true),
            },
        ))
    }

    fn compared(
        &self,
        figure: Figure,
        sign: Comparison,
        value: &Value,
    ) -> Result<Test, QueryError> {
        let Number { value: at, half } = self.number(figure, &value.text, value)?;
        let (lowest, highest) = ((f32::NEG_INFINITY, true), (f32::INFINITY, true));
        let (low, high) = match sign {
            Comparison::Above => ((at, false), highest),
            Comparison::AtLeast => ((at, true), highest),
            Comparison::Below => (lowest, (at, false)),
            Comparison::AtMost => (lowest, (at, true)),
            Comparison::Equal => ((at - half, true), (at + half, false)),
        };
        Ok(Test::Figure(figure, Interval { low, high }))
    }

    fn number(&self, figure: Figure, text: &str, value: &Value) -> Result<Number, QueryError> {
        let error = |message| Err(self.error(value.at.clone(), message));
        let (digits, is_percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        if is_percent && !figure.is_share() {
            return error(format!("{} is not given in percent", figure.name()));
        }
        let number = digits
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let Some(number) = number else {
            return error(if text.is_empty() {
                format!("{} is compared with a number, as in {0}>0.5", figure.name())
            } else {
                format!("{} is no number", visible(text))
            });
        };
        let unit = if is_percent { 0.01 } else { 1.0 };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "figures are f32; what is larger becomes infinite"
        )]
        let number = Number {
            value: (number * unit) as f32,
            half: (unit * half_of_last_digit(digits)) as f32,
        };
        Ok(number)
    }
}

/// A number as it was written.
struct Number {
    value: f32,
    /// Half a unit of its last digit.
    half: f32,
}

/// 0.5 of "3", 0.05 of "3.1", 0.0005 of "3.1e-2".
fn half_of_last_digit(digits: &str) -> f64 {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let places = mantissa
        .split_once('.')
        .map_or(0, |(_, places)| places.len());
    let places = i32::try_from(places).unwrap_or(i32::MAX);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    0.5 * 10_f64.powi(exponent.saturating_sub(places))
}

fn word(value: &Value) -> Test {
    match Flag::named(&value.text).filter(|_| !value.is_quoted) {
        Some(flag) => Test::Flag(flag),
        None => Test::Name(Needle::new(&value.text)),
    }
}

fn one_or(mut tests: Vec<Test>, several: fn(Vec<Test>) -> Test) -> Test {
    match tests.pop() {
        Some(test) if tests.is_empty() => test,
        Some(test) => {
            tests.push(test);
            several(tests)
        }
        None => several(tests),
    }
}
