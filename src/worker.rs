//! The worker: one named thread that owns torch and answers the interface's wishes.
//!
//! The newest wish wins. Between wishes the thread prepares images ahead, one at a time, so that a
//! wish waits for one image at most. The model is loaded on this thread and dropped on it; only
//! plain data leaves it.

pub mod cache;
mod readers;
pub mod scoring;
pub mod studio;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, never, select, unbounded};

use crate::dataset::score::Score;
use crate::dataset::truth::known::TrueClasses;
use crate::explain::methods::Watch;
use crate::explain::{ExplainError, Prediction};
use crate::job::{About, Folder, Form, Generation, ImageRef, Job, Outcome, Reply, Request, Scored};
use crate::model::LayerSummary;
use crate::picture::layers::Heat;
pub use readers::{Prepared, READER_NAME};
use scoring::Scoring;

/// So long the end of the program waits for the job in hand.
const LAST_JOB: Duration = Duration::from_secs(5);
/// Scores are told together with those of so long: each telling may draw the list again.
const TELL: Duration = Duration::from_millis(300);

/// Name of the worker's thread: a panic on it is a reply, not the end of the program.
pub const THREAD_NAME: &str = "worker";

/// Everything the worker can do with a loaded model. [`studio::Studio`] does it with torch.
pub trait Explain {
    /// What is known before any image is looked at.
    fn about(&self) -> About;
    /// All layers of the model.
    fn layers(&mut self) -> Result<Arc<[LayerSummary]>, String>;
    /// Predictions of the image, best first; prepares all that a picture of it needs.
    fn predict(&mut self, image: &ImageRef) -> Result<Arc<[Prediction]>, String>;
    /// The wanted picture; nothing when the watch has called it off.
    fn show(&mut self, request: &Request, watch: &mut dyn Watch)
    -> Result<Option<Outcome>, String>;
    /// The heatmap of the class of this rank, as a layer of the picture that was shown; nothing where
    /// it has none, or takes long.
    fn ahead(&mut self, request: &Request, rank: usize) -> Result<Option<Arc<Heat>>, String>;
    /// Writes the wanted picture at the image's full size; returns the file.
    fn save(&mut self, request: &Request, folder: &Path) -> Result<PathBuf, String>;
    /// What is known of a folder, as it comes from the thread that looks it up.
    type Known: Send;
    /// Looks up on another thread what is known of the images of a folder.
    fn look_up(&mut self, folder: Folder) -> Result<Receiver<Self::Known>, String>;
    /// Takes in what is known, and starts what reads images to score.
    fn open(&mut self, known: Self::Known) -> Result<Opened, String>;
    /// Scores images of one size, each with a score or a sentence on why there is none, and keeps
    /// the scores for the next time. Nothing when `stop` has called it off.
    fn score(
        &mut self,
        batch: &[Prepared],
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Score, String>>>, String>;
}

/// A folder of which is known what there is to know.
pub struct Opened {
    pub scoring: Scoring,
    /// Scores from before.
    pub scores: Vec<Scored>,
    pub truth: Arc<TrueClasses>,
    /// What is wrong with the ground truth.
    pub warning: Option<String>,
}

/// The running thread. Dropping it closes the channel and waits for the job in hand, but not for ever.
pub struct Worker {
    jobs: Option<Sender<Job>>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. `load` runs on it; its result is the first reply.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<E, F>(load: F) -> std::io::Result<Self>
    where
        E: Explain,
        F: FnOnce() -> Result<E, String> + Send + 'static,
    {
        let (jobs, job_receiver) = unbounded();
        let (reply_sender, replies) = unbounded();
        let thread = Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
            match fenced(load) {
                Ok(engine) => Desk {
                    engine,
                    jobs: job_receiver,
                    waiting: VecDeque::new(),
                    replies: reply_sender,
                    ahead: VecDeque::new(),
                    classes: None,
                    layers_told: false,
                    known: never(),
                    scoring: None,
                    scored: Vec::new(),
                    told: Instant::now(),
                }
                .work(),
                Err(reason) => {
                    // The interface may be gone already; then nobody needs the reason.
                    drop(reply_sender.send(Reply::Unavailable(reason)));
                    // The channels stay open until it goes; there is nothing to do until then.
                    job_receiver.iter().for_each(drop);
                }
            }
        })?;
        Ok(Self {
            jobs: Some(jobs),
            replies,
            thread: Some(thread),
        })
    }

    /// Hands a job over; never blocks. Nothing happens when the worker has ended.
    pub fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            log::warn!("the worker has ended; a job was dropped");
        }
    }

    pub fn replies(&self) -> &Receiver<Reply> {
        &self.replies
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The thread ends when the channel closes; joining first would wait for ever.
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A file on a network that does not answer must not keep the program from ending.
        let since = Instant::now();
        while !thread.is_finished() && since.elapsed() < LAST_JOB {
            std::thread::sleep(Duration::from_millis(2));
        }
        if !thread.is_finished() {
            log::warn!("the worker is stuck and is left behind");
        } else if thread.join().is_err() {
            log::error!("the worker ended by a panic");
        }
    }
}

