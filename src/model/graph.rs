//! Graph: the operations of a network in the order they run, whatever the network came from.
//!
//! A value is a tensor that an operation makes. Constants are values that do not depend on the
//! input: the weights, and what is computed from them alone. A layer is a module of the network as
//! PyTorch users know it, by its dotted name, with the value that it outputs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use tch::{Device, Tensor};

use super::dispatch::{Argument, DispatchError, Operator};
use super::fused::Fused;
use super::narrow::Narrowed;

/// Names a value of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// What an operation reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Value(ValueId),
    /// A list of tensors, where some may be absent.
    Values(Vec<Option<ValueId>>),
    None,
    /// Also a kind, a layout or a memory format, by c10's numbers.
    Int(i64),
    Float(f64),
    Bool(bool),
    Str(String),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Node {
    pub operator: Rc<Operator>,
    /// Position in the operator's schema, and what is given there.
    pub operands: Vec<(usize, Operand)>,
    /// All tensors that the operation makes, those of a list one by one.
    pub outputs: Vec<ValueId>,
}

/// How a layer's output lies in memory, and where its positions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapLayout {
    /// `[batch, channels, height, width]`
    ChannelsFirst,
    /// `[batch, height, width, channels]`
    ChannelsLast,
    /// `[batch, prefix + height * width, channels]`: class and other tokens, then the grid row by
    /// row. The grid is a square unless it is known.
    Tokens {
        prefix: usize,
        grid: Option<(usize, usize)>,
    },
}

/// A module and the value it outputs.
#[derive(Clone, Debug)]
pub struct Layer {
    pub name: String,
    pub output: ValueId,
    /// Told by the shape where it is not known.
    pub layout: Option<MapLayout>,
}

/// A network.
#[derive(Debug)]
pub struct Graph {
    pub nodes: Vec<Node>,
    /// What can be run instead of several nodes, by the index of the last of them.
    pub fused: BTreeMap<usize, Fused>,
    /// What can be run for one token instead of several nodes, by the index of the last of them.
    pub narrowed: BTreeMap<usize, Narrowed>,
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

impl Operand {
    /// The values that it names.
    pub fn values(&self) -> impl Iterator<Item = ValueId> + '_ {
        let (one, many) = match self {
            Self::Value(value) => (Some(*value), &[][..]),
            Self::Values(values) => (None, values.as_slice()),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().flatten().copied())
    }
}

impl From<ValueId> for Operand {
    fn from(value: ValueId) -> Self {
        Self::Value(value)
    }
}

