//! Desk: the worker's own side. What was asked for lies here until it is done, and what is not wanted
//! yet is begun when there is nothing else to do.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, after, never, select};

use super::drawer::Order;
use super::files::{Decoded, Files, Reading};
use super::readers::Read;
use super::scoring::Scoring;
use super::{Explain, Opened, Prepared, fenced, studio};
use crate::dataset::ImageId;
use crate::dataset::score::Score;
use crate::explain::methods::Watch;
use crate::explain::{ExplainError, Prediction};
use crate::job::{Form, Generation, ImageRef, Job, Reply, Request, Scored};

/// Scores are told together with those of so long: each telling may draw the list again.
const TELL: Duration = Duration::from_millis(300);
/// A wanted file that has not answered for so long is spoken of,
const SLOW: Duration = Duration::from_secs(2);
/// and then as often as this.
const WORD: Duration = Duration::from_secs(1);
/// How often somebody who waits for files looks at the clock.
const TICK: Duration = Duration::from_millis(250);

/// The thread's own side.
pub(super) struct Desk<E: Explain> {
    engine: E,
    /// Silent when the interface has gone.
    jobs: Receiver<Job>,
    is_closed: bool,
    /// What was asked for and is not done: another job is in hand, or a file is being read.
    waiting: VecDeque<Job>,
    replies: Sender<Reply>,
    files: Files,
    /// When it was said last that a file does not answer, and which was wanted.
    said: Option<(Generation, Instant)>,
    /// Images to prepare when there is nothing else to do.
    ahead: VecDeque<ImageRef>,
    /// The picture that was shown last, and the ranks of classes whose layers it may need next.
    classes: Option<(Request, RangeInclusive<usize>)>,
    layers_told: bool,
    /// What is being looked up.
    known: Receiver<E::Known>,
    /// Pictures for others.
    orders: Receiver<Order>,
    /// One that was called off, to be drawn again.
    order: Option<Order>,
    scoring: Option<Scoring>,
    /// Scores that the interface has not been told.
    scored: Vec<Scored>,
    /// When it was told last.
    told: Instant,
}

/// The interface has gone away.
struct Gone;

/// What is to be done next.
enum Turn<T> {
    Do(T),
    /// Something that is wanted first comes soon.
    Wait,
    /// Nothing of this can be done now.
    Pass,
}

/// A job, with the image it needs where it needs one: it has been read, or cannot be.
type Next = (Job, Option<Result<Decoded, String>>);

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

/// Somebody who draws for others: any job comes first.
struct Yielding<'a>(&'a Receiver<Job>);

impl Watch for Yielding<'_> {
    fn step(&mut self, _done: usize, _total: usize) -> Result<(), ExplainError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ExplainError::CalledOff)
        }
    }
}

impl<E: Explain> Desk<E> {
    pub(super) fn new(
        engine: E,
        jobs: Receiver<Job>,
        orders: Receiver<Order>,
        replies: Sender<Reply>,
    ) -> Self {
        Self {
            files: Files::new(engine.reader()),
            engine,
            jobs,
            is_closed: false,
            waiting: VecDeque::new(),
            replies,
            said: None,
            ahead: VecDeque::new(),
            classes: None,
            layers_told: false,
            known: never(),
            orders,
            order: None,
            scoring: None,
            scored: Vec::new(),
            told: Instant::now(),
        }
    }

    /// Works until the interface has gone.
    pub(super) fn work(mut self) {
        let about = self.engine.about();
        let mut goes_on = self.reply(Reply::Ready(about));
        while goes_on.is_ok() {
            goes_on = match self.next_job() {
                Ok(Some((job, read))) => self.on_job(job, read),
                Ok(None) => return,
                Err(gone) => Err(gone),
            };
        }
    }

    fn on_job(&mut self, job: Job, read: Option<Result<Decoded, String>>) -> Result<(), Gone> {
        match job {
            Job::Show(request) => self.show(request, read),
            Job::Save { request, folder } => {
                let result = self.save(&request, &folder, read);
                self.reply(Reply::Saved(result))
            }
            // There is nothing in hand any more.
            Job::Stop => Ok(()),
            Job::Open(folder) => {
                match fenced(|| self.engine.look_up(folder)) {
                    Ok(known) => self.known = known,
                    Err(reason) => tracing::error!("the folder: {reason}"),
                }
                Ok(())
            }
        }
    }

    /// The next job; does what is not wanted yet while there is none. Nothing when the interface has
    /// gone and all is done.
    fn next_job(&mut self) -> Result<Option<Next>, Gone> {
        loop {
            self.take_in();
            self.leave_superseded()?;
            match self.wanted()? {
                Turn::Do(next) => return Ok(Some(next)),
                Turn::Wait => self.wait()?,
                Turn::Pass if self.is_closed => return Ok(None),
                Turn::Pass => self.use_time()?,
            }
        }
    }

