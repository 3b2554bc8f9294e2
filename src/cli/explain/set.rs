//! Set: explanations of many images in one folder, a table of them, and a manifest.
//!
//! While a run goes on, each image's row is added to a journal as soon as its files are written. At
//! the end the rows become the table, in the natural order of the images' names, and the manifest is
//! written last: where it is, the set is whole. A run that was ended goes on from the journal, and a
//! run of the same folder again does what is new or has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dataset::scan::natural_key;
use crate::dataset::shard::Shard;
use crate::dataset::store::FileIdentity;
use crate::file::{Destination, Hurry, write_whole};
use crate::text::{count, json, json_pretty, visible};

/// Tells whether a file is still the one that was explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileStamp {
    bytes: u64,
    /// When it was changed last, in nanoseconds since 1970.
    modified_ns: i64,
}

impl From<FileIdentity> for FileStamp {
    fn from(file: FileIdentity) -> Self {
        Self {
            bytes: file.size,
            modified_ns: file.mtime_ns,
        }
    }
}

/// What a set is, beside its rows; `manifest.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    /// The program's version.
    gradcam: String,
    /// All that the files depend on beside the images: model, preprocessing, method, classes, drawing.
    made_by: Value,
    /// Which part of the images it has; all where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    /// The name of the table.
    table: String,
    images: usize,
    failed: usize,
}

/// What is needed of a row.
#[derive(Debug, Deserialize)]
struct Kept {
    image: String,
    file: Option<FileStamp>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    explanations: Vec<Files>,
}

#[derive(Debug, Deserialize)]
struct Files {
    files: BTreeMap<String, PathBuf>,
}

/// A set that is being made.
#[derive(Debug)]
pub(super) struct Set {
    folder: PathBuf,
    manifest: Manifest,
    /// "", "-2-of-8"
    part: String,
    /// Open, and locked: two runs would write over each other.
    journal: File,
    /// By image.
    rows: HashMap<String, String>,
    /// The files of the rows that need not be made again.
    done: HashMap<String, FileStamp>,
}

impl Set {
    /// Begins a set, or goes on with one. `made_by` has all that the files depend on beside the
    /// images.
    ///
    /// # Errors
    /// When what is there was made otherwise, somebody else is writing it, or it cannot be read.
    pub(super) fn open(
        folder: &Path,
        shard: Option<Shard>,
        made_by: Value,
        afresh: bool,
    ) -> Result<Self> {
        let part = shard.map(|shard| format!("-{}", shard.to_string().replace(' ', "-")));
        let part = part.unwrap_or_default();
        let at = |name: &str| folder.join(name);
        let path = at(&format!("explanations{part}.part.jsonl"));
        let cannot = || format!("cannot write {}", shown(&path));
        let journal = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .with_context(cannot)?;
        match journal.try_lock() {
            Err(TryLockError::WouldBlock) => bail!(
                "another gradcam is writing into {}; wait for it, or give another --out",
                shown(folder)
            ),
            // A file system without locks is no reason not to work.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut set = Self {
            manifest: Manifest {
                gradcam: env!("CARGO_PKG_VERSION").to_owned(),
                made_by,
                shard: shard.map(|shard| shard.to_string()),
                table: format!("explanations{part}.jsonl"),
                images: 0,
                failed: 0,
            },
            folder: folder.to_owned(),
            part,
            journal,
            rows: HashMap::new(),
            done: HashMap::new(),
        };
        let manifest = set.at_part("manifest", "json");
        if afresh {
            set.journal.set_len(0).with_context(cannot)?;
            remove(&manifest)?;
            set.begin_journal()?;
        } else {
            if manifest.exists() {
                let known = Manifest::read(&manifest)?;
                set.check(&known.made_by)?;
                set.take(&folder.join(&known.table))?;
            }
            set.take_journal()?;
        }
        Ok(set)
    }

