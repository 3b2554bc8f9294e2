//! `.safetensors`: a JSON header with names, types, shapes and offsets, then the numbers.
//!
//! The crate checks the header against the length of the file before it hands anything out.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use super::{CheckpointError, Store};

/// A whole file in memory.
#[derive(Debug)]
pub(super) struct Archive {
    file: String,
    bytes: Cow<'static, [u8]>,
    metadata: HashMap<String, String>,
}

/// Whether a file starts like this format: the header's length, then its opening brace.
pub(super) fn looks_like(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

impl Archive {
    pub(super) fn new(file: &str, bytes: Cow<'static, [u8]>) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged {
            file: file.to_owned(),
            reason,
        };
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self {
            file: file.to_owned(),
            bytes,
            metadata,
        })
    }

    pub(super) fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    fn open(&self) -> Result<SafeTensors<'_>, CheckpointError> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| self.damaged(error.to_string()))
    }

    fn damaged(&self, reason: String) -> CheckpointError {
        CheckpointError::Damaged {
            file: self.file.clone(),
            reason,
        }
    }
}

impl Store for Archive {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        Ok(self
            .open()?
            .iter()
            .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
            .collect())
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let archive = self.open()?;
        let view = archive
            .tensor(key)
            .map_err(|error| self.damaged(error.to_string()))?;
        let kind = match view.dtype() {
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => {
                return Err(self.damaged(format!(
                    "the weight {key} has type {other:?}; gradcam reads F16, BF16, F32 and F64"
                )));
            }
        };
        super::tensor(&self.file, key, view.data(), view.shape(), kind)
    }
}
