use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::worker::scoring::tests::recipe;

fn read(readers: &Readers, path: &Path, known: Option<FileIdentity>) -> Found {
    let image = ImageRef {
        id: ImageId(3),
        path: Arc::from(path),
    };
    readers.order(Order { image, known });
    let read = readers
        .read()
        .recv_timeout(Duration::from_secs(20))
        .unwrap();
    assert_eq!(read.image, ImageId(3));
    read.found
}

#[test]
fn an_image_comes_as_the_network_sees_it_and_a_file_that_is_known_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    RgbImage::from_pixel(4, 3, image::Rgb([9, 8, 7]))
        .save(&path)
        .unwrap();
    let readers = Readers::start(2, &recipe()).unwrap();
    let Found::Image(image) = read(&readers, &path, None) else {
        panic!("no image");
    };
    assert_eq!(image.seen.dimensions(), (4, 3));
    assert_eq!(image.seen.get_pixel(3, 2).0, [9, 8, 7]);
    assert!(matches!(
        read(&readers, &path, Some(image.file)),
        Found::Unchanged
    ));
    // Written again: another length.
    RgbImage::from_pixel(40, 30, image::Rgb([9, 8, 7]))
        .save(&path)
        .unwrap();
    assert!(matches!(
        read(&readers, &path, Some(image.file)),
        Found::Image(_)
    ));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        read(&readers, &path, Some(image.file)),
        Found::Unreadable(_)
    ));
}

#[test]
fn readers_stand_behind_all_other_threads() {
    let readers = Readers::start(1, &recipe()).unwrap();
    // It has begun when it has answered.
    let gone = Path::new("gone.png");
    assert!(matches!(read(&readers, gone, None), Found::Unreadable(_)));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")));
    let niceness: Vec<String> = stats
        .filter_map(Result::ok)
        .filter(|stat| stat.contains("(reader)"))
        // Nineteenth field; the name may hold spaces, and is the second.
        .filter_map(|stat| Some(stat.rsplit_once(") ")?.1.split(' ').nth(16)?.to_owned()))
        .collect();
    assert!(niceness.iter().any(|nice| nice == "19"), "{niceness:?}");
    drop(readers);
}
