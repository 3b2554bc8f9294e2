//! What is known of the images: from the store, from the truth, and where it was asked for from the
//! model.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{ExportSettings, Format, shown};
use crate::cli::progress::Progress;
use crate::cli::score::fill;
use crate::dataset::export::Record;
use crate::dataset::keys::Keys;
use crate::dataset::order::{Order, sorted};
use crate::dataset::query::{Query, Vocabulary};
use crate::dataset::review::usual;
use crate::dataset::scan::scan;
use crate::dataset::store::{KnownModel, ModelFacts, ModelId, Place, Store};
use crate::dataset::truth::{Classes, Truth};
use crate::dataset::{ImageEntry, ImageId};
use crate::model::labels::Labels;
use crate::model::{Model, ModelSource};
use crate::text::{count, visible};
use crate::worker::studio::facts_of;

/// All that is known.
pub(super) struct Gathered {
    /// Of every image, by its number.
    pub(super) records: Vec<Record>,
    /// What has made the scores.
    pub(super) facts: Option<ModelFacts>,
    /// There where pictures are to be drawn.
    pub(super) model: Option<Model>,
    query: Query,
    /// Images that could not be scored.
    pub(super) failures: usize,
}

impl Gathered {
    /// The images that fit the filter, in order.
    pub(super) fn queue(&self, order: Order) -> Vec<&Record> {
        let row = |id: ImageId| self.records[id.0].row();
        let ids = (0..self.records.len()).map(ImageId);
        let ids = ids.filter(|id| self.query.lets(&row(*id)));
        let sorted = sorted(ids, order, row);
        sorted.into_iter().map(|id| &self.records[id.0]).collect()
    }
}

pub(super) fn gather(settings: &ExportSettings, progress: &Progress) -> Result<Gathered> {
    let found = scan(&settings.paths, settings.scan)?;
    for warning in &found.warnings {
        progress.say(warning);
    }
    let images = found.images;
    let place = Place::new(
        &settings.paths,
        settings.review.as_deref(),
        settings.state.as_deref(),
    )?;
    let keys = Keys::new(place.clone(), &images);
    let mut store = open(settings, &place, progress)?;
    let Chosen { facts, model, id } = choose(settings, &store, progress)?;
    let mut records: Vec<Record> = images
        .iter()
        .map(|image| Record::new(image, &keys))
        .collect();
    if let Some(id) = id {
        take_scores(&store, id, &keys, &images, &mut records, progress)?;
    }
    let truth = truth(settings, facts.as_ref(), &images, progress)?;
    if let Some(truth) = truth {
        let classes = truth.classes(images.len());
        for (record, image) in records.iter_mut().zip(&images) {
            record.truth = Arc::from(classes.of(image.id));
        }
    }
    take_reviews(settings, &mut store, &keys, &images, &mut records)?;
    // A filter that means nothing is said before the work.
    let query = query(settings, facts.as_ref(), &records)?;
    let mut failures = 0;
    if settings.score
        && let Some(facts) = &facts
    {
        failures = fill(&settings.scoring(), progress)?;
        let id = store.model_of(facts)?;
        take_scores(&store, id, &keys, &images, &mut records, progress)?;
    }
    tell_of_missing(settings, &records, progress);
    Ok(Gathered {
        records,
        facts,
        model,
        query,
        failures,
    })
}

/// The store of the images. Where nothing was ever said of them, none is begun; scores that are to
/// be made are kept in a new one.
fn open(settings: &ExportSettings, place: &Place, progress: &Progress) -> Result<Store> {
    let reviewer = settings.reviewer.as_deref().unwrap_or_default();
    let is_there = place.file().exists();
    if !is_there && settings.review.is_some() && !settings.score {
        bail!("there is no review {}", shown(place.file()));
    }
    let store = if is_there || settings.score {
        Store::open(place, reviewer)?
    } else {
        progress.say(&format!(
            "nothing is kept of these images; it would be in {}",
            shown(place.file())
        ));
        Store::in_memory(reviewer)?
    };
    for note in store.notes() {
        progress.say(note);
    }
    Ok(store)
}

/// The model whose scores are exported.
struct Chosen {
    facts: Option<ModelFacts>,
    model: Option<Model>,
    /// Nothing where the store has no scores of it.
    id: Option<ModelId>,
}

fn choose(settings: &ExportSettings, store: &Store, progress: &Progress) -> Result<Chosen> {
    let known = store.models()?;
    let is_named = !matches!(settings.model, ModelSource::Demo);
    let draws = matches!(settings.format, Format::Html | Format::Png);
    if !is_named && !draws && !settings.score {
        match known.as_slice() {
            [] => {
                return Ok(Chosen {
                    facts: None,
                    model: None,
                    id: None,
                });
            }
            [one] if one.facts.is_some() => return of_store(settings, one),
            [one] => bail!(
                "the names of the classes of {} are not kept; give the model with --model",
                visible(&one.about)
            ),
            several => bail!(
                "there are scores of {}; choose one with --model: {}",
                count(several.len(), "model"),
                listed(several)
            ),
        }
    }
    let model = Model::load(&settings.model, &settings.load)?;
    for guess in &model.summary().guesses {
        progress.say(&format!("guessed: {guess}"));
    }
    let facts = facts_of(&model);
    let same = known.iter().find(|known| known.key == facts.key());
    if same.is_none() && !known.is_empty() && !settings.score {
        let others = listed(&known);
        if !is_named {
            bail!("the scores are those of another model; give it with --model: {others}");
        }
        progress.say(&format!(
            "there are no scores of {}; there are some of {others}",
            facts.about()
        ));
    }
    Ok(Chosen {
        id: same.map(|known| known.id),
        facts: Some(facts),
        model: Some(model),
    })
}

