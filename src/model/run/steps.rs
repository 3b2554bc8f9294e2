//! Steps: operations in order, and when a value is let go.

use std::collections::HashSet;

use tch::Tensor;

use super::RunError;
use crate::model::graph::{Graph, Node, ValueId};

/// Operations by their number in the graph, and after each the values that nobody reads any more.
#[derive(Debug)]
pub(in crate::model) struct Steps {
    pub(super) nodes: Vec<usize>,
    spent: Vec<Vec<ValueId>>,
}

impl Steps {
    pub(in crate::model) fn new(graph: &Graph, nodes: Vec<usize>, kept: &HashSet<ValueId>) -> Self {
        let mut seen = kept.clone();
        let mut spent: Vec<Vec<ValueId>> = nodes
            .iter()
            .rev()
            .map(|&number| {
                let node = graph.operation(number);
                node.into_iter()
                    .flat_map(|node| node.reads().chain(node.outputs.iter().copied()))
                    .filter(|value| !graph.constants.contains_key(value) && seen.insert(*value))
                    .collect()
            })
            .collect();
        spent.reverse();
        Self { nodes, spent }
    }

    /// The operations that make these values from those that are there already, and no others, for a
    /// run without autograd: fused ones where nobody asks for a value inside of one.
    pub(super) fn quickest(
        graph: &Graph,
        wanted: &HashSet<ValueId>,
        there: &[Option<Tensor>],
    ) -> Self {
        let asked_for = |id: ValueId| wanted.contains(&id) || there[id.0].is_some();
        let mut needed: HashSet<ValueId> = wanted.clone();
        let mut nodes: Vec<usize> = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate().rev() {
            let missing = |output: &ValueId| needed.contains(output) && there[output.0].is_none();
            if node.outputs.iter().any(missing) {
                let number = graph.quickest(index, asked_for);
                needed.extend(graph.operation(number).into_iter().flat_map(Node::reads));
                nodes.push(number);
            }
        }
        nodes.reverse();
        Self::new(graph, nodes, wanted)
    }

    /// The operations by number, each with the values that nobody reads after it.
    pub(in crate::model) fn iter(&self) -> impl Iterator<Item = (usize, &[ValueId])> {
        let spent = self.spent.iter().map(Vec::as_slice);
        self.nodes.iter().copied().zip(spent)
    }

    pub(super) fn run(&self, graph: &Graph, values: &mut [Option<Tensor>]) -> Result<(), RunError> {
        self.run_and(graph, values, |_, _| Ok(()))
    }

    /// Runs the nodes and shows each value to `seen` when it is made, which may end the run.
    pub(super) fn run_and(
        &self,
        graph: &Graph,
        values: &mut [Option<Tensor>],
        mut seen: impl FnMut(ValueId, &Tensor) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        for (number, spent) in self.iter() {
            let outputs = graph.run(number, values)?;
            let made = graph.operation(number);
            let made = made.into_iter().flat_map(|node| &node.outputs);
            for (id, output) in made.zip(outputs) {
                seen(*id, &output)?;
                values[id.0] = Some(output);
            }
            for value in spent {
                values[value.0] = None;
            }
        }
        Ok(())
    }
}
