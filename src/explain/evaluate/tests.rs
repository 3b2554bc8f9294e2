use serde_json::Value;

use super::*;
use crate::explain::methods::Unwatched;
use crate::heatmap::Heatmap;
use crate::model::recipe::tests::image;
use crate::model::recipe::{RecipeOverrides, Resize};
use crate::model::zoo::tests::{basic, saved};
use crate::model::{LoadOptions, ModelSource};

/// tests/golden/metrics.py makes it.
pub(super) fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/metrics.json")).unwrap()
}

pub(super) fn demo() -> Model {
    Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap()
}

/// The network of tests/golden/metrics.py.
fn network() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let recipe = RecipeOverrides {
        resize: Some(Resize::None),
        crop: Some(None),
        mean: Some([0.5; 3]),
        std: Some([0.25; 3]),
        ..RecipeOverrides::default()
    };
    let options = LoadOptions {
        recipe,
        // Of 32 pixels the last layers leave one position.
        layer: Some("layer2".to_owned()),
        ..LoadOptions::default()
    };
    let file = saved(&basic([1, 2, 1, 1], 7), folder.path());
    Model::load(&ModelSource::File(file), &options).unwrap()
}

/// The twin of `maps` in tests/golden/metrics.py.
pub(super) fn raw(name: &str) -> Grid {
    let less = match name {
        "bumpy" => 0.0,
        "sparse" => 14.0,
        _ => 20.0,
    };
    let value = |place: u16| {
        let (across, down) = (place % 32 / 4, place / 32 / 4);
        let block = 1 + (across * 5 + down * 7 + across * down * 3) % 23;
        let within = u32::from(place) * 683 % 1024;
        f32::from(block) + within as f32 / 1024.0 - less
    };
    Grid::new(32, 32, (0..32 * 32).map(value).collect())
}

pub(super) fn final_map(name: &str) -> Grid {
    Heatmap::from_raw(&raw(name)).upsample(32, 32)
}

/// Maps of the predicted class as they are given, whatever the method says.
pub(super) fn given<'s, 'a>(subject: &'s mut Subject<'a>, raw: &Grid) -> Maps<'s, 'a> {
    let class = subject.top();
    let mut maps = Maps::new(subject, Options::default());
    maps.explanation(class, &mut Unwatched).unwrap();
    let made = maps.made.get_mut(&class).unwrap();
    made.raw = raw.clone();
    made.heatmap = Heatmap::from_raw(raw);
    maps
}

/// What a metric says of the image and network of the golden values with a given map.
pub(super) fn of_given_map(
    name: &str,
    measure: impl Fn(&mut Maps<'_, '_>) -> Vec<Tally>,
) -> Vec<f64> {
    let model = network();
    let evaluator = Evaluator::new(&model, Rules::default());
    let input = model.prepare(&image(32, 32)).unwrap();
    let mut subject = evaluator.subject(input, &[], "image").unwrap();
    let found = measure(&mut given(&mut subject, &raw(name)));
    assert!(found.iter().all(|tally| tally.cases == 1), "{found:?}");
    found.iter().map(|tally| tally.sum).collect()
}

/// A metric's figures are the reference's for each of the maps.
fn assert_as_reference(metric: &Metric, tolerance: f64) {
    for name in ["bumpy", "sparse", "spots"] {
        let found = of_given_map(name, |maps| (metric.measure)(maps, &mut Unwatched).unwrap());
        for (figure, found) in metric.figures.iter().zip(found) {
            let expected = golden()["maps"][name][figure.key].as_f64().unwrap();
            let what = format!("{name} {}: {found}, expected {expected}", figure.key);
            assert!((found - expected).abs() < tolerance, "{what}");
        }
    }
}

#[test]
fn average_drop_and_increase_are_torch_cams() {
    assert_as_reference(&average_drop::METRIC, 1e-4);
}

#[test]
fn deletion_and_insertion_are_torch_cams() {
    assert_as_reference(&causal::METRIC, 1e-4);
}

#[test]
fn the_correlation_with_occlusion_is_scipys() {
    assert_as_reference(&occlusion::METRIC, 1e-3);
}

#[test]
fn rank_correlation_and_structural_similarity_are_scipys_and_scikit_images() {
    let similarity = &golden()["similarity"];
    for (what, a, b) in [
        ("bumpy and sparse", final_map("bumpy"), final_map("sparse")),
        (
            "spots and their mirror image",
            final_map("spots"),
            final_map("spots").mirrored(),
        ),
    ] {
        let expected = |key: &str| similarity[what][key].as_f64().unwrap();
        let rank = rank::correlation(&a.values, &b.values);
        assert!((rank - expected("rank")).abs() < 1e-4, "{what}: {rank}");
        let ssim = ssim::similarity(&a, &b);
        assert!((ssim - expected("ssim")).abs() < 1e-4, "{what}: {ssim}");
    }
}

