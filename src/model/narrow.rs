//! Narrowing: what follows a transformer's last attention, for the one token that the head reads.
//!
//! The head of a vision transformer takes one token, the class token, of the last block's output.
//! Layer norms, the MLP and the linear layer after attention work on each token alone, and attention
//! reads all tokens but makes each from its own query. So the last block needs the keys and values of
//! all tokens and the rest of one: of 197 tokens in ViT-B/16 the other 196 are never read.
//!
//! The graph stays as it is, as for [fused operations](super::fused): a run takes the narrowed
//! operations where nobody asks for a value inside of them, with autograd and without, and every
//! layer can still be the target layer.

use std::collections::{BTreeMap, HashMap, HashSet};

use tch::Tensor;

use super::dispatch::DispatchError;
use super::graph::{Graph, Node, Operand, ValueId};

/// The axis of the tokens in `[images, tokens, channels]`.
const TOKENS: i64 = 1;
/// The same in `[images, heads, tokens, channels]`.
const QUERIES: i64 = 2;

/// Nodes that end in the choice of a token, for this token alone.
#[derive(Debug)]
pub struct Narrowed {
    /// The choice as if it read all that the nodes read; for the order of work.
    node: Node,
    /// In the order in which they run; their values have one token.
    nodes: Vec<Node>,
    /// The same nodes for all tokens, by index.
    ordinary: Vec<usize>,
    /// What they make but for the last.
    inner: HashSet<ValueId>,
    /// What they read one token of, and along which axis.
    entries: BTreeMap<ValueId, i64>,
    token: i64,
    attention: Option<Attention>,
}

/// The attention that the nodes begin with.
#[derive(Clone, Copy, Debug)]
struct Attention {
    query: ValueId,
    value: ValueId,
    /// Channels of all heads, as the graph has them.
    width: i64,
}

/// The values that are needed of one token, while nodes are looked through from the last one on.
struct Search<'a> {
    graph: &'a Graph,
    /// By value the indices of the nodes that read it.
    readers: HashMap<ValueId, Vec<usize>>,
    makers: HashMap<ValueId, usize>,
}

impl Narrowed {
    /// For what it reads and makes.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Whether all values that it does not make are without interest.
    pub fn skips_none_of(&self, wanted: impl Fn(ValueId) -> bool) -> bool {
        !self.inner.iter().any(|value| wanted(*value))
    }

    /// Whether it does the work of this node.
    pub fn replaces(&self, index: usize) -> bool {
        self.ordinary.contains(&index)
    }

    /// The nodes that it runs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The same of other nodes that make the same values.
    ///
    /// # Errors
    /// When there is no other node.
    pub(super) fn of_other_nodes(
        &self,
        other: impl Fn(&Node) -> Result<Node, DispatchError>,
    ) -> Result<Self, DispatchError> {
        Ok(Self {
            node: self.node.clone(),
            nodes: self.nodes.iter().map(other).collect::<Result<_, _>>()?,
            ordinary: self.ordinary.clone(),
            inner: self.inner.clone(),
            entries: self.entries.clone(),
            ..*self
        })
    }

    /// What is read of one token; nothing where a value has not the shape that the operations made
    /// expect.
    fn of_one_token<'a>(
        &self,
        value: impl Fn(ValueId) -> Option<&'a Tensor>,
    ) -> Option<HashMap<ValueId, Tensor>> {
        let mut tokens = None;
        let mut found = HashMap::new();
        for (&id, &axis) in &self.entries {
            let tensor = value(id)?;
            let size = tensor.size();
            let length = *size.get(usize::try_from(axis).ok()?)?;
            let fits = size.len() as i64 == axis + 2
                && self.token < length
                && *tokens.get_or_insert(length) == length;
            if !fits {
                return None;
            }
            found.insert(id, tensor.f_narrow(axis, self.token, 1).ok()?);
        }
        if let Some(attention) = self.attention {
            let heads = *value(attention.query)?.size().get(1)?;
            let channels = *value(attention.value)?.size().get(3)?;
            if heads * channels != attention.width {
                return None;
            }
        }
        Some(found)
    }
}

impl Graph {
    /// Finds what is needed of one token alone.
    pub fn narrow_operations(&mut self) {
        let search = Search::new(self);
        let ends = 0..self.nodes.len();
        self.narrowed = ends
            .filter_map(|index| Some((index, search.before(index)?)))
            .collect();
    }

