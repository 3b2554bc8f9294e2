//! `gradcam methods`: the ways to explain, as a table.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::MethodsSettings;
use crate::explain::methods::{METHODS, Method, Reads};
use crate::text::json;

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Row {
    key: &'static str,
    name: &'static str,
    summary: &'static str,
    paper: &'static str,
    /// "layer", "pixels" or "attention".
    reads: &'static str,
    slow: bool,
}

/// Prints the table of methods, or one JSON object a line.
///
/// # Errors
/// When the output cannot be written.
pub fn run(settings: MethodsSettings, out: &mut dyn Write) -> Result<()> {
    let width = |text: fn(&Row) -> &str| rows().map(|row| text(&row).len()).max().unwrap_or(0);
    let (keys, names) = (width(|row| row.key), width(|row| row.name));
    for row in rows() {
        if settings.json {
            writeln!(out, "{}", json(&row)?)?;
            continue;
        }
        let slow = if row.slow { "slow" } else { "" };
        writeln!(
            out,
            "{:keys$}  {:names$}  {slow:4}  {}\n{:keys$}  {}",
            row.key, row.name, row.summary, "", row.paper
        )?;
    }
    Ok(())
}

fn rows() -> impl Iterator<Item = Row> {
    let row = |method: &&'static Method| Row {
        key: method.key,
        name: method.name,
        summary: method.summary,
        paper: method.paper,
        reads: match method.reads {
            Reads::Layer => "layer",
            Reads::Pixels => "pixels",
            Reads::Attention => "attention",
        },
        slow: method.is_slow,
    };
    METHODS.iter().map(row)
}

/// The README's table.
#[must_use]
pub fn readme_table() -> String {
    let line = |row: Row| {
        let slow = if row.slow { " (slow)" } else { "" };
        format!(
            "| {} | `{}` | {}{slow} | {} |\n",
            row.name, row.key, row.summary, row.paper
        )
    };
    let lines: String = rows().map(line).collect();
    format!("| method | `--method` | | paper |\n|---|---|---|---|\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_this_table() {
        crate::tests::assert_readme_has("methods", &readme_table());
    }

    #[test]
    fn every_method_is_on_a_line_of_json_and_in_the_table() {
        let printed = |json| {
            let mut out = Vec::new();
            run(MethodsSettings { json }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (table, lines) = (printed(false), printed(true));
        assert_eq!(lines.lines().count(), METHODS.len());
        for (method, line) in METHODS.iter().zip(lines.lines()) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["key"], method.key);
            assert_eq!(row["slow"], method.is_slow);
            for text in [method.key, method.name, method.summary, method.paper] {
                assert!(table.contains(text), "{text}");
            }
        }
    }
}
