//! A file in memory without a copy: weights are read from the disk when they are used.
//!
//! libtorch maps the file copy-on-write and keeps it as long as a tensor over it lives. Nothing is
//! read outside the file's length at the time of opening; a file that is cut short while the
//! program runs ends the program with a bus error, as with every program that maps files.

use std::path::Path;

use tch::{Kind, Tensor};

use super::dispatch::{Argument, DispatchError, Operator};

/// A mapped file.
#[derive(Debug)]
pub struct Mapped {
    bytes: Tensor,
    length: usize,
}

/// Why a part of a file is no tensor.
#[derive(Debug, thiserror::Error)]
pub enum MappedError {
    #[error("bytes {start} to {end} lie outside the file of {length} bytes")]
    Outside {
        start: usize,
        end: usize,
        length: usize,
    },
    #[error("its shape is too large")]
    TooLarge,
    #[error("its name is not valid text")]
    Name,
    #[error(transparent)]
    Operator(#[from] DispatchError),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

impl Mapped {
    /// Maps a file of this length.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path, length: usize) -> Result<Self, MappedError> {
        let from_file = Operator::find("aten::from_file", "")?;
        let argument = |name: &str| from_file.position(name).ok_or(MappedError::Name);
        let outputs = from_file.call(&[
            (
                argument("filename")?,
                Argument::Str(path.to_str().ok_or(MappedError::Name)?),
            ),
            (argument("shared")?, Argument::Bool(false)),
            (argument("size")?, Argument::Int(length as i64)),
            (argument("dtype")?, Argument::Int(0)),
        ])?;
        let bytes = outputs.into_iter().next().ok_or(MappedError::TooLarge)?;
        Ok(Self { bytes, length })
    }

    /// The contiguous tensor at an offset. It shares the file's memory where the offset allows.
    ///
    /// # Errors
    /// When it lies outside the file.
    pub fn tensor(&self, start: usize, kind: Kind, shape: &[usize]) -> Result<Tensor, MappedError> {
        let size = kind.elt_size_in_bytes();
        let length = shape
            .iter()
            .try_fold(size, |product, &side| product.checked_mul(side))
            .ok_or(MappedError::TooLarge)?;
        let end = start.checked_add(length).ok_or(MappedError::TooLarge)?;
        if end > self.length {
            return Err(MappedError::Outside {
                start,
                end,
                length: self.length,
            });
        }
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        if length == 0 {
            return Ok(Tensor::f_empty(shape.as_slice(), (kind, tch::Device::Cpu))?);
        }
        let bytes = self.bytes.f_narrow(0, start as i64, length as i64)?;
        // Numbers of several bytes must start at a multiple of their size.
        let bytes = if start.is_multiple_of(size) {
            bytes
        } else {
            bytes.f_detach_copy()?
        };
        Ok(bytes.f_view_dtype(kind)?.f_view(shape.as_slice())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(bytes: &[u8]) -> (tempfile::TempDir, Mapped) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, bytes).unwrap();
        let mapped = Mapped::open(&path, bytes.len()).unwrap();
        (folder, mapped)
    }

    #[test]
    fn tensors_are_read_at_any_offset() {
        let numbers = [1.5_f32, -2.0, 3.25];
        let mut bytes = vec![7_u8];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let (_folder, crooked) = mapped(&bytes);
        let tensor = crooked.tensor(1, Kind::Float, &[3]).unwrap();
        assert_eq!(Vec::<f32>::try_from(&tensor).unwrap(), numbers);
        let (_folder, aligned) = mapped(&bytes[1..]);
        let tensor = aligned.tensor(4, Kind::Float, &[2, 1]).unwrap();
        assert_eq!(tensor.size(), [2, 1]);
        assert_eq!(
            Vec::<f32>::try_from(tensor.view([-1])).unwrap(),
            numbers[1..]
        );
    }

    #[test]
    fn nothing_is_read_outside_the_file() {
        let (_folder, mapped) = mapped(&[0; 8]);
        for (start, shape) in [
            (0, vec![3]),
            (8, vec![1]),
            (usize::MAX, vec![1]),
            (0, vec![usize::MAX, 2]),
        ] {
            assert!(
                mapped.tensor(start, Kind::Float, &shape).is_err(),
                "{start} {shape:?}"
            );
        }
        assert_eq!(mapped.tensor(8, Kind::Float, &[0]).unwrap().numel(), 0);
    }
}
