//! Heads: what turns features into logits. Fine-tuned models differ here most.
//!
//! A single linear layer, under the name that the family gives it or inside a module of that name
//! (`fc`, `fc.1`, `head.fc`), or a `Sequential` of linear layers and batch norms. Dropout does
//! nothing here and has no weights. Between two linear layers of a `Sequential` stands an
//! activation where a number is left free for it; which one, the weights do not tell.

use super::FamilyError;
use super::net::{Activation, Net};
use crate::model::graph::ValueId;

/// The layers of a head with weights, by name.
#[derive(Debug, PartialEq, Eq)]
enum Layer {
    Linear(String),
    Norm(String),
}

impl Net<'_> {
    /// Logits of features `[batch, channels]` by the head of this name. An activation between two
    /// linear layers is taken for `inner`, and that is noted as a guess.
    ///
    /// # Errors
    /// When there is no head that can be read off the names: it is named, with its layers.
    pub(super) fn head(
        &mut self,
        name: &str,
        features: ValueId,
        inner: Activation,
    ) -> Result<ValueId, FamilyError> {
        if self
            .weights
            .shape(&format!("{name}.weight"))
            .is_some_and(|shape| shape.len() == 2)
        {
            let logits = self.linear(name, features)?;
            self.builder.layer(name, logits, None);
            return Ok(logits);
        }
        let (mut x, mut before): (ValueId, Option<String>) = (features, None);
        for layer in self.head_layers(name)? {
            x = match layer {
                Layer::Linear(part) => {
                    if let Some(before) = before.replace(part.clone())
                        && room_between(&before, &part)
                    {
                        self.guesses.push(format!(
                            "{inner:?} stands between {before} and {part} of the head"
                        ));
                        x = self.activation(inner, x)?;
                    }
                    self.linear(&part, x)?
                }
                Layer::Norm(part) => self.batch_norm(&part, x, 1e-5)?,
            };
        }
        self.builder.layer(name, x, None);
        Ok(x)
    }

    /// Logits by the classifier of networks from before global pooling: linear layers with ReLU
    /// between them, as these families are published.
    pub(super) fn sequential_head(
        &mut self,
        name: &str,
        features: ValueId,
    ) -> Result<ValueId, FamilyError> {
        let mut x = features;
        let layers = self.head_layers(name)?;
        for (position, layer) in layers.iter().enumerate() {
            let (Layer::Linear(part) | Layer::Norm(part)) = layer;
            x = match layer {
                Layer::Linear(_) => self.linear(part, x)?,
                Layer::Norm(_) => self.batch_norm(part, x, 1e-5)?,
            };
            if position + 1 < layers.len() && matches!(layer, Layer::Linear(_)) {
                x = self.relu(x)?;
            }
        }
        self.builder.layer(name, x, None);
        Ok(x)
    }

    /// How many linear layers a module has.
    pub(super) fn linears(&self, name: &str) -> usize {
        let is_linear = |layer: &&Layer| matches!(layer, Layer::Linear(_));
        self.head_layers(name)
            .map_or(0, |layers| layers.iter().filter(is_linear).count())
    }

    fn head_layers(&self, name: &str) -> Result<Vec<Layer>, FamilyError> {
        let mut modules: Vec<String> = Vec::new();
        self.collect_modules(name, &mut modules);
        let layers: Option<Vec<Layer>> = modules
            .iter()
            .map(|module| {
                let dimensions = self.weights.shape(&format!("{module}.weight"))?.len();
                match dimensions {
                    2 => Some(Layer::Linear(module.clone())),
                    1 if self.weights.has(&format!("{module}.running_mean")) => {
                        Some(Layer::Norm(module.clone()))
                    }
                    _ => None,
                }
            })
            .collect();
        match layers {
            Some(layers) if layers.iter().any(|layer| matches!(layer, Layer::Linear(_))) => {
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

/// Whether a `Sequential` has a place between two of its layers, as in `fc.0` and `fc.2`.
fn room_between(before: &str, after: &str) -> bool {
    let place = |name: &str| -> Option<usize> { name.rsplit('.').next()?.parse().ok() };
    match (place(before), place(after)) {
        (Some(before), Some(after)) => after > before + 1,
        _ => true,
    }
}
