//! Many images: which ones a command without the interface goes through, and on what.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::progress::Progress;
use crate::dataset::scan::{ScanOptions, scan};
use crate::dataset::shard::Shard;
use crate::dataset::store::{Key, Names};
use crate::dataset::{ImageEntry, ImageId};
use crate::model::device::{DeviceChoice, is_gpu};
use crate::pipeline::{Crew, Wishes};
use crate::text::visible;

#[derive(Debug, Args)]
#[command(next_help_heading = "Many images")]
pub(super) struct ManyArguments {
    /// Take the images from this file too, one a line; `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    list: Vec<PathBuf>,
    /// Cores to use; all of them without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Images that run through the network at once; 1 on the processor and 64 on a GPU without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: Option<u16>,
    /// Only part I of N, told by the names of the images, so that each of N machines takes its own
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Do everything again, whatever is done already
    #[arg(long)]
    force: bool,
}

/// What is to be gone through, and on what.
#[derive(Debug)]
pub struct ManySettings {
    /// Folders, image files and patterns.
    pub(super) paths: Vec<PathBuf>,
    pub(super) lists: Vec<PathBuf>,
    pub(super) scan: ScanOptions,
    pub(super) wishes: Wishes,
    pub(super) shard: Option<Shard>,
    pub(super) force: bool,
}

impl ManyArguments {
    pub(super) fn settings(
        self,
        paths: Vec<PathBuf>,
        scan: ScanOptions,
        devices: Vec<DeviceChoice>,
    ) -> ManySettings {
        ManySettings {
            paths,
            lists: self.list,
            scan,
            wishes: Wishes {
                devices,
                jobs: self.jobs.map(usize::from),
                batch: self.batch.map(usize::from),
            },
            shard: self.shard,
            force: self.force,
        }
    }
}

/// The images of a run.
#[derive(Debug)]
pub(super) struct Images {
    /// All that were found, numbered from 0.
    pub(super) all: Vec<ImageEntry>,
    /// Those of this machine's shard.
    pub(super) own: Vec<ImageEntry>,
    pub(super) names: Names,
    /// What was named and is not there.
    pub(super) missing: Vec<Missing>,
}

/// Something that was named and is not there.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) path: PathBuf,
    /// One sentence.
    pub(super) reason: String,
    /// How many images were named before it.
    pub(super) after: usize,
}

impl ManySettings {
    /// All of what is named, on all cores.
    pub(super) fn of(paths: Vec<PathBuf>, scan: ScanOptions, device: DeviceChoice) -> Self {
        Self {
            paths,
            lists: Vec::new(),
            scan,
            wishes: Wishes {
                devices: vec![device],
                ..Wishes::default()
            },
            shard: None,
            force: false,
        }
    }

    /// Whether images are named one by one, on the command line.
    pub(super) fn are_named(&self) -> bool {
        self.lists.is_empty()
            && self.shard.is_none()
            && self.paths.iter().all(|path| !path.is_dir())
    }

    /// What the images are found in: folders, files and patterns; the current folder for lists.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let listed = (!self.lists.is_empty()).then(|| PathBuf::from("."));
        self.paths.iter().cloned().chain(listed).collect()
    }

    /// Finds the images.
    ///
    /// # Errors
    /// When a list cannot be read, or nothing at all is found.
    pub(super) fn images(&self, progress: &Progress) -> Result<Images> {
        let names = Names::new(&self.places());
        let (mut entries, mut missing) = (Vec::new(), Vec::new());
        for path in &self.paths {
            match scan(std::slice::from_ref(path), self.scan) {
                Ok(found) => {
                    for warning in &found.warnings {
                        progress.say(warning);
                    }
                    entries.extend(found.images);
                }
                Err(error) => missing.push(Missing {
                    path: path.clone(),
                    reason: error.to_string(),
                    after: entries.len(),
                }),
            }
        }
        for list in &self.lists {
            entries.extend(listed(list)?);
        }
        // Named twice, by whatever path, it is one image.
        let mut seen: HashSet<Key> = HashSet::new();
        entries.retain(|image| seen.insert(names.key(&image.path)));
        for (place, image) in entries.iter_mut().enumerate() {
            image.id = ImageId(place);
        }
        let is_own = |image: &&ImageEntry| {
            let has = |shard: Shard| shard.has(&names.key(&image.path));
            self.shard.is_none_or(has)
        };
        Ok(Images {
            own: entries.iter().filter(is_own).cloned().collect(),
            all: entries,
            names,
            missing,
        })
    }

    /// Few images that are named get a small crew. What is a set does not: the numbers must not
    /// depend on how many of its images are left to do.
    pub(super) fn crew(&self, images: usize) -> Crew {
        let named = self.are_named().then_some(images);
        Crew::new(&self.wishes, named, is_gpu)
    }
}

/// The images of a list: a path a line, or with zero bytes between them.
fn listed(list: &Path) -> Result<Vec<ImageEntry>> {
    let mut bytes = Vec::new();
    let read = if list == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(list).map(|read| bytes = read)
    };
    let name = visible(&list.display().to_string());
    read.with_context(|| format!("cannot read the list of images {name}"))?;
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("the list of images {name} is not UTF-8");
    };
    let between = if text.contains('\0') { '\0' } else { '\n' };
    let lines = text.split(between).map(|line| line.trim_end_matches('\r'));
    let entry = |line: &str| ImageEntry {
        id: ImageId(0),
        path: Arc::from(Path::new(line)),
        name: Arc::from(visible(line)),
    };
    Ok(lines.filter(|line| !line.is_empty()).map(entry).collect())
}
