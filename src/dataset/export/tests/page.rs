//! The page, as text. What a browser makes of it is tested with the program.

use super::*;
use crate::dataset::confusion::Confusion;
use crate::dataset::export::report::{self, Picture, Report};
use crate::dataset::summary::Summary;

fn page(records: &[Record], pictures: usize) -> String {
    let facts = facts();
    let table = Table {
        model: Some(&facts),
        has_odd_paths: false,
    };
    let rows = || records.iter().map(Record::row);
    let confusion = Confusion::of_rows(rows());
    let summary = Summary::of(rows(), &confusion, &facts.labels, facts.classes);
    let report = Report {
        title: "photos <img src=x onerror=alert(1)>",
        queue: "all images, by name",
        table: &table,
        summary: &summary,
        confusion: &confusion,
        pictures,
        made_at: 1_700_000_000_000,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.html");
    let draw = |record: &Record| match record.score {
        Some(_) => Ok(vec![Picture {
            jpeg: vec![1, 2, 3],
            caption: "for \"cat\"".to_owned(),
            warning: None,
        }]),
        None => Err("it is <no> image".to_owned()),
    };
    report::write(
        &report,
        records,
        draw,
        Destination::new(&path, Existing::Kept),
    )
    .unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn hostile(folder: &Path) -> Vec<Record> {
    let mut all = records(folder);
    let (review, _) = all[0].said.as_mut().unwrap();
    review.verdict = Some(Arc::from("\" onmouseover=\"alert(1)"));
    review.tags = [Arc::from("</span><script>alert(1)</script>")].into();
    all[2].name = Arc::from("'><svg onload=alert(1)>.png");
    all
}

#[test]
fn nothing_from_outside_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    for pictures in [0, 3] {
        let page = page(&hostile(folder.path()), pictures);
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        for text in ["<svg", "<img src=x", "<b>dog", "<no>", "\" onmouseover=\""] {
            assert!(!page.contains(text), "{text}");
        }
        // The third of the best five, which only a card has.
        assert_eq!(page.contains("&lt;b&gt;dog&lt;/b&gt;"), pictures > 0);
        assert!(page.contains("photos &lt;img src=x"));
    }
}

#[test]
fn the_page_fetches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(&records(folder.path()), 3);
    for text in [
        "http:", "https:", "<link", "url(", "@import", "src=\"/", "href=",
    ] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("default-src 'none'; img-src data:;"));
}

#[test]
fn the_first_images_are_cards_and_the_others_rows() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(folder.path());
    let page = page(&records, 1);
    assert_eq!(page.matches("<article ").count(), 1);
    assert_eq!(page.matches("<tr data-verdict=").count(), 2);
    assert!(page.contains(
        "src=\"data:image/jpeg;base64,AQID\" alt=\"deep/a, b.png: for &quot;cat&quot;\""
    ));
    assert!(page.contains("data-verdict=\"wrong\" data-state=\"wrong\""));
    // The note keeps its lines.
    assert!(page.contains("&quot;quoted&quot;\nand &lt;script&gt;"));
    for words in [
        "2 images after those above",
        "anna, 2023-11-14 22:13 UTC",
        "<h2 id=\"confusion\">",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn of_many_classes_the_most_frequent_mistakes_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let many = |count: u32| {
        let one = |class: u32| Record {
            truth: Arc::from([class]),
            ..records(folder.path()).swap_remove(0)
        };
        page(&(0..count).map(one).collect::<Vec<_>>(), 0)
    };
    assert!(many(30).contains("class=\"matrix\""));
    let page = many(31);
    assert!(!page.contains("class=\"matrix\""));
    assert!(page.contains("The most frequent mistakes of 31 classes: 30 of 30"));
}