impl From<&[ValueId]> for Operand {
    fn from(values: &[ValueId]) -> Self {
        Self::Values(values.iter().copied().map(Some).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Operand {
    fn from(operand: Option<T>) -> Self {
        operand.map_or(Self::None, Into::into)
    }
}

impl From<i64> for Operand {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Operand {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Operand {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<&str> for Operand {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<&[i64]> for Operand {
    fn from(numbers: &[i64]) -> Self {
        Self::Ints(numbers.to_vec())
    }
}

impl<const N: usize> From<[i64; N]> for Operand {
    fn from(numbers: [i64; N]) -> Self {
        Self::Ints(numbers.to_vec())
    }
}

impl Node {
    /// The values that the node reads.
    pub fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.operands
            .iter()
            .flat_map(|(_, operand)| operand.values())
    }

    /// What is given for the schema's argument of this name.
    pub fn operand(&self, argument: &str) -> Option<&Operand> {
        let position = self.operator.position(argument)?;
        let found = self.operands.iter().find(|(at, _)| *at == position)?;
        Some(&found.1)
    }

    /// The value that is given for the schema's argument of this name.
    pub fn value(&self, argument: &str) -> Option<ValueId> {
        match self.operand(argument)? {
            Operand::Value(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether it is attention in one operation.
    pub fn is_attention(&self) -> bool {
        self.operator.name() == "aten::scaled_dot_product_attention"
    }

    /// Attention in the operations that it consists of; the attention itself is a second output.
    fn plain_attention(&self, attention: ValueId) -> Result<Self, DispatchError> {
        let operator = Operator::find("aten::_scaled_dot_product_attention_math", "")?;
        let arguments = [
            "query",
            "key",
            "value",
            "attn_mask",
            "dropout_p",
            "is_causal",
            "scale",
            "enable_gqa",
        ];
        let operands = arguments
            .iter()
            .filter_map(|name| Some((operator.position(name)?, self.operand(name)?.clone())))
            .collect();
        Ok(Self {
            operator: Rc::new(operator),
            operands,
            outputs: self.outputs.iter().copied().chain([attention]).collect(),
        })
    }

    /// Runs the operation on the values that it reads; as many tensors as there are outputs.
    ///
    /// # Errors
    /// When libtorch refuses, or a value is not there.
    pub fn run<'a>(
        &self,
        value: impl Fn(ValueId) -> Option<&'a Tensor>,
    ) -> Result<Vec<Tensor>, DispatchError> {
        let failed = |message: &str| DispatchError {
            operator: self.operator.name().to_owned(),
            message: message.to_owned(),
        };
        let get = |id: ValueId| value(id).ok_or_else(|| failed("an operand was never computed"));
        let arguments = self
            .operands
            .iter()
            .map(|(position, operand)| {
                let argument = match operand {
                    Operand::Value(id) => Argument::Tensor(get(*id)?),
                    Operand::Values(ids) => Argument::Tensors(
                        ids.iter()
                            .map(|id| id.map(get).transpose())
                            .collect::<Result<_, _>>()?,
                    ),
                    Operand::None => Argument::None,
                    Operand::Int(number) => Argument::Int(*number),
                    Operand::Float(number) => Argument::Float(*number),
                    Operand::Bool(flag) => Argument::Bool(*flag),
                    Operand::Str(text) => Argument::Str(text),
                    Operand::Ints(numbers) => Argument::Ints(numbers),
                    Operand::Floats(numbers) => Argument::Floats(numbers),
                };
                Ok((*position, argument))
            })
            .collect::<Result<Vec<_>, DispatchError>>()?;
        let outputs = self.operator.call(&arguments)?;
        if outputs.len() == self.outputs.len() {
            Ok(outputs)
        } else {
            Err(failed(&format!(
                "it made {} tensors where {} are expected",
                outputs.len(),
                self.outputs.len()
            )))
        }
    }
}

impl Graph {
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// The same network with attention in the operations that it consists of: libtorch has no
    /// second derivative of the one operation.
    ///
    /// # Errors
    /// When libtorch has no such operation.
    pub fn with_plain_attention(&self) -> Result<Self, DispatchError> {
        let attention = ValueId(self.values);
        let plain = |node: &Node| {
            if node.is_attention() {
                node.plain_attention(attention)
            } else {
                Ok(node.clone())
            }
        };
        let nodes = self.nodes.iter().map(plain);
        let narrowed = self.narrowed.iter();
        let narrowed = narrowed.map(|(end, one)| Ok((*end, one.of_other_nodes(plain)?)));
        let constants = self.constants.iter();
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            fused: BTreeMap::new(),
            narrowed: narrowed.collect::<Result<_, _>>()?,
            constants: constants
                .map(|(id, tensor)| (*id, tensor.shallow_clone()))
                .collect(),
            input: self.input,
            output: self.output,
            layers: self.layers.clone(),
            values: self.values + 1,
        })
    }

    /// A place for each value; those that a run is to start from are put in by its caller.
    pub fn no_values(&self) -> Vec<Option<Tensor>> {
        std::iter::repeat_with(|| None).take(self.values).collect()
    }

    /// An operation by its number: first the nodes, then what is fused, then what is narrowed.
    pub fn operation(&self, number: usize) -> Option<&Node> {
        let (kind, index) = self.kind_and_index(number);
        match kind {
            0 => self.nodes.get(index),
            1 => self.fused.get(&index).map(Fused::node),
            _ => self.narrowed.get(&index).map(Narrowed::node),
        }
    }

    fn kind_and_index(&self, number: usize) -> (usize, usize) {
        let count = self.nodes.len().max(1);
        (number / count, number % count)
    }

    /// The number of what is narrowed and ends in this node.
    pub(super) fn number_of_narrowed(&self, index: usize) -> usize {
        2 * self.nodes.len() + index
    }

    /// Whether the operation of this number is attention in one operation, or contains it.
    pub fn has_attention(&self, number: usize) -> bool {
        let (kind, index) = self.kind_and_index(number);
        match self.narrowed.get(&index) {
            Some(narrowed) if kind == 2 => narrowed.nodes().iter().any(Node::is_attention),
            _ => self.operation(number).is_some_and(Node::is_attention),
        }
    }

    /// The number of the operation that makes what a node makes, for a run without autograd that
    /// asks for these values: a narrowed or fused one where there is one and nobody asks for what is
    /// inside.
    pub fn quickest(&self, index: usize, wanted: impl Fn(ValueId) -> bool) -> usize {
        if let Some(narrowed) = self.narrowed.get(&index)
            && narrowed.skips_none_of(&wanted)
        {
            return self.number_of_narrowed(index);
        }
        match self.fused.get(&index) {
            Some(fused) if fused.skips_none_of(wanted) => self.nodes.len() + index,
            _ => index,
        }
    }

    /// Runs the operation of this number on values that were made before.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub fn run(
        &self,
        number: usize,
        values: &[Option<Tensor>],
    ) -> Result<Vec<Tensor>, DispatchError> {
        let value = |id: ValueId| self.constants.get(&id).or_else(|| values[id.0].as_ref());
        let (kind, index) = self.kind_and_index(number);
        match (self.fused.get(&index), self.narrowed.get(&index)) {
            (Some(fused), _) if kind == 1 => self.run_fused(fused, values),
            (_, Some(narrowed)) if kind == 2 => self.run_narrowed(narrowed, values),
            _ => self.nodes[index].run(value),
        }
    }

    /// Where its constants are.
    #[cfg(test)]
    pub(crate) fn device(&self) -> Device {
        let constant = self.constants.values().next();
        constant.map_or(Device::Cpu, Tensor::device)
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

    /// Computes at once what does not depend on the input, such as position biases looked up in
    /// their table, and forgets what nobody reads.
    ///
    /// # Errors
    /// When libtorch refuses one of these operations.
    pub fn fold_constants(&mut self) -> Result<(), DispatchError> {
        let mut dependent = HashSet::from([self.input]);
        let mut kept = Vec::with_capacity(self.nodes.len());
        for node in std::mem::take(&mut self.nodes) {
            if node.reads().any(|value| dependent.contains(&value)) {
                dependent.extend(&node.outputs);
                kept.push(node);
            } else {
                let outputs = tch::no_grad(|| node.run(|id| self.constants.get(&id)))?;
                self.constants
                    .extend(node.outputs.iter().copied().zip(outputs));
            }
        }
        self.nodes = kept;
        let read: HashSet<ValueId> = self.nodes.iter().flat_map(Node::reads).collect();
        self.constants.retain(|value, _| read.contains(value));
        self.layers
            .retain(|layer| dependent.contains(&layer.output));
        Ok(())
    }
}

/// Builds a graph, operation by operation.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    constants: HashMap<ValueId, Tensor>,
    layers: Vec<Layer>,
    operators: HashMap<String, Rc<Operator>>,
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

    /// A tensor that does not depend on the input.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.fresh();
        self.constants.insert(id, tensor);
        id
    }

    /// A constant whose tensor comes later, into [`Graph::constants`].
    pub fn promise(&mut self) -> ValueId {
        self.fresh()
    }

    /// Adds an operation that makes one tensor. `name` is the operator with its overload after a
    /// dot, without `aten::`: `"conv2d"`, `"add.Tensor"`. Operands are given by the schema's
    /// argument names.
    ///
    /// # Errors
    /// When libtorch has no such operator or the operator no such argument.
    pub fn call(
        &mut self,
        name: &str,
        operands: &[(&str, Operand)],
    ) -> Result<ValueId, DispatchError> {
        Ok(self.call_many(name, operands, 1)?[0])
    }

    /// Adds an operation that makes this many tensors.
    ///
    /// # Errors
    /// As [`Builder::call`].
    pub fn call_many(
        &mut self,
        name: &str,
        operands: &[(&str, Operand)],
        count: usize,
    ) -> Result<Vec<ValueId>, DispatchError> {
        let operator = self.operator(name)?;
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
        let outputs: Vec<ValueId> = (0..count).map(|_| self.fresh()).collect();
        self.nodes.push(Node {
            operator,
            operands,
            outputs: outputs.clone(),
        });
        Ok(outputs)
    }

    /// The operator of this name, looked up once.
    ///
    /// # Errors
    /// When libtorch has no such operator.
    pub fn operator(&mut self, name: &str) -> Result<Rc<Operator>, DispatchError> {
        if let Some(known) = self.operators.get(name) {
            return Ok(Rc::clone(known));
        }
        let (base, overload) = name.split_once('.').unwrap_or((name, ""));
        let found = Rc::new(Operator::find(&format!("aten::{base}"), overload)?);
        self.operators.insert(name.to_owned(), Rc::clone(&found));
        Ok(found)
    }

    /// Says that a module of this name outputs this value.
    pub fn layer(&mut self, name: impl Into<String>, output: ValueId, layout: Option<MapLayout>) {
        self.layers.push(Layer {
            name: name.into(),
            output,
            layout,
        });
    }

    pub fn finish(self, output: ValueId) -> Graph {
        Graph {
            nodes: self.nodes,
            fused: BTreeMap::new(),
            narrowed: BTreeMap::new(),
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
