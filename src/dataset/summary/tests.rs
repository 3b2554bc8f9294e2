use super::*;
use crate::dataset::review::Review;
use crate::dataset::score::Answer;

/// A prediction of this class with this probability.
fn score(class: u32, probability: f32) -> Score {
    Score::new(
        &[Answer {
            class,
            logit: probability.ln(),
        }],
        0.0,
        1.0,
    )
}

fn near(value: Option<f32>, wanted: f32) {
    let value = value.unwrap();
    assert!((value - wanted).abs() < 1e-5, "{value} {wanted}");
}

/// The summary of predictions: true class, predicted class, probability.
fn summary(images: &[(u32, u32, f32)], labels: &[String], classes: usize) -> Summary {
    let scores: Vec<Score> = images
        .iter()
        .map(|(_, predicted, probability)| score(*predicted, *probability))
        .collect();
    let truths: Vec<[u32; 1]> = images.iter().map(|(truth, _, _)| [*truth]).collect();
    let rows = || {
        scores.iter().zip(&truths).map(|(score, truth)| Row {
            score: Some(score),
            truth,
            ..Row::default()
        })
    };
    Summary::of(rows(), &Confusion::of_rows(rows()), labels, classes)
}

#[test]
fn images_are_counted_and_classes_have_their_rates() {
    let scores = [score(0, 0.9), score(1, 0.5), score(0, 0.7)];
    let verdict = |name: &str| Review {
        verdict: Some(Arc::from(name)),
        ..Review::default()
    };
    let reviews = [
        verdict("wrong"),
        verdict("flag"),
        verdict("wrong"),
        Review::default(),
    ];
    let row = |score, truth, review| Row {
        score,
        truth,
        review,
        ..Row::default()
    };
    let rows = [
        row(Some(&scores[0]), &[0][..], Some(&reviews[0])),
        row(Some(&scores[1]), &[0], Some(&reviews[1])),
        row(Some(&scores[2]), &[], Some(&reviews[2])),
        Row {
            is_marked: true,
            ..row(None, &[1], Some(&reviews[3]))
        },
        Row {
            unreadable: Some("no image"),
            ..row(None, &[], None)
        },
    ];
    let summary = Summary::of(rows, &Confusion::of_rows(rows), &[], 2);
    let counts = [
        summary.images,
        summary.scored,
        summary.unreadable,
        summary.known,
        summary.reviewed,
        summary.marked,
    ];
    assert_eq!(counts, [5, 3, 1, 3, 3, 1]);
    assert_eq!(summary.top1, Rate { hits: 1, of: 2 });
    assert_eq!(summary.top5, Rate { hits: 1, of: 2 });
    near(summary.confidence, 0.7);
    near(summary.loss, -(0.9_f32.ln()));
    let classes: Vec<_> = summary
        .classes
        .iter()
        .map(|class| {
            (
                class.class,
                class.support,
                class.recall(),
                class.precision(),
            )
        })
        .collect();
    assert_eq!(
        classes,
        [(0, 2, Some(0.5), Some(1.0)), (1, 0, None, Some(0.0))]
    );
    let verdicts: Vec<(&str, usize)> = summary
        .verdicts
        .iter()
        .map(|(name, count)| (&**name, *count))
        .collect();
    assert_eq!(verdicts, [("wrong", 2), ("flag", 1)]);
    assert_eq!(summary.alarm, None);
    let nothing = Summary::of([], &Confusion::default(), &[], 0);
    assert_eq!(nothing, Summary::default());
}

#[test]
fn intervals_are_wilsons() {
    // statsmodels 0.15.0: `proportion_confint(hits, of, method="wilson")`.
    for (hits, of, low, high) in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ] {
        let bounds = Rate { hits, of }.interval().unwrap();
        assert!((bounds[0] - low).abs() < 1e-4, "{hits} of {of}: {bounds:?}");
        assert!(
            (bounds[1] - high).abs() < 1e-4,
            "{hits} of {of}: {bounds:?}"
        );
    }
    assert_eq!(Rate::default().interval(), None);
}

