//! `gradcam explain`: heatmaps and overlays as files, predictions as text or JSON.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{Classes, ExplainSettings};
use crate::dataset::scan::scan;
use crate::explain::methods::Unwatched;
use crate::explain::options::Options;
use crate::explain::{Explanation, Prediction, explain, predictions};
use crate::graphics::viuer::print_once;
use crate::graphics::{Capabilities, Choice};
use crate::heatmap::MapState;
use crate::model::recipe::Recipe;
use crate::model::{ClassIndex, Model, ModelSummary};
use crate::picture::files::{Stems, label_part, output_path, save_npy, save_png};
use crate::picture::overlay::compose;
use crate::picture::{Style, View};
use crate::terminal::ask;
use crate::text::visible;
use crate::worker::studio::{Examined, TOP, examine, timed};

/// One line of `--json` for an image that was explained.
#[derive(Debug, Serialize)]
struct Record<'a> {
    image: String,
    model: ModelRecord<'a>,
    recipe: RecipeRecord<'a>,
    device: &'a str,
    layer: &'a str,
    method: &'static str,
    predictions: &'a [Prediction],
    explanations: Vec<ExplanationRecord>,
    milliseconds: Milliseconds,
}

/// One line of `--json` for an image that was not.
#[derive(Debug, Serialize)]
struct Failure<'a> {
    image: String,
    error: &'a str,
}

#[derive(Debug, Serialize)]
struct ModelRecord<'a> {
    name: &'a str,
    family: &'a str,
    classes: usize,
    fingerprint: &'a str,
}

#[derive(Debug, Serialize)]
struct RecipeRecord<'a> {
    text: &'a str,
    #[serde(flatten)]
    fields: &'a Recipe,
}

#[derive(Debug, Serialize)]
struct ExplanationRecord {
    class: ClassIndex,
    label: String,
    state: MapState,
    /// `null` where the map is not a number.
    peak: f32,
    /// Height and width of the layer's grid.
    grid: [usize; 2],
    /// What was written: "heatmap", "overlay", and with `--raw` "map" and "raw".
    files: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Milliseconds {
    decode: f64,
    prepare: f64,
    forward: f64,
    explain: f64,
    write: f64,
}

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
        true => Some(ask(&settings.environment, Choice::Auto)?),
        false => None,
    };
    let model = Model::load(&settings.model, &settings.load)?;
    let classes = resolve(&settings.classes, &model)?;
    let versus = &settings.versus;
    std::fs::create_dir_all(&settings.out).with_context(|| {
        format!(
            "cannot make the folder {}",
            visible(&settings.out.display().to_string())
        )
    })?;
    let mut session = Session {
        settings,
        model: &model,
        classes,
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
    options: Options,
    /// Where `--show` prints.
    terminal: Option<Capabilities>,
    stems: Stems,
}

