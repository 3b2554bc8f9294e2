//! Linear layers that read the target layer: the gradient's mean over positions is that of their
//! outputs' gradients, times their weights.
//!
//! They make of each position what they would make of it alone, so that the backward pass need not go
//! through them for all positions: queries, keys and values of a transformer's block.

use tch::{Kind, Tensor};

use super::dense::back;
use super::{Map, RunError};
use crate::model::graph::{Graph, Layer, MapLayout, ValueId};

/// A linear layer with its output, both by value or as they are.
#[derive(Debug)]
pub(super) struct Reader<T> {
    weight: T,
    output: T,
}

/// All that reads the target layer, if nothing but linear layers does.
#[derive(Debug)]
pub(super) struct Readers<T>(Vec<Reader<T>>);

impl Readers<ValueId> {
    /// Of these operations, by number.
    pub(super) fn of(graph: &Graph, layer: &Layer, suffix: &[usize]) -> Option<Self> {
        let operations = suffix.iter().filter_map(|&number| graph.operation(number));
        let reading = operations.filter(|node| node.reads().any(|value| value == layer.output));
        let readers = reading.map(|node| {
            let reads_it_once = node.reads().filter(|value| *value == layer.output).count() == 1;
            let is_linear =
                node.operator.name() == "aten::linear" && node.value("input") == Some(layer.output);
            let weight = node.value("weight")?;
            let is_known = graph.constants.contains_key(&weight);
            (reads_it_once && is_linear && is_known).then_some(Reader {
                weight,
                output: *node.outputs.first()?,
            })
        });
        let readers: Vec<_> = readers.collect::<Option<_>>()?;
        (!readers.is_empty() && layer.output != graph.output).then_some(Self(readers))
    }

    /// The values that are read after the run.
    pub(super) fn kept(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.0.iter().map(|reader| reader.output)
    }

    /// After a run.
    pub(super) fn found(
        &self,
        graph: &Graph,
        values: &[Option<Tensor>],
        map: &Map,
    ) -> Option<Readers<Tensor>> {
        // The linear layers work on the channels where those come last.
        if map.layout() == MapLayout::ChannelsFirst {
            return None;
        }
        let readers = self.0.iter().map(|reader| {
            Some(Reader {
                weight: graph.constants.get(&reader.weight)?.shallow_clone(),
                output: values[reader.output.0].as_ref()?.shallow_clone(),
            })
        });
        readers.collect::<Option<_>>().map(Readers)
    }
}

impl Readers<Tensor> {
    /// The gradient of a score, its mean over the positions of the target layer, `[channels]`.
    pub(super) fn mean_gradient(&self, score: &Tensor, map: &Map) -> Result<Tensor, RunError> {
        let outputs: Vec<&Tensor> = self.0.iter().map(|reader| &reader.output).collect();
        let gradients = Tensor::f_run_backward(&[score], &outputs, true, false)?;
        let mut sum: Option<Tensor> = None;
        for (reader, gradient) in self.0.iter().zip(gradients) {
            // A layer that the score does not depend on has none.
            if !gradient.defined() {
                continue;
            }
            let mean = map
                .with_channels_of(&gradient)
                .view(&gradient)?
                .f_mean_dim([1_i64, 2].as_slice(), false, Kind::Float)?;
            let part = back(&reader.weight, &mean)?.f_to_kind(Kind::Float)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&part)?,
                None => part,
            });
        }
        sum.ok_or_else(|| RunError::NoPath("a linear layer".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::Plan;
    use crate::model::zoo::oracle::model;
    use crate::model::{ClassIndex, Slope};

    #[test]
    fn mean_gradients_of_layers_that_linear_layers_read_are_the_means_of_the_gradients() {
        let cases = [
            ("vit", "transformers/ViT"),
            ("vit", "timm/deit_tiny_distilled_patch16_224"),
            ("swin", "transformers/Swin"),
            ("convnext", "timm/convnext_atto"),
        ];
        let mut read = 0;
        for (family, name) in cases {
            let (model, input) = model(family, name);
            let slopes: [Slope; 2] = [(ClassIndex(2), 1.0), (ClassIndex(5), -0.5)];
            for layer in &model.graph.layers {
                let Ok(plan) = Plan::new(&model.graph, layer) else {
                    continue;
                };
                let Ok(pass) = plan.run(&model.graph, &input.tensor, &[]) else {
                    continue;
                };
                read += usize::from(pass.readers.is_some());
                let gradients = pass.gradients(&slopes).unwrap();
                let expected = gradients.mean_dim([1_i64, 2].as_slice(), false, Kind::Float);
                let found = pass.mean_gradients(&slopes).unwrap();
                let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
                // A mean may be small where its parts are not. After the last attention the score
                // depends on no position at all.
                let (off, size) = (largest(&(&found - &expected)), largest(&gradients));
                assert!(off <= 1e-5 * size, "{name} {}: {off:e}", layer.name);
                assert!(pass.mean_gradients(&slopes).unwrap() == found);
            }
        }
        assert!(read > 20, "{read}");
    }
}
