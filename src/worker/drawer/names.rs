//! Names of overlays, so that no two of one export are the same.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::explain::Prediction;
use crate::picture::files::{Stems, label_part, output_path};

/// Names overlays of images, one image after the other.
#[derive(Debug)]
pub struct Names {
    stems: Stems,
    /// How many classes have the same name in file names.
    shared: HashMap<String, usize>,
}

impl Names {
    /// `labels` are those of all classes.
    #[must_use]
    pub fn new(labels: &[String]) -> Self {
        let mut shared = HashMap::new();
        for label in labels {
            *shared.entry(label_part(label)).or_default() += 1;
        }
        Self {
            stems: Stems::default(),
            shared,
        }
    }

    /// How the names of an image begin.
    pub fn stem(&mut self, image: &Path) -> OsString {
        self.stems.unique(image)
    }

    /// The file of an overlay.
    #[must_use]
    pub fn path(&self, folder: &Path, stem: &OsString, target: &Prediction) -> PathBuf {
        output_path(folder, stem, &self.label(target), "overlay.png")
    }

    /// The label in file names; with the index where two classes share it.
    fn label(&self, target: &Prediction) -> String {
        let part = label_part(&target.label);
        match self.shared.get(&part) {
            Some(several) if *several > 1 => format!("{part}-{}", target.class.0),
            _ => part,
        }
    }
}
