//! Files: how pictures and maps are named and written.
//!
//! A file is there whole or not at all, and two pictures of one run never overwrite each other.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::RgbImage;
use npyz::WriterBuilder;

use crate::file::pipe_or_device;
use crate::heatmap::Grid;
use crate::text::visible;

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
pub fn save_npy(grid: &Grid, path: &Path) -> Result<(), String> {
    write_whole(path, |file| {
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

/// Writes a PNG file.
///
/// # Errors
/// When the file cannot be written; the text names it.
pub fn save_png(picture: &RgbImage, path: &Path) -> Result<(), String> {
    write_whole(path, |file| {
        let encoder = image::codecs::png::PngEncoder::new(file);
        picture
            .write_with_encoder(encoder)
            .map_err(|error| error.to_string())
    })
}

/// Writes a file so that it is there whole or not at all: aside first, then renamed.
///
/// # Errors
/// When `write` fails or the file cannot be made; the text names it.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), String>,
) -> Result<(), String> {
    let failed = |reason: String| {
        format!(
            "cannot write {}: {reason}",
            visible(&path.display().to_string())
        )
    };
    if let Some(device) = pipe_or_device(path) {
        let mut device = BufWriter::new(device.map_err(|error| failed(error.to_string()))?);
        write(&mut device).map_err(failed)?;
        return device.flush().map_err(|error| failed(error.to_string()));
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = Path::new(&aside);
    let written = std::fs::File::create(aside)
        .map_err(|error| error.to_string())
        .and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush().map_err(|error| error.to_string())
        })
        .and_then(|()| std::fs::rename(aside, path).map_err(|error| error.to_string()));
    written.map_err(|reason| {
        // The reason is what matters; a part that cannot be removed changes nothing about it.
        drop(std::fs::remove_file(aside));
        failed(reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let error = write_whole(&path, |file| {
            file.write_all(b"hello").map_err(|error| error.to_string())
        });
        let error = error.unwrap_err();
        assert!(error.contains("No space left"), "{error}");
        assert!(path.symlink_metadata().unwrap().is_symlink());
    }

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
    fn a_file_that_cannot_be_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let error = write_whole(&path, |_| Err("no space left on device".to_owned())).unwrap_err();
        assert!(error.ends_with("x.png: no space left on device"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = save_png(&RgbImage::new(1, 1), &folder.path().join("no/x.png")).unwrap_err();
        assert!(missing.starts_with("cannot write "), "{missing}");
    }

    #[test]
    fn numpy_reads_a_map_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.npy");
        save_npy(&Grid::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.5]), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.shape(), [2, 3]);
        assert!((file.into_vec::<f32>().unwrap()[5] - 5.5).abs() < 1e-6);
    }
}