    /// These nodes, by index, with narrowed ones in the place of those that nobody asks for a value
    /// of; by number.
    pub(super) fn narrowest(
        &self,
        mut nodes: Vec<usize>,
        wanted: impl Fn(ValueId) -> bool,
    ) -> Vec<usize> {
        for (&end, narrowed) in &self.narrowed {
            if nodes.contains(&end) && narrowed.skips_none_of(&wanted) {
                nodes.retain(|&index| index == end || !narrowed.replaces(index));
                for number in nodes.iter_mut().filter(|index| **index == end) {
                    *number = self.number_of_narrowed(end);
                }
            }
        }
        nodes
    }

    /// Runs what is narrowed, or its nodes for all tokens where a value has not the shape that is
    /// expected.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub(super) fn run_narrowed(
        &self,
        narrowed: &Narrowed,
        values: &[Option<Tensor>],
    ) -> Result<Vec<Tensor>, DispatchError> {
        let value = |id: ValueId| self.constants.get(&id).or_else(|| values[id.0].as_ref());
        if let Some(entries) = narrowed.of_one_token(value) {
            return run_all(narrowed.nodes.iter(), entries, value);
        }
        let ordinary = narrowed.ordinary.iter().map(|&index| &self.nodes[index]);
        run_all(ordinary, HashMap::new(), value)
    }
}

