use std::path::Path;

use clap::Parser;
use serde_json::Value;

use super::*;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/images");

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    evaluate: EvaluateArguments,
}

fn parsed(arguments: &[&str]) -> Result<EvaluateSettings, String> {
    Arguments::try_parse_from([&["gradcam"], arguments].concat())
        .map(|arguments| arguments.evaluate.settings(&Hub::default()))
        .map_err(|error| error.to_string())
}

pub(super) fn settings(arguments: &[&str]) -> EvaluateSettings {
    parsed(arguments).unwrap()
}

fn evaluated(arguments: &[&str]) -> Result<(bool, String)> {
    let mut out = Vec::new();
    let well = evaluate(&settings(arguments), &AtomicBool::new(false), &mut out)?;
    Ok((well, String::from_utf8(out).unwrap()))
}

fn keys(metrics: &[MetricId]) -> Vec<&'static str> {
    metrics.iter().map(|id| id.metric().key).collect()
}

#[test]
fn methods_and_metrics_are_lists_and_all_means_all() {
    let plain = settings(&["photos"]);
    assert_eq!(plain.methods, [MethodId::default()]);
    assert_eq!(plain.metrics, MetricId::all().collect::<Vec<_>>());
    assert!(plain.any_metric && !plain.any_method);
    let some = settings(&[
        "photos",
        "--metrics",
        "drop,road",
        "--metrics",
        "drop",
        "--method",
        "all",
    ]);
    assert_eq!(keys(&some.metrics), ["drop", "road"]);
    assert!(some.any_method && !some.any_metric);
    assert_eq!(some.methods, MethodId::all().collect::<Vec<_>>());
    let layers = settings(&["photos", "--layer", "layer2", "--layer", "layer3"]);
    assert_eq!(layers.layers, ["layer2", "layer3"]);
    assert_eq!(layers.load.layer.as_deref(), Some("layer2"));
}

#[test]
fn nonsense_is_a_usage_error_that_says_what_there_is() {
    for (arguments, says) in [
        (&[][..], "PATH"),
        (
            &["x", "--metrics", "size"],
            "there are pointing, localization",
        ),
        (&["x", "--method", "no-cam"], "there are grad-cam"),
        (&["x", "--limit", "0"], "1.."),
        (&["x", "--tolerance", "far"], "a number of pixels"),
        (&["x", "--reject", "2"], "from 0 to 1"),
    ] {
        let error = parsed(arguments).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn results_are_kept_where_programs_keep_their_state() {
    let folder = |xdg: &str, home: &str| {
        state_folder(|name| match name {
            "XDG_STATE_HOME" => (!xdg.is_empty()).then(|| xdg.to_owned()),
            "HOME" => (!home.is_empty()).then(|| home.to_owned()),
            _ => None,
        })
    };
    assert_eq!(folder("/s", "/h"), Some(PathBuf::from("/s")));
    assert_eq!(
        folder("relative", "/h"),
        Some(PathBuf::from("/h/.local/state"))
    );
    assert_eq!(folder("", ""), None);
}

#[test]
fn a_limit_takes_images_from_the_whole_list() {
    let images = |limit| {
        let found = scan(&[PathBuf::from(SAMPLES)], settings(&["x"]).scan).unwrap();
        let spread = spread(found.images, limit);
        spread
            .iter()
            .map(|image| image.id.0)
            .collect::<Vec<usize>>()
    };
    assert_eq!(images(Some(4)), [0, 4, 8, 12]);
    assert_eq!(images(Some(3)), [0, 5, 10]);
    assert_eq!(images(None).len(), 16);
    assert_eq!(images(Some(99)).len(), 16);
}

#[test]
fn without_truth_what_needs_it_is_left_out_with_a_reason_or_refused_where_it_was_asked_for() {
    let chosen = |arguments: &[&str], truth: Option<&Truth>| {
        let mut notes = Vec::new();
        metrics(&settings(arguments), truth, &mut notes).map(|metrics| (keys(&metrics), notes))
    };
    let (kept, notes) = chosen(&["x"], None).unwrap();
    assert_eq!(
        kept,
        ["drop", "deletion", "road", "occlusion", "randomization"]
    );
    assert_eq!(notes.len(), 2);
    assert_eq!(
        notes[0],
        "pointing is left out: the classes of the images are not known; --truth FILE tells them"
    );
    let mut of_folders = Truth::default();
    of_folders.source = "the names of the folders".to_owned();
    let (kept, notes) = chosen(&["x"], Some(&of_folders)).unwrap();
    assert_eq!((kept[0], kept.len()), ("localization", 6));
    assert_eq!(
        notes,
        ["pointing is left out: the ground truth, the names of the folders, has no boxes"]
    );
    let error = chosen(&["x", "--metrics", "pointing"], None).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("pointing cannot be measured: "),
        "{error}"
    );
}

#[test]
fn a_table_beside_the_images_is_used_where_it_fits_and_a_named_one_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("images")).unwrap();
    std::fs::write(at("images/a.png"), b"").unwrap();
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
    let classes = Classes::new(&model.labels().all(model.summary().classes));
    let (images, table) = (at("images"), at("truth.csv"));
    let found = |arguments: &[&str]| {
        let settings = settings(arguments);
        let scanned = scan(&settings.paths, settings.scan).unwrap();
        let mut notes = Vec::new();
        let named = settings.truth.as_deref();
        let truth = Truth::find(
            named,
            &settings.paths,
            &scanned.images,
            &classes,
            &mut notes,
        );
        truth.map(|truth| (truth.map(|truth| truth.source), notes))
    };
    assert_eq!(found(&[&images]).unwrap(), (None, Vec::new()));
    std::fs::write(&table, "a.png,star\n").unwrap();
    for named in [&images, &at("images/a.png"), &at("images/.")] {
        let (source, notes) = found(&[named]).unwrap();
        assert_eq!((source, notes.len()), (Some(table.clone()), 0), "{named}");
    }
    std::fs::write(at("images/truth.csv"), "a.png,apple\n").unwrap();
    assert_eq!(
        found(&[&at("images/a.png")]).unwrap().0,
        Some(at("images/truth.csv"))
    );
    std::fs::remove_file(at("images/truth.csv")).unwrap();
    std::fs::write(&table, "a.png,zebra\n").unwrap();
    let (source, notes) = found(&[&images]).unwrap();
    assert_eq!((source, notes.len()), (None, 1));
    assert!(notes[0].contains("fits none of the images"), "{}", notes[0]);
    assert!(found(&[&images, "--truth", &table]).is_err());
}

