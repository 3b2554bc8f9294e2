//! `torch.save` files inside of an archive, as torch 2.6 to 2.8 write the weights.

use std::collections::HashMap;
use std::io::Write as _;

use tch::Tensor;

use super::ProgramError;
use crate::model::pickle::Pickle;

/// All tensors of such a file. It is copied aside, for it cannot be mapped inside of the archive.
pub(super) fn tensors(
    file: &str,
    member: &str,
    bytes: &[u8],
) -> Result<HashMap<String, Tensor>, ProgramError> {
    let damaged = |reason: String| ProgramError::damaged(file, format!("{member}: {reason}"));
    let mut copy = tempfile::NamedTempFile::new().map_err(|error| damaged(error.to_string()))?;
    copy.write_all(bytes)
        .map_err(|error| damaged(error.to_string()))?;
    let pickle = Pickle::open(copy.path()).map_err(|error| damaged(error.to_string()))?;
    let stored = pickle
        .tensors()
        .map_err(|error| damaged(error.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, stored) in stored {
        let tensor = pickle
            .read(&stored)
            .map_err(|error| damaged(format!("the weight {name}: {error}")))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
