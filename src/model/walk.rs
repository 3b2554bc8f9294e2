//! Gradients of a score with respect to any values of the whole network, its input among them.
//!
//! One pass forwards over the graph and one backwards. Backwards is autograd's own way, or a walk of
//! ours from node to node: each node is differentiated by autograd alone, and what comes back
//! through a ReLU is changed by a rule. The rules are those of deconvolution (Zeiler and Fergus
//! 2013, arXiv 1311.2901, section 2.1) and of guided backpropagation (Springenberg et al. 2014,
//! arXiv 1412.6806, figure 1). The walk sees operations and not modules, so that it does not matter
//! whether a ReLU is a module of its own, is used twice, or is a function.

use std::collections::{HashMap, HashSet};

use tch::{Kind, Tensor};

use super::graph::{Graph, Node, Operand, ValueId};
use super::run::{RunError, Slope, Steps};

/// What becomes of a gradient `g` that comes back through `max(x, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `g` where `x > 0`: the gradient.
    Plain,
    /// `max(g, 0)` where `x > 0`.
    Guided,
    /// `max(g, 0)`, whatever `x` is.
    Deconvolution,
}

/// `d score / d logit` at the logits of one image.
pub type Slopes<'a> = &'a dyn Fn(&[f32]) -> Vec<Slope>;

/// What is to be found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Values as they are.
    pub values: &'a [ValueId],
    /// Values with respect to which the score is differentiated.
    pub gradients: &'a [ValueId],
}

/// What was found, by value, each in float32 with the images along the first axis.
#[derive(Debug)]
pub struct Found {
    pub values: HashMap<ValueId, Tensor>,
    /// Zeros where the score does not depend on a value.
    pub gradients: HashMap<ValueId, Tensor>,
}

/// A node as it ran, cut off from the others.
struct Step<'a> {
    node: &'a Node,
    /// What it read of those that gradients are wanted for, or that depend on them.
    leaves: HashMap<ValueId, Tensor>,
    outputs: Vec<Tensor>,
}

/// The end of the pass forwards.
struct Forward<'a> {
    /// Those that are wanted, and the logits.
    values: Vec<Option<Tensor>>,
    /// Empty where autograd has them.
    steps: Vec<Step<'a>>,
}

/// Runs the network on images `[n, 3, height, width]` and differentiates the sum of their scores.
///
/// # Errors
/// When libtorch refuses, the output is not logits, or a class is out of range.
pub fn differentiate(
    graph: &Graph,
    images: &Tensor,
    wanted: Wanted<'_>,
    slopes: Slopes<'_>,
    rule: Rule,
) -> Result<Found, RunError> {
    let mut forward = forward(graph, images, wanted, rule)?;
    let logits = forward.values[graph.output.0]
        .as_ref()
        .ok_or_else(|| RunError::NotAClassifier(Vec::new()))?;
    let weights = weights(logits, slopes)?;
    let mut gradients = match rule {
        Rule::Plain => by_autograd(&forward.values, &logits.f_mul(&weights)?, wanted.gradients)?,
        _ => by_walk(
            std::mem::take(&mut forward.steps),
            HashMap::from([(graph.output, weights)]),
            wanted.gradients,
            rule,
        )?,
    };
    let mut values = HashMap::new();
    for id in wanted.values.iter().chain(wanted.gradients) {
        let Some(value) = &forward.values[id.0] else {
            continue;
        };
        values.insert(*id, value.f_detach()?.f_to_kind(Kind::Float)?);
        if wanted.gradients.contains(id) && !gradients.contains_key(id) {
            gradients.insert(*id, value.f_detach()?.f_zeros_like()?);
        }
    }
    for gradient in gradients.values_mut() {
        *gradient = gradient.f_to_kind(Kind::Float)?;
    }
    Ok(Found { values, gradients })
}

