//! The pipeline on the bundled model and images.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;

use super::*;
use crate::dataset::scan::{ScanOptions, scan};
use crate::explain::score::{Subject, score};
use crate::model::device::DeviceChoice;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images/");

/// The best class and its logit.
struct Best;

impl Work for Best {
    type Found = (u32, f32);
    type Done = (u32, f32);

    fn keeps_photo(&self) -> bool {
        false
    }

    fn run(&self, model: &Model, images: &[Ready], full: usize) -> Vec<Result<(u32, f32), String>> {
        let subjects: Vec<Subject<'_>> = images
            .iter()
            .map(|image| Subject {
                seen: &image.seen,
                geometry: &image.geometry,
                truth: &[],
            })
            .collect();
        let scores = score(model, &subjects, full, &|| false).unwrap();
        let best = |score: Result<crate::dataset::score::Score, String>| {
            let best = score?.top().next().unwrap();
            Ok((best.class, best.logit))
        };
        scores.into_iter().map(best).collect()
    }

    fn finish(&self, image: &Ready, found: (u32, f32)) -> Result<(u32, f32), String> {
        match image.photo {
            None => Ok(found),
            Some(_) => panic!("nobody wants the photo"),
        }
    }
}

fn images(folder: &str) -> Vec<ImageEntry> {
    let options = ScanOptions {
        recursive: true,
        hidden: false,
    };
    scan(&[PathBuf::from(folder)], options).unwrap().images
}

fn crew(lanes: usize, batch: usize) -> Crew {
    Crew {
        devices: vec![DeviceChoice::Cpu; lanes],
        threads: 1,
        readers: 2,
        finishers: 2,
        batch,
        expects_one: false,
    }
}

fn engine<'a>(crew: &'a Crew, load: &'a LoadOptions, stopped: &'a AtomicBool) -> Engine<'a> {
    Engine {
        source: &ModelSource::Demo,
        load,
        crew,
        stopped,
    }
}

/// What comes of each image, by place.
fn ran(crew: &Crew, images: Vec<ImageEntry>) -> Vec<Result<(u32, u32), String>> {
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let mut found: Vec<Option<Result<(u32, u32), String>>> = vec![None; images.len()];
    let is_done = run(
        engine(crew, &load, &stopped),
        |_| Ok((Best, images)),
        |_, place, _, result| {
            found[place] = Some(result.map(|(class, logit)| (class, logit.to_bits())));
            Ok(())
        },
        |_| {},
    );
    assert!(is_done.unwrap());
    found.into_iter().map(Option::unwrap).collect()
}

#[test]
fn however_many_lanes_there_are_each_image_has_the_same_bits() {
    let images = images(FOLDER);
    let one = ran(&crew(1, 4), images.clone());
    assert_eq!(one.len(), 16);
    let several = ran(&crew(3, 4), images.clone());
    assert_eq!(one, several);
    let part = ran(&crew(2, 4), images[3..8].to_vec());
    assert_eq!(one[3..8], part);
}

#[test]
fn images_that_cannot_be_read_have_a_sentence_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, b"no image").unwrap();
    let mut images = images(FOLDER);
    images.truncate(3);
    images[1].path = Arc::from(bad);
    let found = ran(&crew(1, 4), images);
    assert!(found[0].is_ok() && found[2].is_ok());
    let reason = found[1].as_ref().unwrap_err();
    assert!(reason.contains("bad.png"), "{reason}");
}

#[test]
fn a_file_that_does_not_answer_is_told_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let mut images = images(FOLDER);
    images.truncate(4);
    images[0].path = Arc::from(pipe.clone());
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let crew = crew(1, 1);
    let done = std::cell::Cell::new(0);
    let is_done = run(
        engine(&crew, &load, &stopped),
        |_| Ok((Best, images)),
        |_, _, _, _| {
            done.set(done.get() + 1);
            Ok(())
        },
        |image| {
            assert!(image.path.ends_with("pipe.png"));
            assert_eq!(done.get(), 3, "the others are done");
            // Whoever waits for the other end of the pipe is let go.
            drop(std::fs::File::options().write(true).open(&pipe).unwrap());
        },
    );
    assert!(is_done.unwrap());
    assert_eq!(done.get(), 4);
}

#[test]
fn nothing_to_do_is_done() {
    assert!(ran(&crew(2, 4), Vec::new()).is_empty());
}

#[test]
fn a_run_that_is_stopped_finishes_what_it_has_begun() {
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let crew = crew(1, 1);
    let mut images = images(FOLDER);
    images.extend(images.clone());
    let all = images.len();
    let mut done = 0;
    let is_done = run(
        engine(&crew, &load, &stopped),
        |_| Ok((Best, images)),
        |_, _, _, result| {
            assert!(result.is_ok());
            stopped.store(true, Ordering::Relaxed);
            done += 1;
            Ok(())
        },
        |_| {},
    );
    assert!(!is_done.unwrap());
    assert!((1..all).contains(&done), "{done}");
}

#[test]
fn a_failure_of_the_caller_or_the_model_ends_the_run() {
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let crew = crew(2, 4);
    let fails = |begin: bool| {
        let images = images(FOLDER);
        run(
            engine(&crew, &load, &stopped),
            |_| {
                if begin {
                    bail!("no");
                }
                Ok((Best, images))
            },
            |_, _, _, _| bail!("the disk is full"),
            |_| {},
        )
    };
    assert_eq!(fails(true).unwrap_err().to_string(), "no");
    assert_eq!(fails(false).unwrap_err().to_string(), "the disk is full");
    let missing = ModelSource::File(PathBuf::from("missing.pth"));
    let engine = Engine {
        source: &missing,
        ..engine(&crew, &load, &stopped)
    };
    let error = run(
        engine,
        |_| Ok((Best, Vec::new())),
        |_, _, _, _| Ok(()),
        |_| {},
    )
    .unwrap_err();
    assert!(error.to_string().contains("missing.pth"), "{error}");
}

#[test]
fn work_that_panics_is_the_end_of_an_image() {
    struct Panics;
    impl Work for Panics {
        type Found = ();
        type Done = ();
        fn keeps_photo(&self) -> bool {
            true
        }
        fn run(&self, _: &Model, images: &[Ready], _: usize) -> Vec<Result<(), String>> {
            vec![Ok(()); images.len()]
        }
        fn finish(&self, image: &Ready, (): ()) -> Result<(), String> {
            assert!(image.place != 1, "on purpose");
            Ok(())
        }
    }
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let crew = crew(1, 1);
    let mut failed = Vec::new();
    let is_done = run(
        engine(&crew, &load, &stopped),
        |_| Ok((Panics, images(FOLDER))),
        |_, place, _, result| {
            failed.extend(result.err().map(|reason| (place, reason)));
            Ok(())
        },
        |_| {},
    );
    assert!(is_done.unwrap());
    let [(1, reason)] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert!(reason.contains("please report it"), "{reason}");
}
