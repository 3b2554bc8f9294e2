use image::RgbImage;
use serde::Deserialize;
use tch::Device;

use super::*;
use crate::explain::options::Options;
use crate::explain::tests::Seen;
use crate::heatmap::MapState;
use crate::model::graph::{Builder, Operand};
use crate::model::recipe::tests::image;
use crate::model::recipe::{RecipeOverrides, Resize};
use crate::model::run::Plan;
use crate::model::zoo::tests::{Shapes, basic, bottleneck, filled, saved};
use crate::model::{ClassIndex, LoadOptions, Model, ModelSource};

/// What pytorch-grad-cam says of one network; tests/golden/make.py makes them.
#[derive(Deserialize)]
struct Golden {
    network: String,
    logits: Vec<f32>,
    maps: Vec<GoldenMap>,
}

#[derive(Deserialize)]
struct GoldenMap {
    layer: String,
    class: usize,
    grid: (usize, usize),
    raw: Vec<f32>,
    /// Every fourth pixel of every fourth row of the map at the input's size.
    r#final: Vec<f32>,
}

/// A model with these weights, read from a file as a user's is.
fn model(shapes: &Shapes, layer: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let recipe = RecipeOverrides {
        resize: Some(Resize::None),
        crop: Some(None),
        mean: Some([0.5; 3]),
        std: Some([0.25; 3]),
        ..RecipeOverrides::default()
    };
    let options = LoadOptions {
        recipe,
        layer: Some(layer.to_owned()),
        ..LoadOptions::default()
    };
    Model::load(&ModelSource::File(saved(shapes, folder.path())), &options).unwrap()
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance,
            "{what} at {place}: {a}, expected {b}"
        );
    }
}

