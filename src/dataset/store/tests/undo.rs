//! Taking back, and doing again.

use super::*;

fn words(turn: Result<Option<Turn>, StoreError>) -> String {
    turn.unwrap().unwrap().words
}

#[test]
fn steps_are_undone_and_done_again_also_after_a_restart() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let marked = ["a.png", "b.png", "c.png"];
    let changes = marked.map(|image| change(image, Version::NONE, verdict("wrong")));
    let stamps = kept(&mut store, &changes);
    say(&mut store, "b.png", "unsure");
    drop(store);

    let mut store = desk.open("ann");
    assert_eq!(words(store.undo()), "1 image, verdict unsure");
    assert_eq!(verdict_of(&mut store, "b.png").as_deref(), Some("wrong"));
    let turn = store.undo().unwrap().unwrap();
    assert_eq!(turn.words, "3 images, verdict wrong");
    assert_eq!((turn.steps.len(), turn.conflicts.len()), (3, 0));
    assert_eq!(turn.steps[0].old, verdict("wrong"));
    assert_eq!(turn.steps[0].new, Review::default());
    assert_eq!(store.undo().unwrap(), None);
    drop(store);

    let mut store = desk.open("ann");
    assert_eq!(words(store.redo()), "3 images, verdict wrong");
    assert_eq!(words(store.redo()), "1 image, verdict unsure");
    assert_eq!(store.redo().unwrap(), None);
    assert_eq!(verdict_of(&mut store, "b.png").as_deref(), Some("unsure"));
    // It was said when it was said.
    let all = store.reviews().unwrap().reviews;
    let first = all.iter().find(|one| one.image == key("a.png")).unwrap();
    assert_eq!(first.stamp.at_millis, stamps[0].at_millis);
    assert!(first.stamp.version > stamps[2].version);
}

#[test]
fn something_new_takes_the_place_of_what_was_undone() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    say(&mut store, "a.png", "wrong");
    say(&mut store, "a.png", "unsure");
    store.undo().unwrap();
    // What stands already is nothing new.
    say(&mut store, "a.png", "wrong");
    store.redo().unwrap().unwrap();
    store.undo().unwrap();
    say(&mut store, "a.png", "flag");
    assert_eq!(store.redo().unwrap(), None);
    store.undo().unwrap();
    assert_eq!(verdict_of(&mut store, "a.png").as_deref(), Some("wrong"));
    store.undo().unwrap();
    assert_eq!(verdict_of(&mut store, "a.png"), None);
}

#[test]
fn each_person_has_steps_of_their_own() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    say(&mut ann, "a.png", "wrong");
    say(&mut bob, "b.png", "unsure");
    ann.undo().unwrap().unwrap();
    assert_eq!(verdict_of(&mut ann, "b.png").as_deref(), Some("unsure"));
    assert_eq!(ann.undo().unwrap(), None);
    // Something new of Bob's takes nothing from Ann.
    say(&mut bob, "c.png", "unsure");
    assert!(ann.redo().unwrap().is_some());
}

#[test]
fn what_somebody_else_has_changed_since_is_left_and_said() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    say(&mut ann, "a.png", "flag");
    let both = ["a.png", "b.png"].map(|image| {
        let expected = standing(&mut ann, image).1;
        change(image, expected, verdict("wrong"))
    });
    kept(&mut ann, &both);
    say(&mut bob, "a.png", "unsure");
    let turn = ann.undo().unwrap().unwrap();
    assert_eq!(
        turn.words,
        "1 image, verdict wrong; 1 image changed since by bob and left"
    );
    assert_eq!(turn.conflicts[0].review, verdict("unsure"));
    assert_eq!(verdict_of(&mut ann, "a.png").as_deref(), Some("unsure"));
    assert_eq!(verdict_of(&mut ann, "b.png"), None);
    // The part that was undone can be done again, and Bob's stays.
    assert_eq!(words(ann.redo()), "1 image, verdict wrong");
    assert_eq!(verdict_of(&mut ann, "a.png").as_deref(), Some("unsure"));
    ann.undo().unwrap();
    // The step before is in the way of Bob's too.
    assert_eq!(
        words(ann.undo()),
        "0 images, verdict flag; 1 image changed since by bob and left"
    );
    assert_eq!(ann.undo().unwrap(), None);
}

#[test]
fn what_somebody_else_has_taken_back_is_not_in_the_way() {
    let desk = Desk::new();
    let (mut ann, mut bob) = (desk.open("ann"), desk.open("bob"));
    let first = say(&mut ann, "a.png", "wrong");
    say(&mut bob, "a.png", "unsure");
    bob.undo().unwrap();
    let all = ann.reviews().unwrap().reviews;
    assert_eq!(
        (&*all[0].stamp.by, all[0].stamp.at_millis),
        ("ann", first.at_millis)
    );
    assert_eq!(words(ann.undo()), "1 image, verdict wrong");
    // Bob's verdict was about Ann's, which does not stand.
    assert_eq!(bob.redo().unwrap().unwrap().conflicts.len(), 1);
    assert_eq!(words(ann.redo()), "1 image, verdict wrong");
}

#[test]
fn a_step_says_what_it_was() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let noted = Review {
        note: Arc::from("see the corner"),
        tags: [Arc::from("corner")].into(),
        ..Review::default()
    };
    kept(&mut store, &[change("a.png", Version::NONE, noted)]);
    assert_eq!(words(store.undo()), "1 image, note, tags");
    let many =
        ["1", "2", "3", "4", "\u{1b}"].map(|name| change(name, Version::NONE, verdict(name)));
    kept(&mut store, &many);
    assert_eq!(
        words(store.undo()),
        "5 images, verdict \\u{1b} or 1 or 2 or others"
    );
    say(&mut store, "b.png", "wrong");
    let stands = standing(&mut store, "b.png").1;
    kept(&mut store, &[change("b.png", stands, Review::default())]);
    assert_eq!(words(store.undo()), "1 image, verdict none");
}
