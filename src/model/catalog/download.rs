//! Download: a file from an address, resumed, checked, and only then put where it is looked for.
//!
//! The bytes go into `NAME.partial` beside the file. A download that was cut goes on from there by an
//! HTTP range (RFC 9110, section 14); what the name or the server says of the content decides in the
//! end. Nothing is printed: whoever calls is told of the progress.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use super::hub::Patience;
use crate::text::visible;

/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes of the whole file, where the server tells.
    pub total: Option<u64>,
}

/// What a file is known by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof<'a> {
    /// Its SHA-256 begins with these hexadecimal digits.
    Sha256(&'a str),
    /// It has as many bytes as [`Wanted::most`].
    Length,
}

/// A file to be downloaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub url: &'a str,
    pub target: &'a Path,
    pub proof: Proof<'a>,
    /// Bytes that the file has at most; a server that sends more is not listened to.
    pub most: u64,
}

/// Why a file was not downloaded. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("{url} cannot be downloaded: the server answers {status}{advice}")]
    Status {
        url: String,
        status: StatusCode,
        advice: &'static str,
    },
    #[error("{url} cannot be downloaded: {reason}")]
    Unreachable { url: String, reason: String },
    #[error(
        "the download of {url} stopped after {done} of {total}: {reason}; the same command goes on from there"
    )]
    Cut {
        url: String,
        done: String,
        total: String,
        reason: String,
    },
    #[error(
        "{url} is not the file that it should be: its SHA-256 begins with {found}, not with {expected}; \
         nothing was kept, so the same command begins anew"
    )]
    Hash {
        url: String,
        found: String,
        expected: String,
    },
    #[error("{url} has {found}, but {expected} were announced; nothing was kept")]
    Length {
        url: String,
        found: String,
        expected: String,
    },
    #[error(
        "{url} cannot be downloaded: {reason}, which is not what the hub does; is GRADCAM_HUB or a proxy wrong?"
    )]
    Strange { url: String, reason: String },
    #[error("cannot write {file}: {reason}")]
    Write { file: String, reason: String },
    #[error("{file} is being downloaded by another program; wait for it")]
    Busy { file: String },
}

/// The client for all requests of one download.
///
/// Proxies are those of `https_proxy`, `http_proxy` and `no_proxy`, but a server on this machine is
/// asked without one.
pub(super) fn agent(patience: Patience, mirror: Option<&str>) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .user_agent(concat!("gradcam/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .http_status_as_error(false)
        .max_redirects(5)
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence));
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_local = mirror.is_some_and(|mirror| local.iter().any(|host| mirror.starts_with(host)));
    let config = if is_local { config.proxy(None) } else { config };
    config.build().into()
}

/// Downloads a file, or the rest of it. Where it is already, nothing is done.
pub(super) fn download(
    agent: &Agent,
    wanted: &Wanted<'_>,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<(), DownloadError> {
    let mut partial = Partial::open(wanted)?;
    if wanted.target.exists() {
        return partial.remove();
    }
    loop {
        let resumed = match receive(agent, wanted, &mut partial, report) {
            Ok(resumed) => resumed,
            Err(error) => {
                partial.remove_if_empty()?;
                return Err(error);
            }
        };
        match partial.check(wanted) {
            Ok(()) => return partial.keep(wanted.target),
            // The first part was of another file, or of an earlier version of it.
            Err(_) if resumed => partial.clear()?,
            Err(error) => {
                partial.remove()?;
                return Err(error);
            }
        }
    }
}

