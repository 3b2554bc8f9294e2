//! `gradcam explain`: files, JSON lines, exit codes.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::{gradcam, here};

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    gradcam()
        .arg("explain")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of standard output, each checked against the schema.
fn records(output: &Output) -> Vec<Value> {
    let schema = std::fs::read_to_string(here("tests/schema/explain.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    text(&output.stdout)
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            if let Err(error) = schema.validate(&record) {
                panic!("{error} at {} in {line}", error.instance_path());
            }
            record
        })
        .collect()
}

fn sample(name: &str) -> String {
    here("assets/demo/images")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// A table of float32 as NumPy saves it: shape and values.
fn npy(path: &str) -> (Vec<u64>, Vec<f32>) {
    let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    let shape = file.shape().to_vec();
    (shape, file.into_vec().unwrap())
}

#[test]
fn the_bundled_images_are_explained_from_any_folder() {
    let folder = tempfile::tempdir().unwrap();
    let images = here("assets/demo/images");
    let arguments = [
        images.to_str().unwrap(),
        "--top",
        "2",
        "--json",
        "--raw",
        "--out",
        "made/out",
    ];
    let output = explain(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let records = records(&output);
    assert_eq!(records.len(), std::fs::read_dir(images).unwrap().count());
    for record in &records {
        let explanations = record["explanations"].as_array().unwrap();
        assert_eq!(explanations.len(), 2);
        for explanation in explanations {
            let file = |name: &str| {
                let path = explanation["files"][name].as_str().unwrap();
                folder.path().join(path).to_str().unwrap().to_owned()
            };
            let overlay = image::open(file("overlay")).unwrap();
            assert_eq!((overlay.width(), overlay.height()), (448, 448));
            image::open(file("heatmap")).unwrap();
            let (shape, map) = npy(&file("map"));
            assert_eq!(shape, [112, 112]);
            assert!(map.iter().all(|value| (0.0..=1.0).contains(value)));
            let (shape, raw) = npy(&file("raw"));
            let grid: Vec<u64> = explanation["grid"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_u64().unwrap())
                .collect();
            assert_eq!(shape, grid);
            let peak = raw.iter().copied().fold(0.0, f32::max);
            assert!((f64::from(peak) - explanation["peak"].as_f64().unwrap()).abs() < 1e-5);
        }
    }
}

#[test]
fn the_bundled_model_sees_what_is_on_the_bundled_images() {
    let folder = tempfile::tempdir().unwrap();
    let images = here("assets/demo/images");
    let output = explain(folder.path(), &[images.to_str().unwrap(), "--json"]);
    let truth = std::fs::read_to_string(here("assets/demo/truth.csv")).unwrap();
    let mut objects = 0;
    for record in records(&output) {
        let name = Path::new(record["image"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let mut wanted: Vec<&str> = truth
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter(|columns| columns[0] == name)
            .map(|columns| columns[1])
            .collect();
        let mut found: Vec<&str> = record["predictions"].as_array().unwrap()[..wanted.len()]
            .iter()
            .map(|prediction| prediction["label"].as_str().unwrap())
            .collect();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "{name}");
        objects += wanted.len();
    }
    assert!(objects >= 16);
}

#[test]
fn one_bad_image_among_many_has_its_error_on_its_line_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.png"), b"no image").unwrap();
    let (first, last) = (sample("01-butterfly.png"), sample("04-house.png"));
    let output = explain(
        folder.path(),
        &[&first, "bad.png", "missing.png", &last, "--json"],
    );
    assert_eq!(output.status.code(), Some(1));
    let records = records(&output);
    let failed: Vec<bool> = records
        .iter()
        .map(|record| record.get("error").is_some())
        .collect();
    assert_eq!(failed, [false, true, true, false]);
    assert_eq!(records[1]["image"], "bad.png");
}

#[test]
fn classes_are_chosen_by_name_and_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("01-butterfly.png");
    let output = explain(
        folder.path(),
        &[
            "--img_src",
            &image,
            "--class",
            "umbrella",
            "--class",
            "2",
            "--json",
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let classes: Vec<u64> = records(&output)[0]["explanations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|explanation| explanation["class"].as_u64().unwrap())
        .collect();
    assert_eq!(classes, [11, 2]);
    for file in [
        "01-butterfly.umbrella.overlay.png",
        "01-butterfly.butterfly.heatmap.png",
    ] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    for (class, words) in [("unicorn", "unicorn"), ("12", "12 classes")] {
        let output = explain(folder.path(), &[&image, "--class", class]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(words),
            "{}",
            text(&output.stderr)
        );
    }
}

/// Columns, rows and the pixels of a picture.
fn picture(folder: &Path, record: &Value, kind: &str) -> image::RgbImage {
    let file = record["explanations"][0]["files"][kind].as_str().unwrap();
    image::open(folder.join(file)).unwrap().to_rgb8()
}

#[test]
fn two_classes_stand_side_by_side_on_one_scale_and_the_box_lies_on_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("16-mushroom-house.png");
    let arguments = [&image, "--beside", "next", "--box", "--json"];
    let record = &records(&explain(folder.path(), &arguments))[0];
    let explanation = &record["explanations"][0];
    assert_eq!(explanation["class"], record["predictions"][0]["class"]);
    assert_eq!(
        explanation["beside"]["class"],
        record["predictions"][1]["class"]
    );
    let (one, two) = (
        picture(folder.path(), record, "overlay"),
        picture(folder.path(), record, "beside"),
    );
    assert_eq!(two.height(), one.height());
    assert!(two.width() > 2 * one.width());
    let corners: Vec<u32> = explanation["box"]["image"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| u32::try_from(n.as_u64().unwrap()).unwrap())
        .collect();
    let [left, top, right, bottom] = corners[..] else {
        panic!("{corners:?}")
    };
    for (x, y) in [(left, top), (right - 1, top), (left, bottom - 1)] {
        assert_eq!(one.get_pixel(x, y).0, [255; 3], "the box at {x}, {y}");
    }
}

#[test]
fn how_the_classes_are_explained_is_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("01-butterfly.png");
    let arguments = [
        &image,
        "--class",
        "butterfly",
        "--versus",
        "umbrella",
        "--counterfactual",
        "--score",
        "probability",
        "--eigen-smooth",
        "--signed",
        "--scale",
        "0.5",
        "--json",
    ];
    let record = &records(&explain(folder.path(), &arguments))[0];
    let options = &record["options"];
    assert_eq!(options["method"], "grad-cam");
    assert_eq!(options["score"], "probability");
    assert_eq!(options["versus"]["label"], "umbrella");
    assert_eq!(options["counterfactual"], true);
    assert_eq!(options["eigen_smooth"], true);
    assert_eq!(options["aug_smooth"], false);
    assert_eq!(options["layers"].as_array().unwrap().len(), 1);
    // In words for people.
    let said = text(&explain(folder.path(), &arguments[..arguments.len() - 1]).stdout);
    for words in [
        "rather than umbrella",
        "counterfactual",
        "of the softmax probability",
        "eigen_smooth",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn a_scale_that_is_fixed_makes_the_same_number_the_same_color_on_every_image() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("01-butterfly.png");
    let brightest = |scale: &str| {
        let arguments = [&image, "--colormap", "grey", "--scale", scale, "--json"];
        let record = &records(&explain(folder.path(), &arguments))[0];
        let peak = record["explanations"][0]["peak"].as_f64().unwrap();
        let heatmap = picture(folder.path(), record, "heatmap");
        (
            peak,
            heatmap.pixels().map(|pixel| pixel.0[0]).max().unwrap(),
        )
    };
    let (peak, own) = brightest("own");
    // The epsilon of the scaling keeps it below one.
    assert!(own >= 254, "{own}");
    let (_, half) = brightest(&(peak * 2.0).to_string());
    // Upsampling may leave the peak between two pixels.
    assert!((110..=127).contains(&half), "{half}");
}

#[test]
fn the_methods_are_listed() {
    let output = gradcam().args(["methods", "--json"]).output().unwrap();
    let first = text(&output.stdout);
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["key"], "grad-cam");
}

#[test]
fn a_state_dict_of_the_users_own_is_explained_and_what_was_guessed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = here("assets/demo/model.safetensors");
    // The same weights without what the file says of itself.
    let bytes = std::fs::read(model).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let plain: PathBuf = folder.path().join("plain.safetensors");
    safetensors::serialize_to_file(tensors.tensors(), None, &plain).unwrap();
    let image = sample("01-butterfly.png");
    let plain = plain.to_str().unwrap();
    let output = explain(folder.path(), &[&image, "--model", plain]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("guessed"),
        "{}",
        text(&output.stdout)
    );
    let recipe = [
        "--squash",
        "112",
        "--mean",
        "0.66,0.64,0.62",
        "--std",
        "0.24,0.24,0.25",
        "--labels",
    ];
    let labels = here("assets/demo/classes.txt");
    let arguments = [
        &[&image, "--model", plain, "--json"],
        &recipe[..],
        &[labels.to_str().unwrap()],
    ]
    .concat();
    let output = explain(folder.path(), &arguments);
    assert_eq!(records(&output)[0]["predictions"][0]["label"], "butterfly");
}

#[test]
fn usage_errors_have_the_exit_code_two_and_runtime_errors_one() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(explain(folder.path(), &[]).status.code(), Some(2));
    let output = explain(folder.path(), &["x.png", "--model", "missing.pth"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "gradcam: cannot read the model missing.pth: there is no such file\n"
    );
}

#[test]
fn a_gpu_that_is_asked_for_and_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("01-butterfly.png");
    let output = explain(folder.path(), &[&image, "--device", "cuda:99"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("use --device cpu") || error.contains("there is no GPU 99"),
        "{error}"
    );
}