// scipy.stats.spearmanr([1, 2, 2, 3, 5], [5, 6, 7, 8, 7]) and with [5, 3, 2, 2, 1].
#[test]
fn equal_numbers_share_their_rank_and_a_flat_list_has_no_correlation() {
    let a = [1.0, 2.0, 2.0, 3.0, 5.0];
    let found = rank::correlation(&a, &[5.0, 6.0, 7.0, 8.0, 7.0]);
    assert!((found - 0.763_157_894_736_842).abs() < 1e-12, "{found}");
    assert!(
        (rank::correlation(&a, &[5.0, 3.0, 2.0, 2.0, 1.0]) + 0.921_052_631_578_947_5).abs() < 1e-12
    );
    assert!((rank::correlation(&a, &a) - 1.0).abs() < 1e-12);
    assert!(rank::correlation(&a, &[1.0; 5]).is_nan());
    assert!(rank::correlation(&a, &[1.0, 2.0, f32::NAN, 3.0, 4.0]).is_nan());
    let small = Grid::new(4, 4, vec![0.0; 16]);
    assert!(ssim::similarity(&small, &small).is_nan());
}

#[test]
fn metrics_and_figures_have_names_of_their_own_that_fit_their_columns() {
    let mut keys = std::collections::HashSet::new();
    for id in MetricId::all() {
        let metric = id.metric();
        assert_eq!(metric.key.parse(), Ok(id));
        assert!(metric.summary.chars().count() <= 80, "{}", metric.summary);
        assert!(metric.figures.iter().any(|figure| figure.is_shown));
        for figure in metric.figures {
            assert!(keys.insert(figure.key), "{} stands twice", figure.key);
            assert!(figure.title.chars().count() <= 16, "{}", figure.title);
        }
    }
    assert!(
        "pointing-game"
            .parse::<MetricId>()
            .unwrap_err()
            .contains("pointing, ")
    );
}

fn sample(name: &str) -> image::RgbImage {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images/");
    image::open(format!("{folder}{name}")).unwrap().to_rgb8()
}

fn object(class: usize, x: f64, y: f64, width: f64, height: f64) -> Object {
    let bounds = Some(Window {
        x,
        y,
        width,
        height,
    });
    Object { class, bounds }
}

/// What a metric says of the apple and the umbrella with these objects, as sums and cases.
fn of_apple_and_umbrella(metric: &Metric, rules: Rules, objects: &[Object]) -> Vec<(f64, u32)> {
    let model = demo();
    let evaluator = Evaluator::new(&model, rules);
    let input = model.prepare(&sample("03-apple-umbrella.png")).unwrap();
    let mut subject = evaluator.subject(input, objects, "image").unwrap();
    let mut maps = Maps::new(&mut subject, Options::default());
    let tallies = (metric.measure)(&mut maps, &mut Unwatched).unwrap();
    tallies
        .iter()
        .map(|tally| (tally.sum, tally.cases))
        .collect()
}

// Boxes as in assets/demo/truth.csv; class 0 is the apple and 11 the umbrella.
const APPLE: (f64, f64, f64, f64) = (170.0, 165.0, 154.0, 160.0);
const UMBRELLA: (f64, f64, f64, f64) = (1.0, 97.0, 162.0, 162.0);

fn boxed(class: usize, (x, y, width, height): (f64, f64, f64, f64)) -> Object {
    object(class, x, y, width, height)
}

#[test]
fn the_maps_of_two_classes_point_into_their_own_boxes_and_not_into_each_others() {
    let points =
        |objects: &[Object]| of_apple_and_umbrella(&pointing::METRIC, Rules::default(), objects)[0];
    assert_eq!(points(&[boxed(0, APPLE), boxed(11, UMBRELLA)]), (2.0, 2));
    assert_eq!(points(&[boxed(0, UMBRELLA), boxed(11, APPLE)]), (0.0, 2));
    assert_eq!(points(&[boxed(0, UMBRELLA), boxed(0, APPLE)]), (1.0, 1));
    let nowhere = Object {
        class: 0,
        bounds: None,
    };
    assert_eq!(points(&[nowhere]), (0.0, 0));
    assert_eq!(points(&[nowhere, boxed(11, UMBRELLA)]), (1.0, 1));
}

#[test]
fn a_tolerance_widens_the_box() {
    // Strips of one pixel to the right and to the left of the umbrella, below and above it.
    for strip in [
        (170.0, 90.0, 1.0, 180.0),
        (-10.0, 90.0, 1.0, 180.0),
        (0.0, 270.0, 180.0, 1.0),
        (0.0, 80.0, 180.0, 1.0),
    ] {
        let points = |tolerance| {
            let rules = Rules {
                tolerance,
                ..Rules::default()
            };
            of_apple_and_umbrella(&pointing::METRIC, rules, &[boxed(11, strip)])[0].0
        };
        assert!(points(0.0) < 0.5 && points(150.0) > 0.5, "{strip:?}");
    }
}

