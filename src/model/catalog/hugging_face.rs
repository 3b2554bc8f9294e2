//! Repositories of the Hugging Face hub, in the cache that Python's `huggingface_hub` has.
//!
//! ```text
//! models--OWNER--NAME/blobs/ETAG                    the content of a file
//! models--OWNER--NAME/snapshots/COMMIT/FILE         a link to it: ../../blobs/ETAG
//! models--OWNER--NAME/refs/main                     the commit that the branch was at
//! models--OWNER--NAME/.no_exist/COMMIT/FILE         empty: the commit has no such file
//! ```
//!
//! A snapshot is a folder that opens as a model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body};

use super::download::{self, DownloadError, Progress, Proof, Wanted, download};
use super::hub::Hub;
use crate::text::visible;

/// Where repositories are by their name.
const HUB: &str = "https://huggingface.co";
const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Weights that Python may have put into the cache; they are not downloaded.
const PICKLE: &str = "pytorch_model.bin";
/// Files of JSON beyond this are no configuration.
const MOST_JSON: u64 = 64 << 20;
/// Files beyond this are no weights of a classifier: 256 GiB.
const MOST_WEIGHTS: u64 = 256 << 30;
const REDIRECTS: usize = 5;

/// The name of a repository, checked: it is safe as part of a path and of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository(String);

/// What the hub says of a file.
struct About {
    /// The commit that the branch is at.
    commit: String,
    /// Names the content.
    etag: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Repository {
    /// `OWNER/NAME`, or a name alone, as the hub's oldest models have it. `None`: it cannot be one.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_part = |part: &str| {
            part.len() <= 96
                && is_plain(part)
                && !part.starts_with('-')
                && !part.ends_with(['-', '.'])
                && !part.contains("--")
                && !part.contains("..")
        };
        let parts: Vec<&str> = text.split('/').collect();
        (parts.len() <= 2 && parts.into_iter().all(is_part)).then(|| Self(text.to_owned()))
    }

    /// The repository that a snapshot in the cache belongs to: a folder
    /// `models--OWNER--NAME/snapshots/COMMIT`.
    pub(super) fn of_snapshot(folder: &Path) -> Option<Self> {
        let mut names = folder.components().rev().map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let (commit, snapshots, repository) = (names.next()??, names.next()??, names.next()??);
        let name = repository.strip_prefix("models--")?.replace("--", "/");
        (is_commit(commit) && snapshots == "snapshots").then(|| Self::new(&name))?
    }

    pub(super) fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("models--{}", self.0.replace('/', "--")))
    }

    /// The snapshot of the branch, where it has all that a model needs.
    pub(super) fn cached(&self, cache: &Path) -> Option<PathBuf> {
        let folder = self.folder(cache);
        let commit = std::fs::read_to_string(folder.join("refs/main")).ok()?;
        let commit = commit.trim();
        let snapshot = folder.join("snapshots").join(commit);
        let has = |file: &str| snapshot.join(file).is_file();
        let weights = || {
            has(WEIGHTS)
                || has(PICKLE)
                || shards(&snapshot.join(INDEX))
                    .is_ok_and(|files| files.iter().all(|file| has(file)))
        };
        (is_commit(commit) && has(CONFIG) && weights()).then_some(snapshot)
    }

    /// Downloads what a model needs, and returns the snapshot. The branch is noted when all is there.
    pub(super) fn bring(
        &self,
        hub: &Hub,
        cache: &Path,
        agent: &Agent,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, DownloadError> {
        let home = hub.address(&format!("{HUB}/{self}"));
        let branch = format!("{home}/resolve/main/{CONFIG}");
        let about = ask(agent, &branch)?;
        let about = about.ok_or_else(|| download::refused(&branch, StatusCode::NOT_FOUND))?;
        // All files are of this commit, even if the branch moves meanwhile.
        let mut snapshot = Snapshot {
            home,
            folder: self.folder(cache),
            commit: about.commit,
            agent,
            report,
        };
        snapshot.require(CONFIG)?;
        snapshot.bring(PREPROCESSOR)?;
        if !snapshot.bring(WEIGHTS)? {
            snapshot.bring_shards()?;
        }
        write_aside(&snapshot.folder.join("refs/main"), &snapshot.commit)?;
        Ok(snapshot.folder.join("snapshots").join(snapshot.commit))
    }
}

/// A commit of a repository on its way into the cache.
struct Snapshot<'a> {
    /// Address of the repository.
    home: String,
    /// The repository in the cache.
    folder: PathBuf,
    commit: String,
    agent: &'a Agent,
    report: &'a mut dyn FnMut(Progress<'_>),
}

