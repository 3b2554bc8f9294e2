//! From a file to a graph, whatever the format, and the preprocessing that goes with it.

use std::path::Path;

use super::ModelError;
use super::catalog;
use super::checkpoint::{self, Card, Checkpoint, ModelSource};
use super::graph::Graph;
use super::program;
use super::recipe::{Choice, Known, Recipe, RecipeOverrides};
use super::zoo::{self, FamilyError};
use crate::text::visible;

/// A network that is not on its device yet.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) graph: Graph,
    pub(super) about: About,
    pub(super) recipe: Choice,
}

/// What is known of a network.
#[derive(Debug)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) family: String,
    /// Told by running it where the file does not.
    pub(super) classes: Option<usize>,
    pub(super) target_layer: Option<String>,
    /// Class names, and where they stand.
    pub(super) names: Option<(Vec<String>, &'static str)>,
    pub(super) guesses: Vec<String>,
}

/// Opens a model.
///
/// # Errors
/// When there is no network in the file, or the preprocessing does not fit it.
pub(super) fn open(source: &ModelSource, flags: &RecipeOverrides) -> Result<Opened, ModelError> {
    if let ModelSource::File(path) = source {
        let file = checkpoint::file_in(path)?;
        if program::is_program(&file) {
            // What stands beside the weights in a folder stands beside a program too.
            let card = if path.is_dir() {
                Card::of_folder(path)?
            } else {
                Card::default()
            };
            return open_program(&file, card, flags);
        }
    }
    open_weights(source, flags)
}

fn open_weights(source: &ModelSource, flags: &RecipeOverrides) -> Result<Opened, ModelError> {
    let mut checkpoint = Checkpoint::open(source)?;
    let file = checkpoint.name.clone();
    let misfit = |reason| match reason {
        // It names the file already.
        FamilyError::Checkpoint(error) => ModelError::Checkpoint(error),
        reason => ModelError::Family {
            file: file.clone(),
            reason,
        },
    };
    let mut network = zoo::build(&checkpoint, None).map_err(misfit)?;
    let card = std::mem::take(&mut checkpoint.card);
    let names = card
        .classes
        .clone()
        .map(|names| (names, card.classes_source));
    let published = match source {
        ModelSource::File(path) => published(path),
        ModelSource::Demo => None,
    };
    let recipe = choose(card.clone(), published, network.recipe.clone(), flags)?;
    if let Some(fixed) = network.fixed_size {
        let made = recipe.recipe.input_size();
        if let Some(wanted) = made.filter(|made| *made != fixed) {
            // Position embeddings and windows are made for the size that the user asks for.
            checkpoint.card = card;
            network = zoo::build(&checkpoint, Some(wanted)).map_err(misfit)?;
        }
        check_size(&file, network.fixed_size, &recipe.recipe)?;
    }
    let about = About {
        name: checkpoint.name.clone(),
        fingerprint: checkpoint.fingerprint.clone(),
        family: network.family.clone(),
        classes: Some(network.classes),
        target_layer: Some(network.target_layer.clone()),
        names,
        guesses: network.guesses.clone(),
    };
    let graph = network.into_graph(&checkpoint).map_err(misfit)?;
    Ok(Opened {
        graph,
        about,
        recipe,
    })
}

fn open_program(path: &Path, card: Card, flags: &RecipeOverrides) -> Result<Opened, ModelError> {
    let wanted = choose(card.clone(), None, Recipe::imagenet(), flags)?
        .recipe
        .input_size();
    let loaded = program::open(path, wanted.unwrap_or((224, 224)))?;
    let (height, width) = loaded.size;
    let names = card
        .classes
        .clone()
        .map(|names| (names, card.classes_source));
    let recipe = choose(card, None, sized(height, width), flags)?;
    let file = visible(&path.display().to_string());
    check_size(&file, Some(loaded.size), &recipe.recipe)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let about = About {
        name: visible(&name.to_string_lossy()),
        fingerprint: loaded.fingerprint,
        family: loaded.family,
        classes: None,
        target_layer: None,
        names,
        guesses: loaded.guesses,
    };
    Ok(Opened {
        graph: loaded.graph,
        about,
        recipe,
    })
}

/// The preprocessing of torchvision's weights, known by the name of their file.
fn published(path: &Path) -> Option<(Recipe, String)> {
    let entry = catalog::of_file_name(path.file_name()?.to_str()?)?;
    Some((
        entry.recipe.clone(),
        format!("{} {}", entry.model, entry.weights),
    ))
}

fn choose(
    card: Card,
    published: Option<(Recipe, String)>,
    convention: Recipe,
    flags: &RecipeOverrides,
) -> Result<Choice, ModelError> {
    let known = Known {
        card: card
            .recipe
            .map(|recipe| (recipe, card.recipe_source.to_owned())),
        refusal: card.refusal,
        published,
        convention: Some(convention),
    };
    Ok(known.choose(flags)?)
}

fn check_size(
    file: &str,
    fixed: Option<(usize, usize)>,
    recipe: &Recipe,
) -> Result<(), ModelError> {
    let Some((height, width)) = fixed else {
        return Ok(());
    };
    let made = match recipe.input_size() {
        Some(made) if made == (height, width) => return Ok(()),
        Some((height, width)) => format!("{height}x{width}"),
        None => "images of any size".to_owned(),
    };
    Err(ModelError::Size {
        file: file.to_owned(),
        height,
        width,
        made,
    })
}

/// The convention for a program whose input has this size.
fn sized(height: usize, width: usize) -> Recipe {
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (height, width) = (side(height), side(width));
    if height.max(width) < 64 {
        return Recipe::convention(height.max(width));
    }
    Recipe {
        // As 256 is to 224.
        resize: super::recipe::Resize::ShorterSide(height.max(width) * 8 / 7),
        crop: Some((width, height)),
        ..Recipe::imagenet()
    }
}
