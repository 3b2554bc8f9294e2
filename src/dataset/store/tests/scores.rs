//! Scores, and a thread that writes them while somebody gives verdicts.

use super::*;
use crate::dataset::score::{Answer, Score};

pub(super) fn scored(image: &str, class: u32) -> Scored {
    let top = [Answer { class, logit: 1.5 }];
    Scored {
        image: key(image),
        file: FileIdentity {
            size: 7,
            mtime_ns: 1_700_000_000_123_456_789,
        },
        score: Ok(Score::new(&top, 2.0, 0.5)),
    }
}

fn all(store: &Store, model: ModelId) -> Vec<Scored> {
    let mut found = Vec::new();
    let each = |image: &[u8], file, score: Result<Score, &str>| {
        found.push(Scored {
            image: Key::from_bytes(image),
            file,
            score: score.map_err(Arc::from),
        });
    };
    store.scores(model, each).unwrap();
    found
}

#[test]
fn scores_come_back_for_the_model_that_made_them() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let one = store.model("fingerprint 1", "resnet18").unwrap();
    let two = store.model("fingerprint 2", "resnet18").unwrap();
    let unreadable = Scored {
        file: FileIdentity {
            size: u64::MAX,
            mtime_ns: -1,
        },
        score: Err(Arc::from("it is no image")),
        ..scored("b.png", 0)
    };
    let first = [scored("a.png", 3), unreadable];
    store.keep_scores(one, &first).unwrap();
    store.keep_scores(two, &[scored("a.png", 4)]).unwrap();
    drop(store);
    let mut store = desk.open("ann");
    assert_eq!(store.model("fingerprint 1", "another name").unwrap(), one);
    assert_eq!(all(&store, one), first);
    // A later one takes its place.
    store.keep_scores(one, &[scored("a.png", 5)]).unwrap();
    assert_eq!(all(&store, one)[0], scored("a.png", 5));
    assert_eq!(all(&store, two), [scored("a.png", 4)]);
}

#[test]
fn a_score_of_a_later_layout_is_as_if_there_was_none() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let model = store.model("m", "").unwrap();
    store
        .keep_scores(model, &[scored("a.png", 1), scored("b.png", 2)])
        .unwrap();
    let sql = "UPDATE scores SET score = x'02' WHERE image = 1";
    store.connection.execute(sql, []).unwrap();
    assert_eq!(all(&store, model), [scored("b.png", 2)]);
}

#[test]
fn a_file_is_known_by_its_size_and_time() {
    let desk = Desk::new();
    let path = desk.images().join("a.png");
    std::fs::write(&path, b"abc").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(5, 7);
    file.set_modified(time).unwrap();
    let wanted = FileIdentity {
        size: 3,
        mtime_ns: 5_000_000_007,
    };
    assert_eq!(FileIdentity::of(&path).unwrap(), wanted);
    assert!(FileIdentity::of(&desk.images()).is_ok());
    assert!(FileIdentity::of(&desk.images().join("gone")).is_err());
}

/// One thread writes scores, one opens and closes the store again and again, one gives verdicts.
fn all_at_once(mut store: Store) {
    let mut scores = store.another().unwrap();
    let visits = store.another().unwrap();
    let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
    std::thread::scope(|scope| {
        let scorer = || {
            let model = scores.model("m", "").unwrap();
            for round in 0..40 {
                let batch: Vec<Scored> = (0..50)
                    .map(|number| scored(&format!("{}.png", round * 50 + number), 1))
                    .collect();
                scores.keep_scores(model, &batch).unwrap();
            }
            assert_eq!(all(&scores, model).len(), 2000);
        };
        let visitor = move || {
            for _ in 0..40 {
                visits
                    .another()
                    .unwrap()
                    .changes_since(Version::NONE)
                    .unwrap();
            }
        };
        named("scorer").spawn_scoped(scope, scorer).unwrap();
        named("visitor").spawn_scoped(scope, visitor).unwrap();
        let mut seen = Version::NONE;
        for number in 0..100 {
            let image = format!("{number}.png");
            kept(
                &mut store,
                &[change(&image, Version::NONE, verdict("wrong"))],
            );
            seen = store.changes_since(seen).unwrap().version;
        }
    });
    assert_eq!(store.reviews().unwrap().reviews.len(), 100);
    assert_eq!(integrity(&store), "ok");
}

#[test]
fn a_thread_writes_scores_while_somebody_gives_verdicts() {
    for log in [Log::Wal, Log::Rollback] {
        let desk = Desk::new();
        drop(desk.open("ann"));
        all_at_once(Store::open_with(&desk.place(), "ann", log).unwrap());
    }
    all_at_once(Store::in_memory("ann").unwrap());
}

#[test]
fn several_who_begin_a_store_at_the_same_time_begin_one() {
    for _ in 0..20 {
        let desk = Desk::new();
        let place = desk.place();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let place = &place;
                let begin = move || {
                    let mut store = Store::open(place, "ann").unwrap();
                    say(&mut store, &format!("{number}.png"), "wrong");
                };
                let thread = std::thread::Builder::new().name(format!("{number}"));
                thread.spawn_scoped(scope, begin).unwrap();
            }
        });
        assert_eq!(desk.open("ann").reviews().unwrap().reviews.len(), 4);
    }
}

#[test]
fn what_is_known_of_a_model_is_kept_with_its_scores() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let facts = ModelFacts {
        name: "best.pth".to_owned(),
        fingerprint: "0123456789abcdef".to_owned(),
        classes: 2,
        labels: vec!["cat".to_owned(), "dog".to_owned()],
        ..ModelFacts::default()
    };
    let id = store.model_of(&facts).unwrap();
    assert_eq!(store.models().unwrap(), [], "nothing is scored yet");
    store.keep_scores(id, &[scored("a.png", 1)]).unwrap();
    // Other names for the classes are the same model.
    let renamed = ModelFacts {
        labels: vec!["Katze".to_owned(), "Hund".to_owned()],
        ..facts
    };
    assert_eq!(store.model_of(&renamed).unwrap(), id);
    let older = store.model("of an older program", "resnet18").unwrap();
    store.keep_scores(older, &[scored("a.png", 1)]).unwrap();
    drop(store);
    let models = desk.open("ben").models().unwrap();
    assert_eq!(models.len(), 2);
    assert_eq!((models[0].id, &models[0].facts), (id, &Some(renamed)));
    assert_eq!(models[0].key, models[0].facts.as_ref().unwrap().key());
    assert_eq!(
        (models[1].about.as_str(), &models[1].facts),
        ("resnet18", &None)
    );
}

#[test]
fn a_store_of_before_takes_what_is_known_of_a_model() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    say(&mut store, "a.png", "wrong");
    let dropped = store.connection.execute_batch("DROP TABLE model_facts");
    dropped.unwrap();
    drop(store);
    let mut store = desk.open("ann");
    let id = store.model_of(&ModelFacts::default()).unwrap();
    store.keep_scores(id, &[scored("a.png", 1)]).unwrap();
    assert_eq!(
        store.models().unwrap()[0].facts,
        Some(ModelFacts::default())
    );
    assert_eq!(store.reviews().unwrap().reviews.len(), 1);
}
