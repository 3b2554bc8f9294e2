use super::super::parity::network;
use super::*;

/// What a batch norm makes of zeros is all that it adds.
#[test]
fn the_bias_of_a_batch_norm_is_what_it_makes_of_zeros() {
    let (model, _) = network("resnet");
    let graph = model.graph();
    let found = biases(graph).unwrap();
    let mut compared = 0;
    for node in &graph.nodes {
        if node.operator.name() != "aten::batch_norm" {
            continue;
        }
        let (_, bias) = found.iter().find(|(id, _)| *id == node.outputs[0]).unwrap();
        let zeros = bias.zeros_like();
        let made = node
            .run(|id| graph.constants.get(&id).or(Some(&zeros)))
            .unwrap();
        assert!((bias - &made[0]).abs().max().double_value(&[]) < 1e-6);
        compared += 1;
    }
    // ResNet of one block a stage, whose convolutions have no bias.
    assert_eq!((compared, found.len()), (12, 12));
}

#[test]
fn the_biases_of_convolutions_count_and_those_of_linear_layers_do_not() {
    let (model, _) = network("vgg");
    assert_eq!(biases(model.graph()).unwrap().len(), 4);
}