/// Runs `work`, and turns a panic into an error: tch's operators panic where torch reports one.
fn fenced<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let first = text.lines().next().unwrap_or(text);
        Err(format!("internal error, please report it: {first}"))
    })
}

/// The thread's own side.
struct Desk<E: Explain> {
    engine: E,
    jobs: Receiver<Job>,
    /// Jobs that came while another one was in hand.
    waiting: VecDeque<Job>,
    replies: Sender<Reply>,
    /// Images to prepare when there is nothing else to do.
    ahead: VecDeque<ImageRef>,
    /// The picture that was shown last, and the ranks of classes whose layers it may need next.
    classes: Option<(Request, RangeInclusive<usize>)>,
    layers_told: bool,
    /// What is being looked up.
    known: Receiver<E::Known>,
    scoring: Option<Scoring>,
    /// Scores that the interface has not been told.
    scored: Vec<Scored>,
    /// When it was told last.
    told: Instant,
}

/// Scores of a batch; nothing when a job has come meanwhile.
fn scores_of<E: Explain>(
    batch: &[Prepared],
    engine: &mut E,
    jobs: &Receiver<Job>,
) -> Option<Vec<Result<Score, String>>> {
    let mut score = |batch: &[Prepared]| fenced(|| engine.score(batch, &|| !jobs.is_empty()));
    match score(batch) {
        Ok(scores) => scores,
        Err(reason) if batch.len() == 1 => Some(vec![Err(reason)]),
        // One image that the network cannot take must not cost the others their score.
        Err(_) => {
            let images = batch.iter().map(std::slice::from_ref);
            let alone = images.map(|image| match score(image) {
                Ok(scores) => scores?.pop(),
                Err(reason) => Some(Err(reason)),
            });
            alone.collect()
        }
    }
}

/// The interface has gone away.
struct Gone;

/// Whether the picture before this job is no longer wanted.
fn supersedes(job: &Job) -> bool {
    matches!(job, Job::Stop | Job::Show(_))
}

/// The interface, waiting for one picture: hears how far it is, and may call it off.
struct Waiting<'a> {
    generation: Generation,
    jobs: &'a Receiver<Job>,
    kept: &'a mut VecDeque<Job>,
    replies: &'a Sender<Reply>,
}

impl Watch for Waiting<'_> {
    fn step(&mut self, done: usize, total: usize) -> Result<(), ExplainError> {
        self.kept.extend(self.jobs.try_iter());
        let gone = self
            .replies
            .send(Reply::Progress {
                generation: self.generation,
                done,
                total,
            })
            .is_err();
        if gone || self.kept.iter().any(supersedes) {
            return Err(ExplainError::CalledOff);
        }
        Ok(())
    }
}

