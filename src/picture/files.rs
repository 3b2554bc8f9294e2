//! Files: how pictures and maps are named and written. Two pictures of one run never overwrite each
//! other.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use image::RgbImage;
use npyz::WriterBuilder;

use crate::file::{Destination, Existing, WriteError, write_whole};
use crate::heatmap::Grid;

/// A label as part of a file name: letters, digits and `-` stay, the rest becomes `_`.
#[must_use]
pub fn label_part(label: &str) -> String {
    let part: String = label
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    if part.is_empty() {
        "_".to_owned()
    } else {
        part
    }
}

/// `FOLDER/STEM.LABEL.ENDING` for an image and a class.
#[must_use]
pub fn output_path(folder: &Path, stem: &OsString, label_part: &str, ending: &str) -> PathBuf {
    let mut name = stem.clone();
    name.push(format!(".{label_part}.{ending}"));
    folder.join(name)
}

/// The image's file name without its ending.
#[must_use]
pub fn stem(image: &Path) -> OsString {
    image
        .file_stem()
        .map_or_else(|| OsString::from("image"), OsString::from)
}

/// Stems of one run: the second `cat` becomes `cat-2`.
#[derive(Debug, Default)]
pub struct Stems(HashSet<OsString>);

impl Stems {
    pub fn unique(&mut self, image: &Path) -> OsString {
        let first = stem(image);
        let mut candidate = first.clone();
        for number in 2.. {
            if self.0.insert(candidate.clone()) {
                break;
            }
            candidate.clone_from(&first);
            candidate.push(format!("-{number}"));
        }
        candidate
    }
}

/// Writes a map as float32 `[height, width]` in numpy's format.
///
/// # Errors
/// When the file cannot be written; the text names it.
pub fn write_npy(grid: &Grid, destination: Destination<'_>) -> Result<(), WriteError> {
    write_whole(destination, |file| {
        let shape = [grid.height as u64, grid.width as u64];
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(file)
            .begin_nd()
            .map_err(|error| error.to_string())?;
        writer
            .extend(grid.values.iter().copied())
            .map_err(|error| error.to_string())?;
        writer.finish().map_err(|error| error.to_string())
    })
}

/// Writes a PNG file in place of one that is there.
///
/// # Errors
/// When the file cannot be written; the text names it.
pub fn save_png(picture: &RgbImage, path: &Path) -> Result<(), String> {
    let destination = Destination::new(path, Existing::Replaced);
    write_png(picture, destination).map_err(|error| error.to_string())
}

/// Writes a PNG file.
///
/// # Errors
/// When the file cannot be written, or is there and is to be kept.
pub fn write_png(picture: &RgbImage, destination: Destination<'_>) -> Result<(), WriteError> {
    write_whole(destination, |file| {
        let encoder = image::codecs::png::PngEncoder::new(file);
        picture
            .write_with_encoder(encoder)
            .map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_never_collide_within_a_run() {
        assert_eq!(label_part("tiger cat"), "tiger_cat");
        assert_eq!(label_part("../../etc/passwd"), "______etc_passwd");
        let mut stems = Stems::default();
        let all: Vec<_> = ["a/cat.png", "b/cat.jpg", "cat-2.png", "cat.gif"]
            .map(|path| stems.unique(Path::new(path)))
            .into();
        assert_eq!(all, ["cat", "cat-2", "cat-2-2", "cat-3"]);
        let path = output_path(Path::new("out"), &all[0], "tiger_cat", "overlay.png");
        assert_eq!(path, Path::new("out/cat.tiger_cat.overlay.png"));
    }

    #[test]
    fn numpy_reads_a_map_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.npy");
        let grid = Grid::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.5]);
        write_npy(&grid, Destination::new(&path, Existing::Kept)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.shape(), [2, 3]);
        assert!((file.into_vec::<f32>().unwrap()[5] - 5.5).abs() < 1e-6);
    }
}
