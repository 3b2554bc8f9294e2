//! `gradcam evaluate`: a run that is killed or stopped goes on where it was.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{gradcam, here};

/// Runs in a folder that is also where results are kept; the model and the truth are found from there.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = gradcam();
    command
        .arg("evaluate")
        .arg(here("assets/demo/images"))
        .args(arguments)
        .env("XDG_STATE_HOME", folder)
        .current_dir(folder);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a run says in files.
fn json(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let output = command(folder, arguments)
        .args(["--json", "out.json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(folder.join("out.json")).unwrap();
    (output, written)
}

/// The one file of results, when it has this many lines.
fn wait_for_lines(folder: &Path, lines: usize, child: &mut Child) {
    let start = Instant::now();
    loop {
        let files = std::fs::read_dir(folder.join("gradcam/evaluate"));
        let texts = files
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|file| std::fs::read_to_string(file.path()));
        if texts.map(|text| text.lines().count()).max().unwrap_or(0) >= lines {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended too early"
        );
        assert!(
            start.elapsed() < Duration::from_mins(4),
            "nothing was measured"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_what_an_unbroken_one_finds() {
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["--limit", "4", "--metrics", "pointing,deletion"];
    let (whole, expected) = json(unbroken.path(), &arguments);

    let mut child = command(broken.path(), &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The header and the first image.
    wait_for_lines(broken.path(), 3, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let (resumed, found) = json(broken.path(), &arguments);
    assert!(
        !text(&resumed.stderr).contains("; 0 are there already"),
        "{}",
        text(&resumed.stderr)
    );
    assert_eq!(found, expected);
    assert_eq!(text(&resumed.stdout), text(&whole.stdout));
    let (again, found) = json(broken.path(), &arguments);
    assert!(
        text(&again.stderr).contains("; 8 are there already"),
        "{}",
        text(&again.stderr)
    );
    assert_eq!(found, expected);
}

#[test]
fn control_c_says_where_the_results_are_and_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &["--metrics", "deletion"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_lines(folder.path(), 2, &mut child);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("stopped; what is done is kept in "), "{said}");
    assert!(said.contains("1 of 16 images: 01-butterfly.png"), "{said}");
}

#[test]
fn nonsense_is_a_usage_error_and_a_missing_folder_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let usage = command(folder.path(), &["--metrics", "size"])
        .output()
        .unwrap();
    assert_eq!(usage.status.code(), Some(2));
    let failure = command(folder.path(), &["no/such/folder"])
        .output()
        .unwrap();
    assert_eq!(failure.status.code(), Some(1));
    let said = text(&failure.stderr);
    assert!(
        said.contains("there is no file or folder no/such/folder"),
        "{said}"
    );
}
