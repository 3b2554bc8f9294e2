//! What is made of each image: explanations by the network, then pictures and maps as files.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use image::RgbImage;

use super::super::{Beside, Classes, PictureSize, Pictures};
use super::Explainer;
use crate::dataset::store::FileIdentity;
use crate::explain::batches::{Answer, Question, Subject, explain_batch, takes};
use crate::explain::methods::Unwatched;
use crate::explain::{ExplainError, Explanation, Prediction, explain, predictions};
use crate::file::{Destination, Hurry, WriteError};
use crate::geometry::{InputGeometry, PixelSize};
use crate::job::map_of;
use crate::model::passes::Passes;
use crate::model::{ClassIndex, Model};
use crate::picture::files::{label_part, output_path, write_npy, write_png};
use crate::picture::overlay::{Parts, compose};
use crate::picture::{Style, View};
use crate::pipeline::{Ready, Work};
use crate::text::visible;
use crate::worker::studio::{TOP, timed};

/// What the network says of an image.
#[derive(Debug)]
pub(super) struct Answered {
    predictions: Vec<Prediction>,
    /// Those of the classes, each followed by that of the class beside it, where there is one.
    explanations: Vec<Explanation>,
    forward: Duration,
    explain: Duration,
}

/// What came of an image.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) predictions: Vec<Prediction>,
    pub(super) findings: Vec<Finding>,
    /// The file before it was read.
    pub(super) file: FileIdentity,
    pub(super) geometry: InputGeometry,
    pub(super) times: Times,
}

/// What came of one class of an image.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) explanation: Explanation,
    pub(super) beside: Option<Explanation>,
    /// What was written, by kind.
    pub(super) files: BTreeMap<&'static str, PathBuf>,
    /// For the terminal, where it is to be shown there.
    pub(super) shown: Option<RgbImage>,
}

/// Why nothing more can be written into the folder, in a sentence.
#[derive(Debug)]
pub(super) struct Unwritable(pub(super) String);

/// Why an image's pictures are not all there.
#[derive(Debug)]
enum Undrawn {
    Picture(String),
    File(WriteError),
}

impl From<String> for Undrawn {
    fn from(reason: String) -> Self {
        Self::Picture(reason)
    }
}

impl From<WriteError> for Undrawn {
    fn from(error: WriteError) -> Self {
        Self::File(error)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) decode: Duration,
    pub(super) prepare: Duration,
    pub(super) forward: Duration,
    pub(super) explain: Duration,
    pub(super) write: Duration,
}

/// Labels as parts of file names, one for each class.
#[derive(Debug)]
pub(super) struct LabelParts(Vec<String>);

impl LabelParts {
    /// Two classes of one name have their index in it.
    pub(super) fn new(labels: &[String]) -> Self {
        let parts: Vec<String> = labels.iter().map(|label| label_part(label)).collect();
        let mut shared: HashMap<&str, usize> = HashMap::new();
        for part in &parts {
            *shared.entry(part).or_default() += 1;
        }
        let unique = |(class, part): (usize, &String)| match shared.get(part.as_str()) {
            Some(1) => part.clone(),
            _ => format!("{part}-{class}"),
        };
        Self(parts.iter().enumerate().map(unique).collect())
    }

    fn of(&self, class: ClassIndex) -> &str {
        self.0.get(class.0).map_or("_", String::as_str)
    }
}

