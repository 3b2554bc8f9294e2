use tch::{Kind, Tensor};

use super::*;
use crate::model::ModelSource;
use crate::model::checkpoint::Checkpoint;
use crate::model::graph::Builder;
use crate::model::run::{Map, Plan, logits, shapes};
use crate::model::zoo::build;
use crate::model::zoo::tests::{Shapes, basic, bottleneck, saved};

/// Numbers in -1..1 without a pattern that would hide a mistake.
fn numbers(shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let all = Tensor::arange(count, (Kind::Double, Device::Cpu));
    ((all * 1.7).sin() * 97.0)
        .sin()
        .to_kind(Kind::Float)
        .view(shape)
}

fn assert_near(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let size = expected.abs().max().double_value(&[]);
    let off = (found - expected).abs().max().double_value(&[]);
    assert!(size > 1e-3, "{what} is about zero, which says nothing");
    assert!(off <= 1e-4 * size, "{what} is off by {off} of {size}");
}

/// Builds a graph twice, with and without fused operations.
fn both(build: impl Fn(&mut Builder) -> ValueId) -> (Graph, Graph) {
    let made = || {
        let mut builder = Builder::default();
        let output = build(&mut builder);
        builder.finish(output)
    };
    let mut fused = made();
    fused.fuse_operations(Copies::Any);
    (made(), fused)
}

fn conv(
    builder: &mut Builder,
    x: ValueId,
    shape: [i64; 4],
    bias: bool,
    more: &[(&str, Operand)],
) -> ValueId {
    let weight = builder.constant(numbers(&shape));
    let bias = bias.then(|| builder.constant(numbers(&shape[..1])));
    let mut operands: Vec<(&str, Operand)> = vec![
        ("input", x.into()),
        ("weight", weight.into()),
        ("bias", bias.into()),
    ];
    operands.extend_from_slice(more);
    builder.call("conv2d", &operands).unwrap()
}

fn norm(builder: &mut Builder, x: ValueId, channels: i64) -> ValueId {
    let mut part = |offset: f64| builder.constant(numbers(&[channels]) * 0.4 + offset);
    let (weight, bias, mean, variance) = (part(1.0), part(0.1), part(-0.2), part(0.8));
    let operands: &[(&str, Operand)] = &[
        ("input", x.into()),
        ("weight", weight.into()),
        ("bias", bias.into()),
        ("running_mean", mean.into()),
        ("running_var", variance.into()),
        ("training", false.into()),
        ("momentum", 0.1.into()),
        ("eps", 1e-3.into()),
        ("cudnn_enabled", true.into()),
    ];
    builder.call("batch_norm", operands).unwrap()
}

fn sum(builder: &mut Builder, a: ValueId, b: ValueId) -> ValueId {
    builder
        .call("add.Tensor", &[("self", a.into()), ("other", b.into())])
        .unwrap()
}

fn activation(builder: &mut Builder, x: ValueId, name: &str) -> ValueId {
    let more: &[(&str, Operand)] = match name {
        "none" => return x,
        "hardtanh" => &[("min_val", 0.0.into()), ("max_val", 6.0.into())],
        "gelu tanh" => &[("approximate", "tanh".into())],
        _ => &[],
    };
    let operands = [&[("self", x.into())], more].concat();
    let name = name.split(' ').next().unwrap();
    builder.call(name, &operands).unwrap()
}

#[test]
fn every_kind_of_chain_gives_what_its_operations_give() {
    for name in [
        "none",
        "relu",
        "hardtanh",
        "silu",
        "hardswish",
        "gelu",
        "gelu tanh",
        "sigmoid",
    ] {
        for normed in [false, true] {
            let (plain, fused) = both(|builder| {
                let input = builder.input();
                let strided: &[(&str, Operand)] =
                    &[("stride", [2, 1].into()), ("padding", [1, 0].into())];
                let grouped: &[(&str, Operand)] = &[
                    ("groups", 4.into()),
                    ("dilation", [2, 2].into()),
                    ("padding", [2, 2].into()),
                ];
                let mut x = conv(builder, input, [8, 3, 3, 3], false, strided);
                if normed {
                    x = norm(builder, x, 8);
                }
                x = activation(builder, x, name);
                let mut y = conv(builder, x, [8, 2, 3, 3], true, grouped);
                if normed {
                    y = norm(builder, y, 8);
                }
                let y = sum(builder, x, y);
                let y = activation(builder, y, name);
                let flat = builder
                    .call(
                        "flatten.using_ints",
                        &[("self", y.into()), ("start_dim", 1.into())],
                    )
                    .unwrap();
                let weight = builder.constant(numbers(&[5, 8 * 5 * 6]));
                let logits = builder
                    .call(
                        "linear",
                        &[("input", flat.into()), ("weight", weight.into())],
                    )
                    .unwrap();
                activation(builder, logits, name)
            });
            let what = format!("{name}, normalized: {normed}");
            assert_eq!(fused.fused.len(), 3, "{what}");
            let input = numbers(&[2, 3, 9, 8]);
            assert_near(
                &what,
                &logits(&fused, &input).unwrap(),
                &logits(&plain, &input).unwrap(),
            );
        }
    }
}

#[test]
fn two_convolutions_that_meet_in_a_sum_are_both_fused() {
    let (plain, fused) = both(|builder| {
        let input = builder.input();
        let [a, b] = [true, false].map(|bias| conv(builder, input, [4, 3, 1, 1], bias, &[]));
        let both = sum(builder, a, b);
        activation(builder, both, "relu")
    });
    // The first with the sum and the activation, the second alone.
    assert_eq!(fused.fused.keys().copied().collect::<Vec<_>>(), [1, 3]);
    let input = numbers(&[1, 3, 4, 4]);
    assert_near(
        "the sum",
        &logits(&fused, &input).unwrap(),
        &logits(&plain, &input).unwrap(),
    );
}

