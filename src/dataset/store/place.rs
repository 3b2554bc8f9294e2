//! Place: where the store of a review lies, and how it names images.
//!
//! Both follow from what the user has named. One folder has one store, from wherever and by whatever
//! path it is named. Images are named relative to the folder, so that a store goes on fitting when
//! the folder is moved or mounted elsewhere.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::StoreError;
use crate::text::visible;

/// Letters of a folder's name in the name of its store.
const LONGEST_NAME: usize = 40;

/// Hexadecimal digits of the hash in the name of a store.
const DIGITS: usize = 12;

/// Names one image in a store: the bytes of its path, relative to the folder of the review when it
/// lies in it, else from the root of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<[u8]>);

impl Key {
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as it is named.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The same, safe to print.
    #[must_use]
    pub fn shown(&self) -> String {
        visible(&String::from_utf8_lossy(&self.0))
    }
}

/// Finds a key in a map by the bytes that [`super::Store::scores`] has.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Where a store lies, and how its images are named.
#[derive(Clone, Debug)]
pub struct Place {
    file: PathBuf,
    /// Whether the user has named the file.
    is_named: bool,
    names: Names,
}

/// How images are named: relative to the folder that they lie in.
#[derive(Clone, Debug)]
pub struct Names {
    /// The folder that keys are relative to; nothing where the images lie in several.
    root: Option<PathBuf>,
    /// The folders that images are found in, as they are named and as they really are.
    real: HashMap<PathBuf, PathBuf>,
    current: PathBuf,
}

impl Place {
    /// `named` is what images are looked for in: folders, files or patterns. `review` is the file
    /// that the user has given for the store, if any; `state` the folder for what programs keep,
    /// `$XDG_STATE_HOME` or `~/.local/state`. Nothing is written yet.
    ///
    /// # Errors
    /// [`StoreError::NoPlace`] when there is neither.
    pub fn new(
        named: &[PathBuf],
        review: Option<&Path>,
        state: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let names = Names::new(named);
        let file = match (review, state) {
            (Some(file), _) => absolute(&names.current, file),
            (None, Some(state)) => {
                let folders = outermost(names.real.values());
                state.join("gradcam/reviews").join(file_name(&folders))
            }
            (None, None) => return Err(StoreError::NoPlace),
        };
        Ok(Self {
            // The files beside it that SQLite makes lie where the file really is.
            file: file.canonicalize().unwrap_or(file),
            is_named: review.is_some(),
            names,
        })
    }

    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    /// As [`Names::key`].
    #[must_use]
    pub fn key(&self, path: &Path) -> Key {
        self.names.key(path)
    }

    /// Where an image of the store lies, whether or not it is still there.
    #[must_use]
    pub fn path(&self, key: &Key) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(key.as_bytes()));
        let root = self.names.root.as_ref();
        root.map_or_else(|| path.to_owned(), |root| root.join(path))
    }
}

impl Names {
    /// `named` is what images are looked for in: folders, files or patterns.
    #[must_use]
    pub fn new(named: &[PathBuf]) -> Self {
        let current = std::env::current_dir().unwrap_or_default();
        let mut real = HashMap::new();
        for path in named {
            let folder = folder_of(&absolute(&current, path));
            let really = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            real.insert(folder, really);
        }
        let root = match outermost(real.values()).as_slice() {
            [folder] => Some(folder.clone()),
            _ => None,
        };
        Self {
            root,
            real,
            current,
        }
    }

    /// The name of an image, from the path that it was found by. The disk is not asked.
    #[must_use]
    pub fn key(&self, path: &Path) -> Key {
        let path = absolute(&self.current, path);
        let found = path.ancestors().skip(1).find_map(|folder| {
            let real = self.real.get(folder)?;
            Some(real.join(path.strip_prefix(folder).ok()?))
        });
        let full = found.unwrap_or(path);
        let inside = self
            .root
            .as_ref()
            .and_then(|root| full.strip_prefix(root).ok());
        Key::from_bytes(inside.unwrap_or(&full).as_os_str().as_bytes())
    }
}

/// From the root of the file system, without `.`; `..` stays, since links may lead anywhere.
fn absolute(current: &Path, path: &Path) -> PathBuf {
    current.join(path).components().collect()
}

/// The folder that a named path stands for: itself, the one a file lies in, or the one above the
/// first part of a pattern that is no plain name.
fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    let is_pattern = |part: &std::path::Component<'_>| {
        part.as_os_str()
            .as_bytes()
            .iter()
            .any(|byte| b"*?[".contains(byte))
    };
    if path.symlink_metadata().is_err() && path.components().any(|part| is_pattern(&part)) {
        return path
            .components()
            .take_while(|part| !is_pattern(part))
            .collect();
    }
    path.parent().unwrap_or(path).to_owned()
}

/// In order, each once, without those that lie inside another.
fn outermost<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    let mut sorted: Vec<&PathBuf> = folders.collect();
    sorted.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in sorted {
        if !kept.iter().any(|outer| folder.starts_with(outer)) {
            kept.push(folder.clone());
        }
    }
    kept
}

/// A name that people know again, and a hash that tells folders of the same name apart.
fn file_name(folders: &[PathBuf]) -> String {
    let mut hasher = blake3::Hasher::new();
    for folder in folders {
        hasher.update(folder.as_os_str().as_bytes());
        hasher.update(&[0]);
    }
    let hash = hasher.finalize().to_hex();
    let hash: String = hash.chars().take(DIGITS).collect();
    let last = folders.first().and_then(|folder| folder.file_name());
    let name = last.map_or_else(|| "folder".into(), OsStr::to_string_lossy);
    let name: String = name.chars().map(plain).take(LONGEST_NAME).collect();
    let name = name.trim_start_matches('.');
    match folders.len() {
        0 | 1 => format!("{name}-{hash}.sqlite"),
        several => format!("{name}-and-{}-more-{hash}.sqlite", several - 1),
    }
}

fn plain(letter: char) -> char {
    let is_plain = letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if is_plain { letter } else { '_' }
}

#[cfg(test)]
mod tests;
