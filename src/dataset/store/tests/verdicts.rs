//! Recording, and two who do it at the same time.

use super::*;

#[test]
fn what_was_said_is_there_after_a_restart() {
    let desk = Desk::new();
    let review = Review {
        verdict: Some(Arc::from("label error")),
        note: Arc::from("two lines:\n\u{1b}[2J \"é木\""),
        tags: [Arc::from("blurred"), Arc::from("dog")].into(),
    };
    let odd = Key::from_bytes(b"\xff\xfe.png");
    let mut store = desk.open("ann");
    let stamps = kept(
        &mut store,
        &[Change {
            image: odd.clone(),
            expected: Version::NONE,
            review: review.clone(),
        }],
    );
    assert_eq!((stamps[0].version, &*stamps[0].by), (Version(1), "ann"));
    assert!((now() - stamps[0].at_millis).abs() < 60_000);
    drop(store);
    let all = desk.open("bob").reviews().unwrap();
    let wanted = Reviewed {
        image: odd,
        review,
        stamp: stamps[0].clone(),
    };
    assert_eq!((all.reviews, all.version), (vec![wanted], Version(1)));
    // The folder of the images is as it was.
    assert_eq!(std::fs::read_dir(desk.images()).unwrap().count(), 0);
}

#[test]
fn each_commit_goes_to_the_disk() {
    let desk = Desk::new();
    let store = desk.open("ann");
    assert_eq!(pragma::<String>(&store, "journal_mode"), "wal");
    assert_eq!(pragma::<i64>(&store, "synchronous"), 2);
    assert_eq!(pragma::<i64>(&store, "foreign_keys"), 1);
    assert_eq!(pragma::<i64>(&store, "busy_timeout"), 5000);
    assert_eq!(pragma::<i64>(&store, "application_id"), 0x6763_616d);
    assert_eq!(pragma::<i64>(&store, "user_version"), 1);
}

#[test]
fn nobody_is_overwritten_unseen() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    let first = say(&mut ann, "a.png", "wrong");
    // Bob has seen nothing of it, and marks two images.
    let two = [
        change("b.png", Version::NONE, verdict("unsure")),
        change("a.png", Version::NONE, verdict("unsure")),
    ];
    let conflict = Conflict {
        image: key("a.png"),
        review: verdict("wrong"),
        stamp: first.clone(),
    };
    let said = bob.record(&two).unwrap();
    assert_eq!(said, Recorded::Conflicts(vec![conflict]));
    assert_eq!(verdict_of(&mut ann, "b.png"), None);
    assert_eq!(bob.undo().unwrap(), None);
    // Having seen it, he may.
    kept(
        &mut bob,
        &[change("a.png", first.version, verdict("unsure"))],
    );
    assert_eq!(verdict_of(&mut ann, "a.png").as_deref(), Some("unsure"));
    // Taken away is a change too.
    let second = standing(&mut bob, "a.png").1;
    kept(&mut bob, &[change("a.png", second, Review::default())]);
    let again = ann.record(&[change("a.png", second, verdict("flag"))]);
    assert!(matches!(again.unwrap(), Recorded::Conflicts(found) if found[0].review.is_empty()));
}

#[test]
fn what_stands_already_is_not_said_again() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    let first = say(&mut ann, "a.png", "wrong");
    let same = kept(
        &mut bob,
        &[change("a.png", first.version, verdict("wrong"))],
    );
    assert_eq!(same, [first]);
    assert_eq!(bob.undo().unwrap(), None);
}

#[test]
fn what_others_change_is_seen_and_nothing_is_missed() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    let mut seen = ann.reviews().unwrap().version;
    assert_eq!(ann.changes_since(seen).unwrap().reviews, []);
    say(&mut bob, "a.png", "wrong");
    // Ann's own change is newer than Bob's, which she has not seen.
    kept(
        &mut ann,
        &[change("b.png", Version::NONE, verdict("unsure"))],
    );
    let changes = ann.changes_since(seen).unwrap();
    let names: Vec<String> = changes
        .reviews
        .iter()
        .map(|one| one.image.shown())
        .collect();
    assert_eq!(names, ["a.png", "b.png"]);
    seen = changes.version;
    assert_eq!(
        ann.changes_since(seen).unwrap(),
        Changes {
            reviews: Vec::new(),
            version: seen
        }
    );
    // Scores of another thread are no changes.
    let model = bob.model("m", "").unwrap();
    bob.keep_scores(model, &[]).unwrap();
    assert_eq!(ann.changes_since(seen).unwrap().reviews, []);
    bob.undo().unwrap();
    let changes = ann.changes_since(seen).unwrap();
    assert_eq!(changes.reviews.len(), 1);
    assert!(changes.reviews[0].review.is_empty());
}

#[test]
fn views_and_sessions_are_kept() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let view = |name: &str, filter: &str| View {
        name: name.to_owned(),
        filter: filter.to_owned(),
        order: "loss".to_owned(),
    };
    store.save_view(&view("worst", "wrong")).unwrap();
    store.save_view(&view("best", "right")).unwrap();
    store.save_view(&view("worst", "wrong and sure")).unwrap();
    assert_eq!(store.session().unwrap(), None);
    store.save_session("{\"image\":3}").unwrap();
    let mut bob = desk.open("bob");
    assert_eq!(
        bob.views().unwrap(),
        [view("best", "right"), view("worst", "wrong and sure")]
    );
    assert_eq!(bob.session().unwrap(), None);
    assert!(bob.remove_view("best").unwrap());
    assert!(!bob.remove_view("best").unwrap());
    assert_eq!(
        desk.open("ann").session().unwrap().as_deref(),
        Some("{\"image\":3}")
    );
}

#[test]
fn a_store_in_memory_is_like_one_on_disk_and_another_of_it_sees_the_same() {
    let mut store = Store::in_memory("ann").unwrap();
    let mut elsewhere = Store::in_memory("ann").unwrap();
    let mut another = store.another().unwrap();
    say(&mut store, "a.png", "wrong");
    assert_eq!(verdict_of(&mut another, "a.png").as_deref(), Some("wrong"));
    assert_eq!(verdict_of(&mut elsewhere, "a.png"), None);
    another.undo().unwrap();
    assert_eq!(verdict_of(&mut store, "a.png"), None);
    assert_eq!((store.name(), store.file()), ("in memory", None));
}

#[test]
fn a_store_without_a_log_beside_it_keeps_everything_too() {
    let desk = Desk::new();
    say(&mut desk.open("ann"), "a.png", "wrong");
    let open = |log| Store::open_with(&desk.place(), "bob", log).unwrap();
    let mut store = open(Log::Rollback);
    assert_eq!(pragma::<String>(&store, "journal_mode"), "delete");
    assert_eq!(pragma::<i64>(&store, "synchronous"), 3);
    say(&mut store, "b.png", "unsure");
    let mut other = store.another().unwrap();
    assert_eq!(verdict_of(&mut other, "a.png").as_deref(), Some("wrong"));
    let late = other.record(&[change("b.png", Version::NONE, verdict("flag"))]);
    assert!(matches!(late.unwrap(), Recorded::Conflicts(_)));
    assert_eq!(desk.beside().len(), 1, "{:?}", desk.beside());
    drop((store, other));
    assert_eq!(pragma::<String>(&open(Log::Wal), "journal_mode"), "wal");
}
