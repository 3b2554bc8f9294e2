use super::super::parity::{asked, network};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::{Measure, Score};

/// numpy.polynomial.legendre.leggauss(3), from -1..1 to 0..1.
#[test]
fn the_points_are_those_of_gauss_and_legendre() {
    let expected = [
        (0.112_701_67, 0.277_777_8),
        (0.5, 0.444_444_44),
        (0.887_298_35, 0.277_777_8),
    ];
    for ((place, weight), (a, b)) in gauss_legendre(3).into_iter().zip(expected) {
        let (place, weight): (f32, f32) = (place - a, weight - b);
        assert!(place.abs() < 1e-7 && weight.abs() < 1e-7);
    }
    let total: f32 = gauss_legendre(POINTS)
        .iter()
        .map(|(_, weight)| weight)
        .sum();
    assert!((total - 1.0).abs() < 1e-5);
}

/// Proposition 1 of the paper; how exact it is depends on how smooth the network is.
#[test]
fn attributions_add_to_what_the_score_has_gained_since_the_baseline() {
    for (name, allowed) in [("resnet", 0.02), ("vgg", 0.02), ("vit", 0.005)] {
        let (model, class) = network(name);
        for measure in [Measure::Logit, Measure::Probability] {
            let score = Score {
                measure,
                ..Score::logit(class)
            };
            asked(&model, None, score, |case| {
                let sum = attribution(case, &mut Unwatched).unwrap().sum(None);
                let baseline = case.model.logits(&case.input.tensor.zeros_like()).unwrap();
                let baseline = pixels::scores(case, &baseline).unwrap()[0];
                let gained = f64::from(score.value(case.pass.logits()) - baseline);
                let off = (sum.double_value(&[]) - gained).abs();
                assert!(gained.abs() > 0.01, "{name} {measure:?} gains {gained}");
                assert!(
                    off < allowed * gained.abs(),
                    "{name} {measure:?}: {off} of {gained}"
                );
            });
        }
    }
}
