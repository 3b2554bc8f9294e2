//! `gradcam score`: predictions and figures of maps of all images, kept where the interface finds
//! them, and as a table.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::arguments::{ModelArguments, REVIEW, ScanArguments, TRUTH};
use super::export::table_format;
use super::many::{Images, ManyArguments, ManySettings};
use super::progress::Progress;
use super::stop::stopped_by_signals;
use crate::dataset::ImageEntry;
use crate::dataset::export::{Format, Record, Table, is_odd, write};
use crate::dataset::keys::Keys;
use crate::dataset::score::Score;
use crate::dataset::store::{FileIdentity, Key, ModelId, Place, Scored, Store};
use crate::dataset::truth::{Classes, Truth};
use crate::explain::score::{Subject, score};
use crate::file::{Destination, Existing};
use crate::model::catalog::Hub;
use crate::model::{LoadOptions, Model, ModelSource};
use crate::pipeline::{About, Engine, Ready, Work, run as run_pipeline};
use crate::text::{count, visible};

/// Scores are written to the disk so often.
const WRITE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "A run that was ended goes on where it was when the same command is given again; the interface opens \
what is scored.\n\nExample: gradcam score val --model best.pth --shard 2/8 --review part-2.sqlite"
)]
pub(super) struct ScoreArguments {
    /// Folders, image files or patterns
    #[arg(value_name = "PATH", required_unless_present = "list")]
    paths: Vec<PathBuf>,
    #[arg(long, help = TRUTH, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Also write a table of all images, in the place of what is there: .csv, .jsonl or .parquet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, help = REVIEW, value_name = "FILE", help_heading = "Review")]
    review: Option<PathBuf>,
    #[command(flatten)]
    many: ManyArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    scan: ScanArguments,
}

/// For `gradcam score`.
#[derive(Debug)]
pub struct ScoreSettings {
    pub(super) many: ManySettings,
    pub(super) truth: Option<PathBuf>,
    pub(super) out: Option<PathBuf>,
    pub(super) review: Option<PathBuf>,
    pub model: ModelSource,
    pub(super) load: LoadOptions,
    pub hub: Hub,
    /// Where programs keep what must not be lost; [`super::parse`] fills it in.
    pub(super) state: Option<PathBuf>,
}

impl ScoreArguments {
    pub(super) fn settings(self, hub: &Hub) -> ScoreSettings {
        let hub = self.model.hub(hub);
        let devices = self.model.devices.clone();
        let (model, load) = self.model.split(&self.paths);
        ScoreSettings {
            many: self.many.settings(self.paths, self.scan.options(), devices),
            truth: self.truth,
            out: self.out,
            review: self.review,
            model,
            load,
            hub,
            state: None,
        }
    }
}

/// Scores all images that are not scored. Returns whether all of them are.
///
/// # Errors
/// When the model, the truth or the store cannot be read, or what is scored cannot be written.
pub fn run(settings: &ScoreSettings, out: &mut dyn Write) -> Result<bool> {
    let table = settings.out.as_deref().map(table_format).transpose()?;
    let progress = Progress::new();
    let found = settings.many.images(&progress)?;
    let Some(session) = score_all(settings, &found, &progress)? else {
        progress.say("stopped; the same command goes on from here");
        return Ok(false);
    };
    session.end(table, out)?;
    Ok(session.failures == 0 && found.missing.is_empty())
}

/// Scores what is not scored, for another command. Returns how many images could not be scored.
///
/// # Errors
/// As [`run`]; when it is stopped.
pub(super) fn fill(settings: &ScoreSettings, progress: &Progress) -> Result<usize> {
    let found = settings.many.images(progress)?;
    match score_all(settings, &found, progress)? {
        Some(session) => Ok(session.failures),
        None => bail!("stopped; the same command goes on from here"),
    }
}

