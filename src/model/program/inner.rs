//! `torch.save` files inside of an archive, as torch 2.6 to 2.8 write the weights.

use std::collections::HashMap;
use std::io::Write as _;

use pytorch_reader::{DType, PytorchReader};
use tch::{Kind, Tensor};

use super::ProgramError;

/// All tensors of such a file. It is copied aside, for it cannot be read inside of the archive.
pub(super) fn tensors(
    file: &str,
    member: &str,
    bytes: &[u8],
) -> Result<HashMap<String, Tensor>, ProgramError> {
    let damaged = |reason: String| ProgramError::damaged(file, format!("{member}: {reason}"));
    let mut copy = tempfile::NamedTempFile::new().map_err(|error| damaged(error.to_string()))?;
    copy.write_all(bytes)
        .map_err(|error| damaged(error.to_string()))?;
    let reader = PytorchReader::new(copy.path()).map_err(|error| damaged(error.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, stored) in reader.into_tensors() {
        let kind = match stored.dtype() {
            DType::F16 => Kind::Half,
            DType::BF16 => Kind::BFloat16,
            DType::F32 => Kind::Float,
            DType::F64 => Kind::Double,
            DType::I64 => Kind::Int64,
            DType::I32 => Kind::Int,
            DType::I16 => Kind::Int16,
            DType::I8 => Kind::Int8,
            DType::U8 => Kind::Uint8,
            DType::Bool => Kind::Bool,
            other => return Err(damaged(format!("the weight {name} has the kind {other:?}"))),
        };
        let numbers = stored
            .read()
            .map_err(|error| damaged(format!("{name}: {error}")))?;
        let shape: Vec<i64> = stored.shape().iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(&numbers, &shape, kind)
            .map_err(|error| damaged(format!("{name}: {error}")))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