#[test]
fn localization_needs_the_class_and_the_box_and_its_error_is_never_below_the_classes() {
    let measure = |objects: &[Object]| {
        of_apple_and_umbrella(&localization::METRIC, Rules::default(), objects)
    };
    let known = measure(&[boxed(0, APPLE), boxed(11, UMBRELLA)]);
    assert_eq!(known[2].1, 2);
    assert_eq!((known[3], known[4]), ((0.0, 1), (0.0, 1)));
    // A fish is not among the first five, and there is no box that a map could find.
    let fish = measure(&[boxed(4, APPLE)]);
    assert_eq!((fish[0], fish[1]), ((1.0, 1), (1.0, 1)));
    let swapped = measure(&[boxed(0, UMBRELLA), boxed(11, APPLE)]);
    assert_eq!(swapped[..3], [(1.0, 1), (1.0, 1), (2.0, 2)]);
    assert_eq!((swapped[3], swapped[4]), ((0.0, 1), (0.0, 1)));
    // Without boxes the class can still be judged, without truth nothing.
    let class_alone = Object {
        class: 0,
        bounds: None,
    };
    let found = measure(&[class_alone]);
    assert_eq!(found[..3], [(0.0, 0); 3]);
    assert_eq!(found[4], (0.0, 1));
    assert_eq!(measure(&[]), [(0.0, 0); 5]);
}

#[test]
fn the_box_of_a_map_is_compared_in_pixels_of_the_image() {
    // The map of the predicted class is one bright quarter of the input; the image is twice as large.
    let model = demo();
    let evaluator = Evaluator::new(&model, Rules::default());
    let input = model.prepare(&image::RgbImage::new(224, 224)).unwrap();
    let mut subject = evaluator.subject(input, &[], "image").unwrap();
    let class = subject.top().0;
    let quarter = Grid::new(2, 2, vec![1.0, 0.0, 0.0, 0.0]);
    let mut error = |bounds: (f64, f64, f64, f64)| {
        subject.objects = vec![boxed(class, bounds)];
        let mut maps = given(&mut subject, &quarter);
        let tallies = (localization::METRIC.measure)(&mut maps, &mut Unwatched);
        tallies.unwrap().iter().map(|t| t.sum).collect::<Vec<f64>>()[..3].to_vec()
    };
    // Upsampled, more than 15 % of the maximum reach to about 150 of 224 pixels.
    assert_eq!(error((0.0, 0.0, 150.0, 150.0)), [0.0; 3]);
    assert_eq!(error((0.0, 0.0, 75.0, 75.0)), [1.0; 3]);
    assert_eq!(error((75.0, 75.0, 149.0, 149.0)), [1.0; 3]);
}

#[test]
fn random_weights_change_the_map_and_the_seed_tells_them() {
    let measure = |seed| {
        let rules = Rules {
            seed,
            ..Rules::default()
        };
        of_apple_and_umbrella(&randomization::METRIC, rules, &[])
    };
    let found = measure(0);
    assert_eq!(found, measure(0));
    assert_ne!(found, measure(1));
    assert_eq!(found.len(), 10);
    for (value, cases) in &found {
        assert_eq!(*cases, 1);
        assert!((-1.0..0.999).contains(value), "{found:?}");
    }
}

#[test]
fn a_map_that_is_empty_or_not_a_number_is_left_out_or_misses() {
    let model = demo();
    let evaluator = Evaluator::new(&model, Rules::default());
    let input = model.prepare(&sample("03-apple-umbrella.png")).unwrap();
    let mut subject = evaluator.subject(input, &[], "image").unwrap();
    subject.objects = vec![boxed(subject.top().0, (0.0, 0.0, 448.0, 448.0))];
    for (value, cases) in [
        (-1.0, [1, 1, 1, 1, 1, 0, 0]),
        (f32::NAN, [1, 1, 0, 0, 0, 0, 0]),
    ] {
        let raw = Grid::new(4, 4, vec![value; 16]);
        for (metric, cases) in METRICS.iter().zip(cases) {
            let mut maps = given(&mut subject, &raw);
            let tallies = (metric.measure)(&mut maps, &mut Unwatched).unwrap();
            assert_eq!(tallies[0].cases, cases, "{} {value}", metric.key);
            let misses = [("pointing", 0.0), ("localization", 1.0), ("road", 0.0)];
            if let Some((_, sum)) = misses.iter().find(|(key, _)| *key == metric.key) {
                assert!(
                    (tallies[0].sum - sum).abs() < 1e-4,
                    "{} {tallies:?}",
                    metric.key
                );
            }
        }
    }
}

#[test]
fn a_metric_can_be_called_off_between_steps() {
    struct Impatient(usize);
    impl Watch for Impatient {
        fn step(&mut self, _done: usize, _total: usize) -> Result<(), ExplainError> {
            self.0 += 1;
            if self.0 > 2 {
                return Err(ExplainError::CalledOff);
            }
            Ok(())
        }
    }
    let model = demo();
    let evaluator = Evaluator::new(&model, Rules::default());
    let input = model.prepare(&sample("03-apple-umbrella.png")).unwrap();
    let mut subject = evaluator.subject(input, &[], "image").unwrap();
    for metric in [&road::METRIC, &occlusion::METRIC, &randomization::METRIC] {
        let mut maps = Maps::new(&mut subject, Options::default());
        let result = (metric.measure)(&mut maps, &mut Impatient(0));
        assert!(
            matches!(result, Err(ExplainError::CalledOff)),
            "{}",
            metric.key
        );
    }
}