/// Nothing where it was stopped.
fn score_all<'a>(
    settings: &'a ScoreSettings,
    found: &'a Images,
    progress: &'a Progress,
) -> Result<Option<Session<'a>>> {
    for missing in &found.missing {
        progress.say(&missing.reason);
    }
    if found.all.is_empty() {
        bail!("there is nothing to score");
    }
    let place = place(settings)?;
    let store = Store::open(&place, "")?;
    for note in store.notes() {
        progress.say(note);
    }
    let crew = settings.many.crew(found.own.len());
    let stopped = stopped_by_signals()?;
    let engine = Engine {
        source: &settings.model,
        load: &settings.load,
        crew: &crew,
        stopped: &stopped,
    };
    let session = RefCell::new(Session {
        settings,
        found,
        progress,
        store,
        place,
        model: None,
        about: None,
        truth: Arc::default(),
        waiting: Vec::new(),
        written: Instant::now(),
        failures: 0,
    });
    let is_done = run_pipeline(
        engine,
        |about| session.borrow_mut().begin(about),
        |_, _, image, result| session.borrow_mut().done(image, result),
        |image| progress.stuck(image),
    )?;
    let mut session = session.into_inner();
    session.keep()?;
    progress.finish();
    Ok(is_done.then_some(session))
}

/// Where scores are kept.
fn place(settings: &ScoreSettings) -> Result<Place> {
    let named = settings.many.places();
    let state = settings.state.as_deref();
    let place = Place::new(&named, settings.review.as_deref(), state)?;
    let Some(shard) = settings.many.shard.filter(|_| settings.review.is_none()) else {
        return Ok(place);
    };
    // Several machines may share the folder that programs keep things in.
    let stem = place.file().file_stem().unwrap_or_default();
    let mut name = stem.to_owned();
    name.push(format!("-{}.sqlite", shard.to_string().replace(' ', "-")));
    let own = place.file().with_file_name(name);
    Ok(Place::new(&named, Some(&own), state)?)
}

/// Scores images; what is true of them is known.
#[derive(Debug)]
struct Scorer {
    truth: Arc<Truth>,
    /// By place.
    images: Vec<ImageEntry>,
}

impl Work for Scorer {
    type Found = Score;
    type Done = (FileIdentity, Score);

    fn keeps_photo(&self) -> bool {
        false
    }

    fn run(&self, model: &Model, images: &[Ready], full: usize) -> Vec<Result<Score, String>> {
        let subjects: Vec<Subject<'_>> = images
            .iter()
            .map(|image| Subject {
                seen: &image.seen,
                geometry: &image.geometry,
                truth: self.truth.of(self.images[image.place].id),
            })
            .collect();
        let name = |place: usize| visible(&self.images[place].path.to_string_lossy());
        match score(model, &subjects, full, &|| false) {
            Err(error) => images
                .iter()
                .map(|image| Err(format!("{}: {error}", name(image.place))))
                .collect(),
            Ok(scores) => images
                .iter()
                .zip(scores)
                .map(|(image, score)| {
                    score.map_err(|reason| format!("{}: {reason}", name(image.place)))
                })
                .collect(),
        }
    }

    fn finish(&self, image: &Ready, found: Score) -> Result<Self::Done, String> {
        Ok((image.file, found))
    }
}

/// A run: what has come of the images so far.
struct Session<'a> {
    settings: &'a ScoreSettings,
    found: &'a Images,
    progress: &'a Progress,
    store: Store,
    place: Place,
    model: Option<ModelId>,
    about: Option<About>,
    truth: Arc<Truth>,
    /// Not in the store yet.
    waiting: Vec<Scored>,
    written: Instant,
    failures: usize,
}

