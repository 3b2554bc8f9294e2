//! Files of FiftyOne 1.22.1, made by `tests/golden/truth.py`, and broken ones.

use image::{ImageFormat, RgbImage};

use super::formats::{error, plain_object, read};
use super::*;

fn golden(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("tests/golden/truth").join(name)).unwrap()
}

/// The images of the golden files: a photo that is turned, one of 200 x 100 pixels, and none.
fn case() -> Case {
    let case = Case::new(&["data/a.jpg", "data/b.v2.png", "data/c.png"]);
    let encoded = |width, height, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = RgbImage::new(width, height);
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let jpeg = encoded(80, 160, ImageFormat::Jpeg);
    // APP1 with one little-endian TIFF entry: orientation (0x0112) 6, a quarter turn clockwise.
    let exif: &[u8] =
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    std::fs::write(&case.images[0].path, turned).unwrap();
    let png = encoded(200, 100, ImageFormat::Png);
    std::fs::write(&case.images[1].path, png).unwrap();
    case
}

#[test]
fn exports_of_fiftyone_say_the_classes_of_their_images() {
    let case = case();
    let classes = [
        vec![plain_object(0)],
        vec![plain_object(1), plain_object(0)],
        vec![],
    ];
    for name in ["samples.json", "labels.json", "numbered.json"] {
        let (objects, notes) = read(&case, name, &golden(name));
        assert_eq!(objects, classes, "{name}");
        assert_eq!(notes, ["1 image has no row: data/c.png"], "{name}");
    }
}

#[test]
fn boxes_of_fiftyone_are_shares_of_the_image_after_its_orientation() {
    let case = case();
    for name in ["detected.json", "boxes.json"] {
        let (objects, notes) = read(&case, name, &golden(name));
        let first = [
            object(0, [40.0, 40.0, 80.0, 20.0]),
            object(1, [-20.0, 0.0, 80.0, 80.0]),
        ];
        assert_eq!(objects[0], first, "{name}");
        assert_eq!(objects[1], [object(1, [20.0, 20.0, 60.0, 40.0])], "{name}");
        assert_eq!(
            notes.last().unwrap(),
            "1 image has no row: data/c.png",
            "{name}"
        );
    }
    let (_, notes) = read(&case, "detected.json", &golden("detected.json"));
    assert_eq!(
        notes[0],
        "its samples have no ground_truth; objects is taken for it"
    );
}

#[test]
fn of_several_fields_that_may_be_the_truth_none_is_guessed() {
    let case = case();
    let of_two = golden("samples.json").replace("ground_truth", "labels");
    assert_eq!(
        error(&case, "t.json", &of_two),
        ": its samples have no ground_truth, and several fields may be it: labels, predictions; rename the right one to ground_truth and export again"
    );
    let of_none = "{\"samples\": [{\"filepath\": \"a.jpg\", \"x\": {\"_cls\": \"Heatmap\"}, \"ground_truth\": null}]}";
    assert_eq!(
        error(&case, "t.json", of_none),
        ": its samples have no ground_truth, and no other field with a Classification, Classifications, Detection or Detections"
    );
    assert_eq!(
        error(&case, "t.json", "{\"samples\": []}"),
        " fits none of the images: it has no rows"
    );
}

