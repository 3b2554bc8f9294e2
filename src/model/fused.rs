//! Fusion: a convolution or a linear layer and what follows it, run as one operation.
//!
//! oneDNN adds, and applies an activation, while it still holds the numbers that it has computed,
//! and reads weights fastest that lie as its kernels want them. A batch normalization by running
//! statistics is part of the convolution before it: `γ (w x + b - μ) / √(σ² + ε) + β` has the weight
//! `w γ / √(σ² + ε)` (Jacob et al. 2018, arXiv 1712.05877, section 3.2). `docs/performance.md` has
//! what that gains.
//!
//! The graph stays as it is, so every layer keeps its name and its value. A run without autograd
//! takes a fused operation where nobody asks for a value inside of it; [`super::run`] decides that
//! for each run.

mod packed;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::dispatch::{DispatchError, Operator, is_mapped, release};
use super::graph::{Graph, Node, Operand, ValueId};
use super::precision::Precision;
use packed::{Norm, Packed, Packer};

/// One operation that does the work of several nodes.
#[derive(Debug)]
pub struct Fused {
    /// It names the weight and the bias of the graph, and runs with those that are packed.
    node: Node,
    chain: Chain,
    packer: Packer,
    /// Made when it first runs: most graphs have weights that no run without autograd reads.
    packed: OnceCell<Packed>,
    /// Whether weights are packed at all.
    packs: Cell<bool>,
}

/// Nodes one after the other, each of which reads what the one before makes.
#[derive(Debug)]
struct Chain {
    /// By index.
    nodes: Vec<usize>,
    output: ValueId,
    /// What the nodes make but for the last.
    inner: Vec<ValueId>,
}

/// Which weights are packed. Those of a mapped file leave the memory when they are; others stay, so
/// that they are there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    OfMapped,
    Any,
}

impl Copies {
    /// Weights of 16 bits are no longer those of the file, and have half its size.
    #[must_use]
    pub fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::OfMapped,
            Precision::Bf16 | Precision::F16 => Self::Any,
        }
    }
}

/// oneDNN's operators, as libtorch registers them.
struct Operators {
    convolution: Rc<Operator>,
    convolution_and_sum: Rc<Operator>,
    linear: Rc<Operator>,
    reorder_convolution: Rc<Operator>,
    reorder_linear: Rc<Operator>,
}

/// An activation as oneDNN names it.
#[derive(Debug, PartialEq)]
struct Activation {
    name: &'static str,
    numbers: Vec<f64>,
    algorithm: String,
}

impl Fused {
    /// The operation, for what it reads and makes.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Whether all values that it does not make are without interest.
    pub fn skips_none_of(&self, wanted: impl Fn(ValueId) -> bool) -> bool {
        !self.chain.inner.iter().any(|value| wanted(*value))
    }

    /// Runs it, without autograd.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub fn run<'a>(
        &'a self,
        constants: &'a HashMap<ValueId, Tensor>,
        value: impl Fn(ValueId) -> Option<&'a Tensor>,
    ) -> Result<Vec<Tensor>, DispatchError> {
        let packed = if let Some(packed) = self.packed.get() {
            packed
        } else {
            let input = self.node.reads().next().and_then(&value);
            let packed = self.packer.pack(constants, input)?;
            self.packed.get_or_init(|| packed)
        };
        self.node.run(|id| packed.get(id).or_else(|| value(id)))
    }
}

impl Graph {
    /// Packs no weights from now on. A network that runs once is done sooner than they are packed.
    pub(super) fn pack_nothing(&self) {
        for fused in self.fused.values() {
            fused.packs.set(false);
        }
    }

