//! Class names from a folder with a subfolder for each class, as torchvision's `ImageFolder` has it.

use std::path::Path;

use crate::text::visible;

/// Names of the subfolders in `ImageFolder`'s order: sorted by code points, capitals first.
pub(super) fn classes(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // As in Python, a link to a folder is a folder.
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether a subfolder is a part of a data set rather than a class.
pub(super) fn is_part(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "eval",
        "test",
        "testing",
    ];
    PARTS.contains(&name.to_lowercase().as_str())
}

/// What to do about a folder with the wrong number of subfolders.
pub(super) fn advice(folder: &Path, classes_of_model: usize) -> String {
    let fitting = classes(folder).ok().and_then(|names| {
        names
            .into_iter()
            .map(|name| folder.join(name))
            .find(|inner| classes(inner).is_ok_and(|classes| classes.len() == classes_of_model))
    });
    match fitting {
        Some(inner) => format!("{} has as many", visible(&inner.display().to_string())),
        None => "name the folder of the training images, which has a subfolder for each class, or a file of names".to_owned(),
    }
}
