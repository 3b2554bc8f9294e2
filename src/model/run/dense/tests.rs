use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::ClassIndex;
use crate::model::graph::{Builder, Graph, Operand, ValueId};
use crate::model::run::{Pass, Plan, Slope};

const CHANNELS: i64 = 5;
const CLASSES: i64 = 4;

type Call = (&'static str, Vec<(&'static str, Operand)>);

/// Numbers in -1..1 without a pattern that would hide a mistake.
fn numbers(shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let all = Tensor::arange(count, (Kind::Double, Device::Cpu));
    ((all * 1.7 + count as f64).sin() * 97.0)
        .sin()
        .to_kind(Kind::Float)
        .view(shape)
}

fn call(builder: &mut Builder, x: ValueId, (name, operands): &Call) -> ValueId {
    let all = [&[("self", x.into())], operands.as_slice()].concat();
    builder.call(name, &all).unwrap()
}

fn weighted(builder: &mut Builder, name: &str, x: ValueId, shape: &[i64]) -> ValueId {
    let weight = builder.constant(numbers(shape) * 0.5);
    let bias = builder.constant(numbers(&shape[..1]) * 0.1);
    let operands = [
        ("input", x.into()),
        ("weight", weight.into()),
        ("bias", bias.into()),
    ];
    builder.call(name, &operands).unwrap()
}

fn dropout(builder: &mut Builder, x: ValueId) -> ValueId {
    let operands = [
        ("input", x.into()),
        ("p", 0.5.into()),
        ("train", false.into()),
    ];
    builder.call("dropout", &operands).unwrap()
}

fn relu() -> Call {
    ("relu", Vec::new())
}

fn flatten() -> Call {
    ("flatten.using_ints", vec![("start_dim", 1.into())])
}

fn max_pool(kernel: i64, stride: i64, padding: i64, ceil: bool) -> Call {
    let operands = vec![
        ("kernel_size", [kernel, kernel].into()),
        ("stride", [stride, stride].into()),
        ("padding", [padding, padding].into()),
        ("ceil_mode", ceil.into()),
    ];
    ("max_pool2d", operands)
}

fn average_pool(padding: i64, counts_padding: bool, divisor: Option<i64>) -> Call {
    let operands = vec![
        ("kernel_size", [2, 2].into()),
        ("stride", [2, 2].into()),
        ("padding", [padding, padding].into()),
        ("count_include_pad", counts_padding.into()),
        ("divisor_override", divisor.into()),
    ];
    ("avg_pool2d", operands)
}

fn adaptive(rows: i64, columns: i64) -> Call {
    (
        "adaptive_avg_pool2d",
        vec![("output_size", [rows, columns].into())],
    )
}

/// Two convolutions with ReLU to a map of 7x6, these operations to the linear layers, which read
/// this many numbers, and linear layers with this many outputs and an activation between.
fn network(before: &[Call], inputs: i64, hidden: &[i64], activation: &Call) -> Graph {
    let mut builder = Builder::default();
    let input = builder.input();
    let x = weighted(&mut builder, "conv2d", input, &[6, 3, 3, 3]);
    let x = call(&mut builder, x, &relu());
    builder.layer("relu1", x, None);
    let x = weighted(&mut builder, "conv2d", x, &[CHANNELS, 6, 3, 3]);
    builder.layer("conv2", x, None);
    let mut x = call(&mut builder, x, &relu());
    builder.layer("relu2", x, None);
    for operation in before {
        x = call(&mut builder, x, operation);
        builder.layer(operation.0, x, None);
    }
    x = dropout(&mut builder, x);
    let mut inputs = inputs;
    for &outputs in hidden {
        x = weighted(&mut builder, "linear", x, &[outputs, inputs]);
        x = call(&mut builder, x, activation);
        x = dropout(&mut builder, x);
        inputs = outputs;
    }
    let logits = weighted(&mut builder, "linear", x, &[CLASSES, inputs]);
    builder.finish(logits)
}

