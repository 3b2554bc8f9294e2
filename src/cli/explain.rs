//! `gradcam explain`: heatmaps and overlays as files, predictions as text or JSON.
//!
//! Images that are named one by one are answered one by one. A folder, a pattern or a list becomes a
//! set ([`set`]) that a run goes on with where another was ended.

mod classes;
mod record;
pub(super) mod set;
mod tell;
mod work;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::RgbImage;
use serde_json::{Value, json as object};

use super::many::Images;
use super::progress::Progress;
use super::stop::stopped_by_signals;
use super::{Beside, Classes, ExplainSettings};
use crate::dataset::ImageEntry;
use crate::dataset::store::{FileIdentity, Key};
use crate::explain::options::Options;
use crate::graphics::viuer::print_once;
use crate::graphics::{Capabilities, Choice};
use crate::model::ClassIndex;
use crate::picture::files::Stems;
use crate::pipeline::{About, Engine, run as run_pipeline};
use crate::terminal::ask;
use crate::text::{count, json, visible};
use classes::{resolve, resolve_one};
use record::{FailedRow, Failure, record, row};
use set::{FileStamp, Set};
use tell::told;
use work::{Explained, LabelParts, Unwritable};

/// Explains all images. Returns whether none of them failed.
///
/// # Errors
/// When the model cannot be loaded, a class is unknown, or the output cannot be written.
pub fn run(settings: &ExplainSettings, out: &mut dyn Write) -> Result<bool> {
    let terminal = match settings.show {
        true if !std::io::stdout().is_terminal() => {
            bail!(
                "--show prints a picture into the terminal, but the output goes elsewhere; leave it out"
            )
        }
        true => Some(ask(&settings.environment, Choice::Auto)?.capabilities),
        false => None,
    };
    let progress = Progress::new();
    let found = settings.many.images(&progress)?;
    let mut crew = settings.many.crew(found.own.len());
    crew.expects_one &= !settings.options.method.method().is_slow && !settings.options.aug_smooth;
    std::fs::create_dir_all(&settings.out)
        .with_context(|| format!("cannot make the folder {}", shown(&settings.out)))?;
    let stopped = stopped_by_signals()?;
    let engine = Engine {
        source: &settings.model,
        load: &settings.load,
        crew: &crew,
        stopped: &stopped,
    };
    let session = RefCell::new(Session {
        settings,
        found: &found,
        progress: &progress,
        terminal,
        out,
        set: None,
        waiting: BTreeMap::new(),
        next: 0,
        missing: 0,
        all_well: found.missing.is_empty(),
    });
    let is_done = run_pipeline(
        engine,
        |about| session.borrow_mut().begin(about),
        |explainer, place, image, result| {
            let mut session = session.borrow_mut();
            session.done(explainer, place, image, result)
        },
        |image| progress.stuck(image),
    )?;
    session.into_inner().end(is_done)
}

/// How all images of a run are explained.
#[derive(Debug)]
struct Explainer<'a> {
    settings: &'a ExplainSettings,
    about: About,
    /// Empty: the best ones of each image.
    classes: Vec<ClassIndex>,
    /// Shown beside each class, unless it is the most probable other one.
    beside: Option<ClassIndex>,
    options: Options,
    parts: LabelParts,
    /// How the names of an image's files begin, by its place.
    stems: Vec<OsString>,
}

impl<'a> Explainer<'a> {
    fn new(settings: &'a ExplainSettings, about: About) -> Result<Self> {
        let versus = settings.versus.as_deref();
        let versus = versus.map(|name| resolve_one(name, &about)).transpose()?;
        Ok(Self {
            classes: resolve(&settings.classes, &about)?,
            beside: match &settings.beside {
                Some(Beside::Named(name)) => Some(resolve_one(name, &about)?),
                Some(Beside::Next) | None => None,
            },
            options: Options {
                versus,
                ..settings.options.clone()
            },
            parts: LabelParts::new(&about.labels),
            stems: Vec::new(),
            settings,
            about,
        })
    }

