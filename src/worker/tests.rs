use std::sync::atomic::{AtomicBool, Ordering};

use image::RgbImage;

use super::*;
use crate::dataset::export::Record;
use crate::dataset::keys::Keys;
use crate::dataset::store::Place;
use crate::dataset::{ImageEntry, ImageId};
use crate::explain::options::Options;
use crate::geometry::PixelSize;
use crate::job::{Form, Generation, ImageRef, Target};
use crate::model::ModelSummary;
use crate::model::precision::Precision;
use crate::picture::Style;
use crate::worker::drawer::{Drawer, Kind, Refusal};
use crate::worker::scoring::Pace;

/// The explanation of this image takes many steps, each with a leave of its own.
const SLOW: ImageId = ImageId(21);

/// An engine that says what it was asked, and waits for leave before each image.
struct Scripted {
    asked: Sender<String>,
    leave: Receiver<()>,
    /// Whether the file "stuck.png" does not answer.
    stuck: Arc<AtomicBool>,
}

impl Explain for Scripted {
    fn about(&self) -> About {
        About {
            summary: summary(),
            labels: Arc::from([]),
        }
    }

    fn layers(&mut self) -> Result<Arc<[LayerSummary]>, String> {
        Ok(Arc::from([]))
    }

    fn reader(&self) -> ReadImage {
        let stuck = Arc::clone(&self.stuck);
        Arc::new(move |path| {
            while path == Path::new("stuck.png") && stuck.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(RgbImage::new(1, 1))
        })
    }

    fn keeps(&self, _: ImageId) -> bool {
        false
    }

    fn predict(
        &mut self,
        image: ImageId,
        read: Option<Decoded>,
    ) -> Result<Arc<[Prediction]>, String> {
        assert!(read.is_some(), "no file was read");
        self.asked.send(format!("predict {}", image.0)).unwrap();
        self.leave.recv().map_err(|_| "no leave".to_owned())?;
        match image.0 {
            13 => panic!("thirteen"),
            14 => Err("14.png: not an image".to_owned()),
            _ => Ok(Arc::from([])),
        }
    }

    fn show(
        &mut self,
        request: &Request,
        watch: &mut dyn Watch,
    ) -> Result<Option<Outcome>, String> {
        self.asked
            .send(format!("show {}", request.image.id.0))
            .unwrap();
        if request.image.id == SLOW {
            for done in 0.. {
                self.leave.recv().map_err(|_| "no leave".to_owned())?;
                if watch.step(done, 1000).is_err() {
                    return Ok(None);
                }
            }
        }
        Err("no picture in this test".to_owned())
    }

    fn ahead(&mut self, _: &Request, rank: usize) -> Result<Option<Arc<Heat>>, String> {
        self.asked.send(format!("rank {rank}")).unwrap();
        Ok(None)
    }

    type Known = Folder;

    fn look_up(&mut self, folder: Folder) -> Result<Receiver<Folder>, String> {
        let (sender, known) = unbounded();
        sender.send(folder).unwrap();
        Ok(known)
    }

    fn open(&mut self, folder: Folder) -> Result<Opened, String> {
        let pace = Pace {
            batch: 2,
            ahead: 2,
            readers: 1,
            patience: scoring::tests::PATIENCE,
        };
        let mut scoring = Scoring::start(&scoring::tests::recipe(), pace).unwrap();
        scoring.add(folder.images.iter().map(|image| ImageRef {
            id: image.id,
            path: Arc::clone(&image.path),
        }));
        let known = Score::new(&[], 0.0, 7.0);
        Ok(Opened {
            scoring,
            scores: vec![(ImageId(99), Ok(known))],
            truth: Arc::default(),
            warning: None,
        })
    }

