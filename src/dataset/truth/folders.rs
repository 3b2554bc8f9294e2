//! Classes of images from the folders that they lie in.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Classes, absolute};
use crate::dataset::{ImageEntry, ImageId};

/// The class of each image that lies in a class's folder, and a sentence where it was guessed from
/// the order of the folders.
pub(super) fn classes_of(
    images: &[ImageEntry],
    roots: &[PathBuf],
    classes: &Classes,
) -> Option<(HashMap<ImageId, usize>, Option<String>)> {
    let roots: Vec<PathBuf> = roots.iter().map(|root| absolute(root)).collect();
    let folders: Vec<(ImageId, Vec<String>)> = images
        .iter()
        .map(|image| (image.id, folders_of(&image.path, &roots)))
        .collect();
    let by_name: HashMap<ImageId, usize> = folders
        .iter()
        .filter_map(|(image, names)| {
            let mut nearest = names.iter().rev();
            Some((*image, nearest.find_map(|name| classes.find(name).ok())?))
        })
        .collect();
    if !by_name.is_empty() {
        return Some((by_name, None));
    }
    by_order(&folders, classes)
}

/// The names of the folders between a root and an image, the root's own first.
fn folders_of(image: &Path, roots: &[PathBuf]) -> Vec<String> {
    let image = absolute(image);
    let folder = image.parent().unwrap_or(&image);
    let root = roots.iter().find(|root| folder.starts_with(root));
    let (name, below) = match root {
        Some(root) => (root.file_name(), folder.strip_prefix(root).ok()),
        None => (folder.file_name(), None),
    };
    let below = below.into_iter().flat_map(Path::iter);
    name.into_iter()
        .chain(below)
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// As many innermost folders as there are classes are the classes, in order, as torchvision's
/// `ImageFolder` numbers them.
fn by_order(
    folders: &[(ImageId, Vec<String>)],
    classes: &Classes,
) -> Option<(HashMap<ImageId, usize>, Option<String>)> {
    let names: BTreeSet<&String> = folders
        .iter()
        .filter_map(|(_, names)| names.last())
        .collect();
    if names.len() != classes.count || names.len() < 2 {
        return None;
    }
    let numbers: HashMap<&String, usize> = names.into_iter().zip(0..).collect();
    let found = folders
        .iter()
        .filter_map(|(image, names)| Some((*image, *numbers.get(names.last()?)?)))
        .collect();
    let note = format!(
        "no folder has the name of a class; the {} folders were taken for the classes in order",
        classes.count
    );
    Some((found, Some(note)))
}