impl Work for Explainer<'_> {
    type Found = Answered;
    /// A folder that cannot be written to is no fault of the image: it ends the run.
    type Done = Result<Explained, Unwritable>;

    fn keeps_photo(&self) -> bool {
        let draws = self.settings.pictures != Pictures::None;
        self.settings.show || (draws && self.settings.size != PictureSize::Input)
    }

    fn run(&self, model: &Model, images: &[Ready], full: usize) -> Vec<Result<Answered, String>> {
        let alone = |image: &Ready| self.alone(model, image).map_err(|error| error.to_string());
        if full == 1 || !takes(&self.options) {
            return images.iter().map(alone).collect();
        }
        let subjects: Vec<Subject<'_>> = images
            .iter()
            .map(|image| Subject {
                seen: &image.seen,
                geometry: image.geometry,
            })
            .collect();
        let question = Question {
            top: self.ranks(),
            classes: &|ranked| self.asked(ranked),
            options: &self.options,
        };
        let mut taken = Duration::ZERO;
        let answers = timed(&mut taken, || {
            explain_batch(model, &subjects, full, question)
        });
        let share = taken / u32::try_from(images.len()).unwrap_or(1);
        let answered = |answer: Result<Answer, ExplainError>| {
            let Answer {
                predictions,
                explanations,
            } = answer.map_err(|error| error.to_string())?;
            Ok(Answered {
                predictions,
                explanations,
                forward: share,
                explain: Duration::ZERO,
            })
        };
        match answers {
            Ok(answers) => answers.into_iter().map(answered).collect(),
            Err(error) => images.iter().map(|_| Err(error.to_string())).collect(),
        }
    }

    fn finish(&self, image: &Ready, found: Answered) -> Result<Self::Done, String> {
        let mut times = Times {
            decode: image.decode,
            prepare: image.prepare,
            forward: found.forward,
            explain: found.explain,
            write: Duration::ZERO,
        };
        let beginning = self.settings.out.join(&self.stems[image.place]);
        let writes = self.settings.raw || self.settings.pictures != Pictures::None;
        if writes
            && let Some(folder) = beginning.parent()
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            let folder = visible(&folder.to_string_lossy());
            let reason = format!("cannot make the folder {folder}: {error}");
            return Ok(Err(Unwritable(reason)));
        }
        let mut explanations = found.explanations.into_iter();
        let mut findings = Vec::new();
        while let Some(explanation) = explanations.next() {
            let class = explanation.target.class;
            let has_beside = self.beside(class, &found.predictions).is_some();
            let mut finding = Finding {
                explanation,
                beside: explanations.by_ref().take(usize::from(has_beside)).next(),
                files: BTreeMap::new(),
                shown: None,
            };
            match timed(&mut times.write, || self.draw(image, &mut finding)) {
                Ok(()) => findings.push(finding),
                Err(Undrawn::Picture(reason)) => return Err(reason),
                Err(Undrawn::File(error)) => return Ok(Err(Unwritable(error.to_string()))),
            }
        }
        Ok(Ok(Explained {
            predictions: found.predictions,
            findings,
            file: image.file,
            geometry: image.geometry,
            times,
        }))
    }
}

