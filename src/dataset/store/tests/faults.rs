//! What goes wrong with files and disks.

use std::os::unix::fs::{FileExt, PermissionsExt};

use super::scores::scored;
use super::*;
use crate::text::is_harmless;

const IMAGES: usize = 400;

/// A store with many verdicts, closed.
fn filled(desk: &Desk) {
    let mut store = desk.open("ann");
    let changes: Vec<Change> = (0..IMAGES)
        .map(|number| {
            let review = Review {
                verdict: Some(Arc::from("wrong")),
                note: Arc::from("a long note ".repeat(20)),
                ..Review::default()
            };
            change(&format!("{number}.png"), Version::NONE, review)
        })
        .collect();
    kept(&mut store, &changes);
    let model = store.model("m", "").unwrap();
    let scores: Vec<Scored> = (0..IMAGES)
        .map(|number| scored(&format!("{number}.png"), 1))
        .collect();
    store.keep_scores(model, &scores).unwrap();
    store.save_session("here").unwrap();
}

/// The pages of a table that hold rows.
fn pages(desk: &Desk, table: &str) -> Vec<u64> {
    let store = desk.open("ann");
    let sql = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path";
    let mut select = store.connection.prepare(sql).unwrap();
    let rows = select
        .query_map([table], |row| row.get::<_, i64>(0))
        .unwrap();
    rows.map(|page| u64::try_from(page.unwrap()).unwrap())
        .collect()
}

/// Writes over a part of the file of a closed store.
fn destroy(desk: &Desk, offset: u64, bytes: usize) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(desk.place().file())
        .unwrap();
    file.write_all_at(&vec![0xa5; bytes], offset).unwrap();
}

fn destroy_page(desk: &Desk, page: u64) {
    destroy(desk, (page - 1) * 4096, 4096);
}

/// How many images something is said of.
fn said(store: &mut Store) -> usize {
    let all = store.reviews().unwrap().reviews;
    all.iter().filter(|one| !one.review.is_empty()).count()
}

fn open(desk: &Desk) -> Store {
    Store::open(&desk.place(), "ann").unwrap()
}

#[test]
fn of_a_damaged_store_nothing_is_lost_where_the_history_has_it() {
    let desk = Desk::new();
    filled(&desk);
    let reviews = pages(&desk, "reviews");
    assert!(reviews.len() > 5, "{reviews:?}");
    destroy_page(&desk, reviews[reviews.len() / 2]);
    let mut store = open(&desk);
    let note = store.notes()[0].clone();
    assert!(
        note.contains("what was said of 400 images could be read and is kept"),
        "{note}"
    );
    assert!(
        note.ends_with(".damaged-1.sqlite") && is_harmless(&note),
        "{note}"
    );
    assert_eq!(said(&mut store), IMAGES);
    assert_eq!(store.session().unwrap().as_deref(), Some("here"));
    assert_eq!(integrity(&store), "ok");
    // It works, and is a usual one from now on.
    say(&mut store, "3.png", "unsure");
    drop(store);
    let mut store = desk.open("ann");
    assert_eq!(verdict_of(&mut store, "3.png").as_deref(), Some("unsure"));
    assert_eq!(store.reviews().unwrap().reviews[0].stamp.by.as_ref(), "ann");
}

#[test]
fn of_a_store_that_is_damaged_in_two_places_the_rest_is_kept() {
    let desk = Desk::new();
    filled(&desk);
    for pages in ["reviews", "history"].map(|table| pages(&desk, table)) {
        destroy_page(&desk, pages[pages.len() / 2]);
    }
    let mut store = open(&desk);
    assert_eq!(store.notes().len(), 1);
    assert!(
        (IMAGES - 20..IMAGES).contains(&said(&mut store)),
        "{:?}",
        store.notes()
    );
}

#[test]
fn a_store_without_a_beginning_is_put_aside_and_another_begun() {
    let desk = Desk::new();
    for number in 1..3 {
        filled(&desk);
        destroy(&desk, 0, 100);
        let mut store = open(&desk);
        let note = &store.notes()[0];
        assert!(
            note.contains("nothing that was said of images could be read"),
            "{note}"
        );
        assert_eq!(said(&mut store), 0);
        drop(store);
        let aside = desk
            .beside()
            .iter()
            .filter(|name| name.contains(".damaged-"))
            .count();
        assert_eq!(aside, number, "{:?}", desk.beside());
        std::fs::remove_file(desk.place().file()).unwrap();
    }
}

