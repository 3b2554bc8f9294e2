use super::*;
use crate::model::graph::Builder;
use crate::model::recipe::tests::image;
use crate::model::zoo::tests::{basic, saved};
use crate::model::{ClassIndex, LoadOptions, Model, ModelSource};

const WEIGHTS: [f32; 6] = [0.5, -1.0, 2.0, -3.0, 4.0, -5.0];
const PIXELS: [f32; 6] = [1.0, 1.0, -1.0, -1.0, 7.0, 7.0];

/// Two rectifiers, the second without the upper bound of the first, and a linear layer of one class:
/// `w · max(min(max(x, 0), 6), 0)`. The names of the values are input, first, second.
fn rectified() -> (Graph, [ValueId; 3]) {
    let mut builder = Builder::default();
    let input = builder.input();
    let weight = builder.constant(Tensor::from_slice(&WEIGHTS).view([1, 6]));
    let mut call = |name: &str, operands: &[(&str, Operand)]| builder.call(name, operands).unwrap();
    let bounds = [("min_val", 0.0.into()), ("max_val", 6.0.into())];
    let first = [&[("self", input.into())][..], &bounds].concat();
    let first = call("hardtanh", &first);
    let second = call("relu", &[("self", first.into())]);
    let flat = call(
        "flatten.using_ints",
        &[("self", second.into()), ("start_dim", 1.into())],
    );
    let logits = call(
        "linear",
        &[("input", flat.into()), ("weight", weight.into())],
    );
    (builder.finish(logits), [input, first, second])
}

