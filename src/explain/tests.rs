//! What the tests of explanations share, and the tests that hold for every method.

use image::RgbImage;
use tch::{Device, Kind, Tensor};

use super::methods::Unwatched;
use super::*;
use crate::model::Pass;
use crate::model::graph::{Builder, Operand, ValueId};

/// An image that a model has seen.
pub(crate) struct Seen<'a> {
    pub(crate) model: &'a Model,
    pub(crate) input: Input,
    pub(crate) passes: Passes,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(model: &'a Model, image: &RgbImage) -> Self {
        Self {
            model,
            input: model.prepare(image).unwrap(),
            passes: Passes::default(),
        }
    }

    /// The same of an input that no image was read for.
    pub(crate) fn of_input(model: &'a Model, input: Input) -> Self {
        Self {
            model,
            input,
            passes: Passes::default(),
        }
    }

    pub(crate) fn pass(&mut self) -> &Pass {
        self.pass_at(&self.model.summary().layer)
    }

    pub(crate) fn pass_at(&mut self, layer: &str) -> &Pass {
        self.passes.at(self.model, &self.input, layer).unwrap()
    }

    pub(crate) fn explain(
        &mut self,
        class: usize,
        options: &Options,
    ) -> Result<Explanation, ExplainError> {
        let Self {
            model,
            input,
            passes,
        } = self;
        explain(
            model,
            input,
            passes,
            ClassIndex(class),
            options,
            &mut Unwatched,
        )
    }
}

/// A network with layers of these names and operations, the first on the input and each on the one
/// before it, then pooling and a linear layer. Class 0 likes large values and class 1 small ones.
fn chain(layers: &[(&str, &str)], target: &str) -> Model {
    let mut builder = Builder::default();
    let apply =
        |builder: &mut Builder, operator: &str, input: ValueId, more: &[(&str, Operand)]| {
            let operands = [&[("self", Operand::Value(input))], more].concat();
            builder.call(operator, &operands).unwrap()
        };
    let mut last = builder.input();
    for &(name, operator) in layers {
        last = apply(&mut builder, operator, last, &[]);
        builder.layer(name, last, None);
    }
    let aside = apply(&mut builder, "neg", last, &[]);
    builder.layer("aside", aside, None);
    let one = [("output_size", [1, 1].into())];
    let pool = apply(&mut builder, "adaptive_avg_pool2d", last, &one);
    builder.layer("pool", pool, None);
    let from = [("start_dim", Operand::Int(1))];
    let flat = apply(&mut builder, "flatten.using_ints", pool, &from);
    let weight = Tensor::from_slice(&[1_f32, 1.0, 1.0, -1.0, -1.0, -1.0]).view([2, 3]);
    let operands = [
        ("input", Operand::Value(flat)),
        ("weight", Operand::Value(builder.constant(weight))),
    ];
    let logits = builder.call("linear", &operands).unwrap();
    Model::of_graph(builder.finish(logits), target, 2, [4, 4])
}

/// What is said of class 1 of a network whose input is -1 to 1.
fn said(model: &Model, layer: Option<&str>) -> Result<Option<String>, String> {
    let values = Tensor::linspace(-1.0, 1.0, 48, (Kind::Float, Device::Cpu));
    let mut seen = Seen::of_input(model, Input::of_tensor(values.view([1, 3, 4, 4])));
    let options = Options {
        layers: layer.map(str::to_owned).into_iter().collect(),
        ..Options::default()
    };
    let explained = seen.explain(1, &options);
    explained
        .map(|explanation| explanation.warning())
        .map_err(|error| error.to_string())
}

#[test]
fn a_map_with_no_positive_evidence_is_said_to_be_all_zero() {
    let model = chain(&[("body", "relu")], "body");
    let warning = "all zero: no positive evidence for this class";
    assert_eq!(said(&model, None).unwrap().as_deref(), Some(warning));
}

#[test]
fn a_map_that_is_not_a_number_is_said_to_be_so_from_the_first_layer_on() {
    let layers = [
        ("body", "abs"),
        ("turned", "neg"),
        ("odd", "sqrt"),
        ("end", "nan_to_num"),
    ];
    let warning = "has values that are not numbers, from layer odd on";
    let model = chain(&layers, "odd");
    assert_eq!(said(&model, None).unwrap().as_deref(), Some(warning));
}

#[test]
fn a_score_that_is_not_a_number_is_refused_with_the_first_layer() {
    let model = chain(&[("body", "relu"), ("odd", "log"), ("end", "sin")], "end");
    assert_eq!(
        said(&model, None).unwrap_err(),
        "the network's score for class 0 is NaN, not a number (from layer odd on); check the weights and the preprocessing"
    );
}

#[test]
fn a_class_that_there_is_not_is_refused_with_those_that_there_are() {
    let model = chain(&[("body", "relu")], "body");
    let values = Tensor::ones([1, 3, 4, 4], (Kind::Float, Device::Cpu));
    let mut seen = Seen::of_input(&model, Input::of_tensor(values));
    let versus = Options {
        versus: Some(ClassIndex(9)),
        ..Options::default()
    };
    for (class, options) in [(2, Options::default()), (0, versus)] {
        let error = seen.explain(class, &options).unwrap_err().to_string();
        let wrong = options.versus.map_or(class, |other| other.0);
        assert_eq!(
            error,
            format!("class {wrong} is out of range; the model has 2 classes, 0 to 1")
        );
    }
}

#[test]
fn a_layer_without_positions_is_refused_with_its_shape() {
    let model = chain(&[("body", "relu")], "body");
    assert_eq!(
        said(&model, Some("pool")).unwrap_err(),
        "layer pool outputs shape [1, 3, 1, 1], which has no positions to show; `gradcam layers` lists the layers that have"
    );
}

#[test]
fn a_layer_that_the_score_does_not_depend_on_is_refused() {
    let model = chain(&[("body", "relu")], "body");
    assert_eq!(
        said(&model, Some("aside")).unwrap_err(),
        "the score of a class does not depend on layer aside"
    );
}
