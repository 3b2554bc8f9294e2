//! A million scores, where it is asked for: how long they take, and how large they are.

use std::time::{Duration, Instant};

use super::*;
use crate::dataset::score::{Answer, MapFigures, Score, TrueClass};

/// Set to measure.
const MEASURE: &str = "GRADCAM_TEST_MILLION";

const IMAGES: u32 = 1_000_000;

fn full_score(number: u32) -> Score {
    let value = number as f32;
    let top = [0, 1, 2, 3, 4].map(|rank| Answer {
        class: number % 1000 + rank,
        logit: value / 7.0,
    });
    let map = Some(MapFigures {
        peak: value,
        entropy: Some(0.5),
        center: Some([0.25, 0.75]),
        mass: None,
    });
    let mut score = Score::new(&top, value, 1.0);
    score.truth = Some(TrueClass {
        class: 3,
        logit: 1.0,
        rank: 2,
    });
    score.map = map;
    score.true_map = map;
    score.agreement = Some(0.5);
    score
}

/// What this thread has used of a processor, where the system tells; others may be at work too.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(used.unwrap_or_default())
}

#[test]
fn a_million_scores_are_measured_where_it_is_asked_for() {
    #[expect(clippy::disallowed_methods, reason = "a message to this test alone")]
    if std::env::var_os(MEASURE).is_none() {
        return;
    }
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let model = store.model("m", "").unwrap();
    let start = Instant::now();
    for batch in 0..IMAGES / 1000 {
        let scores: Vec<Scored> = (batch * 1000..(batch + 1) * 1000)
            .map(|number| Scored {
                image: key(&format!("class{:03}/image{number:07}.jpg", number % 1000)),
                file: FileIdentity {
                    size: 110_000,
                    mtime_ns: 1_700_000_000_123_456_789,
                },
                score: Ok(full_score(number)),
            })
            .collect();
        store.keep_scores(model, &scores).unwrap();
    }
    println!(
        "kept in {:?}, {:?} of it at work",
        start.elapsed(),
        processor()
    );
    let start = Instant::now();
    for number in 0..200 {
        let image = format!("{number}.jpg");
        kept(
            &mut store,
            &[change(&image, Version::NONE, verdict("wrong"))],
        );
    }
    println!("a verdict in {:?}", start.elapsed() / 200);
    drop(store);
    let size = std::fs::metadata(desk.place().file()).unwrap().len();
    println!("{} bytes for each image", size / u64::from(IMAGES));
    let start = Instant::now();
    let store = desk.open("ann");
    println!("opened in {:?}", start.elapsed());
    for table in ["images", "sqlite_autoindex_images_1", "scores"] {
        let sql = "SELECT sum(pgsize) FROM dbstat WHERE name = ?1";
        let size = store
            .connection
            .query_row(sql, [table], |row| row.get::<_, i64>(0));
        println!(
            "{table}: {} bytes for each",
            size.unwrap() / i64::from(IMAGES)
        );
    }
    for _ in 0..3 {
        let (start, used) = (Instant::now(), processor());
        let (mut found, mut bytes) = (0, 0);
        let each = |image: &[u8], _, score: Result<Score, &str>| {
            found += usize::from(score.is_ok());
            bytes += image.len();
        };
        store.scores(model, each).unwrap();
        println!(
            "{found} read in {:?}, {:?} of it at work, {bytes} bytes of names",
            start.elapsed(),
            processor().saturating_sub(used)
        );
    }
}