impl Snapshot<'_> {
    fn url(&self, file: &str) -> String {
        format!("{}/resolve/{}/{file}", self.home, self.commit)
    }

    fn place(&self, file: &str) -> PathBuf {
        self.folder.join("snapshots").join(&self.commit).join(file)
    }

    /// Downloads a file unless it is there. Returns whether the commit has it.
    fn bring(&mut self, file: &str) -> Result<bool, DownloadError> {
        let link = self.place(file);
        if link.is_file() {
            return Ok(true);
        }
        let url = self.url(file);
        let Some(about) = ask(self.agent, &url)? else {
            // So that Python does not ask again.
            let note = self.folder.join(".no_exist").join(&self.commit).join(file);
            make_parent(&note)?;
            std::fs::write(&note, "").map_err(|error| download::write_error(&note, &error))?;
            return Ok(false);
        };
        let blob = self.folder.join("blobs").join(&about.etag);
        if !blob.is_file() {
            self.download(file, &url, &about, &blob)?;
        }
        make_parent(&link)?;
        // A link whose content was removed is put right.
        if link.is_symlink() {
            std::fs::remove_file(&link).map_err(|error| download::write_error(&link, &error))?;
        }
        std::os::unix::fs::symlink(Path::new("../../blobs").join(&about.etag), &link)
            .map_err(|error| download::write_error(&link, &error))?;
        Ok(true)
    }

    fn require(&mut self, file: &str) -> Result<(), DownloadError> {
        if self.bring(file)? {
            Ok(())
        } else {
            Err(download::refused(&self.url(file), StatusCode::NOT_FOUND))
        }
    }

    fn bring_shards(&mut self) -> Result<(), DownloadError> {
        if !self.bring(INDEX)? {
            return Err(DownloadError::Unreachable {
                url: visible(&self.home),
                reason: format!("the repository has neither {WEIGHTS} nor {INDEX}"),
            });
        }
        let files = shards(&self.place(INDEX));
        for file in files.map_err(|reason| download::strange(&self.url(INDEX), &reason))? {
            self.require(&file)?;
        }
        Ok(())
    }

    fn download(
        &mut self,
        file: &str,
        url: &str,
        about: &About,
        blob: &Path,
    ) -> Result<(), DownloadError> {
        let is_json = has_ending(file, "json");
        if about.bytes > if is_json { MOST_JSON } else { MOST_WEIGHTS } {
            let reason = format!("its size would be {}", download::size(about.bytes));
            return Err(download::strange(url, &reason));
        }
        // The hub names large files by their SHA-256. The others are named by Git's hash, which is
        // not looked at: they are read as JSON, and their size is known.
        let is_hash = about.etag.len() == 64 && is_hexadecimal(&about.etag);
        let wanted = Wanted {
            url,
            target: blob,
            proof: if is_hash {
                Proof::Sha256(&about.etag)
            } else {
                Proof::Length
            },
            most: about.bytes,
        };
        let report = &mut *self.report;
        download(self.agent, &wanted, &mut |progress| {
            report(Progress { file, ..progress });
        })
    }
}

/// What the hub says of a file; `None` where it has no such file.
///
/// Redirects inside the hub (a repository that was renamed) are followed; those to where the content
/// lies are not, because it is the hub that knows commit, name and size.
fn ask(agent: &Agent, url: &str) -> Result<Option<About>, DownloadError> {
    let mut address = url.to_owned();
    for _ in 0..=REDIRECTS {
        let response = download::ask(agent, &address)?;
        let (status, headers) = (response.status(), response.headers());
        match (status, moved(&address, headers)) {
            (status, Some(inside)) if status.is_redirection() => address = inside,
            (StatusCode::NOT_FOUND, _) => return Ok(None),
            (status, _) if status.is_success() || status.is_redirection() => {
                return about(&response)
                    .map(Some)
                    .map_err(|lack| download::strange(url, lack));
            }
            _ => return Err(download::refused(url, status)),
        }
    }
    Err(download::strange(url, "it is redirected without end"))
}

/// Where a redirect leads, if that is on the same host.
fn moved(address: &str, headers: &HeaderMap) -> Option<String> {
    let path = text(headers, header::LOCATION.as_str())?;
    if !path.starts_with('/') || path.starts_with("//") {
        return None;
    }
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split('/').next()?;
    Some(format!("{scheme}://{host}{path}"))
}

/// Headers as `huggingface_hub.get_hf_file_metadata` reads them.
fn about(response: &ureq::http::Response<Body>) -> Result<About, &'static str> {
    let headers = response.headers();
    let commit = text(headers, "x-repo-commit").filter(|commit| is_commit(commit));
    let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
    let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
    let bytes = text(headers, "x-linked-size").or_else(|| {
        let length = text(headers, header::CONTENT_LENGTH.as_str());
        length.filter(|_| response.status().is_success())
    });
    Ok(About {
        commit: commit.ok_or("its answer names no commit")?.to_owned(),
        etag: etag
            .filter(|etag| etag.len() <= 128 && is_plain(etag))
            .ok_or("its answer has no ETag that can name a file")?
            .to_owned(),
        bytes: bytes
            .and_then(|bytes| bytes.parse().ok())
            .ok_or("its answer has no size")?,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The files that an index of shards names. They lie beside it, so no name may lead elsewhere.
fn shards(index: &Path) -> Result<BTreeSet<String>, String> {
    let text = std::fs::read_to_string(index).map_err(|error| error.to_string())?;
    let index: Index = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    let is_shard = |file: &String| is_plain(file) && has_ending(file, "safetensors");
    match files.iter().find(|file| !is_shard(file)) {
        Some(file) => Err(format!("the index names the shard {file:?}")),
        None if files.is_empty() => Err("the index names no shard".to_owned()),
        None => Ok(files),
    }
}

fn has_ending(file: &str, ending: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|found| found == ending)
}

/// Whether it is the name of a file in the same folder, and a visible one.
fn is_plain(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hexadecimal(text)
}

fn make_parent(path: &Path) -> Result<(), DownloadError> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    std::fs::create_dir_all(folder).map_err(|error| download::write_error(folder, &error))
}

/// Whoever reads the file meanwhile sees the old text or the new one.
fn write_aside(path: &Path, text: &str) -> Result<(), DownloadError> {
    make_parent(path)?;
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&aside, text)
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|error| download::write_error(path, &error))
}

#[cfg(test)]
mod tests;
