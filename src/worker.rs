//! The worker: one named thread that owns torch and answers the interface's wishes.
//!
//! The newest wish wins. Between wishes the thread prepares images ahead, one at a time, so that a
//! wish waits for one image at most. The model is loaded on this thread and dropped on it; only
//! plain data leaves it.

pub mod cache;
pub mod studio;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use crate::explain::Prediction;
use crate::job::{ImageRef, Job, Outcome, Reply, Request};
use crate::model::ModelSummary;

/// Name of the worker's thread: a panic on it is a reply, not the end of the program.
pub const THREAD_NAME: &str = "worker";

/// Everything the worker can do with a loaded model. [`studio::Studio`] does it with torch.
pub trait Explain {
    /// Predictions of the image, best first; prepares all that a picture of it needs.
    fn predict(&mut self, image: &ImageRef) -> Result<Arc<[Prediction]>, String>;
    /// The wanted picture.
    fn show(&mut self, request: &Request) -> Result<Outcome, String>;
    /// Writes the wanted picture at the image's full size; returns the file.
    fn save(&mut self, request: &Request, folder: &Path) -> Result<PathBuf, String>;
}

/// The running thread. Dropping it closes the channel and waits for the job in hand.
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
        F: FnOnce() -> Result<(E, ModelSummary), String> + Send + 'static,
    {
        let (jobs, job_receiver) = unbounded();
        let (reply_sender, replies) = unbounded();
        let thread = Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
            match fenced(load) {
                Ok((engine, summary)) => {
                    if reply_sender.send(Reply::Ready(summary)).is_ok() {
                        Desk {
                            engine,
                            jobs: job_receiver,
                            replies: reply_sender,
                            ahead: VecDeque::new(),
                        }
                        .work();
                    }
                }
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
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
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
struct Desk<E> {
    engine: E,
    jobs: Receiver<Job>,
    replies: Sender<Reply>,
    /// Images to prepare when there is nothing else to do.
    ahead: VecDeque<ImageRef>,
}

/// The interface has gone away.
struct Gone;

impl<E: Explain> Desk<E> {
    fn work(mut self) {
        while let Some(job) = self.next_job() {
            let done = match job {
                Job::Show(request) => self.show(request),
                Job::Save { request, folder } => {
                    let result = fenced(|| self.engine.save(&request, &folder));
                    self.reply(Reply::Saved(result))
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
            match self.jobs.try_recv() {
                Ok(job) => return Some(self.newest(job)),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let Some(image) = self.ahead.pop_front() else {
                return self.jobs.recv().ok().map(|job| self.newest(job));
            };
            self.prepare(&image).ok()?;
        }
    }

    /// Skips pictures that are no longer wanted. Files to save are never skipped.
    fn newest(&mut self, first: Job) -> Job {
        let mut job = first;
        while matches!(job, Job::Show(_)) {
            match self.jobs.try_recv() {
                Ok(newer) => job = newer,
                Err(_) => break,
            }
        }
        job
    }

    fn show(&mut self, mut request: Request) -> Result<(), Gone> {
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
        let result = fenced(|| self.engine.show(&request));
        self.reply(Reply::Done {
            generation,
            image,
            result,
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

    fn reply(&self, reply: Reply) -> Result<(), Gone> {
        self.replies.send(reply).map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