impl Session<'_> {
    /// Finds out which images are to be scored.
    fn begin(&mut self, about: &About) -> Result<(Scorer, Vec<ImageEntry>)> {
        for guess in &about.summary.guesses {
            self.progress.say(&format!("guessed: {guess}"));
        }
        self.truth = Arc::new(self.find_truth(about)?);
        let model = self.store.model_of(&about.facts)?;
        self.model = Some(model);
        self.about = Some(about.clone());
        let mut known: HashMap<Vec<u8>, FileIdentity> = HashMap::new();
        if !self.settings.many.force {
            self.store.scores(model, |key, file, score| {
                if score.is_ok() {
                    known.insert(key.to_vec(), file);
                }
            })?;
        }
        let is_new = |image: &&ImageEntry| {
            let known = known.get(self.place.key(&image.path).as_bytes());
            known.is_none() || FileIdentity::of(&image.path).ok().as_ref() != known
        };
        let images: Vec<ImageEntry> = self.found.own.iter().filter(is_new).cloned().collect();
        let (all, done) = (self.found.own.len(), self.found.own.len() - images.len());
        if done > 0 {
            let all = count(all, "image");
            self.progress
                .say(&format!("{done} of {all} scored already"));
        }
        self.progress.images(images.len(), "scored");
        let scorer = Scorer {
            truth: Arc::clone(&self.truth),
            images: images.clone(),
        };
        Ok((scorer, images))
    }

    /// What is true of all images, also of those of other machines: what does not fit is said once.
    fn find_truth(&self, about: &About) -> Result<Truth> {
        let mut notes = Vec::new();
        let truth = Truth::find(
            self.settings.truth.as_deref(),
            &self.settings.many.places(),
            &self.found.all,
            &Classes::new(&about.labels),
            &mut notes,
        )?;
        notes.extend(truth.iter().flat_map(|truth| truth.notes.clone()));
        for note in &notes {
            self.progress.say(note);
        }
        Ok(truth.unwrap_or_default())
    }

    fn done(
        &mut self,
        image: &ImageEntry,
        result: Result<(FileIdentity, Score), String>,
    ) -> Result<()> {
        self.progress.done(1);
        let (file, score) = match result {
            Ok((file, score)) => (Some(file), Ok(score)),
            Err(reason) => {
                self.failures += 1;
                self.progress.say(&reason);
                let file = FileIdentity::of(&image.path).ok();
                (file, Err(Arc::from(reason)))
            }
        };
        if let Some(file) = file {
            let image = self.place.key(&image.path);
            self.waiting.push(Scored { image, file, score });
        }
        if self.written.elapsed() >= WRITE {
            self.keep()?;
        }
        Ok(())
    }

    /// Writes to the store what is not there yet.
    fn keep(&mut self) -> Result<()> {
        if let Some(model) = self.model {
            self.store.keep_scores(model, &self.waiting)?;
        }
        self.waiting.clear();
        self.written = Instant::now();
        Ok(())
    }

    /// All images are done: writes the table and says what there is.
    fn end(&self, table: Option<Format>, out: &mut dyn Write) -> Result<()> {
        let scored = count(self.found.own.len() - self.failures, "image");
        writeln!(out, "{scored} scored in {}", self.store.name())?;
        let (Some(format), Some(path)) = (table, &self.settings.out) else {
            return Ok(());
        };
        let keys = Keys::new(self.place.clone(), &self.found.own);
        let mut scores: HashMap<Key, Result<Score, Arc<str>>> = HashMap::new();
        if let Some(model) = self.model {
            self.store.scores(model, |key, _, score| {
                let score = score.map_err(Arc::from);
                scores.insert(Key::from_bytes(key), score);
            })?;
        }
        let classes = self.truth.classes(self.found.all.len());
        let records = self.found.own.iter().map(|image| {
            let mut record = Record::new(image, &keys);
            record.truth = Arc::from(classes.of(image.id));
            match scores.get(&record.image) {
                Some(Ok(score)) => record.score = Some(*score),
                Some(Err(reason)) => record.unreadable = Some(Arc::clone(reason)),
                None => {}
            }
            record
        });
        let columns = Table {
            model: self.about.as_ref().map(|about| &about.facts),
            has_odd_paths: self.found.own.iter().any(|image| is_odd(&image.path)),
        };
        let written = write(
            records,
            &columns,
            format,
            Destination::new(path, Existing::Replaced),
        )?;
        writeln!(out, "{} in {}", count(written, "image"), shown(path))?;
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}
