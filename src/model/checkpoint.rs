//! Checkpoint: named weights in a file, whatever the format.
//!
//! Opening reads the names and shapes; a weight's numbers are read when a family asks for them.
//! The format is told by the content, not by the name of the file. Nothing in a file is executed.

mod card;
mod folder;
mod pickle;
mod safetensors;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

pub use card::Card;

use crate::text::visible;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    File(PathBuf),
    /// The model inside the program.
    Demo,
}

/// What to do about weights of a type that gradcam does not compute with.
const FLOATING_POINT: &str = "gradcam reads floating point weights of 16, 32 and 64 bits";
/// What to do about weights of 8 bits.
const TO_FLOAT: &str = "save the weights as plain float32 tensors: \
    torch.save({k: v.float() for k, v in model.state_dict().items()}, \"model.pth\")";

/// The demo model, part of the program so that it works from any folder.
const DEMO: &[u8] = include_bytes!("../../assets/demo/model.safetensors");

/// Why a checkpoint cannot be read. Every text names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("cannot read the model {file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("{file} is not a model: {reason}")]
    NotAModel { file: String, reason: String },
    #[error("{file} is {what}, which gradcam does not read yet; {advice}")]
    NotYet {
        file: String,
        what: &'static str,
        advice: &'static str,
    },
    #[error("{file} has the weight {key}, which gradcam cannot use: {what}; {advice}")]
    Weight {
        file: String,
        key: String,
        what: String,
        advice: &'static str,
    },
    #[error("{file} is damaged: {reason}")]
    Damaged { file: String, reason: String },
}

impl CheckpointError {
    pub(super) fn damaged(file: &str, reason: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            reason: visible(&reason.into()),
        }
    }

    /// libtorch failed on a weight; its first line says why.
    pub fn torch(file: &str, error: &tch::TchError) -> Self {
        let text = error.to_string();
        Self::Damaged {
            file: file.to_owned(),
            reason: text.lines().next().unwrap_or_default().to_owned(),
        }
    }
}

/// Named weights.
#[derive(Debug)]
pub struct Checkpoint {
    /// File name, safe to print.
    pub name: String,
    /// First 16 hexadecimal digits of the file's BLAKE3 hash.
    pub fingerprint: String,
    /// What the checkpoint says of itself.
    pub card: Card,
    shapes: BTreeMap<String, Vec<usize>>,
    numbers: Box<dyn Store>,
}

/// Where the numbers are: one for each format.
pub trait Store: std::fmt::Debug {
    /// Names and shapes of all weights.
    ///
    /// # Errors
    /// When the file is damaged.
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError>;

    /// A weight as float32 on the CPU.
    ///
    /// # Errors
    /// When there is no such weight, its type is not a floating point one, or it is damaged.
    fn read(&self, key: &str) -> Result<Tensor, CheckpointError>;
}

impl Checkpoint {
    /// Weights from somewhere else than a file.
    ///
    /// # Errors
    /// As [`Store::shapes`].
    pub fn of(
        name: String,
        fingerprint: String,
        card: Card,
        store: impl Store + 'static,
    ) -> Result<Self, CheckpointError> {
        Ok(Self {
            name,
            fingerprint,
            card,
            shapes: store.shapes()?,
            numbers: Box::new(store),
        })
    }

    /// # Errors
    /// When there is no such file, it is no checkpoint, or it is damaged.
    pub fn open(source: &ModelSource) -> Result<Self, CheckpointError> {
        match source {
            ModelSource::Demo => {
                let archive = safetensors::Archive::inside("demo model", DEMO)?;
                let card = Card::of_metadata("demo model", &archive.metadata())?;
                let name = card
                    .name
                    .as_deref()
                    .map_or_else(|| "demo model".to_owned(), visible);
                let hash = blake3::hash(DEMO).to_hex();
                Self::of(name, hash.chars().take(16).collect(), card, archive)
            }
            ModelSource::File(path) => Self::open_file(path),
        }
    }

    fn open_file(path: &Path) -> Result<Self, CheckpointError> {
        let given = visible(&path.display().to_string());
        let in_folder = path.is_dir().then_some(path);
        let path = file_in(path)?;
        let file = visible(&path.display().to_string());
        let name = in_folder.unwrap_or(&path).file_name();
        let name = name.map_or(given, |name| visible(&name.to_string_lossy()));
        let (store, mut card): (Box<dyn Store>, _) = if folder::is_index(&path) {
            let open = |shard: &Path| {
                let shown = visible(&shard.display().to_string());
                open_store(&shown, shard).map(|(store, _)| store)
            };
            (
                Box::new(folder::Shards::open(&file, &path, open)?),
                Card::default(),
            )
        } else {
            open_store(&file, &path)?
        };
        if let Some(folder) = in_folder {
            card = card.or(Card::of_folder(folder)?);
        }
        Ok(Self {
            name: card.name.as_deref().map_or(name, visible),
            fingerprint: fingerprint(&file, &path)?,
            card,
            shapes: store.shapes()?,
            numbers: store,
        })
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str)
    }

    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.shapes.get(key).map(Vec::as_slice)
    }

    /// A weight as float32 on the CPU.
    ///
    /// # Errors
    /// When there is no such weight, its type is not a floating point one, or it is damaged.
    pub fn read(&self, key: &str) -> Result<Tensor, CheckpointError> {
        self.numbers.read(key)
    }
}

