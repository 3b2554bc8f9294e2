//! Text from outside made harmless: file names, labels and messages of others.
//!
//! What can command a terminal, change the order of other text or hide is shown as an escape
//! (`\u{1b}`). Texts are made visible where they come in; [`Harmless`] and the interface's last look
//! at its cells hold what was forgotten there.

mod harmless;

use std::fmt::Write;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use harmless::Harmless;

/// Marks on one letter that are shown. Scripts need three; more of them cover other lines.
const MOST_MARKS: usize = 4;

/// The text with control characters, characters that reorder or hide other text, and marks without a
/// letter written as escapes, so that a terminal shows them instead of obeying them.
///
/// What comes out is never changed by doing it again.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // Marks on the last letter; `None` where there is no letter.
    let mut marks = None;
    for character in text.chars() {
        let is_mark = character.width() == Some(0);
        let is_shown = match (is_dangerous(character), is_mark) {
            (true, _) => false,
            (false, false) => true,
            (false, true) => marks.is_some_and(|marks| marks < MOST_MARKS),
        };
        if is_shown {
            shown.push(character);
            marks = Some(if is_mark { marks.unwrap_or(0) + 1 } else { 0 });
        } else {
            shown.extend(character.escape_unicode());
            // The escape ends with a letter of its own, which has no marks.
            marks = None;
        }
    }
    shown
}

/// The same for text of several lines: it keeps its ends of lines.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

/// Whether a text is shown as it is.
#[must_use]
pub fn is_harmless(text: &str) -> bool {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte);
    text.bytes().all(is_plain) || visible(text) == text
}

/// JSON on one line that is harmless where it is printed: what a terminal could obey is written as
/// `\u` and digits, which means the same.
///
/// # Errors
/// When the value cannot be JSON.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|text| escaped_in_json(&text))
}

/// The same over several lines.
///
/// # Errors
/// As [`json`].
pub fn json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| escaped_in_json(&text))
}

/// What is not ASCII stands inside strings, so that it can be replaced without looking where it is.
fn escaped_in_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        let is_mark = character.width() == Some(0);
        if character == '\n' || !(is_dangerous(character) || is_mark) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _never = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Control characters; characters of Unicode's category Cf, and others without ink, that change the
/// order or the presence of their neighbours; line separators; and the letter that kitty shows
/// pictures with.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{10eeee}')
}

/// The end of a text in this many columns, with a mark where something is left out before it. The
/// end of a path says more than its beginning.
#[must_use]
pub fn tail(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept: Vec<&str> = fitting(text.graphemes(true).rev(), columns).collect();
    kept.push("…");
    kept.into_iter().rev().collect()
}

/// The beginning of a text in this many columns, with a mark where something is left out after it.
#[must_use]
pub fn head(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    fitting(text.graphemes(true), columns)
        .chain(["…"])
        .collect()
}

/// The beginning and the end of a text in this many columns, with a mark where something is left out
/// between them.
#[must_use]
pub fn middle(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    // One column is the mark's. The beginning says more of a name than its end.
    let room = columns.saturating_sub(1);
    let end: Vec<&str> = fitting(text.graphemes(true).rev(), room / 2 + 1).collect();
    let used: usize = end.iter().map(|letter| letter.width()).sum();
    fitting(text.graphemes(true), columns - used.min(columns))
        .chain(["…"])
        .chain(end.into_iter().rev())
        .collect()
}

/// As many of the first letters as fit with a mark of one column.
fn fitting<'a>(
    letters: impl Iterator<Item = &'a str>,
    columns: usize,
) -> impl Iterator<Item = &'a str> {
    letters.scan(1, move |used, letter| {
        *used += letter.width();
        (*used <= columns).then_some(letter)
    })
}

/// The text with spaces after it, up to this many columns.
#[must_use]
pub fn padded(text: &str, columns: usize) -> String {
    let pad = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(pad))
}

/// "1 image", "12 images".
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// A number with so many significant digits: "0.034", "12", "3.1e-7".
#[must_use]
pub fn figures(value: f32, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let places = digits.saturating_sub(1);
    let scientific = format!("{value:.places$e}");
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let places = i32::try_from(places).unwrap_or(0);
    match usize::try_from(places - exponent) {
        Ok(after_the_point) if exponent >= -4 => format!("{value:.after_the_point$}"),
        Err(_) if exponent < 6 => format!("{value:.0}"),
        _ => scientific,
    }
}

