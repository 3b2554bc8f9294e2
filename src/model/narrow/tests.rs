use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::graph::{Builder, Layer};
use crate::model::run::{Map, Pass, Plan, logits, shapes};
use crate::model::zoo::oracle::model;
use crate::model::{ClassIndex, Slope};

const SLOPES: [Slope; 1] = [(ClassIndex(3), 1.0)];

fn apart(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let size = expected.abs().max().double_value(&[]);
    assert!(size > 0.0, "zeros say nothing");
    (found - expected).abs().max().double_value(&[]) / size
}

/// The layers of the last two blocks that have a map, and whether they stand before what is narrowed.
fn last_layers<'a>(graph: &'a Graph, input: &Tensor, names: [&str; 2]) -> Vec<(&'a Layer, bool)> {
    let shapes = shapes(graph, input).unwrap();
    let ends: Vec<&Narrowed> = graph.narrowed.values().collect();
    let layers = graph.layers.iter().filter(|layer| {
        names.iter().any(|name| layer.name.starts_with(name))
            && Map::of(layer, &shapes[&layer.output]).is_some()
    });
    let before = |layer: &Layer| ends.iter().all(|end| !end.inner.contains(&layer.output));
    layers.map(|layer| (layer, before(layer))).collect()
}

fn pass(graph: &Graph, layer: &Layer, input: &Tensor) -> Pass {
    let plan = Plan::new(graph, layer).unwrap();
    plan.run(graph, input, &[]).unwrap()
}

#[test]
fn every_layer_of_the_last_blocks_has_what_it_has_without_narrowing() {
    let cases = [
        ("timm/deit_tiny_patch16_224", ["blocks.10", "blocks.11"]),
        ("timm/vit_tiny_patch16_224", ["blocks.10", "blocks.11"]),
        // Register tokens and layer scale.
        (
            "timm/vit_small_patch14_reg4_dinov2",
            ["blocks.10", "blocks.11"],
        ),
        ("transformers/ViT", ["vit.layers.1", "vit.layers.2"]),
        (
            "transformers/DeiT saved",
            ["deit.encoder.layer.1", "deit.encoder.layer.2"],
        ),
        (
            "torchvision/vit_b_32 with 7 classes",
            [
                "encoder.layers.encoder_layer_10",
                "encoder.layers.encoder_layer_11",
            ],
        ),
    ];
    for (name, blocks) in cases {
        let (plain, input) = model("vit", name);
        let (mut narrow, _) = model("vit", name);
        let input = input.tensor;
        narrow.graph.narrow_operations();
        assert_eq!(narrow.graph.narrowed.len(), 1, "{name}");
        let [expected, found] =
            [&plain, &narrow].map(|model| logits(&model.graph, &input).unwrap());
        assert!(apart(&found, &expected) < 1e-5, "{name}");
        let layers = last_layers(&narrow.graph, &input, blocks);
        let inside = layers.iter().filter(|(_, before)| !before).count();
        assert!(inside >= 3 && layers.len() >= inside + 5, "{name}");
        for (layer, before) in layers {
            let what = format!("{name} {}", layer.name);
            let [expected, found] =
                [&plain, &narrow].map(|model| pass(&model.graph, layer, &input));
            let parts = |pass: &Pass| {
                [
                    Tensor::from_slice(pass.logits()),
                    pass.activations().unwrap(),
                    pass.gradients(&SLOPES).unwrap(),
                    pass.mean_gradients(&SLOPES).unwrap(),
                ]
            };
            for (found, expected) in parts(&found).iter().zip(parts(&expected)) {
                if before {
                    assert!(apart(found, &expected) < 1e-5, "{what}");
                } else {
                    // Nothing but what ran without.
                    assert!(*found == expected, "{what}");
                }
            }
            let [_, _, gradients, mean] = parts(&found);
            let expected = gradients.mean_dim([1_i64, 2].as_slice(), false, Kind::Float);
            if before {
                assert!(apart(&mean, &expected) < 1e-5, "{what}: mean");
            }
        }
    }
}

