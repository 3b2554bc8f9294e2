//! Ground truth: which classes an image shows, and where. Plain data.
//!
//! It comes from a file (a [`table`], [`json`] or a file of [`imagenet`]), or from the names of the
//! folders that the images lie in, one a class, as torchvision's `ImageFolder` has it. Names are
//! matched to the classes of a model; what does not match is said in sentences, and the rest is used.

mod classes;
mod fiftyone;
mod folders;
mod imagenet;
mod json;
pub mod known;
mod left_out;
mod read;
mod size;
mod table;

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::{ImageEntry, ImageId};
use crate::geometry::Window;
use crate::text::{count, visible};
pub use classes::Classes;
use classes::NoClass;
pub(super) use classes::plain;
use known::TrueClasses;
use left_out::{LeftOut, some};
use read::{Extent, Row};
use size::Sizes;

/// One object of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// As the model's output numbers them.
    pub class: usize,
    /// In image pixels, after the EXIF orientation.
    pub bounds: Option<Window>,
}

/// What is known of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    objects: HashMap<ImageId, Vec<Object>>,
    /// Where it comes from: "truth.csv", "the names of the folders".
    pub source: String,
    /// What did not match, a sentence each.
    pub notes: Vec<String>,
}

/// Why there is no ground truth.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error("cannot read the ground truth {file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("the ground truth {file} fits none of the images: {}", reasons.join("; "))]
    NothingFits { file: String, reasons: Vec<String> },
}

/// Files of ground truth that are found without being named, best first.
const TABLES: [&str; 3] = ["truth.csv", "truth.jsonl", "truth.json"];

