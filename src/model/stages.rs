//! Stages: stretches of a network whose maps have one size.

use super::run::{Map, shapes};
use super::{Model, ModelError, Plan, sample_input};

/// The last layer of a stage.
struct End<'a> {
    name: &'a str,
    /// Place among the layers.
    place: usize,
    /// How many positions its map has.
    positions: i64,
}

impl Model {
    /// The last layers of the network's last `count` stages as far as they come before a layer, and
    /// the layer itself for its own stage: what stands last before the map shrinks. All of the score
    /// goes through each of them, so that none is a branch beside a shortcut: `layer1`, `layer2`, `layer3`, `layer4` of a ResNet.
    ///
    /// # Errors
    /// As [`Model::run`]; when there is no such layer.
    pub fn stages(&self, layer: &str, count: usize) -> Result<Vec<String>, ModelError> {
        let key = (layer.to_owned(), count);
        if let Some(known) = self.stages.borrow().get(&key) {
            return Ok(known.clone());
        }
        self.plan(layer)?;
        let shapes = shapes(&self.graph, &sample_input(&self.recipe, self.device)?)?;
        let layers = self.graph.layers.iter().enumerate().rev();
        let maps: Vec<End<'_>> = layers
            .filter_map(|(place, layer)| {
                let map = Map::of(layer, shapes.get(&layer.output)?)?;
                Some(End {
                    name: &layer.name,
                    place,
                    positions: map.height * map.width,
                })
            })
            .collect();
        let at = |name: &str| maps.iter().position(|end| end.name == name);
        let mut stages = vec![layer.to_owned()];
        if let (Some(last), Some(target)) = (at(&self.target_layer), at(layer)) {
            let target = &maps[target];
            let before = self
                .ends(&maps[last..], count)
                .into_iter()
                .filter(|end| end.place < target.place && end.positions > target.positions);
            stages.extend(before.map(|end| end.name.to_owned()));
        }
        stages.reverse();
        self.stages.borrow_mut().insert(key, stages.clone());
        Ok(stages)
    }

    /// The first of these layers, and each that has a larger map than the one before it and all of
    /// the score going through it.
    fn ends<'a>(&self, layers: &'a [End<'a>], count: usize) -> Vec<&'a End<'a>> {
        let mut ends: Vec<&End<'_>> = Vec::new();
        for end in layers {
            let is_new = ends
                .last()
                .is_none_or(|last| end.positions > last.positions);
            let is_passed = || {
                Plan::new(&self.graph, &self.graph.layers[end.place])
                    .is_ok_and(|plan| plan.is_passed_by_all())
            };
            if is_new && (ends.is_empty() || is_passed()) {
                ends.push(end);
            }
            if ends.len() == count {
                break;
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use crate::model::zoo::oracle::model;

    #[test]
    fn stages_end_where_the_map_shrinks_and_none_is_a_branch_beside_a_shortcut() {
        let cases: [(_, _, _, &[&str]); 6] = [
            (
                "resnet",
                "torchvision/resnet18",
                "layer4",
                &["layer1", "layer2", "layer3", "layer4"],
            ),
            ("resnet", "torchvision/resnet18", "conv1", &["conv1"]),
            (
                "resnet",
                "torchvision/resnet18",
                "layer3.0.conv2",
                &["layer1", "layer2", "layer3.0.conv2"],
            ),
            (
                "regnet",
                "timm/regnetx_002",
                "s4",
                &["s1", "s2", "s3", "s4"],
            ),
            (
                "convnext",
                "timm/convnext_atto",
                "stages",
                &[
                    "stages.1.downsample.0",
                    "stages.2.downsample.0",
                    "stages.3.downsample.0",
                    "stages",
                ],
            ),
            (
                "vit",
                "transformers/ViT",
                "vit.layers.2.layernorm_before",
                &["vit.layers.2.layernorm_before"],
            ),
        ];
        for (family, name, layer, stages) in cases {
            let (model, _) = model(family, name);
            assert_eq!(model.stages(layer, 4).unwrap(), stages, "{name}");
        }
    }
}