#[test]
fn the_last_block_runs_for_one_token_and_attention_with_it() {
    let (mut model, input) = model("vit", "transformers/ViT");
    model.graph.narrow_operations();
    let graph = &model.graph;
    let (end, narrowed) = graph.narrowed.first_key_value().unwrap();
    let count = |name: &str| {
        let nodes = narrowed.nodes.iter();
        nodes
            .filter(|node| node.operator.name() == format!("aten::{name}"))
            .count()
    };
    let found = ["linear", "layer_norm", "scaled_dot_product_attention"].map(count);
    assert_eq!(found, [3, 2, 1]);
    let mut values = graph.no_values();
    values[graph.input.0] = Some(input.tensor);
    for (index, node) in graph.nodes.iter().enumerate().take(*end) {
        for (id, output) in node.outputs.iter().zip(graph.run(index, &values).unwrap()) {
            values[id.0] = Some(output);
        }
    }
    let value = |id: ValueId| values[id.0].as_ref();
    for tensor in narrowed.of_one_token(value).unwrap().values() {
        assert_eq!(tensor.size().iter().rev().nth(1), Some(&1));
    }
}

#[test]
fn networks_whose_head_reads_several_tokens_stay_as_they_are() {
    for name in [
        "timm/deit_tiny_distilled_patch16_224",
        "timm/vit_medium_patch16_gap_240",
        "transformers/DeiT with a teacher saved",
    ] {
        let (mut model, _) = model("vit", name);
        model.graph.narrow_operations();
        assert!(model.graph.narrowed.is_empty(), "{name}");
    }
    let (mut resnet, _) = model("resnet", "torchvision/resnet18");
    resnet.graph.narrow_operations();
    assert!(resnet.graph.narrowed.is_empty());
}

fn numbers(shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 1.7)
        .sin()
        .view(shape)
}

const WIDTH: i64 = 6;
const TOKEN_COUNT: i64 = 16;

/// Sixteen tokens; what `mixed` makes of them goes through a linear layer, and one token of its sum
/// with what `added` makes of the tokens is the output.
fn network(
    token: i64,
    mixed: impl Fn(&mut Builder, ValueId) -> ValueId,
    added: impl Fn(&mut Builder, ValueId) -> ValueId,
) -> Graph {
    let mut builder = Builder::default();
    let b = &mut builder;
    let input = b.input();
    let flat = [("self", input.into()), ("start_dim", 2.into())];
    let flat = b.call("flatten.using_ints", &flat).unwrap();
    let tokens = transpose(b, flat);
    let x = linear(b, tokens, 3);
    let mixed = mixed(b, x);
    let made = linear(b, mixed, WIDTH);
    let added = added(b, x);
    let sum = [("self", made.into()), ("other", added.into())];
    let sum = b.call("add.Tensor", &sum).unwrap();
    let choice = [
        ("self", sum.into()),
        ("dim", 1.into()),
        ("index", token.into()),
    ];
    let chosen = b.call("select.int", &choice).unwrap();
    builder.finish(chosen)
}

fn linear(b: &mut Builder, x: ValueId, inputs: i64) -> ValueId {
    let weight = b.constant(numbers(&[WIDTH, inputs]));
    b.call("linear", &[("input", x.into()), ("weight", weight.into())])
        .unwrap()
}

fn transpose(b: &mut Builder, x: ValueId) -> ValueId {
    let operands = [("self", x.into()), ("dim0", 1.into()), ("dim1", 2.into())];
    b.call("transpose.int", &operands).unwrap()
}

