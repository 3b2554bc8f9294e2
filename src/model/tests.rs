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
            device: device::name(Device::Cpu),
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
            device: Device::Cpu,
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
