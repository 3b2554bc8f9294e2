//! Exporter: writes the queue as a table on a thread of its own, since each file is asked for its
//! size and time.

use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::Sender;

use super::review::Said;
use super::state::State;
use crate::dataset::ImageEntry;
use crate::dataset::export::{Existing, Format, Record, Table, is_odd, write};
use crate::dataset::keys::Keys;
use crate::dataset::score::Score;
use crate::dataset::store::ModelFacts;
use crate::text::{count, visible};
use crate::worker::studio::facts;

/// What is known of an image, without what the disk says.
struct Line {
    image: ImageEntry,
    score: Option<Score>,
    unreadable: Option<Arc<str>>,
    truth: Arc<[u32]>,
    said: Option<Said>,
}

/// Which table a file is to be, by its ending.
///
/// # Errors
/// A sentence, where the ending is of none.
fn format_of(file: &Path) -> Result<Format, String> {
    let ending = file
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(
            "the ending says what is written: .csv, .jsonl or .parquet; `gradcam export` also makes pictures and a page"
                .to_owned(),
        ),
    }
}

/// Writes the queue into a file that is not there yet. What became of it, in words, goes to `done`.
///
/// # Errors
/// A sentence, when it cannot begin.
pub(super) fn export(
    state: &State,
    keys: Option<&Arc<Keys>>,
    file: &str,
    done: &Sender<String>,
) -> Result<(), String> {
    let file = state.out.join(file);
    let format = format_of(&file)?;
    let keys = Arc::clone(keys.ok_or("not all images have been found yet")?);
    let model = state
        .summary()
        .map(|summary| facts(summary, state.labels.to_vec()));
    let line = |id: &crate::dataset::ImageId| Line {
        image: state.image(*id).clone(),
        score: state.score(*id).copied(),
        unreadable: state
            .unreadable
            .get(id)
            .map(|reason| Arc::from(reason.as_str())),
        truth: Arc::from(state.truth.of(*id)),
        said: state.review.said.get(id).cloned(),
    };
    let lines: Vec<Line> = state.queue.iter().map(line).collect();
    let done = done.clone();
    let work = move || {
        // The interface may be gone.
        drop(done.send(written(lines, model.as_ref(), &keys, format, &file)));
    };
    let thread = Builder::new().name("export".to_owned()).spawn(work);
    thread
        .map(drop)
        .map_err(|error| format!("no thread to write with: {error}"))
}

/// Writes, and says what became of it.
fn written(
    lines: Vec<Line>,
    model: Option<&ModelFacts>,
    keys: &Keys,
    format: Format,
    file: &Path,
) -> String {
    let table = Table {
        model,
        has_odd_paths: lines.iter().any(|line| is_odd(&line.image.path)),
    };
    let records = lines.into_iter().map(|line| Record {
        score: line.score,
        unreadable: line.unreadable,
        truth: line.truth,
        said: line.said.map(|said| (said.review, said.stamp)),
        ..Record::new(&line.image, keys)
    });
    match write(records, &table, format, file, Existing::Kept) {
        Ok(images) => {
            let file = visible(&file.to_string_lossy());
            format!("{} written to {file}", count(images, "image"))
        }
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::update::tests::Desk;
    use crate::dataset::store::Place;
    use crate::geometry::CellSize;

    #[test]
    fn the_queue_is_written_once_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::ready(&["a.png", "b.png", "owl.png"], CellSize::new(80, 24));
        desk.state.out = folder.path().to_owned();
        desk.press("fowl<Enter>w");
        let place = Place::new(
            &[folder.path().to_owned()],
            Some(Path::new("x.sqlite")),
            None,
        );
        let keys = Arc::new(Keys::new(place.unwrap(), &desk.state.images));
        let (sender, done) = crossbeam_channel::unbounded();
        let export = |file: &str| -> Result<String, String> {
            export(&desk.state, Some(&keys), file, &sender)?;
            Ok(done.recv().unwrap())
        };
        let words = export("review.csv").unwrap();
        assert!(words.starts_with("1 image written to "), "{words}");
        let text = std::fs::read_to_string(folder.path().join("review.csv")).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("owl.png") && text.contains("wrong"), "{text}");
        assert!(export("review.csv").unwrap().contains("is there already"));
        assert!(export("review.parquet").unwrap().contains("1 image"));
        assert!(export("review.txt").unwrap_err().contains(".parquet"));
    }
}