impl Explainer<'_> {
    /// How many predictions are needed.
    fn ranks(&self) -> usize {
        match self.settings.classes {
            Classes::Top(top) => top.max(TOP),
            Classes::Named(_) => TOP,
        }
    }

    /// The classes to explain, each followed by the one beside it.
    fn asked(&self, ranked: &[Prediction]) -> Vec<ClassIndex> {
        let classes: Vec<ClassIndex> = match self.settings.classes {
            Classes::Top(top) => ranked
                .iter()
                .take(top)
                .map(|prediction| prediction.class)
                .collect(),
            Classes::Named(_) => self.classes.clone(),
        };
        let with_beside = |class| std::iter::once(class).chain(self.beside(class, ranked));
        classes.into_iter().flat_map(with_beside).collect()
    }

    /// The class that is shown beside another one; no class beside itself.
    fn beside(&self, class: ClassIndex, ranked: &[Prediction]) -> Option<ClassIndex> {
        let other = match self.settings.beside.as_ref()? {
            Beside::Named(_) => self.beside,
            Beside::Next => {
                let mut others = ranked.iter().map(|prediction| prediction.class);
                others.find(|other| *other != class)
            }
        };
        other.filter(|other| *other != class)
    }

    /// By any method.
    fn alone(&self, model: &Model, image: &Ready) -> Result<Answered, ExplainError> {
        let input = model.input(image.seen.clone(), image.geometry)?;
        let mut passes = Passes::default();
        let (mut forward, mut explaining) = (Duration::ZERO, Duration::ZERO);
        let layer = &model.summary().layer;
        let pass = timed(&mut forward, || passes.at(model, &input, layer))?;
        let logits = pass.logits().to_vec();
        let predictions = predictions(model, &input, &logits, self.ranks())?;
        let explained = |class| {
            timed(&mut explaining, || {
                explain(
                    model,
                    &input,
                    &mut passes,
                    class,
                    &self.options,
                    &mut Unwatched,
                )
            })
        };
        let explanations: Vec<Explanation> = self
            .asked(&predictions)
            .into_iter()
            .map(explained)
            .collect::<Result<_, _>>()?;
        Ok(Answered {
            predictions,
            explanations,
            forward,
            explain: explaining,
        })
    }

    /// Writes what there is to see of a class.
    fn draw(&self, image: &Ready, finding: &mut Finding) -> Result<(), Undrawn> {
        let (settings, style) = (self.settings, self.settings.style);
        let Finding {
            explanation,
            beside,
            ..
        } = &*finding;
        let alone = image.geometry.input_alone();
        let (shown, geometry) = match (&image.photo, settings.size) {
            (Some(photo), size) if size != PictureSize::Input => (photo, &image.geometry),
            _ => (&image.seen, &alone),
        };
        let own = Parts {
            image: shown,
            seen: &image.seen,
            map: map_of(explanation),
            beside: None,
            geometry,
        };
        let both = Parts {
            beside: beside.as_ref().map(map_of),
            ..own
        };
        let stem = &self.stems[image.place];
        let path = |ending: &str| {
            let part = self.parts.of(explanation.target.class);
            output_path(&settings.out, stem, part, ending)
        };
        let mut files = BTreeMap::new();
        let mut save = |kind, ending: &str, picture: RgbImage| {
            let path = path(ending);
            write_png(&picture, Destination::of_a_run(&path, Hurry::Yes))?;
            files.insert(kind, path);
            Ok::<_, Undrawn>(())
        };
        let bounds = |parts: &Parts<'_>, view| match settings.size {
            PictureSize::Image | PictureSize::Input => parts.full_size(view),
            PictureSize::Side(side) => PixelSize::new(side, side),
        };
        for (kind, view) in settings.pictures.views() {
            let style = Style {
                view: *view,
                ..style
            };
            let picture = compose(&own, style, bounds(&own, *view))?;
            save(*kind, &format!("{kind}.png"), picture)?;
        }
        if let Some(other) = beside
            && settings.pictures != Pictures::None
        {
            let other = self.parts.of(other.target.class);
            let picture = compose(&both, style, bounds(&both, style.view))?;
            save("beside", &format!("beside.{other}.png"), picture)?;
        }
        if settings.raw {
            let input = image.geometry.input;
            let map = explanation
                .heatmap
                .upsample(input.width as usize, input.height as usize);
            for (kind, grid, ending) in [("map", &map, "npy"), ("raw", &explanation.raw, "raw.npy")]
            {
                let path = path(ending);
                write_npy(grid, Destination::of_a_run(&path, Hurry::Yes))?;
                files.insert(kind, path);
            }
        }
        let printed = settings
            .show
            .then(|| compose(&both, style, both.full_size(style.view)));
        finding.shown = printed.transpose()?;
        finding.files = files;
        Ok(())
    }
}

impl Pictures {
    /// What is drawn: the name in the files, and how.
    fn views(self) -> &'static [(&'static str, View)] {
        const HEATMAP: (&str, View) = ("heatmap", View::Heatmap);
        const OVERLAY: (&str, View) = ("overlay", View::Overlay);
        match self {
            Self::Both => &[HEATMAP, OVERLAY],
            Self::Heatmap => &[HEATMAP],
            Self::Overlay => &[OVERLAY],
            Self::None => &[],
        }
    }
}
