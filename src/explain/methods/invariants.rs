//! What holds between methods, layers and classes, whatever the numbers: no reference needed.

use tch::{Kind, Tensor};

use super::oracle::literal::{Literal, literal, network};
use super::{METHODS, MethodId, Reads};
use crate::explain::options::Options;
use crate::explain::target::{Measure, Score};
use crate::explain::tests::Seen;
use crate::heatmap::{Grid, MapState};
use crate::model::passes::Passes;
use crate::model::zoo::oracle::model;
use crate::model::{ClassIndex, Input};

/// The largest difference of two maps, in parts of the first one's peak.
fn apart(a: &Grid, b: &Grid) -> f32 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let largest = |grid: &Grid| {
        grid.values
            .iter()
            .fold(0.0_f32, |peak, v| peak.max(v.abs()))
    };
    assert!(largest(a) > 0.0 && b.values.iter().all(|value| value.is_finite()));
    largest(&a.with(b, |a, b| a - b)) / largest(a)
}

fn at(method: &str, layer: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        layers: vec![layer.to_owned()],
        ..Options::default()
    }
}

/// The methods that read a layer and take few passes.
fn quick() -> impl Iterator<Item = &'static str> {
    let quick = METHODS
        .iter()
        .filter(|method| method.reads == Reads::Layer && !method.is_slow);
    quick.map(|method| method.key)
}

#[test]
fn where_pooling_and_one_layer_follow_the_gradient_methods_are_cam() {
    for (family, name) in [
        ("shufflenet", "torchvision/shufflenet_v2_x0_5"),
        ("mnasnet", "torchvision/mnasnet0_5"),
    ] {
        let (model, input) = model(family, name);
        let layer = model.summary().layer.clone();
        let mut seen = Seen::of_input(&model, input);
        for class in [0, 7, 999] {
            let mut raw = |method| seen.explain(class, &at(method, &layer)).unwrap().raw;
            let cam = raw("cam");
            let positions = (cam.width * cam.height) as f32;
            let cam = cam.map(|value| value / positions);
            for method in ["grad-cam", "xgrad-cam", "hires-cam", "shapley-cam"] {
                let apart = apart(&cam, &raw(method));
                assert!(apart < 1e-5, "{name} {class} {method}: {apart:e}");
            }
        }
    }
}

#[test]
fn cam_says_where_it_does_not_work() {
    let literal = literal();
    let (model, input) = network(&literal);
    let error = Seen::of_input(&model, input).explain(0, &at("cam", "relu"));
    assert_eq!(
        error.unwrap_err().to_string(),
        "CAM does not work on this network: more than global average pooling and one linear layer stands between layer relu and the score; choose a layer where that is all, or Grad-CAM"
    );
}

#[test]
fn the_map_of_a_difference_is_the_difference_of_the_maps() {
    let (model, input) = model("squeezenet", "torchvision/squeezenet1_1");
    let mut seen = Seen::of_input(&model, input);
    for layer in ["features", "features.5"] {
        for method in ["grad-cam", "xgrad-cam", "hires-cam"] {
            let one = at(method, layer);
            let rather = Options {
                versus: Some(ClassIndex(20)),
                ..one.clone()
            };
            let [first, second, both] = [(10, &one), (20, &one), (10, &rather)]
                .map(|(class, options)| seen.explain(class, options).unwrap().raw);
            let apart = apart(&both, &first.with(&second, |a, b| a - b));
            assert!(apart < 1e-5, "{layer} {method}: {apart:e}");
        }
    }
}

#[test]
fn every_method_gives_the_same_bits_after_another_class_was_looked_at() {
    let (model, input) = model("squeezenet", "torchvision/squeezenet1_1");
    let mut seen = Seen::of_input(&model, input);
    for method in quick().filter(|method| *method != "cam") {
        let options = at(method, "features.5");
        let [first, other, again] = [3, 700, 3].map(|class| seen.explain(class, &options).unwrap());
        assert!(first == again, "{method}");
        assert_eq!(first.raw != other.raw, method != "eigen-cam", "{method}");
    }
}

#[test]
fn methods_of_one_class_share_one_backward_pass() {
    let literal = literal();
    let (model, input) = network(&literal);
    let mut seen = Seen::of_input(&model, input);
    let pass = seen.pass_at("relu");
    let gradients = |class| pass.gradients(&[(ClassIndex(class), 1.0)]).unwrap();
    let (first, same, other) = (gradients(0), gradients(0), gradients(1));
    assert_eq!(first.data_ptr(), same.data_ptr());
    assert_ne!(first.data_ptr(), other.data_ptr());
    assert_ne!(first, other);
    assert_eq!(gradients(0), first);
}