    /// Takes in what has come.
    fn take_in(&mut self) {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.close(),
            }
        }
        while let Ok(read) = self.files.done().try_recv() {
            self.files.take_in(read);
        }
    }

    /// The interface has gone; only files to save are still wanted.
    fn close(&mut self) {
        self.jobs = never();
        self.is_closed = true;
        self.waiting.retain(|job| matches!(job, Job::Save { .. }));
    }

    /// Answers pictures that are no longer wanted. Files to save are never skipped.
    fn leave_superseded(&mut self) -> Result<(), Gone> {
        let Some(last) = self.waiting.iter().rposition(supersedes) else {
            return Ok(());
        };
        for job in self.waiting.split_off(0).into_iter().enumerate() {
            match job {
                (place, Job::Show(Request { generation, .. })) if place < last => {
                    self.reply(Reply::Stopped { generation })?;
                }
                (_, job) => self.waiting.push_back(job),
            }
        }
        Ok(())
    }

    /// The first job that can be done. One whose file does not answer lets the others pass.
    fn wanted(&mut self) -> Result<Turn<Next>, Gone> {
        let now = Instant::now();
        for place in 0..self.waiting.len() {
            let (request, needs_file) = match &self.waiting[place] {
                Job::Show(request) => (request, !self.engine.keeps(request.image.id)),
                Job::Save { request, .. } => (request, true),
                Job::Stop | Job::Open(_) => return Ok(self.take_job(place, None)),
            };
            if !needs_file {
                return Ok(self.take_job(place, None));
            }
            match self.files.want(&request.image, now) {
                Reading::Done => {
                    let image = request.image.id;
                    return Ok(self.take_job(place, Some(image)));
                }
                Reading::Soon => return Ok(Turn::Wait),
                Reading::Slow(image, since) => {
                    let generation = request.generation;
                    self.say_slow(generation, image, since, now)?;
                }
            }
        }
        Ok(Turn::Pass)
    }

    fn take_job(&mut self, place: usize, image: Option<ImageId>) -> Turn<Next> {
        let read = image.and_then(|image| self.files.take(image));
        match self.waiting.remove(place) {
            Some(job) => Turn::Do((job, read)),
            None => Turn::Pass,
        }
    }

    /// Says that somebody waits for a file, the first time after a while and then each second.
    fn say_slow(
        &mut self,
        generation: Generation,
        image: ImageId,
        since: Instant,
        now: Instant,
    ) -> Result<(), Gone> {
        let waited = now.duration_since(since);
        let is_said = self
            .said
            .is_some_and(|(about, said)| about == generation && now.duration_since(said) < WORD);
        if waited < SLOW || is_said {
            return Ok(());
        }
        self.said = Some((generation, now));
        self.reply(Reply::Slow {
            generation,
            image,
            seconds: waited.as_secs(),
        })
    }

    /// Does one of the things that nobody waits for, or waits until something comes.
    fn use_time(&mut self) -> Result<(), Gone> {
        if let Ok(known) = self.known.try_recv() {
            return self.open(known);
        }
        if !self.layers_told {
            return self.tell_layers();
        }
        if let Some(rank) = self.classes.as_mut().and_then(|(_, ranks)| ranks.next()) {
            return self.class_ahead(rank);
        }
        match self.next_ahead() {
            Turn::Do((image, read)) => return self.prepare(image, read),
            Turn::Wait => return self.wait(),
            Turn::Pass => {}
        }
        if let Some(order) = self.order.take().or_else(|| self.orders.try_recv().ok()) {
            self.draw(order);
            return Ok(());
        }
        let is_over = |scoring: &Scoring| scoring.is_done();
        if self.scoring.as_ref().is_none_or(is_over) {
            self.wait()
        } else {
            self.go_on_scoring()
        }
    }

    /// Waits for something to come, or for time to pass while files are being read.
    fn wait(&mut self) -> Result<(), Gone> {
        let nothing = never();
        let read = self.scoring.as_ref().map_or(&nothing, Scoring::read);
        let reads = self.files.is_busy() || self.scoring.as_ref().is_some_and(Scoring::reads);
        let tick = if reads { after(TICK) } else { never() };
        select! {
            recv(self.jobs) -> job => match job {
                Ok(job) => self.waiting.push_back(job),
                Err(_) => self.close(),
            },
            recv(self.files.done()) -> read => self.files.take_in(read.map_err(|_| Gone)?),
            recv(self.known) -> known => match known {
                Ok(known) => self.open(known)?,
                Err(_) => self.known = never(),
            },
            recv(self.orders) -> order => match order {
                Ok(order) => self.order = Some(order),
                Err(_) => self.orders = never(),
            },
            recv(read) -> read => self.take_read(read.map_err(|_| Gone)?),
            recv(tick) -> _ => {}
        }
        Ok(())
    }

    /// The table of layers takes a pass through the network; the first picture comes before it.
    fn tell_layers(&mut self) -> Result<(), Gone> {
        self.layers_told = true;
        match fenced(|| self.engine.layers()) {
            Ok(layers) => self.reply(Reply::Layers(layers)),
            Err(reason) => {
                tracing::error!("the table of layers: {reason}");
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
                tracing::info!("the class of rank {rank}: {reason}");
                Ok(())
            }
        }
    }

    fn show(
        &mut self,
        mut request: Request,
        read: Option<Result<Decoded, String>>,
    ) -> Result<(), Gone> {
        self.classes = None;
        self.ahead = std::mem::take(&mut request.prepare).into();
        self.forget_unwanted();
        let (generation, image) = (request.generation, request.image.id);
        let predictions = match self.predict(image, read) {
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

    /// Lets go of images that have been read for somebody who has gone on.
    fn forget_unwanted(&mut self) {
        let asked = self.waiting.iter().filter_map(|job| match job {
            Job::Show(request) | Job::Save { request, .. } => Some(request.image.id),
            Job::Stop | Job::Open(_) => None,
        });
        let ahead = self.ahead.iter().map(|image| image.id);
        let wanted: Vec<ImageId> = asked.chain(ahead).collect();
        self.files.keep_only(|image| wanted.contains(&image));
    }

    fn predict(
        &mut self,
        image: ImageId,
        read: Option<Result<Decoded, String>>,
    ) -> Result<Arc<[Prediction]>, String> {
        let read = read.transpose()?;
        fenced(|| self.engine.predict(image, read))
    }

    fn save(
        &mut self,
        request: &Request,
        folder: &Path,
        read: Option<Result<Decoded, String>>,
    ) -> Result<PathBuf, String> {
        let read = read.unwrap_or_else(|| Err("the image was not read".to_owned()))?;
        fenced(|| self.engine.save(request, folder, read))
    }

    /// The next image to prepare.
    fn next_ahead(&mut self) -> Turn<(ImageId, Option<Result<Decoded, String>>)> {
        let now = Instant::now();
        for place in 0..self.ahead.len() {
            let image = &self.ahead[place];
            let id = image.id;
            if !self.engine.keeps(id) {
                match self.files.expect(image, now) {
                    Reading::Done => {}
                    Reading::Soon => return Turn::Wait,
                    Reading::Slow(..) => continue,
                }
            }
            self.ahead.remove(place);
            return Turn::Do((id, self.files.take(id)));
        }
        Turn::Pass
    }

    fn prepare(
        &mut self,
        image: ImageId,
        read: Option<Result<Decoded, String>>,
    ) -> Result<(), Gone> {
        let reply = match self.predict(image, read) {
            Ok(predictions) => Reply::Predicted { image, predictions },
            Err(reason) => Reply::Unreadable { image, reason },
        };
        self.reply(reply)
    }

    /// Draws for another thread, unless a job comes; then it is drawn later.
    fn draw(&mut self, order: Order) {
        let mut watch = Yielding(&self.jobs);
        let engine = &mut self.engine;
        match fenced(|| engine.draw(&order, &mut watch)).transpose() {
            None => self.order = Some(order),
            // Whoever has asked may be gone.
            Some(drawn) => drop(order.answer.send(drawn)),
        }
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
                tracing::error!("the folder: {reason}");
                Ok(())
            }
        }
    }

    /// Scores the next batch, or waits for an image to be read or for a job.
    fn go_on_scoring(&mut self) -> Result<(), Gone> {
        let Some(scoring) = &mut self.scoring else {
            return Ok(());
        };
        if let Some(batch) = scoring.batch(Instant::now()) {
            let scores = scores_of(&batch, &mut self.engine, &self.jobs);
            let Some(scores) = scores else {
                scoring.put_back(batch);
                return Ok(());
            };
            scoring.count(batch.len(), Instant::now());
            let images = batch.iter().map(|prepared| prepared.image);
            self.scored.extend(images.zip(scores));
        } else {
            self.wait()?;
        }
        let is_over = self.scoring.as_ref().is_some_and(Scoring::is_done);
        if is_over || self.told.elapsed() >= TELL {
            self.tell_scores()?;
        }
        Ok(())
    }

    /// Takes in an image that was read to be scored.
    fn take_read(&mut self, read: Read) {
        if let Some(scoring) = &mut self.scoring {
            let unreadable = scoring.take(read, Instant::now());
            let unreadable = unreadable.map(|(image, reason)| (image, Err(reason)));
            self.scored.extend(unreadable);
        }
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