#[test]
fn a_store_that_was_cut_off_is_put_aside_with_what_lies_beside_it() {
    let desk = Desk::new();
    filled(&desk);
    let file = desk.place().file().to_owned();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(beside(&file, "-wal"), b"a log of something else").unwrap();
    let mut store = open(&desk);
    assert_eq!(store.notes().len(), 1);
    say(&mut store, "new.png", "wrong");
    let aside = |ending: &str| {
        let end = format!(".damaged-1.sqlite{ending}");
        desk.beside().iter().any(|name| name.ends_with(&end))
    };
    assert!(aside("") && aside("-wal"), "{:?}", desk.beside());
}

#[test]
fn damage_that_is_found_later_is_put_aside_too() {
    let desk = Desk::new();
    filled(&desk);
    let scores = pages(&desk, "scores");
    destroy_page(&desk, scores[scores.len() / 2]);
    let mut store = desk.open("ann");
    let model = store.model("m", "").unwrap();
    let fault = store.scores(model, |_, _, _| {}).unwrap_err();
    assert!(fault.is_damage(), "{fault}");
    let mut store = store.begin_anew(&fault).unwrap();
    assert_eq!((store.notes().len(), said(&mut store)), (1, IMAGES));
    let model = store.model("m", "").unwrap();
    store.scores(model, |_, _, _| panic!("a score")).unwrap();
}

#[test]
fn two_who_find_the_damage_at_the_same_time_put_one_file_aside() {
    for _ in 0..10 {
        let desk = Desk::new();
        filled(&desk);
        destroy_page(&desk, pages(&desk, "reviews")[1]);
        let begin = || {
            let mut store = open(&desk);
            assert_eq!(said(&mut store), IMAGES);
        };
        std::thread::scope(|scope| {
            for name in ["one", "two"] {
                let thread = std::thread::Builder::new().name(name.to_owned());
                thread.spawn_scoped(scope, begin).unwrap();
            }
        });
        let aside = desk.beside();
        let aside = aside.iter().filter(|name| name.ends_with(".sqlite"));
        assert_eq!(aside.count(), 2, "{:?}", desk.beside());
    }
}

#[test]
fn a_store_of_a_newer_program_is_left_as_it_is() {
    let desk = Desk::new();
    let store = desk.open("ann");
    store
        .connection
        .pragma_update(None, "user_version", 2)
        .unwrap();
    drop(store);
    let before = std::fs::read(desk.place().file()).unwrap();
    let fault = Store::open(&desk.place(), "ann").unwrap_err();
    assert!(
        matches!(
            fault,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{fault}"
    );
    assert_eq!(std::fs::read(desk.place().file()).unwrap(), before);
    assert_eq!(desk.beside().len(), 1);
}

#[test]
fn what_is_no_store_is_left_as_it_is_unless_it_is_called_one() {
    let desk = Desk::new();
    let place = desk.named("other.db");
    let other = Connection::open(place.file()).unwrap();
    other.execute_batch("CREATE TABLE mine (text)").unwrap();
    drop(other);
    let fault = Store::open(&place, "ann").unwrap_err();
    assert!(matches!(fault, StoreError::Foreign { .. }), "{fault}");
    // A slip of the hand.
    let text = "this is a text and no database. ".repeat(100);
    let place = desk.named("photos/a.png");
    std::fs::write(place.file(), &text).unwrap();
    let fault = Store::open(&place, "ann").unwrap_err();
    assert!(matches!(fault, StoreError::NoStore { .. }), "{fault}");
    assert_eq!(std::fs::read_to_string(place.file()).unwrap(), text);
    assert_eq!(std::fs::read_dir(desk.images()).unwrap().count(), 1);
    // A store of which nothing is left.
    let place = desk.named("mine.sqlite");
    std::fs::write(place.file(), &text).unwrap();
    let store = Store::open(&place, "ann").unwrap();
    assert!(
        store.notes()[0].contains("mine.damaged-1.sqlite"),
        "{:?}",
        store.notes()
    );
}

#[test]
fn a_full_disk_takes_no_verdict_and_loses_none() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    say(&mut store, "first.png", "wrong");
    let pages: i64 = pragma(&store, "page_count");
    store
        .connection
        .pragma_update(None, "max_page_count", pages + 4)
        .unwrap();
    let long = Review {
        note: Arc::from("x".repeat(30_000)),
        ..Review::default()
    };
    let fault = store
        .record(&[
            change("small.png", Version::NONE, verdict("wrong")),
            change("long.png", Version::NONE, long),
        ])
        .unwrap_err();
    assert!(matches!(fault, StoreError::Full { .. }), "{fault}");
    assert!(fault.to_string().contains("nothing was kept"), "{fault}");
    assert_eq!(verdict_of(&mut store, "small.png"), None);
    assert_eq!(
        verdict_of(&mut store, "first.png").as_deref(),
        Some("wrong")
    );
    // There is room again.
    store
        .connection
        .pragma_update(None, "max_page_count", 10_000)
        .unwrap();
    say(&mut store, "small.png", "wrong");
    assert_eq!(store.undo().unwrap().unwrap().steps.len(), 1);
    assert_eq!(integrity(&store), "ok");
}