fn run(graph: &Graph, layer: &str) -> Pass {
    let plan = Plan::new(graph, graph.layer(layer).unwrap()).unwrap();
    plan.run(graph, &numbers(&[1, 3, 11, 10]), &[]).unwrap()
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

/// One class, the difference of two, and all.
fn slopes() -> [Vec<Slope>; 3] {
    let of = |slopes: &[(usize, f32)]| {
        let slopes = slopes.iter();
        slopes
            .map(|&(class, slope)| (ClassIndex(class), slope))
            .collect()
    };
    [
        of(&[(2, 1.0)]),
        of(&[(0, 0.75), (3, -0.5)]),
        of(&[0, 1, 2, 3, 2, 1, 0, 1, 3].map(|class| (class, 0.25))),
    ]
}

fn assert_means(graph: &Graph, layer: &str, is_dense: bool) {
    let pass = run(graph, layer);
    assert_eq!(pass.dense.is_some(), is_dense, "{layer}");
    for slopes in slopes() {
        let expected =
            pass.gradients(&slopes)
                .unwrap()
                .mean_dim([1_i64, 2].as_slice(), false, Kind::Float);
        let found = pass.mean_gradients(&slopes).unwrap();
        let apart = largest(&(&found - &expected)) / largest(&expected);
        assert!(apart < 1e-5, "{layer} {slopes:?}: {apart:e}");
    }
}

#[test]
fn mean_gradients_before_poolings_and_linear_layers_are_the_means_of_the_gradients() {
    let cases: [(Vec<Call>, i64, &[i64]); 5] = [
        // As in VGG; the second pooling's parts overlap.
        (
            vec![max_pool(2, 2, 0, false), adaptive(2, 2), flatten()],
            4,
            &[16, 12],
        ),
        // As in AlexNet.
        (
            vec![max_pool(3, 2, 1, true), adaptive(6, 6), flatten()],
            36,
            &[9],
        ),
        (
            vec![
                average_pool(0, true, None),
                average_pool(1, false, None),
                flatten(),
            ],
            4,
            &[16],
        ),
        (
            vec![
                adaptive(1, 1),
                ("reshape", vec![("shape", [-1, CHANNELS].into())]),
            ],
            1,
            &[8, 7, 6],
        ),
        (vec![flatten()], 42, &[]),
    ];
    for (before, cells, hidden) in cases {
        let graph = network(&before, CHANNELS * cells, hidden, &relu());
        for layer in ["relu1", "conv2"] {
            assert_means(&graph, layer, false);
        }
        assert_means(&graph, "relu2", true);
        for (name, _) in before.iter().take(before.len() - 1) {
            // A map of one position is none.
            if cells > 1 {
                assert_means(&graph, name, true);
            }
        }
    }
}

#[test]
fn what_changes_the_sums_takes_a_backward_pass() {
    let gelu = ("gelu", Vec::new());
    let cases = [
        (vec![average_pool(1, true, None), flatten()], 16, relu()),
        (vec![average_pool(0, true, Some(3)), flatten()], 9, relu()),
        (vec![("sigmoid", Vec::new()), flatten()], 42, relu()),
        (vec![flatten()], 42, gelu),
        (
            vec![("permute", vec![("dims", [0, 2, 3, 1].into())]), flatten()],
            42,
            relu(),
        ),
    ];
    for (before, cells, activation) in cases {
        let graph = network(&before, CHANNELS * cells, &[8], &activation);
        assert_means(&graph, "relu2", false);
    }
}

#[test]
fn another_class_in_between_and_other_methods_leave_the_bits_as_they_are() {
    let before = [max_pool(2, 2, 0, false), adaptive(2, 2), flatten()];
    let graph = network(&before, CHANNELS * 4, &[16, 12], &relu());
    let pass = run(&graph, "relu2");
    let [one, other, _] = slopes();
    let first = pass.mean_gradients(&one).unwrap();
    assert!(pass.mean_gradients(&other).unwrap() != first);
    assert!(pass.mean_gradients(&one).unwrap() == first);
    drop(pass.gradients(&one).unwrap());
    assert!(pass.mean_gradients(&one).unwrap() == first);
    // The sums of the first image are those of the next.
    let again = pass.dense.as_ref().unwrap();
    assert_eq!(again.sums.get().unwrap().size(), [16, CHANNELS]);
}

#[test]
fn of_a_weight_the_rows_with_a_gradient_are_added_up() {
    let weight = numbers(&[11, 6]);
    let sparse = numbers(&[11]) * numbers(&[11]).gt(0.0).to_kind(Kind::Float);
    for gradient in [
        numbers(&[11]),
        sparse,
        Tensor::zeros([11], (Kind::Float, Device::Cpu)),
    ] {
        let expected = weight.transpose(0, 1).mv(&gradient);
        let found = back(&weight, &gradient).unwrap();
        assert!(largest(&(&found - &expected)) <= 1e-6, "{gradient:?}");
        // The rows of another order in memory, and of another kind.
        let turned = weight.transpose(0, 1).contiguous().transpose(0, 1);
        assert!(largest(&(back(&turned, &gradient).unwrap() - &expected)) <= 1e-6);
        let rounded = back(&weight.to_kind(Kind::BFloat16), &gradient).unwrap();
        assert!(largest(&(rounded - &expected)) <= 2e-2 * largest(&expected));
    }
}
