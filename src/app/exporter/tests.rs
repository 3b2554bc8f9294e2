use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::app::state::Exporting;
use crate::app::update::tests::Desk;
use crate::dataset::store::Place;
use crate::geometry::CellSize;
use crate::worker::studio::{Studio, read_image};
use crate::worker::{ReadImage, Worker};

/// An interface whose worker has no model, and a folder to write into.
struct Office {
    folder: tempfile::TempDir,
    desk: Desk,
    keys: Arc<Keys>,
    worker: Worker,
    read: ReadImage,
    told: (Sender<ExportReply>, Receiver<ExportReply>),
}

impl Office {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::ready(&["a.png", "b.png", "owl.png"], CellSize::new(80, 24));
        desk.state.out = folder.path().to_owned();
        let file = Some(Path::new("x.sqlite"));
        let place = Place::new(&[folder.path().to_owned()], file, None);
        let keys = Arc::new(Keys::new(place.unwrap(), &desk.state.images));
        let worker = Worker::start(|| Err::<Studio, _>("no model".to_owned())).unwrap();
        Self {
            folder,
            desk,
            keys,
            worker,
            read: read_image(),
            told: crossbeam_channel::unbounded(),
        }
    }

    fn begin(&self, name: &str) -> Result<Export, String> {
        let tools = Tools {
            keys: Some(&self.keys),
            artist: self.worker.artist(Arc::clone(&self.read)),
            title: "birds",
            told: &self.told.0,
        };
        export(&self.desk.state, tools, name)
    }

    fn heard(&self) -> ExportReply {
        self.told.1.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// What becomes of it in the end.
    fn export(&self, name: &str) -> Result<String, String> {
        let _under_way = self.begin(name)?;
        loop {
            if let ExportReply::Ended(words) = self.heard() {
                return Ok(words);
            }
        }
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn the_queue_is_written_once_and_nothing_is_overwritten() {
    let mut office = Office::new();
    office.desk.press("fowl<Enter>w");
    let words = office.export("review.csv").unwrap();
    assert!(words.starts_with("1 image written to "), "{words}");
    let text = std::fs::read_to_string(office.folder.path().join("review.csv")).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("owl.png") && text.contains("wrong"), "{text}");
    let again = office.export("review.csv").unwrap_err();
    assert!(
        again.contains("is there already; give another name"),
        "{again}"
    );
    assert!(office.export("review.parquet").unwrap().contains("1 image"));
    let odd = office.export("review.txt").unwrap_err();
    assert!(odd.contains(".parquet") && odd.contains(".html"), "{odd}");
}

#[test]
fn images_that_cannot_be_drawn_are_said_and_the_page_is_written() {
    let office = Office::new();
    let words = office.export("review.html").unwrap();
    assert!(words.starts_with("3 images written to "), "{words}");
    assert!(
        words.contains("3 without a picture, first a.png"),
        "{words}"
    );
    let words = office.export("overlays/").unwrap();
    assert!(words.starts_with("0 overlays of 3 images"), "{words}");
    assert_eq!(office.files(), ["overlays", "review.html"]);
}

#[test]
fn a_file_that_does_not_answer_is_named_and_an_export_that_is_called_off_leaves_nothing() {
    let mut office = Office::new();
    let is_stuck = Arc::new(AtomicBool::new(true));
    let theirs = Arc::clone(&is_stuck);
    office.read = Arc::new(move |_: &Path| {
        while theirs.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("it was stuck".to_owned())
    });
    let mut export = office.begin("review.html").unwrap();
    let far = Exporting {
        done: 0,
        total: 3,
        slow: None,
    };
    assert_eq!(office.heard(), ExportReply::Goes(far));
    let slow = ExportReply::Goes(Exporting {
        slow: Some((ImageId(0), 2)),
        ..far
    });
    assert_eq!(office.heard(), slow);
    export.call_off();
    let ended = ExportReply::Ended("the export was called off".to_owned());
    let words = std::iter::repeat_with(|| office.heard());
    let last = words
        .into_iter()
        .find(|word| matches!(word, ExportReply::Ended(_)));
    assert_eq!(last, Some(ended));
    assert_eq!(office.files(), [""; 0]);
    // So does one that is under way when the program ends.
    let export = office.begin("overlays.html").unwrap();
    drop(export);
    assert_eq!(office.files(), [""; 0]);
    is_stuck.store(false, Ordering::Relaxed);
}
