//! Heads: what turns features into logits. Fine-tuned models differ here most.
//!
//! A single linear layer, under the name that the family gives it or inside a module of that name
//! (`fc`, `fc.1`, `head.fc`), or a `Sequential` of linear layers and norms; or the same beside a
//! network that was saved as a part of another module (`backbone.…` and `classifier.weight`).
//! Dropout does nothing here and has no weights. After a linear layer that is not the last stands an
//! activation where a number is left free for it; which one, the weights do not tell.

use super::FamilyError;
use super::net::{Activation, Net};
use super::weights::BESIDE;
use crate::model::graph::ValueId;

/// The layers of a head with weights, by name.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Linear(String),
    BatchNorm(String),
    LayerNorm(String),
}

impl Part {
    fn name(&self) -> &str {
        let (Self::Linear(name) | Self::BatchNorm(name) | Self::LayerNorm(name)) = self;
        name
    }
}

impl Net<'_> {
    /// Logits of features `[batch, channels]` by the head of this name. `own` is the activation of
    /// the family's own heads, whose layers have names; in a `Sequential`, whose layers have numbers,
    /// people put ReLU. What is taken for one is noted as a guess.
    ///
    /// # Errors
    /// When there is no head that can be read off the names: it is named, with its layers.
    pub(super) fn head(
        &mut self,
        name: &str,
        features: ValueId,
        own: Activation,
    ) -> Result<ValueId, FamilyError> {
        let name = if self.weights.children(name).is_empty() {
            self.head_beside(name, features)?
        } else {
            name.to_owned()
        };
        if self
            .weights
            .shape(&format!("{name}.weight"))
            .is_some_and(|shape| shape.len() == 2)
        {
            let logits = self.linear(&name, features)?;
            self.layer(own_name(&name), logits);
            return Ok(logits);
        }
        let layers = self.head_layers(&name)?;
        self.layers_of_head(&name, &layers, features, own, true)
    }

    /// Logits by the classifier of networks from before global pooling: linear layers with ReLU
    /// between them, published with these numbers.
    pub(super) fn sequential_head(
        &mut self,
        name: &str,
        features: ValueId,
        published: [usize; 3],
    ) -> Result<ValueId, FamilyError> {
        let layers = self.head_layers(name)?;
        let own = published.map(|number| Part::Linear(format!("{name}.{number}")));
        self.layers_of_head(name, &layers, features, Activation::Relu, layers != own)
    }

    fn layers_of_head(
        &mut self,
        name: &str,
        layers: &[Part],
        features: ValueId,
        own: Activation,
        guessed: bool,
    ) -> Result<ValueId, FamilyError> {
        let mut x = features;
        let mut linear_before: Option<&str> = None;
        for (position, layer) in layers.iter().enumerate() {
            let part = layer.name();
            if let (Some(before), Some(previous)) = (
                linear_before,
                position.checked_sub(1).map(|at| layers[at].name()),
            ) && let Some(activation) = between(previous, part, layer, own)
            {
                if guessed {
                    self.guesses.push(format!(
                        "{activation:?} follows {} of the head",
                        own_name(before)
                    ));
                }
                x = self.activation(activation, x)?;
                linear_before = None;
            }
            x = match layer {
                Part::Linear(_) => {
                    linear_before = Some(part);
                    self.linear(part, x)?
                }
                Part::BatchNorm(_) => self.batch_norm_unnamed(part, x, 1e-5)?,
                Part::LayerNorm(_) => self.layer_norm(part, x, 1e-5)?,
            };
            self.layer(own_name(part), x);
        }
        if layers.last().is_none_or(|last| last.name() != name) {
            self.layer(own_name(name), x);
        }
        Ok(x)
    }

    /// The head of a network that is a part of another module, by its name beside the network. It
    /// must be the only one that fits the features.
    fn head_beside(&mut self, name: &str, features: ValueId) -> Result<String, FamilyError> {
        let channels = self.channels(features);
        let fits = |layers: &[Part]| {
            let first = layers.first().map(Part::name);
            let axis = usize::from(matches!(layers.first(), Some(Part::Linear(_))));
            first.is_some_and(|first| {
                channels.is_some()
                    && self.weights.length(&format!("{first}.weight"), axis) == channels
            })
        };
        let beside: Vec<String> = self
            .weights
            .beside()
            .into_iter()
            // Of self-supervised training: what projects makes no scores of classes.
            .filter(|module| !module.contains("proj"))
            .filter(|module| self.head_layers(module).is_ok_and(|layers| fits(&layers)))
            .collect();
        match beside.as_slice() {
            [one] => {
                self.guesses.push(format!("{} is the head", own_name(one)));
                Ok(one.clone())
            }
            _ => Err(FamilyError::NoHead {
                name: name.to_owned(),
                beside: beside
                    .iter()
                    .map(|name| own_name(name).to_owned())
                    .collect(),
            }),
        }
    }

    fn head_layers(&self, name: &str) -> Result<Vec<Part>, FamilyError> {
        let mut modules: Vec<String> = Vec::new();
        self.collect_modules(name, &mut modules);
        let layers: Option<Vec<Part>> = modules
            .iter()
            .map(|module| {
                let dimensions = self.weights.shape(&format!("{module}.weight"))?.len();
                match dimensions {
                    2 => Some(Part::Linear(module.clone())),
                    1 if self.weights.has(&format!("{module}.running_mean")) => {
                        Some(Part::BatchNorm(module.clone()))
                    }
                    1 => Some(Part::LayerNorm(module.clone())),
                    _ => None,
                }
            })
            .collect();
        match layers {
            Some(layers) if layers.iter().any(|layer| matches!(layer, Part::Linear(_))) => {
                Ok(layers)
            }
            _ => Err(FamilyError::Head {
                name: name.to_owned(),
                layers: if modules.is_empty() {
                    "nothing".to_owned()
                } else {
                    modules.join(", ")
                },
            }),
        }
    }

    /// The modules with weights below a name, in the order in which a `Sequential` runs them.
    fn collect_modules(&self, name: &str, modules: &mut Vec<String>) {
        for child in self.weights.children(name) {
            let module = format!("{name}.{child}");
            if self.weights.shape(&module).is_some() {
                // `name` itself has the weight `child`.
                if modules.last().is_none_or(|last| last != name) {
                    modules.push(name.to_owned());
                }
            } else {
                self.collect_modules(&module, modules);
            }
        }
    }
}

