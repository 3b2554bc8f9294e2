//! Scan: from what the user names (folders, files, patterns) to a list of images.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::{ImageEntry, ImageId};
use crate::text::visible;

/// Endings of file names that are taken for images inside folders. A file that is named directly
/// is taken whatever its name.
const ENDINGS: [&str; 17] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff", "tga", "ico",
    "qoi", "ppm", "pgm", "pnm",
];

/// How folders are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// Folders inside folders too.
    pub recursive: bool,
    /// Files and folders whose names begin with a dot too.
    pub hidden: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Scan {
    /// In natural order: img2 before img10.
    pub images: Vec<ImageEntry>,
    /// What could not be searched, a sentence each.
    pub warnings: Vec<String>,
}

/// What is known when all images have been found.
#[derive(Debug)]
pub struct Ended {
    /// All images in natural order. Their numbers are in the order in which they were found.
    pub natural: Vec<ImageId>,
    /// What could not be searched, a sentence each.
    pub warnings: Vec<String>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("there is no file or folder {0}")]
    Missing(String),
    #[error("no file matches {0}")]
    NoMatch(String),
    #[error("the pattern {0} is not valid: {1}")]
    Pattern(String, String),
    #[error("cannot read {0}: {1}")]
    Unreadable(String, String),
    #[error(
        "there are no images in {0}; gradcam looks for {known}",
        known = "JPEG, PNG, WebP, GIF, BMP, TIFF and others"
    )]
    NoImages(String),
}

/// Images are handed on in portions of so many.
const PORTION: usize = 4096;
/// The first ones sooner, to be seen at once.
const FIRST: usize = 64;

/// Finds the images.
///
/// # Errors
/// When something that was named is not there or cannot be read, or nothing is an image.
pub fn scan(paths: &[PathBuf], options: ScanOptions) -> Result<Scan, ScanError> {
    let mut found = Vec::new();
    let Ended { natural, warnings } = scan_and_tell(paths, options, |images| {
        found.extend(images);
        true
    })?;
    let images = (0..)
        .map(ImageId)
        .zip(natural)
        .map(|(id, place): (ImageId, ImageId)| ImageEntry {
            id,
            ..found[place.0].clone()
        })
        .collect();
    Ok(Scan { images, warnings })
}

/// Finds the images, and hands them on as they are found, numbered from 0. It ends early when
/// `tell` returns false.
///
/// # Errors
/// As [`scan`].
pub fn scan_and_tell(
    paths: &[PathBuf],
    options: ScanOptions,
    tell: impl FnMut(Vec<ImageEntry>) -> bool,
) -> Result<Ended, ScanError> {
    let mut search = Search {
        options,
        // One folder or pattern names no file twice, and asking for each file's real path takes
        // long on a network's file system.
        seen: (paths.len() > 1).then(HashSet::new),
        keys: Vec::new(),
        portion: Vec::new(),
        warnings: Vec::new(),
        tell,
        goes_on: true,
    };
    for path in paths {
        for path in expand(path)? {
            if path.is_dir() {
                search.folder(&path)?;
            } else {
                let name = path.to_string_lossy().into_owned();
                search.found(path, &name);
            }
        }
    }
    search.hand_on();
    if search.keys.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| shown(path)).collect();
        return Err(ScanError::NoImages(named.join(", ")));
    }
    let Search {
        mut keys, warnings, ..
    } = search;
    keys.sort_unstable();
    Ok(Ended {
        natural: keys.into_iter().map(|(_, id)| id).collect(),
        warnings,
    })
}