    /// Asks for leave, and then whether to stop.
    fn score(
        &mut self,
        batch: &[Prepared],
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Score, String>>>, String> {
        let numbers: Vec<usize> = batch.iter().map(|image| image.image.0).collect();
        self.asked.send(format!("score {numbers:?}")).unwrap();
        self.leave.recv().map_err(|_| "no leave".to_owned())?;
        if stop() {
            return Ok(None);
        }
        if numbers.contains(&2) {
            return Err("not the second".to_owned());
        }
        let score = |number: &usize| Ok(Score::new(&[], 0.0, *number as f32));
        Ok(Some(numbers.iter().map(score).collect()))
    }

    fn save(&mut self, request: &Request, folder: &Path, _: Decoded) -> Result<PathBuf, String> {
        self.asked
            .send(format!("save {}", request.image.id.0))
            .unwrap();
        Ok(folder.join("x.png"))
    }

    /// Asks for leave for each step, of which there are two.
    fn draw(&mut self, order: &Order, watch: &mut dyn Watch) -> Result<Option<Vec<Drawn>>, String> {
        self.asked
            .send(format!("draw {}", order.record.name))
            .unwrap();
        for done in 0..2 {
            self.leave.recv().map_err(|_| "no leave".to_owned())?;
            if watch.step(done, 2).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(Vec::new()))
    }
}

/// The next message; a worker that stays silent fails the test instead of hanging it.
fn heard<T>(channel: &Receiver<T>) -> T {
    channel.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn summary() -> ModelSummary {
    ModelSummary {
        name: "scripted".to_owned(),
        family: "none".to_owned(),
        classes: 0,
        fingerprint: String::new(),
        layer: "layer4".to_owned(),
        recipe: String::new(),
        recipe_source: None,
        device: "cpu".to_owned(),
        precision: Precision::F32,
        device_note: None,
        guesses: vec![],
    }
}

fn start() -> (Worker, Receiver<String>, Sender<()>) {
    let (worker, hears, leave, _) = start_with(false);
    (worker, hears, leave)
}

fn start_with(stuck: bool) -> (Worker, Receiver<String>, Sender<()>, Arc<AtomicBool>) {
    let (asked, hears) = unbounded();
    let (leave_sender, leave) = unbounded();
    let stuck = Arc::new(AtomicBool::new(stuck));
    let engine = Scripted {
        asked,
        leave,
        stuck: Arc::clone(&stuck),
    };
    let worker = Worker::start(move || Ok(engine)).unwrap();
    assert!(matches!(heard(worker.replies()), Reply::Ready(..)));
    assert!(matches!(heard(worker.replies()), Reply::Layers(_)));
    (worker, hears, leave_sender, stuck)
}

fn image(id: usize) -> ImageRef {
    ImageRef {
        id: ImageId(id),
        path: Arc::from(Path::new("x.png")),
    }
}

fn request(id: usize, prepare: &[usize]) -> Request {
    Request {
        generation: Generation(id as u64),
        image: image(id),
        target: Target::Rank(1),
        options: Options::default(),
        beside: None,
        style: Style::default(),
        picture_size: PixelSize::new(8, 8),
        part: None,
        form: Form::Pixels,
        prepare: prepare.iter().copied().map(image).collect(),
    }
}

#[test]
fn predictions_come_before_the_picture() {
    let (worker, _hears, leave) = start();
    leave.send(()).unwrap();
    worker.send(Job::Show(request(1, &[])));
    assert!(matches!(
        heard(worker.replies()),
        Reply::Predicted {
            image: ImageId(1),
            ..
        }
    ));
    let done = heard(worker.replies());
    assert!(matches!(
        done,
        Reply::Done {
            generation: Generation(1),
            result: Err(_),
            ..
        }
    ));
}

#[test]
fn the_newest_wish_wins_and_nothing_to_save_is_lost() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(1, &[5, 6])));
    assert_eq!(heard(&hears), "predict 1");
    worker.send(Job::Show(request(2, &[])));
    worker.send(Job::Save {
        request: request(3, &[]),
        folder: PathBuf::from("out"),
    });
    worker.send(Job::Show(request(4, &[])));
    for _ in 0..4 {
        leave.send(()).unwrap();
    }
    let all: Vec<_> = (0..4).map(|_| heard(&hears)).collect();
    assert_eq!(all, ["show 1", "save 3", "predict 4", "show 4"]);
}

