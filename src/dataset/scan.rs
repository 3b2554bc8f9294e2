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

/// Finds the images.
///
/// # Errors
/// When something that was named is not there or cannot be read, or nothing is an image.
pub fn scan(paths: &[PathBuf], options: ScanOptions) -> Result<Scan, ScanError> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let mut warnings = Vec::new();
    for path in paths {
        for path in expand(path)? {
            if path.is_dir() {
                search(&path, options, &mut found, &mut warnings)?;
            } else {
                let name = path.to_string_lossy().into_owned();
                found.push((path, name));
            }
        }
    }
    found.sort_by(|(a_path, a), (b_path, b)| {
        natord::compare_ignore_case(a, b).then_with(|| a_path.cmp(b_path))
    });
    // One folder or pattern names no file twice, and asking for each file's real path takes long
    // on a network's file system.
    if paths.len() > 1 {
        let mut seen = HashSet::new();
        found.retain(|(path, _)| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    }
    if found.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| shown(path)).collect();
        return Err(ScanError::NoImages(named.join(", ")));
    }
    let images = found
        .into_iter()
        .enumerate()
        .map(|(number, (path, name))| ImageEntry {
            id: ImageId(number),
            path: Arc::from(path),
            name: Arc::from(visible(&name)),
        })
        .collect();
    Ok(Scan { images, warnings })
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

/// Adds the images below a folder, named relative to it.
fn search(
    folder: &Path,
    options: ScanOptions,
    found: &mut Vec<(PathBuf, String)>,
    warnings: &mut Vec<String>,
) -> Result<(), ScanError> {
    let depth = if options.recursive { usize::MAX } else { 1 };
    let wanted = |entry: &DirEntry| entry.depth() == 0 || options.hidden || !is_hidden(entry);
    // Links are followed, as `ls` does; the walker notices loops.
    let walk = WalkDir::new(folder).follow_links(true).max_depth(depth);
    for entry in walk.into_iter().filter_entry(wanted) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && has_image_ending(entry.path()) => {
                let name = entry
                    .path()
                    .strip_prefix(folder)
                    .unwrap_or_else(|_| entry.path())
                    .to_string_lossy()
                    .into_owned();
                found.push((entry.into_path(), name));
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
                warnings.push(format!("skipped {place}: {reason}"));
            }
        }
    }
    Ok(())
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