impl Truth {
    /// What is known of images that were found at `paths`: from the file that is named, else from
    /// a `truth.csv`, `truth.jsonl` or `truth.json` in the folders or beside them, else from the names
    /// of the folders. What did not come of a file that nobody named is added to `notes`.
    ///
    /// # Errors
    /// When a file that was named cannot be read, or fits none of the images.
    pub fn find(
        named: Option<&Path>,
        paths: &[PathBuf],
        images: &[ImageEntry],
        classes: &Classes,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>, TruthError> {
        let roots: Vec<PathBuf> = paths
            .iter()
            .map(|path| match path.parent() {
                Some(parent) if !path.is_dir() => parent.to_path_buf(),
                _ => path.clone(),
            })
            .collect();
        if let Some(path) = named {
            return Ok(Some(Self::open(path, images, &roots, classes)?));
        }
        let above = |root: &PathBuf| match (root.file_name(), root.parent()) {
            (Some(_), Some(parent)) => parent.to_path_buf(),
            // The folder above `.` and `..` cannot be told from their names.
            _ => root.join(".."),
        };
        let mut places = roots
            .iter()
            .flat_map(|root| [root.clone(), above(root)])
            .flat_map(|folder| TABLES.map(|table| folder.join(table)));
        // A file that nobody named may be about other images or another model.
        if let Some(path) = places.find(|path| path.is_file()) {
            match Self::open(&path, images, &roots, classes) {
                Ok(truth) => return Ok(Some(truth)),
                Err(error) => notes.push(error.to_string()),
            }
        }
        Ok(Self::of_folders(images, &roots, classes))
    }

    /// The classes of images with numbers below `images`.
    #[must_use]
    pub fn classes(&self, images: usize) -> TrueClasses {
        TrueClasses::new(images, |image| {
            self.of(image).iter().map(|object| object.class)
        })
    }

    /// Reads a file. `roots` are the folders that were named, for telling a file that was not
    /// chosen from one that is not there.
    ///
    /// # Errors
    /// When the file cannot be read or has no known form, or no row fits an image.
    pub fn open(
        path: &Path,
        images: &[ImageEntry],
        roots: &[PathBuf],
        classes: &Classes,
    ) -> Result<Self, TruthError> {
        let file = visible(&path.display().to_string());
        let listing =
            read::read(path, images, classes).map_err(|reason| TruthError::Unreadable {
                file: file.clone(),
                reason,
            })?;
        let places = Places::new(images);
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut objects: HashMap<ImageId, Vec<Object>> = HashMap::new();
        let mut left_out = LeftOut::default();
        let mut sizes = Sizes::default();
        for row in listing.rows {
            match row {
                Err(bad) => left_out.bad(bad),
                Ok(row) => match fitted(&row, &places, &folder, classes, &mut sizes) {
                    Ok((image, object)) => {
                        let known = objects.entry(image).or_default();
                        if known.contains(&object) {
                            left_out.twice.push(row.line);
                        } else {
                            known.push(object);
                        }
                    }
                    Err(misfit) => left_out.take(misfit, &row, &folder, roots),
                },
            }
        }
        let mut notes = listing.notes;
        notes.extend(left_out.sentences(listing.unit));
        if objects.is_empty() {
            return Err(TruthError::NothingFits {
                file,
                reasons: if notes.is_empty() {
                    vec!["it has no rows".to_owned()]
                } else {
                    notes
                },
            });
        }
        notes.extend(without_truth(images, &objects, "row"));
        let notes = notes.into_iter().map(|note| format!("{file}: {note}"));
        Ok(Self {
            objects,
            notes: notes.collect(),
            source: file,
        })
    }

    /// Takes the name of the nearest folder that is a class's for the class of each image in it;
    /// nothing where no folder is. `roots` are the folders that were named.
    #[must_use]
    pub fn of_folders(images: &[ImageEntry], roots: &[PathBuf], classes: &Classes) -> Option<Self> {
        let (found, guess) = folders::classes_of(images, roots, classes)?;
        let object = |class| {
            vec![Object {
                class,
                bounds: None,
            }]
        };
        let objects = found
            .into_iter()
            .map(|(image, class)| (image, object(class)))
            .collect();
        let mut notes: Vec<String> = guess.into_iter().collect();
        notes.extend(without_truth(images, &objects, "folder of a class"));
        Some(Self {
            objects,
            source: "the names of the folders".to_owned(),
            notes,
        })
    }

    /// The objects of an image; none where nothing is known.
    #[must_use]
    pub fn of(&self, image: ImageId) -> &[Object] {
        self.objects.get(&image).map_or(&[], Vec::as_slice)
    }

    /// How many images have an object.
    #[must_use]
    pub fn images(&self) -> usize {
        self.objects.len()
    }

    /// Whether some object has a box.
    #[must_use]
    pub fn has_boxes(&self) -> bool {
        let mut objects = self.objects.values().flatten();
        objects.any(|object| object.bounds.is_some())
    }
}

/// What is wrong with a row.
enum Misfit {
    Class(NoClass),
    NoImage,
    /// Images that it may mean.
    Images(Vec<String>),
    /// Its box is in shares of an image that does not say its size.
    NoSize,
}

fn fitted(
    row: &Row,
    places: &Places,
    folder: &Path,
    classes: &Classes,
    sizes: &mut Sizes,
) -> Result<(ImageId, Object), Misfit> {
    let (image, path) = places.find(&row.file, folder)?;
    let class = classes.find(&row.class).map_err(Misfit::Class)?;
    let bounds = match row.extent {
        None => None,
        Some(Extent::Pixels(bounds)) => Some(bounds),
        Some(Extent::Shares(shares)) => {
            let size = sizes.of(image, path).ok_or(Misfit::NoSize)?;
            Some(shares.scaled(f64::from(size.width), f64::from(size.height)))
        }
    };
    Ok((image, Object { class, bounds }))
}

/// Images by their paths.
struct Places {
    images: Vec<(ImageId, PathBuf, String)>,
    by_path: HashMap<PathBuf, usize>,
    /// By file name with and without its ending.
    by_name: HashMap<String, Vec<usize>>,
}

impl Places {
    fn new(images: &[ImageEntry]) -> Self {
        let mut places = Self {
            images: Vec::with_capacity(images.len()),
            by_path: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (index, image) in images.iter().enumerate() {
            let path = absolute(&image.path);
            let mut names: Vec<String> = [path.file_name(), path.file_stem()]
                .into_iter()
                .flatten()
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.dedup();
            for name in names {
                places.by_name.entry(name).or_default().push(index);
            }
            places.by_path.insert(path.clone(), index);
            places.images.push((image.id, path, image.name.to_string()));
        }
        places
    }

    /// The image of a path: as it stands beside the table; else the one whose path ends in it, with
    /// or without the ending of its name; of several the one that is named just so.
    fn find(&self, file: &Path, folder: &Path) -> Result<(ImageId, &Path), Misfit> {
        let at = |index: usize| (self.images[index].0, self.images[index].1.as_path());
        if let Some(index) = self.by_path.get(&absolute(&folder.join(file))) {
            return Ok(at(*index));
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let ends_so = |index: &&usize| {
            let path = &self.images[**index].1;
            path.ends_with(file) || path.with_extension("").ends_with(file)
        };
        let candidates = self.by_name.get(&*name).map_or(&[][..], Vec::as_slice);
        let found: Vec<usize> = candidates.iter().filter(ends_so).copied().collect();
        match found.as_slice() {
            [] => Err(Misfit::NoImage),
            [index] => Ok(at(*index)),
            several => {
                let written = visible(&file.to_string_lossy());
                let just_so = several
                    .iter()
                    .find(|index| self.images[**index].2 == written);
                match just_so {
                    Some(index) => Ok(at(*index)),
                    None => Err(Misfit::Images(
                        several
                            .iter()
                            .map(|index| self.images[*index].2.clone())
                            .collect(),
                    )),
                }
            }
        }
    }
}

/// The path from the root on, without `.` and `..`; links stay as they are.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// A sentence on the images of which nothing is known.
fn without_truth(
    images: &[ImageEntry],
    objects: &HashMap<ImageId, Vec<Object>>,
    what: &str,
) -> Option<String> {
    let without: Vec<String> = images
        .iter()
        .filter(|image| !objects.contains_key(&image.id))
        .map(|image| image.name.to_string())
        .collect();
    (!without.is_empty()).then(|| {
        let verb = if without.len() == 1 { "has" } else { "have" };
        format!(
            "{} {verb} no {what}: {}",
            count(without.len(), "image"),
            some(without.into_iter())
        )
    })
}

#[cfg(test)]
mod tests;
