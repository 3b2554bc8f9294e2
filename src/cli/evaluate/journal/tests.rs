use super::*;
use crate::explain::evaluate::Rules;
use crate::explain::options::Options;

fn header() -> Header {
    Header {
        gradcam: "0.1.0 abc".to_owned(),
        model: "best.pth 0123".to_owned(),
        preprocessing: "shorter side 256".to_owned(),
        device: "cpu".to_owned(),
        rules: Rules::default(),
        aug_smooth: false,
        eigen_smooth: false,
    }
}

fn task() -> Task {
    Task {
        layer: Some("layer4".to_owned()),
        options: Options::default(),
    }
}

fn pointing() -> MetricId {
    "pointing".parse().unwrap()
}

fn tallies() -> Vec<Tally> {
    let tally = |sum, cases| Tally { sum, cases };
    // Not exact in decimals.
    vec![tally(0.1 + 0.2, 3), tally(1.0 / 3.0, 1)]
}

/// A file with a header and one result.
fn written(path: &Path) {
    let mut journal = Journal::at(path, &header(), false).unwrap();
    journal
        .add("a.png", "id", &task(), pointing(), &tallies())
        .unwrap();
}

fn error(path: &Path, header: &Header) -> String {
    format!("{:#}", Journal::at(path, header, false).unwrap_err())
}

#[test]
fn a_result_is_read_back_to_the_last_bit_for_its_image_method_layer_and_metric_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/r.jsonl");
    written(&path);
    let journal = Journal::at(&path, &header(), false).unwrap();
    assert_eq!(journal.find("id", &task(), pointing()), Some(&tallies()));
    let other_layer = Task {
        layer: None,
        ..task()
    };
    assert_eq!(journal.find("other", &task(), pointing()), None);
    assert_eq!(journal.find("id", &other_layer, pointing()), None);
    assert_eq!(journal.find("id", &task(), "drop".parse().unwrap()), None);
}

#[test]
fn a_line_that_was_cut_off_is_taken_away_and_the_next_one_stands_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    written(&path);
    let whole = std::fs::read_to_string(&path).unwrap();
    for cut in [
        whole.len() - 1,
        whole.len() - 30,
        whole.lines().next().unwrap().len(),
        40,
    ] {
        std::fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
        let mut journal = Journal::at(&path, &header(), false).unwrap();
        assert_eq!(journal.find("id", &task(), pointing()), None, "{cut}");
        journal
            .add("a.png", "id", &task(), pointing(), &tallies())
            .unwrap();
        drop(journal);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "{cut}");
    }
}

#[test]
fn results_of_other_settings_are_refused_in_words_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    written(&path);
    let whole = std::fs::read_to_string(&path).unwrap();
    let changed = |change: fn(&mut Header)| {
        let mut header = header();
        change(&mut header);
        header
    };
    for (header, says) in [
        (
            changed(|h| h.model = "x".to_owned()),
            "are those of the model best.pth 0123;",
        ),
        (
            changed(|h| h.preprocessing = "x".to_owned()),
            "are those of another preprocessing (shorter side 256);",
        ),
        (
            changed(|h| h.device = "cuda:0".to_owned()),
            "are those of the device cpu;",
        ),
        (
            changed(|h| h.rules.tolerance = 15.0),
            "are those of other settings (--seed 0 --tolerance 0 --reject 0.5);",
        ),
        (
            changed(|h| h.eigen_smooth = true),
            "are those of other settings",
        ),
        (
            changed(|h| h.gradcam = "x".to_owned()),
            "are those of another build of gradcam",
        ),
    ] {
        let error = error(&path, &header);
        assert!(error.contains(says) && error.contains("--fresh"), "{error}");
        assert_ne!(
            header.file_name().unwrap(),
            super::tests::header().file_name().unwrap()
        );
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    let other = changed(|h| h.model = "x".to_owned());
    assert_eq!(Journal::at(&path, &other, true).unwrap().len(), 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn files_of_others_and_damaged_ones_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in ["my notes\n", "my notes", "{\"a\": 1}\n"] {
        std::fs::write(&path, text).unwrap();
        let error = error(&path, &header());
        assert!(
            error.contains("are not results of gradcam evaluate"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    std::fs::remove_file(&path).unwrap();
    written(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"id\":", "\"di\":")).unwrap();
    let error = error(&path, &header());
    assert!(error.contains("are damaged in line 2"), "{error}");
}

#[test]
fn two_runs_do_not_write_into_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    let first = Journal::at(&path, &header(), false).unwrap();
    let error = error(&path, &header());
    assert!(
        error.contains("are being written by another gradcam evaluate"),
        "{error}"
    );
    drop(first);
    assert_eq!(Journal::at(&path, &header(), false).unwrap().len(), 0);
}

#[test]
fn an_image_is_another_one_with_another_content_or_truth() {
    let object = Object {
        class: 1,
        bounds: None,
    };
    assert_eq!(image_id(b"a", &[object]), image_id(b"a", &[object]));
    assert_ne!(image_id(b"a", &[object]), image_id(b"b", &[object]));
    assert_ne!(image_id(b"a", &[object]), image_id(b"a", &[]));
}