#[test]
fn the_weight_row_gives_what_a_backward_pass_gives() {
    let by_row = model("shufflenet", "torchvision/shufflenet_v2_x0_5");
    let by_pass = model("shufflenet", "torchvision/shufflenet_v2_x0_5");
    let layer = by_row.0.summary().layer.clone();
    by_pass.0.with_backward_pass_at(&layer);
    let mut seen = [&by_row, &by_pass].map(|(model, input)| {
        let input = Input::of_tensor(input.tensor.shallow_clone());
        Seen::of_input(model, input)
    });
    let row = seen[0]
        .pass()
        .head_weights(&[(ClassIndex(0), 1.0)])
        .unwrap();
    assert!(row.is_some() && seen[1].pass().head_weights(&[]).unwrap().is_none());
    for method in quick().filter(|method| !["cam", "refine-cam"].contains(method)) {
        for measure in [Measure::Logit, Measure::Probability] {
            for versus in [None, Some(ClassIndex(4))] {
                let options = Options {
                    measure,
                    versus,
                    ..at(method, &layer)
                };
                let [row, pass] = seen
                    .each_mut()
                    .map(|seen| seen.explain(9, &options).unwrap().raw);
                let apart = apart(&row, &pass);
                assert!(apart < 1e-5, "{method} {measure:?} {versus:?}: {apart:e}");
            }
        }
    }
}

#[test]
fn a_pass_is_the_same_from_another_layers_pass_and_from_scratch() {
    let cases: [(_, _, &[&str]); 5] = [
        (
            "resnet",
            "torchvision/resnet18",
            &["layer2", "layer3.0.conv2", "layer4"],
        ),
        (
            "googlenet",
            "torchvision/googlenet",
            &["inception3a", "inception4c.branch2.1.conv", "inception5b"],
        ),
        (
            "densenet",
            "torchvision/densenet121",
            &[
                "features.denseblock2",
                "features.transition1.conv",
                "features",
            ],
        ),
        (
            "swin",
            "transformers/Swin",
            &[
                "swin.encoder.layers.0.blocks.0.layernorm_after",
                "swin.layernorm",
            ],
        ),
        (
            "vit",
            "transformers/ViT",
            &[
                "vit.layers.1.layernorm_before",
                "vit.layers.2.layernorm_before",
            ],
        ),
    ];
    for (family, name, layers) in cases {
        let (model, input) = model(family, name);
        for from in layers {
            for to in layers.iter().filter(|to| *to != from) {
                let what = format!("{name}, from {from} to {to}");
                let (slopes, others) = ([(ClassIndex(1), 1.0)], [(ClassIndex(5), 0.5)]);
                let mut passes = Passes::default();
                let at_first = passes.at(&model, &input, from).unwrap();
                let before = at_first.gradients(&slopes).unwrap();
                let pass = passes.at(&model, &input, to).unwrap();
                let scratch = model.run_at(to, &input, &[]).unwrap();
                assert!(pass.logits() == scratch.logits(), "{what}");
                assert!(
                    pass.output().unwrap() == scratch.output().unwrap(),
                    "{what}"
                );
                for slopes in [slopes, others] {
                    let [found, expected] =
                        [pass, &scratch].map(|pass| pass.gradients(&slopes).unwrap());
                    assert!(found == expected, "{what}");
                    assert!(expected.abs().max().double_value(&[]) > 0.0, "{what}");
                }
                let kept = passes.at(&model, &input, from).unwrap();
                drop(kept.gradients(&others).unwrap());
                assert!(kept.gradients(&slopes).unwrap() == before, "{what}");
            }
        }
    }
}

#[test]
fn a_counterfactual_map_is_that_of_the_negated_score() {
    let (straight, turned) = (literal(), literal().negated());
    let [mut straight, mut turned] =
        [network(&straight), network(&turned)].map(|(model, input)| (model, Some(input)));
    let mut straight = Seen::of_input(&straight.0, straight.1.take().unwrap());
    let mut turned = Seen::of_input(&turned.0, turned.1.take().unwrap());
    // The nearest classes of Finer-CAM are weighted by probabilities, which turn around as well.
    for method in quick().filter(|method| !["finer-cam", "eigen-cam"].contains(method)) {
        for layer in ["conv", "gelu"] {
            if method == "cam" && layer == "conv" {
                continue;
            }
            let plain = at(method, layer);
            let against = Options {
                counterfactual: true,
                ..plain.clone()
            };
            let found = straight.explain(2, &against).unwrap().raw;
            let expected = turned.explain(2, &plain).unwrap().raw;
            let apart = apart(&expected, &found);
            assert!(apart < 1e-5, "{method} {layer}: {apart:e}");
            if ["grad-cam", "cam", "xgrad-cam", "hires-cam", "shapley-cam"].contains(&method) {
                let plain = straight.explain(2, &plain).unwrap().raw;
                assert!(plain.map(|value| -value) == found, "{method} {layer}");
            }
        }
    }
}

