//! Archives of programs: zip files whose members are stored as they are, under one folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use tch::{Kind, Tensor};
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::ProgramError;
use crate::model::mapped::Mapped;

/// Descriptions larger than this are no model's.
const MAX_TEXT: u64 = 512 << 20;

/// The members of an archive, and the file in memory.
#[derive(Debug)]
pub(super) struct Archive {
    file: String,
    members: HashMap<String, Member>,
    zip: ZipArchive<File>,
    mapped: Mapped,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    index: usize,
    start: usize,
    length: usize,
    stored: bool,
}

impl Archive {
    pub(super) fn open(file: &str, path: &Path) -> Result<Self, ProgramError> {
        let damaged = |reason: String| ProgramError::damaged(file, reason);
        let content = File::open(path).map_err(|error| damaged(error.to_string()))?;
        let length = content
            .metadata()
            .map_err(|error| damaged(error.to_string()))?
            .len();
        let length = usize::try_from(length).map_err(|error| damaged(error.to_string()))?;
        // Finding the archive's start by its members refuses some archives that PyTorch writes.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let mut zip =
            ZipArchive::with_config(config, content).map_err(|error| damaged(error.to_string()))?;
        let mut members = HashMap::new();
        for index in 0..zip.len() {
            let member = zip
                .by_index_raw(index)
                .map_err(|error| damaged(error.to_string()))?;
            let start = member
                .data_start()
                .and_then(|start| usize::try_from(start).ok())
                .ok_or_else(|| damaged("a member starts outside of it".to_owned()))?;
            let found = Member {
                index,
                start,
                length: usize::try_from(member.size())
                    .map_err(|error| damaged(error.to_string()))?,
                stored: member.compression() == CompressionMethod::Stored,
            };
            // Everything lies under one folder, whose name is the file's when it was written.
            let name = member.name().map_err(|error| damaged(error.to_string()))?;
            let inner = name.split_once('/').map_or(&*name, |(_, inner)| inner);
            members.insert(inner.to_owned(), found);
            members.insert(name.clone().into_owned(), found);
        }
        let mapped = Mapped::open(path, length).map_err(|error| damaged(error.to_string()))?;
        Ok(Self {
            file: file.to_owned(),
            members,
            zip,
            mapped,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A member's text or bytes.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, ProgramError> {
        let member = self.member(name)?;
        let damaged =
            |reason: String| ProgramError::damaged(&self.file, format!("{name}: {reason}"));
        if member.length as u64 > MAX_TEXT {
            return Err(damaged(format!("its {} bytes are too many", member.length)));
        }
        let mut bytes = Vec::new();
        self.zip
            .by_index(member.index)
            .map_err(|error| damaged(error.to_string()))?
            .take(MAX_TEXT)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(error.to_string()))?;
        Ok(bytes)
    }

    /// Whether a text stands in a member under a folder.
    pub(super) fn mentions(&mut self, folder: &str, text: &[u8]) -> Result<bool, ProgramError> {
        let inside = |name: &&String| name.starts_with(folder);
        let names: Vec<String> = self.members.keys().filter(inside).cloned().collect();
        for name in names {
            if self
                .read(&name)?
                .windows(text.len())
                .any(|part| part == text)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A member that holds the numbers of a tensor; it may be a part of them.
    pub(super) fn tensor(
        &self,
        name: &str,
        kind: Kind,
        meta: &Strided,
    ) -> Result<Tensor, ProgramError> {
        let member = self.member(name)?;
        let damaged =
            |reason: String| ProgramError::damaged(&self.file, format!("{name}: {reason}"));
        if !member.stored {
            return Err(damaged(
                "it is compressed, which torch.export never does".to_owned(),
            ));
        }
        let needed = meta
            .numbers()
            .ok_or_else(|| damaged("its sizes make no sense".to_owned()))?;
        let available = member.length / kind.elt_size_in_bytes();
        if needed > available {
            return Err(damaged(format!(
                "it has {available} numbers where {needed} are needed"
            )));
        }
        let all = self
            .mapped
            .tensor(member.start, kind, &[needed])
            .map_err(|error| damaged(error.to_string()))?;
        if meta.is_contiguous() {
            return all
                .f_view(meta.sizes.as_slice())
                .map_err(|error| damaged(error.to_string()));
        }
        // Strides count from the start of a storage, so the numbers get one of their own.
        all.f_detach_copy()
            .and_then(|own| {
                own.f_as_strided(meta.sizes.as_slice(), meta.strides.as_slice(), meta.offset)
            })
            .map_err(|error| damaged(error.to_string()))
    }

    fn member(&self, name: &str) -> Result<Member, ProgramError> {
        self.members
            .get(name)
            .copied()
            .ok_or_else(|| ProgramError::damaged(&self.file, format!("it has no {name}")))
    }
}

/// How a tensor lies in its storage.
#[derive(Clone, Debug)]
pub(super) struct Strided {
    pub(super) sizes: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) offset: i64,
}

impl Strided {
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.offset == 0
            && self
                .sizes
                .iter()
                .zip(&self.strides)
                .rev()
                .all(|(&size, &stride)| {
                    let fits = size == 1 || stride == expected;
                    expected *= size;
                    fits
                })
    }

    /// How many numbers the storage must have.
    fn numbers(&self) -> Option<usize> {
        if self.sizes.len() != self.strides.len() || self.offset < 0 {
            return None;
        }
        if self.sizes.contains(&0) {
            return Some(0);
        }
        let mut last = self.offset;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            if size < 0 || stride < 0 {
                return None;
            }
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        usize::try_from(last.checked_add(1)?).ok()
    }
}
