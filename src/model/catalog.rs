//! Catalogue: models by name. Published weights of torchvision, and repositories of Hugging Face.
//!
//! A name becomes a file or a folder in the cache that Python uses too; what is not there is
//! downloaded. [`of_file_name`] knows torchvision's files also where the user names one directly, so
//! that they get the preprocessing that they were published with and no guess.

pub mod download;
pub mod hub;
pub mod hugging_face;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub use download::{DownloadError, Progress};
pub use hub::Hub;
use hugging_face::Repository;

use super::ModelSource;
use super::recipe::{Interpolation, Recipe, Resize};
use crate::text::visible;

/// The table that `assets/catalog.py` makes from torchvision: a note, the names of the columns, rows.
const TABLE: &str = include_str!("../../assets/catalog.tsv");
/// Endings by which a name is the name of a file.
const ENDINGS: [&str; 9] = [
    "pth",
    "pt",
    "bin",
    "ckpt",
    "safetensors",
    "ot",
    "pt2",
    "json",
    "onnx",
];

/// Weights that torchvision publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The builder: "resnet50".
    pub model: &'static str,
    /// "IMAGENET1K_V2".
    pub weights: &'static str,
    /// Whether the model's name alone means these weights.
    pub is_default: bool,
    pub url: &'static str,
    /// Size of the file in MiB, as torchvision states it.
    pub mib: f32,
    pub classes: usize,
    /// Percentage of ImageNet's validation images whose best prediction is right, as published.
    pub top1: f32,
    /// The preprocessing that the accuracy is for.
    pub recipe: Recipe,
}

/// A name that is not the name of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    Torchvision(&'static Entry),
    HuggingFace(Repository),
}

/// Why a name leads to no model. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error(
        "there is no file {name}, and no model of this name{near}; `gradcam models` lists them"
    )]
    Unknown { name: String, near: String },
    #[error(
        "{name} is not in {place}, and --offline or HF_HUB_OFFLINE forbids to download it; {advice}"
    )]
    Offline {
        name: String,
        place: String,
        advice: String,
    },
    #[error("nothing tells where {name} is kept; set HOME or {variable}")]
    Nowhere {
        name: String,
        variable: &'static str,
    },
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(
        "there is no file or folder {name}, and as the name of a model it leads nowhere: {source}"
    )]
    Repository { name: String, source: DownloadError },
}

/// All weights, by model and name.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> =
        LazyLock::new(|| TABLE.lines().skip(2).filter_map(row).collect());
    &ENTRIES
}

/// The weights that are published as a file of this name, such as `resnet50-11ad3fa6.pth`.
pub fn of_file_name(name: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.file() == name)
}

/// What to call a model that lies in a folder of Hugging Face's cache, whose own name is a commit.
pub fn name_of_snapshot(folder: &Path) -> Option<String> {
    Repository::of_snapshot(folder).map(|repository| repository.to_string())
}

/// Turns a name into the file or folder that it stands for, and downloads that if need be. A file or
/// folder that is there goes before a name.
///
/// # Errors
/// When there is no such name, or its files are not here and cannot be downloaded.
pub fn bring(
    source: &ModelSource,
    hub: &Hub,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<ModelSource, CatalogError> {
    let ModelSource::File(path) = source else {
        return Ok(source.clone());
    };
    if path.symlink_metadata().is_ok() {
        return Ok(source.clone());
    }
    match Name::of(path)? {
        None => Ok(source.clone()),
        Some(name) => name.bring(hub, report).map(ModelSource::File),
    }
}

/// A row of the table; the tests hold that each is read.
fn row(line: &'static str) -> Option<Entry> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let [
        model,
        weights,
        default,
        url,
        mib,
        classes,
        top1,
        resize,
        crop,
        filter,
        mean,
        std,
    ] = *cells.as_slice()
    else {
        return None;
    };
    let crop = crop.parse().ok()?;
    let recipe = Recipe {
        resize: Resize::ShorterSide(resize.parse().ok()?),
        crop: Some((crop, crop)),
        interpolation: match filter {
            "bilinear" => Interpolation::Bilinear,
            "bicubic" => Interpolation::Bicubic,
            _ => return None,
        },
        mean: three(mean)?,
        std: three(std)?,
        ..Recipe::imagenet()
    };
    Some(Entry {
        model,
        weights,
        is_default: default == "default",
        url,
        mib: mib.parse().ok()?,
        classes: classes.parse().ok()?,
        top1: top1.parse().ok()?,
        recipe,
    })
}

fn three(text: &str) -> Option<[f32; 3]> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

impl Entry {
    /// The shortest name: "resnet50" for the default weights, "resnet50.IMAGENET1K_V1" for others.
    pub fn name(&self) -> String {
        if self.is_default {
            self.model.to_owned()
        } else {
            self.full_name()
        }
    }