impl<E: Explain> Desk<E> {
    fn work(mut self) {
        let about = self.engine.about();
        if self.reply(Reply::Ready(about)).is_err() {
            return;
        }
        while let Some(job) = self.next_job() {
            let done = match job {
                Job::Show(request) => self.show(request),
                Job::Save { request, folder } => {
                    let result = fenced(|| self.engine.save(&request, &folder));
                    self.reply(Reply::Saved(result))
                }
                // There is nothing in hand any more.
                Job::Stop => Ok(()),
                Job::Open(folder) => {
                    match fenced(|| self.engine.look_up(folder)) {
                        Ok(known) => self.known = known,
                        Err(reason) => log::error!("the folder: {reason}"),
                    }
                    Ok(())
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// The next job; prepares images ahead while there is none. `None`: the interface has gone.
    fn next_job(&mut self) -> Option<Job> {
        loop {
            let closed = loop {
                match self.jobs.try_recv() {
                    Ok(job) => self.waiting.push_back(job),
                    Err(reason) => break reason == TryRecvError::Disconnected,
                }
            };
            if let Some(job) = self.waiting.pop_front() {
                match job {
                    // A picture that is no longer wanted. Files to save are never skipped.
                    Job::Show(Request { generation, .. })
                        if self.waiting.iter().any(supersedes) =>
                    {
                        self.reply(Reply::Stopped { generation }).ok()?;
                    }
                    job => return Some(job),
                }
            } else if closed {
                return None;
            } else if let Ok(known) = self.known.try_recv() {
                self.open(known).ok()?;
            } else if !self.layers_told {
                self.tell_layers().ok()?;
            } else if let Some(rank) = self.classes.as_mut().and_then(|(_, ranks)| ranks.next()) {
                self.class_ahead(rank).ok()?;
            } else if let Some(image) = self.ahead.pop_front() {
                self.prepare(&image).ok()?;
            } else if self
                .scoring
                .as_ref()
                .is_some_and(|scoring| !scoring.is_done())
            {
                self.go_on_scoring().ok()?;
            } else {
                select! {
                    recv(self.jobs) -> job => self.waiting.push_back(job.ok()?),
                    recv(self.known) -> known => match known {
                        Ok(known) => self.open(known).ok()?,
                        Err(_) => self.known = never(),
                    },
                }
            }
        }
    }

    /// The table of layers takes a pass through the network; the first picture comes before it.
    fn tell_layers(&mut self) -> Result<(), Gone> {
        self.layers_told = true;
        match fenced(|| self.engine.layers()) {
            Ok(layers) => self.reply(Reply::Layers(layers)),
            Err(reason) => {
                log::error!("the table of layers: {reason}");
                self.reply(Reply::Layers(Arc::from([])))
            }
        }
    }

    /// Makes the layer of a class that may be wanted next.
    fn class_ahead(&mut self, rank: usize) -> Result<(), Gone> {
        let Some((request, _)) = &self.classes else {
            return Ok(());
        };
        match fenced(|| self.engine.ahead(request, rank)) {
            Ok(Some(heat)) => self.reply(Reply::Ahead {
                generation: request.generation,
                heat,
            }),
            Ok(None) => Ok(()),
            Err(reason) => {
                // Whoever wants that class will hear why.
                log::info!("the class of rank {rank}: {reason}");
                Ok(())
            }
        }
    }

    fn show(&mut self, mut request: Request) -> Result<(), Gone> {
        self.classes = None;
        self.ahead = std::mem::take(&mut request.prepare).into();
        let (generation, image) = (request.generation, request.image.id);
        let predictions = match fenced(|| self.engine.predict(&request.image)) {
            Ok(predictions) => predictions,
            Err(reason) => {
                return self.reply(Reply::Done {
                    generation,
                    image,
                    result: Err(reason),
                });
            }
        };
        self.reply(Reply::Predicted { image, predictions })?;
        let mut watch = Waiting {
            generation,
            jobs: &self.jobs,
            kept: &mut self.waiting,
            replies: &self.replies,
        };
        let engine = &mut self.engine;
        let result = fenced(|| engine.show(&request, &mut watch)).transpose();
        if matches!(result, Some(Ok(_))) && matches!(request.form, Form::Layers { .. }) {
            self.classes = Some((request, 1..=studio::TOP));
        }
        self.reply(match result {
            None => Reply::Stopped { generation },
            Some(result) => Reply::Done {
                generation,
                image,
                result,
            },
        })
    }

    fn prepare(&mut self, image: &ImageRef) -> Result<(), Gone> {
        let reply = match fenced(|| self.engine.predict(image)) {
            Ok(predictions) => Reply::Predicted {
                image: image.id,
                predictions,
            },
            Err(reason) => Reply::Unreadable {
                image: image.id,
                reason,
            },
        };
        self.reply(reply)
    }

    /// Says what is known of the folder, and begins to score it.
    fn open(&mut self, known: E::Known) -> Result<(), Gone> {
        self.known = never();
        match fenced(|| self.engine.open(known)) {
            Ok(Opened {
                scoring,
                scores,
                truth,
                warning,
            }) => {
                self.scoring = Some(scoring);
                self.scored = scores;
                self.reply(Reply::Truth { truth, warning })?;
                self.tell_scores()
            }
            Err(reason) => {
                log::error!("the folder: {reason}");
                Ok(())
            }
        }
    }

    /// Scores the next batch, or waits for an image to be read or for a job.
    fn go_on_scoring(&mut self) -> Result<(), Gone> {
        let Some(scoring) = &mut self.scoring else {
            return Ok(());
        };
        if let Some(batch) = scoring.batch() {
            let scores = scores_of(&batch, &mut self.engine, &self.jobs);
            let Some(scores) = scores else {
                scoring.put_back(batch);
                return Ok(());
            };
            scoring.count(batch.len(), Instant::now());
            let images = batch.iter().map(|prepared| prepared.image);
            self.scored.extend(images.zip(scores));
        } else {
            select! {
                recv(self.jobs) -> job => self.waiting.push_back(job.map_err(|_| Gone)?),
                recv(scoring.read()) -> read => {
                    let read = read.map_err(|_| Gone)?;
                    let unreadable = scoring.take(read, Instant::now());
                    self.scored.extend(unreadable.map(|(image, reason)| (image, Err(reason))));
                }
            }
        }
        if scoring.is_done() || self.told.elapsed() >= TELL {
            self.tell_scores()?;
        }
        Ok(())
    }

    fn tell_scores(&mut self) -> Result<(), Gone> {
        let Some(scoring) = &self.scoring else {
            return Ok(());
        };
        self.told = Instant::now();
        let progress = scoring.progress(self.told);
        let scores = std::mem::take(&mut self.scored);
        self.reply(Reply::Scored { scores, progress })
    }

    fn reply(&self, reply: Reply) -> Result<(), Gone> {
        self.replies.send(reply).map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
