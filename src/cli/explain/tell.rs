//! What became of an image, in words for people.

use std::path::Path;

use super::Explainer;
use super::work::Explained;
use crate::explain::Prediction;
use crate::text::{padded, visible};

/// A line for each prediction, how the maps were made, what is wrong with them, and what was written.
pub(super) fn told(explainer: &Explainer<'_>, image: &Path, explained: &Explained) -> String {
    let summary = &explainer.about.summary;
    let mut lines = vec![visible(&image.to_string_lossy())];
    for prediction in &explained.predictions {
        let Prediction {
            rank,
            label,
            probability,
            logit,
            ..
        } = prediction;
        lines.push(format!(
            "  {rank}  {} {:5.1}%   logit {logit:.2}",
            padded(label, 24),
            probability * 100.0
        ));
    }
    let mut how = vec![summary.family.clone()];
    if let Some(finding) = explained.findings.first() {
        how.extend(finding.explanation.in_words());
    }
    how.extend([summary.recipe_and_source(), summary.device_and_precision()]);
    lines.push(format!("  {}", how.join(" · ")));
    let guesses = summary.guesses.iter();
    lines.extend(guesses.map(|guess| format!("  guessed: {guess}")));
    for finding in &explained.findings {
        let shown = std::iter::once(&finding.explanation).chain(&finding.beside);
        for explanation in shown {
            if let Some(warning) = explanation.warning() {
                lines.push(format!("  {}: {warning}", explanation.target.label));
            }
        }
        let files = finding.files.values();
        lines.extend(files.map(|file| format!("  wrote {}", visible(&file.to_string_lossy()))));
    }
    lines.push(String::new());
    lines.join("\n")
}
