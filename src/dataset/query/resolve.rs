//! Names in a query: which classes and verdicts they mean, and what is near to a name that is none.

use std::sync::Arc;

use super::Vocabulary;
use super::lexer::Value;
use super::needle::Needle;
use crate::dataset::truth::plain;
use crate::text::visible;

/// How many near names are suggested.
const SUGGESTED: usize = 3;

/// A set of classes, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassSet(Box<[u64]>);

impl ClassSet {
    fn new(classes: &[usize]) -> Self {
        let words = classes.iter().max().map_or(0, |most| most / 64 + 1);
        let mut bits = vec![0; words];
        for class in classes {
            bits[class / 64] |= 1 << (class % 64);
        }
        Self(bits.into())
    }

    pub(super) fn has(&self, class: u32) -> bool {
        let word = self.0.get(class as usize / 64);
        word.is_some_and(|word| word >> (class % 64) & 1 == 1)
    }
}

/// Why a name means nothing, and what may be meant.
pub(super) struct Unknown {
    pub(super) message: String,
    pub(super) suggestions: Vec<String>,
}

/// The classes that a value means: those of just this name, in any case and with `_` for a space;
/// else the one of this number; else those whose names have it in them.
pub(super) fn classes(value: &Value, vocabulary: &Vocabulary<'_>) -> Result<ClassSet, Unknown> {
    let count = vocabulary.classes.max(vocabulary.labels.len());
    let beyond = || Unknown {
        message: match count {
            0 => "the classes are not known yet".to_owned(),
            _ => format!(
                "there is no class {}; the model has 0 to {}",
                visible(&value.text),
                count - 1
            ),
        },
        suggestions: Vec::new(),
    };
    let digits = value.text.strip_prefix('#').filter(|_| !value.is_quoted);
    if let Some(digits) = digits.filter(|digits| is_number(digits)) {
        let class = digits.parse().ok().filter(|class| *class < count);
        return class
            .map(|class| ClassSet::new(&[class]))
            .ok_or_else(beyond);
    }
    let wanted = plain(&value.text);
    let labels = || {
        vocabulary
            .labels
            .iter()
            .map(|label| plain(label))
            .enumerate()
    };
    let those = |is_meant: &dyn Fn(&str) -> bool| -> Vec<usize> {
        labels()
            .filter(|(_, label)| is_meant(label))
            .map(|(class, _)| class)
            .collect()
    };
    if !value.is_part {
        let found = those(&|label| label == wanted);
        if !found.is_empty() {
            return Ok(ClassSet::new(&found));
        }
        if is_number(&wanted) {
            let class = wanted.parse().ok().filter(|class| *class < count);
            return class
                .map(|class| ClassSet::new(&[class]))
                .ok_or_else(beyond);
        }
    }
    let found = those(&|label| label.contains(&wanted));
    if !found.is_empty() {
        return Ok(ClassSet::new(&found));
    }
    if vocabulary.labels.is_empty() {
        return Err(Unknown {
            message: "the classes have no names; give a number".to_owned(),
            suggestions: Vec::new(),
        });
    }
    Err(Unknown {
        message: format!("there is no class {}", visible(&value.text)),
        suggestions: near(&value.text, vocabulary.labels.iter().map(String::as_str)),
    })
}

/// The verdicts that a value means: the one of just this name in any case, else those that have it
/// in them.
pub(super) fn verdicts(value: &Value, known: &[Arc<str>]) -> Result<Vec<Arc<str>>, Unknown> {
    let needle = Needle::new(&value.text);
    let those = |is_meant: &dyn Fn(&str) -> bool| -> Vec<Arc<str>> {
        let meant = known.iter().filter(|verdict| is_meant(verdict));
        meant.cloned().collect()
    };
    let just_so = those(&|verdict| needle.is(verdict));
    if !just_so.is_empty() {
        return Ok(just_so);
    }
    let having = those(&|verdict| needle.is_in(verdict));
    if !having.is_empty() {
        return Ok(having);
    }
    Err(Unknown {
        message: format!("there is no verdict {}", visible(&value.text)),
        suggestions: near(&value.text, known.iter().map(AsRef::as_ref)),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names nearest to a mistyped one, best first; none that are far from it.
pub(super) fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = name.to_lowercase();
    let most = name.chars().count() / 3 + 1;
    let mut found: Vec<(usize, &str)> = names
        .filter(|other| other.len().abs_diff(name.len()) <= 4 * most)
        .map(|other| {
            (
                strsim::damerau_levenshtein(&name, &other.to_lowercase()),
                other,
            )
        })
        .filter(|(distance, _)| *distance <= most)
        .collect();
    found.sort_unstable();
    found.dedup();
    let best = found.into_iter().take(SUGGESTED);
    best.map(|(_, other)| visible(other)).collect()
}

/// A name as it must be written after a colon, in quotes where it needs them.
#[must_use]
pub fn quoted(name: &str) -> String {
    let is_special = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '(' | ')');
    let is_word = ["none", "any"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word));
    if name.is_empty() || is_word || name.starts_with(['~', '#']) || name.contains(is_special) {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    } else {
        name.to_owned()
    }
}
