use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn hello(file: &mut BufWriter<Aside<'_>>) -> Result<(), String> {
    file.write_all(b"hello").map_err(|error| error.to_string())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_device_is_written_to_and_stays_and_a_full_disk_is_said() {
    let folder = tempfile::tempdir().unwrap();
    // By another name, so that nothing of the system is at risk.
    let link = |name: &str, device: &str| {
        let path = folder.path().join(name);
        symlink(device, &path).unwrap();
        path
    };
    let (null, full) = (link("null", "/dev/null"), link("full", "/dev/full"));
    for existing in [Existing::Kept, Existing::Replaced] {
        assert!(write_whole(Destination::new(&null, existing), hello).is_ok());
        let error = write_whole(Destination::new(&full, existing), hello);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        assert!(error.contains("No space left"), "{error}");
        for path in [&null, &full] {
            let is_link = path.symlink_metadata().unwrap().is_symlink();
            assert!(is_link, "it was replaced");
        }
    }
    let error = write_whole(Destination::new(folder.path(), Existing::Replaced), hello);
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("it is a folder"), "{error}");
}

#[test]
fn a_file_that_is_there_is_kept_or_replaced_as_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, "before").unwrap();
    let kept = write_whole(Destination::new(&path, Existing::Kept), hello);
    assert!(matches!(kept, Err(WriteError::Exists(_))), "{kept:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    write_whole(Destination::new(&path, Existing::Replaced), hello).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    assert_eq!(names(folder.path()), ["x"]);
    // Somebody else has been faster.
    let other = folder.path().join("y");
    let late = write_whole(Destination::new(&other, Existing::Kept), |file| {
        std::fs::write(&other, "theirs").unwrap();
        hello(file)
    });
    assert!(matches!(late, Err(WriteError::Exists(_))), "{late:?}");
    assert_eq!(std::fs::read(&other).unwrap(), b"theirs");
}

#[test]
fn a_file_that_cannot_be_finished_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    let destination = Destination::new(&path, Existing::Replaced);
    let full = |_: &mut BufWriter<Aside<'_>>| Err::<(), _>("no space left on device".to_owned());
    let error = write_whole(destination, full).unwrap_err().to_string();
    assert!(error.ends_with("x.png: no space left on device"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
    std::fs::write(&path, "mine").unwrap();
    assert!(write_whole(destination, full).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert_eq!(names(folder.path()), ["x.png"]);
    let missing = folder.path().join("no/x.png");
    let missing = write_whole(Destination::new(&missing, Existing::Replaced), hello);
    let missing = missing.unwrap_err().to_string();
    assert!(missing.starts_with("cannot write "), "{missing}");
}

#[test]
fn a_file_that_is_called_off_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.html");
    let is_off = AtomicBool::new(false);
    let called_off = || is_off.load(Ordering::Relaxed);
    for written in [1, 100_000] {
        is_off.store(false, Ordering::Relaxed);
        let destination = Destination::new(&path, Existing::Kept).unless(&called_off);
        let result = write_whole(destination, |file| {
            is_off.store(true, Ordering::Relaxed);
            file.write_all(&vec![b'x'; written])
                .map_err(|error| error.to_string())
        });
        assert!(
            matches!(result, Err(WriteError::CalledOff(_))),
            "{result:?}"
        );
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn what_a_killed_run_left_aside_is_taken_up_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(folder.path().join("a.png.part"), "hal").unwrap();
    for hurry in [Hurry::Yes, Hurry::No] {
        write_whole(Destination::of_a_run(&path, hurry), hello).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let failed = write_whole(Destination::of_a_run(&path, Hurry::Yes), |_| {
        Err::<(), _>("no".to_owned())
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
