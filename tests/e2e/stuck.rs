//! Files that do not answer, as on a network that is gone: here a pipe that nobody writes to.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::console::{Console, Kind, Line};
use crate::{gradcam, here, send};

/// Two images, and between them a file that does not answer.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in ["01-butterfly.png", "05-fish.png"] {
            std::fs::copy(here("assets/demo/images").join(name), folder.path(name)).unwrap();
        }
        let pipe = folder.path("03-stuck.jpg");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The first image is shown.
    fn open(&self, arguments: &[&str]) -> Console {
        // A pipe in a folder is no image; one that is named is what the user says.
        let images = ["01-butterfly.png", "03-stuck.jpg", "05-fish.png"];
        let state = self.path("state");
        let console = Console::open_in(
            Kind::Plain,
            (120, 36),
            Line::default(),
            &[&images[..], arguments].concat(),
            self.0.path(),
            &[("XDG_STATE_HOME", &state)],
        );
        console.wait("the first picture", |screen| {
            screen.contains("Grad-CAM") && screen.contains("1/3")
        });
        console
    }

    /// It answers, though not with an image.
    fn answer(&self) {
        let pipe = self.path("03-stuck.jpg");
        drop(std::fs::File::options().write(true).open(pipe).unwrap());
    }
}

fn quit(console: Console) {
    let since = Instant::now();
    console.press("q");
    let (status, _) = console.ended();
    assert!(status.success());
    let taken = since.elapsed();
    assert!(taken < Duration::from_secs(4), "it took {taken:?}");
}

#[test]
fn a_file_that_does_not_answer_is_named_and_all_else_goes_on() {
    let folder = Folder::new();
    let console = folder.open(&["--no-scoring"]);
    console.press("j");
    console.wait_for("03-stuck.jpg has not answered for 2 s; any other image can be looked at");
    // Time goes on.
    console.wait_for("03-stuck.jpg has not answered for 4 s");
    console.press("j");
    console.wait("the next image", |screen| {
        screen.contains("3/3")
            && screen.contains("fish")
            && !screen.contains("still")
            && !screen.contains("has not answered")
    });
    console.press("k");
    console.wait_for("03-stuck.jpg has not answered");
    folder.answer();
    console.wait("what it says", |screen| {
        screen.contains("03-stuck.jpg")
            && screen.contains("it is a pipe")
            && !screen.contains("has not answered")
    });
    console.press("k");
    console.wait("the first image", |screen| {
        screen.contains("1/3") && !screen.contains("still")
    });
    quit(console);
}

#[test]
fn a_folder_is_scored_around_a_file_that_does_not_answer() {
    let folder = Folder::new();
    let console = folder.open(&[]);
    console.wait("all others, and its name", |screen| {
        screen.contains("scored 2 of 3, 03-stuck.jpg has not answered for 1")
    });
    quit(console);
}

#[test]
fn an_export_names_a_file_that_does_not_answer_and_is_called_off() {
    let folder = Folder::new();
    let console = folder.open(&["--no-scoring", "--out", "."]);
    console.press("E\x15review.html\r");
    console.wait_for("1 of 3 images drawn · 03-stuck.jpg has not answered for 2 s");
    console.press("\x1b");
    console.wait_for("the export was called off");
    console.press("E\x15again.html\r");
    console.wait_for("1 of 3 images drawn");
    // The end of the program calls it off too.
    quit(console);
    let files = std::fs::read_dir(folder.0.path()).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["01-butterfly.png", "03-stuck.jpg", "05-fish.png", "state"]
    );
}

#[test]
fn a_command_that_waits_for_a_file_says_so_and_goes_on_when_it_answers() {
    let folder = Folder::new();
    let mut command = gradcam();
    command
        .args(["export", "05-fish.png", "03-stuck.jpg", "--out", "r.html"])
        .current_dir(folder.0.path())
        .env("XDG_STATE_HOME", folder.path("state"))
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = || said.next().unwrap().unwrap();
    while !said().contains("03-stuck.jpg has not answered for 5 s; waiting for it") {}
    folder.answer();
    while !said().contains("03-stuck.jpg: it is a pipe") {}
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let page = std::fs::read_to_string(folder.path("r.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 2);
}

#[test]
fn a_command_that_waits_for_a_file_ends_when_it_is_asked_again() {
    let folder = Folder::new();
    let mut command = gradcam();
    command
        .args(["explain", "05-fish.png", "03-stuck.jpg", "--out", "maps"])
        .current_dir(folder.0.path())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    while !said.next().unwrap().unwrap().contains("03-stuck.jpg") {}
    send("-TERM", &child);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(child.try_wait().unwrap().is_none(), "it waits for the file");
    send("-TERM", &child);
    let since = Instant::now();
    let mut ended = None;
    while ended.is_none() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
        ended = child.try_wait().unwrap();
    }
    drop(child.kill());
    assert_eq!(ended.and_then(|status| status.code()), Some(128 + 15));
}
