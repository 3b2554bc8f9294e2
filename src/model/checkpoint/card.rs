//! Card: what the surroundings of the weights say of a model: preprocessing, class names, numbers
//! that weights do not tell.
//!
//! Three places have such words: gradcam's own key in a safetensors file's metadata, timm's
//! `config.json` with its `pretrained_cfg`, and the `config.json` and `preprocessor_config.json` of
//! transformers. Fields that are not known are left alone; a known one of a wrong type is an error
//! that names file and field.

mod fields;
mod timm;
mod transformers;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::labels::read as labels;
use super::super::recipe::{Interpolation, Recipe};
use super::CheckpointError;
use crate::text::visible;
use fields::Fields;

/// More than any description of a model has.
const MAX_BYTES: u64 = 64 << 20;

/// What a checkpoint can say of itself: JSON under the key `gradcam` of a safetensors file's
/// metadata, or what stands beside the weights in a folder.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub name: Option<String>,
    pub recipe: Option<Recipe>,
    /// Class names in the order of the model's output; empty where a class has none.
    pub classes: Option<Vec<String>>,
    /// The library's name for the network: "resnet50d" of timm, "ViTForImageClassification" of
    /// transformers.
    pub architecture: Option<String>,
    /// Numbers and words by the library's names: "num_attention_heads", "layer_norm_eps".
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// Who gives the recipe: "the checkpoint", "config.json".
    #[serde(skip)]
    pub recipe_source: &'static str,
    /// Who gives the names.
    #[serde(skip)]
    pub classes_source: &'static str,
    /// There is a recipe, but it has a step that gradcam does not have: which, and in which file.
    #[serde(skip)]
    pub refusal: Option<String>,
}

/// Why there is no recipe where one is given.
enum Fault {
    Broken(CheckpointError),
    /// A step that [`Recipe`] does not have, to be read after "asks for".
    Inexpressible(String),
}

impl From<CheckpointError> for Fault {
    fn from(error: CheckpointError) -> Self {
        Self::Broken(error)
    }
}

impl Fault {
    fn channels(count: u64) -> Self {
        Self::Inexpressible(format!("{count}-channel images"))
    }
}

impl Card {
    /// The words in a safetensors file's metadata: under `gradcam` all that a card has, under
    /// `pretrained_cfg` the preprocessing as timm has it. `file` is for messages.
    ///
    /// # Errors
    /// When one of these is no JSON, or has a field of a wrong type.
    pub fn of_metadata(
        file: &str,
        metadata: &HashMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        let damaged = |key: &str, error: serde_json::Error| CheckpointError::Damaged {
            file: file.to_owned(),
            reason: format!("what its metadata says under {key:?} cannot be read: {error}"),
        };
        let mut card = match metadata.get("gradcam") {
            None => Self::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| damaged("gradcam", error))?,
        };
        card.recipe_source = "the checkpoint";
        card.classes_source = "the checkpoint";
        check_settings(file, &card.settings)?;
        let mut timm = Self::default();
        if let Some(text) = metadata.get("pretrained_cfg") {
            let value: Value =
                serde_json::from_str(text).map_err(|error| damaged("pretrained_cfg", error))?;
            let cfg = Fields::new(file, &value)?;
            timm.take_recipe("the checkpoint", file, timm::recipe(&cfg))?;
        }
        Ok(card.or(timm))
    }

    /// The class names that training scripts put beside the weights, under the keys that they
    /// commonly have there. `value` finds what is under a key.
    pub(super) fn of_pickle(value: impl Fn(&str) -> Option<Value>) -> Self {
        const KEYS: [&str; 8] = [
            "classes",
            "class_names",
            "class_to_idx",
            "idx_to_class",
            "id2label",
            "label_names",
            "labels",
            "names",
        ];
        let names = |key| labels::names(&value(key)?).ok();
        Self {
            classes: KEYS.into_iter().find_map(names),
            classes_source: "the checkpoint",
            ..Self::default()
        }
    }

    /// The words in a folder as Hugging Face has them: `config.json` of timm or transformers, and
    /// `preprocessor_config.json`. A folder without either has an empty card.
    ///
    /// # Errors
    /// When a file cannot be read, is no JSON object, or has a field of a wrong type.
    pub fn of_folder(folder: &Path) -> Result<Self, CheckpointError> {
        let mut card = Self::default();
        if let Some((file, value)) = read_json(&folder.join("config.json"))? {
            card.read_config(&Fields::new(&file, &value)?)?;
        }
        let has_recipe = card.recipe.is_some() || card.refusal.is_some();
        if !has_recipe
            && let Some((file, value)) = read_json(&folder.join("preprocessor_config.json"))?
        {
            let fields = Fields::new(&file, &value)?;
            let recipe = match card.setting_u64("num_channels") {
                Some(channels) if channels != 3 => Err(Fault::channels(channels)),
                _ => transformers::recipe(&fields, card.setting_str("model_type")),
            };
            card.take_recipe("preprocessor_config.json", &file, recipe)?;
        }
        Ok(card)
    }

    /// This card, and the other's words where this one has none.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if self.recipe.is_none() && self.refusal.is_none() {
            self.recipe = other.recipe;
            self.recipe_source = other.recipe_source;
            self.refusal = other.refusal;
        }
        if self.classes.is_none() {
            self.classes = other.classes;
            self.classes_source = other.classes_source;
        }
        self.name = self.name.or(other.name);
        self.architecture = self.architecture.or(other.architecture);
        for (name, value) in other.settings {
            self.settings.entry(name).or_insert(value);
        }
        self
    }

    /// A whole number, or the one that a list repeats, as in `"image_size": [224, 224]`.
    #[must_use]
    pub fn setting_u64(&self, name: &str) -> Option<u64> {
        match self.settings.get(name)? {
            Value::Array(sides) => {
                let first = sides.first()?.as_u64()?;
                let same = sides.iter().all(|side| side.as_u64() == Some(first));
                same.then_some(first)
            }
            value => value.as_u64(),
        }
    }

    /// The same as a length.
    #[must_use]
    pub fn setting_usize(&self, name: &str) -> Option<usize> {
        usize::try_from(self.setting_u64(name)?).ok()
    }

    /// Whole numbers, as in `"depths": [2, 2, 6, 2]`.
    #[must_use]
    pub fn setting_u64s(&self, name: &str) -> Option<Vec<u64>> {
        let numbers = self.settings.get(name)?.as_array()?;
        numbers.iter().map(Value::as_u64).collect()
    }

    #[must_use]
    pub fn setting_f64(&self, name: &str) -> Option<f64> {
        self.settings.get(name)?.as_f64()
    }

    #[must_use]
    pub fn setting_str(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    #[must_use]
    pub fn setting_bool(&self, name: &str) -> Option<bool> {
        self.settings.get(name)?.as_bool()
    }

    fn read_config(&mut self, config: &Fields<'_>) -> Result<(), CheckpointError> {
        self.settings = settings(config.entries);
        let foreign = self
            .setting_str("model_type")
            .is_some_and(|model| !transformers::BUILT.contains(&model));
        if !foreign {
            check_settings(config.file, &self.settings)?;
        }
        let timm = timm::Config::read(config)?;
        self.architecture = match &timm {
            Some(timm) => timm.architecture.clone(),
            None => transformers::architecture(config)?,
        };
        self.classes = match &timm {
            Some(timm) => timm.classes(config)?,
            None => transformers::classes(config)?,
        };
        self.classes_source = "config.json";
        if let Some(timm) = timm {
            self.take_recipe("config.json", config.file, timm.recipe())?;
        }
        Ok(())
    }

    fn take_recipe(
        &mut self,
        source: &'static str,
        file: &str,
        recipe: Result<Recipe, Fault>,
    ) -> Result<(), CheckpointError> {
        self.recipe_source = source;
        match recipe {
            Ok(recipe) => self.recipe = Some(recipe),
            Err(Fault::Inexpressible(step)) => {
                self.refusal = Some(format!("{file} asks for {step}"));
            }
            Err(Fault::Broken(error)) => return Err(error),
        }
        Ok(())
    }
}