/// The scores of an image whose curvature differs: of logits it is that of the network alone.
fn scores() -> impl Iterator<Item = Score> {
    [Measure::Logit, Measure::Probability]
        .into_iter()
        .flat_map(|measure| {
            [(None, false), (Some(ClassIndex(3)), true)].map(|(versus, negated)| Score {
                measure,
                versus,
                negated,
                ..Score::logit(ClassIndex(1))
            })
        })
}

/// The gradient of a score at these activations `[channels, height, width]` by tch's autograd.
fn autograd(literal: &Literal, layer: &str, activations: &Tensor, score: Score) -> Tensor {
    let leaf = activations.copy().set_requires_grad(true);
    let logits = literal.logits(layer, &leaf);
    let numbers = match score.measure {
        Measure::Logit => logits,
        Measure::Probability => logits.softmax(0, None),
    };
    let value = numbers.get(score.class.0 as i64);
    let value = match score.versus {
        Some(versus) => value - numbers.get(versus.0 as i64),
        None => value,
    };
    let value = if score.negated { -value } else { value };
    value.backward();
    leaf.grad()
}

fn difference(expected: &Tensor, found: &Tensor, size: &Tensor) -> f64 {
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    largest(&(expected - found)) / largest(size)
}

#[test]
fn slopes_of_a_probability_are_what_autograd_finds_through_softmax() {
    let literal = literal();
    let (model, input) = network(&literal);
    let mut seen = Seen::of_input(&model, input);
    for layer in ["conv", "relu", "gelu"] {
        let pass = seen.pass_at(layer);
        for score in scores() {
            let found = pass.gradients(&score.slopes(pass.logits())).unwrap();
            let expected = autograd(&literal, layer, &pass.activations().unwrap(), score);
            let apart = difference(&expected, &found, &expected);
            assert!(apart < 1e-5, "{layer} {score:?}: {apart:e}");
        }
    }
}

#[test]
fn the_curvature_is_how_the_gradient_changes_as_the_activations_grow() {
    const STEP: f64 = 1e-4;
    let literal = literal();
    let (model, input) = network(&literal);
    let mut seen = Seen::of_input(&model, input);
    for layer in ["conv", "relu", "gelu"] {
        let pass = seen.pass_at(layer);
        let activations = pass.activations().unwrap().to_kind(Kind::Double);
        for score in scores() {
            let grown = |by: f64| autograd(&literal, layer, &(&activations * (1.0 + by)), score);
            let expected = (grown(STEP) - grown(-STEP)) / (2.0 * STEP);
            let found = model.curvature(pass, |logits| score.of(logits)).unwrap();
            let apart = difference(&expected, &found, &grown(0.0));
            assert!(apart < 1e-5, "{layer} {score:?}: {apart:e}");
            let is_linear = layer == "gelu" && score.measure == Measure::Logit;
            let bent = found.abs().max().double_value(&[]) > 0.0;
            assert_ne!(bent, is_linear, "{layer} {score:?}");
        }
        let slopes = [(ClassIndex(1), 1.0)];
        let gradients = pass.gradients(&slopes).unwrap();
        drop(pass.gradients(&[(ClassIndex(2), 1.0)]).unwrap());
        assert!(pass.gradients(&slopes).unwrap() == gradients, "{layer}");
    }
}

#[test]
fn hires_cam_is_empty_where_a_layer_norm_follows_and_others_are_not() {
    let (model, input) = model("convnext", "timm/convnext_atto");
    let mut seen = Seen::of_input(&model, input);
    let mut state = |method, layer| seen.explain(3, &at(method, layer)).unwrap().heatmap.state;
    assert_eq!(state("hires-cam", "stages.1"), MapState::Empty);
    assert_eq!(state("hires-cam", "stages.1.blocks.0"), MapState::Ok);
    assert_eq!(state("layer-cam", "stages.1"), MapState::Ok);
}

#[test]
fn refine_cam_reads_the_stages_up_to_a_layer_unless_several_are_named() {
    let (model, input) = model("resnet", "torchvision/resnet18");
    let mut seen = Seen::of_input(&model, input);
    let refine = |layers: &[&str]| Options {
        method: "refine-cam".parse().unwrap(),
        layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
        ..Options::default()
    };
    let mut explained = |layers: &[&str]| seen.explain(3, &refine(layers)).unwrap();
    let own = explained(&[]);
    assert_eq!(own.layer(), "product of layer1, layer2, layer3, layer4");
    let named = explained(&["layer1", "layer2", "layer3", "layer4"]);
    assert_eq!((own.raw, own.layers), (named.raw, named.layers));
    assert_eq!(explained(&["layer2"]).layer(), "product of layer1, layer2");
    assert_eq!(
        explained(&["layer2", "layer4"]).layer(),
        "product of layer2, layer4"
    );
    assert_eq!(MethodId::default().method().fusion, None);
}