/// An error and its causes in one line. Of a cause that the line ends with already, nothing is said
/// again.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("it does not run: {0}")]
        Repeats(#[from] std::num::ParseIntError),
        #[error("it does not run")]
        Leaves(#[source] std::num::ParseIntError),
    }

    #[test]
    fn a_cause_is_said_once() {
        let number = || "x".parse::<u8>().unwrap_err();
        let line = "it does not run: invalid digit found in string";
        assert_eq!(with_causes(&Failure::Repeats(number())), line);
        assert_eq!(with_causes(&Failure::Leaves(number())), line);
    }

    #[test]
    fn escape_sequences_and_bidi_overrides_are_spelled_out() {
        assert_eq!(visible("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(visible("x\u{202e}gpj.exe"), "x\\u{202e}gpj.exe");
        assert_eq!(visible("\u{9b}31m\n"), "\\u{9b}31m\\u{a}");
        assert_eq!(visible("Grünfink 木.jpg"), "Grünfink 木.jpg");
    }

    #[test]
    fn what_hides_or_covers_other_text_is_spelled_out() {
        // Marks belong on letters, and not too many of them.
        assert_eq!(visible("e\u{301}"), "e\u{301}");
        assert_eq!(visible("\u{301}e"), "\\u{301}e");
        let many = format!("e{}", "\u{301}".repeat(6));
        let expected = format!("e{}", "\u{301}".repeat(4)) + &"\\u{301}".repeat(2);
        assert_eq!(visible(&many), expected);
        for hidden in [
            '\u{200b}',
            '\u{3164}',
            '\u{ad}',
            '\u{e0041}',
            '\u{10eeee}',
            '\u{7f}',
        ] {
            let text = format!("a{hidden}b");
            assert!(visible(&text).contains("\\u{"), "{hidden:?}");
            assert!(!is_harmless(&text));
        }
        for text in [
            "木木.jpg",
            "👩 ❤\u{fe0f}.png",
            "a b",
            "हिन्दी",
            "한국어",
            "\u{1f1e9}\u{1f1ea}",
        ] {
            assert!(is_harmless(text), "{text:?}: {}", visible(text));
        }
    }

    #[test]
    fn what_was_made_visible_is_not_changed_again() {
        let mut random = crate::tests::random::Random(7);
        let letters: Vec<char> = "ab木é\u{301}\u{1b}\u{9b}\u{202e}\u{200d}\u{fe0f}👩\u{e0041}"
            .chars()
            .collect();
        for _ in 0..2000 {
            let text: String = (0..8)
                .map(|_| letters[random.below(letters.len())])
                .collect();
            let once = visible(&text);
            assert_eq!(visible(&once), once, "{text:?}");
            assert!(is_harmless(&once));
        }
    }

    #[test]
    fn json_means_the_same_and_commands_nothing() {
        let name = "\u{1b}[2J\u{9b}31m\u{202e}x\u{7f}\u{e0041}é木";
        let line = json(&[name]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&line).unwrap(), [name]);
        assert!(is_harmless(&line), "{line}");
        assert!(line.contains("é木"));
        let pretty = json_pretty(&[name]).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<String>>(&pretty).unwrap(),
            [name]
        );
        assert_eq!(visible_lines(&pretty), pretty);
    }

    #[test]
    fn texts_are_cut_between_letters_and_fill_no_more_columns_than_they_may() {
        let texts = [
            "木木木.jpg",
            "e\u{301}e\u{301}e\u{301}",
            "👩👩👩",
            "❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}",
            "plain",
        ];
        for text in texts {
            for columns in 1..8 {
                for cut in [head(text, columns), tail(text, columns)] {
                    assert!(cut.width() <= columns, "{text:?} in {columns}: {cut:?}");
                    assert!(is_harmless(&cut), "{cut:?}");
                }
            }
        }
        assert_eq!(head("木木木", 5), "木木…");
        assert_eq!(tail("木木木", 4), "…木");
        assert_eq!(padded("木", 4), "木  ");
    }

    #[test]
    fn a_name_keeps_its_beginning_and_its_end() {
        assert_eq!(middle("African hunting dog", 19), "African hunting dog");
        assert_eq!(middle("African hunting dog", 10), "Afric… dog");
        assert_eq!(middle("tabby 175", 6), "tab…75");
        for columns in 0..20 {
            for text in [
                "木木木木木木木木",
                "a木b木c木d木e",
                "👩❤\u{fe0f}👩 e\u{301}e\u{301}",
            ] {
                let width = middle(text, columns).width();
                assert!(width <= columns.max(1), "{text} in {columns} takes {width}");
            }
        }
    }

    #[test]
    fn numbers_have_two_significant_digits() {
        for (value, words) in [
            (0.0, "0"),
            (0.034_4, "0.034"),
            (0.8, "0.80"),
            (0.999, "1.0"),
            (12.3, "12"),
            (-371.2, "-371"),
            (0.000_31, "0.00031"),
            (3.14e-7, "3.1e-7"),
            (2.5e9, "2.5e9"),
            (f32::NAN, "NaN"),
        ] {
            assert_eq!(figures(value, 2), words);
        }
    }
}
