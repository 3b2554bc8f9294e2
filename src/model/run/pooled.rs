//! Global average pooling and one linear layer: the gradient is a row of that layer's weight.

use crate::model::graph::{Graph, Layer, MapLayout, Node, Operand, ValueId};

/// The weight of the linear layer, where the suffix is global average pooling, that layer, and
/// between them nothing that changes numbers.
pub(super) fn pooled_head(graph: &Graph, layer: &Layer, suffix: &[usize]) -> Option<ValueId> {
    let nodes: Vec<&Node> = suffix.iter().map(|&index| &graph.nodes[index]).collect();
    let (&[pool, ref between @ ..], linear) =
        (&nodes[..nodes.len().checked_sub(1)?], nodes.last()?)
    else {
        return None;
    };
    let chained = nodes
        .windows(2)
        .all(|pair| pair[1].reads().next() == pair[0].outputs.first().copied());
    let pools_the_layer = pool.reads().eq([layer.output]);
    let makes_the_output = linear.outputs == [graph.output];
    let idle = between.iter().all(|node| {
        matches!(
            node.operator.name(),
            "aten::flatten"
                | "aten::squeeze"
                | "aten::dropout"
                | "aten::view"
                | "aten::reshape"
                | "aten::to"
        )
    });
    let linear_last = linear.operator.name() == "aten::linear";
    (chained
        && pools_the_layer
        && makes_the_output
        && idle
        && linear_last
        && averages_all(pool, layer))
    .then(|| linear.reads().nth(1))
    .flatten()
}

/// Whether a node is the mean over all positions of a layer.
fn averages_all(node: &Node, layer: &Layer) -> bool {
    let over = |axes: [i64; 2], from_end: [i64; 2]| matches!(node.operand("dim"), Some(Operand::Ints(given)) if given == &axes || given == &from_end);
    match (node.operator.name(), layer.layout) {
        ("aten::adaptive_avg_pool2d", None | Some(MapLayout::ChannelsFirst)) => {
            matches!(node.operand("output_size"), Some(Operand::Ints(size)) if size == &[1, 1])
        }
        ("aten::mean", Some(MapLayout::ChannelsFirst)) => over([2, 3], [-2, -1]),
        ("aten::mean", Some(MapLayout::ChannelsLast)) => over([1, 2], [-3, -2]),
        _ => false,
    }
}
