//! `.pth`, `.pt`, `.bin`, `.ckpt`, `.ot`: weights in a pickle of PyTorch.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::{CheckpointError, FLOATING_POINT, Store, TO_FLOAT};
use crate::model::pickle::{Pickle, Stored};

#[derive(Debug)]
pub(super) struct Weights {
    file: String,
    pickle: Pickle,
    tensors: BTreeMap<String, Stored>,
}

impl Weights {
    pub(super) fn open(file: &str, path: &Path) -> Result<Self, CheckpointError> {
        let not_a_model = |reason: String| CheckpointError::NotAModel {
            file: file.to_owned(),
            reason: format!(
                "{}; if it is one, save it again with torch.save(model.state_dict(), \"model.pth\")",
                crate::text::visible(&reason)
            ),
        };
        let pickle = Pickle::open(path).map_err(|error| not_a_model(error.to_string()))?;
        if pickle
            .is_script()
            .map_err(|error| not_a_model(error.to_string()))?
        {
            return Err(CheckpointError::NotYet {
                file: file.to_owned(),
                what: "a TorchScript archive",
                advice: "save a state dict instead: torch.save(model.state_dict(), \"model.pth\")",
            });
        }
        let tensors = pickle
            .tensors()
            .map_err(|error| not_a_model(error.to_string()))?;
        if tensors.is_empty() {
            return Err(not_a_model(format!(
                "it holds {} without weights",
                pickle.kind()
            )));
        }
        Ok(Self {
            file: file.to_owned(),
            pickle,
            tensors,
        })
    }

    /// What stands beside the weights under a key, where it is plain values.
    pub(super) fn value(&self, key: &str) -> Option<serde_json::Value> {
        self.pickle.value(key)
    }
}

impl Store for Weights {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        let shape = |name: &str, stored: &Stored| {
            let sizes = stored.layout.sizes.iter();
            let sizes: Result<_, _> = sizes.map(|&size| usize::try_from(size)).collect();
            sizes.map_err(|_| {
                CheckpointError::damaged(
                    &self.file,
                    format!("the weight {name} has a size below 0"),
                )
            })
        };
        self.tensors
            .iter()
            .map(|(name, stored)| Ok((name.clone(), shape(name, stored)?)))
            .collect()
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let damaged = |reason: String| CheckpointError::damaged(&self.file, reason);
        let stored = self
            .tensors
            .get(key)
            .ok_or_else(|| damaged(format!("there is no weight {key}")))?;
        let unreadable = |what: String, advice: &'static str| {
            Err(CheckpointError::Weight {
                file: self.file.clone(),
                key: crate::text::visible(key),
                what,
                advice,
            })
        };
        if let Some(why) = stored.unreadable {
            return unreadable(why.to_owned(), advice(why));
        }
        if !stored.element.is_floating_point() {
            let element = stored.element.to_string();
            let advice = if element.to_lowercase().starts_with("float8") {
                TO_FLOAT
            } else {
                FLOATING_POINT
            };
            return unreadable(format!("it has type {element}"), advice);
        }
        self.pickle
            .read(stored)
            .map_err(|error| damaged(format!("the weight {key}: {error}")))?
            .f_to_kind(Kind::Float)
            .map_err(|error| CheckpointError::torch(&self.file, &error))
    }
}

/// What to do in Python about a weight that is no row of plain numbers.
fn advice(why: &str) -> &'static str {
    if why.contains("quantised") {
        "save the weights as plain float32 tensors: those from before the model was quantised, \
         or of each quantised weight w the tensor w.dequantize()"
    } else if why.contains("sparse") {
        "save the weights as plain float32 tensors: \
         torch.save({k: v.to_dense() for k, v in model.state_dict().items()}, \"model.pth\")"
    } else {
        "load the weights into the model before torch.save(model.state_dict(), \"model.pth\")"
    }
}