    /// "resnet50.IMAGENET1K_V2".
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.model, self.weights)
    }

    /// The name of its file, "resnet50-11ad3fa6.pth".
    pub fn file(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }

    /// Where it is in torch hub's cache, if it is there.
    pub fn cached(&self, hub: &Hub) -> Option<PathBuf> {
        let path = hub.torch.as_ref()?.join(self.file());
        path.is_file().then_some(path)
    }

    /// The digits in the name of its file with which its SHA-256 begins.
    fn hash(&self) -> &'static str {
        let stem = self.file().trim_end_matches(".pth");
        stem.rsplit('-').next().unwrap_or(stem)
    }

    fn bring(
        &self,
        hub: &Hub,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, CatalogError> {
        if let Some(path) = self.cached(hub) {
            return Ok(path);
        }
        let name = self.full_name();
        let Some(folder) = &hub.torch else {
            let variable = "TORCH_HOME";
            return Err(CatalogError::Nowhere { name, variable });
        };
        let target = folder.join(self.file());
        if hub.offline {
            let place = visible(&target.display().to_string());
            let (file, url) = (self.file(), self.url);
            let advice = format!("put {file} there, from {url}");
            return Err(CatalogError::Offline {
                name,
                place,
                advice,
            });
        }
        let wanted = download::Wanted {
            url: &hub.address(self.url),
            target: &target,
            proof: download::Proof::Sha256(self.hash()),
            most: self.most(),
        };
        let agent = download::agent(hub.patience, hub.mirror.as_deref());
        download::download(&agent, &wanted, report)?;
        Ok(target)
    }

    /// Bytes that the file has at most: its published size, which is rounded.
    #[expect(clippy::cast_possible_truncation, reason = "a size in MiB, rounded up")]
    fn most(&self) -> u64 {
        (self.mib.ceil() as u64 + 1) << 20
    }
}

impl Name {
    /// What the user means by a name that no file has: `None` is a file that is missing.
    ///
    /// # Errors
    /// When it can be neither a file nor a name.
    pub fn of(typed: &Path) -> Result<Option<Self>, CatalogError> {
        let Some(text) = typed.to_str() else {
            return Ok(None);
        };
        if let Some(repository) = ["hf-hub:", "hf_hub:"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
        {
            let repository = Repository::new(repository).ok_or_else(|| unknown(text))?;
            return Ok(Some(Self::HuggingFace(repository)));
        }
        let ending = typed.extension().map(|ending| ending.to_string_lossy());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.to_lowercase().as_str())) {
            return Ok(None);
        }
        if !text.contains('/') {
            return of_torchvision(text).map(|entry| Some(Self::Torchvision(entry)));
        }
        // In a folder that is there, a name is a file that is missing.
        let in_folder = typed.parent().is_some_and(Path::is_dir);
        let repository = Repository::new(text).filter(|_| !in_folder);
        Ok(repository.map(Self::HuggingFace))
    }

    /// The file or folder in the cache, downloaded if it is not there.
    fn bring(
        &self,
        hub: &Hub,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, CatalogError> {
        let repository = match self {
            Self::Torchvision(entry) => return entry.bring(hub, report),
            Self::HuggingFace(repository) => repository,
        };
        let name = repository.to_string();
        let Some(cache) = &hub.hugging_face else {
            let variable = "HF_HOME";
            return Err(CatalogError::Nowhere { name, variable });
        };
        if let Some(snapshot) = repository.cached(cache) {
            return Ok(snapshot);
        }
        if hub.offline {
            let place = visible(&repository.folder(cache).display().to_string());
            let advice = format!(
                "fill the cache where there is a network, by `gradcam models --fetch {name}` or with \
                 Python, and copy this folder"
            );
            return Err(CatalogError::Offline {
                name,
                place,
                advice,
            });
        }
        let agent = download::agent(hub.patience, hub.mirror.as_deref());
        repository
            .bring(hub, cache, &agent, report)
            .map_err(|source| CatalogError::Repository { name, source })
    }
}

/// torchvision's weights by the name that the user types.
fn of_torchvision(text: &str) -> Result<&'static Entry, CatalogError> {
    let is_named = |entry: &&Entry| {
        text.eq_ignore_ascii_case(&entry.full_name())
            || entry.is_default && text.eq_ignore_ascii_case(entry.model)
    };
    let found = entries().iter().find(is_named);
    found.ok_or_else(|| unknown(text))
}

/// The error for a name that is not in the catalogue.
pub fn unknown(text: &str) -> CatalogError {
    let near = near(text).join(", ");
    CatalogError::Unknown {
        name: visible(text),
        near: if near.is_empty() {
            near
        } else {
            format!("; near to it are {near}")
        },
    }
}

/// Up to five names that the user may have meant, nearest first: the weights of a model that is named
/// rightly, or models whose names are few keystrokes away.
fn near(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let model = text.split('.').next().unwrap_or_default();
    let of_model = entries().iter().filter(|entry| entry.model == model);
    let mut found: Vec<(usize, String)> = of_model.map(|entry| (0, entry.full_name())).collect();
    if found.is_empty() {
        let distance = |entry: &Entry| strsim::damerau_levenshtein(model, entry.model);
        let defaults = entries().iter().filter(|entry| entry.is_default);
        found = defaults
            .map(|entry| (distance(entry), entry.name()))
            .filter(|(distance, _)| *distance <= 3.min(model.len() / 2))
            .collect();
    }
    found.sort();
    found.into_iter().map(|(_, name)| name).take(5).collect()
}

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
