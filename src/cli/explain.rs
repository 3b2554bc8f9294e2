//! `gradcam explain`: heatmaps and overlays as files, predictions as text or JSON.

mod classes;
mod record;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Beside, Classes, ExplainSettings};
use crate::dataset::scan::scan;
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction, explain, predictions};
use crate::graphics::viuer::print_once;
use crate::graphics::{Capabilities, Choice};
use crate::model::{ClassIndex, Model};
use crate::picture::files::{Stems, label_part, output_path, save_npy, save_png};
use crate::picture::overlay::compose;
use crate::picture::{Style, View};
use crate::terminal::ask;
use crate::text::{json, padded, visible, visible_lines};
use crate::worker::studio::{Examined, TOP, examine, timed};
use classes::{resolve, resolve_one};
use record::{Failure, record};

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
    let model = Model::load(&settings.model, &settings.load)?;
    let classes = resolve(&settings.classes, &model)?;
    let beside = match &settings.beside {
        Some(Beside::Named(name)) => Some(resolve_one(name, &model)?),
        Some(Beside::Next) | None => None,
    };
    let versus = &settings.versus;
    std::fs::create_dir_all(&settings.out).with_context(|| {
        format!(
            "cannot make the folder {}",
            visible(&settings.out.display().to_string())
        )
    })?;
    let one_image = matches!(settings.images.as_slice(), [one] if one.is_file());
    if one_image && !settings.options.method.method().is_slow() && !settings.options.aug_smooth {
        model.expect_one_image();
    }
    let mut session = Session {
        settings,
        model: &model,
        classes,
        beside,
        options: Options {
            versus: versus
                .as_deref()
                .map(|name| resolve_one(name, &model))
                .transpose()?,
            ..settings.options.clone()
        },
        terminal,
        stems: Stems::default(),
    };
    let mut all_well = true;
    for named in &settings.images {
        let images: Vec<PathBuf> = match scan(std::slice::from_ref(named), settings.scan) {
            Ok(found) => found
                .images
                .iter()
                .map(|image| image.path.to_path_buf())
                .collect(),
            Err(error) => {
                all_well = false;
                session.report(named, Err(error.to_string()), out)?;
                continue;
            }
        };
        for image in images {
            let result = session.explain(&image);
            all_well &= result.is_ok();
            session.report(&image, result, out)?;
        }
    }
    Ok(all_well)
}

/// What is the same for all images of a run.
struct Session<'a> {
    settings: &'a ExplainSettings,
    model: &'a Model,
    /// Empty: the best ones of each image.
    classes: Vec<ClassIndex>,
    /// Shown beside each class, unless it is the most probable other one.
    beside: Option<ClassIndex>,
    options: Options,
    /// Where `--show` prints.
    terminal: Option<Capabilities>,
    stems: Stems,
}

/// What came of one image.
struct Explained {
    examined: Examined,
    predictions: Vec<Prediction>,
    explanations: Vec<Finding>,
    explain: Duration,
    write: Duration,
}

/// What came of one class of an image.
struct Finding {
    explanation: Explanation,
    beside: Option<Explanation>,
    /// What was written, by kind.
    files: BTreeMap<&'static str, PathBuf>,
}