#[test]
fn a_store_that_is_moved_away_takes_no_verdict() {
    let desk = Desk::new();
    let mut store = desk.open("ann");
    let stands = say(&mut store, "a.png", "wrong").version;
    let file = desk.place().file().to_owned();
    std::fs::rename(&file, file.with_extension("moved")).unwrap();
    let more = [change("a.png", stands, verdict("unsure"))];
    assert!(matches!(store.record(&more), Err(StoreError::Moved { .. })));
    assert!(matches!(store.undo(), Err(StoreError::Moved { .. })));
    assert!(matches!(store.another(), Err(StoreError::Moved { .. })));
    // Also when there is another one in its place.
    say(&mut desk.open("bob"), "a.png", "flag");
    assert!(matches!(store.record(&more), Err(StoreError::Moved { .. })));
}

#[test]
fn a_folder_that_cannot_be_used_is_said() {
    let desk = Desk::new();
    std::fs::write(desk.folder.path().join("state"), b"a file").unwrap();
    let fault = Store::open(&desk.place(), "ann").unwrap_err();
    assert!(matches!(fault, StoreError::Folder { .. }), "{fault}");
    assert!(fault.to_string().contains("--review"), "{fault}");
}

#[test]
fn a_store_that_cannot_be_written_is_said() {
    let desk = Desk::new();
    filled(&desk);
    // Without a log beside it, nothing is written where it lies until somebody says something.
    drop(Store::open_with(&desk.place(), "ann", Log::Rollback).unwrap());
    let file = desk.place().file().to_owned();
    for (path, usual) in [(&*file, 0o600), (file.parent().unwrap(), 0o700)] {
        let allow = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).unwrap();
        };
        allow(usual & 0o500);
        let opened = Store::open_with(&desk.place(), "ann", Log::Rollback);
        allow(usual);
        // To the superuser, nothing is forbidden.
        if !rustix::process::geteuid().is_root() {
            assert!(
                matches!(opened, Err(StoreError::ReadOnly { .. })),
                "{opened:?}"
            );
        }
    }
    let error = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        StoreError::new("f", &error)
    };
    assert!(matches!(
        error(rusqlite::ffi::SQLITE_READONLY),
        StoreError::ReadOnly { .. }
    ));
    assert!(matches!(
        error(rusqlite::ffi::SQLITE_CANTOPEN),
        StoreError::ReadOnly { .. }
    ));
    assert!(matches!(
        error(rusqlite::ffi::SQLITE_BUSY),
        StoreError::Busy { .. }
    ));
    assert!(matches!(
        error(rusqlite::ffi::SQLITE_IOERR_LOCK),
        StoreError::NoLocks { .. }
    ));
    assert!(matches!(
        error(rusqlite::ffi::SQLITE_IOERR_WRITE),
        StoreError::Other { .. }
    ));
}

#[test]
fn somebody_who_holds_the_store_for_too_long_is_said() {
    let desk = Desk::new();
    let (mut ann, bob) = (desk.open("ann"), desk.open("bob"));
    ann.connection
        .busy_timeout(std::time::Duration::from_millis(50))
        .unwrap();
    bob.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let late = ann.record(&[change("a.png", Version::NONE, verdict("wrong"))]);
    assert!(matches!(late, Err(StoreError::Busy { .. })), "{late:?}");
    bob.connection.execute_batch("ROLLBACK").unwrap();
    say(&mut ann, "a.png", "wrong");
}
