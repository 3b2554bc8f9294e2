//! Labels: the names of the classes.

mod folder;
pub(super) mod read;

use std::path::Path;

use super::ClassIndex;
use crate::text::{count, visible};

/// ImageNet's names; assets/imagenet/make.py writes them.
const IMAGENET: &str = include_str!("../../assets/imagenet/classes.txt");
/// What an output of 1001 classes has first, as TensorFlow's networks do.
const BACKGROUND: &str = "background";
/// Numbers of classes in ImageNet-21k and in its release of fall 2011, whose names are not bundled.
const IMAGENET_21K: [usize; 2] = [21_843, 21_841];

/// Names by class; empty where none are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<String>);

/// Why a list of names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("cannot read the labels {file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error(
        "{file} has {found} labels, but the model has {classes} classes; give one name a class, in the order of the classes"
    )]
    Count {
        file: String,
        found: usize,
        classes: usize,
    },
    #[error("{folder} has {found}, but the model has {classes} classes; {advice}")]
    Folders {
        folder: String,
        /// "3 subfolders".
        found: String,
        classes: usize,
        advice: String,
    },
}

/// Where names can come from. The first that is there counts.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// What the user names: a file, or a folder with a subfolder for each class.
    pub named: Option<&'a Path>,
    /// The checkpoint's own names, and where they stand: "config.json".
    pub card: Option<(Vec<String>, &'a str)>,
    /// The folder whose images are looked at.
    pub images: Option<&'a Path>,
}

impl Sources<'_> {
    /// The names, and a sentence where they were assumed or could not be.
    ///
    /// # Errors
    /// When what the user names cannot be read, or does not have a name for each class.
    pub fn choose(self, classes: usize) -> Result<(Labels, Option<String>), LabelError> {
        if let Some(path) = self.named {
            return Ok((Labels::open(path, classes)?, None));
        }
        let mut left_out = None;
        if let Some((names, source)) = self.card {
            match Labels::new(names, classes) {
                Ok(labels) => return Ok((labels, None)),
                Err(found) => {
                    left_out = Some(format!(
                        "the class names of {source} are not used: {found} for {classes} classes"
                    ));
                }
            }
        }
        let (labels, assumed) = Labels::assumed(self.images, classes);
        let notes: Vec<String> = left_out.into_iter().chain(assumed).collect();
        Ok((labels, (!notes.is_empty()).then(|| notes.join("; "))))
    }
}

impl Labels {
    /// Reads the names that a user gives: a folder with a subfolder for each class, in the order of
    /// torchvision's `ImageFolder`; or a file with a name a line, a table, or JSON, as
    /// [`read::file`] has it.
    ///
    /// # Errors
    /// When the file cannot be read, or does not have a name for each of `classes` classes.
    pub fn open(path: &Path, classes: usize) -> Result<Self, LabelError> {
        let file = visible(&path.display().to_string());
        let unreadable = |reason: String| LabelError::Unreadable {
            file: file.clone(),
            reason,
        };
        if path.is_dir() {
            let names = folder::classes(path).map_err(|error| unreadable(error.to_string()))?;
            return Self::new(names, classes).map_err(|found| LabelError::Folders {
                folder: file.clone(),
                found: count(found, "subfolder"),
                classes,
                advice: folder::advice(path, classes),
            });
        }
        let names = read::file(path).map_err(unreadable)?;
        Self::new(names, classes).map_err(|found| LabelError::Count {
            file: file.clone(),
            found,
            classes,
        })
    }

    /// The names of a folder's subfolders, if there is one for each class. Folders that divide a
    /// data set (`train`, `val`) and ImageNet's WordNet numbers are no names.
    #[must_use]
    pub fn of_image_folder(folder: &Path, classes: usize) -> Option<Self> {
        let names = folder::classes(folder).ok()?;
        if names.iter().all(|name| folder::is_part(name)) || names.iter().all(|n| is_wordnet(n)) {
            return None;
        }
        Self::new(names, classes).ok()
    }

    /// The names that are usual for this number of classes, and a sentence on that.
    fn assumed(images: Option<&Path>, classes: usize) -> (Self, Option<String>) {
        if let Some(folder) = images
            && let Some(labels) = Self::of_image_folder(folder, classes)
        {
            let folder = visible(&folder.display().to_string());
            let note = format!("the class names: the {classes} subfolders of {folder}, in order");
            return (labels, Some(note));
        }
        let imagenet = || IMAGENET.lines().map(str::to_owned);
        match classes {
            1000 => (
                Self(imagenet().collect()),
                Some("the class names: 1000 classes, taken for ImageNet's".to_owned()),
            ),
            1001 => (
                Self(
                    std::iter::once(BACKGROUND.to_owned())
                        .chain(imagenet())
                        .collect(),
                ),
                Some(
                    "the class names: 1001 classes, taken for background and ImageNet's".to_owned(),
                ),
            ),
            _ if IMAGENET_21K.contains(&classes) => (
                Self::default(),
                Some(format!(
                    "the classes: {classes}, taken for ImageNet-21k's, whose names are not bundled; --labels gives them"
                )),
            ),
            _ => (Self::default(), None),
        }
    }

    fn new(mut names: Vec<String>, classes: usize) -> Result<Self, usize> {
        while names.len() > classes && names.last().is_some_and(|name| name.trim().is_empty()) {
            names.pop();
        }
        if names.len() != classes {
            return Err(names.len());
        }
        Ok(Self(
            names.iter().map(|name| visible(name.trim())).collect(),
        ))
    }

    pub fn known(&self) -> bool {
        !self.0.is_empty()
    }

    /// The names of all classes, of which there are this many.
    #[must_use]
    pub fn all(&self, classes: usize) -> Vec<String> {
        (0..classes)
            .map(|class| self.get(ClassIndex(class)))
            .collect()
    }

    /// The class's name, or "class N".
    #[must_use]
    pub fn get(&self, class: ClassIndex) -> String {
        match self.0.get(class.0) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("class {}", class.0),
        }
    }
}

/// "n01440764", which names ImageNet's folders.
fn is_wordnet(name: &str) -> bool {
    name.strip_prefix('n').is_some_and(|digits| {
        digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests;
