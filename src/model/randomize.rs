//! Randomize: a network whose layers have lost what they learned, from the head down.
//!
//! Cascading randomization of Adebayo et al. 2018, arXiv 1810.03292, section 3.1: the weights of the
//! layers are replaced by random ones, from the last layer to the first. A *layer* is here an
//! operation with a weight, in the order in which the network runs them: a convolution, a linear
//! layer, a normalization. Matrices and filters are drawn from a normal distribution with the
//! tensor's own mean and deviation; vectors (biases, the scales and statistics of a normalization)
//! are shuffled, so that a variance stays a variance. Magnitudes thus stay those of the trained
//! network. Position embeddings and tables that no such operation reads stay.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};

use tch::{Kind, Tensor};

use super::graph::{Graph, Node, Operand, ValueId};
use super::random::Random;
use super::{Model, ModelError};

/// Names of arguments that hold a layer's weight; the second is that of a matrix product.
const WEIGHTS: [&str; 2] = ["weight", "mat2"];

impl Model {
    /// How many operations have weights.
    #[must_use]
    pub fn weighted_layers(&self) -> usize {
        weighted(&self.graph).count()
    }

    /// The same network with random weights in its last `count` operations with weights. The same
    /// seed gives the same weights, whatever the count.
    ///
    /// # Errors
    /// When libtorch has no memory.
    pub fn randomized(&self, count: usize, seed: u64) -> Result<Self, ModelError> {
        let layers: Vec<&Node> = weighted(&self.graph).collect();
        let mut constants: HashMap<ValueId, Tensor> = self
            .graph
            .constants
            .iter()
            .map(|(id, tensor)| (*id, tensor.shallow_clone()))
            .collect();
        let mut seen = HashSet::new();
        for (place, node) in layers.iter().rev().take(count).enumerate() {
            // Counted from the head: the same network from another format gets the same weights.
            let mut random = Random::named(&format!("layer {place}"), seed);
            for id in node.reads().filter(|id| seen.insert(*id)) {
                if let Some(tensor) = self.graph.constants.get(&id) {
                    constants.insert(id, replaced(tensor, &mut random)?);
                }
            }
        }
        let Graph {
            nodes,
            input,
            output,
            layers,
            values,
            ..
        } = &self.graph;
        Ok(Self {
            graph: Graph {
                nodes: nodes.clone(),
                fused: BTreeMap::new(),
                narrowed: BTreeMap::new(),
                constants,
                input: *input,
                output: *output,
                layers: layers.clone(),
                values: *values,
            },
            plans: RefCell::default(),
            stages: RefCell::default(),
            takes_batches: OnceCell::new(),
            target_layer: self.target_layer.clone(),
            recipe: self.recipe.clone(),
            labels: self.labels.clone(),
            device: self.device,
            summary: self.summary.clone(),
        })
    }
}

/// The operations with a weight that does not depend on the input, in the order in which they run.
fn weighted(graph: &Graph) -> impl Iterator<Item = &Node> {
    graph.nodes.iter().filter(|node| {
        let weight = WEIGHTS.iter().find_map(|name| node.operand(name));
        matches!(weight, Some(Operand::Value(value)) if graph.constants.contains_key(value))
    })
}

/// Random numbers in the place of a tensor's.
fn replaced(tensor: &Tensor, random: &mut Random) -> Result<Tensor, tch::TchError> {
    if !tensor.is_floating_point() {
        return Ok(tensor.shallow_clone());
    }
    let plain = tensor
        .f_to_device(tch::Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?;
    let mut values = Vec::<f32>::try_from(plain.f_view([-1])?)?;
    if tensor.dim() < 2 {
        random.shuffle(&mut values);
    } else {
        redrawn(&mut values, random);
    }
    Tensor::f_from_slice(&values)?
        .f_view(tensor.size().as_slice())?
        .f_to_kind(tensor.kind())?
        .f_to_device(tensor.device())
}

/// Normal numbers with the mean and the deviation of those that were there.
fn redrawn(values: &mut [f32], random: &mut Random) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let squares = values
        .iter()
        .map(|value| (f64::from(*value) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    for value in values {
        #[expect(clippy::cast_possible_truncation, reason = "weights are float32")]
        let drawn = (mean + deviation * random.normal()) as f32;
        *value = drawn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LoadOptions, ModelSource};

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::<f32>::try_from(tensor.contiguous().view([-1])).unwrap()
    }

    fn moments(values: &[f32]) -> (f32, f32) {
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        (mean, (squares.sum::<f32>() / count).sqrt())
    }

    #[test]
    fn layers_lose_their_weights_from_the_head_down_and_the_trained_model_keeps_its_own() {
        let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
        let layers = model.weighted_layers();
        let before: HashMap<ValueId, Vec<f32>> = model
            .graph
            .constants
            .iter()
            .map(|(id, tensor)| (*id, numbers(tensor)))
            .collect();
        for count in [0, 1, layers / 2, layers] {
            let random = model.randomized(count, 7).unwrap();
            let touched: HashSet<ValueId> = weighted(&model.graph)
                .skip(layers - count)
                .flat_map(Node::reads)
                .collect();
            for (id, tensor) in &random.graph.constants {
                let found = numbers(tensor);
                assert_eq!(
                    found == before[id],
                    !touched.contains(id),
                    "{id:?} of {count}"
                );
            }
        }
        for (id, tensor) in &model.graph.constants {
            assert_eq!(numbers(tensor), before[id]);
        }
    }

    #[test]
    fn random_filters_have_the_moments_of_the_trained_ones_and_vectors_their_values() {
        let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
        let random = model.randomized(model.weighted_layers(), 7).unwrap();
        let mut filters = 0;
        for (id, tensor) in &model.graph.constants {
            let (mut old, mut new) = (numbers(tensor), numbers(&random.graph.constants[id]));
            if tensor.dim() > 1 {
                let ((mean, deviation), found) = (moments(&old), moments(&new));
                let tolerance = 5.0 * deviation / (old.len() as f32).sqrt();
                assert!((mean - found.0).abs() < tolerance, "{mean} {found:?}");
                assert!(
                    (deviation - found.1).abs() < tolerance,
                    "{deviation} {found:?}"
                );
                filters += 1;
            } else {
                old.sort_by(f32::total_cmp);
                new.sort_by(f32::total_cmp);
                assert_eq!(old, new);
            }
        }
        assert!(filters > 8, "{filters}");
    }

    #[test]
    fn a_seed_gives_the_same_weights_whatever_the_count() {
        let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
        let head = weighted(&model.graph).last().unwrap();
        let Some(Operand::Value(weight)) = head.operand("weight") else {
            panic!("{head:?}");
        };
        let drawn = |count, seed| {
            let random = model.randomized(count, seed).unwrap();
            numbers(&random.graph.constants[weight])
        };
        assert_eq!(drawn(1, 7), drawn(5, 7));
        assert_ne!(drawn(1, 7), drawn(1, 8));
    }
}