    /// All that the files depend on beside the images.
    fn made_by(&self) -> Value {
        let (settings, options) = (self.settings, &self.options);
        let summary = &self.about.summary;
        let style = &settings.style;
        object!({
            "model": {
                "name": summary.name,
                "family": summary.family,
                "fingerprint": summary.fingerprint,
                "classes": summary.classes,
                "precision": summary.precision,
                "preprocessing": summary.recipe,
            },
            "method": options.method.method().key,
            "layers": match options.layers.as_slice() {
                [] => std::slice::from_ref(&summary.layer),
                layers => layers,
            },
            "fusion": options.joined_by(),
            "score": options.measure,
            "versus": options.versus,
            "counterfactual": options.counterfactual,
            "aug_smooth": options.aug_smooth,
            "eigen_smooth": options.eigen_smooth,
            "explained": match &settings.classes {
                Classes::Top(top) => object!({ "top": top }),
                Classes::Named(_) => object!({ "classes": self.classes }),
            },
            "beside": match &settings.beside {
                None => Value::Null,
                Some(Beside::Next) => Value::from("next"),
                Some(Beside::Named(_)) => object!(self.beside),
            },
            "files": { "pictures": settings.pictures, "size": settings.size.name(), "raw": settings.raw },
            "drawing": {
                "colormap": style.colormap.name(),
                "opacity": style.opacity,
                "signed": style.signed,
                "scale": style.scale,
                "marks": style.marks.name(),
            },
        })
    }
}

/// A run: what has come of the images so far.
struct Session<'a> {
    settings: &'a ExplainSettings,
    found: &'a Images,
    progress: &'a Progress,
    /// Where `--show` prints.
    terminal: Option<Capabilities>,
    out: &'a mut dyn Write,
    /// Where the images are a set.
    set: Option<Set>,
    /// Images that are done before one that comes before them.
    waiting: BTreeMap<usize, (ImageEntry, Told)>,
    /// The place of the image that is told next.
    next: usize,
    /// How many that are not there were told.
    missing: usize,
    all_well: bool,
}

/// What is to be said of an image.
enum Told {
    Explained {
        words: String,
        pictures: Vec<RgbImage>,
    },
    Failed(String),
}

impl<'a> Session<'a> {
    /// Finds out which images are to be explained.
    fn begin(&mut self, about: &About) -> Result<(Explainer<'a>, Vec<ImageEntry>)> {
        let (settings, found) = (self.settings, self.found);
        let mut explainer = Explainer::new(settings, about.clone())?;
        let mut images = found.own.clone();
        if settings.many.are_named() {
            let mut stems = Stems::default();
            let paths = images.iter().map(|image| &image.path);
            explainer.stems = paths.map(|path| stems.unique(path)).collect();
            return Ok((explainer, images));
        }
        self.tell_missing(usize::MAX)?;
        let made_by = explainer.made_by();
        let many = &settings.many;
        let set = Set::open(&settings.out, many.shard, made_by, many.force)?;
        images.retain(|image| {
            let file = FileIdentity::of(&image.path);
            !file.is_ok_and(|file| set.has(&self.name(image), file))
        });
        let known = found.own.len() - images.len();
        if known > 0 {
            let (known, all) = (known, count(found.own.len(), "image"));
            self.progress
                .say(&format!("{known} of {all} explained already"));
        }
        let stem = |image: &ImageEntry| stem_in_set(&found.names.key(&image.path));
        explainer.stems = images.iter().map(stem).collect();
        for guess in &about.summary.guesses {
            self.progress.say(&format!("guessed: {guess}"));
        }
        self.progress.images(images.len(), "explained");
        self.set = Some(set);
        Ok((explainer, images))
    }

    /// As the set names an image: relative to the folder.
    fn name(&self, image: &ImageEntry) -> String {
        let key = self.found.names.key(&image.path);
        String::from_utf8_lossy(key.as_bytes()).into_owned()
    }

