use tch::Device;

use super::super::parity::{asked, network};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Score;

#[test]
fn a_mask_covers_the_image_from_corner_to_corner_and_lies_between_0_and_1() {
    let channels =
        Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 5.0, 0.0, 0.0, 0.0, 0.0]).view([2, 2, 2]);
    let image = Tensor::zeros([1, 3, 3, 3], (tch::Kind::Float, Device::Cpu));
    let masks = masks(&channels, &image).unwrap();
    assert_eq!(masks.size(), [2, 1, 3, 3]);
    let found = pixels::numbers(&masks).unwrap();
    let expected = [0.0, 0.125, 0.25, 0.25, 0.4375, 0.625, 0.5, 0.75, 1.0];
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{found:?}");
    }
    assert_eq!(found[9..], [0.0; 9]);
}

#[test]
fn channels_that_see_nothing_share_one_pass_and_have_the_score_of_nothing() {
    let (model, class) = network("vgg");
    asked(&model, None, Score::logit(class), |case| {
        let activations = case.pass.activations().unwrap().copy();
        let _ = activations.narrow(0, 3, 2).zero_();
        let _ = activations.narrow(0, 0, 1).fill_(0.5);
        let found = scores(case, &activations, &mut Unwatched).unwrap();
        let hidden = case.input.tensor.zeros_like();
        let hidden = case.model.logits(&hidden).unwrap();
        let nothing = hidden.double_value(&[0, class.0 as i64]);
        for channel in [3, 4] {
            assert!((f64::from(found[channel]) - nothing).abs() < 1e-6);
        }
        assert!(found.iter().all(|score| score.is_finite()));
        assert!((f64::from(found[5]) - nothing).abs() > 1e-4);
    });
}