/// The only model that the store has scores of; its checkpoint is not needed.
fn of_store(settings: &ExportSettings, known: &KnownModel) -> Result<Chosen> {
    let mut facts = known.facts.clone();
    if let (Some(facts), Some(names)) = (&mut facts, &settings.load.labels) {
        facts.labels = Labels::open(names, facts.classes)?.all(facts.classes);
    }
    Ok(Chosen {
        facts,
        model: None,
        id: Some(known.id),
    })
}

fn listed(known: &[KnownModel]) -> String {
    let names: Vec<String> = known.iter().map(|known| visible(&known.about)).collect();
    names.join("; ")
}

fn take_scores(
    store: &Store,
    id: ModelId,
    keys: &Keys,
    images: &[ImageEntry],
    records: &mut [Record],
    progress: &Progress,
) -> Result<()> {
    let mut changed = 0;
    store.scores(id, |key, file, score| {
        let Some(record) = keys.find(key, images).map(|id| &mut records[id.0]) else {
            return;
        };
        if record.file != Some(file) {
            changed += 1;
            return;
        }
        match score {
            Ok(score) => record.score = Some(score),
            Err(reason) => record.unreadable = Some(Arc::from(reason)),
        }
    })?;
    if changed > 0 {
        progress.say(&format!(
            "{} changed since scored; the scores do not count",
            match changed {
                1 => "1 image has".to_owned(),
                several => format!("{several} images have"),
            }
        ));
    }
    Ok(())
}

fn truth(
    settings: &ExportSettings,
    facts: Option<&ModelFacts>,
    images: &[ImageEntry],
    progress: &Progress,
) -> Result<Option<Truth>> {
    let Some(facts) = facts else {
        if let Some(truth) = &settings.truth {
            if let Err(error) = truth.metadata() {
                let file = visible(&truth.to_string_lossy());
                bail!("cannot read the ground truth {file}: {error}");
            }
            bail!(
                "nothing is scored, so the truth has no classes to fit; give the model with --model"
            );
        }
        return Ok(None);
    };
    let names = match facts.labels.as_slice() {
        [] => Labels::default().all(facts.classes),
        labels => labels.to_vec(),
    };
    let mut notes = Vec::new();
    let truth = Truth::find(
        settings.truth.as_deref(),
        &settings.paths,
        images,
        &Classes::new(&names),
        &mut notes,
    )?;
    notes.extend(truth.iter().flat_map(|truth| truth.notes.clone()));
    for note in &notes {
        progress.say(note);
    }
    Ok(truth)
}

fn take_reviews(
    settings: &ExportSettings,
    store: &mut Store,
    keys: &Keys,
    images: &[ImageEntry],
    records: &mut [Record],
) -> Result<()> {
    let said = store.reviews()?.reviews.into_iter();
    let wanted = said.filter(|reviewed| {
        let reviewer = settings.reviewer.as_deref();
        reviewer.is_none_or(|reviewer| &*reviewed.stamp.by == reviewer)
    });
    for reviewed in wanted {
        if let Some(id) = keys.find(reviewed.image.as_bytes(), images) {
            records[id.0].said = Some((reviewed.review, reviewed.stamp));
        }
    }
    Ok(())
}

fn query(
    settings: &ExportSettings,
    facts: Option<&ModelFacts>,
    records: &[Record],
) -> Result<Query> {
    let reviews = || records.iter().filter_map(|record| record.said.as_ref());
    let given = reviews().filter_map(|(review, _)| review.verdict.clone());
    let usual = usual().into_iter().map(|verdict| verdict.name);
    let verdicts: BTreeSet<Arc<str>> = usual.chain(given).collect();
    let tags: BTreeSet<Arc<str>> = reviews()
        .flat_map(|(review, _)| review.tags.iter().cloned())
        .collect();
    let vocabulary = Vocabulary {
        labels: facts.map_or(&[], |facts| &facts.labels),
        classes: facts.map_or(0, |facts| facts.classes),
        verdicts: &verdicts.into_iter().collect::<Vec<_>>(),
        tags: &tags.into_iter().collect::<Vec<_>>(),
    };
    Query::parse(&settings.filter, &vocabulary).context("the filter is not understood")
}

/// Says how many images have no score, and how they get one.
fn tell_of_missing(settings: &ExportSettings, records: &[Record], progress: &Progress) {
    let missing = records.iter().filter(|record| {
        record.score.is_none() && record.unreadable.is_none() && record.file.is_some()
    });
    let missing = missing.count();
    if missing > 0 && !settings.score {
        progress.say(&format!(
            "{} of {} not scored; the interface does it, or --score",
            missing,
            match records.len() {
                1 => "1 image is".to_owned(),
                several => format!("{several} images are"),
            }
        ));
    }
}
