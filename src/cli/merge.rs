//! `gradcam merge`: one store of several, one set of explanations, or one file of results.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::evaluate::journal::Journal;
use super::explain::set;
use super::progress::Progress;
use crate::dataset::store::{Place, Store};
use crate::text::{count, visible};

#[derive(Debug, Args)]
#[command(
    after_help = "Stores become one that `gradcam FOLDER --review FILE` opens; folders that `gradcam explain --shard` has \
written become one set with one table; results become one file that `gradcam evaluate --results FILE` tells the figures of.\n\nExample: gradcam merge part-*.sqlite --out all.sqlite"
)]
pub(super) struct MergeArguments {
    /// Stores that `gradcam score` or the interface has written, folders of `gradcam explain`, or files
    /// of `gradcam evaluate --results`, which end in .jsonl
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// The store or the folder that they become; what is there already stays in it. A folder of
    /// explanations may be one of the parts
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
}

/// For `gradcam merge`.
#[derive(Debug)]
pub struct MergeSettings {
    parts: Vec<PathBuf>,
    out: PathBuf,
}

impl MergeArguments {
    pub(super) fn settings(self) -> MergeSettings {
        MergeSettings {
            parts: self.parts,
            out: self.out,
        }
    }
}

/// Merges. Returns whether all parts of the whole were there.
///
/// # Errors
/// When a part cannot be read or is something else, parts do not fit together, or the whole cannot
/// be written.
pub fn run(settings: &MergeSettings, out: &mut dyn Write) -> Result<bool> {
    for part in &settings.parts {
        part.metadata()
            .with_context(|| format!("cannot read {}", shown(part)))?;
    }
    let folders = settings.parts.iter().filter(|part| part.is_dir()).count();
    let is_results = |part: &PathBuf| part.extension().is_some_and(|ending| ending == "jsonl");
    match folders {
        0 if settings.parts.iter().all(is_results) => {
            let taken = Journal::merge(&settings.parts, &settings.out)?;
            writeln!(
                out,
                "{} in {}",
                count(taken, "result"),
                shown(&settings.out)
            )?;
            Ok(true)
        }
        0 => stores(settings, out),
        all if all == settings.parts.len() => {
            let merged = set::merge(&settings.parts, &settings.out)?;
            writeln!(out, "{}", merged.words)?;
            for missing in &merged.missing {
                Progress::new().say(missing);
            }
            Ok(merged.missing.is_empty())
        }
        _ => bail!(
            "some parts are folders of explanations and some are stores; merge one kind at a time"
        ),
    }
}

fn stores(settings: &MergeSettings, out: &mut dyn Write) -> Result<bool> {
    let progress = Progress::new();
    let open = |file: &Path| -> Result<Store> {
        let store = Store::open(&Place::new(&[], Some(file), None)?, "")?;
        for note in store.notes() {
            progress.say(note);
        }
        Ok(store)
    };
    let mut whole = open(&settings.out)?;
    let same = |part: &Path| part.canonicalize().ok() == settings.out.canonicalize().ok();
    for part in &settings.parts {
        if same(part) {
            continue;
        }
        let merged = whole.take_from(&mut open(part)?)?;
        writeln!(
            out,
            "{}: {}, something said of {}",
            shown(part),
            count(merged.scores, "score"),
            count(merged.reviews, "image")
        )?;
        for image in &merged.conflicts {
            progress.say(&format!(
                "{}: {} says something else than before; what was said last stands",
                image.shown(),
                shown(part)
            ));
        }
    }
    writeln!(out, "all in {}", whole.name())?;
    Ok(true)
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}
