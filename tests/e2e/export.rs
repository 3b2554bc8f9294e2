//! `gradcam export`: a review that was kept, read back by other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use gradcam::dataset::review::Review;
use gradcam::dataset::store::{Change, Place, Recorded, Store, Version};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{gradcam, here};

const NOTE: &str = "the sail,\nnot the \"boat\" <script>window.ran = 1</script><img src=x onerror='window.ran = 2'>";

/// Images with a truth beside them, one of which is no image and one of which has a wrong label;
/// and a place for what is kept.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    /// All is scored, and two images have a review.
    pub(crate) fn reviewed() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let photos = desk.at("photos");
        std::fs::create_dir(&photos).unwrap();
        for number in [
            "01-butterfly",
            "02-sailboat",
            "03-apple-umbrella",
            "14-star",
        ] {
            let name = format!("{number}.png");
            let from = here("assets/demo/images").join(&name);
            std::fs::copy(from, photos.join(name)).unwrap();
        }
        std::fs::write(photos.join("bad.png"), "no image").unwrap();
        let truth = std::fs::read_to_string(here("assets/demo/truth.csv")).unwrap();
        let truth = truth.replace("01-butterfly.png,butterfly", "01-butterfly.png,house");
        std::fs::write(photos.join("truth.csv"), truth).unwrap();
        let output = desk.export(&["--score", "--out", "first.csv"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("bad.png"), "{}", said(&output));
        desk.review("02-sailboat.png", "wrong", NOTE, &["blur", "sea"]);
        desk.review("14-star.png", "unsure", "", &[]);
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn review(&self, image: &str, verdict: &str, note: &str, tags: &[&str]) {
        let place = Place::new(&[self.at("photos")], None, Some(&self.at("state"))).unwrap();
        let change = Change {
            image: place.key(&self.at("photos").join(image)),
            expected: Version::NONE,
            review: Review {
                verdict: Some(Arc::from(verdict)),
                note: Arc::from(note),
                tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
            },
        };
        let kept = Store::open(&place, "anna").unwrap().record(&[change]);
        assert!(matches!(kept.unwrap(), Recorded::Kept(_)));
    }

    fn command(&self) -> Command {
        let mut command = gradcam();
        command
            .arg("export")
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.at("state"));
        command
    }

    fn export(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.arg("photos").args(arguments).output().unwrap()
    }

    pub(crate) fn exported(&self, arguments: &[&str]) {
        let output = self.export(arguments);
        assert!(output.status.success(), "{}", said(&output));
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.exported(&[arguments, &["--out", "r.jsonl", "--force"]].concat());
        let text = std::fs::read_to_string(self.at("r.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn images(&self, arguments: &[&str]) -> Vec<String> {
        let lines = self.lines(arguments);
        let image = |line: &Value| line["image"].as_str().unwrap().to_owned();
        lines.iter().map(image).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a script; nothing where there is no Python with pandas and pyarrow.
fn python(script: &Path, arguments: &[&str]) -> Option<Output> {
    let imports = ["-c", "import pandas, pyarrow"];
    let has_both = Command::new("python3").args(imports).output();
    if !has_both.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut command = Command::new("python3");
    Some(command.arg(script).args(arguments).output().unwrap())
}

#[test]
fn a_review_is_a_table_without_the_model_at_hand() {
    let desk = Desk::reviewed();
    let schema = std::fs::read_to_string(here("tests/schema/review.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let lines = desk.lines(&[]);
    assert_eq!(lines.len(), 5);
    for line in &lines {
        if let Err(error) = schema.validate(line) {
            panic!("{error} at {} in {line}", error.instance_path());
        }
    }
    let (butterfly, sailboat, bad) = (&lines[0], &lines[1], &lines[4]);
    assert_eq!(butterfly["path"], "photos/01-butterfly.png");
    assert_eq!(butterfly["label"], "butterfly");
    assert_eq!(butterfly["true_labels"], json!(["house"]));
    assert_eq!(butterfly["right"], false);
    assert_eq!(sailboat["verdict"], "wrong");
    assert_eq!(sailboat["note"], NOTE);
    assert_eq!(sailboat["tags"], json!(["blur", "sea"]));
    assert_eq!(sailboat["reviewer"], "anna");
    assert_eq!(
        (&bad["scored"], &bad["label"]),
        (&json!(false), &Value::Null)
    );
    assert!(bad["unreadable"].as_str().unwrap().contains("bad.png"));
    // Another size or time is another file.
    std::fs::copy(
        here("assets/demo/images/10-tree.png"),
        desk.at("photos/14-star.png"),
    )
    .unwrap();
    assert_eq!(
        desk.lines(&["--filter", "verdict:unsure"])[0]["scored"],
        false
    );
}

#[test]
fn a_queue_is_what_the_filter_and_the_order_say() {
    let desk = Desk::reviewed();
    assert_eq!(desk.images(&["--filter", "wrong"]), ["01-butterfly.png"]);
    assert_eq!(desk.images(&["--filter", "tag:sea"]), ["02-sailboat.png"]);
    assert_eq!(
        desk.images(&["--filter", "verdict:any", "--order", "-name"]),
        ["14-star.png", "02-sailboat.png"]
    );
    assert_eq!(desk.images(&["--order", "-loss"])[0], "01-butterfly.png");
    let mine = ["--filter", "verdict:any", "--reviewer", "ben"];
    assert_eq!(desk.images(&mine), [""; 0]);
    let output = desk.export(&["--filter", "conf>", "--out", "x.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("column"), "{}", said(&output));
    assert!(!desk.at("x.csv").exists());
}

#[test]
fn pandas_and_pyarrow_read_the_same_from_all_tables() {
    let desk = Desk::reviewed();
    for name in ["r.csv", "r.jsonl", "r.parquet"] {
        desk.exported(&["--out", name]);
    }
    let folder = desk.folder.path().to_str().unwrap();
    match python(&here("tests/e2e/export.py"), &[folder, "5"]) {
        None => println!("skipped: no python3 with pandas and pyarrow"),
        Some(output) => {
            assert!(output.status.success(), "{}", said(&output));
            println!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn overlays_are_written_once_and_replaced_when_told_to() {
    let desk = Desk::reviewed();
    let arguments = ["--format", "png", "--out", "made/pictures"];
    let output = desk.export(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("bad.png"), "{}", said(&output));
    let mut names: Vec<String> = std::fs::read_dir(desk.at("made/pictures"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 5, "{names:?}");
    // Of a mistake the true class too.
    assert_eq!(
        names[..2],
        [
            "01-butterfly.butterfly.overlay.png",
            "01-butterfly.house.overlay.png"
        ]
    );
    let overlay = image::open(desk.at("made/pictures").join(&names[0])).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (448, 448));
    let again = desk.export(&arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("is there already; --force replaces it"));
    let forced = ["--filter", "verdict:any", "--force"];
    desk.exported(&[&arguments[..], &forced[..]].concat());
}

#[test]
fn an_export_says_what_it_lacks() {
    let desk = Desk::reviewed();
    let fails = |arguments: &[&str], code, words: &str| {
        let output = desk.export(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    };
    fails(&["--out", "first.csv"], 1, "--force replaces it");
    fails(&["--out", "review.xlsx"], 2, "end it in .csv");
    fails(
        &["--out", "x.csv", "--order", "size"],
        2,
        "there is no order",
    );
    fails(
        &["--out", "x.csv", "--review", "no.sqlite"],
        1,
        "there is no review",
    );
    // Another preprocessing is another model to the scores.
    desk.export(&["--score", "--crop", "96", "--out", "second.csv"]);
    fails(&["--out", "x.csv"], 1, "there are scores of 2 models");
    let elsewhere = here("assets/demo/images");
    let output = desk
        .command()
        .arg(&elsewhere)
        .args(["--out", "x.csv"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("16 of 16 images are not scored"));
    let output = desk
        .command()
        .arg(&elsewhere)
        .args(["--out", "y.csv", "--truth", "no.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("cannot read the ground truth no.csv"));
    let begun = std::fs::read_dir(desk.at("state/gradcam/reviews")).unwrap();
    let stores = begun.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".sqlite")
    });
    assert_eq!(stores.count(), 1, "an export begins no store");
}

#[test]
fn a_page_opens_in_a_browser_without_a_network() {
    let desk = Desk::reviewed();
    let output = desk.export(&["--order", "-loss", "--pictures", "4", "--out", "r.html"]);
    assert!(output.status.success(), "{}", said(&output));
    let Some(mut browser) = Browser::open(desk.folder.path(), &desk.at("r.html")) else {
        println!("skipped: no Chromium");
        return;
    };
    let mut number = |expression: &str| browser.evaluate(expression).as_u64().unwrap();
    assert_eq!(number("document.querySelectorAll('article').length"), 4);
    assert_eq!(
        number("document.querySelectorAll('tr[data-verdict]').length"),
        1
    );
    // Four photos, their overlays, and one of the true class of a mistake.
    assert_eq!(number("document.images.length"), 9);
    let decoded = "Promise.all([...document.images].map((image) => image.decode()))
        .then(() => [...document.images].filter((image) => image.naturalWidth === 352).length)";
    assert_eq!(number(decoded), 9);
    assert_eq!(
        number("[...document.images].filter((image) => image.alt === '').length"),
        0
    );
    let filtered = |verdict: &str, state: &str, text: &str| {
        format!(
            "(() => {{ const form = document.forms[0];
             form.elements.verdict.value = '{verdict}'; form.elements.state.value = '{state}';
             form.elements.text.value = '{text}';
             form.dispatchEvent(new Event('input'));
             return [...document.querySelectorAll('[data-verdict]')]
                 .filter((item) => item.offsetParent !== null).length; }})()"
        )
    };
    assert_eq!(number(&filtered("", "", "")), 5);
    assert_eq!(number(&filtered("=wrong", "", "")), 1);
    assert_eq!(number(&filtered("=", "", "")), 3);
    assert_eq!(number(&filtered("", "wrong", "")), 1);
    assert_eq!(number(&filtered("", "", "sailboat sea")), 1);
    assert_eq!(number(&filtered("", "", "SAIL, nothing")), 0);
    assert_eq!(browser.evaluate("typeof window.ran"), "undefined");
    let note = browser.evaluate("document.querySelector('blockquote').textContent");
    assert_eq!(note, NOTE);
    for event in &browser.events {
        let method = event["method"].as_str().unwrap_or_default();
        let is_error = method == "Runtime.exceptionThrown"
            || (method == "Log.entryAdded" && event["params"]["entry"]["level"] == "error")
            || (method == "Runtime.consoleAPICalled" && event["params"]["type"] == "error");
        assert!(!is_error, "{event}");
        if method == "Network.requestWillBeSent" {
            let url = event["params"]["request"]["url"].as_str().unwrap();
            assert!(
                url.starts_with("file:") || url.starts_with("data:"),
                "{url}"
            );
        }
    }
}
