use std::path::PathBuf;

use super::*;

/// What is in a file of this name.
fn labels(file: &str, text: &str, classes: usize) -> Result<Labels, LabelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::write(&path, text).unwrap();
    Labels::open(&path, classes)
}

fn refused(file: &str, text: &str, classes: usize) -> String {
    labels(file, text, classes).unwrap_err().to_string()
}

fn of(names: &[&str]) -> Labels {
    Labels(names.iter().map(ToString::to_string).collect())
}

/// A folder with these folders in it.
fn folders(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("a-file.txt"), "no class").unwrap();
    folder
}

fn chosen(sources: Sources<'_>, classes: usize) -> (Labels, String) {
    let (labels, note) = sources.choose(classes).unwrap();
    (labels, note.unwrap_or_default())
}

#[test]
fn names_come_from_lines_json_and_tables() {
    for (file, text) in [
        ("labels", "cat\r\ntiger cat\n\n"),
        ("labels.txt", "\u{feff}cat\ntiger cat"),
        ("labels.json", r#"["cat", "tiger cat"]"#),
        ("labels", r#"{"1": "tiger cat", "0": "cat"}"#),
        (
            "labels",
            r#"{"0": ["n1", "cat"], "1": ["n2", "tiger cat"]}"#,
        ),
        ("labels", r#"[["n1", "cat"], ["n2", "tiger cat"]]"#),
        ("labels", r#"{"tiger cat": 1, "cat": 0}"#),
        ("labels", r#"{"cat": "0", "tiger cat": "1"}"#),
        (
            "config.json",
            r#"{"model_type": "vit", "id2label": {"0": "cat", "1": "tiger cat"}}"#,
        ),
        ("labels.csv", "index,name\n0,cat\n1,tiger cat\n"),
        (
            "labels.csv",
            "\u{feff}Name,Index\r\ntiger cat,1\r\ncat,0\r\n",
        ),
        ("labels.csv", "class,label\n0,cat\n1,tiger cat\n"),
        ("labels.csv", "class,label\ntiger cat,1\ncat,0\n"),
        (
            "labels.csv",
            "id,wnid,name,note\n1,n2,tiger cat,-\n0,n1,cat,-\n",
        ),
        ("labels.csv", "wnid,name,count\nn1,cat,1\nn2,tiger cat,0\n"),
        ("labels.csv", ",name\n0,cat\n1,tiger cat\n"),
        ("labels.csv", "1,tiger cat\n0,cat\n"),
        ("labels.csv", "0,n1,cat\n1,n2,tiger cat\n"),
        ("labels.csv", "index;name\n0;cat\n1;tiger cat\n"),
        ("labels.csv", "name\ncat\ntiger cat\n"),
        ("labels.csv", "cat\n\"tiger cat\"\n"),
        ("labels.tsv", "id\tname\n0\tcat\n1\ttiger cat\n"),
        ("labels.txt", "0\tcat\n1\ttiger cat\n"),
    ] {
        let found = labels(file, text, 2).unwrap();
        assert_eq!(found, of(&["cat", "tiger cat"]), "{file}: {text}");
    }
    let names = "tench, Tinca tinca\ngoldfish; carp\n";
    let expected = of(&["tench, Tinca tinca", "goldfish; carp"]);
    assert_eq!(labels("labels.txt", names, 2).unwrap(), expected);
    let digits = r#"{"1": 1, "0": 0}"#;
    assert_eq!(labels("labels.json", digits, 2).unwrap(), of(&["0", "1"]));
}

#[test]
fn a_wrong_number_of_names_is_refused_with_both_numbers() {
    for (file, text) in [
        ("labels", "a\nb\nc\n"),
        ("labels.csv", "0,a\n1,b\n2,c\n"),
        ("labels", r#"{"0": "a", "1": "b", "2": "c"}"#),
    ] {
        let error = refused(file, text, 2);
        let words = "has 3 labels, but the model has 2 classes; give one name a class";
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn lists_that_make_no_sense_are_refused_in_words() {
    for (file, text, words) in [
        (
            "l",
            r#"{"1": "a", "2": "b"}"#,
            "no name for class 0; the first class is 0",
        ),
        ("l.csv", "id,name\n1,a\n2,b\n", "no name for class 0"),
        ("l", r#"{"0": "a", "00": "b"}"#, "two names for class 0"),
        ("l.csv", "id,name\n0,a\n0,b\n", "two names for class 0"),
        (
            "l",
            r#"{"0": "a", "18446744073709551615": "b"}"#,
            "class 18446744073709551615 is out of range",
        ),
        (
            "l",
            r#"{"a": true}"#,
            "neither a list of names nor an object",
        ),
        ("l", r#"["a", 2]"#, "neither a list of names nor an object"),
        ("l", r#"["a", "b""#, "EOF"),
        ("l.csv", "0,a\n1\n", "line 2 does not have as many columns"),
    ] {
        let error = refused(file, text, 2);
        assert!(error.contains(words), "{text}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    std::fs::write(&path, b"caf\xe9\n").unwrap();
    let error = Labels::open(&path, 1).unwrap_err().to_string();
    assert!(error.contains("it is not text in UTF-8"), "{error}");
}

#[test]
fn a_folder_names_the_classes_in_the_order_of_image_folder() {
    // sorted(["b", "Z", "a", "é", "10", "9"]) in Python.
    let folder = folders(&["b", "Z", "a", "é", "10", "9"]);
    let expected = of(&["10", "9", "Z", "a", "b", "é"]);
    assert_eq!(Labels::open(folder.path(), 6).unwrap(), expected);
    assert_eq!(Labels::of_image_folder(folder.path(), 6), Some(expected));
    assert_eq!(Labels::of_image_folder(folder.path(), 5), None);
    assert_eq!(Labels::of_image_folder(&PathBuf::from("nowhere"), 0), None);
}

#[test]
fn parts_of_a_data_set_and_wordnet_numbers_are_no_class_names() {
    for names in [["train", "val"], ["n01440764", "n01443537"]] {
        let folder = folders(&names);
        assert_eq!(Labels::of_image_folder(folder.path(), 2), None, "{names:?}");
    }
    let folder = folders(&["test", "n1"]);
    assert!(Labels::of_image_folder(folder.path(), 2).is_some());
}

#[test]
fn a_folder_with_another_number_of_subfolders_is_refused_with_what_to_do() {
    let folder = folders(&["a", "b"]);
    let error = Labels::open(folder.path(), 3).unwrap_err().to_string();
    let words = "has 2 subfolders, but the model has 3 classes; name the folder of the training";
    assert!(error.contains(words), "{error}");
    let folder = folders(&["train/a", "train/b", "train/c", "val/a"]);
    let error = Labels::open(folder.path(), 3).unwrap_err().to_string();
    assert!(error.ends_with("/train has as many"), "{error}");
}

#[test]
fn the_users_names_count_before_the_checkpoints_those_before_the_folders_and_imagenets_come_last() {
    let images = folders(&["x", "y"]);
    let file = images.path().join("names.txt");
    std::fs::write(&file, "a\nb\n").unwrap();
    let card = || Some((vec!["c".to_owned(), "d".to_owned()], "config.json"));
    let sources = |named, card| Sources {
        named,
        card,
        images: Some(images.path()),
    };
    let nothing = String::new();
    assert_eq!(
        chosen(sources(Some(file.as_path()), card()), 2),
        (of(&["a", "b"]), nothing.clone())
    );
    assert_eq!(chosen(sources(None, card()), 2), (of(&["c", "d"]), nothing));
    let (labels, note) = chosen(sources(None, None), 2);
    assert_eq!(labels, of(&["x", "y"]));
    assert!(
        note.starts_with("the class names: the 2 subfolders of "),
        "{note}"
    );
    let (labels, note) = chosen(sources(None, card()), 1000);
    assert_eq!(labels.get(ClassIndex(0)), "tench");
    assert_eq!(
        note,
        "the class names of config.json are not used: 2 for 1000 classes; \
         the class names: 1000 classes, taken for ImageNet's"
    );
    assert!(sources(Some(images.path()), card()).choose(7).is_err());
}

#[test]
fn imagenets_names_are_known_by_the_number_of_classes_and_said_to_be_a_guess() {
    let (labels, note) = chosen(Sources::default(), 1000);
    assert_eq!(labels.0.len(), 1000);
    assert_eq!(labels.get(ClassIndex(134)), "crane bird");
    assert_eq!(labels.get(ClassIndex(999)), "toilet tissue");
    assert_eq!(note, "the class names: 1000 classes, taken for ImageNet's");
    let (labels, note) = chosen(Sources::default(), 1001);
    assert_eq!(labels.get(ClassIndex(0)), "background");
    assert_eq!(labels.get(ClassIndex(1000)), "toilet tissue");
    assert!(note.contains("background"), "{note}");
    for classes in [21_843, 21_841] {
        let (labels, note) = chosen(Sources::default(), classes);
        assert_eq!(labels.get(ClassIndex(5)), "class 5");
        assert!(
            !labels.known() && note.contains("ImageNet-21k's, whose names"),
            "{note}"
        );
    }
    assert_eq!(
        chosen(Sources::default(), 7),
        (Labels::default(), String::new())
    );
}

#[test]
fn a_label_cannot_command_the_terminal() {
    let found = labels("labels", "a\u{1b}[2J\n", 1).unwrap();
    assert_eq!(found.get(ClassIndex(0)), "a\\u{1b}[2J");
    let (found, _) = chosen(
        Sources {
            card: Some((vec!["b\u{9b}m".to_owned()], "config.json")),
            ..Sources::default()
        },
        1,
    );
    assert_eq!(found.get(ClassIndex(0)), "b\\u{9b}m");
    assert_eq!(Labels::default().get(ClassIndex(3)), "class 3");
}