#[test]
fn a_picture_is_shown_although_a_file_is_saved_after_it() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(1, &[])));
    assert_eq!(heard(&hears), "predict 1");
    worker.send(Job::Show(request(2, &[])));
    worker.send(Job::Save {
        request: request(2, &[]),
        folder: PathBuf::from("out"),
    });
    for _ in 0..2 {
        leave.send(()).unwrap();
    }
    let all: Vec<_> = (0..4).map(|_| heard(&hears)).collect();
    assert_eq!(all, ["show 1", "predict 2", "show 2", "save 2"]);
}

#[test]
fn a_picture_that_is_called_off_before_its_turn_is_answered() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(1, &[])));
    assert_eq!(heard(&hears), "predict 1");
    worker.send(Job::Show(request(2, &[])));
    worker.send(Job::Stop);
    leave.send(()).unwrap();
    let stopped = worker.replies().iter().take(3).last();
    assert!(
        matches!(
            stopped,
            Some(Reply::Stopped {
                generation: Generation(2)
            })
        ),
        "{stopped:?}"
    );
}

#[test]
fn images_are_prepared_ahead_until_a_new_wish_comes() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(1, &[2, 3, 4])));
    leave.send(()).unwrap();
    let all: Vec<_> = (0..3).map(|_| heard(&hears)).collect();
    assert_eq!(all, ["predict 1", "show 1", "predict 2"]);
    worker.send(Job::Show(request(9, &[])));
    leave.send(()).unwrap();
    assert_eq!(heard(&hears), "predict 9");
}

#[test]
fn a_panic_in_one_image_is_a_reply_and_the_next_image_works() {
    let (worker, _hears, leave) = start();
    for _ in 0..2 {
        leave.send(()).unwrap();
    }
    worker.send(Job::Show(request(13, &[])));
    let Reply::Done {
        result: Err(reason),
        ..
    } = heard(worker.replies())
    else {
        panic!("the reply should be an error");
    };
    assert_eq!(reason, "internal error, please report it: thirteen");
    worker.send(Job::Show(request(1, &[])));
    assert!(matches!(
        heard(worker.replies()),
        Reply::Predicted {
            image: ImageId(1),
            ..
        }
    ));
}

#[test]
fn an_image_prepared_ahead_that_cannot_be_read_says_why() {
    let (worker, _hears, leave) = start();
    for _ in 0..2 {
        leave.send(()).unwrap();
    }
    worker.send(Job::Show(request(1, &[14])));
    let replies: Vec<_> = (0..3).map(|_| heard(worker.replies())).collect();
    let Reply::Unreadable {
        image: ImageId(14),
        reason,
    } = &replies[2]
    else {
        panic!("expected the reason, got {replies:?}");
    };
    assert_eq!(reason, "14.png: not an image");
}

#[test]
fn a_model_that_cannot_be_loaded_is_a_reply_and_dropping_the_worker_ends_it() {
    let worker = Worker::start(|| Err::<Scripted, _>("x.pth: empty".to_owned())).unwrap();
    assert!(
        matches!(heard(worker.replies()), Reply::Unavailable(reason) if reason == "x.pth: empty")
    );
    worker.send(Job::Show(request(1, &[])));
    drop(worker);
}

#[test]
fn a_slow_explanation_says_how_far_it_is_and_is_called_off_within_a_step() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(SLOW.0, &[])));
    leave.send(()).unwrap();
    assert_eq!(heard(&hears), "predict 21");
    assert!(matches!(heard(worker.replies()), Reply::Predicted { .. }));
    leave.send(()).unwrap();
    let first = heard(worker.replies());
    assert!(
        matches!(
            first,
            Reply::Progress {
                generation: Generation(21),
                done: 0,
                total: 1000
            }
        ),
        "{first:?}"
    );
    // A file to save waits its turn and calls nothing off.
    worker.send(Job::Save {
        request: request(3, &[]),
        folder: PathBuf::from("out"),
    });
    leave.send(()).unwrap();
    assert!(matches!(
        heard(worker.replies()),
        Reply::Progress { done: 1, .. }
    ));
    worker.send(Job::Stop);
    leave.send(()).unwrap();
    assert!(matches!(
        heard(worker.replies()),
        Reply::Progress { done: 2, .. }
    ));
    assert!(matches!(
        heard(worker.replies()),
        Reply::Stopped {
            generation: Generation(21)
        }
    ));
    assert!(matches!(heard(worker.replies()), Reply::Saved(Ok(_))));
}

