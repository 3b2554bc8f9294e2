//! Exporter: writes the queue as a table, as a page or as pictures, on a thread of its own: each file
//! is asked for its size and time, and pictures are drawn by the worker when it has nothing else to do.

mod drawn;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::event::ExportReply;
use super::review::Said;
use super::state::State;
use crate::dataset::export::{Format, Record, Table, is_odd, write};
use crate::dataset::keys::Keys;
use crate::dataset::score::Score;
use crate::dataset::store::ModelFacts;
use crate::dataset::{ImageEntry, ImageId};
use crate::file::{Destination, Existing, WriteError};
use crate::text::{count, visible};
use crate::worker::drawer::Artist;
use crate::worker::studio::facts;
use drawn::{Overlays, Page};

/// So long the end of the program waits for an export that is called off.
const LAST_WORD: Duration = Duration::from_secs(5);

/// What the thread works with beside the queue.
pub(super) struct Tools<'a> {
    /// There when all images have been found.
    pub(super) keys: Option<&'a Arc<Keys>>,
    pub(super) artist: Artist,
    /// What is reviewed, in words.
    pub(super) title: &'a str,
    /// Hears how far it is, and what has become of it.
    pub(super) told: &'a Sender<ExportReply>,
}

/// An export under way. Dropping it calls it off and waits for its end, but not for ever, so that
/// nothing half written stays behind.
pub(super) struct Export {
    /// Closed when it is called off.
    goes_on: Option<Sender<Infallible>>,
    thread: JoinHandle<()>,
}

impl Export {
    pub(super) fn call_off(&mut self) {
        self.goes_on = None;
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.call_off();
        let since = Instant::now();
        while !self.thread.is_finished() && since.elapsed() < LAST_WORD {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What is known of an image, without what the disk says.
struct Line {
    image: ImageEntry,
    score: Option<Score>,
    unreadable: Option<Arc<str>>,
    truth: Arc<[u32]>,
    said: Option<Said>,
}

/// What is written.
enum Form {
    Table(Format),
    Page(Box<Page>),
    Overlays(Overlays),
}

/// All that the thread needs.
struct Task {
    lines: Vec<Line>,
    model: Option<ModelFacts>,
    keys: Arc<Keys>,
    form: Form,
    path: PathBuf,
    artist: Artist,
    called_off: Receiver<Infallible>,
    told: Sender<ExportReply>,
}

/// Why nothing, or not all, was written.
enum Failure {
    CalledOff,
    /// In a sentence.
    Because(String),
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::CalledOff(_) => Self::CalledOff,
            WriteError::Exists(_) => Self::Because(format!("{error}; give another name")),
            WriteError::Unwritable { .. } => Self::Because(error.to_string()),
        }
    }
}

/// What a name asks for, by its ending.
///
/// # Errors
/// A sentence, where the ending is of nothing that is written, or nothing can be drawn yet.
fn form_of(name: &str, state: &State, title: &str) -> Result<Form, String> {
    let ending = Path::new(name)
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    let is_ready = state.summary().is_some();
    let unready = "the model is not loaded, and pictures are drawn by it".to_owned();
    match ending.as_deref() {
        _ if name.ends_with('/') && is_ready => Ok(Form::Overlays(Overlays::of(state))),
        Some("html" | "htm") if is_ready => Ok(Form::Page(Box::new(Page::of(state, title)))),
        _ if name.ends_with('/') => Err(unready),
        Some("html" | "htm") => Err(unready),
        Some("csv") => Ok(Form::Table(Format::Csv)),
        Some("jsonl" | "ndjson") => Ok(Form::Table(Format::JsonLines)),
        Some("parquet") => Ok(Form::Table(Format::Parquet)),
        _ => Err(
            "the ending says what is written: .csv, .jsonl or .parquet a table, .html a page, and / a folder of pictures"
                .to_owned(),
        ),
    }
}

/// Begins to write the queue into a file that is not there yet, or into a folder.
///
/// # Errors
/// A sentence, when it cannot begin.
pub(super) fn export(state: &State, tools: Tools<'_>, name: &str) -> Result<Export, String> {
    let path = state.out.join(name);
    let form = form_of(name, state, tools.title)?;
    if !matches!(form, Form::Overlays(_)) && path.symlink_metadata().is_ok_and(|is| is.is_file()) {
        // Said before the work, not after it.
        let name = visible(&path.to_string_lossy());
        return Err(format!("{name} is there already; give another name"));
    }
    let keys = Arc::clone(tools.keys.ok_or("not all images have been found yet")?);
    let model = state
        .summary()
        .map(|summary| facts(summary, state.labels.to_vec()));
    let lines: Vec<Line> = state.queue.iter().map(|id| line(state, *id)).collect();
    let (goes_on, called_off) = bounded(0);
    let task = Task {
        lines,
        model,
        keys,
        form,
        path,
        artist: tools.artist,
        called_off,
        told: tools.told.clone(),
    };
    let thread = Builder::new()
        .name("export".to_owned())
        .spawn(move || task.work());
    let thread = thread.map_err(|error| format!("no thread to write with: {error}"))?;
    Ok(Export {
        goes_on: Some(goes_on),
        thread,
    })
}

fn line(state: &State, id: ImageId) -> Line {
    let reason = state.unreadable.get(&id);
    Line {
        image: state.image(id).clone(),
        score: state.score(id).copied(),
        unreadable: reason.map(|reason| Arc::from(reason.as_str())),
        truth: Arc::from(state.truth.of(id)),
        said: state.review.said.get(&id).cloned(),
    }
}

impl Line {
    /// Asks the disk for size and time.
    fn record(self, keys: &Keys) -> Record {
        Record {
            score: self.score,
            unreadable: self.unreadable,
            truth: self.truth,
            said: self.said.map(|said| (said.review, said.stamp)),
            ..Record::new(&self.image, keys)
        }
    }
}

impl Task {
    /// Writes, and says what became of it.
    fn work(self) {
        let told = self.told.clone();
        let words = self.written().unwrap_or_else(|failure| match failure {
            Failure::CalledOff => "the export was called off".to_owned(),
            Failure::Because(reason) => reason,
        });
        // The interface may be gone.
        drop(told.send(ExportReply::Ended(words)));
    }

    fn written(self) -> Result<String, Failure> {
        let has_odd_paths = self.lines.iter().any(|line| is_odd(&line.image.path));
        let Self {
            lines,
            model,
            keys,
            form,
            path,
            artist,
            called_off,
            told,
        } = self;
        let table = Table {
            model: model.as_ref(),
            has_odd_paths,
        };
        let is_called_off = || called_off.try_recv() == Err(TryRecvError::Disconnected);
        let file = Destination::new(&path, Existing::Kept).unless(&is_called_off);
        let images: Vec<ImageId> = lines.iter().map(|line| line.image.id).collect();
        let records = lines.into_iter().map(|line| line.record(&keys));
        let studio = drawn::Studio {
            artist,
            images,
            called_off: &called_off,
            told: &told,
        };
        match form {
            Form::Table(format) => {
                let images = write(records, &table, format, file)?;
                Ok(format!(
                    "{} written to {}",
                    count(images, "image"),
                    shown(&path)
                ))
            }
            Form::Page(page) => {
                let records: Vec<Record> = records.collect();
                page.write(&records, &table, file, &studio)
            }
            Form::Overlays(overlays) => {
                let records: Vec<Record> = records.collect();
                overlays.write(&records, &path, &studio)
            }
        }
    }
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

#[cfg(test)]
mod tests;
