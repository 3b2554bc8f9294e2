//! Pickles of PyTorch: what `torch.save` writes, read without executing anything.
//!
//! Two containers hold a pickle and the storages of its tensors: a zip archive since PyTorch 1.6
//! (`torch/serialization.py`, `_save`), and before that one pickle after the other with the storages
//! at the end (`_legacy_save`). The pickle is run by a machine that knows how tensors are made from
//! storages and nothing else; every other Python object stays a name with what was given to it.
//! Numbers stay in the mapped file until they are asked for.

mod machine;
mod objects;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;
use tch::Tensor;

use super::archive::Archive;
use super::mapped::{Mapped, MappedError};
pub use objects::{Element, Stored};
use objects::{Objects, Storage};

/// The number 0x1950a86a20f9469cfc6c as a pickle, with which files of the old container begin.
const OLD_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
/// Where the tar container of PyTorch before 0.1.10 says what it is.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Why a file is no pickle of PyTorch, or a damaged one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PickleError(String);

impl PickleError {
    #[expect(clippy::needless_pass_by_value, reason = "as map_err calls it")]
    fn new(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// A pickle with its storages.
#[derive(Debug)]
pub struct Pickle {
    objects: Objects,
    storages: Storages,
}

#[derive(Debug)]
enum Storages {
    /// Members of an archive, `data/0` and so on.
    Zip(RefCell<Archive>),
    /// Where each lies in the file: first byte and length.
    Old {
        mapped: Mapped,
        places: HashMap<String, (usize, usize)>,
    },
}

impl Pickle {
    /// Reads the pickle of a file, and where its storages are.
    ///
    /// # Errors
    /// When it is no such file, or is damaged.
    pub fn open(path: &Path) -> Result<Self, PickleError> {
        let mut file = File::open(path).map_err(PickleError::new)?;
        let mut start = Vec::new();
        (&mut file)
            .take(512)
            .read_to_end(&mut start)
            .map_err(PickleError::new)?;
        let (at, tar) = TAR_MAGIC;
        if start.starts_with(b"PK\x03\x04") {
            Self::open_zip(path)
        } else if start.starts_with(OLD_MAGIC) {
            Self::open_old(path, file)
        } else if start.get(at..at + tar.len()) == Some(tar) {
            Err(PickleError::new(
                "it has the tar format of PyTorch before 0.1.10",
            ))
        } else if start.starts_with(b"\x80") {
            Err(PickleError::new(
                "it is a pickle that torch.save has not written",
            ))
        } else {
            Err(PickleError::new(
                "it begins as no format of PyTorch or safetensors does",
            ))
        }
    }

    fn open_zip(path: &Path) -> Result<Self, PickleError> {
        let mut archive = Archive::open(path).map_err(PickleError::new)?;
        if archive.has("byteorder") {
            let order = archive.read("byteorder").map_err(PickleError::new)?;
            if order.trim_ascii() != b"little" {
                return Err(PickleError::new(
                    "its numbers have the byte order of another processor",
                ));
            }
        }
        let bytes = archive.read("data.pkl").map_err(PickleError::new)?;
        let (objects, _) = machine::run(bytes.as_slice())?;
        Ok(Self {
            objects,
            storages: Storages::Zip(RefCell::new(archive)),
        })
    }

    /// Looks at an archive of TorchScript for storages that are shorter than they are said to be.
    /// libtorch reads beyond their end.
    ///
    /// # Errors
    /// When there is one, or the archive is damaged.
    pub fn check_script(archive: &mut Archive) -> Result<(), PickleError> {
        for folder in ["data", "constants"] {
            let pickle = format!("{folder}.pkl");
            if !archive.has(&pickle) {
                continue;
            }
            let bytes = archive.read(&pickle).map_err(PickleError::new)?;
            let (objects, _) = machine::run(bytes.as_slice())?;
            for storage in objects.storages() {
                let name = format!("{folder}/{}", storage.key);
                let found = archive.length(&name).map_err(PickleError::new)?;
                storage.check_length(found)?;
            }
        }
        Ok(())
    }

    /// The magic number, the version, the system, the object, the keys of the storages in the order
    /// in which they follow; then for each storage its length in numbers and its bytes.
    fn open_old(path: &Path, mut file: File) -> Result<Self, PickleError> {
        let length = file.metadata().map_err(PickleError::new)?.len();
        file.seek(SeekFrom::Start(0)).map_err(PickleError::new)?;
        let mut reader = BufReader::new(file);
        let mut at = 0;
        for _ in ["magic number", "version", "system"] {
            at += machine::run(&mut reader)?.1;
        }
        let (objects, bytes) = machine::run(&mut reader)?;
        let (keys, more) = machine::run(&mut reader)?;
        at += bytes + more;
        let sizes: HashMap<&str, usize> = objects
            .storages()
            .map(|storage| (storage.key.as_str(), storage.element.size()))
            .collect();
        let mut places = HashMap::new();
        for key in keys.texts() {
            let mut count = [0; 8];
            reader.read_exact(&mut count).map_err(PickleError::new)?;
            at += 8;
            let count = u64::from_le_bytes(count);
            let size = sizes.get(key.as_str()).copied().unwrap_or(1) as u64;
            let bytes = count.checked_mul(size);
            let end = bytes.and_then(|bytes| bytes.checked_add(at));
            let (Some(bytes), Some(end)) = (bytes, end.filter(|end| *end <= length)) else {
                return Err(PickleError(format!(
                    "its storage of {count} numbers ends after its {length} bytes"
                )));
            };
            let skip = i64::try_from(bytes).map_err(PickleError::new)?;
            reader.seek_relative(skip).map_err(PickleError::new)?;
            let place = usize::try_from(at).ok().zip(usize::try_from(bytes).ok());
            places.insert(
                key,
                place.ok_or_else(|| PickleError::new("it is too long"))?,
            );
            at = end;
        }
        let length = usize::try_from(length).map_err(PickleError::new)?;
        let mapped = Mapped::open(path, length).map_err(PickleError::new)?;
        Ok(Self {
            objects,
            storages: Storages::Old { mapped, places },
        })
    }

    /// All tensors with dotted names: through dictionaries, those of an outermost list by their
    /// numbers, and through modules that were saved whole.
    ///
    /// # Errors
    /// When there are more, or deeper nested ones, than any checkpoint has.
    pub fn tensors(&self) -> Result<BTreeMap<String, Stored>, PickleError> {
        self.objects.tensors()
    }

    /// What is under a key of the outermost dictionary, where it has plain values alone.
    pub fn value(&self, key: &str) -> Option<Value> {
        self.objects.value(key)
    }

    /// What the outermost object is, in words: "a list".
    pub fn kind(&self) -> &'static str {
        self.objects.kind()
    }

    /// Whether this is TorchScript, whose code is in the archive.
    ///
    /// # Errors
    /// When the archive is damaged.
    pub fn is_script(&self) -> Result<bool, PickleError> {
        match &self.storages {
            Storages::Zip(archive) => {
                let mut archive = archive.borrow_mut();
                Ok(archive.has("constants.pkl")
                    && archive
                        .mentions("code/", b"def forward(")
                        .map_err(PickleError::new)?)
            }
            Storages::Old { .. } => Ok(false),
        }
    }

    /// The numbers of a tensor, which share the file's memory where they can.
    ///
    /// # Errors
    /// When they lie outside of their storage, the storage is missing, or the numbers are of a type
    /// that libtorch does not compute with.
    pub fn read(&self, stored: &Stored) -> Result<Tensor, PickleError> {
        if let Some(why) = stored.unreadable {
            return Err(PickleError::new(why));
        }
        let Element::Known(kind) = stored.element else {
            return Err(PickleError(format!(
                "its numbers are of type {}",
                stored.element
            )));
        };
        let bytes = self.bytes(&stored.storage)?;
        let layout = &stored.layout;
        let outside = |error: MappedError| PickleError::new(error);
        layout.tensor(&bytes, kind).map_err(outside)
    }

    /// The bytes of a storage.
    fn bytes(&self, storage: &Storage) -> Result<Tensor, PickleError> {
        let all = match &self.storages {
            Storages::Zip(archive) => archive
                .borrow_mut()
                .part(&format!("data/{}", storage.key))
                .map_err(PickleError::new)?,
            Storages::Old { mapped, places } => {
                let (start, length) = *places
                    .get(&storage.key)
                    .ok_or_else(|| PickleError::new("its storage is missing"))?;
                mapped.part(start, length).map_err(PickleError::new)?
            }
        };
        let needed = storage.check_length(all.numel())?;
        let skip = storage.first * storage.element.size();
        all.f_narrow(0, skip as i64, (needed - skip) as i64)
            .map_err(PickleError::new)
    }
}