    /// Runs a fused operation, or its nodes one by one where nothing is packed or oneDNN refuses it:
    /// sums with something of another shape, for one.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub(super) fn run_fused(
        &self,
        fused: &Fused,
        values: &[Option<Tensor>],
    ) -> Result<Vec<Tensor>, DispatchError> {
        let value = |id: ValueId| self.constants.get(&id).or_else(|| values[id.0].as_ref());
        let packs = fused.packs.get();
        if packs && let Ok(outputs) = fused.run(&self.constants, value) {
            return Ok(outputs);
        }
        let mut made: Vec<(ValueId, Tensor)> = Vec::new();
        let mut outputs = Vec::new();
        for &index in &fused.chain.nodes {
            let node = &self.nodes[index];
            outputs = node.run(|id| {
                let inner = made.iter().find(|(named, _)| *named == id);
                inner.map(|(_, tensor)| tensor).or_else(|| value(id))
            })?;
            let named = node.outputs.iter().copied();
            made.extend(named.zip(outputs.iter().map(Tensor::shallow_clone)));
        }
        if !packs && let Some(weight) = self.constants.get(&fused.packer.weight) {
            // A network that runs once reads it once.
            release(weight);
        }
        Ok(outputs)
    }
}

impl Graph {
    /// Finds what can be fused.
    pub fn fuse_operations(&mut self, copies: Copies) {
        // Fused convolutions put the channels last in memory, which these two may not expect.
        let named = |node: &Node, name: &str| node.operator.name() == name;
        if self
            .nodes
            .iter()
            .any(|node| named(node, "aten::as_strided"))
        {
            return;
        }
        // A libtorch without oneDNN has no such operators, and nothing is fused.
        let Ok(operators) = Operators::find() else {
            return;
        };
        if let Ok(reshape) = Operator::find("aten::reshape", "") {
            let reshape = Rc::new(reshape);
            for node in &mut self.nodes {
                if named(node, "aten::view") && node.operator.overload().is_empty()
                    || named(node, "aten::_unsafe_view")
                {
                    node.operator = Rc::clone(&reshape);
                }
            }
        }
        let finder = Finder::new(self, &operators, copies);
        self.fused = finder.all();
    }
}

/// Looks for chains of nodes.
struct Finder<'a> {
    graph: &'a Graph,
    operators: &'a Operators,
    copies: Copies,
    /// How often a value is read, and the last node that does. The output is read once more.
    readers: HashMap<ValueId, (usize, usize)>,
    /// Nodes that are part of a chain. Where two meet in a sum, the first has it.
    taken: HashSet<usize>,
}