    fn at_part(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}{}.{ending}", self.part))
    }

    /// What was made otherwise is not mixed with this.
    fn check(&self, made_by: &Value) -> Result<()> {
        if *made_by == self.manifest.made_by {
            return Ok(());
        }
        let other = different(made_by, &self.manifest.made_by);
        bail!(
            "{} has explanations that were made otherwise ({other}); give another --out, or --force to make all of them anew",
            shown(&self.folder)
        )
    }

    /// Takes the rows of a table.
    fn take(&mut self, table: &Path) -> Result<()> {
        for line in lines(table)? {
            self.remember(line);
        }
        Ok(())
    }

    /// Takes the rows of a run that was ended; begins the journal where there is none.
    fn take_journal(&mut self) -> Result<()> {
        let path = self.at_part("explanations", "part.jsonl");
        let lines = self
            .whole_lines()
            .with_context(|| format!("cannot read {}", shown(&path)))?;
        let mut lines = lines.into_iter();
        let Some(head) = lines.next() else {
            return self.begin_journal();
        };
        let head: Value = serde_json::from_str(&head)
            .with_context(|| format!("{} is damaged; --force makes all anew", shown(&path)))?;
        self.check(&head)?;
        for line in lines {
            self.remember(line);
        }
        Ok(())
    }

    /// The lines of the journal. One that was cut off is cut away.
    fn whole_lines(&mut self) -> std::io::Result<Vec<String>> {
        self.journal.seek(SeekFrom::Start(0))?;
        let mut lines = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&self.journal);
        loop {
            let mut line = String::new();
            let length = reader.read_line(&mut line)?;
            if length == 0 || !line.ends_with('\n') {
                break;
            }
            whole += length as u64;
            lines.push(line.trim_end().to_owned());
        }
        self.journal.set_len(whole)?;
        Ok(lines)
    }

    fn begin_journal(&mut self) -> Result<()> {
        let head = json(&self.manifest.made_by)?;
        self.write_line(&head)
    }

    /// Adds a line to the journal.
    fn write_line(&mut self, line: &str) -> Result<()> {
        let path = self.at_part("explanations", "part.jsonl");
        writeln!(self.journal, "{line}").with_context(|| format!("cannot write {}", shown(&path)))
    }

    fn remember(&mut self, line: String) {
        // A row that makes no sense is made again.
        let Ok(kept) = serde_json::from_str::<Kept>(&line) else {
            return;
        };
        let files = kept.explanations.iter().flat_map(|one| one.files.values());
        let are_there = files
            .map(|file| self.folder.join(file))
            .all(|file| file.exists());
        match kept.file {
            Some(file) if kept.error.is_none() && are_there => {
                self.done.insert(kept.image.clone(), file);
            }
            _ => {
                self.done.remove(&kept.image);
            }
        }
        self.rows.insert(kept.image, line);
    }

    /// Whether there is nothing to do for a file.
    pub(super) fn has(&self, image: &str, file: FileIdentity) -> bool {
        self.done.get(image) == Some(&file.into())
    }

    /// Adds a row; it is in the journal when this returns.
    pub(super) fn add(&mut self, image: &str, row: &impl Serialize) -> Result<()> {
        let line = json(row)?;
        let path = self.at_part("explanations", "part.jsonl");
        writeln!(self.journal, "{line}")
            .with_context(|| format!("cannot write {}", shown(&path)))?;
        self.rows.insert(image.to_owned(), line);
        Ok(())
    }

    /// Writes the table of these images and the manifest, and takes the journal away. Returns what is
    /// to be told.
    pub(super) fn finish(mut self, images: &[String]) -> Result<String> {
        let mut images: Vec<&String> = images.iter().collect();
        images.sort_by_cached_key(|image| natural_key(image));
        let rows: Vec<&String> = images
            .iter()
            .filter_map(|image| self.rows.get(*image))
            .collect();
        let table = self.folder.join(&self.manifest.table);
        self.manifest.images = rows.len();
        self.manifest.failed = rows.iter().filter(|row| is_failed(row)).count();
        write_lines(&table, rows.iter().map(|row| row.as_str()))?;
        let manifest = self.at_part("manifest", "json");
        self.manifest.write(&manifest)?;
        remove(&self.at_part("explanations", "part.jsonl"))?;
        let failed = match self.manifest.failed {
            0 => String::new(),
            failed => format!(", {failed} of them without an explanation"),
        };
        Ok(format!(
            "{} in {}{failed}",
            count(rows.len(), "image"),
            shown(&table)
        ))
    }
}

impl Manifest {
    /// # Errors
    /// When it cannot be read, or is something else.
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", shown(path)))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a manifest of gradcam", shown(path)))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let text = json_pretty(self)?;
        write_lines(path, std::iter::once(text.as_str()))
    }
}

/// What has become of several sets.
#[derive(Debug)]
pub(in crate::cli) struct Whole {
    /// What is to be told.
    pub(in crate::cli) words: String,
    /// Shards that are not there, a sentence each.
    pub(in crate::cli) missing: Vec<String>,
}

