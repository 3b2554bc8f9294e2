//! Pipeline: many images through the network, each stage on threads of its own.
//!
//! ```text
//! readers ─► lanes ─► finishers ─► the caller
//! (decode)   (network) (draw, write)
//! ```
//!
//! A lane is a thread with a model of its own: one for each GPU, and on the processor several that
//! have a few cores each, since a network that is spread over all cores waits for the slowest at
//! every operation. Queues between the stages are bounded, so that memory is.
//!
//! Lanes run full batches: the last image of a batch that is not full is repeated. A kernel that is
//! always given as many images gives each of them the same numbers, whatever lies beside it, so a
//! run that was ended and gone on with, or that was spread over machines, gives what one run gives.

mod crew;
mod read;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, Scope, scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use crate::dataset::ImageEntry;
use crate::dataset::store::ModelFacts;
use crate::model::recipe::Recipe;
use crate::model::{LoadOptions, Model, ModelError, ModelSource, ModelSummary, device};
use crate::text::visible;
use crate::worker::studio::facts_of;
pub use crew::{Crew, Wishes};
pub use read::Ready;

/// What is to be made of each image.
pub trait Work: Sync + Send {
    /// What the network says of an image.
    type Found: Send;
    /// What is left of it for the caller.
    type Done: Send;

    /// Whether the image itself is needed after the network, or only what the network sees.
    fn keeps_photo(&self) -> bool;

    /// Runs the network on images of one size, as many as `full` or fewer; one answer for each.
    fn run(&self, model: &Model, images: &[Ready], full: usize)
    -> Vec<Result<Self::Found, String>>;

    /// Draws and writes, away from the network.
    ///
    /// # Errors
    /// One sentence.
    fn finish(&self, image: &Ready, found: Self::Found) -> Result<Self::Done, String>;
}

/// What is known of the model of all lanes. Plain data.
#[derive(Clone, Debug)]
pub struct About {
    pub summary: ModelSummary,
    /// One for each class, "class N" where its name is not known.
    pub labels: Vec<String>,
    pub facts: ModelFacts,
    pub recipe: Recipe,
}

impl About {
    #[must_use]
    pub fn of(model: &Model) -> Self {
        Self {
            summary: model.summary().clone(),
            labels: model.labels().all(model.summary().classes),
            facts: facts_of(model),
            recipe: model.recipe().clone(),
        }
    }
}

/// Which model, on what.
#[derive(Clone, Copy, Debug)]
pub struct Engine<'a> {
    pub source: &'a ModelSource,
    pub load: &'a LoadOptions,
    pub crew: &'a Crew,
    /// Set by whoever wants the run to end: what was begun is finished.
    pub stopped: &'a AtomicBool,
}

/// A file that is being read for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the stages of one run share.
struct Run<'a, W> {
    engine: Engine<'a>,
    /// Made once the model is known.
    begun: OnceLock<Begun<W>>,
    /// The place of the next image to read.
    next: AtomicUsize,
    /// Set where the caller has failed: nothing more is begun.
    is_over: AtomicBool,
    /// The places of the images that are being read, and since when.
    reading: Mutex<HashMap<usize, Instant>>,
}

/// The work, and the images that it is to be done on.
struct Begun<W> {
    work: W,
    images: Vec<ImageEntry>,
    recipe: Recipe,
}

/// An image that the network has answered for.
type Answered<F> = (Ready, Result<F, String>);

/// The place of an image, and what became of it.
type Finished<D> = (usize, Result<D, String>);

