//! The worker: one named thread that owns torch and answers the interface's wishes.
//!
//! The newest wish wins. Between wishes the thread prepares images ahead, one at a time, so that a
//! wish waits for one image at most. Files are read on other threads, so that one that does not
//! answer holds up nothing else. The model is loaded on this thread and dropped on it; only plain
//! data leaves it.

pub mod cache;
mod desk;
pub mod drawer;
mod files;
mod readers;
pub mod scoring;
pub mod seen;
pub mod studio;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::dataset::ImageId;
use crate::dataset::score::Score;
use crate::dataset::truth::known::TrueClasses;
use crate::explain::Prediction;
use crate::explain::methods::Watch;
use crate::job::{About, Folder, Job, Outcome, Reply, Request, Scored};
use crate::model::LayerSummary;
use crate::picture::layers::Heat;
use desk::Desk;
use drawer::{Artist, Drawn, Order};
pub use files::{Decoded, ReadImage, read_patiently};
pub use readers::{Prepared, READER_NAME};
use scoring::Scoring;

/// So long the end of the program waits for the job in hand.
const LAST_JOB: Duration = Duration::from_secs(5);

/// Name of the worker's thread: a panic on it is a reply, not the end of the program.
pub const THREAD_NAME: &str = "worker";

/// Everything the worker can do with a loaded model. [`studio::Studio`] does it with torch.
pub trait Explain {
    /// What is known before any image is looked at.
    fn about(&self) -> About;
    /// All layers of the model.
    fn layers(&mut self) -> Result<Arc<[LayerSummary]>, String>;
    /// How image files are read, on other threads.
    fn reader(&self) -> ReadImage;
    /// Whether an image is kept, so that its file is not needed.
    fn keeps(&self, image: ImageId) -> bool;
    /// Predictions of an image that is kept or has been read, best first; prepares all that a picture
    /// of it needs.
    fn predict(
        &mut self,
        image: ImageId,
        read: Option<Decoded>,
    ) -> Result<Arc<[Prediction]>, String>;
    /// The wanted picture; nothing when the watch has called it off.
    fn show(&mut self, request: &Request, watch: &mut dyn Watch)
    -> Result<Option<Outcome>, String>;
    /// The heatmap of the class of this rank, as a layer of the picture that was shown; nothing where
    /// it has none, or takes long.
    fn ahead(&mut self, request: &Request, rank: usize) -> Result<Option<Arc<Heat>>, String>;
    /// Writes the wanted picture of an image that has been read, at its full size; returns the file.
    fn save(&mut self, request: &Request, folder: &Path, read: Decoded) -> Result<PathBuf, String>;
    /// Draws pictures of an image that has been read; nothing when the watch has called it off.
    fn draw(&mut self, order: &Order, watch: &mut dyn Watch) -> Result<Option<Vec<Drawn>>, String>;
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
    orders: Sender<Order>,
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
        let (orders, ordered) = unbounded();
        let (reply_sender, replies) = unbounded();
        let thread = Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
            match fenced(load) {
                Ok(engine) => Desk::new(engine, job_receiver, ordered, reply_sender).work(),
                Err(reason) => {
                    drop(ordered);
                    // The interface may be gone already; then nobody needs the reason.
                    drop(reply_sender.send(Reply::Unavailable(reason)));
                    // The channels stay open until it goes; there is nothing to do until then.
                    job_receiver.iter().for_each(drop);
                }
            }
        })?;
        Ok(Self {
            jobs: Some(jobs),
            orders,
            replies,
            thread: Some(thread),
        })
    }

    /// For another thread that wants pictures of images, which it reads in this way.
    #[must_use]
    pub fn artist(&self, read: ReadImage) -> Artist {
        Artist {
            orders: self.orders.clone(),
            read,
        }
    }

    /// Hands a job over; never blocks. Nothing happens when the worker has ended.
    pub fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            tracing::warn!("the worker has ended; a job was dropped");
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
            tracing::warn!("the worker is stuck and is left behind");
        } else if thread.join().is_err() {
            tracing::error!("the worker ended by a panic");
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

#[cfg(test)]
mod tests;
