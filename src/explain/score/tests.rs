use super::*;
use crate::explain::options::Options;
use crate::explain::tests::Seen;
use crate::explain::{prediction_of, predictions};
use crate::geometry::Window;
use crate::picture::decode::decode;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images/");

fn demo() -> Model {
    Model::load(
        &crate::model::ModelSource::Demo,
        &crate::model::LoadOptions::default(),
    )
    .unwrap()
}

/// Images as the network sees them.
fn seen(model: &Model) -> Vec<(RgbImage, InputGeometry)> {
    ["03-apple-umbrella.png", "05-fish.png", "10-tree.png"]
        .map(|name| {
            let image = decode(std::path::Path::new(&format!("{FOLDER}{name}"))).unwrap();
            model.recipe().apply(&image).unwrap()
        })
        .into()
}

fn object(class: usize) -> Object {
    Object {
        class,
        bounds: Some(Window {
            x: 40.0,
            y: 60.0,
            width: 150.0,
            height: 120.0,
        }),
    }
}

#[test]
fn a_batch_has_the_figures_of_its_images_explained_one_by_one() {
    for by_backward_pass in [false, true] {
        let model = demo();
        if by_backward_pass {
            model.with_backward_pass_at(&model.summary().layer);
        }
        let images = seen(&model);
        // The top class of the first, some class of the second, nothing known of the third.
        let truth = [vec![object(0), object(11)], vec![object(2)], vec![]];
        let subjects: Vec<Subject<'_>> = images
            .iter()
            .zip(&truth)
            .map(|((seen, geometry), truth)| Subject {
                seen,
                geometry,
                truth,
            })
            .collect();
        let scores = score(&model, &subjects, subjects.len(), &|| false).unwrap();
        assert_eq!(scores.len(), 3);
        for ((scored, (seen, geometry)), truth) in scores.iter().zip(&images).zip(&truth) {
            let scored = scored.as_ref().unwrap();
            let mut alone = Seen::of_input(
                &model,
                crate::model::Input {
                    tensor: model.tensor_of(&[seen]).unwrap(),
                    seen: seen.clone(),
                    geometry: *geometry,
                },
            );
            let logits = alone.pass().logits().to_vec();
            let best = predictions(&model, &alone.input, &logits, KEPT).unwrap();
            for (answer, prediction) in scored.top().zip(&best) {
                assert_eq!(answer.class as usize, prediction.class.0);
                assert!((answer.logit - prediction.logit).abs() < 1e-4);
                let probability = scored.probability(answer.logit);
                assert!((probability - prediction.probability).abs() < 1e-5);
            }
            let peak_of = |seen: &mut Seen<'_>, class: usize| {
                let explained = seen.explain(class, &Options::default()).unwrap();
                (explained.heatmap.peak, explained.raw)
            };
            let (peak, map) = peak_of(&mut alone, best[0].class.0);
            let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
            assert!(near(scored.map.unwrap().peak, peak), "{by_backward_pass}");
            let Some(known) = scored.truth else {
                assert!(truth.is_empty());
                assert_eq!((scored.true_map, scored.agreement), (None, None));
                continue;
            };
            let class = known.class as usize;
            assert!(truth.iter().any(|object| object.class == class));
            let ranked = prediction_of(&model, &alone.input, &logits, ClassIndex(class)).unwrap();
            assert_eq!(known.rank as usize, ranked.rank);
            let (true_peak, true_map) = peak_of(&mut alone, class);
            assert!(near(scored.true_map.unwrap().peak, true_peak));
            let wanted = agreement(&map, &true_map);
            assert_eq!(scored.agreement.is_some(), wanted.is_some());
            if let (Some(found), Some(wanted)) = (scored.agreement, wanted) {
                assert!(near(found, wanted));
            }
        }
        let first = scores[0].as_ref().unwrap();
        assert_eq!(
            first.truth.unwrap().rank,
            1,
            "the better of two true classes"
        );
        assert_eq!(first.agreement, Some(1.0), "the same class");
    }
}

#[test]
fn what_is_to_stop_stops() {
    let model = demo();
    let images = seen(&model);
    let (seen, geometry) = &images[0];
    let subject = Subject {
        seen,
        geometry,
        truth: &[],
    };
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 3
    };
    let stopped = score(&model, &[subject], 1, &stop).unwrap_err();
    assert!(matches!(stopped, ExplainError::CalledOff));
    assert_eq!(asked.get(), 3, "nothing runs after that");
}

#[test]
fn figures_of_a_small_map_are_as_reckoned_by_hand() {
    // Half of the weight in the upper left of 2x2 positions, half in the lower right.
    let raw = Grid::new(2, 2, vec![3.0, -1.0, 0.0, 3.0]);
    let seen = RgbImage::new(2, 2);
    let geometry = InputGeometry {
        image: crate::geometry::PixelSize::new(4, 4),
        input: crate::geometry::PixelSize::new(2, 2),
        window: Window {
            x: 0.0,
            y: 0.0,
            width: 4.0,
            height: 4.0,
        },
    };
    // The left half of the image.
    let truth = [Object {
        class: 0,
        bounds: Some(Window {
            x: 0.0,
            y: 0.0,
            width: 2.0,
            height: 4.0,
        }),
    }];
    let subject = Subject {
        seen: &seen,
        geometry: &geometry,
        truth: &truth,
    };
    let found = figures(&raw, &subject).unwrap();
    assert_eq!((found.peak, found.center), (3.0, Some([0.5, 0.5])));
    // Two of four positions: ln 2 / ln 4.
    assert_eq!(found.entropy, Some(0.5));
    assert_eq!(found.mass, Some(0.5));
    let empty = figures(&raw.map(|value| value - 9.0), &subject).unwrap();
    assert_eq!((empty.peak, empty.entropy, empty.mass), (0.0, None, None));
    assert_eq!(figures(&raw.map(|_| f32::NAN), &subject), None);
    // Maps of which one is turned around have nothing in common.
    let turned = Grid::new(2, 2, vec![0.0, 3.0, 3.0, 0.0]);
    assert_eq!(agreement(&raw, &turned), Some(0.0));
    assert_eq!(agreement(&raw, &raw.map(|value| 2.0 * value)), Some(1.0));
    assert_eq!(agreement(&raw, &raw.map(|_| -1.0)), None);
}

#[test]
fn logits_that_are_no_numbers_are_an_error_of_their_image_alone() {
    assert!(
        answered(&[0.0, f32::NAN], &[])
            .unwrap_err()
            .contains("class 1")
    );
    let ties = answered(&[1.0, 1.0, 1.0], &[object(1)]).unwrap();
    assert_eq!(
        ties.truth.unwrap().rank,
        2,
        "equal logits keep the order of classes"
    );
    assert!((ties.entropy - 3.0_f32.ln()).abs() < 1e-6);
    assert!((ties.confidence().unwrap() - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(
        answered(&[1.0], &[object(7)]).unwrap().truth,
        None,
        "no such class"
    );
}