#[test]
fn maps_equal_those_of_pytorch_grad_cam() {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("../../../../tests/golden/grad_cam.json")).unwrap();
    let mut compared = 0;
    for golden in goldens {
        let shapes = match golden.network.as_str() {
            "basic" => basic([1, 2, 1, 1], 7),
            _ => bottleneck([1, 1, 1, 1], 4, 16, 5),
        };
        for map in &golden.maps {
            let what = format!("{} {} class {}", golden.network, map.layer, map.class);
            let model = model(&shapes, &map.layer);
            let mut seen = Seen::new(&model, &image(64, 64));
            assert_close(&what, seen.pass().logits(), &golden.logits, 1e-4);
            let explanation = seen.explain(map.class, &Options::default()).unwrap();
            assert_eq!(
                (explanation.raw.height, explanation.raw.width),
                map.grid,
                "{what}"
            );
            assert_close(&what, &explanation.raw.values, &map.raw, 1e-4);
            let full = explanation.heatmap.upsample(64, 64);
            let sparse: Vec<f32> = (0..64)
                .step_by(4)
                .flat_map(|y| (0..64).step_by(4).map(move |x| (x, y)))
                .map(|(x, y)| full.at(x, y))
                .collect();
            assert_close(&what, &sparse, &map.r#final, 1e-4);
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
}

/// captum, tests/attr/layer/test_grad_cam.py: a 3x3 convolution with weights of one and biases -50
/// and -75, ReLU, a linear layer, ReLU; input 0 to 15; before the ReLU of the map.
#[test]
fn the_map_of_captums_example_is_captums() {
    let mut builder = Builder::default();
    let input = builder.input();
    let mut constant = |tensor: Tensor| Operand::Value(builder.constant(tensor));
    let weight = constant(Tensor::ones([2, 1, 3, 3], (Kind::Float, Device::Cpu)));
    let bias = constant(Tensor::from_slice(&[-50_f32, -75.0]));
    let rows = [1_f32, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0].repeat(4);
    let linear = constant(Tensor::from_slice(&rows).view([4, 8]));
    let convolved = builder
        .call(
            "conv2d",
            &[
                ("input", Operand::Value(input)),
                ("weight", weight),
                ("bias", bias),
            ],
        )
        .unwrap();
    let relu = builder
        .call("relu", &[("self", Operand::Value(convolved))])
        .unwrap();
    let flat = builder
        .call(
            "flatten.using_ints",
            &[
                ("self", Operand::Value(relu)),
                ("start_dim", Operand::Int(1)),
            ],
        )
        .unwrap();
    let scores = builder
        .call(
            "linear",
            &[("input", Operand::Value(flat)), ("weight", linear)],
        )
        .unwrap();
    let output = builder
        .call("relu", &[("self", Operand::Value(scores))])
        .unwrap();
    builder.layer("conv1", convolved, None);
    let graph = builder.finish(output);

    let plan = Plan::new(&graph, graph.layer("conv1").unwrap()).unwrap();
    let image = Tensor::arange(16, (Kind::Float, Device::Cpu)).view([1, 1, 4, 4]);
    let pass = plan.run(&graph, &image, &[]).unwrap();
    let gradients = pass.gradients(&[(ClassIndex(0), 1.0)]).unwrap();
    let weights = channel_weights(&gradients).unwrap();
    let Ok(Evidence::Channels { shares, .. }) = weighted(&pass.activations().unwrap(), &weights)
    else {
        panic!("a share for each channel");
    };
    let map = shares.sum_dim_intlist(0_i64, false, Kind::Float);
    assert_eq!(
        Vec::<f32>::try_from(map.view([-1])).unwrap(),
        [11.25, 13.5, 20.25, 22.5]
    );
}

#[test]
fn before_pooling_and_a_linear_layer_the_channel_weights_are_the_layers_row() {
    let shapes = basic([1, 1, 1, 1], 3);
    let model = model(&shapes, "layer4");
    let mut seen = Seen::new(&model, &image(96, 96));
    let pass = seen.pass();
    let activations = pass.activations().unwrap();
    let (height, width) = (activations.size()[1], activations.size()[2]);
    let row: Vec<f32> = filled(
        "fc.weight",
        shapes.keys().position(|key| key == "fc.weight").unwrap() as u64,
        &[3, 512],
    )
    .chunks_exact(4)
    .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
    .collect();
    let weight = Tensor::from_slice(&row)
        .view([3, 512])
        .to_device(activations.device());
    for class in 0..3 {
        // Autograd through pooling and the linear layer, from the same activations.
        let leaf = activations.copy().set_requires_grad(true);
        let score = leaf
            .mean_dim([1_i64, 2].as_slice(), false, Kind::Float)
            .dot(&weight.get(class));
        score.backward();
        let class_index = ClassIndex(class.try_into().unwrap());
        let found = pass.gradients(&[(class_index, 1.0)]).unwrap();
        assert!((&found - leaf.grad()).abs().max().double_value(&[]) < 1e-9);
        let closed = weight.get(class).view([-1, 1, 1]) / (height * width) as f64;
        assert!((&found - closed).abs().max().double_value(&[]) < 1e-9);
    }
}

#[test]
fn the_classes_of_an_image_have_maps_of_their_own_and_switching_back_gives_the_same_one() {
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/demo/images/03-apple-umbrella.png"
    );
    let mut seen = Seen::new(&model, &image::open(path).unwrap().to_rgb8());
    let mut explain = |class| seen.explain(class, &Options::default()).unwrap();
    let (apple, umbrella, again) = (explain(0), explain(11), explain(0));
    assert_ne!(apple.heatmap.grid, umbrella.heatmap.grid);
    assert_eq!(apple, again);
    for explanation in [apple, umbrella] {
        assert_eq!(explanation.heatmap.state, MapState::Ok);
        let map = explanation.heatmap.upsample(112, 112);
        assert!(map.values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn a_class_that_the_model_does_not_have_is_refused_in_words() {
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
    let mut seen = Seen::new(&model, &image(64, 64));
    let error = seen.explain(12, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "class 12 is out of range; the model has 12 classes, 0 to 11"
    );
}

#[test]
fn an_image_that_no_class_likes_still_has_finite_maps() {
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
    for value in [0, 128, 255] {
        let plain = RgbImage::from_pixel(112, 112, image::Rgb([value; 3]));
        let mut seen = Seen::new(&model, &plain);
        for class in 0..12 {
            let explanation = seen.explain(class, &Options::default()).unwrap();
            let heatmap = &explanation.heatmap;
            assert!(
                heatmap
                    .grid
                    .values
                    .iter()
                    .all(|value| (0.0..=1.0).contains(value))
            );
            let positive = explanation.raw.values.iter().any(|value| *value > 0.0);
            assert_eq!(heatmap.state == MapState::Ok, positive);
        }
    }
}
