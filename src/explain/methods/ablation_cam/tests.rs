use super::super::parity::{asked, network, values};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Measure;
use crate::model::ClassIndex;

fn scores_of(class: ClassIndex) -> Vec<Score> {
    let mut scores = Vec::new();
    for measure in [Measure::Logit, Measure::Probability] {
        for versus in [None, Some(ClassIndex((class.0 + 1) % 5))] {
            for negated in [false, true] {
                scores.push(Score {
                    class,
                    measure,
                    versus,
                    negated,
                });
            }
        }
    }
    scores
}

#[test]
fn without_a_pass_the_scores_are_those_of_passes() {
    let (model, class) = network("resnet");
    for score in scores_of(class) {
        asked(&model, Some("layer4"), score, |case| {
            let closed = without_a_pass(case, &mut Unwatched).unwrap().unwrap();
            let passed = by_passes(case, &mut Unwatched).unwrap();
            assert_eq!(closed.len(), 512);
            let size = case.score.value(case.pass.logits()).abs();
            for (a, b) in closed.iter().zip(&passed) {
                assert!((a - b).abs() < 1e-5 * size, "{score:?}: {a} {b}");
            }
        });
    }
}

#[test]
fn where_channels_stay_apart_the_scores_are_those_of_passes() {
    let (model, class) = network("vgg");
    for score in scores_of(class) {
        asked(&model, Some("features"), score, |case| {
            let apart = by_changes(case, &mut Unwatched).unwrap().unwrap();
            let passed = by_passes(case, &mut Unwatched).unwrap();
            assert_eq!(apart.len(), passed.len());
            let size = case.score.value(case.pass.logits()).abs().max(1e-3);
            for (a, b) in apart.iter().zip(&passed) {
                assert!((a - b).abs() < 1e-4 * size, "{score:?}: {a} {b}");
            }
        });
    }
    let (model, class) = network("resnet");
    asked(&model, Some("layer3"), Score::logit(class), |case| {
        assert!(by_changes(case, &mut Unwatched).unwrap().is_none());
    });
}

/// `w_k = W_ck mean(A_k) / y_c` where the lowest activation is 0.
#[test]
fn before_pooling_and_a_linear_layer_the_weight_is_what_the_channel_adds_to_the_logit() {
    let (model, class) = network("resnet");
    asked(&model, Some("layer4"), Score::logit(class), |case| {
        let logit = f64::from(case.pass.logits()[class.0]);
        // The gradient is W_ck over the number of positions, everywhere.
        let gradients = case.pass.gradients(&case.slopes()).unwrap();
        let activations = case.pass.activations().unwrap();
        assert!(activations.min().double_value(&[]).abs() < f64::EPSILON);
        let added = (gradients * &activations).sum_dim_intlist([1_i64, 2].as_slice(), false, None);
        let expected = pixels::numbers(&(added / logit)).unwrap();
        let Evidence::Channels { weights, .. } = evidence(case, &mut Unwatched).unwrap() else {
            panic!("a share for each channel");
        };
        let largest = expected
            .iter()
            .fold(0.0_f32, |size, weight| size.max(weight.abs()));
        for (a, b) in weights.unwrap().iter().zip(&expected) {
            assert!((a - b).abs() < 1e-4 * largest, "{a} {b}");
        }
    });
}

#[test]
fn what_speaks_against_a_class_is_the_map_turned_around() {
    let (model, class) = network("vgg");
    let map = |negated| {
        let score = Score {
            negated,
            ..Score::logit(class)
        };
        asked(&model, None, score, |case| {
            values(evidence(case, &mut Unwatched).unwrap())
        })
    };
    let opposite: Vec<f32> = map(true).iter().map(|value| -value).collect();
    assert_eq!(map(false), opposite);
}