fn figures(json: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(json).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    document["figures"].as_array().unwrap().clone()
}

#[test]
fn the_bundled_images_are_measured_and_a_run_that_lost_its_end_goes_on_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |results: &str, name: &str| {
        let (results, json, csv) = (
            at(results),
            at(&format!("{name}.json")),
            at(&format!("{name}.csv")),
        );
        evaluated(&[
            SAMPLES,
            "--limit",
            "3",
            "--metrics",
            "pointing,localization,drop",
            "--layer",
            "layer3",
            "--layer",
            "layer2",
            "--results",
            &results,
            "--json",
            &json,
            "--csv",
            &csv,
        ])
        .unwrap()
    };
    let (well, printed) = run("whole.jsonl", "whole");
    assert!(well && printed.contains("pointing game % ↑"), "{printed}");
    let whole = std::fs::read_to_string(at("whole.jsonl")).unwrap();
    // A header, and 3 images by 2 layers by 3 metrics.
    assert_eq!(whole.lines().count(), 1 + 18);
    let figures = figures(Path::new(&at("whole.json")));
    assert_eq!(figures.len(), 2 * 9);
    assert_eq!(figures[0]["figure"], "pointing");
    assert_eq!(figures[0]["images"], 3);

    // The machine dies in the middle of a line.
    let cut = whole.len() * 2 / 5;
    std::fs::write(at("cut.jsonl"), &whole.as_bytes()[..cut]).unwrap();
    let again = run("cut.jsonl", "again");
    assert_eq!(again, (well, printed.clone()));
    for kind in ["json", "csv"] {
        let file = |name: &str| std::fs::read_to_string(at(&format!("{name}.{kind}"))).unwrap();
        assert_eq!(file("whole"), file("again"));
    }
    assert_eq!(std::fs::read_to_string(at("cut.jsonl")).unwrap(), whole);

    // With everything there nothing is measured, and the same is said.
    assert_eq!(run("whole.jsonl", "third"), (well, printed));
    assert_eq!(std::fs::read_to_string(at("whole.jsonl")).unwrap(), whole);
}

#[test]
fn an_image_that_cannot_be_read_is_said_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("broken.png"), b"no image").unwrap();
    std::fs::copy(format!("{SAMPLES}/04-house.png"), at("house.png")).unwrap();
    let (json, results) = (at("out.json"), at("r.jsonl"));
    let arguments = [
        &at(""),
        "--metrics",
        "drop",
        "--json",
        &json,
        "--results",
        &results,
    ];
    let (well, _) = evaluated(&arguments).unwrap();
    assert!(!well);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(document["images"], 1);
    let failure = document["failures"][0].as_str().unwrap();
    assert!(failure.contains("broken.png is not an image"), "{failure}");
}

#[test]
fn a_layer_without_a_map_ends_the_run_and_so_does_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("r.jsonl");
    let results = results.to_str().unwrap();
    let error = evaluated(&[SAMPLES, "--layer", "fc", "--results", results]).unwrap_err();
    assert!(format!("{error:#}").contains("layer fc"), "{error:#}");
    let mut out = Vec::new();
    let settings = settings(&[SAMPLES, "--results", results]);
    assert!(!evaluate(&settings, &AtomicBool::new(true), &mut out).unwrap());
    assert!(out.is_empty());
}
