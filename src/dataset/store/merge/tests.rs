//! Merging on real files.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::dataset::review::Review;
use crate::dataset::score::{Answer, Score};
use crate::dataset::store::{Change, ModelFacts, Place, Recorded, View};

fn store(folder: &Path, name: &str) -> Store {
    let place = Place::new(&[folder.to_owned()], Some(&folder.join(name)), None).unwrap();
    Store::open(&place, name).unwrap()
}

fn key(name: &str) -> Key {
    Key::from_bytes(name.as_bytes())
}

fn facts(fingerprint: &str) -> ModelFacts {
    ModelFacts {
        fingerprint: fingerprint.to_owned(),
        ..ModelFacts::default()
    }
}

fn keep(store: &mut Store, model: &ModelFacts, image: &str, logit: f32) {
    let id = store.model_of(model).unwrap();
    let score = Score::new(&[Answer { class: 1, logit }], 0.0, 0.0);
    let scored = Scored {
        image: key(image),
        file: FileIdentity {
            size: 7,
            mtime_ns: 8,
        },
        score: Ok(score),
    };
    store.keep_scores(id, &[scored]).unwrap();
}

fn say(store: &mut Store, image: &str, verdict: &str) {
    let said = store.reviews().unwrap().reviews;
    let stands = said.iter().find(|reviewed| reviewed.image == key(image));
    let change = Change {
        image: key(image),
        expected: stands.map_or(Version::NONE, |reviewed| reviewed.stamp.version),
        review: Review {
            verdict: Some(Arc::from(verdict)),
            ..Review::default()
        },
    };
    let recorded = store.record(&[change]).unwrap();
    assert!(matches!(recorded, Recorded::Kept(_)));
}

fn verdict(store: &mut Store, image: &str) -> Option<(Arc<str>, Arc<str>)> {
    let said = store.reviews().unwrap().reviews;
    let stands = said.into_iter().find(|one| one.image == key(image))?;
    Some((stands.review.verdict?, stands.stamp.by))
}

#[test]
fn scores_verdicts_and_views_of_all_parts_are_in_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = ["a.sqlite", "b.sqlite"].map(|name| store(folder.path(), name));
    keep(&mut parts[0], &facts("m"), "1.png", 1.0);
    // The same model has another number there.
    keep(&mut parts[1], &facts("other"), "9.png", 9.0);
    keep(&mut parts[1], &facts("m"), "2.png", 2.0);
    say(&mut parts[0], "1.png", "right");
    say(&mut parts[1], "2.png", "wrong");
    let view = View {
        name: "mistakes".to_owned(),
        filter: "wrong".to_owned(),
        order: "-conf".to_owned(),
    };
    parts[1].save_view(&view).unwrap();

    let mut whole = store(folder.path(), "all.sqlite");
    let taken: Vec<Merged> = parts
        .iter_mut()
        .map(|part| whole.take_from(part).unwrap())
        .collect();
    assert_eq!(
        taken.iter().map(|merged| merged.scores).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(taken.iter().map(|merged| merged.reviews).sum::<usize>(), 2);
    let model = whole.model_of(&facts("m")).unwrap();
    let mut found = Vec::new();
    whole
        .scores(model, |key, file, score| {
            found.push((
                key.to_vec(),
                file.size,
                score.unwrap().top().next().unwrap().logit,
            ));
        })
        .unwrap();
    assert_eq!(
        found,
        [(b"1.png".to_vec(), 7, 1.0), (b"2.png".to_vec(), 7, 2.0)]
    );
    let by = |whole: &mut Store, image| verdict(whole, image).unwrap().1;
    assert_eq!(&*by(&mut whole, "1.png"), "a.sqlite");
    assert_eq!(&*by(&mut whole, "2.png"), "b.sqlite");
    assert_eq!(whole.views().unwrap(), [view]);
}

#[test]
fn what_was_said_last_stands_and_the_conflict_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = store(folder.path(), "all.sqlite");
    let mut earlier = store(folder.path(), "earlier.sqlite");
    let mut later = store(folder.path(), "later.sqlite");
    say(&mut earlier, "1.png", "right");
    say(&mut whole, "1.png", "unsure");
    // Times are milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(3));
    say(&mut later, "1.png", "wrong");
    say(&mut later, "2.png", "flag");
    let stamps = |store: &mut Store| store.reviews().unwrap().reviews[0].stamp.at_millis;
    assert!(stamps(&mut earlier) <= stamps(&mut whole));

    let merged = whole.take_from(&mut earlier).unwrap();
    assert_eq!((merged.reviews, merged.conflicts), (0, vec![key("1.png")]));
    assert_eq!(&*verdict(&mut whole, "1.png").unwrap().0, "unsure");
    let merged = whole.take_from(&mut later).unwrap();
    assert_eq!((merged.reviews, merged.conflicts), (2, vec![key("1.png")]));
    assert_eq!(&*verdict(&mut whole, "1.png").unwrap().0, "wrong");
    // Once more: nothing is new.
    let again = whole.take_from(&mut later).unwrap();
    assert_eq!((again.reviews, again.conflicts), (0, Vec::new()));
}
