//! Needle: a text that is looked for in others, in any case, without allocating.

/// A text that is looked for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needle {
    lower: String,
    is_ascii: bool,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        Self {
            is_ascii: lower.is_ascii(),
            lower,
        }
    }

    /// Whether the text has it somewhere.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let Some((first, rest)) = self.lower.as_bytes().split_first() else {
            return true;
        };
        if self.is_ascii {
            let text = text.as_bytes();
            let Some(last) = text.len().checked_sub(self.lower.len()) else {
                return false;
            };
            // The other letters are compared only where the first one is.
            let upper = first.to_ascii_uppercase();
            return memchr::memchr2_iter(*first, upper, &text[..=last])
                .any(|at| text[at + 1..=at + rest.len()].eq_ignore_ascii_case(rest));
        }
        if text.is_ascii() {
            return false;
        }
        let mut from = text.chars();
        loop {
            if self.begins(from.clone()) {
                return true;
            }
            if from.next().is_none() {
                return false;
            }
        }
    }

    /// Whether the text is it.
    pub(super) fn is(&self, text: &str) -> bool {
        text.chars()
            .flat_map(char::to_lowercase)
            .eq(self.lower.chars())
    }

    fn begins(&self, text: std::str::Chars<'_>) -> bool {
        let mut text = text.flat_map(char::to_lowercase);
        self.lower.chars().all(|letter| text.next() == Some(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_any_case_and_nowhere_else() {
        for (needle, text, found) in [
            ("", "", true),
            ("img", "IMG_01.png", true),
            ("1.P", "IMG_01.png", true),
            ("png", "IMG_01.png", true),
            ("pngs", "IMG_01.png", false),
            ("g1", "IMG_01.png", false),
            ("GRÜN", "ein grünfink", true),
            ("grün", "EIN GRÜNFINK", true),
            ("ü", "plain", false),
            ("木", "a木b", true),
            ("fink", "Grünfink", true),
            ("aab", "aaab", true),
        ] {
            assert_eq!(Needle::new(needle).is_in(text), found, "{needle} {text}");
        }
        assert!(Needle::new("Night").is("nIGHT"));
        assert!(!Needle::new("night").is("nights") && !Needle::new("nights").is("night"));
    }

    #[test]
    fn it_finds_what_lower_case_copies_would_have() {
        let mut random = crate::tests::random::Random(3);
        let letters = ['a', 'B', 'b', '_', 'Ü', 'ü', '木'];
        let mut text = |most: usize| -> String {
            (0..random.below(most))
                .map(|_| letters[random.below(letters.len())])
                .collect()
        };
        for _ in 0..5000 {
            let (needle, text) = (text(4), text(12));
            assert_eq!(
                Needle::new(&needle).is_in(&text),
                text.to_lowercase().contains(&needle.to_lowercase()),
                "{needle:?} in {text:?}"
            );
        }
    }
}