/// Loads the model, asks `begin` for the work and the images, and hands what becomes of each image
/// to `each`, with its place, in the order in which they are done. Returns whether all were done; else
/// somebody has stopped it. `stuck` hears of files that do not answer, of each once.
///
/// # Errors
/// When the model cannot be loaded, or `begin` or `each` fails.
pub fn run<W: Work>(
    engine: Engine<'_>,
    begin: impl FnOnce(&About) -> Result<(W, Vec<ImageEntry>)>,
    mut each: impl FnMut(&W, usize, &ImageEntry, Result<W::Done, String>) -> Result<()>,
    mut stuck: impl FnMut(&ImageEntry),
) -> Result<bool> {
    let run = Run {
        engine,
        begun: OnceLock::new(),
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        reading: Mutex::default(),
    };
    let Crew {
        devices,
        batch,
        readers,
        finishers,
        ..
    } = engine.crew;
    scope(|scope| {
        // Made in here, so that they end with it and all threads with them, whatever fails.
        let (ready_in, ready) = bounded(devices.len() * batch);
        let (answered_in, answered) = bounded(2 * finishers);
        let (done_in, done) = unbounded();
        let about = run.load(scope, &ready, answered_in)?;
        let (work, images) = begin(&about)?;
        let begun = run.begun.get_or_init(|| Begun {
            work,
            images,
            recipe: about.recipe,
        });
        for _ in 0..(*readers).min(begun.images.len()) {
            let (run, ready, done) = (&run, ready_in.clone(), done_in.clone());
            spawn(scope, "reader", move || run.read(begun, &ready, &done))?;
        }
        for _ in 0..(*finishers).min(begun.images.len()) {
            let (answered, done) = (answered.clone(), done_in.clone());
            spawn(scope, "finisher", move || finish(begun, &answered, &done))?;
        }
        // Each stage ends when the one before it has ended.
        drop((ready_in, ready, answered, done_in));
        let (mut count, mut asked, mut told) = (0, Instant::now(), HashSet::new());
        loop {
            match done.recv_timeout(PATIENCE) {
                Ok((place, result)) => {
                    count += 1;
                    let heard = each(&begun.work, place, &begun.images[place], result);
                    if heard.is_err() {
                        run.is_over.store(true, Ordering::Relaxed);
                        return heard.map(|()| false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if asked.elapsed() >= PATIENCE {
                asked = Instant::now();
                let silent = run.silent().into_iter();
                for place in silent.filter(|place| told.insert(*place)) {
                    stuck(&begun.images[place]);
                }
            }
        }
        Ok(count == begun.images.len())
    })
}

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() + Send + 'scope,
) -> Result<()> {
    let thread = Builder::new().name(name.to_owned());
    thread
        .spawn_scoped(scope, work)
        .map(drop)
        .context("the system gives no thread")
}

impl<'env, W: Work> Run<'env, W> {
    /// Starts the lanes; each waits for the work once it has its model.
    fn load<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        ready: &Receiver<Ready>,
        answered: Sender<Answered<W::Found>>,
    ) -> Result<About>
    where
        'env: 'scope,
    {
        let (loaded_in, loaded) = unbounded();
        for device in &self.engine.crew.devices {
            let (ready, answered, loaded) = (ready.clone(), answered.clone(), loaded_in.clone());
            let options = LoadOptions {
                device: *device,
                ..self.engine.load.clone()
            };
            spawn(scope, "lane", move || {
                self.lane(&options, loaded, &ready, &answered);
            })?;
        }
        drop((answered, loaded_in));
        let mut first = None;
        for about in loaded {
            first = Some(about?);
        }
        first.context("no model was loaded")
    }

    /// A model, and all that is ready for it.
    fn lane(
        &self,
        options: &LoadOptions,
        loaded: Sender<Result<About>>,
        ready: &Receiver<Ready>,
        answered: &Sender<Answered<W::Found>>,
    ) {
        let crew = self.engine.crew;
        device::use_threads(crew.threads);
        let model = device::use_own_stream(options.device)
            .map_err(ModelError::from)
            .and_then(|()| Model::load(self.engine.source, options));
        let model = match model {
            Ok(model) => model,
            Err(error) => return drop(loaded.send(Err(error.into()))),
        };
        if crew.expects_one {
            model.expect_one_image();
        }
        let takes_batches = crew.batch > 1 && model.takes_batches().unwrap_or(false);
        // Images of different sizes are no batch.
        let full = match model.recipe().input_size() {
            Some(_) if takes_batches => crew.batch,
            _ => 1,
        };
        if loaded.send(Ok(About::of(&model))).is_err() {
            return;
        }
        drop(loaded);
        while let Some(batch) = next_batch(ready, full) {
            // The first image is read after the work is known.
            let Some(begun) = self.begun.get() else {
                return;
            };
            let found = guarded(|| begun.work.run(&model, &batch, full));
            let found = found.unwrap_or_else(|| {
                let images = batch.iter().map(|ready| &begun.images[ready.place]);
                images.map(|image| Err(failed(image))).collect()
            });
            for answer in batch.into_iter().zip(found) {
                if answered.send(answer).is_err() {
                    return;
                }
            }
        }
    }

    fn reading(&self) -> MutexGuard<'_, HashMap<usize, Instant>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The images that are being read for too long, in order.
    fn silent(&self) -> Vec<usize> {
        let reading = self.reading();
        let silent = reading
            .iter()
            .filter(|(_, since)| since.elapsed() >= PATIENCE);
        let mut places: Vec<usize> = silent.map(|(place, _)| *place).collect();
        places.sort_unstable();
        places
    }

    /// Reads one image after the other.
    fn read(&self, begun: &Begun<W>, ready: &Sender<Ready>, done: &Sender<Finished<W::Done>>) {
        let keeps_photo = begun.work.keeps_photo();
        while !self.engine.stopped.load(Ordering::Relaxed) && !self.is_over.load(Ordering::Relaxed)
        {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(image) = begun.images.get(place) else {
                return;
            };
            self.reading().insert(place, Instant::now());
            // A decoder that panics on a hostile file is the end of an image, not of the run.
            let read = guarded(|| Ready::read(place, image, &begun.recipe, keeps_photo));
            self.reading().remove(&place);
            let is_heard = match read.unwrap_or_else(|| Err(damaged(image))) {
                Ok(read) => ready.send(read).is_ok(),
                Err(reason) => done.send((place, Err(reason))).is_ok(),
            };
            if !is_heard {
                return;
            }
        }
    }
}

/// What the work gives; nothing where it panics.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn damaged(image: &ImageEntry) -> String {
    format!(
        "{}: its decoder failed; the file is damaged",
        visible(&image.path.to_string_lossy())
    )
}

fn failed(image: &ImageEntry) -> String {
    format!(
        "{}: gradcam failed on it; please report it with the image",
        visible(&image.path.to_string_lossy())
    )
}

/// So many images, fewer at the end; nothing after it.
fn next_batch(ready: &Receiver<Ready>, full: usize) -> Option<Vec<Ready>> {
    let mut batch = vec![ready.recv().ok()?];
    batch.extend(ready.iter().take(full - 1));
    Some(batch)
}

/// Draws and writes one image after the other.
fn finish<W: Work>(
    begun: &Begun<W>,
    answered: &Receiver<Answered<W::Found>>,
    done: &Sender<Finished<W::Done>>,
) {
    for (ready, found) in answered {
        let finished = found.and_then(|found| {
            let finished = guarded(|| begun.work.finish(&ready, found));
            finished.unwrap_or_else(|| Err(failed(&begun.images[ready.place])))
        });
        if done.send((ready.place, finished)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