#[test]
fn an_export_that_is_broken_in_places_is_used_where_it_is_not() {
    let case = case();
    let label = |label: &str| {
        format!("{{\"filepath\": \"/elsewhere/data/../data/a.jpg\", \"ground_truth\": {label}}}")
    };
    let bounds = |bounds: &str| {
        format!(
            "{{\"filepath\": \"c.png\", \"ground_truth\": {{\"_cls\": \"Detection\", \"label\": \"wren\", \"bounding_box\": {bounds}}}}}"
        )
    };
    let samples = [
        "{\"filepath\": \"a.jpg\", \"ground_truth\": {\"_cls\": \"Classification\", \"label\": \"wren\"}}".to_owned(),
        "7".to_owned(),
        "{\"filepath\": [\"a.jpg\"], \"ground_truth\": 1}".to_owned(),
        label("\"wren\""),
        label("{\"_cls\": [\"Detection\"]}"),
        label("{\"_cls\": \"Segmentation\", \"mask\": {}}"),
        label("{\"_cls\": \"Detections\", \"detections\": {\"label\": \"wren\"}}"),
        label("{\"_cls\": \"Detections\"}"),
        label("{\"_cls\": \"Classifications\", \"classifications\": [[], {}, {\"label\": null}, true]}"),
        label("{\"_cls\": \"Classification\", \"label\": \"wren\"}"),
        bounds("[0.1, 0.1, 0.5, 0.5]"),
        bounds("[0.1, 0.1, 0.5]"),
        bounds("\"0.1, 0.1, 0.5, 0.5\""),
        bounds("[0.1, 0.1, {\"$numberDouble\": \"NaN\"}, 0.5]"),
        bounds("[0.1, 0.1, 0, 0.5]"),
        bounds("[10, 20, 300, 400]"),
        bounds("[0, 0, 1.7e308, 1.7e308]"),
        bounds("[-1.7e308, 0, 1.7e308, 1]"),
    ];
    let text = format!("{{\"samples\": [{}]}}", samples.join(",\n"));
    let (objects, notes) = read(&case, "t.json", &text);
    assert_eq!(objects, [vec![plain_object(0)], vec![], vec![]]);
    assert_eq!(
        notes,
        [
            "1 row of images that were not given; 1 of them is not there at all: /elsewhere/data/../data/a.jpg",
            "1 row left out, because it is no JSON object: sample 2",
            "4 rows left out, because it names no class: sample 9, sample 9, sample 9, sample 9",
            "1 row left out, because it names no file: sample 3",
            "1 row left out, because its box is in shares of the image, whose size cannot be read: sample 11",
            "4 rows left out, because its box is not four numbers with a positive width and height: sample 12, sample 13, sample 14, sample 15",
            "3 rows left out, because its box is not in shares of the image, from 0 to 1: sample 16, sample 17, sample 18",
            "1 row left out, because its field has no list of labels: sample 7",
            "3 rows left out, because its field is no Classification, Classifications, Detection or Detections: sample 4, sample 5, sample 6",
            "2 images have no row: data/b.v2.png, data/c.png",
        ]
    );
    let numbers = "{\"classes\": [\"wren\", 1, null], \"labels\": {\"a\": [0, 1, 2, 3, -1, 0.5, 1e300, {\"label\": 0, \"bounding_box\": null}]}}";
    let (objects, notes) = read(&case, "t.json", numbers);
    assert_eq!(objects[0], [plain_object(0), plain_object(1)], "{notes:?}");
    assert_eq!(
        notes[1..3],
        [
            "1 row left out, because it names no class: entry 1",
            "4 rows left out, because its number is that of none of the classes in the file: entry 1, entry 1, entry 1, entry 1",
        ]
    );
    // Classes that are no list name nothing: numbers are the model's.
    let without = "{\"classes\": \"wren\", \"labels\": {\"a\": 1}}";
    assert_eq!(read(&case, "t.json", without).0[0], [plain_object(1)]);
}

#[test]
fn an_export_that_is_no_json_or_too_deep_is_refused_in_words() {
    let case = case();
    let deep = "[".repeat(100_000);
    for (text, expected) in [
        (
            format!("{{\"samples\": [{{\"ground_truth\": {deep}"),
            "it is no JSON: recursion limit exceeded",
        ),
        (
            format!("{{\"labels\": {{\"a\": {deep}"),
            "it is no JSON: recursion limit exceeded",
        ),
        (
            "{\"labels\": {\"a\": NaN}}".to_owned(),
            "it is no JSON: expected value",
        ),
        (
            "{\"labels\": {\"a\": {\"label\": 1e999}}}".to_owned(),
            "it is no JSON: number out of range",
        ),
        (
            "{\"labels\": {\"a\": ".to_owned(),
            "it is no JSON: EOF while parsing",
        ),
    ] {
        let error = error(&case, "t.json", &text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_map_of_files_with_the_names_of_an_export_is_still_one() {
    let case = Case::new(&["samples.png", "labels.png"]);
    let (objects, _) = read(&case, "t.json", "{\"samples\": [\"wren\"], \"labels\": 1}");
    assert_eq!(objects, [[plain_object(0)], [plain_object(1)]]);
}

#[test]
fn a_character_that_is_wrong_anywhere_never_ends_the_reading() {
    let mut read = 0;
    for name in ["samples.json", "numbered.json", "boxes.json"] {
        let whole = golden(name);
        for at in 0..whole.len() {
            for wrong in ["{", "]", "\"", "9", "e999", "null"] {
                let mut text = whole.clone();
                text.replace_range(at..=at, wrong);
                read += usize::from(super::super::json::listing(&text).is_ok());
            }
        }
    }
    assert!(read > 1000, "{read} were still read");
}
