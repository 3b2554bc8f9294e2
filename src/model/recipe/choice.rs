//! Which recipe is used, and who chose it.

use super::{Recipe, RecipeError, RecipeOverrides};

/// What is known of a network's preprocessing beside the user's words. The first that is there
/// counts.
#[derive(Debug, Default)]
pub struct Known {
    /// The checkpoint's own, and where it stands: "config.json".
    pub card: Option<(Recipe, String)>,
    /// Why the checkpoint's own cannot be followed, to be read before "which gradcam cannot do".
    pub refusal: Option<String>,
    /// Published with the weights, and their name: "resnet50 IMAGENET1K_V2".
    pub published: Option<(Recipe, String)>,
    /// What the family is usually trained with; ImageNet's without it.
    pub convention: Option<Recipe>,
}

/// A recipe and who chose it.
#[derive(Debug, PartialEq)]
pub struct Choice {
    pub recipe: Recipe,
    /// Who said it: "config.json and your flags". Nothing where nobody did.
    pub source: Option<String>,
    /// What was guessed, where nobody said all of it.
    pub guess: Option<String>,
}

impl Known {
    /// The recipe with the user's changes.
    ///
    /// # Errors
    /// When the result makes no sense, or the checkpoint asks for a step that gradcam does not have
    /// and the user does not say everything instead.
    pub fn choose(self, flags: &RecipeOverrides) -> Result<Choice, RecipeError> {
        let complete = flags.is_complete();
        if let Some(refusal) = self.refusal.filter(|_| !complete) {
            return Err(RecipeError::Inexpressible(refusal));
        }
        let published = self
            .published
            .map(|(recipe, name)| (recipe, format!("published for {name}")));
        let (recipe, said_by, guess) = match (self.card.or(published), self.convention) {
            (Some((recipe, source)), _) => (recipe, Some(source), None),
            (None, Some(recipe)) => (recipe, None, Some("the family's convention")),
            (None, None) => (Recipe::imagenet(), None, Some("ImageNet's convention")),
        };
        let silent = *flags == RecipeOverrides::default();
        let everything = complete && flags.interpolation.is_some();
        let source = match said_by {
            _ if everything => Some("your flags".to_owned()),
            Some(source) if silent => Some(source),
            Some(source) => Some(format!("{source} and your flags")),
            None if silent => None,
            None => Some("your flags".to_owned()),
        };
        let how_much = if silent {
            "the preprocessing"
        } else {
            "the rest of the preprocessing"
        };
        Ok(Choice {
            recipe: recipe.with(flags)?,
            source,
            guess: guess
                .filter(|_| !complete)
                .map(|by| format!("{how_much}, by {by}")),
        })
    }
}
