//! `gradcam doctor`: in a terminal and without one, as text and as JSON.

use std::process::Output;

use serde_json::Value;

use crate::console::{Console, Kind, contains};
use crate::inline::FOOT;
use crate::{gradcam, here};

fn doctor(arguments: &[&str]) -> Output {
    gradcam().arg("doctor").args(arguments).output().unwrap()
}

#[test]
fn without_a_terminal_it_says_so_and_tells_the_rest() {
    let output = doctor(&["--json"]);
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = std::fs::read_to_string(here("tests/schema/doctor.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    if let Err(error) = schema.validate(&report) {
        panic!("{error} at {} in {report}", error.instance_path());
    }
    let reason = report["terminal"]["why_not_asked"].as_str().unwrap();
    assert_eq!(reason, "the output does not go to a terminal");
    assert!(report["libtorch"]["folder"].is_string());
    assert!(report["bundled_model"]["device"].is_string());
    let text = String::from_utf8(doctor(&[]).stdout).unwrap();
    assert!(text.contains(reason) && text.contains("libtorch"), "{text}");
}

#[test]
fn in_a_terminal_it_tells_what_was_answered_and_leaves_the_terminal_as_it_was() {
    let console = Console::open(Kind::Cells(FOOT), &["doctor"], &here(""));
    let bytes = console.wait_bytes("the report", |bytes| {
        contains(bytes, b"that is needed works.")
    });
    let text = String::from_utf8_lossy(&bytes);
    for part in [
        "Sixel (--graphics sixel)",
        "62;4;22   [ESC [c]",
        "9x18   [ESC [16t]",
        "100x30 cells of 9x18 pixels",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(console.ended().0.success());
}