/// Whether a node is `max(x, 0)`, possibly with an upper bound, as in ReLU6.
#[must_use]
pub fn is_relu(node: &Node) -> bool {
    let starts_at_zero = |name: &str| match node.operand(name) {
        Some(Operand::Int(0)) => true,
        Some(Operand::Float(bound)) => *bound == 0.0,
        _ => false,
    };
    match node.operator.name() {
        "aten::relu" | "aten::relu6" => true,
        "aten::hardtanh" => starts_at_zero("min_val"),
        "aten::clamp" | "aten::clamp_min" => starts_at_zero("min"),
        _ => false,
    }
}

/// The nodes that these values need, and when each value has been read for the last time.
fn order(graph: &Graph, kept: &HashSet<ValueId>) -> Steps {
    let mut needed = kept.clone();
    let mut nodes = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|output| needed.contains(output)) {
            needed.extend(node.reads());
            nodes.push(index);
        }
    }
    nodes.reverse();
    Steps::new(graph, nodes, kept)
}

fn forward<'a>(
    graph: &'a Graph,
    images: &Tensor,
    wanted: Wanted<'_>,
    rule: Rule,
) -> Result<Forward<'a>, RunError> {
    let tracked: HashSet<ValueId> = wanted.gradients.iter().copied().collect();
    let kept: HashSet<ValueId> = wanted.values.iter().copied().collect();
    let kept: HashSet<ValueId> = kept
        .union(&tracked)
        .copied()
        .chain([graph.output])
        .collect();
    // Whether a value is differentiated with respect to, or depends on one that is.
    let mut live = vec![false; graph.values];
    let mut values = graph.no_values();
    let order = order(graph, &kept);
    let start = |id: ValueId, value: Tensor, live: &mut [bool]| {
        live[id.0] = tracked.contains(&id);
        if live[id.0] {
            value.f_detach()?.f_set_requires_grad(true)
        } else {
            Ok(value)
        }
    };
    values[graph.input.0] = Some(start(graph.input, images.shallow_clone(), &mut live)?);
    let mut steps = Vec::new();
    for (index, spent) in order.iter() {
        let node = &graph.nodes[index];
        let value = |id: ValueId| graph.constants.get(&id).or_else(|| values[id.0].as_ref());
        if !node.reads().any(|id| live[id.0]) {
            let outputs = tch::no_grad(|| node.run(value))?;
            for (id, output) in node.outputs.iter().zip(outputs) {
                values[id.0] = Some(start(*id, output, &mut live)?);
            }
        } else if rule == Rule::Plain {
            let outputs = node.run(value)?;
            for (id, output) in node.outputs.iter().zip(outputs) {
                live[id.0] = output.requires_grad();
                values[id.0] = Some(output);
            }
        } else {
            let mut leaves = HashMap::new();
            for id in node.reads().filter(|id| live[id.0]) {
                if let Some(value) = value(id) {
                    leaves.insert(id, value.f_detach()?.f_set_requires_grad(true)?);
                }
            }
            let outputs = node.run(|id| leaves.get(&id).or_else(|| value(id)))?;
            for (id, output) in node.outputs.iter().zip(&outputs) {
                live[id.0] = output.requires_grad();
                values[id.0] = Some(output.f_detach()?);
            }
            steps.push(Step {
                node,
                leaves,
                outputs,
            });
        }
        for id in spent {
            values[id.0] = None;
        }
    }
    Ok(Forward { values, steps })
}

/// The slopes of all images, `[n, classes]`, as the logits lie.
fn weights(logits: &Tensor, slopes: Slopes<'_>) -> Result<Tensor, RunError> {
    let &[images, classes] = logits.size().as_slice() else {
        return Err(RunError::NotAClassifier(logits.size()));
    };
    let classes = usize::try_from(classes).unwrap_or(0);
    let rows = logits.f_detach()?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let rows = Vec::<f32>::try_from(rows.f_view([-1])?)?;
    let mut weights = Vec::with_capacity(rows.len());
    for row in rows.chunks(classes.max(1)) {
        let mut row_weights = vec![0.0_f32; classes];
        for (class, slope) in slopes(row) {
            let weight = row_weights.get_mut(class.0);
            *weight.ok_or(RunError::ClassOutOfRange {
                class: class.0,
                classes,
            })? += slope;
        }
        weights.append(&mut row_weights);
    }
    Ok(Tensor::from_slice(&weights)
        .f_view([images, classes as i64])?
        .f_to_device(logits.device())?
        .f_to_kind(logits.kind())?)
}