/// Adds to the partial file what it lacks. Returns whether it had a part that was gone on from.
fn receive(
    agent: &Agent,
    wanted: &Wanted<'_>,
    partial: &mut Partial,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<bool, DownloadError> {
    let start = partial.length;
    let mut request = agent.get(wanted.url);
    if start > 0 {
        request = request.header(header::RANGE, format!("bytes={start}-"));
    }
    let silence = agent.config().timeout_per_read();
    let response = request
        .call()
        .map_err(|error| unreachable(wanted.url, error, agent))?;
    match response.status() {
        StatusCode::OK => partial.clear()?,
        StatusCode::PARTIAL_CONTENT if first_byte(&response) == Some(start) => {}
        StatusCode::PARTIAL_CONTENT => {
            return Err(strange(
                wanted.url,
                "it sent another part than was asked for",
            ));
        }
        // There is nothing after the part that is here.
        StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => return Ok(true),
        status => return Err(refused(wanted.url, status)),
    }
    let resumed = partial.length > 0;
    let body = response.into_body();
    let total = body.content_length().map(|rest| partial.length + rest);
    let name = wanted.target.file_name().map(|name| name.to_string_lossy());
    let name = visible(&name.unwrap_or_default());
    let mut reader = body.into_reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        report(Progress {
            file: &name,
            done: partial.length,
            total,
        });
        let reason = match reader.read(&mut chunk) {
            Ok(0) if total.is_none_or(|total| partial.length >= total) => return Ok(resumed),
            Ok(0) => "the connection was cut".to_owned(),
            Ok(count) if partial.length + count as u64 > wanted.most => {
                partial.clear()?;
                return Err(DownloadError::Length {
                    url: visible(wanted.url),
                    found: format!("more than {}", size(wanted.most)),
                    expected: size(wanted.most),
                });
            }
            Ok(count) => {
                partial.append(chunk.get(..count).unwrap_or_default())?;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => in_words(&error.into(), silence),
        };
        partial.flush()?;
        return Err(DownloadError::Cut {
            url: visible(wanted.url),
            done: size(partial.length),
            total: total.map_or_else(|| "an unknown size".to_owned(), size),
            reason,
        });
    }
}

/// What the headers of a file say, without its content; redirects are not followed.
pub(super) fn ask(agent: &Agent, url: &str) -> Result<Response<Body>, DownloadError> {
    let request = agent.head(url).config().max_redirects(0);
    request
        .max_redirects_will_error(false)
        .build()
        .call()
        .map_err(|error| unreachable(url, error, agent))
}

/// The file with the bytes that have come, and their hash.
struct Partial {
    file: File,
    path: PathBuf,
    length: u64,
    hash: Sha256,
}

impl Partial {
    /// Opens `NAME.partial` for this program alone, and reads what an earlier one has left there.
    fn open(wanted: &Wanted<'_>) -> Result<Self, DownloadError> {
        let mut name = wanted.target.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let folder = wanted.target.parent().unwrap_or_else(|| Path::new(""));
        std::fs::create_dir_all(folder).map_err(|error| write_error(folder, &error))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| write_error(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let file = visible(&wanted.target.display().to_string());
                return Err(DownloadError::Busy { file });
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{} has no lock: {error}", path.display());
            }
        }
        let mut partial = Self {
            file,
            path,
            length: 0,
            hash: Sha256::new(),
        };
        partial.read_again(wanted.most)?;
        Ok(partial)
    }

    fn read_again(&mut self, most: u64) -> Result<(), DownloadError> {
        let metadata = self.file.metadata();
        let length = metadata.map_err(|error| self.error(&error))?.len();
        if length > most {
            return self.clear();
        }
        let read = io::copy(&mut (&self.file).take(length), &mut self.hash);
        self.length = read.map_err(|error| self.error(&error))?;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file
            .write_all(bytes)
            .map_err(|error| self.error(&error))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> Result<(), DownloadError> {
        if self.length > 0
            || self
                .file
                .metadata()
                .is_ok_and(|metadata| metadata.len() > 0)
        {
            self.file
                .set_len(0)
                .and_then(|()| self.file.seek(SeekFrom::Start(0)))
                .map_err(|error| self.error(&error))?;
        }
        (self.length, self.hash) = (0, Sha256::new());
        Ok(())
    }

    fn flush(&self) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(|error| self.error(&error))
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<(), DownloadError> {
        match wanted.proof {
            Proof::Sha256(expected) => {
                let hash = format!("{:x}", self.hash.clone().finalize());
                if hash.starts_with(expected) {
                    return Ok(());
                }
                Err(DownloadError::Hash {
                    url: visible(wanted.url),
                    found: hash.chars().take(expected.len()).collect(),
                    expected: expected.to_owned(),
                })
            }
            Proof::Length if self.length == wanted.most => Ok(()),
            Proof::Length => Err(DownloadError::Length {
                url: visible(wanted.url),
                found: size(self.length),
                expected: size(wanted.most),
            }),
        }
    }

    /// Makes it the file that it is a part of. The content is on the disk before the name is.
    fn keep(self, target: &Path) -> Result<(), DownloadError> {
        self.flush()?;
        std::fs::rename(&self.path, target).map_err(|error| write_error(target, &error))?;
        let folder = target.parent().map(File::open);
        folder
            .map_or(Ok(()), |folder| folder.and_then(|folder| folder.sync_all()))
            .map_err(|error| write_error(target, &error))
    }

    fn remove(&self) -> Result<(), DownloadError> {
        std::fs::remove_file(&self.path).map_err(|error| self.error(&error))
    }

    fn remove_if_empty(&self) -> Result<(), DownloadError> {
        if self.length == 0 {
            self.remove()
        } else {
            Ok(())
        }
    }

    fn error(&self, error: &io::Error) -> DownloadError {
        write_error(&self.path, error)
    }
}

/// The first byte of the part that was sent: `Content-Range: bytes 100-199/200`.
fn first_byte(response: &Response<Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.parse().ok()
}

/// An answer that is no file.
pub(super) fn refused(url: &str, status: StatusCode) -> DownloadError {
    let advice = match status {
        StatusCode::NOT_FOUND => "; there is no such file",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; it is not open to everyone, or there is no such file: download it with Python and your \
             account, and gradcam finds it in the cache"
        }
        StatusCode::TOO_MANY_REQUESTS => "; wait some minutes",
        status if status.is_server_error() => "; try again later",
        _ => "",
    };
    DownloadError::Status {
        url: visible(url),
        status,
        advice,
    }
}

