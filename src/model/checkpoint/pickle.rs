//! `.pth`, `.pt`, `.bin`: what `torch.save` writes, read by `pytorch-reader`.
//!
//! That crate parses pickles by an allow-list and never executes them. Nested dictionaries come as
//! dotted names; numbers are read from the file when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use pytorch_reader::{DType, PytorchReader, Tensor as Stored};
use tch::{Kind, Tensor};

use super::{CheckpointError, Store};

#[derive(Debug)]
pub(super) struct Archive {
    file: String,
    tensors: HashMap<String, Stored>,
}

impl Archive {
    pub(super) fn open(file: &str, path: &Path) -> Result<Self, CheckpointError> {
        let reader = PytorchReader::new(path).map_err(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            CheckpointError::NotAModel {
                file: file.to_owned(),
                reason: format!(
                    "{}; if it is one, save it again with torch.save(model.state_dict(), \"model.pth\")",
                    crate::text::visible(first)
                ),
            }
        })?;
        let tensors = reader.into_tensors();
        if tensors.is_empty() {
            let reason = "it holds no weights".to_owned();
            return Err(CheckpointError::NotAModel {
                file: file.to_owned(),
                reason,
            });
        }
        Ok(Self {
            file: file.to_owned(),
            tensors,
        })
    }
}

impl Store for Archive {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        Ok(self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()))
            .collect())
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged {
            file: self.file.clone(),
            reason,
        };
        let stored = self
            .tensors
            .get(key)
            .ok_or_else(|| damaged(format!("there is no weight {key}")))?;
        let kind = match stored.dtype() {
            DType::F16 => Kind::Half,
            DType::BF16 => Kind::BFloat16,
            DType::F32 => Kind::Float,
            DType::F64 => Kind::Double,
            other => {
                return Err(damaged(format!(
                    "the weight {key} has type {other:?}; gradcam reads floating point weights"
                )));
            }
        };
        let bytes = stored
            .read()
            .map_err(|error| damaged(format!("the weight {key}: {error}")))?;
        super::tensor(&self.file, key, &bytes, stored.shape(), kind)
    }
}
