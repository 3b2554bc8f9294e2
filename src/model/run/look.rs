//! Looks at a network: the shapes of its values, where numbers stop being numbers, and which layer
//! to explain where nothing is known of it.

use std::collections::{HashMap, HashSet};

use tch::Tensor;

use super::{Map, Plan, RunError, Steps};
use crate::model::ClassIndex;
use crate::model::graph::{Graph, ValueId};

/// Shapes of what the layers output for an input, by value; one forward pass, nothing is kept.
///
/// # Errors
/// When libtorch refuses.
pub fn shapes(graph: &Graph, input: &Tensor) -> Result<HashMap<ValueId, Vec<i64>>, RunError> {
    let mut shapes = HashMap::new();
    look(graph, input, |id, output| {
        shapes.insert(id, output.size());
    })?;
    Ok(shapes)
}

/// The first layer, in the order in which they finish, whose output has a value that is not
/// finite; one forward pass.
///
/// # Errors
/// When libtorch refuses.
pub fn first_not_finite(graph: &Graph, input: &Tensor) -> Result<Option<String>, RunError> {
    let mut bad = HashSet::new();
    look(graph, input, |id, output| {
        let finite = output
            .f_isfinite()
            .and_then(|finite| finite.f_all())
            .and_then(|finite| finite.f_int64_value(&[]));
        if finite.is_ok_and(|finite| finite == 0) {
            bad.insert(id);
        }
    })?;
    let first = graph
        .layers
        .iter()
        .find(|layer| bad.contains(&layer.output));
    Ok(first.map(|layer| layer.name.clone()))
}

/// Runs everything once, without autograd, and shows each value when it is made.
fn look(
    graph: &Graph,
    input: &Tensor,
    mut seen: impl FnMut(ValueId, &Tensor),
) -> Result<(), RunError> {
    let steps = Steps::new(graph, (0..graph.nodes.len()).collect(), &HashSet::new());
    let mut values = graph.no_values();
    values[graph.input.0] = Some(input.shallow_clone());
    tch::no_grad(|| {
        steps.run_and(graph, &mut values, |id, output| {
            seen(id, output);
            Ok(())
        })
    })
}

/// The layer to explain in a network of which nothing is known, and how many classes there are: the
/// last layer with a map on whose positions the score depends, pooling left out.
///
/// # Errors
/// When there is no such layer, or the output is not logits.
pub fn look_through(graph: &Graph, input: &Tensor) -> Result<(String, usize), RunError> {
    let shapes = shapes(graph, input)?;
    let logits = shapes.get(&graph.output).cloned().unwrap_or_default();
    let &[1, classes] = logits.as_slice() else {
        return Err(RunError::NotAClassifier(logits));
    };
    let classes = usize::try_from(classes).unwrap_or(0);
    // Of a network whose head is all zeros, as new ones have it, no layer moves the score.
    let mut without_evidence = None;
    for layer in graph.layers.iter().rev() {
        let maker = graph
            .nodes
            .iter()
            .find(|node| node.outputs.contains(&layer.output));
        // What attention makes of its input by a linear layer is no map of features either.
        let no_features = maker.is_some_and(|node| {
            let operator = node.operator.name();
            operator.contains("adaptive_avg_pool") || operator == "aten::linear"
        });
        let has_map = shapes
            .get(&layer.output)
            .is_some_and(|shape| Map::of(layer, shape).is_some());
        if !has_map || no_features {
            continue;
        }
        let Ok(plan) = Plan::new(graph, layer) else {
            continue;
        };
        let pass = plan.run(graph, input, &[])?;
        let best = pass
            .logits
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |(class, _)| class);
        let gradients = pass.gradients(&[(ClassIndex(best), 1.0)])?;
        if gradients.f_abs()?.f_max()?.f_double_value(&[])? > 0.0 {
            return Ok((layer.name.clone(), classes));
        }
        without_evidence.get_or_insert(layer);
    }
    without_evidence
        .map(|layer| (layer.name.clone(), classes))
        .ok_or(RunError::NoLayer)
}