/// The name of a module beside the network as the whole module calls it.
fn own_name(name: &str) -> &str {
    name.strip_prefix(BESIDE).unwrap_or(name)
}

/// The activation between two layers of a head, if there is room for one. In a `Sequential` it takes
/// the first free number after the linear layer; among layers with names it stands before the next
/// linear one.
fn between(before: &str, after: &str, layer: &Part, own: Activation) -> Option<Activation> {
    let parts = before.split('.').zip(after.split('.'));
    let same = parts.take_while(|(before, after)| before == after).count();
    let number = |part: Option<&str>| -> Option<usize> { part?.parse().ok() };
    let (mut left, mut right) = (before.split('.').skip(same), after.split('.').skip(same));
    let (Some(from), Some(to)) = (number(left.next()), number(right.next())) else {
        return matches!(layer, Part::Linear(_)).then_some(own);
    };
    // Inside of another module what has no weights may stand before the one and after the other.
    let hidden = left.next().is_some() || right.any(|part| number(Some(part)) != Some(0));
    (to > from + 1 || hidden).then_some(Activation::Relu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activation_takes_the_first_free_place_after_a_linear_layer() {
        use Activation::{Gelu, Relu};
        let linear = Part::Linear(String::new());
        let norm = Part::BatchNorm(String::new());
        for (before, after, layer, expected) in [
            ("fc.0", "fc.2", &linear, Some(Relu)),
            ("fc.0", "fc.1", &linear, None),
            ("fc.0", "fc.1", &norm, None),
            ("fc.2", "fc.4", &norm, Some(Relu)),
            ("fc.1", "fc.3", &linear, Some(Relu)),
            ("classifier.0", "classifier.1.1", &linear, Some(Relu)),
            ("classifier.0", "classifier.1.0", &linear, None),
            ("classifier.0.0", "classifier.1", &linear, Some(Relu)),
            ("heads.pre_logits", "heads.head", &linear, Some(Gelu)),
            ("head.fc1", "head.norm", &norm, None),
        ] {
            assert_eq!(
                between(before, after, layer, Gelu),
                expected,
                "{before} {after}"
            );
        }
    }
}