#[test]
fn dropping_the_worker_while_it_is_busy_waits_for_the_job_in_hand() {
    let (worker, hears, leave) = start();
    worker.send(Job::Show(request(1, &[2, 3])));
    assert_eq!(heard(&hears), "predict 1");
    drop(leave);
    drop(worker);
    assert!(hears.try_iter().all(|heard| !heard.starts_with("save")));
}

/// Files of images with these numbers, and one that is none.
fn files(folder: &tempfile::TempDir, numbers: &[usize]) -> Folder {
    let images: Vec<ImageEntry> = numbers
        .iter()
        .map(|&number| {
            let path = folder.path().join(format!("{number}.png"));
            if number == 5 {
                std::fs::write(&path, "no image").unwrap();
            } else {
                image::RgbImage::new(4, 4).save(&path).unwrap();
            }
            ImageEntry {
                id: ImageId(number),
                path: Arc::from(path),
                name: Arc::from("x"),
            }
        })
        .collect();
    let file = Some(Path::new("unused.sqlite"));
    let place = Place::new(&[folder.path().to_owned()], file, None).unwrap();
    let keys = Arc::new(Keys::new(place, &images));
    Folder {
        images: images.into(),
        keys,
    }
}

/// What is told of scores until all are done: the entropy, or why there is no score.
fn scored(worker: &Worker) -> Vec<(usize, Result<f32, String>)> {
    let mut all = Vec::new();
    loop {
        if let Reply::Scored { scores, progress } = heard(worker.replies()) {
            let told = scores
                .into_iter()
                .map(|(image, score)| (image.0, score.map(|score| score.entropy)));
            all.extend(told);
            if progress.done == progress.total {
                return all;
            }
        }
    }
}

#[test]
fn a_worker_that_is_stuck_does_not_hold_the_program() {
    let (worker, asked, leave) = start();
    worker.send(Job::Show(request(1, &[])));
    assert_eq!(heard(&asked), "predict 1");
    // It waits for a leave that does not come.
    let since = Instant::now();
    drop(worker);
    let waited = since.elapsed();
    assert!(waited >= LAST_JOB && waited < 2 * LAST_JOB, "{waited:?}");
    drop(leave);
}

#[test]
fn a_folder_is_scored_when_nothing_else_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, asked, leave) = start();
    worker.send(Job::Open(files(&folder, &[0, 1, 3, 5, 4])));
    assert_eq!(heard(&asked), "score [0, 1]");
    // A wish comes first, and the batch in hand is left for it.
    worker.send(Job::Show(request(8, &[])));
    leave.send(()).unwrap();
    assert_eq!(heard(&asked), "predict 8");
    leave.send(()).unwrap();
    assert_eq!(heard(&asked), "show 8");
    for batch in ["score [0, 1]", "score [3]", "score [4]"] {
        assert_eq!(heard(&asked), batch);
        leave.send(()).unwrap();
    }
    let told = scored(&worker);
    let values: Vec<_> = told
        .iter()
        .filter_map(|(image, score)| Some((*image, *score.as_ref().ok()?)))
        .collect();
    assert_eq!(values, [(99, 7.0), (0, 0.0), (1, 1.0), (3, 3.0), (4, 4.0)]);
    let reason = told.iter().find(|(image, _)| *image == 5).unwrap();
    assert!(
        reason
            .1
            .as_ref()
            .unwrap_err()
            .contains("5.png is not an image"),
        "{reason:?}"
    );
}