impl Session<'_> {
    fn explain(&mut self, image: &Path) -> Result<Explained, String> {
        let mut examined = examine(self.model, image)?;
        let wanted = if let Classes::Top(top) = self.settings.classes {
            top
        } else {
            0
        };
        let ranked = predictions(
            self.model,
            &examined.input,
            &examined.logits,
            wanted.max(TOP),
        )
        .map_err(|error| error.to_string())?;
        let classes: Vec<ClassIndex> = match self.settings.classes {
            Classes::Top(top) => ranked
                .iter()
                .take(top)
                .map(|prediction| prediction.class)
                .collect(),
            Classes::Named(_) => self.classes.clone(),
        };
        let stem = self.stems.unique(image);
        let (mut taken, mut write) = (Duration::ZERO, Duration::ZERO);
        let mut explanations = Vec::new();
        for class in classes {
            let mut explained = |class| {
                let Examined { input, passes, .. } = &mut examined;
                let (model, options) = (self.model, &self.options);
                timed(&mut taken, || {
                    explain(model, input, passes, class, options, &mut Unwatched)
                })
                .map_err(|error| error.to_string())
            };
            let mut finding = Finding {
                explanation: explained(class)?,
                beside: self.beside(class, &ranked).map(explained).transpose()?,
                files: BTreeMap::new(),
            };
            let part = self.label_part(&finding.explanation.target);
            let path = |ending: &str| output_path(&self.settings.out, &stem, &part, ending);
            finding.files = timed(&mut write, || self.write(&examined, &finding, path))?;
            explanations.push(finding);
        }
        Ok(Explained {
            examined,
            predictions: ranked,
            explanations,
            explain: taken,
            write,
        })
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

    /// The label in file names; with the index where two classes share a label.
    fn label_part(&self, target: &Prediction) -> String {
        let part = label_part(&target.label);
        let labels = self.model.labels();
        let shared = (0..self.model.summary().classes)
            .map(ClassIndex)
            .any(|other| other != target.class && label_part(&labels.get(other)) == part);
        if shared {
            format!("{part}-{}", target.class.0)
        } else {
            part
        }
    }

    fn write(
        &self,
        examined: &Examined,
        finding: &Finding,
        path: impl Fn(&str) -> PathBuf,
    ) -> Result<BTreeMap<&'static str, PathBuf>, String> {
        let mut files = BTreeMap::new();
        let explanation = &finding.explanation;
        let parts = examined.parts(explanation, None);
        let size = parts.geometry.image;
        for (kind, view) in [("heatmap", View::Heatmap), ("overlay", View::Overlay)] {
            let picture = compose(
                &parts,
                Style {
                    view,
                    ..self.settings.style
                },
                size,
            )?;
            let path = path(&format!("{kind}.png"));
            save_png(&picture, &path)?;
            files.insert(kind, path);
        }
        if let Some(beside) = &finding.beside {
            let parts = examined.parts(explanation, Some(beside));
            let style = self.settings.style;
            let picture = compose(&parts, style, parts.full_size(style.view))?;
            let other = self.label_part(&beside.target);
            let path = path(&format!("beside.{other}.png"));
            save_png(&picture, &path)?;
            files.insert("beside", path);
        }
        if self.settings.raw {
            let input = parts.geometry.input;
            let map = explanation
                .heatmap
                .upsample(input.width as usize, input.height as usize);
            for (kind, grid, ending) in [("map", &map, "npy"), ("raw", &explanation.raw, "raw.npy")]
            {
                let path = path(ending);
                save_npy(grid, &path)?;
                files.insert(kind, path);
            }
        }
        Ok(files)
    }

    fn report(
        &self,
        image: &Path,
        result: Result<Explained, String>,
        out: &mut dyn Write,
    ) -> Result<()> {
        if self.settings.json {
            let line = match &result {
                Ok(explained) => json(&record(self, image, explained))?,
                Err(error) => json(&Failure {
                    image: image.to_string_lossy().into_owned(),
                    error,
                })?,
            };
            return writeln!(out, "{line}").context("cannot write to standard output");
        }
        match result {
            Ok(explained) => self.tell(image, &explained, out),
            Err(error) => writeln!(std::io::stderr(), "gradcam: {}", visible_lines(&error))
                .context("cannot write to standard error"),
        }
    }

    /// The same for people.
    fn tell(&self, image: &Path, explained: &Explained, out: &mut dyn Write) -> Result<()> {
        let summary = self.model.summary();
        writeln!(out, "{}", visible(&image.to_string_lossy()))?;
        for prediction in &explained.predictions {
            let Prediction {
                rank,
                label,
                probability,
                logit,
                ..
            } = prediction;
            writeln!(
                out,
                "  {rank}  {} {:5.1}%   logit {logit:.2}",
                padded(label, 24),
                probability * 100.0
            )?;
        }
        let mut how = vec![summary.family.clone()];
        if let Some(finding) = explained.explanations.first() {
            how.extend(finding.explanation.in_words());
        }
        how.extend([summary.recipe_and_source(), summary.device_and_precision()]);
        writeln!(out, "  {}", how.join(" · "))?;
        for guess in &summary.guesses {
            writeln!(out, "  guessed: {guess}")?;
        }
        for finding in &explained.explanations {
            let shown = std::iter::once(&finding.explanation).chain(&finding.beside);
            for explanation in shown {
                if let Some(warning) = explanation.warning() {
                    writeln!(out, "  {}: {warning}", explanation.target.label)?;
                }
            }
            for file in finding.files.values() {
                writeln!(out, "  wrote {}", visible(&file.to_string_lossy()))?;
            }
            if let Some(terminal) = &self.terminal {
                out.flush()?;
                let (own, beside) = (&finding.explanation, finding.beside.as_ref());
                let parts = explained.examined.parts(own, beside);
                let picture = compose(
                    &parts,
                    self.settings.style,
                    parts.full_size(self.settings.style.view),
                )
                .map_err(anyhow::Error::msg)?;
                print_once(picture, terminal).map_err(anyhow::Error::msg)?;
            }
        }
        Ok(())
    }
}
