//! Classes as people name them: by index or by name.

use anyhow::{Result, bail};

use super::super::Classes;
use crate::model::ClassIndex;
use crate::pipeline::About;
use crate::text::visible;

/// Class indices of what the user named.
pub(super) fn resolve(classes: &Classes, about: &About) -> Result<Vec<ClassIndex>> {
    let Classes::Named(names) = classes else {
        return Ok(Vec::new());
    };
    names.iter().map(|name| resolve_one(name, about)).collect()
}

pub(super) fn resolve_one(name: &str, about: &About) -> Result<ClassIndex> {
    let count = about.summary.classes;
    if let Ok(index) = name.parse::<usize>() {
        if index >= count {
            bail!(
                "class {index} is out of range; the model has {count} classes, 0 to {}",
                count.saturating_sub(1)
            );
        }
        return Ok(ClassIndex(index));
    }
    let wanted = name.to_lowercase();
    let labels: Vec<(ClassIndex, &String)> = (0..).map(ClassIndex).zip(&about.labels).collect();
    let exact: Vec<_> = labels
        .iter()
        .filter(|(_, label)| label.to_lowercase() == wanted)
        .collect();
    match exact.as_slice() {
        [(class, _)] => Ok(*class),
        [] if about.facts.labels.is_empty() => bail!(
            "the model has no class names; name the class by its index, or give the names with --labels FILE"
        ),
        [] => {
            let near: Vec<_> = labels
                .iter()
                .filter(|(_, label)| label.to_lowercase().contains(&wanted))
                .map(|(_, label)| label.as_str())
                .take(5)
                .collect();
            let hint = if near.is_empty() {
                format!("the first ones are {}", first_labels(&labels))
            } else {
                format!("did you mean {}?", near.join(", "))
            };
            bail!("the model has no class {}; {hint}", visible(name))
        }
        several => {
            let indices: Vec<String> = several
                .iter()
                .map(|(class, _)| class.0.to_string())
                .collect();
            bail!(
                "{} classes are named {}; choose one by its index: {}",
                several.len(),
                visible(name),
                indices.join(", ")
            )
        }
    }
}

fn first_labels(labels: &[(ClassIndex, &String)]) -> String {
    labels
        .iter()
        .take(5)
        .map(|(_, label)| label.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
