//! Rows of a truth that are not used, and the sentences that say so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Misfit;
use super::classes::NoClass;
use super::read::{Bad, Row};
use crate::text::{count, head, visible};

/// How many of a kind are named.
const SHOWN: usize = 4;

const NO_SIZE: &str = "its box is in shares of the image, whose size cannot be read";

/// Rows that are not used.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Rows by a class that the model does not have.
    unknown: BTreeMap<String, usize>,
    /// Classes that share a name.
    several: BTreeMap<String, Vec<usize>>,
    /// Images that were not given: their rows, and whether the files are there.
    not_given: BTreeMap<PathBuf, (usize, bool)>,
    /// Paths that may be several images.
    unclear: BTreeMap<String, Vec<String>>,
    /// Lines, of rows that say what others say.
    pub(super) twice: Vec<u64>,
    /// Lines by what is wrong with them.
    bad: BTreeMap<&'static str, Vec<u64>>,
}

impl LeftOut {
    pub(super) fn bad(&mut self, bad: Bad) {
        self.bad.entry(bad.reason).or_default().push(bad.line);
    }

    pub(super) fn take(&mut self, misfit: Misfit, row: &Row, folder: &Path, roots: &[PathBuf]) {
        let file = || shown(&row.file.to_string_lossy());
        match misfit {
            Misfit::Class(NoClass::Unknown) => {
                *self.unknown.entry(shown(&row.class)).or_default() += 1;
            }
            Misfit::Class(NoClass::Several(classes)) => {
                self.several.insert(shown(&row.class), classes);
            }
            Misfit::NoImage => {
                let is_there = || {
                    let mut bases =
                        std::iter::once(folder).chain(roots.iter().map(PathBuf::as_path));
                    bases.any(|base| base.join(&row.file).exists())
                };
                let known = self.not_given.entry(row.file.clone());
                known.or_insert_with(|| (0, is_there())).0 += 1;
            }
            Misfit::Images(images) => {
                self.unclear.insert(file(), images);
            }
            Misfit::NoSize => self.bad(Bad {
                line: row.line,
                reason: NO_SIZE,
            }),
        }
    }

    /// What is left out, a sentence each; `unit` is what the lines count.
    pub(super) fn sentences(self, unit: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.unknown.is_empty() {
            let named = self.unknown.iter().map(|(class, rows)| {
                let class = if class.is_empty() { "no name" } else { class };
                format!("{class} ({})", count(*rows, "row"))
            });
            notes.push(format!(
                "rows of classes that the model does not have are left out: {}",
                some(named)
            ));
        }
        for (class, numbers) in &self.several {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "rows of {class} are left out, because {} classes of the model have this name; give the number instead: {}",
                numbers.len(),
                numbers.join(", ")
            ));
        }
        if !self.not_given.is_empty() {
            let missing: Vec<String> = self
                .not_given
                .iter()
                .filter(|(_, (_, is_there))| !is_there)
                .map(|(file, _)| shown(&file.to_string_lossy()))
                .collect();
            let rows = self.not_given.values().map(|(rows, _)| rows).sum();
            let rows = count(rows, "row");
            notes.push(if missing.is_empty() {
                format!("{rows} of images that were not given")
            } else {
                format!(
                    "{rows} of images that were not given; {} not there at all: {}",
                    if missing.len() == 1 {
                        "1 of them is".to_owned()
                    } else {
                        format!("{} of them are", missing.len())
                    },
                    some(missing.into_iter())
                )
            });
        }
        for (file, images) in self.unclear.iter().take(SHOWN) {
            notes.push(format!(
                "{file} is left out, because it may be {}; give more of the path",
                some(images.iter().cloned())
            ));
        }
        if self.unclear.len() > SHOWN {
            notes.push(format!(
                "{} more are left out for the same reason",
                count(self.unclear.len() - SHOWN, "path")
            ));
        }
        let mut said = |lines: &[u64], what: &str| {
            if !lines.is_empty() {
                notes.push(format!(
                    "{} {what}: {}",
                    count(lines.len(), "row"),
                    some(lines.iter().map(|line| format!("{unit} {line}")))
                ));
            }
        };
        said(&self.twice, "said before: the same image, class and box");
        for (reason, lines) in &self.bad {
            said(lines, &format!("left out, because {reason}"));
        }
        notes
    }
}

/// A text of the file made harmless and not too long.
fn shown(text: &str) -> String {
    head(&visible(text), 100)
}

/// The first few, and how many more there are.
pub(super) fn some(items: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = items.collect();
    let shown = all[..all.len().min(SHOWN)].join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