/// Attention in heads of this width, which are joined to this shape.
fn attention(
    heads: i64,
    joined: [i64; 3],
    more: Option<(&'static str, Operand)>,
) -> impl Fn(&mut Builder, ValueId) -> ValueId {
    move |b, x| {
        let shape = [1, TOKEN_COUNT, heads, WIDTH / heads];
        let split = [("self", x.into()), ("shape", shape.into())];
        let split = b.call("reshape", &split).unwrap();
        let split = transpose(b, split);
        let query = b.call("relu", &[("self", split.into())]).unwrap();
        let mut operands = vec![
            ("query", query.into()),
            ("key", split.into()),
            ("value", split.into()),
        ];
        operands.extend(more.clone());
        let mixed = b.call("scaled_dot_product_attention", &operands).unwrap();
        let turned = transpose(b, mixed);
        let join = [("self", turned.into()), ("shape", joined.into())];
        b.call("reshape", &join).unwrap()
    }
}

fn same(_: &mut Builder, x: ValueId) -> ValueId {
    x
}

fn mean(b: &mut Builder, x: ValueId) -> ValueId {
    let operands = [
        ("self", x.into()),
        ("dim", [1].into()),
        ("keepdim", true.into()),
    ];
    b.call("mean.dim", &operands).unwrap()
}

#[test]
fn what_looks_alike_and_is_not_gives_what_it_gives_for_all_tokens() {
    let whole = [1, TOKEN_COUNT, WIDTH];
    // The network, and whether the attention is narrowed.
    let cases = [
        (
            "as in a block",
            network(3, attention(2, whole, None), same),
            true,
        ),
        (
            "any number of images",
            network(0, attention(3, [-1, TOKEN_COUNT, WIDTH], None), same),
            true,
        ),
        (
            "causal",
            network(
                3,
                attention(2, whole, Some(("is_causal", true.into()))),
                same,
            ),
            false,
        ),
        (
            "one mean for all tokens",
            network(3, attention(2, whole, None), mean),
            true,
        ),
        // Two tokens become one of twice the width, which only the shapes tell.
        (
            "tokens mixed when heads are joined",
            network(
                3,
                |b, x| {
                    let pairs = attention(2, [1, TOKEN_COUNT / 2, 2 * WIDTH], None)(b, x);
                    linear(b, pairs, 2 * WIDTH)
                },
                |b, _| b.constant(numbers(&[1, 1, WIDTH])),
            ),
            true,
        ),
        (
            "a query that is the key",
            network(
                3,
                |b, x| {
                    let shape = [
                        ("self", x.into()),
                        ("shape", [1, TOKEN_COUNT, 1, WIDTH].into()),
                    ];
                    let split = b.call("reshape", &shape).unwrap();
                    let split = transpose(b, split);
                    let all = ["query", "key", "value"].map(|name| (name, split.into()));
                    let mixed = b.call("scaled_dot_product_attention", &all).unwrap();
                    let turned = transpose(b, mixed);
                    let join = [("self", turned.into()), ("shape", whole.into())];
                    b.call("reshape", &join).unwrap()
                },
                same,
            ),
            false,
        ),
    ];
    let input = numbers(&[1, 3, 4, 4]);
    for (what, mut graph, narrows_attention) in cases {
        let expected = logits(&graph, &input).unwrap();
        graph.narrow_operations();
        let found = graph.narrowed.values().next();
        let narrowed = found.is_some_and(|found| found.attention.is_some());
        assert_eq!(narrowed, narrows_attention, "{what}");
        assert!(
            apart(&logits(&graph, &input).unwrap(), &expected) < 1e-6,
            "{what}"
        );
    }
}

#[test]
fn curvature_and_changed_outputs_go_through_what_is_narrowed() {
    let (plain, input) = model("vit", "transformers/ViT");
    let (mut narrow, _) = model("vit", "transformers/ViT");
    narrow.graph.narrow_operations();
    let layer = plain.target_layer.clone();
    let inside = "vit.layers.2.layernorm_after";
    let score = |logits: &Tensor| logits.f_softmax(0, Kind::Float)?.f_select(0, 3);
    let [expected, found] = [&plain, &narrow].map(|model| {
        let curvature = model.curvature(&model.run(&input).unwrap(), score).unwrap();
        let rescored = [layer.as_str(), inside].map(|layer| {
            let pass = model.run_at(layer, &input, &[]).unwrap();
            let output = pass.output().unwrap();
            let outputs = Tensor::cat(&[&output, &(&output * 0.5)], 0);
            let plan = model.plan(layer).unwrap();
            plan.rescore(&model.graph, &pass, &outputs).unwrap()
        });
        (curvature, rescored)
    });
    assert!(apart(&found.0, &expected.0) < 1e-4);
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!(apart(found, expected) < 1e-5);
        assert!(apart(&found.select(0, 1), &found.select(0, 0)) > 1e-3);
    }
}