/// Makes one set of the sets in these folders. Files of other folders are copied.
///
/// # Errors
/// When they were made otherwise, cannot be read, or the set cannot be written.
pub(in crate::cli) fn merge(folders: &[PathBuf], out: &Path) -> Result<Whole> {
    let mut parts: Vec<(PathBuf, Manifest)> = Vec::new();
    for folder in folders {
        let found = manifests(folder)?;
        if found.is_empty() {
            bail!(
                "there is no manifest in {}; it is written when `gradcam explain` has done all",
                shown(folder)
            );
        }
        parts.extend(found.into_iter().map(|manifest| (folder.clone(), manifest)));
    }
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", shown(out)))?;
    let Some((_, first)) = parts.first() else {
        bail!("there is nothing to merge");
    };
    let mut set = Set::open(out, None, first.made_by.clone(), false)?;
    let mut images = Vec::new();
    for (folder, manifest) in &parts {
        set.check(&manifest.made_by)
            .with_context(|| format!("{} does not fit", shown(folder)))?;
        let table = folder.join(&manifest.table);
        for line in lines(&table)? {
            let kept: Kept = serde_json::from_str(&line)
                .with_context(|| format!("{} has a line that is no row", shown(&table)))?;
            if folder.canonicalize()? != out.canonicalize()? {
                for file in kept.explanations.iter().flat_map(|one| one.files.values()) {
                    copy(folder, file, out)?;
                }
            }
            images.push(kept.image);
            set.remember(line);
        }
    }
    images.extend(set.rows.keys().cloned());
    images.sort();
    images.dedup();
    Ok(Whole {
        missing: missing(
            parts
                .iter()
                .filter_map(|(_, manifest)| manifest.shard.as_deref()),
        ),
        words: set.finish(&images)?,
    })
}

/// The manifests of a folder: of shards, and of the whole.
fn manifests(folder: &Path) -> Result<Vec<Manifest>> {
    let cannot = || format!("cannot read {}", shown(folder));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("manifest") && name.ends_with(".json") {
            found.push(Manifest::read(&folder.join(&*name))?);
        }
    }
    // The whole of before comes first: what a shard has is newer.
    found.sort_by_key(|manifest| manifest.shard.clone());
    Ok(found)
}

/// Shards that are not there, of those that are: "2 of 8".
fn missing<'a>(shards: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for shard in shards {
        let parts = shard.split_once(" of ");
        let numbers = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        if let Some((number, count)) = numbers {
            known.entry(count).or_default().insert(number);
        }
    }
    let of = |(count, there): (u64, BTreeSet<u64>)| {
        (1..=count)
            .filter(move |number| !there.contains(number))
            .map(move |number| format!("shard {number} of {count} is missing"))
    };
    known.into_iter().flat_map(of).collect()
}

/// Copies a file that a row names. Names that lead out of the folder are refused.
fn copy(from: &Path, file: &Path, to: &Path) -> Result<()> {
    if !file
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        bail!(
            "{} names a file outside of its folder: {}",
            shown(from),
            shown(file)
        );
    }
    let (from, to) = (from.join(file), to.join(file));
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", shown(folder)))?;
    }
    let copied = std::fs::copy(&from, &to);
    copied
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", shown(&from), shown(&to)))
}

fn lines(table: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(table);
    let text = text.with_context(|| format!("cannot read {}", shown(table)))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn is_failed(row: &str) -> bool {
    serde_json::from_str::<Kept>(row).is_ok_and(|kept| kept.error.is_some())
}

fn write_lines<'a>(path: &Path, lines: impl Iterator<Item = &'a str>) -> Result<()> {
    write_whole(Destination::of_a_run(path, Hurry::No), |file| {
        for line in lines {
            writeln!(file, "{line}").map_err(|error| error.to_string())?;
        }
        Ok(())
    })
    .map_err(anyhow::Error::new)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", shown(path)))
        }
        _ => Ok(()),
    }
}

/// The first thing in which two differ: "method: grad-cam there, layer-cam here".
fn different(there: &Value, here: &Value) -> String {
    let (Value::Object(there), Value::Object(here)) = (there, here) else {
        return format!("{} there, {} here", short(there), short(here));
    };
    let names = there.keys().chain(here.keys());
    let differs = |name: &&String| there.get(*name) != here.get(*name);
    let Some(name) = names.into_iter().find(differs) else {
        return "in nothing".to_owned();
    };
    let value =
        |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or(Value::Null);
    match (value(there), value(here)) {
        (there @ Value::Object(_), here @ Value::Object(_)) => {
            format!("{name}.{}", different(&there, &here))
        }
        (there, here) => format!("{name}: {} there, {} here", short(&there), short(&here)),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}

#[cfg(test)]
mod tests;
