//! Models and inputs for tests, from a graph and a tensor.

use super::*;
use crate::geometry::{PixelSize, Window};
use recipe::Resize;

impl Model {
    /// The model of a graph, for inputs of this height and width that are taken as they are.
    pub(crate) fn of_graph(
        graph: Graph,
        layer: &str,
        classes: usize,
        [height, width]: [u32; 2],
    ) -> Self {
        let device = graph.device();
        let recipe = Recipe {
            resize: Resize::Squash(width, height),
            crop: None,
            ..Recipe::imagenet()
        };
        let (labels, _) = labels::Sources::default().choose(classes).unwrap();
        let summary = ModelSummary {
            name: "test".to_owned(),
            family: "test".to_owned(),
            classes,
            fingerprint: String::new(),
            layer: layer.to_owned(),
            recipe: recipe.in_words(),
            recipe_source: None,
            device: device::name(device),
            precision: Precision::F32,
            device_note: None,
            guesses: Vec::new(),
        };
        Self {
            graph,
            plans: RefCell::default(),
            stages: RefCell::default(),
            takes_batches: OnceCell::new(),
            target_layer: layer.to_owned(),
            recipe,
            labels,
            device,
            summary,
        }
    }

    /// Has gradients at this layer come from a backward pass, also where a row of the head's weight
    /// would do.
    pub(crate) fn with_backward_pass_at(&self, layer: &str) {
        let found = self.graph.layer(layer).unwrap();
        let plan = Plan::new(&self.graph, found).unwrap().by_backward_pass();
        self.plans
            .borrow_mut()
            .insert(layer.to_owned(), Rc::new(plan));
    }
}

impl Input {
    /// `[1, 3, height, width]` as if the network had read it from an image of that size.
    pub(crate) fn of_tensor(tensor: Tensor) -> Self {
        let side = |axis: usize| u32::try_from(tensor.size()[axis]).unwrap();
        let size = PixelSize::new(side(3), side(2));
        Self {
            tensor,
            seen: RgbImage::new(size.width, size.height),
            geometry: InputGeometry {
                image: size,
                input: size,
                window: Window {
                    x: 0.0,
                    y: 0.0,
                    width: f64::from(size.width),
                    height: f64::from(size.height),
                },
            },
        }
    }
}

/// A network of one's own for images of this height and width, with the layer that is explained.
/// Pixels reach it as they are, from 0 to 1.
pub(crate) fn literal(graph: Graph, layer: &str, (height, width): (usize, usize)) -> Model {
    let side = |length: usize| u32::try_from(length).unwrap();
    let size = [side(height), side(width)];
    let image = Tensor::zeros(
        [1, 3, i64::from(size[0]), i64::from(size[1])],
        (tch::Kind::Float, Device::Cpu),
    );
    let logits = run::logits(&graph, &image).unwrap();
    let classes = usize::try_from(logits.size()[1]).unwrap();
    let mut model = Model::of_graph(graph, layer, classes, size);
    model.takes_batches = OnceCell::from(true);
    model.recipe = Recipe {
        resize: Resize::None,
        mean: [0.0; 3],
        std: [1.0; 3],
        ..model.recipe
    };
    model
}
