//! Archives of PyTorch: zip files whose members lie under one folder, as a rule stored as they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use tch::{Kind, Tensor};
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::mapped::{Mapped, Strided};

/// Descriptions larger than this are no model's.
const MAX_TEXT: u64 = 512 << 20;
/// Numbers of a model do not shrink to a hundredth part, but for small ones.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 64 << 20;

/// The members of an archive, and the file in memory.
#[derive(Debug)]
pub struct Archive {
    members: HashMap<String, Member>,
    /// Names as they stand in the archive, with their folder.
    names: Vec<String>,
    zip: ZipArchive<File>,
    mapped: Mapped,
}

/// Why an archive or a member cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArchiveError(String);

impl ArchiveError {
    #[expect(clippy::needless_pass_by_value, reason = "as map_err calls it")]
    fn new(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }

    /// The words of the library name its own types where an archive is damaged.
    fn zip(error: ZipError) -> Self {
        match error {
            // The directory stands at the end, so a file that is cut off lacks it.
            ZipError::InvalidArchive(reason) if reason.starts_with("Could not find EOCD") => {
                Self::new(
                    "it is a zip archive without its end, as after a download that was cut off",
                )
            }
            ZipError::InvalidArchive(_) => Self::new("its zip archive is damaged"),
            other => Self::new(other),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Member {
    index: usize,
    start: usize,
    length: usize,
    stored: bool,
}

impl Archive {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// When it is no zip file, or its directory is damaged.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let content = File::open(path).map_err(ArchiveError::new)?;
        let length = content.metadata().map_err(ArchiveError::new)?.len();
        let length = usize::try_from(length).map_err(ArchiveError::new)?;
        // Finding the archive's start by its members refuses some archives that PyTorch writes:
        // those whose first name has 30 bytes, as model files with names of 21 letters have.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let mut zip = ZipArchive::with_config(config, content).map_err(ArchiveError::zip)?;
        let (mut members, mut names) = (HashMap::new(), Vec::new());
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index).map_err(ArchiveError::zip)?;
            let start = member
                .data_start()
                .and_then(|start| usize::try_from(start).ok())
                .ok_or_else(|| ArchiveError::new("a member starts outside of it"))?;
            let expanded = member.size() / MAX_RATIO;
            if member.size() > SMALL && expanded > member.compressed_size() {
                return Err(ArchiveError::new(
                    "a member is compressed to less than a hundredth part, as no model is",
                ));
            }
            let found = Member {
                index,
                start,
                length: usize::try_from(member.size()).map_err(ArchiveError::new)?,
                stored: member.compression() == CompressionMethod::Stored,
            };
            // Everything lies under one folder, whose name is the file's when it was written.
            let name = member.name().map_err(ArchiveError::new)?;
            let inner = name.split_once('/').map_or(&*name, |(_, inner)| inner);
            members.insert(inner.to_owned(), found);
            names.push(name.clone().into_owned());
            members.insert(name.into_owned(), found);
        }
        Ok(Self {
            members,
            names,
            zip,
            mapped: Mapped::open(path, length).map_err(ArchiveError::new)?,
        })
    }

    /// Whether there is a member of this name, with or without the folder.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Bytes of a member.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn length(&self, name: &str) -> Result<usize, ArchiveError> {
        Ok(self.member(name)?.length)
    }

    /// A member's text or bytes.
    ///
    /// # Errors
    /// When there is no such member, it is too long, or it is damaged.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let member = self.member(name)?;
        if member.length as u64 > MAX_TEXT {
            return Err(ArchiveError(format!(
                "{name}: its {} bytes are too many",
                member.length
            )));
        }
        let failed = |error: &dyn std::fmt::Display| ArchiveError(format!("{name}: {error}"));
        let mut bytes = Vec::new();
        self.zip
            .by_index(member.index)
            .map_err(|error| failed(&error))?
            .take(MAX_TEXT)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// Whether a text stands in a member under a folder.
    ///
    /// # Errors
    /// When a member is damaged.
    pub fn mentions(&mut self, folder: &str, text: &[u8]) -> Result<bool, ArchiveError> {
        for name in self.names.clone() {
            let inner = name.split_once('/').map_or(&*name, |(_, inner)| inner);
            if inner.starts_with(folder)
                && self
                    .read(&name)?
                    .windows(text.len())
                    .any(|part| part == text)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The bytes of a member as a flat tensor, which shares the file's memory where the member is
    /// stored as it is.
    ///
    /// # Errors
    /// When there is no such member, or it is damaged.
    pub fn part(&mut self, name: &str) -> Result<Tensor, ArchiveError> {
        let member = self.member(name)?;
        if member.stored {
            return self
                .mapped
                .part(member.start, member.length)
                .map_err(|error| ArchiveError(format!("{name}: {error}")));
        }
        let bytes = self.read(name)?;
        Tensor::f_from_data_size(&bytes, &[bytes.len() as i64], Kind::Uint8)
            .map_err(ArchiveError::new)
    }

    /// A tensor whose storage is a member.
    ///
    /// # Errors
    /// As [`Self::part`]; when the member is too short for it.
    pub fn tensor(
        &mut self,
        name: &str,
        kind: Kind,
        strided: &Strided,
    ) -> Result<Tensor, ArchiveError> {
        strided
            .tensor(&self.part(name)?, kind)
            .map_err(|error| ArchiveError(format!("{name}: {error}")))
    }

    fn member(&self, name: &str) -> Result<Member, ArchiveError> {
        let member = self.members.get(name).copied();
        member.ok_or_else(|| ArchiveError(format!("it has no {name}")))
    }
}
