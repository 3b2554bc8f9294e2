//! Pieces of HTML.

use crate::dataset::export::Table;
use crate::text::visible_lines;

/// A text from outside, where a text or the value of an attribute in quotes stands: nothing in it is
/// markup, and nothing hides or turns its neighbours around.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in visible_lines(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// "61.2 %"; with a space that keeps the two together.
pub(super) fn percent(share: f32) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

/// A figure, or a dash where it is not known.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// The name of a class, or its number; escaped.
pub(super) fn class_name(table: &Table<'_>, class: u32) -> String {
    let labels = table.model.map_or(&[][..], |model| &model.labels);
    let label = labels.get(class as usize);
    label.map_or_else(|| format!("#{class}"), |label| escaped(label))
}
