//! Graph: the operations of a network in the order they run, whatever the network came from.
//!
//! A value is what an operation makes. Constants are values that do not depend on the input: the
//! weights. A layer is a module of the network as PyTorch users know it, by its dotted name, with
//! the value that it outputs.

use std::collections::HashMap;
use std::rc::Rc;

use tch::{Device, Tensor};

use super::dispatch::{Argument, DispatchError, Operator};

/// Names a value of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub usize);

/// What an operation reads.
#[derive(Clone, Debug)]
pub enum Operand {
    Value(ValueId),
    None,
    Int(i64),
    Float(f64),
    Bool(bool),
    Ints(Vec<i64>),
}

/// One operation.
#[derive(Debug)]
pub struct Node {
    pub operator: Rc<Operator>,
    /// Position in the operator's schema, and what is given there.
    pub operands: Vec<(usize, Operand)>,
    pub output: ValueId,
}

/// A module and the value it outputs.
#[derive(Clone, Debug)]
pub struct Layer {
    pub name: String,
    pub output: ValueId,
}

/// A network.
#[derive(Debug)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub constants: HashMap<ValueId, Tensor>,
    /// Images `[batch, 3, height, width]`.
    pub input: ValueId,
    /// Logits `[batch, classes]`.
    pub output: ValueId,
    /// In the order in which they finish.
    pub layers: Vec<Layer>,
    /// How many values there are, constants included.
    pub values: usize,
}

impl Node {
    /// The values that the node reads.
    pub fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.operands
            .iter()
            .filter_map(|(_, operand)| match operand {
                Operand::Value(value) => Some(*value),
                _ => None,
            })
    }

    /// Runs the operation on the values that it reads.
    ///
    /// # Errors
    /// When libtorch refuses, or a value is not there.
    pub fn run<'a>(
        &self,
        value: impl Fn(ValueId) -> Option<&'a Tensor>,
    ) -> Result<Tensor, DispatchError> {
        let arguments = self
            .operands
            .iter()
            .map(|(position, operand)| {
                let argument = match operand {
                    Operand::Value(id) => Argument::Tensor(value(*id)?),
                    Operand::None => Argument::None,
                    Operand::Int(number) => Argument::Int(*number),
                    Operand::Float(number) => Argument::Float(*number),
                    Operand::Bool(flag) => Argument::Bool(*flag),
                    Operand::Ints(numbers) => Argument::Ints(numbers),
                };
                Some((*position, argument))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| DispatchError {
                operator: self.operator.name().to_owned(),
                message: "an operand was never computed".to_owned(),
            })?;
        self.operator.call(&arguments)
    }
}

impl Graph {
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Moves the weights to a device.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn to_device(&mut self, device: Device) -> Result<(), tch::TchError> {
        for tensor in self.constants.values_mut() {
            *tensor = tensor.f_to_device(device)?;
        }
        Ok(())
    }
}

/// Builds a graph, operation by operation.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    constants: HashMap<ValueId, Tensor>,
    layers: Vec<Layer>,
    operators: HashMap<&'static str, Rc<Operator>>,
    values: usize,
    input: ValueId,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            constants: HashMap::new(),
            layers: Vec::new(),
            operators: HashMap::new(),
            values: 1,
            input: ValueId(0),
        }
    }
}

impl Builder {
    /// The network's input.
    pub fn input(&self) -> ValueId {
        self.input
    }

    /// A weight.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.fresh();
        self.constants.insert(id, tensor);
        id
    }

    /// Adds an operation. `name` is the operator with its overload after a dot, without `aten::`:
    /// `"conv2d"`, `"add.Tensor"`. Operands are given by the schema's argument names.
    ///
    /// # Errors
    /// When libtorch has no such operator or the operator no such argument.
    pub fn call(
        &mut self,
        name: &'static str,
        operands: &[(&str, Operand)],
    ) -> Result<ValueId, DispatchError> {
        let operator = if let Some(known) = self.operators.get(name) {
            Rc::clone(known)
        } else {
            let (base, overload) = name.split_once('.').unwrap_or((name, ""));
            let found = Rc::new(Operator::find(&format!("aten::{base}"), overload)?);
            self.operators.insert(name, Rc::clone(&found));
            found
        };
        let operands = operands
            .iter()
            .map(|(argument, operand)| {
                let position = operator.position(argument).ok_or_else(|| DispatchError {
                    operator: name.to_owned(),
                    message: format!("the operator has no argument {argument}"),
                })?;
                Ok((position, operand.clone()))
            })
            .collect::<Result<_, _>>()?;
        let output = self.fresh();
        self.nodes.push(Node {
            operator,
            operands,
            output,
        });
        Ok(output)
    }

    /// Says that a module of this name outputs this value.
    pub fn layer(&mut self, name: impl Into<String>, output: ValueId) {
        self.layers.push(Layer {
            name: name.into(),
            output,
        });
    }

    pub fn finish(self, output: ValueId) -> Graph {
        Graph {
            nodes: self.nodes,
            constants: self.constants,
            input: self.input,
            output,
            layers: self.layers,
            values: self.values,
        }
    }

    fn fresh(&mut self) -> ValueId {
        self.values += 1;
        ValueId(self.values - 1)
    }
}
