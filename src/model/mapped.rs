//! A file in memory without a copy: weights are read from the disk when they are used.
//!
//! libtorch maps the file copy-on-write and keeps it as long as a tensor over it lives. Nothing is
//! read outside the file's length at the time of opening; a file that is cut short while the
//! program runs ends the program with a bus error, as with every program that maps files.

use std::path::Path;

use tch::{Kind, Tensor};

use super::dispatch::{Argument, DispatchError, Operator};

/// A tensor whose strides repeat the numbers of its storage has no more numbers than this.
const MAX_REPEATED: usize = 1 << 24;

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
    #[error("its sizes make no sense")]
    TooLarge,
    #[error("it needs {needed} numbers, and its storage has {available}")]
    Short { needed: usize, available: usize },
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

    /// Bytes of the file, as a flat tensor that shares its memory.
    ///
    /// # Errors
    /// When they lie outside the file.
    pub fn part(&self, start: usize, length: usize) -> Result<Tensor, MappedError> {
        let end = start.checked_add(length).ok_or(MappedError::TooLarge)?;
        if end > self.length {
            return Err(MappedError::Outside {
                start,
                end,
                length: self.length,
            });
        }
        Ok(self.bytes.f_narrow(0, start as i64, length as i64)?)
    }

    /// The contiguous tensor at an offset. It shares the file's memory where the offset allows.
    ///
    /// # Errors
    /// When it lies outside the file.
    pub fn tensor(&self, start: usize, kind: Kind, shape: &[usize]) -> Result<Tensor, MappedError> {
        let length = shape
            .iter()
            .try_fold(kind.elt_size_in_bytes(), |product, &side| {
                product.checked_mul(side)
            })
            .ok_or(MappedError::TooLarge)?;
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        Strided::contiguous(shape).tensor(&self.part(start, length)?, kind)
    }
}

/// How a tensor lies in its storage, in numbers rather than bytes.
#[derive(Clone, Debug, Default)]
pub struct Strided {
    pub sizes: Vec<i64>,
    pub strides: Vec<i64>,
    pub offset: i64,
}

impl Strided {
    fn contiguous(sizes: Vec<i64>) -> Self {
        let mut strides = vec![1_i64; sizes.len()];
        for at in (1..sizes.len()).rev() {
            strides[at - 1] = strides[at].saturating_mul(sizes[at].max(1));
        }
        Self {
            sizes,
            strides,
            offset: 0,
        }
    }

    /// The tensor in a storage, which is a flat tensor of bytes. It shares the storage's memory
    /// where the numbers lie one after the other and start at a multiple of their size.
    ///
    /// # Errors
    /// When sizes or strides make no sense, or the storage is too short for them.
    pub fn tensor(&self, storage: &Tensor, kind: Kind) -> Result<Tensor, MappedError> {
        let size = kind.elt_size_in_bytes();
        let (needed, count) = self.numbers().ok_or(MappedError::TooLarge)?;
        let available = storage.numel() / size;
        if needed > available {
            return Err(MappedError::Short { needed, available });
        }
        if count == 0 {
            return Ok(Tensor::f_empty(
                self.sizes.as_slice(),
                (kind, tch::Device::Cpu),
            )?);
        }
        if count > available.max(MAX_REPEATED) {
            return Err(MappedError::TooLarge);
        }
        let offset = usize::try_from(self.offset).map_err(|_| MappedError::TooLarge)?;
        let (start, length) = (offset * size, (needed - offset) * size);
        let bytes = storage.f_narrow(0, start as i64, length as i64)?;
        // Numbers of several bytes must start at a multiple of their size.
        let bytes = if (bytes.data_ptr() as usize).is_multiple_of(size) {
            bytes
        } else {
            bytes.f_detach_copy()?
        };
        let numbers = bytes.f_view_dtype(kind)?;
        if self.is_contiguous() {
            return Ok(numbers.f_view(self.sizes.as_slice())?);
        }
        let strided = numbers.f_as_strided(self.sizes.as_slice(), self.strides.as_slice(), None)?;
        Ok(strided.f_contiguous()?)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.sizes
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }

    /// How many numbers the storage must have, and how many the tensor has.
    fn numbers(&self) -> Option<(usize, usize)> {
        if self.sizes.len() != self.strides.len() || self.offset < 0 {
            return None;
        }
        let mut last = self.offset;
        let mut count = 1_i64;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            if size < 0 || stride < 0 {
                return None;
            }
            count = count.checked_mul(size)?;
            last = last.checked_add((size - 1).max(0).checked_mul(stride)?)?;
        }
        let needed = if count == 0 { 0 } else { last.checked_add(1)? };
        usize::try_from(needed)
            .ok()
            .zip(usize::try_from(count).ok())
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

    #[test]
    fn numbers_that_have_left_the_memory_are_read_again() {
        use super::super::dispatch::{is_mapped, release};
        let numbers: Vec<f32> = (0_u16..5000).map(f32::from).collect();
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let (_folder, mapped) = mapped(&bytes);
        let tensor = mapped.tensor(400, Kind::Float, &[4900]).unwrap();
        for _ in 0..2 {
            assert_eq!(Vec::<f32>::try_from(&tensor).unwrap(), numbers[100..]);
            assert!(is_mapped(&tensor));
            release(&tensor);
        }
        let copy = tensor.copy();
        assert!(!is_mapped(&copy));
        release(&copy);
        assert_eq!(Vec::<f32>::try_from(&copy).unwrap(), numbers[100..]);
    }
}
