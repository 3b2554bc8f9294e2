//! JSON, COCO and ImageNet's files.

use super::*;

/// Objects by image, and the notes without the name of the file.
pub(super) fn read(case: &Case, name: &str, text: &str) -> (Vec<Vec<Object>>, Vec<String>) {
    let truth = case
        .open_as(name, text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let objects = case.images.iter().map(|image| truth.of(image.id).to_vec());
    let without = |note: &String| note.split_once(": ").unwrap().1.to_owned();
    (objects.collect(), truth.notes.iter().map(without).collect())
}

pub(super) fn error(case: &Case, name: &str, text: &str) -> String {
    let error = case.open_as(name, text).unwrap_err().to_string();
    error.split_once(name).unwrap().1.to_owned()
}

pub(super) fn plain_object(class: usize) -> Object {
    Object {
        class,
        bounds: None,
    }
}

#[test]
fn json_says_what_tables_say() {
    let case = Case::new(&["a.png", "sub/b.png"]);
    let first = vec![object(0, [1.0, 2.0, 3.0, 4.0]), plain_object(1)];
    let second = vec![object(0, [5.0, 6.0, 7.0, 8.0])];
    for (name, text) in [
        (
            "t.jsonl",
            "{\"file\": \"a.png\", \"objects\": [{\"class\": \"wren\", \"bbox\": [1, 2, 3, 4]}, {\"class\": 1}]}\n\n\
             {\"path\": \"sub/b.png\", \"label\": \"WREN\", \"bbox\": [5, 6, 7, 8.0]}\n",
        ),
        (
            "t.txt",
            "{\"file_name\": \"a\", \"detections\": [{\"label\": 0.0, \"xmin\": 1, \"ymin\": 2, \"xmax\": 4, \"ymax\": 6}, {\"label\": \"tiger_cat\", \"bbox\": null}]}\r\n\
             {\"image\": \"sub\\\\b.png\", \"category\": \"0\", \"x\": 5, \"y\": 6, \"w\": 7, \"h\": 8, \"score\": [[1]]}",
        ),
        (
            "t.json",
            "[{\"file\": \"a.png\", \"objects\": [{\"class\": \"wren\", \"box\": {\"x\": 1, \"y\": 2, \"width\": 3, \"height\": 4}}, {\"class\": \"1\"}]},\n\
              {\"file\": \"b.png\", \"objects\": {\"bbox\": [[5, 6, 7, 8]], \"categories\": [0]}}]",
        ),
        (
            "metadata.jsonl",
            "{\"file_name\": \"a.png\", \"objects\": {\"bbox\": [[1, 2, 3, 4], null], \"category\": [0, 1]}}\n\
             {\"file_name\": \"b.png\", \"objects\": {\"bbox\": [[5, 6, 7, 8]], \"categories\": [\"wren\"]}}",
        ),
        (
            "instances_val.json",
            "{\"info\": {\"year\": 2017}, \"images\": [{\"id\": 7, \"file_name\": \"a.png\"}, {\"id\": \"x\", \"file_name\": \"b.png\"}],\n\
              \"annotations\": [{\"image_id\": 7, \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"iscrowd\": 0, \"segmentation\": [[1, 2]]},\n\
              {\"image_id\": 7, \"category_id\": 90}, {\"image_id\": \"x\", \"category_id\": 3, \"bbox\": [5, 6, 7, 8]}],\n\
              \"categories\": [{\"id\": 3, \"name\": \"wren\"}, {\"id\": 90, \"name\": \"tiger cat\", \"supercategory\": \"animal\"}]}",
        ),
    ] {
        let (objects, notes) = read(&case, name, text);
        assert_eq!(objects, [first.clone(), second.clone()], "{text}");
        assert_eq!(notes, Vec::<String>::new(), "{text}");
    }
    let (objects, _) = read(&case, "t.json", "{\"a.png\": [\"wren\", 1], \"b.png\": 0}");
    assert_eq!(
        objects,
        [
            vec![plain_object(0), plain_object(1)],
            vec![plain_object(0)]
        ]
    );
    let (objects, _) = read(&case, "one.json", "{\"file\": \"b.png\",\n \"class\": 1}");
    assert_eq!(objects, [vec![], vec![plain_object(1)]]);
}

#[test]
fn json_that_is_broken_in_places_is_used_where_it_is_not() {
    let case = Case::new(&["a.png"]);
    let text = "{\"file\": \"a.png\", \"class\": 0}\n\
        {\"file\": \"a.png\", \"class\": true}\n\
        {\"file\": \"a.png\", \"class\": 1.5}\n\
        {\"file\": [\"a.png\"], \"class\": 0}\n\
        {\"class\": 0}\n\
        {\"file\": \"a.png\"}\n\
        {\"file\": \"a.png\", \"class\": 0, \"bbox\": [1, 2, 3]}\n\
        {\"file\": \"a.png\", \"class\": 0, \"bbox\": [1, 2, \"3\", null]}\n\
        {\"file\": \"a.png\", \"class\": 0, \"bbox\": [1, 2, 1e999, 4]}\n\
        {\"file\": \"a.png\", \"class\": 0, \"bbox\": {\"bbox\": {\"bbox\": [1]}}}\n\
        {\"file\": \"a.png\", \"class\": 0, \"bbox\": [0.1, 0.1, 0.5, 0.5]}\n\
        {\"file\": \"a.png\", \"objects\": [7, {}]}\n\
        [1, 2]\n\
        \"a\n";
    let (objects, notes) = read(&case, "t.jsonl", text);
    assert_eq!(objects, [[plain_object(0)]]);
    assert_eq!(
        notes,
        [
            "4 rows left out, because it is no JSON object: line 9, line 12, line 13, line 14",
            "4 rows left out, because it names no class: line 2, line 3, line 6, line 12",
            "2 rows left out, because it names no file: line 4, line 5",
            "3 rows left out, because its box is not four numbers with a positive width and height: line 7, line 8, line 10",
            "1 row left out, because its box lies inside of one pixel; give pixels, not shares of the image: line 11",
        ]
    );
    let coco = "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\"}, {\"id\": 2}],\n\
        \"annotations\": [{\"image_id\": 1, \"category_id\": 5}, {\"image_id\": 9, \"category_id\": 5},\n\
        {\"image_id\": 2, \"category_id\": 5}, {\"image_id\": 1, \"category_id\": 0}, {}],\n\
        \"categories\": [{\"id\": 5, \"name\": \"wren\"}]}";
    let (objects, notes) = read(&case, "t.json", coco);
    assert_eq!(objects, [[plain_object(0)]]);
    assert_eq!(
        notes,
        [
            "1 row left out, because its category_id is that of no category: annotation 4",
            "3 rows left out, because its image_id is that of no image with a file_name: annotation 2, annotation 3, annotation 5",
        ]
    );
}

#[test]
fn a_box_that_is_not_finite_is_none() {
    let case = Case::new(&["a.png"]);
    let table =
        "a.png,0\na.png,1,1,2,nan,4\na.png,1,1,2,inf,4\na.png,1,NaN,2,3,4\na.png,1,1,-inf,3,4\n";
    let header = "file,class,x,y,width,height\n";
    let (objects, notes) = read(&case, "t.csv", &format!("{header}{table}"));
    assert_eq!(objects, [[plain_object(0)]]);
    assert_eq!(
        notes,
        [
            "4 rows left out, because its box is not four numbers with a positive width and height: line 3, line 4, line 5, line 6"
        ]
    );
}

#[test]
fn what_is_no_truth_is_refused_in_words() {
    let case = Case::new(&["a.png"]);
    for (name, text, expected) in [
        ("t.json", "", ": it is empty"),
        ("t.json", "7", ": it is JSON, but no list and no object"),
        (
            "t.json",
            "{\"a",
            ": it is no JSON: EOF while parsing a string at line 1 column 3",
        ),
        (
            "t.jsonl",
            "file,class",
            ": it is no JSON: expected ident at line 1 column 2",
        ),
        (
            "t.json",
            "{\"images\": 3,\n\"annotations\": []}",
            ": it is not as COCO's instances are: invalid type: integer `3`, expected a sequence at line 1 column 12",
        ),
        ("t.json", "{}", " fits none of the images: it has no rows"),
        (
            "t.json",
            "{\"a.png\": {}}",
            " fits none of the images: 1 row left out, because it names no class: entry 1",
        ),
        (
            "t.txt",
            "1\n2\n",
            ": it has 2 numbers and no names, for 1 image; without names it needs one for each image, in natural order",
        ),
    ] {
        assert_eq!(error(&case, name, text), expected, "{text}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        error(&case, "t.json", &deep),
        ": it is no JSON: recursion limit exceeded at line 1 column 128"
    );
    let deep = "{\"file\":".repeat(100_000);
    assert!(error(&case, "t.json", &deep).starts_with(": it is no JSON: recursion limit"));
}

#[test]
fn long_and_hostile_names_stay_short_and_harmless() {
    let case = Case::new(&["a.png"]);
    let long = "x".repeat(1_000_000);
    let text = format!(
        "{{\"file\": \"a.png\", \"class\": \"{long}\"}}\n{{\"file\": \"\\u001b[2J{long}\", \"class\": 0}}\n{{\"file\": \"a.png\", \"class\": 1e300}}"
    );
    let message = error(&case, "t.jsonl", &text);
    assert!(message.len() < 800, "{}", message.len());
    assert!(crate::text::is_harmless(&message), "{message}");
}

#[test]
fn names_and_numbers_with_spaces_between_are_read() {
    let case = Case::new(&["a.png", "my b.png"]);
    let (objects, notes) = read(
        &case,
        "val.txt",
        "a.png 0\nmy b.png 3\na.png  Tiger cat \nmy b.png wren\nmy b.png tiger_cat\nmy b.png tiger cat",
    );
    assert_eq!(
        objects,
        [
            vec![plain_object(0), plain_object(1)],
            vec![plain_object(3), plain_object(0), plain_object(1)]
        ]
    );
    assert_eq!(
        notes,
        ["1 row said before: the same image, class and box: line 6"]
    );
    // Numbers from 1 to the number of classes.
    let (objects, notes) = read(&case, "val.txt", "image label\na.png 4\nmy b.png 1\n");
    assert_eq!(objects, [[plain_object(3)], [plain_object(0)]]);
    assert_eq!(
        notes,
        ["its numbers go up to 4, so that 1 is taken for the first class"]
    );
    // With a 0 among them they begin there.
    let (objects, notes) = read(&case, "val.txt", "a.png 0\nmy b.png 4\n");
    assert_eq!(objects, [vec![plain_object(0)], vec![]]);
    assert!(
        notes[0].contains("does not have are left out: 4 (1 row)"),
        "{notes:?}"
    );
    // Numbers may be names.
    let labels = ["2", "1"].map(str::to_owned);
    let path = case.folder.path().join("val.txt");
    std::fs::write(&path, "a.png 2\n").unwrap();
    let truth = Truth::open(&path, &case.images, &[], &Classes::new(&labels)).unwrap();
    assert_eq!(truth.of(ImageId(0)), [plain_object(0)]);
    let (_, notes) = read(&case, "val.txt", "a.png 1\nword\n");
    assert_eq!(
        notes[0],
        "1 row left out, because it is not a file and a class: line 2"
    );
}

#[test]
fn numbers_alone_are_of_the_images_in_order_and_that_is_said() {
    let case = Case::new(&["img2.png", "img10.png"]);
    let (objects, notes) = read(&case, "numbers.txt", "1\n0\n");
    assert_eq!(objects, [[plain_object(1)], [plain_object(0)]]);
    let guess = "it has numbers without names, and it is a guess that they are of the images in natural order";
    assert_eq!(notes, [guess]);
    let name = "ILSVRC2012_validation_ground_truth.txt";
    let (objects, notes) = read(&case, name, "4\n1\n");
    assert_eq!(objects, [[plain_object(3)], [plain_object(0)]]);
    assert_eq!(notes.len(), 3);
    assert!(notes[2].contains("meta.mat"), "{notes:?}");
}

#[test]
fn the_solution_of_the_challenge_has_corners_and_wordnet_ids() {
    let folder = tempfile::tempdir().unwrap();
    let images = images(
        folder.path(),
        &[
            "ILSVRC2012_val_00000001.JPEG",
            "ILSVRC2012_val_00000002.JPEG",
        ],
    );
    let labels = ["n01440764 tench", "n01443537", "crane"].map(str::to_owned);
    let path = folder.path().join("LOC_val_solution.csv");
    let text = "ImageId,PredictionString\n\
        ILSVRC2012_val_00000001,n01440764 10 20 40 60 n01443537 1 2 3 4 \n\
        ILSVRC2012_val_00000002,n01440764 5 5 5 9 tench 1 2\n";
    std::fs::write(&path, text).unwrap();
    let classes = Classes::new(&labels);
    let truth = Truth::open(&path, &images, &[], &classes).unwrap();
    assert_eq!(
        truth.of(ImageId(0)),
        [
            object(0, [10.0, 20.0, 30.0, 40.0]),
            object(1, [1.0, 2.0, 2.0, 2.0])
        ]
    );
    assert!(truth.notes[0].ends_with(
        "2 rows left out, because its box is not four numbers with a positive width and height: line 3, line 3"
    ));
    assert_eq!(classes.find("Tench"), Ok(0));
    assert_eq!(classes.find("n01440764 tench"), Ok(0));
}

#[test]
fn a_truth_in_json_is_found_without_being_named() {
    let case = Case::new(&["a.png"]);
    let mut notes = Vec::new();
    let mut source = || {
        let classes = Classes::new(&labels());
        let truth = Truth::find(None, &case.roots(), &case.images, &classes, &mut notes);
        truth.unwrap().map(|truth| truth.source)
    };
    assert_eq!(source(), None);
    let path = case.folder.path().join("truth.jsonl");
    std::fs::write(path, "{\"file\": \"a.png\", \"class\": 0}").unwrap();
    assert!(source().unwrap().ends_with("truth.jsonl"));
    std::fs::write(case.folder.path().join("images/truth.csv"), "a.png,0").unwrap();
    assert!(source().unwrap().ends_with("truth.csv"));
}