/// Gradients of the sum of a tensor.
fn by_autograd(
    values: &[Option<Tensor>],
    score: &Tensor,
    wanted: &[ValueId],
) -> Result<HashMap<ValueId, Tensor>, RunError> {
    let leaves: Vec<(ValueId, &Tensor)> = wanted
        .iter()
        .filter_map(|id| Some((*id, values[id.0].as_ref()?)))
        .filter(|(_, value)| value.requires_grad())
        .collect();
    if leaves.is_empty() || !score.requires_grad() {
        return Ok(HashMap::new());
    }
    let tensors: Vec<&Tensor> = leaves.iter().map(|(_, value)| *value).collect();
    let gradients = Tensor::f_run_backward(&[score], &tensors, false, false)?;
    let found = leaves.iter().map(|(id, _)| *id).zip(gradients);
    // Where there is no way from a value to the score, autograd gives no tensor.
    Ok(found.filter(|(_, gradient)| gradient.defined()).collect())
}

/// Gradients from node to node, last one first.
fn by_walk(
    mut steps: Vec<Step<'_>>,
    mut gradients: HashMap<ValueId, Tensor>,
    wanted: &[ValueId],
    rule: Rule,
) -> Result<HashMap<ValueId, Tensor>, RunError> {
    while let Some(step) = steps.pop() {
        let mut arrived = Vec::new();
        for (id, output) in step.node.outputs.iter().zip(&step.outputs) {
            let gradient = if wanted.contains(id) {
                gradients.get(id).map(Tensor::shallow_clone)
            } else {
                gradients.remove(id)
            };
            if let Some(gradient) = gradient.filter(|_| output.requires_grad()) {
                arrived.push((output, gradient));
            }
        }
        if arrived.is_empty() {
            continue;
        }
        for (id, gradient) in step.back(&arrived, rule)? {
            let sum = match gradients.remove(&id) {
                Some(sum) => sum.f_add(&gradient)?,
                None => gradient,
            };
            gradients.insert(id, sum);
        }
    }
    gradients.retain(|id, _| wanted.contains(id));
    Ok(gradients)
}

impl Step<'_> {
    /// From gradients of outputs to those of what was read.
    fn back(
        &self,
        arrived: &[(&Tensor, Tensor)],
        rule: Rule,
    ) -> Result<Vec<(ValueId, Tensor)>, RunError> {
        let changed = rule != Rule::Plain && is_relu(self.node);
        if let (true, Rule::Deconvolution, [(_, gradient)]) = (changed, rule, arrived) {
            let passed = gradient.f_relu()?;
            let ids = self.leaves.keys();
            return Ok(ids.map(|id| (*id, passed.shallow_clone())).collect());
        }
        // The gradient of sum(output * g) is g times the Jacobian.
        let products = arrived
            .iter()
            .map(|(output, gradient)| output.f_mul(gradient))
            .collect::<Result<Vec<Tensor>, _>>()?;
        let leaves: Vec<&Tensor> = self.leaves.values().collect();
        let gradients = Tensor::f_run_backward(&products, &leaves, false, false)?;
        let pairs = self.leaves.keys().copied().zip(gradients);
        pairs
            .filter(|(_, gradient)| gradient.defined())
            .map(|(id, gradient)| {
                let gradient = if changed {
                    gradient.f_relu()?
                } else {
                    gradient
                };
                Ok((id, gradient))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
