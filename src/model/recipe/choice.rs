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

#[cfg(test)]
mod tests {
    use super::super::{Interpolation, Resize};
    use super::*;

    /// A recipe that is known by its side.
    fn side(side: u32) -> Recipe {
        Recipe::imagenet_at(side, 224, Interpolation::Bilinear)
    }

    fn known(card: bool, published: bool, convention: bool) -> Known {
        Known {
            card: card.then(|| (side(100), "config.json".to_owned())),
            published: published.then(|| (side(200), "resnet50 IMAGENET1K_V2".to_owned())),
            convention: convention.then(|| side(300)),
            refusal: None,
        }
    }

    /// A mean; with it all sizes and numbers; with them the filter too.
    fn flags(how_many: usize) -> RecipeOverrides {
        RecipeOverrides {
            mean: (how_many > 0).then_some([0.5; 3]),
            std: (how_many > 1).then_some([0.5; 3]),
            resize: (how_many > 1).then_some(Resize::ShorterSide(400)),
            crop: (how_many > 1).then_some(None),
            interpolation: (how_many > 2).then_some(Interpolation::Bicubic),
            ..RecipeOverrides::default()
        }
    }

    #[test]
    fn the_first_who_said_it_counts_and_the_rest_is_a_guess() {
        let (all, own) = ("config.json", "your flags");
        let both = "config.json and your flags";
        let published = "published for resnet50 IMAGENET1K_V2";
        let family = "the preprocessing, by the family's convention";
        let imagenet = "the preprocessing, by ImageNet's convention";
        let rest = "the rest of the preprocessing, by the family's convention";
        for (known, flags, expected, source, guess) in [
            (known(true, true, true), flags(0), 100, Some(all), None),
            (known(true, false, false), flags(1), 100, Some(both), None),
            (known(true, false, false), flags(2), 400, Some(both), None),
            (known(true, false, false), flags(3), 400, Some(own), None),
            (
                known(false, true, true),
                flags(0),
                200,
                Some(published),
                None,
            ),
            (known(false, false, true), flags(0), 300, None, Some(family)),
            (
                known(false, false, false),
                flags(0),
                256,
                None,
                Some(imagenet),
            ),
            (
                known(false, false, true),
                flags(1),
                300,
                Some(own),
                Some(rest),
            ),
            (known(false, false, true), flags(2), 400, Some(own), None),
        ] {
            let choice = known.choose(&flags).unwrap();
            assert_eq!(choice.recipe.resize, Resize::ShorterSide(expected));
            let said = (choice.source.as_deref(), choice.guess.as_deref());
            assert_eq!(said, (source, guess));
        }
    }

    #[test]
    fn a_step_that_gradcam_does_not_have_is_refused_unless_flags_say_everything() {
        let refused = || Known {
            refusal: Some("m/config.json asks for padding".to_owned()),
            ..known(false, true, true)
        };
        let error = refused().choose(&flags(1)).unwrap_err().to_string();
        let words = "m/config.json asks for padding, which gradcam cannot do; say the whole";
        assert!(error.starts_with(words), "{error}");
        assert_eq!(
            refused().choose(&flags(2)).unwrap().recipe.resize,
            Resize::ShorterSide(400)
        );
    }
}
