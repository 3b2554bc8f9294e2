//! How long a million rows take.

use std::time::Instant;

use super::*;

/// Measures; `cargo test --release -- --ignored --nocapture a_million`.
#[test]
#[ignore = "a measurement"]
fn a_million_rows_are_matched_quickly() {
    let count = 1_000_000;
    let mut random = crate::tests::random::Random(5);
    let scores: Vec<Score> = (0..count)
        .map(|_| {
            let top = [0, 1, 2, 3, 4].map(|place| Answer {
                class: u32::try_from(random.below(1000)).unwrap(),
                logit: 10.0 - place as f32,
            });
            Score::new(&top, 10.0 + random.below(100) as f32 / 50.0, 1.0)
        })
        .collect();
    let names: Vec<String> = (0..count)
        .map(|place| format!("val/n0{}/ILSVRC2012_val_{place:08}.JPEG", place % 1000))
        .collect();
    let truths: Vec<[u32; 1]> = (0..count)
        .map(|_| [u32::try_from(random.below(1000)).unwrap()])
        .collect();
    let words = Words::new();
    for text in [
        "conf>0.9 wrong",
        "99.jpeg",
        "zzz",
        "name:val_ -wrong",
        "pred:cat or true:dog",
        "ü",
    ] {
        let query = Query::parse(text, &words.vocabulary()).unwrap();
        let best = (0..7).map(|_| {
            let start = Instant::now();
            let through = (0..count).filter(|place| {
                query.lets(&Row {
                    name: &names[*place],
                    score: Some(&scores[*place]),
                    truth: &truths[*place],
                    ..Row::default()
                })
            });
            let through = through.count();
            (start.elapsed(), through)
        });
        let (time, through) = best.min().unwrap();
        println!("{text}: {through} of {count} in {time:?}");
    }
}