fn one_class(_: &[f32]) -> Vec<Slope> {
    vec![(ClassIndex(0), 1.0)]
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

#[test]
fn a_relu_lets_through_what_its_rule_says() {
    let (graph, [input, first, _]) = rectified();
    let images = Tensor::from_slice(&PIXELS).view([1, 3, 1, 2]);
    let wanted = Wanted {
        gradients: &[input, first],
        ..Wanted::default()
    };
    // Of the pixels 1 is between the bounds, -1 and 7 are not.
    for (rule, of_input, of_first) in [
        (
            Rule::Plain,
            [0.5, -1.0, 0.0, 0.0, 0.0, 0.0],
            [0.5, -1.0, 0.0, 0.0, 4.0, -5.0],
        ),
        (
            Rule::Guided,
            [0.5, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.5, 0.0, 0.0, 0.0, 4.0, 0.0],
        ),
        (
            Rule::Deconvolution,
            [0.5, 0.0, 2.0, 0.0, 4.0, 0.0],
            [0.5, 0.0, 2.0, 0.0, 4.0, 0.0],
        ),
    ] {
        let found = differentiate(&graph, &images, wanted, &one_class, rule).unwrap();
        assert_eq!(numbers(&found.gradients[&input]), of_input, "{rule:?}");
        assert_eq!(numbers(&found.gradients[&first]), of_first, "{rule:?}");
        let rectified = [1.0, 1.0, 0.0, 0.0, 6.0, 6.0];
        assert_eq!(numbers(&found.values[&first]), rectified, "{rule:?}");
    }
}

#[test]
fn the_images_of_a_batch_are_differentiated_each_by_itself() {
    let (graph, [input, ..]) = rectified();
    let wanted = Wanted {
        gradients: &[input],
        ..Wanted::default()
    };
    // A score that is no logit: its slope depends on the image.
    let slopes = |logits: &[f32]| vec![(ClassIndex(0), logits[0])];
    let images = [PIXELS, [3.0; 6]].concat();
    let images = Tensor::from_slice(&images).view([2, 3, 1, 2]);
    for rule in [Rule::Plain, Rule::Guided] {
        let gradients = |images: &Tensor| {
            let found = differentiate(&graph, images, wanted, &slopes, rule).unwrap();
            found.gradients[&input].copy()
        };
        let both = gradients(&images);
        for row in 0..2 {
            let alone = gradients(&images.narrow(0, row, 1));
            assert_eq!(numbers(&both.get(row)), numbers(&alone), "{rule:?}");
        }
    }
}

#[test]
fn a_value_that_no_score_depends_on_has_a_gradient_of_zeros() {
    let (mut graph, [input, first, second]) = rectified();
    // The linear layer reads the input itself.
    for node in &mut graph.nodes {
        for (_, operand) in &mut node.operands {
            if *operand == Operand::Value(second) {
                *operand = Operand::Value(input);
            }
        }
    }
    let images = Tensor::from_slice(&PIXELS).view([1, 3, 1, 2]);
    let wanted = Wanted {
        values: &[second],
        gradients: &[input, first],
    };
    for rule in [Rule::Plain, Rule::Guided] {
        let found = differentiate(&graph, &images, wanted, &one_class, rule).unwrap();
        assert_eq!(numbers(&found.gradients[&input]), WEIGHTS);
        assert_eq!(numbers(&found.gradients[&first]), [0.0; 6]);
        assert!((numbers(&found.values[&second])[4] - 6.0).abs() < f32::EPSILON);
    }
}

#[test]
fn a_class_that_does_not_exist_is_refused() {
    let (graph, [input, ..]) = rectified();
    let wanted = Wanted {
        gradients: &[input],
        ..Wanted::default()
    };
    let images = Tensor::from_slice(&PIXELS).view([1, 3, 1, 2]);
    let other = |_: &[f32]| vec![(ClassIndex(1), 1.0)];
    let error = differentiate(&graph, &images, wanted, &other, Rule::Plain).unwrap_err();
    assert!(error.to_string().contains("out of range"), "{error}");
}

/// Autograd over the whole graph at once is the reference.
#[test]
fn the_walk_from_node_to_node_finds_the_gradients_of_autograd() {
    let folder = tempfile::tempdir().unwrap();
    let resnet = saved(&basic([1, 1, 1, 1], 7), folder.path());
    for source in [ModelSource::File(resnet), ModelSource::Demo] {
        let model = Model::load(&source, &LoadOptions::default()).unwrap();
        let graph = model.graph();
        let images = model.prepare(&image(64, 64)).unwrap().tensor;
        let inner: Vec<ValueId> = graph.layers.iter().map(|layer| layer.output).collect();
        let at = [&[graph.input], inner.as_slice()].concat();
        let wanted = Wanted {
            gradients: &at,
            ..Wanted::default()
        };
        let slopes = |_: &[f32]| vec![(ClassIndex(2), 1.5), (ClassIndex(5), -1.0)];
        let expected = differentiate(graph, &images, wanted, &slopes, Rule::Plain).unwrap();

        let walked = forward(graph, &images, wanted, Rule::Guided).unwrap();
        let logits = walked.values[graph.output.0].as_ref().unwrap();
        let weights = HashMap::from([(graph.output, weights(logits, &slopes).unwrap())]);
        let found = by_walk(walked.steps, weights, &at, Rule::Plain).unwrap();
        for id in at {
            let (found, expected) = (&found[&id], &expected.gradients[&id]);
            let peak = expected.abs().max().double_value(&[]);
            let off = (found - expected).abs().max().double_value(&[]);
            assert!(peak > 0.0 && off <= 1e-5 * peak, "{id:?}: {off} of {peak}");
        }
    }
}

#[test]
fn only_what_starts_at_zero_is_a_relu() {
    let mut builder = Builder::default();
    let x = builder.input();
    let mut node = |name: &str, more: &[(&str, Operand)]| {
        let operands = [&[("self", x.into())][..], more].concat();
        builder.call(name, &operands).unwrap()
    };
    node("relu", &[]);
    node("relu6", &[]);
    node("clamp_min", &[("min", 0.into())]);
    node("clamp", &[("min", 0.0.into())]);
    node(
        "hardtanh",
        &[("min_val", 0.0.into()), ("max_val", 6.0.into())],
    );
    node("clamp", &[("max", 0.0.into())]);
    node("clamp_min", &[("min", 1e-5.into())]);
    node("hardtanh", &[]);
    let last = node("gelu", &[]);
    let graph = builder.finish(last);
    let found: Vec<bool> = graph.nodes.iter().map(is_relu).collect();
    assert_eq!(
        found,
        [true, true, true, true, true, false, false, false, false]
    );
}