    /// An image is done.
    fn done(
        &mut self,
        explainer: &Explainer<'_>,
        place: usize,
        image: &ImageEntry,
        result: Result<Result<Explained, Unwritable>, String>,
    ) -> Result<()> {
        let result = match result {
            Ok(Err(Unwritable(reason))) => {
                bail!("{reason}; the same command goes on from here when it can be written")
            }
            Ok(Ok(explained)) => Ok(explained),
            Err(reason) => Err(reason),
        };
        self.all_well &= result.is_ok();
        self.progress.done(1);
        self.keep(image, &result)?;
        let told = match result {
            Err(reason) => Told::Failed(reason),
            Ok(explained) if self.settings.json => Told::Explained {
                words: json(&record(explainer, &image.path, &explained))? + "\n",
                pictures: Vec::new(),
            },
            // Whoever explains a folder does not read a page for each image.
            Ok(_) if self.set.is_some() => Told::Explained {
                words: String::new(),
                pictures: Vec::new(),
            },
            Ok(explained) => Told::Explained {
                words: told(explainer, &image.path, &explained),
                pictures: explained
                    .findings
                    .into_iter()
                    .filter_map(|finding| finding.shown)
                    .collect(),
            },
        };
        self.waiting.insert(place, (image.clone(), told));
        while let Some((image, told)) = self.waiting.remove(&self.next) {
            self.tell_missing(self.next)?;
            self.next += 1;
            self.tell(&image, told)?;
        }
        Ok(())
    }

    /// Says what is not there of what was named up to the image of this place.
    fn tell_missing(&mut self, place: usize) -> Result<()> {
        let found = self.found;
        let missing = found.missing.iter().skip(self.missing);
        for missing in missing.take_while(|missing| missing.after <= place) {
            self.missing += 1;
            self.tell_failure(&missing.path, &missing.reason)?;
        }
        Ok(())
    }

    /// Adds an image to the set.
    fn keep(&mut self, image: &ImageEntry, result: &Result<Explained, String>) -> Result<()> {
        let name = self.name(image);
        let Some(set) = &mut self.set else {
            return Ok(());
        };
        match result {
            Ok(explained) => set.add(&name, &row(&name, explained, &self.settings.out)),
            Err(error) => {
                let file = FileIdentity::of(&image.path).ok().map(FileStamp::from);
                set.add(
                    &name,
                    &FailedRow {
                        image: &name,
                        file,
                        error,
                    },
                )
            }
        }
    }

    fn tell(&mut self, image: &ImageEntry, told: Told) -> Result<()> {
        match told {
            Told::Failed(reason) => self.tell_failure(&image.path, &reason),
            Told::Explained { words, pictures } => {
                write!(self.out, "{words}").context("cannot write to standard output")?;
                for picture in pictures {
                    if let Some(terminal) = &self.terminal {
                        self.out.flush()?;
                        print_once(picture, terminal).map_err(anyhow::Error::msg)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn tell_failure(&mut self, image: &Path, error: &str) -> Result<()> {
        if !self.settings.json {
            self.progress.say(error);
            return Ok(());
        }
        let image = image.to_string_lossy().into_owned();
        let line = json(&Failure { image, error })?;
        writeln!(self.out, "{line}").context("cannot write to standard output")
    }

    /// The run has ended. Returns whether all images were explained.
    fn end(mut self, is_done: bool) -> Result<bool> {
        self.progress.finish();
        self.tell_missing(usize::MAX)?;
        if !is_done {
            self.progress
                .say("stopped; the same command goes on from here");
            return Ok(false);
        }
        let names: Vec<String> = self
            .found
            .own
            .iter()
            .map(|image| self.name(image))
            .collect();
        if let Some(set) = self.set {
            self.progress.say(&set.finish(&names)?);
        }
        Ok(self.all_well)
    }
}

/// How the names of an image's files begin in a set: its own path below the folder, so that they are
/// the same in every run and on every machine.
fn stem_in_set(image: &Key) -> OsString {
    let parts = image.path().components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("__")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect::<PathBuf>().into_os_string()
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}