/// Runs nodes one after the other, from values that go before others; the last one's outputs.
fn run_all<'a, 'n>(
    nodes: impl Iterator<Item = &'n Node>,
    mut made: HashMap<ValueId, Tensor>,
    value: impl Fn(ValueId) -> Option<&'a Tensor>,
) -> Result<Vec<Tensor>, DispatchError> {
    let mut outputs = Vec::new();
    for node in nodes {
        outputs = node.run(|id| made.get(&id).or_else(|| value(id)))?;
        let named = node.outputs.iter().copied();
        made.extend(named.zip(outputs.iter().map(Tensor::shallow_clone)));
    }
    Ok(outputs)
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
        let mut makers = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            for value in node.reads() {
                readers.entry(value).or_default().push(index);
            }
            makers.extend(node.outputs.iter().map(|output| (*output, index)));
        }
        Self {
            graph,
            readers,
            makers,
        }
    }

    /// What ends in this node, if it chooses a token and a linear layer can be narrowed before it.
    fn before(&self, end: usize) -> Option<Narrowed> {
        let choice = &self.graph.nodes[end];
        let chosen = choice.value("self")?;
        let token = match (
            choice.operator.name(),
            choice.operand("dim")?,
            choice.operand("index")?,
        ) {
            ("aten::select", Operand::Int(TOKENS | -2), Operand::Int(token)) if *token >= 0 => {
                *token
            }
            _ => return None,
        };
        let mut nodes = vec![with(choice, "index", 0.into())?];
        let mut ordinary = vec![end];
        let mut inner = HashSet::new();
        let mut entries = BTreeMap::from([(chosen, TOKENS)]);
        let mut attention = None;
        for index in (0..end).rev() {
            let node = &self.graph.nodes[index];
            let &[output] = node.outputs.as_slice() else {
                continue;
            };
            if entries.get(&output) != Some(&TOKENS) || !self.is_read_by(output, &ordinary) {
                continue;
            }
            if let Some(read) = self.works_on_each_token(node) {
                entries.extend(read.into_iter().map(|value| (value, TOKENS)));
                nodes.push(node.clone());
                ordinary.push(index);
            } else if let (None, Some((chain, copies, found))) = (attention, self.attention(index))
            {
                entries.insert(found.query, QUERIES);
                inner.extend(
                    chain
                        .iter()
                        .flat_map(|&index| &self.graph.nodes[index].outputs),
                );
                nodes.extend(copies);
                ordinary.extend(chain);
                attention = Some(found);
            } else {
                continue;
            }
            entries.remove(&output);
            inner.insert(output);
        }
        nodes.reverse();
        // Chains of attention come as one; the others stand between them.
        ordinary.sort_unstable();
        let is_linear = |node: &Node| node.operator.name() == "aten::linear";
        let mut seen = HashSet::new();
        let reads: Vec<ValueId> = nodes
            .iter()
            .flat_map(Node::reads)
            .filter(|value| !inner.contains(value) && seen.insert(*value))
            .collect();
        let narrowed = Narrowed {
            node: Node {
                operator: choice.operator.clone(),
                operands: vec![(0, reads.as_slice().into())],
                outputs: choice.outputs.clone(),
            },
            nodes,
            ordinary,
            inner,
            entries,
            token,
            attention,
        };
        (narrowed.nodes.iter().any(is_linear) && narrowed.reads_keys_and_values_whole())
            .then_some(narrowed)
    }

    /// Whether only these nodes read a value.
    fn is_read_by(&self, value: ValueId, nodes: &[usize]) -> bool {
        let readers = self.readers.get(&value);
        value != self.graph.output
            && readers.is_some_and(|readers| readers.iter().all(|index| nodes.contains(index)))
    }

    /// The values `[images, tokens, channels]` that a node reads, where it makes of each token
    /// what it would make of that token alone.
    fn works_on_each_token(&self, node: &Node) -> Option<Vec<ValueId>> {
        let constants = &self.graph.constants;
        let by_channel = |value: &ValueId| {
            let size = constants.get(value).map(Tensor::size);
            size.is_none_or(|size| size.iter().rev().skip(1).all(|length| *length == 1))
        };
        let fits = match node.operator.name() {
            "aten::linear" => node
                .reads()
                .skip(1)
                .all(|value| constants.contains_key(&value)),
            "aten::layer_norm" => {
                matches!(node.operand("normalized_shape"), Some(Operand::Ints(axes)) if axes.len() == 1)
            }
            "aten::dropout" => node.operand("train") == Some(&false.into()),
            "aten::add" | "aten::mul" => node.reads().all(|value| by_channel(&value)),
            "aten::gelu" | "aten::relu" | "aten::silu" | "aten::sigmoid" | "aten::tanh" => true,
            _ => false,
        };
        let is_read = |value: &ValueId| !constants.contains_key(value);
        fits.then(|| node.reads().filter(is_read).collect())
    }

    /// Attention whose heads are joined by this node: its nodes from the last one on, the same
    /// for one token, and what they read.
    fn attention(&self, joining: usize) -> Option<(Vec<usize>, Vec<Node>, Attention)> {
        let join = &self.graph.nodes[joining];
        let argument = match join.operator.name() {
            "aten::reshape" => "shape",
            "aten::view" => "size",
            _ => return None,
        };
        let &[images, _, width] = (match join.operand(argument)? {
            Operand::Ints(shape) => shape.as_slice(),
            _ => return None,
        }) else {
            return None;
        };
        let turning = self.only_before(join, joining)?;
        let turn = &self.graph.nodes[turning];
        let turns = match turn.operator.name() {
            "aten::transpose" => {
                let is = |name, axis| turn.operand(name) == Some(&Operand::Int(axis));
                is("dim0", TOKENS) && is("dim1", QUERIES)
                    || is("dim0", QUERIES) && is("dim1", TOKENS)
            }
            "aten::permute" => turn.operand("dims") == Some(&[0, 2, 1, 3].into()),
            _ => false,
        };
        let mixing = self.only_before(turn, turning)?;
        let mix = &self.graph.nodes[mixing];
        let is_or_absent =
            |name: &str, value: Operand| mix.operand(name).is_none_or(|given| *given == value);
        // A mask and causal attention know which token is asked for.
        let sees_all = is_or_absent("attn_mask", Operand::None)
            && is_or_absent("is_causal", false.into())
            && is_or_absent("dropout_p", 0.0.into());
        if !turns || !mix.is_attention() || !sees_all {
            return None;
        }
        let found = Attention {
            query: mix.value("query")?,
            value: mix.value("value")?,
            width,
        };
        let joined = with(join, argument, [images, 1, width].into())?;
        Some((
            vec![joining, turning, mixing],
            vec![joined, turn.clone(), mix.clone()],
            found,
        ))
    }

    /// The node that makes what a node reads, where nobody else reads it.
    fn only_before(&self, node: &Node, index: usize) -> Option<usize> {
        let read = node.value("self")?;
        self.is_read_by(read, &[index])
            .then(|| self.makers.get(&read).copied())?
    }
}

impl Narrowed {
    /// Whether attention reads keys and values that are not made or read of one token.
    fn reads_keys_and_values_whole(&self) -> bool {
        let attention = self.nodes.iter().filter(|node| node.is_attention());
        let mut whole = attention.flat_map(|node| [node.value("key"), node.value("value")]);
        whole.all(|value| {
            value.is_some_and(|value| {
                !self.inner.contains(&value) && !self.entries.contains_key(&value)
            })
        })
    }
}

/// The node with another operand in the place of this argument's.
fn with(node: &Node, argument: &str, operand: Operand) -> Option<Node> {
    let position = node.operator.position(argument)?;
    let mut node = node.clone();
    let found = node.operands.iter_mut().find(|(at, _)| *at == position)?;
    found.1 = operand;
    Some(node)
}

#[cfg(test)]
mod tests;
