//! The store as its users see it.

mod faults;
mod kill;
mod million;
mod scores;
mod undo;
mod verdicts;

use super::*;
use crate::dataset::review::Review;

/// A folder for images and one for what programs keep.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("photos")).unwrap();
        Self { folder }
    }

    fn images(&self) -> PathBuf {
        self.folder.path().join("photos")
    }

    fn place(&self) -> Place {
        Place::new(
            &[self.images()],
            None,
            Some(&self.folder.path().join("state")),
        )
        .unwrap()
    }

    /// Of a file that the user has named.
    fn named(&self, file: &str) -> Place {
        Place::new(&[self.images()], Some(&self.folder.path().join(file)), None).unwrap()
    }

    fn open(&self, reviewer: &str) -> Store {
        let store = Store::open(&self.place(), reviewer).unwrap();
        assert!(store.notes().is_empty(), "{:?}", store.notes());
        store
    }

    /// The names of what lies beside the store.
    fn beside(&self) -> Vec<String> {
        let folder = self.place().file().parent().unwrap().to_owned();
        let files = std::fs::read_dir(folder).unwrap();
        let name = |file: std::io::Result<std::fs::DirEntry>| {
            file.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = files.map(name).collect();
        names.sort();
        names
    }
}

fn key(name: &str) -> Key {
    Key::from_bytes(name.as_bytes())
}

fn verdict(name: &str) -> Review {
    Review {
        verdict: Some(Arc::from(name)),
        ..Review::default()
    }
}

fn change(image: &str, expected: Version, review: Review) -> Change {
    Change {
        image: key(image),
        expected,
        review,
    }
}

/// Records a verdict, over whatever stands.
fn say(store: &mut Store, image: &str, name: &str) -> Stamp {
    let expected = standing(store, image).1;
    kept(store, &[change(image, expected, verdict(name))]).remove(0)
}

fn kept(store: &mut Store, changes: &[Change]) -> Vec<Stamp> {
    match store.record(changes).unwrap() {
        Recorded::Kept(stamps) => stamps,
        Recorded::Conflicts(conflicts) => panic!("{conflicts:?}"),
    }
}

/// What stands of an image.
fn standing(store: &mut Store, image: &str) -> (Review, Version) {
    let all = store.reviews().unwrap().reviews;
    let found = all.into_iter().find(|one| one.image == key(image));
    found.map_or_else(Default::default, |one| (one.review, one.stamp.version))
}

fn verdict_of(store: &mut Store, image: &str) -> Option<String> {
    standing(store, image)
        .0
        .verdict
        .map(|name| name.to_string())
}

fn integrity(store: &Store) -> String {
    let connection = &store.connection;
    connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

fn pragma<T: rusqlite::types::FromSql>(store: &Store, name: &str) -> T {
    let connection = &store.connection;
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .unwrap()
}
