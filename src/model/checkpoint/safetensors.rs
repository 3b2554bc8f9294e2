//! `.safetensors`: a JSON header with names, types, shapes and offsets, then the numbers.
//!
//! The header is read and checked against the length of the file; the numbers stay in the mapped
//! file until they are used, and float32 ones are not copied at all.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use tch::{Kind, Tensor};

use super::{CheckpointError, FLOATING_POINT, Store, TO_FLOAT};
use crate::model::mapped::Mapped;
use crate::text::visible;

/// No network has a header of this length.
const MAX_HEADER: u64 = 256 << 20;

/// One file, or bytes inside of the program.
#[derive(Debug)]
pub(super) struct Archive {
    file: String,
    header: Metadata,
    /// Where the numbers begin.
    start: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Mapped(Mapped),
    Inside(&'static [u8]),
}

/// Whether a file starts like this format: the header's length, then its opening brace.
pub(super) fn looks_like(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

impl Archive {
    pub(super) fn open(file: &str, path: &Path) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::damaged(file, reason);
        let failed = |error: std::io::Error| damaged(error.to_string());
        let mut content = File::open(path).map_err(failed)?;
        let length = content.metadata().map_err(failed)?.len();
        let mut size = [0; 8];
        content.read_exact(&mut size).map_err(failed)?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER || size.saturating_add(8) > length {
            return Err(damaged(format!(
                "its header of {size} bytes does not fit into its {length} bytes"
            )));
        }
        let mut header = Vec::new();
        content
            .take(size)
            .read_to_end(&mut header)
            .map_err(failed)?;
        let length = usize::try_from(length).map_err(|error| damaged(error.to_string()))?;
        let start = header.len() + 8;
        let header = parsed(file, &header, length.saturating_sub(start))?;
        let mapped = Mapped::open(path, length).map_err(|error| damaged(error.to_string()))?;
        Ok(Self {
            file: file.to_owned(),
            header,
            start,
            numbers: Numbers::Mapped(mapped),
        })
    }

    pub(super) fn inside(file: &str, bytes: &'static [u8]) -> Result<Self, CheckpointError> {
        let size = bytes
            .first_chunk()
            .map_or(0, |size| u64::from_le_bytes(*size));
        let start = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_add(8);
        let header = bytes.get(8..start).unwrap_or_default();
        let header = parsed(file, header, bytes.len().saturating_sub(start))?;
        Ok(Self {
            file: file.to_owned(),
            header,
            start,
            numbers: Numbers::Inside(bytes),
        })
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        self.header.metadata().clone().unwrap_or_default()
    }
}

/// Reads a header and holds each weight against its shape and the length of what follows.
fn parsed(file: &str, header: &[u8], numbers: usize) -> Result<Metadata, CheckpointError> {
    let damaged = |reason: String| CheckpointError::damaged(file, reason);
    let header: Metadata =
        serde_json::from_slice(header).map_err(|error| damaged(format!("its header: {error}")))?;
    for (name, info) in header.tensors() {
        let (begin, end) = info.data_offsets;
        let bits = info
            .shape
            .iter()
            .try_fold(info.dtype.bitsize(), |product, &length| {
                product.checked_mul(length)
            });
        let fits = bits.is_some_and(|bits| Some(bits.div_ceil(8)) == end.checked_sub(begin))
            && end <= numbers;
        if !fits {
            return Err(damaged(format!(
                "the weight {name} of shape {:?} is said to lie at bytes {begin} to {end} of {numbers}",
                info.shape
            )));
        }
    }
    Ok(header)
}

impl Store for Archive {
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
        Ok(self
            .header
            .tensors()
            .into_iter()
            .map(|(name, info)| (name, info.shape.clone()))
            .collect())
    }

    fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        let damaged = |reason: String| CheckpointError::damaged(&self.file, reason);
        let info = self
            .header
            .info(key)
            .ok_or_else(|| damaged(format!("there is no weight {key}")))?;
        let kind = match info.dtype {
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => {
                let eighth = matches!(other, Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E8M0);
                return Err(CheckpointError::Weight {
                    file: self.file.clone(),
                    key: visible(key),
                    what: format!("it has type {other:?}"),
                    advice: if eighth { TO_FLOAT } else { FLOATING_POINT },
                });
            }
        };
        let (begin, end) = info.data_offsets;
        let bounds = self
            .start
            .checked_add(begin)
            .zip(self.start.checked_add(end));
        let (begin, end) =
            bounds.ok_or_else(|| damaged(format!("the weight {key} lies outside of it")))?;
        match &self.numbers {
            Numbers::Inside(bytes) => {
                let bytes = bytes
                    .get(begin..end)
                    .ok_or_else(|| damaged(format!("the weight {key} lies outside of it")))?;
                super::tensor(&self.file, key, bytes, &info.shape, kind)
            }
            Numbers::Mapped(mapped) => {
                let tensor = mapped
                    .tensor(begin, kind, &info.shape)
                    .map_err(|error| damaged(format!("the weight {key}: {error}")))?;
                tensor
                    .f_to_kind(Kind::Float)
                    .map_err(|error| CheckpointError::torch(&self.file, &error))
            }
        }
    }
}