/// A key that orders names as people do: without case, and numbers by their value. Equal ones come
/// in the order of their bytes.
pub(crate) fn natural_key(name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(2 * name.len() + 2);
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let end = rest.find(|letter: char| !letter.is_ascii_digit());
            let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
            let value = digits.trim_start_matches('0');
            // Longer numbers are larger; all sort where digits do among letters.
            key.push(b'0');
            key.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
            key.extend_from_slice(value.as_bytes());
            rest = after;
        } else {
            let mut buffer = [0; 4];
            for lower in first.to_lowercase() {
                key.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    key.push(0);
    key.extend_from_slice(name.as_bytes());
    key.into()
}

/// A search under way.
struct Search<F> {
    options: ScanOptions,
    seen: Option<HashSet<PathBuf>>,
    keys: Vec<(Box<[u8]>, ImageId)>,
    portion: Vec<ImageEntry>,
    warnings: Vec<String>,
    tell: F,
    goes_on: bool,
}

impl<F: FnMut(Vec<ImageEntry>) -> bool> Search<F> {
    fn found(&mut self, path: PathBuf, name: &str) {
        if let Some(seen) = &mut self.seen
            && !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        {
            return;
        }
        let id = ImageId(self.keys.len());
        self.keys.push((natural_key(name), id));
        self.portion.push(ImageEntry {
            id,
            path: Arc::from(path),
            name: Arc::from(visible(name)),
        });
        let portion = if id.0 < PORTION { FIRST } else { PORTION };
        if self.portion.len() >= portion {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if !self.portion.is_empty() {
            self.goes_on = (self.tell)(std::mem::take(&mut self.portion));
        }
    }

    /// Adds the images below a folder, named relative to it.
    fn folder(&mut self, folder: &Path) -> Result<(), ScanError> {
        let options = self.options;
        let depth = if options.recursive { usize::MAX } else { 1 };
        let wanted =
            move |entry: &DirEntry| entry.depth() == 0 || options.hidden || !is_hidden(entry);
        // Links are followed, as `ls` does; the walker notices loops.
        let walk = WalkDir::new(folder).follow_links(true).max_depth(depth);
        for entry in walk.into_iter().filter_entry(wanted) {
            if !self.goes_on {
                return Ok(());
            }
            match entry {
                Ok(entry) if entry.file_type().is_file() && has_image_ending(entry.path()) => {
                    let path = entry.into_path();
                    let name = path.strip_prefix(folder).unwrap_or(&path);
                    let name = name.to_string_lossy().into_owned();
                    self.found(path, &name);
                }
                Ok(_) => {}
                Err(error) => {
                    let reason = error.io_error().map_or_else(
                        || "a link leads back to a folder above".to_owned(),
                        in_words,
                    );
                    let place = shown(error.path().unwrap_or(folder));
                    if error.depth() == 0 {
                        return Err(ScanError::Unreadable(place, reason));
                    }
                    self.warnings.push(format!("skipped {place}: {reason}"));
                }
            }
        }
        Ok(())
    }
}

/// A path that exists is itself, even with brackets in its name; another may be a pattern that
/// no shell has expanded.
fn expand(path: &Path) -> Result<Vec<PathBuf>, ScanError> {
    match path.symlink_metadata() {
        Ok(_) => return Ok(vec![path.to_owned()]),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(ScanError::Unreadable(
                shown(path),
                "permission denied".to_owned(),
            ));
        }
        Err(_) => {}
    }
    let Some(pattern) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Err(ScanError::Missing(shown(path)));
    };
    let matches = glob::glob(pattern)
        .map_err(|error| ScanError::Pattern(visible(pattern), error.msg.to_owned()))?;
    let paths: Vec<PathBuf> = matches.filter_map(Result::ok).collect();
    if paths.is_empty() {
        Err(ScanError::NoMatch(visible(pattern)))
    } else {
        Ok(paths)
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

fn has_image_ending(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotFound => "it leads nowhere".to_owned(),
        _ => error.to_string(),
    }
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ScanOptions = ScanOptions {
        recursive: true,
        hidden: false,
    };

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn names(paths: &[PathBuf], options: ScanOptions) -> Vec<String> {
        scan(paths, options)
            .unwrap()
            .images
            .iter()
            .map(|image| image.name.to_string())
            .collect()
    }

    #[test]
    fn a_folder_is_searched_in_natural_order_without_hidden_files() {
        let folder = folder(&[
            "img10.png",
            "img2.JPG",
            "notes.txt",
            ".secret.png",
            "b/x.webp",
            ".git/y.png",
        ]);
        let root = folder.path().to_owned();
        assert_eq!(
            names(std::slice::from_ref(&root), ALL),
            ["b/x.webp", "img2.JPG", "img10.png"]
        );
        let flat = ScanOptions {
            recursive: false,
            ..ALL
        };
        assert_eq!(
            names(std::slice::from_ref(&root), flat),
            ["img2.JPG", "img10.png"]
        );
        let hidden = ScanOptions {
            hidden: true,
            ..ALL
        };
        assert_eq!(names(&[root], hidden).len(), 5);
    }

    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = [
            "img10.png",
            "IMG2.png",
            "img02.png",
            "b/x.png",
            "a9b.png",
            "a10.png",
            "z.png",
            "a.png",
            "a00000000000000000000007.png",
        ];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(
            names,
            [
                "a.png",
                "a00000000000000000000007.png",
                "a9b.png",
                "a10.png",
                "b/x.png",
                "IMG2.png",
                "img02.png",
                "img10.png",
                "z.png",
            ]
        );
    }

    #[test]
    fn images_are_told_as_they_are_found_and_their_order_at_the_end() {
        let names: Vec<String> = (0..300).map(|number| format!("{number}.png")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let folder = folder(&names);
        let mut portions = Vec::new();
        let ended = scan_and_tell(&[folder.path().to_owned()], ALL, |images| {
            portions.push(images);
            true
        })
        .unwrap();
        assert!(portions.len() > 2, "{} portions", portions.len());
        let all: Vec<ImageEntry> = portions.concat();
        let numbered = all
            .iter()
            .enumerate()
            .all(|(place, image)| image.id.0 == place);
        assert!(numbered);
        let natural: Vec<String> = ended
            .natural
            .iter()
            .map(|id| all[id.0].name.to_string())
            .collect();
        assert_eq!(natural, names);
        let mut told = 0;
        let stopped = scan_and_tell(&[folder.path().to_owned()], ALL, |images| {
            told += images.len();
            false
        });
        assert!(stopped.is_ok() && told < 300, "{told}");
    }

    #[test]
    fn files_and_patterns_work_and_nothing_is_listed_twice() {
        let folder = folder(&["a.png", "b.png", "odd.bin", "set[1].png"]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(names(&[at("odd.bin")], ALL).len(), 1);
        assert_eq!(names(&[at("set[1].png")], ALL).len(), 1);
        assert_eq!(
            names(&[at("?.png"), at("a.png"), folder.path().to_owned()], ALL).len(),
            3
        );
    }

    #[test]
    fn what_is_not_there_is_said_in_a_sentence() {
        let folder = folder(&["notes.txt"]);
        let error = |path: PathBuf| scan(&[path], ALL).unwrap_err().to_string();
        assert!(error(folder.path().to_owned()).starts_with("there are no images in "));
        assert!(error(folder.path().join("gone")).starts_with("there is no file or folder "));
        assert!(error(folder.path().join("*.png")).starts_with("no file matches "));
    }

    #[test]
    fn a_hostile_name_is_shown_harmless_and_can_still_be_opened() {
        let folder = folder(&["evil\u{1b}[2J.png"]);
        let scan = scan(&[folder.path().to_owned()], ALL).unwrap();
        assert_eq!(&*scan.images[0].name, "evil\\u{1b}[2J.png");
        assert!(scan.images[0].path.exists());
    }

    #[test]
    fn a_loop_of_links_ends_with_a_warning() {
        let folder = folder(&["a/x.png"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
        let scan = scan(&[folder.path().to_owned()], ALL).unwrap();
        assert_eq!((scan.images.len(), scan.warnings.len()), (1, 1));
    }
}
