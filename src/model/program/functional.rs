//! Makes a program of operations on values out of one that overwrites tensors.
//!
//! Autograd and the split at a layer need values that never change. `relu_(x)` becomes `relu(x)`,
//! and whoever read `x` afterwards reads the result. That is the same program unless somebody reads
//! the overwritten memory by another name; what is known of shared memory comes from the operators'
//! schemas.

use std::collections::{HashMap, HashSet};

use super::Program;
use crate::model::dispatch::DispatchError;
use crate::model::graph::{Builder, Node, Operand, ValueId};

/// A node that overwrites memory which is read by another name afterwards.
#[derive(Debug)]
pub(super) struct Overwrites {
    pub(super) operator: String,
    pub(super) output: Option<ValueId>,
}

/// Replaces operations that overwrite. Those that do not depend on the input stay: they run once,
/// in their order, before everything else.
pub(super) fn make_functional(
    program: &mut Program,
    builder: &mut Builder,
) -> Result<Result<(), Overwrites>, DispatchError> {
    let mut dependent = HashSet::from([builder.input()]);
    let mut memory = Memory::default();
    let mut index = 0;
    while index < program.nodes.len() {
        let node = &program.nodes[index];
        if node.reads().any(|value| dependent.contains(&value)) {
            dependent.extend(&node.outputs);
        }
        memory.note(node);
        let Some(target) = written(node) else {
            index += 1;
            continue;
        };
        if !dependent.contains(&target) {
            if node.reads().any(|value| dependent.contains(&value)) {
                return Ok(Err(overwrites(node)));
            }
            index += 1;
            continue;
        }
        let Some(&result) = node.outputs.first() else {
            return Ok(Err(overwrites(node)));
        };
        let later = &program.nodes[index + 1..];
        let others = memory.sharing(target, &[target, result]);
        if later
            .iter()
            .flat_map(Node::reads)
            .any(|value| others.contains(&value))
            || others.contains(&program.output)
        {
            return Ok(Err(overwrites(node)));
        }
        let name = node.operator.name().trim_start_matches("aten::");
        let Some(plain) = name.strip_suffix('_') else {
            return Ok(Err(overwrites(node)));
        };
        let overload = node.operator.overload();
        let functional = if overload.is_empty() {
            plain.to_owned()
        } else {
            format!("{plain}.{overload}")
        };
        let operator = builder.operator(&functional)?;
        program.nodes[index].operator = operator;
        memory.fresh(result);
        rename(&mut program.nodes[index + 1..], target, result);
        if program.output == target {
            program.output = result;
        }
        index += 1;
    }
    Ok(Ok(()))
}

/// The value that a node writes to.
fn written(node: &Node) -> Option<ValueId> {
    value_at(node, node.operator.writes()?)
}

fn value_at(node: &Node, position: usize) -> Option<ValueId> {
    let (_, operand) = node.operands.iter().find(|(at, _)| *at == position)?;
    operand.values().next()
}

fn overwrites(node: &Node) -> Overwrites {
    Overwrites {
        operator: node.operator.name().to_owned(),
        output: node.outputs.first().copied(),
    }
}

fn rename(nodes: &mut [Node], from: ValueId, to: ValueId) {
    for (_, operand) in nodes.iter_mut().flat_map(|node| &mut node.operands) {
        match operand {
            Operand::Value(value) if *value == from => *value = to,
            Operand::Values(values) => {
                for value in values.iter_mut().flatten().filter(|value| **value == from) {
                    *value = to;
                }
            }
            _ => {}
        }
    }
}

/// Which values share memory: each points to the value that it is a view of.
#[derive(Debug, Default)]
struct Memory {
    base: HashMap<ValueId, ValueId>,
}

impl Memory {
    fn note(&mut self, node: &Node) {
        let shared = node.operator.views().or_else(|| node.operator.writes());
        if let Some(source) = shared.and_then(|position| value_at(node, position)) {
            let base = self.base_of(source);
            for output in &node.outputs {
                self.base.insert(*output, base);
            }
        }
    }

    fn base_of(&self, value: ValueId) -> ValueId {
        self.base.get(&value).copied().unwrap_or(value)
    }

    fn fresh(&mut self, value: ValueId) {
        self.base.remove(&value);
    }

    /// Values that share a value's memory, but for some.
    fn sharing(&self, value: ValueId, but: &[ValueId]) -> HashSet<ValueId> {
        let base = self.base_of(value);
        self.base
            .iter()
            .filter(|(_, other)| **other == base)
            .map(|(id, _)| *id)
            .chain([base])
            .filter(|id| !but.contains(id))
            .collect()
    }
}