#[test]
fn what_onednn_refuses_is_run_one_by_one() {
    let (plain, fused) = both(|builder| {
        let input = builder.input();
        let pooled = builder
            .call(
                "adaptive_avg_pool2d",
                &[("self", input.into()), ("output_size", [1, 1].into())],
            )
            .unwrap();
        let x = conv(builder, input, [3, 3, 1, 1], true, &[]);
        // Stretched over all positions.
        let x = sum(builder, x, pooled);
        activation(builder, x, "relu")
    });
    assert_eq!(fused.fused.len(), 1);
    let input = numbers(&[1, 3, 4, 4]);
    assert_near(
        "the stretched sum",
        &logits(&fused, &input).unwrap(),
        &logits(&plain, &input).unwrap(),
    );
    let error = logits(&fused, &numbers(&[1, 2, 4, 4]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("aten::conv2d: "), "{error}");
}

#[test]
fn programs_that_look_at_the_order_in_memory_are_right_with_fused_convolutions() {
    let program = |last: &'static str, operands: &'static [(&'static str, &'static [i64])]| {
        both(move |builder| {
            let input = builder.input();
            let x = conv(builder, input, [4, 3, 1, 1], true, &[]);
            let mut all: Vec<(&str, Operand)> = vec![("self", x.into())];
            all.extend(
                operands
                    .iter()
                    .map(|(name, numbers)| (*name, Operand::from(*numbers))),
            );
            builder.call(last, &all).unwrap()
        })
    };
    let input = numbers(&[1, 3, 4, 4]);
    let (plain, fused) = program("view", &[("size", &[1, -1])]);
    assert_eq!(fused.fused.len(), 1);
    assert_near(
        "view",
        &logits(&fused, &input).unwrap(),
        &logits(&plain, &input).unwrap(),
    );
    let (plain, fused) = program("as_strided", &[("size", &[4, 4]), ("stride", &[5, 1])]);
    assert_eq!(fused.fused.len(), 0);
    assert_near(
        "as_strided",
        &logits(&fused, &input).unwrap(),
        &logits(&plain, &input).unwrap(),
    );
}

/// The network of a file, with and without fused operations.
fn of_file(shapes: &Shapes) -> (Graph, Graph) {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::File(saved(shapes, folder.path()));
    let checkpoint = Checkpoint::open(&source).unwrap();
    let made = || {
        build(&checkpoint, None)
            .unwrap()
            .into_graph(&checkpoint)
            .unwrap()
    };
    let mut fused = made();
    fused.fuse_operations(Copies::OfMapped);
    (made(), fused)
}

#[test]
fn every_layer_has_the_same_activations_and_gradients_as_without_fusion() {
    for (name, shapes) in [
        ("basic", basic([1, 2, 1, 1], 7)),
        ("bottleneck", bottleneck([1, 1, 1, 1], 4, 16, 5)),
    ] {
        let (plain, fused) = of_file(&shapes);
        let weighty = ["aten::conv2d", "aten::linear"];
        let weighty = |node: &&Node| weighty.contains(&node.operator.name());
        let weighty = plain.nodes.iter().filter(weighty).count();
        assert_eq!(fused.fused.len(), weighty, "{name}");
        let input = numbers(&[1, 3, 64, 64]);
        let shapes = shapes_of(&plain, &input);
        let mut compared = 0;
        for layer in &plain.layers {
            if Map::of(layer, &shapes[&layer.output]).is_none() {
                continue;
            }
            let [expected, found] = [&plain, &fused].map(|graph| {
                let plan = Plan::new(graph, layer).unwrap();
                let pass = plan.run(graph, &input, &[]).unwrap();
                let gradients = pass
                    .gradients(&[(crate::model::ClassIndex(1), 1.0)])
                    .unwrap();
                (
                    Tensor::from_slice(pass.logits()),
                    pass.activations().unwrap(),
                    gradients,
                )
            });
            let what = |part: &str| format!("{name} {}: {part}", layer.name);
            assert_near(&what("logits"), &found.0, &expected.0);
            assert_near(&what("activations"), &found.1, &expected.1);
            assert_near(&what("gradients"), &found.2, &expected.2);
            compared += 1;
        }
        assert!(compared > 2 * weighty, "{name}: {compared}");
    }
}

fn shapes_of(graph: &Graph, input: &Tensor) -> HashMap<ValueId, Vec<i64>> {
    shapes(graph, input).unwrap()
}

#[test]
fn weights_that_cannot_leave_the_memory_are_not_copied() {
    let mut graph = of_file(&basic([1, 1, 1, 1], 7)).0;
    for weight in graph.constants.values_mut() {
        *weight = weight.copy();
    }
    graph.fuse_operations(Copies::OfMapped);
    assert_eq!(graph.fused.len(), 0);
    graph.fuse_operations(Copies::Any);
    assert!(!graph.fused.is_empty());
}

#[test]
fn nothing_is_packed_for_a_single_image() {
    let (plain, fused) = of_file(&basic([1, 1, 1, 1], 7));
    fused.pack_nothing();
    let input = numbers(&[1, 3, 64, 64]);
    let expected = logits(&plain, &input).unwrap();
    for _ in 0..2 {
        assert_eq!(logits(&fused, &input).unwrap(), expected);
        assert!(fused.fused.values().all(|one| one.packed.get().is_none()));
    }
}