/// `torchmetrics.functional.classification.multiclass_calibration_error` of the probabilities
/// below for class 3 of 20 (the rest shared by the others), with target 3 where right and 4 where
/// wrong, `n_bins=15, norm="l1"`: 0.39083331823349 (torch 2.13.0, torchmetrics 1.9.0).
#[test]
fn the_calibration_error_is_that_of_torchmetrics() {
    let images = [
        (0.95, true),
        (0.91, true),
        (0.99, false),
        (0.62, true),
        (0.58, false),
        (0.33, false),
        (0.41, true),
        (0.72, true),
        (0.8, true),
        (0.88, false),
        (0.2, false),
        (0.2, true),
    ];
    let images: Vec<(u32, u32, f32)> = images
        .iter()
        .map(|(probability, right)| (if *right { 3 } else { 4 }, 3, *probability))
        .collect();
    let calibration = summary(&images, &[], 20).calibration;
    near(calibration.error(), 0.390_833_32);
    let counts: Vec<usize> = calibration.bins().iter().map(|bin| bin.count).collect();
    assert_eq!(counts, [0, 0, 2, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 2, 2]);
    near(calibration.bins()[13].accuracy(), 0.5);
    near(calibration.bins()[13].confidence(), 0.895);
    assert_eq!(calibration.bins()[0].accuracy(), None);
}