impl<'a> Finder<'a> {
    fn new(graph: &'a Graph, operators: &'a Operators, copies: Copies) -> Self {
        let mut readers = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            for value in node.reads() {
                let (count, last) = readers.entry(value).or_insert((0, index));
                *count += 1;
                *last = index;
            }
        }
        readers.entry(graph.output).or_insert((0, 0)).0 += 2;
        Self {
            graph,
            operators,
            copies,
            readers,
            taken: HashSet::new(),
        }
    }

    /// All chains, by the index of their last node.
    fn all(mut self) -> BTreeMap<usize, Fused> {
        let mut found = BTreeMap::new();
        for first in 0..self.graph.nodes.len() {
            if let Some(fused) = self.from(first)
                && let Some(&last) = fused.chain.nodes.last()
            {
                self.taken.extend(&fused.chain.nodes);
                found.insert(last, fused);
            }
        }
        found
    }

    /// The longest chain that begins at a node.
    fn from(&self, first: usize) -> Option<Fused> {
        let node = &self.graph.nodes[first];
        let chain = Chain {
            nodes: vec![first],
            output: *node.outputs.first()?,
            inner: Vec::new(),
        };
        match (node.operator.name(), node.operator.overload()) {
            ("aten::conv2d", "") => self.convolution(node, chain),
            ("aten::linear", "") => self.linear(node, chain),
            _ => None,
        }
    }

    fn convolution(&self, node: &Node, mut chain: Chain) -> Option<Fused> {
        let input = node.value("input")?;
        let weight = self.weight(node, 4)?;
        let bias = self.optional(node, "bias")?;
        let pair = |name: &str, default| pair(node, name, default);
        let [stride, padding, dilation] = [
            pair("stride", 1)?,
            pair("padding", 0)?,
            pair("dilation", 1)?,
        ];
        let groups = number(node, "groups", 1)?;
        let norm = self.norm(&mut chain);
        let added = self.sum(&mut chain);
        let activation = self.activation(&mut chain, added.is_some());
        let shown_bias = bias.or_else(|| norm.as_ref().map(Norm::any));
        let packer = Packer {
            reorder: Rc::clone(&self.operators.reorder_convolution),
            weight,
            bias,
            shown_bias,
            norm,
            geometry: Some(([padding, stride, dilation], groups)),
        };
        let mut operands: Vec<(&str, Operand)> = vec![
            ("X", input.into()),
            ("W", weight.into()),
            ("B", shown_bias.into()),
            ("padding", padding.into()),
            ("stride", stride.into()),
            ("dilation", dilation.into()),
            ("groups", groups.into()),
        ];
        let operator = if let Some(added) = added {
            operands.extend([
                ("other", added.into()),
                ("binary_attr", "add".into()),
                ("alpha", Operand::None),
                (
                    "unary_attr",
                    activation.as_ref().map(|relu| relu.name).into(),
                ),
                ("unary_scalars", Operand::Floats(Vec::new())),
                ("unary_algorithm", Operand::None),
            ]);
            &self.operators.convolution_and_sum
        } else {
            operands.extend(unary(activation.as_ref()));
            &self.operators.convolution
        };
        fused(operator, &operands, chain, packer)
    }

    fn linear(&self, node: &Node, mut chain: Chain) -> Option<Fused> {
        let input = node.value("input")?;
        let weight = self.weight(node, 2)?;
        let bias = self.optional(node, "bias")?;
        let activation = self.activation(&mut chain, false);
        let packer = Packer {
            reorder: Rc::clone(&self.operators.reorder_linear),
            weight,
            bias,
            shown_bias: bias,
            norm: None,
            geometry: None,
        };
        let mut operands: Vec<(&str, Operand)> = vec![
            ("X", input.into()),
            ("W", weight.into()),
            ("B", bias.into()),
        ];
        operands.extend(unary(activation.as_ref()));
        fused(&self.operators.linear, &operands, chain, packer)
    }

    /// The weight, where it is a constant that may be packed.
    fn weight(&self, node: &Node, axes: usize) -> Option<ValueId> {
        let id = node.value("weight")?;
        let weight = self.graph.constants.get(&id)?;
        let fits = weight.device() == Device::Cpu
            && weight.dim() == axes
            && matches!(weight.kind(), Kind::Float | Kind::BFloat16);
        (fits && (is_mapped(weight) || self.copies == Copies::Any)).then_some(id)
    }

    /// A constant that may be absent; `None` where it is there and no constant.
    #[expect(clippy::option_option, reason = "absent and unsuitable are two things")]
    fn optional(&self, node: &Node, name: &str) -> Option<Option<ValueId>> {
        match node.operand(name) {
            None | Some(Operand::None) => Some(None),
            Some(Operand::Value(id)) if self.graph.constants.contains_key(id) => Some(Some(*id)),
            Some(_) => None,
        }
    }

    /// The only node that reads the chain's output, and reads it once.
    fn next(&self, chain: &Chain) -> Option<(usize, &'a Node)> {
        let (count, reader) = *self.readers.get(&chain.output)?;
        (count == 1 && !self.taken.contains(&reader)).then(|| (reader, &self.graph.nodes[reader]))
    }

    fn norm(&self, chain: &mut Chain) -> Option<Norm> {
        let (index, node) = self.next(chain)?;
        let by_statistics = node.operator.name() == "aten::batch_norm"
            && node.value("input") == Some(chain.output)
            && matches!(node.operand("training"), Some(Operand::Bool(false)));
        if !by_statistics {
            return None;
        }
        let norm = Norm {
            weight: self.optional(node, "weight")?,
            bias: self.optional(node, "bias")?,
            mean: self.optional(node, "running_mean")??,
            variance: self.optional(node, "running_var")??,
            eps: float(node, "eps")?,
        };
        chain.extend(index, node)?;
        Some(norm)
    }

    /// The value that is added to the chain's.
    fn sum(&self, chain: &mut Chain) -> Option<ValueId> {
        let (index, node) = self.next(chain)?;
        let plain = node.operator.name() == "aten::add"
            && node.operator.overload() == "Tensor"
            && matches!(node.operand("alpha"), None | Some(Operand::Int(1)));
        if !plain {
            return None;
        }
        let (a, b) = (node.value("self")?, node.value("other")?);
        let added = if a == chain.output { b } else { a };
        // Something of another shape would be stretched.
        if self.graph.constants.contains_key(&added) {
            return None;
        }
        chain.extend(index, node)?;
        Some(added)
    }

    fn activation(&self, chain: &mut Chain, relu_only: bool) -> Option<Activation> {
        let (index, node) = self.next(chain)?;
        let activation = Activation::of(node)?;
        if relu_only && activation.name != "relu" {
            return None;
        }
        chain.extend(index, node)?;
        Some(activation)
    }
}

