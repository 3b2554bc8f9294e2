use super::super::parity::{asked, network};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Score;

/// With one gradient everywhere, `α = g² / (2 g² + g³ Σ A)`: by hand from the pass itself.
#[test]
fn without_noise_the_weights_are_those_of_the_images_own_gradient() {
    let (model, class) = network("resnet");
    asked(&model, None, Score::logit(class), |case| {
        let found = weights(case, 0.0, &mut Unwatched).unwrap();
        let found = pixels::numbers(&found).unwrap();
        let gradients = case.pass.gradients(&case.slopes()).unwrap();
        let activations = case.pass.activations().unwrap();
        let (height, width) = (activations.size()[1], activations.size()[2]);
        for channel in [0, 17, 511] {
            let gradient = gradients.double_value(&[channel, 0, 0]);
            let sum = activations.get(channel).sum(None).double_value(&[]);
            let alpha = gradient.powi(2) / (2.0 * gradient.powi(2) + gradient.powi(3) * sum + 1e-8);
            let expected = alpha * gradient.max(0.0) * (height * width) as f64;
            let place = usize::try_from(channel).unwrap();
            assert!(
                (f64::from(found[place]) - expected).abs() < 1e-5,
                "{channel}"
            );
        }
    });
}
