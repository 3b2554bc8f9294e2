//! Folders with a model in them, and weights that are spread over several files.
//!
//! Names are those of Hugging Face: `model.safetensors`, `pytorch_model.bin`, and their
//! `.index.json`, whose `weight_map` says in which file each weight is.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::Tensor;

use super::{CheckpointError, Store};
use crate::text::visible;

/// In the order in which they are looked for.
const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
const ENDINGS: [&str; 6] = ["safetensors", "pth", "pt", "bin", "ckpt", "pt2"];

/// The file of a folder that holds the weights.
///
/// # Errors
/// When there is none, or several that could be meant: they are named.
pub(super) fn weights_in(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let shown = visible(&folder.display().to_string());
    if let Some(found) = NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
    {
        return Ok(found);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| CheckpointError::Unreadable {
        file: shown.clone(),
        reason: error.to_string(),
    })?;
    let mut candidates: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .and_then(|end| end.to_str())
                .is_some_and(|end| ENDINGS.contains(&end))
        })
        .collect();
    candidates.sort();
    let names: Vec<String> = candidates
        .iter()
        .filter_map(|path| Some(visible(&path.file_name()?.to_string_lossy())))
        .collect();
    match candidates.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CheckpointError::Unreadable {
            file: shown,
            reason: "it is a folder without a checkpoint; name a .safetensors, .pth or .pt2 file"
                .to_owned(),
        }),
        _ => Err(CheckpointError::Unreadable {
            file: shown,
            reason: format!(
                "it is a folder with {} checkpoints; name one of {}",
                names.len(),
                names.join(", ")
            ),
        }),
    }
}

/// Whether a file says where weights are.
pub(super) fn is_index(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with(".index.json"))
}

#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Weights of several files.
#[derive(Debug)]
pub(super) struct Shards {
    file: String,
    /// Which store has a weight.
    places: BTreeMap<String, usize>,
    stores: Vec<Box<dyn Store>>,
}

impl Shards {
    /// Opens all files that an index names, each by `open`; they must lie beside it.
    ///
    /// # Errors
    /// When the index is damaged, names a file elsewhere, or a file cannot be read.
    pub(super) fn open(
        file: &str,
        path: &Path,
        open: impl Fn(&Path) -> Result<Box<dyn Store>, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::damaged(file, reason);
        let text = std::fs::read_to_string(path).map_err(|error| damaged(error.to_string()))?;
        let index: Index =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut stores = Vec::new();
        let mut places = BTreeMap::new();
        for (weight, shard) in index.weight_map {
            let plain = Path::new(&shard)
                .file_name()
                .is_some_and(|name| name == shard.as_str());
            if !plain {
                return Err(damaged(format!(
                    "it names {}, which is not a file beside it",
                    visible(&shard)
                )));
            }
            let number = if let Some(number) = numbers.get(&shard) {
                *number
            } else {
                stores.push(open(&folder.join(&shard))?);
                numbers.insert(shard, stores.len() - 1);
                stores.len() - 1
            };
            places.insert(weight, number);
        }
        if stores.is_empty() {
            return Err(damaged("it names no weights".to_owned()));
        }
        Ok(Self {
            file: file.to_owned(),
            places,
            stores,
        })
    }
}

impl Store for Shards {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        let all = self
            .stores
            .iter()
            .map(|store| store.shapes())
            .collect::<Result<Vec<_>, _>>()?;
        self.places
            .iter()
            .map(|(weight, place)| match all[*place].get(weight) {
                Some(shape) => Ok((weight.clone(), shape.clone())),
                None => Err(CheckpointError::damaged(
                    &self.file,
                    format!("the weight {weight} is not in the file that it names"),
                )),
            })
            .collect()
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let place = self.places.get(key);
        let place = place.ok_or_else(|| {
            CheckpointError::damaged(&self.file, format!("there is no weight {key}"))
        })?;
        self.stores[*place].read(key)
    }
}
