use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::recipe::{Interpolation, Resize};

/// No file of these tests is late.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Leaves images as they are.
pub(crate) fn recipe() -> Recipe {
    Recipe {
        resize: Resize::None,
        crop: None,
        interpolation: Interpolation::Nearest,
        mean: [0.0; 3],
        std: [1.0; 3],
        bgr: false,
        crop_rounds_down: false,
        scaled_jpeg: false,
    }
}

fn file(folder: &Path, number: usize, side: u32) -> ImageRef {
    let path = folder.join(format!("{number}.png"));
    image::RgbImage::new(side, side).save(&path).unwrap();
    ImageRef {
        id: ImageId(number),
        path: Arc::from(path),
    }
}

/// Waits for a batch; what cannot be read is gathered.
fn next(scoring: &mut Scoring, unreadable: &mut Vec<usize>) -> Option<Vec<usize>> {
    while !scoring.is_done() {
        if let Some(batch) = scoring.batch(Instant::now()) {
            scoring.count(batch.len(), Instant::now());
            return Some(batch.iter().map(|image| image.image.0).collect());
        }
        let read = scoring
            .read()
            .recv_timeout(Duration::from_secs(20))
            .unwrap();
        let reason = scoring.take(read, Instant::now());
        unreadable.extend(reason.map(|(image, _)| image.0));
    }
    None
}

#[test]
fn a_batch_is_of_one_size_and_no_file_is_read_twice_unless_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<ImageRef> = (0..6)
        .map(|number| file(folder.path(), number, if number == 1 { 8 } else { 4 }))
        .collect();
    for ahead in [2, 6] {
        let pace = Pace {
            batch: 2,
            ahead,
            readers: 1,
            patience: PATIENCE,
        };
        let mut scoring = Scoring::start(&recipe(), pace).unwrap();
        scoring.knows(ImageId(2), FileIdentity::of(&images[2].path).unwrap());
        let known = FileIdentity::of(&images[3].path).unwrap();
        scoring.knows(ImageId(3), FileIdentity { size: 1, ..known });
        let gone = ImageRef {
            id: ImageId(6),
            path: Arc::from(folder.path().join("gone.png")),
        };
        scoring.add(images.iter().cloned().chain([gone]));
        let (mut batches, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(batch) = next(&mut scoring, &mut unreadable) {
            assert!(
                batch.len() <= 2 && (batch.len() == 1 || !batch.contains(&1)),
                "{batch:?}"
            );
            batches.extend(batch);
        }
        batches.sort_unstable();
        assert_eq!(
            (batches, unreadable),
            (vec![0, 1, 3, 4, 5], vec![6]),
            "{ahead}"
        );
        let progress = scoring.progress(Instant::now());
        assert_eq!((progress.done, progress.total), (7, 7), "{ahead}");
    }
}

#[test]
fn the_rate_is_that_of_the_last_seconds() {
    let pace = Pace {
        batch: 1,
        ahead: 1,
        readers: 1,
        patience: PATIENCE,
    };
    let mut scoring = Scoring::start(&recipe(), pace).unwrap();
    let start = Instant::now();
    let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
    assert_eq!(scoring.progress(at(0.0)).per_second, None);
    // Ten a second for ten seconds, then two a second for a minute.
    for step in 0..100 {
        scoring.count(1, at(f64::from(step) / 10.0));
    }
    let rate = scoring.progress(at(10.0)).per_second.unwrap();
    assert!((rate - 10.0).abs() < 0.2, "{rate}");
    for step in 1..=120 {
        scoring.count(1, at(10.0 + f64::from(step) / 2.0));
    }
    let rate = scoring.progress(at(70.0)).per_second.unwrap();
    assert!((rate - 2.0).abs() < 0.2, "{rate}");
}

#[test]
fn files_that_do_not_answer_are_named_and_hold_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<ImageRef> = (0..5)
        .map(|number| file(folder.path(), number, 4))
        .collect();
    // Pipes that nobody writes to.
    let pipes = [&images[0].path, &images[2].path, &images[3].path];
    for pipe in pipes {
        std::fs::remove_file(pipe).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let pipe = (rustix::fs::CWD, &**pipe, rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(pipe.0, pipe.1, pipe.2, mode, 0).unwrap();
    }
    for ahead in [2, 4] {
        let pace = Pace {
            batch: 2,
            ahead,
            readers: 1,
            patience: Duration::from_millis(20),
        };
        let mut scoring = Scoring::start(&recipe(), pace).unwrap();
        scoring.add(images.iter().cloned());
        let mut scored = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !scoring.progress(Instant::now()).is_over() || scored.len() < 2 {
            assert!(
                Instant::now() < deadline,
                "{:?}",
                scoring.progress(deadline)
            );
            if let Some(batch) = scoring.batch(Instant::now()) {
                scoring.count(batch.len(), Instant::now());
                scored.extend(batch.iter().map(|image| image.image.0));
            } else if let Ok(read) = scoring.read().recv_timeout(Duration::from_millis(5)) {
                scoring.take(read, Instant::now());
            }
        }
        assert_eq!(scored, [1, 4]);
        let late = scoring.progress(Instant::now()).late.unwrap();
        assert_eq!((late.files, late.image), (3, ImageId(0)));
        assert!(scoring.reads() && !scoring.is_done());
        // They answer after all, though not with an image.
        for pipe in pipes {
            drop(std::fs::File::options().write(true).open(pipe).unwrap());
            let read = scoring.read().recv_timeout(Duration::from_secs(20));
            assert!(scoring.take(read.unwrap(), Instant::now()).is_some());
        }
        assert!(scoring.is_done());
    }
}