/// What came of one image.
struct Explained {
    examined: Examined,
    predictions: Vec<Prediction>,
    explanations: Vec<(Explanation, BTreeMap<&'static str, PathBuf>)>,
    explain: Duration,
    write: Duration,
}

impl Session<'_> {
    fn explain(&mut self, image: &Path) -> Result<Explained, String> {
        let mut examined = examine(self.model, image)?;
        let wanted = if let Classes::Top(top) = self.settings.classes {
            top
        } else {
            0
        };
        let ranked = predictions(self.model, &examined.logits, wanted.max(TOP))
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
            let explanation = timed(&mut taken, || {
                let Examined { input, passes, .. } = &mut examined;
                explain(
                    self.model,
                    input,
                    passes,
                    class,
                    &self.options,
                    &mut Unwatched,
                )
            })
            .map_err(|error| error.to_string())?;
            let part = self.label_part(&explanation.target);
            let path = |ending: &str| output_path(&self.settings.out, &stem, &part, ending);
            let files = timed(&mut write, || self.write(&examined, &explanation, path))?;
            explanations.push((explanation, files));
        }
        Ok(Explained {
            examined,
            predictions: ranked,
            explanations,
            explain: taken,
            write,
        })
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
        explanation: &Explanation,
        path: impl Fn(&str) -> PathBuf,
    ) -> Result<BTreeMap<&'static str, PathBuf>, String> {
        let mut files = BTreeMap::new();
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
                Ok(explained) => serde_json::to_string(&self.record(image, explained))?,
                Err(error) => serde_json::to_string(&Failure {
                    image: image.to_string_lossy().into_owned(),
                    error,
                })?,
            };
            return writeln!(out, "{line}").context("cannot write to standard output");
        }
        match result {
            Ok(explained) => self.tell(image, &explained, out),
            Err(error) => writeln!(std::io::stderr(), "gradcam: {error}")
                .context("cannot write to standard error"),
        }
    }

    fn record<'a>(&'a self, image: &Path, explained: &'a Explained) -> Record<'a> {
        let ModelSummary {
            name,
            family,
            classes,
            fingerprint,
            layer,
            recipe,
            device,
            ..
        } = self.model.summary();
        let times = explained.examined.times;
        let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 100.0;
        Record {
            image: image.to_string_lossy().into_owned(),
            model: ModelRecord {
                name,
                family,
                classes: *classes,
                fingerprint,
            },
            recipe: RecipeRecord {
                text: recipe,
                fields: self.model.recipe(),
            },
            device,
            layer,
            method: self.options.method.method().name(),
            predictions: &explained.predictions,
            explanations: explained
                .explanations
                .iter()
                .map(explanation_record)
                .collect(),
            milliseconds: Milliseconds {
                decode: milliseconds(times.decode),
                prepare: milliseconds(times.prepare),
                forward: milliseconds(times.forward),
                explain: milliseconds(explained.explain),
                write: milliseconds(explained.write),
            },
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
                "  {rank}  {label:<24} {:5.1}%   logit {logit:.2}",
                probability * 100.0
            )?;
        }
        writeln!(
            out,
            "  {} · {} · {} · {}",
            summary.family,
            summary.layer,
            summary.recipe_and_source(),
            summary.device
        )?;
        for guess in &summary.guesses {
            writeln!(out, "  guessed: {guess}")?;
        }
        for (explanation, files) in &explained.explanations {
            let label = &explanation.target.label;
            match explanation.heatmap.state {
                MapState::Ok => {}
                MapState::Empty => {
                    writeln!(out, "  {label}: no positive evidence, the map is all zero")?;
                }
                MapState::Nan => {
                    writeln!(out, "  {label}: the map has values that are not numbers")?;
                }
            }
            for file in files.values() {
                writeln!(out, "  wrote {}", visible(&file.to_string_lossy()))?;
            }
            if let Some(terminal) = &self.terminal {
                out.flush()?;
                let picture = compose(
                    &explained.examined.parts(explanation, None),
                    self.settings.style,
                    explained.examined.input.geometry.image,
                )
                .map_err(anyhow::Error::msg)?;
                print_once(picture, terminal).map_err(anyhow::Error::msg)?;
            }
        }
        Ok(())
    }
}

fn explanation_record(
    (explanation, files): &(Explanation, BTreeMap<&'static str, PathBuf>),
) -> ExplanationRecord {
    ExplanationRecord {
        class: explanation.target.class,
        label: explanation.target.label.clone(),
        state: explanation.heatmap.state,
        peak: explanation.heatmap.peak,
        grid: [explanation.raw.height, explanation.raw.width],
        files: files
            .iter()
            .map(|(kind, path)| (*kind, path.to_string_lossy().into_owned()))
            .collect(),
    }
}

/// Class indices of what the user named.
fn resolve(classes: &Classes, model: &Model) -> Result<Vec<ClassIndex>> {
    let Classes::Named(names) = classes else {
        return Ok(Vec::new());
    };
    names.iter().map(|name| resolve_one(name, model)).collect()
}

fn resolve_one(name: &str, model: &Model) -> Result<ClassIndex> {
    let count = model.summary().classes;
    if let Ok(index) = name.parse::<usize>() {
        if index >= count {
            bail!(
                "class {index} is out of range; the model has {count} classes, 0 to {}",
                count.saturating_sub(1)
            );
        }
        return Ok(ClassIndex(index));
    }
    let wanted = name.to_lowercase();
    let labels: Vec<(ClassIndex, String)> = (0..count)
        .map(|i| (ClassIndex(i), model.labels().get(ClassIndex(i))))
        .collect();
    let exact: Vec<_> = labels
        .iter()
        .filter(|(_, label)| label.to_lowercase() == wanted)
        .collect();
    match exact.as_slice() {
        [(class, _)] => Ok(*class),
        [] if !model.labels().known() => bail!(
            "the model has no class names; name the class by its index, or give the names with --labels FILE"
        ),
        [] => {
            let near: Vec<_> = labels
                .iter()
                .filter(|(_, label)| label.to_lowercase().contains(&wanted))
                .map(|(_, label)| label.as_str())
                .take(5)
                .collect();
            let hint = if near.is_empty() {
                format!("the first ones are {}", first_labels(&labels))
            } else {
                format!("did you mean {}?", near.join(", "))
            };
            bail!("the model has no class {}; {hint}", visible(name))
        }
        several => {
            let indices: Vec<String> = several
                .iter()
                .map(|(class, _)| class.0.to_string())
                .collect();
            bail!(
                "{} classes are named {}; choose one by its index: {}",
                several.len(),
                visible(name),
                indices.join(", ")
            )
        }
    }
}

fn first_labels(labels: &[(ClassIndex, String)]) -> String {
    labels
        .iter()
        .take(5)
        .map(|(_, label)| label.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
