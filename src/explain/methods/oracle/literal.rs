//! The network that stands in `tests/golden/methods/literal.json` in full: two convolutions with a
//! ReLU after the first, that pytorch-grad-cam finds in place, GELU, pooling and a linear layer.

use std::collections::BTreeMap;

use serde::Deserialize;
use tch::Tensor;

use super::{Record, TOLERANCE, path};
use crate::model::graph::{Builder, Operand};
use crate::model::passes::Passes;
use crate::model::{Input, Model};

#[derive(Deserialize)]
pub(in crate::explain) struct Literal {
    input: Numbers,
    weights: BTreeMap<String, Numbers>,
    #[serde(flatten)]
    record: Record,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<i64>,
    values: Vec<f32>,
}

impl Numbers {
    fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).view(self.shape.as_slice())
    }
}

pub(in crate::explain) fn literal() -> Literal {
    let text = std::fs::read_to_string(path("literal.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The network, to be explained at "gelu", and its input.
pub(in crate::explain) fn network(literal: &Literal) -> (Model, Input) {
    let mut builder = Builder::default();
    let weight = |builder: &mut Builder, name: &str| {
        Operand::Value(builder.constant(literal.weights[name].tensor()))
    };
    let convolve = |builder: &mut Builder, name: &str, input| {
        let operands = [
            ("input", Operand::Value(input)),
            ("weight", weight(builder, &format!("{name}.weight"))),
            ("bias", weight(builder, &format!("{name}.bias"))),
            ("padding", [1, 1].into()),
        ];
        let output = builder.call("conv2d", &operands).unwrap();
        builder.layer(name, output, None);
        output
    };
    let apply = |builder: &mut Builder, operator: &str, input, more: &[(&str, Operand)]| {
        let operands = [&[("self", Operand::Value(input))], more].concat();
        builder.call(operator, &operands).unwrap()
    };
    let input = builder.input();
    let conv = convolve(&mut builder, "conv", input);
    let relu = apply(&mut builder, "relu", conv, &[]);
    builder.layer("relu", relu, None);
    let mix = convolve(&mut builder, "mix", relu);
    let gelu = apply(&mut builder, "gelu", mix, &[]);
    builder.layer("gelu", gelu, None);
    let one = [("output_size", [1, 1].into())];
    let pool = apply(&mut builder, "adaptive_avg_pool2d", gelu, &one);
    let from = [("start_dim", Operand::Int(1))];
    let flat = apply(&mut builder, "flatten.using_ints", pool, &from);
    let operands = [
        ("input", Operand::Value(flat)),
        ("weight", weight(&mut builder, "head.weight")),
        ("bias", weight(&mut builder, "head.bias")),
    ];
    let logits = builder.call("linear", &operands).unwrap();
    let model = Model::of_graph(builder.finish(logits), "gelu", 5, [6, 7]);
    (model, Input::of_tensor(literal.input.tensor()))
}

impl Literal {
    /// The same with every logit turned around.
    pub(in crate::explain) fn negated(mut self) -> Self {
        for name in ["head.weight", "head.bias"] {
            for value in &mut self.weights.get_mut(name).unwrap().values {
                *value = -*value;
            }
        }
        self
    }

    /// The logits `[classes]` from the output of "conv", "relu" or "gelu", `[channels, height,
    /// width]`, by tch's own operations and in its kind.
    pub(in crate::explain) fn logits(&self, layer: &str, output: &Tensor) -> Tensor {
        let weight = |name: &str| self.weights[name].tensor().to_kind(output.kind());
        let mut x = output.unsqueeze(0);
        if layer == "conv" {
            x = x.relu();
        }
        if layer != "gelu" {
            let (weight, bias) = (weight("mix.weight"), weight("mix.bias"));
            x = x
                .conv2d(&weight, Some(&bias), [1], [1], [1], 1)
                .gelu("none");
        }
        let pooled = x
            .mean_dim([2_i64, 3].as_slice(), false, None)
            .squeeze_dim(0);
        weight("head.weight").mv(&pooled) + weight("head.bias")
    }
}

#[test]
fn every_method_equals_pytorch_grad_cams_on_a_network_in_full() {
    let literal = literal();
    let (model, input) = network(&literal);
    let mut passes = Passes::default();
    let mut failures = Vec::new();
    for map in &literal.record.maps {
        let Some(found) = map.explain(&model, &input, &mut passes) else {
            continue;
        };
        let difference = map.difference(&found);
        if difference.is_nan() || difference > TOLERANCE {
            failures.push(format!("{} {:?} {difference:e}", map.method, map.layers));
        }
    }
    assert!(
        failures.is_empty(),
        "these differ:\n{}",
        failures.join("\n")
    );
}