type Check = fn(&Value) -> bool;

/// Types of the settings that families ask for, so that a wrong one is not taken for a missing one:
/// in words, as a check, and the settings that are to pass it.
const TYPES: &[(&str, Check, &[&str])] = &[
    (
        "a whole number",
        Value::is_u64,
        &[
            "num_attention_heads",
            "num_hidden_layers",
            "num_channels",
            "num_classes",
            "hidden_size",
            "intermediate_size",
            "embed_dim",
            "embedding_size",
        ],
    ),
    (
        "a list of whole numbers",
        is_counts,
        &["depths", "hidden_sizes", "pretrained_window_sizes"],
    ),
    (
        "a whole number or a list of them",
        |value| value.is_u64() || is_counts(value),
        &[
            "num_heads",
            "image_size",
            "img_size",
            "patch_size",
            "window_size",
        ],
    ),
    (
        "a number",
        Value::is_number,
        &["layer_norm_eps", "layer_scale_init_value", "mlp_ratio"],
    ),
    (
        "text",
        Value::is_string,
        &["hidden_act", "layer_type", "model_type"],
    ),
    (
        "true or false",
        Value::is_boolean,
        &[
            "downsample_in_first_stage",
            "downsample_in_bottleneck",
            "qkv_bias",
            "use_absolute_embeddings",
        ],
    ),
];

fn is_counts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|numbers| numbers.iter().all(Value::is_u64))
}

fn check_settings(file: &str, settings: &BTreeMap<String, Value>) -> Result<(), CheckpointError> {
    for (expected, fits, names) in TYPES {
        for name in *names {
            if let Some(value) = settings.get(*name).filter(|value| !fits(value)) {
                return Err(fields::wrong(file, name, value, expected));
            }
        }
    }
    Ok(())
}

/// All entries but the lists of names and those without a value; timm's arguments of the network
/// are taken out of their nest.
fn settings(config: &Map<String, Value>) -> BTreeMap<String, Value> {
    const NAMES: [&str; 5] = [
        "id2label",
        "label2id",
        "label_names",
        "label_descriptions",
        "labels",
    ];
    let nested = config.get("model_args").and_then(Value::as_object);
    nested
        .into_iter()
        .flatten()
        .chain(config)
        .filter(|(name, value)| !value.is_null() && !NAMES.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A JSON file, with its name for messages; nothing where there is none.
fn read_json(path: &Path) -> Result<Option<(String, Value)>, CheckpointError> {
    let file = visible(&path.display().to_string());
    let unreadable = |error: std::io::Error| CheckpointError::Unreadable {
        file: file.clone(),
        reason: error.to_string(),
    };
    let content = match File::open(path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    content
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some((file, value))),
        Err(error) => Err(CheckpointError::Damaged {
            file,
            reason: format!("it is no JSON: {error}"),
        }),
    }
}

/// A list of names from a field; `expected` says what it is to be.
fn names(config: &Fields<'_>, field: &str, value: &Value) -> Result<Vec<String>, CheckpointError> {
    super::super::labels::read::names(value).map_err(|reason| CheckpointError::Damaged {
        file: config.file.to_owned(),
        reason: format!("its field {field} gives no class names: {reason}"),
    })
}

#[cfg(test)]
mod tests;