impl Chain {
    fn extend(&mut self, index: usize, node: &Node) -> Option<()> {
        let output = *node.outputs.first()?;
        self.inner.push(std::mem::replace(&mut self.output, output));
        self.nodes.push(index);
        Some(())
    }
}

impl Operators {
    fn find() -> Result<Self, DispatchError> {
        let find = |name: &str, overload| Operator::find(name, overload).map(Rc::new);
        Ok(Self {
            convolution: find("mkldnn::_convolution_pointwise", "")?,
            convolution_and_sum: find("mkldnn::_convolution_pointwise", "binary")?,
            linear: find("mkldnn::_linear_pointwise", "")?,
            reorder_convolution: find("mkldnn::_reorder_convolution_weight", "")?,
            reorder_linear: find("mkldnn::_reorder_linear_weight", "")?,
        })
    }
}

impl Activation {
    fn of(node: &Node) -> Option<Self> {
        let named = |name, numbers| {
            Some(Self {
                name,
                numbers,
                algorithm: String::new(),
            })
        };
        match node.operator.name() {
            "aten::relu" => named("relu", Vec::new()),
            "aten::hardtanh" => {
                let (low, high) = (float(node, "min_val")?, float(node, "max_val")?);
                named("hardtanh", vec![low, high])
            }
            "aten::silu" => named("swish", Vec::new()),
            "aten::hardswish" => named("hardswish", Vec::new()),
            "aten::gelu" => Some(Self {
                name: "gelu",
                numbers: Vec::new(),
                algorithm: match node.operand("approximate") {
                    Some(Operand::Str(name)) => name.clone(),
                    _ => "none".to_owned(),
                },
            }),
            _ => None,
        }
    }
}

fn fused(
    operator: &Rc<Operator>,
    operands: &[(&str, Operand)],
    chain: Chain,
    packer: Packer,
) -> Option<Fused> {
    let operands = operands
        .iter()
        .map(|(name, operand)| Some((operator.position(name)?, operand.clone())))
        .collect::<Option<_>>()?;
    Some(Fused {
        node: Node {
            operator: Rc::clone(operator),
            operands,
            outputs: vec![chain.output],
        },
        chain,
        packer,
        packed: OnceCell::new(),
        packs: Cell::new(true),
    })
}

/// The activation as the operators take it.
fn unary(activation: Option<&Activation>) -> [(&'static str, Operand); 3] {
    let (name, numbers, algorithm) = activation.map_or(("none", Vec::new(), ""), |activation| {
        (
            activation.name,
            activation.numbers.clone(),
            activation.algorithm.as_str(),
        )
    });
    [
        ("attr", name.into()),
        ("scalars", Operand::Floats(numbers)),
        ("algorithm", algorithm.into()),
    ]
}

fn number(node: &Node, name: &str, default: i64) -> Option<i64> {
    match node.operand(name) {
        None => Some(default),
        Some(Operand::Int(number)) => Some(*number),
        Some(_) => None,
    }
}

fn float(node: &Node, name: &str) -> Option<f64> {
    match *node.operand(name)? {
        Operand::Float(number) => Some(number),
        Operand::Int(number) => Some(number as f64),
        _ => None,
    }
}

/// A number for each of two axes; one number stands for both.
fn pair(node: &Node, name: &str, default: i64) -> Option<[i64; 2]> {
    match node.operand(name) {
        None => Some([default; 2]),
        Some(Operand::Int(number)) => Some([*number; 2]),
        Some(Operand::Ints(numbers)) => match *numbers.as_slice() {
            [both] => Some([both; 2]),
            [first, second] => Some([first, second]),
            _ => None,
        },
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