#[test]
fn bins_hold_their_upper_end() {
    let mut calibration = Calibration::default();
    for confidence in [0.0, 1.0 / 15.0, 0.0667, 0.2, 1.0, 1.0 + 1e-6] {
        calibration.count(Some(confidence), true);
    }
    calibration.count(Some(f32::NAN), true);
    calibration.count(None, true);
    let counts: Vec<usize> = calibration.bins().iter().map(|bin| bin.count).collect();
    assert_eq!(counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(Calibration::default().error(), None);
}

/// 200 images of so many classes; `predict` says what of.
fn images(classes: u32, predict: impl Fn(u32, u32) -> u32) -> Vec<(u32, u32, f32)> {
    (0..200)
        .map(|image| {
            let truth = image * 7 % classes;
            (truth, predict(truth, image), 0.9)
        })
        .collect()
}

#[test]
fn shifted_labels_are_told() {
    let alarm = |images: &[_], classes| summary(images, &[], classes).alarm;
    let shifted = images(
        100,
        |truth, image| {
            if image % 10 == 0 { 50 } else { truth + 1 }
        },
    );
    assert_eq!(
        alarm(&shifted, 101).unwrap(),
        "in 90 % of 200 images the prediction is the true class plus 1, and in 1.0 % it is right: truth and network number the classes differently; look for a class too many or too few at the beginning, such as a background, or give the truth by names in place of numbers"
    );
    let less = images(100, |truth, _| (truth + 99) % 100);
    assert!(
        alarm(&less, 100)
            .unwrap()
            .contains("the true class less 1,")
    );
    let swapped = images(
        2,
        |truth, image| if image % 9 == 0 { truth } else { 1 - truth },
    );
    assert!(
        alarm(&swapped, 2)
            .unwrap()
            .contains("the other of the two classes")
    );
}

#[test]
fn names_sorted_otherwise_are_told() {
    let names: Vec<String> = (0..30).map(|class| format!("class {class}")).collect();
    let mut sorted = names.clone();
    sorted.sort();
    let place = |name: &String, among: &[String]| {
        let place = among.iter().position(|other| other == name);
        u32::try_from(place.unwrap()).unwrap()
    };
    let as_text = images(30, |truth, _| place(&names[truth as usize], &sorted));
    let alarm = |images: &[_], labels: &[String]| summary(images, labels, 30).alarm.unwrap();
    assert!(alarm(&as_text, &names).contains("sorted as text, 10 before 2"));
    let back = images(30, |truth, _| place(&sorted[truth as usize], &names));
    assert!(alarm(&back, &sorted).contains("sorted by their numbers, 2 before 10"));
    // Without names the numbers are the names.
    let numbers: Vec<String> = (0..30).map(|class| class.to_string()).collect();
    let mut sorted = numbers.clone();
    sorted.sort();
    let as_text = images(30, |truth, _| place(&numbers[truth as usize], &sorted));
    assert!(alarm(&as_text, &[]).contains("sorted as text, 10 before 2"));
    let back = images(30, |truth, _| place(&sorted[truth as usize], &numbers));
    assert!(alarm(&back, &[]).contains("sorted as text, 10 before 2"));
}

#[test]
fn an_accuracy_at_chance_is_told() {
    let random = images(10, |truth, image| (truth * image + image / 3) % 10);
    let alarm = summary(&random, &[], 10).alarm.unwrap();
    assert!(
        alarm.starts_with("the network is right in ") && alarm.contains("to 90 % on average"),
        "{alarm}"
    );
    // The same network, unsure of itself, is only a bad one.
    let unsure: Vec<_> = random.iter().map(|(t, p, _)| (*t, *p, 0.2)).collect();
    assert_eq!(summary(&unsure, &[], 10).alarm, None);
    // A shift that holds in a fifth of the images is none.
    let rarely = images(10, |truth, image| {
        let other = [1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9];
        (truth + other[image as usize / 10]) % 10
    });
    let alarm = summary(&rarely, &[], 10).alarm.unwrap();
    assert!(alarm.contains("no more than by chance"), "{alarm}");
    // And of a few images nothing follows.
    assert_eq!(summary(&random[..19], &[], 10).alarm, None);
}

#[test]
fn what_networks_do_raises_no_alarm() {
    let alarm = |images: &[_], classes| summary(images, &[], classes).alarm;
    let good = images(10, |truth, image| {
        if image % 5 == 0 {
            (truth + 1) % 10
        } else {
            truth
        }
    });
    assert_eq!(alarm(&good, 10), None);
    let weak = images(
        10,
        |truth, image| if image % 3 == 0 { truth } else { image % 10 },
    );
    assert_eq!(alarm(&weak, 10), None);
    // As often the next class as the right one.
    let undecided = images(10, |truth, image| {
        if image / 10 < 9 {
            truth
        } else {
            (truth + 1) % 10
        }
    });
    assert_eq!(alarm(&undecided, 10), None);
    // One class, all right; and one class that is taken for its neighbour.
    assert_eq!(alarm(&images(1, |_, _| 0), 1000), None);
    let mistaken: Vec<_> = images(1, |_, _| 0)
        .iter()
        .enumerate()
        .map(|(image, _)| (7, if image % 4 == 0 { 7 } else { 8 }, 0.9))
        .collect();
    assert_eq!(alarm(&mistaken, 1000), None);
    // Nearly all of one class, and taken for it.
    let uneven: Vec<_> = (0..200)
        .map(|image| (u32::from(image % 40 == 0), 0, 0.97))
        .collect();
    assert_eq!(alarm(&uneven, 2), None);
}

/// Measures; `cargo test --release -- --ignored --nocapture a_million`.
#[test]
#[ignore = "a measurement"]
fn a_million_images_are_summed_up_quickly() {
    let mut random = crate::tests::random::Random(5);
    let count = 1_000_000;
    let mut class = || u32::try_from(random.below(1000)).unwrap();
    let scores: Vec<Score> = (0..count).map(|_| score(class(), 0.5)).collect();
    let truths: Vec<[u32; 1]> = (0..count).map(|_| [class()]).collect();
    let rows = || {
        scores.iter().zip(&truths).map(|(score, truth)| Row {
            score: Some(score),
            truth,
            ..Row::default()
        })
    };
    let start = std::time::Instant::now();
    let confusion = Confusion::of_rows(rows());
    let counted = start.elapsed();
    let summary = Summary::of(rows(), &confusion, &[], 1000);
    println!(
        "{:?} counted in {counted:?}, all in {:?}",
        summary.top1,
        start.elapsed()
    );
}
