//! A page, or a folder of pictures. They show what is in force in the interface when the export
//! begins: method, layers, colors.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::{Failure, shown};
use crate::app::counted::Counted;
use crate::app::event::ExportReply;
use crate::app::state::{Exporting, State};
use crate::dataset::ImageId;
use crate::dataset::export::report::{self, PICTURES, Picture, Report};
use crate::dataset::export::{Record, Table};
use crate::file::{Destination, Existing};
use crate::picture::files::write_png;
use crate::text::count;
use crate::worker::drawer::{Artist, Drawer, Drawn, Kind, Names, Refusal};

/// Has pictures drawn, and says how far that is.
pub(super) struct Studio<'a> {
    pub(super) artist: Artist,
    /// Of the records, in their order.
    pub(super) images: Vec<ImageId>,
    pub(super) called_off: &'a Receiver<Infallible>,
    pub(super) told: &'a Sender<ExportReply>,
}

impl Studio<'_> {
    /// Pictures of the image at this place.
    fn draw(
        &self,
        drawer: &Arc<Drawer>,
        kind: Kind,
        record: &Record,
        place: usize,
        total: usize,
    ) -> Result<Vec<Drawn>, Refusal> {
        let image = self.images.get(place).copied();
        let tell = |seconds: Option<u64>| {
            // The interface may be gone.
            drop(self.told.send(ExportReply::Goes(Exporting {
                done: place,
                total,
                slow: image.zip(seconds),
            })));
        };
        tell(None);
        let mut slow = |waited: Duration| {
            if waited >= Duration::from_secs(2) {
                tell(Some(waited.as_secs()));
            }
        };
        self.artist
            .draw(drawer, kind, record, self.called_off, &mut slow)
    }
}

/// A page of the queue.
pub(super) struct Page {
    drawer: Arc<Drawer>,
    title: String,
    queue: String,
    /// What all images say, not only those of the queue.
    counted: Counted,
}

impl Page {
    pub(super) fn of(state: &State, title: &str) -> Self {
        Self {
            drawer: drawer(state),
            title: title.to_owned(),
            queue: report::queue(&state.filter, state.images.len(), state.review.order),
            counted: Counted::of(state),
        }
    }

    /// Returns what was written, in words.
    pub(super) fn write(
        &self,
        records: &[Record],
        table: &Table<'_>,
        file: Destination<'_>,
        studio: &Studio<'_>,
    ) -> Result<String, Failure> {
        let report = Report {
            title: &self.title,
            queue: &self.queue,
            table,
            summary: &self.counted.summary,
            confusion: &self.counted.confusion,
            pictures: PICTURES,
            made_at: report::now(),
        };
        let total = records.len().min(PICTURES);
        let (mut place, mut failed) = (0, Failed::default());
        let draw = |record: &Record| -> Result<Vec<Picture>, String> {
            let drawn = studio.draw(&self.drawer, Kind::Thumbnails, record, place, total);
            place += 1;
            let pictures: Result<Vec<Picture>, String> = match drawn {
                Ok(drawn) => drawn.into_iter().map(Drawn::for_page).collect(),
                // The file takes nothing more, whatever the page says of this image.
                Err(Refusal::CalledOff) => return Ok(Vec::new()),
                Err(Refusal::Failed(reason)) => Err(reason),
            };
            pictures.inspect_err(|reason| failed.add(reason))
        };
        let path = file.path;
        report::write(&report, records, draw, file)?;
        let images = count(records.len(), "image");
        Ok(failed.with(format!("{images} written to {}", shown(path))))
    }
}

/// A folder of overlays.
pub(super) struct Overlays {
    drawer: Arc<Drawer>,
    labels: Arc<[String]>,
}

impl Overlays {
    pub(super) fn of(state: &State) -> Self {
        Self {
            drawer: drawer(state),
            labels: Arc::clone(&state.labels),
        }
    }

    /// Returns what was written, in words.
    pub(super) fn write(
        &self,
        records: &[Record],
        folder: &Path,
        studio: &Studio<'_>,
    ) -> Result<String, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::Because(format!("cannot make the folder {}: {error}", shown(folder)))
        })?;
        let mut names = Names::new(&self.labels);
        let (mut written, mut failed) = (0, Failed::default());
        for (place, record) in records.iter().enumerate() {
            let stem = names.stem(&record.path);
            let drawn = studio.draw(&self.drawer, Kind::Overlays, record, place, records.len());
            let overlays = match drawn {
                Ok(overlays) => overlays,
                Err(Refusal::CalledOff) => {
                    let words = format!(
                        "the export was called off; {} written to {} before",
                        are(written),
                        shown(folder)
                    );
                    return Err(Failure::Because(words));
                }
                Err(Refusal::Failed(reason)) => {
                    failed.add(&reason);
                    continue;
                }
            };
            for overlay in overlays {
                let path = names.path(folder, &stem, &overlay.target);
                write_png(&overlay.picture, Destination::new(&path, Existing::Kept))?;
                written += 1;
            }
        }
        let words = format!(
            "{} of {} written to {}",
            count(written, "overlay"),
            count(records.len(), "image"),
            shown(folder)
        );
        Ok(failed.with(words))
    }
}

fn are(overlays: usize) -> String {
    let verb = if overlays == 1 { "is" } else { "are" };
    format!("{} {verb}", count(overlays, "overlay"))
}

/// Draws as the interface does now.
fn drawer(state: &State) -> Arc<Drawer> {
    Arc::new(Drawer::new(state.wanted_options(), state.style))
}

/// Images without pictures.
#[derive(Default)]
struct Failed {
    images: usize,
    first: Option<String>,
}

impl Failed {
    fn add(&mut self, reason: &str) {
        self.images += 1;
        self.first.get_or_insert_with(|| reason.to_owned());
    }

    fn with(self, words: String) -> String {
        match (self.images, self.first) {
            (1, Some(reason)) => format!("{words}; one without a picture: {reason}"),
            (images, Some(reason)) => {
                format!("{words}; {images} without a picture, first {reason}")
            }
            (_, None) => words,
        }
    }
}
