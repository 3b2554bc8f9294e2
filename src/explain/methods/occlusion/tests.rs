use tch::Tensor;

use super::super::parity::{asked, network};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Score;
use crate::model::ClassIndex;
use crate::model::graph::Builder;
use crate::model::passes::Passes;
use crate::model::recipe::tests::image;
use crate::model::tests::literal;

/// Squares as captum's `Occlusion` places them: strides from the first one on until the border is
/// reached, the last ones cut off.
#[test]
fn squares_cover_the_input_and_the_last_ones_are_cut_off() {
    let squares = Squares::on(22, 31);
    assert_eq!((squares.side, squares.stride), (3, 1));
    assert_eq!((squares.along(22), squares.along(31)), (20, 29));
    let squares = Squares::on(29, 30);
    assert_eq!((squares.side, squares.stride), (4, 2));
    assert_eq!((squares.along(29), squares.along(30)), (14, 14));
    assert_eq!(squares.place(0), (0, 0, 4, 4));
    assert_eq!(squares.place(15), (2, 2, 4, 4));
    assert_eq!(squares.place(14 * 14 - 1), (26, 26, 3, 4));
    assert_eq!(Squares::on(3, 5).count(), 15);
}

/// Of a network that only weights pixels, hiding a square takes away the sum of what they add.
#[test]
fn of_a_linear_network_each_pixel_gets_the_mean_of_the_sums_over_its_squares() {
    const SIDE: usize = 15;
    let mut builder = Builder::default();
    let input = builder.input();
    let weights: Vec<f32> = (0..3 * SIDE * SIDE)
        .map(|place| (place % 11) as f32 - 5.0)
        .collect();
    let weight = builder.constant(Tensor::from_slice(&weights).view([1, -1]));
    let double = builder
        .call(
            "mul.Tensor",
            &[("self", input.into()), ("other", 2.0.into())],
        )
        .unwrap();
    builder.layer("double", double, None);
    let flat = builder
        .call(
            "flatten.using_ints",
            &[("self", double.into()), ("start_dim", 1.into())],
        )
        .unwrap();
    let logits = builder
        .call(
            "linear",
            &[("input", flat.into()), ("weight", weight.into())],
        )
        .unwrap();
    let model = literal(builder.finish(logits), "double", (SIDE, SIDE));
    let input = model.prepare(&image(15, 15)).unwrap();
    let mut passes = Passes::default();
    let case = Case {
        model: &model,
        input: &input,
        pass: passes.at(&model, &input, "double").unwrap(),
        score: Score::logit(ClassIndex(0)),
    };
    let found = map(&case, &mut Unwatched).unwrap();

    let pixels = pixels::numbers(&input.tensor).unwrap();
    let added = |y: usize, x: usize| -> f32 {
        let places = (0..3).map(|channel| (channel * SIDE + y) * SIDE + x);
        places
            .map(|place| 2.0 * pixels[place] * weights[place])
            .sum()
    };
    // Squares have 2 pixels a side and move by 1.
    let square =
        |y: usize, x: usize| added(y, x) + added(y, x + 1) + added(y + 1, x) + added(y + 1, x + 1);
    for (y, x) in [(0, 0), (7, 3), (14, 14), (0, 9)] {
        let around = |at: usize| at.saturating_sub(1)..=at.min(SIDE - 2);
        let sums: Vec<f32> = around(y)
            .flat_map(|top| around(x).map(move |left| (top, left)))
            .map(|(top, left)| square(top, left))
            .collect();
        let mean = sums.iter().sum::<f32>() / sums.len() as f32;
        assert!(
            (found.at(x, y) - mean).abs() < 1e-3,
            "{y} {x}: {} {mean}",
            found.at(x, y)
        );
    }
}

#[test]
fn what_hides_the_opposite_class_is_the_opposite() {
    let (model, class) = network("resnet");
    let of = |negated| {
        let score = Score {
            negated,
            ..Score::logit(class)
        };
        asked(&model, None, score, |case| {
            map(case, &mut Unwatched).unwrap()
        })
    };
    let (map, opposite) = (of(false), of(true));
    assert_eq!(map.map(|value| -value), opposite);
}