/// The file with the model in a folder; of a file, the file itself.
///
/// # Errors
/// When a folder has none, or several that could be meant.
pub fn file_in(path: &Path) -> Result<PathBuf, CheckpointError> {
    if path.is_dir() {
        folder::weights_in(path)
    } else {
        Ok(path.to_path_buf())
    }
}

/// One file of weights, and what it says of itself.
type Opened = (Box<dyn Store>, Card);

fn open_store(file: &str, path: &Path) -> Result<Opened, CheckpointError> {
    let unreadable = |error: std::io::Error| CheckpointError::Unreadable {
        file: file.to_owned(),
        reason: reason(&error),
    };
    let mut content = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    (&mut content)
        .take(512)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    refuse_strangers(file, &start, &mut content)?;
    if safetensors::looks_like(&start) {
        let archive = safetensors::Archive::open(file, path)?;
        let card = Card::of_metadata(file, &archive.metadata())?;
        return Ok((Box::new(archive), card));
    }
    let weights = pickle::Weights::open(file, path)?;
    let card = Card::of_pickle(|key| weights.value(key));
    Ok((Box::new(weights), card))
}

/// First 16 hexadecimal digits of a file's BLAKE3 hash. An index stands for the files that it names,
/// whose lengths and names it has.
fn fingerprint(file: &str, path: &Path) -> Result<String, CheckpointError> {
    let unreadable = |error: std::io::Error| CheckpointError::Unreadable {
        file: file.to_owned(),
        reason: reason(&error),
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(path).map_err(unreadable)?;
    Ok(hasher.finalize().to_hex().chars().take(16).collect())
}

/// A weight from its bytes, as float32. The bytes must be as many as shape and kind ask for.
fn tensor(
    file: &str,
    key: &str,
    bytes: &[u8],
    shape: &[usize],
    kind: Kind,
) -> Result<Tensor, CheckpointError> {
    let count = shape
        .iter()
        .try_fold(1_usize, |product, &length| product.checked_mul(length));
    let needed = count.and_then(|count| count.checked_mul(kind.elt_size_in_bytes()));
    if needed != Some(bytes.len()) {
        let reason = format!(
            "the weight {key} of shape {shape:?} has {} bytes",
            bytes.len()
        );
        return Err(CheckpointError::Damaged {
            file: file.to_owned(),
            reason,
        });
    }
    let size: Vec<i64> = shape.iter().map(|&length| length as i64).collect();
    Tensor::f_from_data_size(bytes, &size, kind)
        .and_then(|tensor| tensor.f_to_kind(Kind::Float))
        .map_err(|error| CheckpointError::torch(file, &error))
}

/// What the last record of a zip archive begins with (APPNOTE.TXT 4.3.16).
const END_OF_ZIP: &str = "PK\x05\x06";

/// Recognises what people pass by mistake.
fn refuse_strangers(file: &str, start: &[u8], content: &mut File) -> Result<(), CheckpointError> {
    let not_a_model = |reason: &str| {
        Err(CheckpointError::NotAModel {
            file: file.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    if start.is_empty() {
        return not_a_model("the file is empty");
    }
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return not_a_model("it is a web page; download the file itself");
    }
    if text.starts_with("version https://git-lfs") {
        return not_a_model("it is a Git LFS pointer; run `git lfs pull`");
    }
    if image::guess_format(start).is_ok() {
        return not_a_model("it is an image; the model is a .safetensors, .pth or .pt file");
    }
    if !start.starts_with(b"PK") {
        return Ok(());
    }
    // The directory of a zip archive stands at its end and lists the names of the members.
    let end = tail(content, 1 << 20);
    let has = |name: &str| end.windows(name.len()).any(|part| part == name.as_bytes());
    if !has(END_OF_ZIP) {
        return Err(CheckpointError::Damaged {
            file: file.to_owned(),
            reason: "the end of the archive is missing; copy or download the file again".to_owned(),
        });
    }
    let advice = "save a state dict instead: torch.save(model.state_dict(), \"model.pth\")";
    if has("models/model.json") || has("serialized_exported_program.json") {
        return Err(CheckpointError::NotYet {
            file: file.to_owned(),
            what: "a torch.export program",
            advice,
        });
    }
    Ok(())
}

/// The last bytes of a file; what cannot be read counts as nothing.
fn tail(file: &mut File, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if file
        .seek(SeekFrom::Start(size.saturating_sub(length)))
        .is_ok()
        && file.take(length).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    bytes
}

/// An I/O error in a few words, without the number.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