pub(super) fn strange(url: &str, reason: &str) -> DownloadError {
    DownloadError::Strange {
        url: visible(url),
        reason: visible(reason),
    }
}

fn unreachable(url: &str, error: ureq::Error, agent: &Agent) -> DownloadError {
    DownloadError::Unreachable {
        url: visible(url),
        reason: match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                let timeouts = agent.config().timeouts();
                format!("no connection{}", within(timeouts.connect))
            }
            other => in_words(&other, agent.config().timeout_per_read()),
        },
    }
}

fn in_words(error: &ureq::Error, silence: Option<Duration>) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no byte came{}", within(silence)),
        ureq::Error::HostNotFound => "the host is not found; is there a network?".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            "it is no address of the web; GRADCAM_HUB must begin with http:// or https://"
                .to_owned()
        }
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => "the connection was cut".to_owned(),
            io::ErrorKind::ConnectionRefused => "the server refuses the connection".to_owned(),
            _ => visible(&error.to_string()),
        },
        other => visible(&other.to_string()),
    }
}

/// " within 10 s".
fn within(limit: Option<Duration>) -> String {
    limit.map_or_else(String::new, |limit| {
        format!(" within {} s", limit.as_secs_f32())
    })
}

pub(super) fn write_error(path: &Path, error: &io::Error) -> DownloadError {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; make room, and the same command goes on".to_owned()
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "it may not be written there; TORCH_HOME or HF_HOME names another folder".to_owned()
        }
        _ => visible(&error.to_string()),
    };
    DownloadError::Write {
        file: visible(&path.display().to_string()),
        reason,
    }
}

/// "97.8 MiB", "12 bytes".
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        crate::text::count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte")
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
