//! Text from outside made harmless: file names, labels and messages of others.

/// The text with control characters, and characters that reorder or hide other text, written as
/// escapes (`\u{1b}`), so that a terminal shows them instead of obeying them.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_formatting(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Characters of Unicode's category Cf that change the order or the presence of their neighbours,
/// and the line separators.
fn is_formatting(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