#[test]
fn an_image_that_the_network_does_not_take_costs_no_other_its_score() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, asked, leave) = start();
    worker.send(Job::Open(files(&folder, &[1, 2])));
    for batch in ["score [1, 2]", "score [1]", "score [2]"] {
        assert_eq!(heard(&asked), batch);
        leave.send(()).unwrap();
    }
    let told = scored(&worker);
    assert_eq!(
        told[1..],
        [(1, Ok(1.0)), (2, Err("not the second".to_owned()))]
    );
}

/// A request whose image does not answer.
fn stuck_request(id: usize) -> Request {
    let mut request = request(id, &[]);
    request.image.path = Arc::from(Path::new("stuck.png"));
    request
}

#[test]
fn a_file_that_does_not_answer_is_named_and_the_next_image_is_shown() {
    let (worker, hears, leave, stuck) = start_with(true);
    worker.send(Job::Show(stuck_request(1)));
    for least in 2..=3 {
        let reply = heard(worker.replies());
        let Reply::Slow {
            generation: Generation(1),
            image: ImageId(1),
            seconds,
        } = reply
        else {
            panic!("{reply:?}");
        };
        assert!(seconds >= least, "{seconds} s");
    }
    worker.send(Job::Stop);
    worker.send(Job::Show(request(2, &[])));
    assert!(matches!(heard(worker.replies()), Reply::Stopped { .. }));
    assert_eq!(heard(&hears), "predict 2");
    leave.send(()).unwrap();
    assert_eq!(heard(&hears), "show 2");
    // Back at it, and it answers.
    worker.send(Job::Show(stuck_request(1)));
    stuck.store(false, Ordering::Relaxed);
    assert_eq!(heard(&hears), "predict 1");
    leave.send(()).unwrap();
    assert_eq!(heard(&hears), "show 1");
}

#[test]
fn a_folder_is_scored_while_a_wanted_file_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, asked, leave, stuck) = start_with(true);
    worker.send(Job::Show(stuck_request(8)));
    worker.send(Job::Save {
        request: stuck_request(9),
        folder: PathBuf::from("out"),
    });
    worker.send(Job::Open(files(&folder, &[0, 1])));
    leave.send(()).unwrap();
    assert_eq!(heard(&asked), "score [0, 1]");
    assert_eq!(scored(&worker).len(), 3);
    // It does not hold the end of the program either.
    let since = Instant::now();
    drop(worker);
    assert!(since.elapsed() < LAST_JOB, "{:?}", since.elapsed());
    stuck.store(false, Ordering::Relaxed);
}

#[test]
fn pictures_for_others_yield_to_every_wish_and_are_drawn_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, asked, leave) = start();
    let images = files(&folder, &[0]);
    let record = Record::new(&images.images[0], &images.keys);
    let artist = worker.artist(studio::read_image());
    let (goes_on, called_off) = crossbeam_channel::bounded(0);
    let drawer = Arc::new(Drawer::new(Options::default(), Style::default()));
    let draw = move || artist.draw(&drawer, Kind::Overlays, &record, &called_off, &mut |_| ());
    let thread = Builder::new().spawn(draw.clone()).unwrap();
    assert_eq!(heard(&asked), "draw x");
    worker.send(Job::Show(request(8, &[])));
    leave.send(()).unwrap();
    assert_eq!(heard(&asked), "predict 8");
    leave.send(()).unwrap();
    assert_eq!(heard(&asked), "show 8");
    assert_eq!(heard(&asked), "draw x");
    for _ in 0..2 {
        leave.send(()).unwrap();
    }
    assert!(thread.join().unwrap().is_ok());
    // Nobody waits for a picture that is called off.
    let thread = Builder::new().spawn(draw).unwrap();
    assert_eq!(heard(&asked), "draw x");
    drop(goes_on);
    assert_eq!(thread.join().unwrap().unwrap_err(), Refusal::CalledOff);
    drop(leave);
}
