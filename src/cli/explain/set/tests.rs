//! Sets in a folder, without a network.

use serde_json::json as object;

use super::*;

const FILE: FileIdentity = FileIdentity {
    size: 10,
    mtime_ns: 20,
};

fn made_by() -> Value {
    object!({ "method": "grad-cam", "model": { "fingerprint": "f" } })
}

fn open(folder: &Path, shard: Option<&str>) -> Result<Set> {
    let shard = shard.map(|text| text.parse().unwrap());
    Set::open(folder, shard, made_by(), false)
}

/// A row of an image that has one picture, which is written.
fn row(folder: &Path, image: &str) -> Value {
    let picture = format!("{image}.cat.overlay.png");
    std::fs::write(folder.join(&picture), image).unwrap();
    object!({
        "image": image,
        "file": { "bytes": 10, "modified_ns": 20 },
        "explanations": [{ "files": { "overlay": picture } }],
    })
}

fn names(images: &[&str]) -> Vec<String> {
    images.iter().map(|image| (*image).to_owned()).collect()
}

/// All files of a folder and what is in them.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    });
    files.collect()
}

#[test]
fn a_run_that_was_ended_goes_on_and_leaves_what_an_undisturbed_one_leaves() {
    let (whole, ended) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let images = ["a2.png", "a10.png", "b.png"];
    let mut set = open(whole.path(), None).unwrap();
    for image in images {
        set.add(image, &row(whole.path(), image)).unwrap();
    }
    set.finish(&names(&images)).unwrap();

    let folder = ended.path();
    let mut set = open(folder, None).unwrap();
    set.add("b.png", &row(folder, "b.png")).unwrap();
    drop(set);
    // The end came in the middle of a row.
    let journal = folder.join("explanations.part.jsonl");
    let mut file = File::options().append(true).open(&journal).unwrap();
    file.write_all(b"{\"image\":\"a10.p").unwrap();
    let mut set = open(folder, None).unwrap();
    assert!(set.has("b.png", FILE) && !set.has("a10.png", FILE));
    for image in ["a10.png", "a2.png"] {
        set.add(image, &row(folder, image)).unwrap();
    }
    set.finish(&names(&images)).unwrap();
    assert_eq!(contents(folder), contents(whole.path()));
    let table = std::fs::read_to_string(folder.join("explanations.jsonl")).unwrap();
    let first = table.lines().next().unwrap();
    assert!(first.contains("a2.png"), "the order is natural: {first}");
    assert!(folder.join("manifest.json").exists() && !journal.exists());
}

#[test]
fn what_has_changed_or_failed_or_is_gone_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut set = open(folder, None).unwrap();
    for image in ["a.png", "b.png", "c.png"] {
        set.add(image, &row(folder, image)).unwrap();
    }
    let failed = object!({ "image": "d.png", "file": { "bytes": 10, "modified_ns": 20 }, "error": "broken" });
    set.add("d.png", &failed).unwrap();
    let words = set
        .finish(&names(&["a.png", "b.png", "c.png", "d.png"]))
        .unwrap();
    assert!(
        words.starts_with("4 images in ") && words.contains("1 of them"),
        "{words}"
    );
    std::fs::remove_file(folder.join("b.png.cat.overlay.png")).unwrap();
    let set = open(folder, None).unwrap();
    assert!(set.has("a.png", FILE));
    let touched = FileIdentity {
        mtime_ns: 21,
        ..FILE
    };
    assert!(!set.has("a.png", touched), "it has changed");
    assert!(!set.has("b.png", FILE), "its picture is gone");
    assert!(!set.has("d.png", FILE), "it failed");
}

#[test]
fn explanations_that_were_made_otherwise_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut set = open(folder, None).unwrap();
    set.add("a.png", &row(folder, "a.png")).unwrap();
    drop(set);
    let other = object!({ "method": "layer-cam", "model": { "fingerprint": "f" } });
    let error = Set::open(folder, None, other.clone(), false).unwrap_err();
    let words = "method: grad-cam there, layer-cam here";
    assert!(error.to_string().contains(words), "{error}");
    open(folder, None)
        .unwrap()
        .finish(&names(&["a.png"]))
        .unwrap();
    let error = Set::open(folder, None, other.clone(), false).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    let set = Set::open(folder, None, other, true).unwrap();
    assert!(!set.has("a.png", FILE));
    assert_eq!(
        different(
            &made_by(),
            &object!({ "method": "grad-cam", "model": { "fingerprint": "g" } })
        ),
        "model.fingerprint: f there, g here"
    );
}

#[test]
fn two_runs_do_not_write_into_one_folder_but_two_shards_do() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), None).unwrap();
    let error = open(folder.path(), None).unwrap_err().to_string();
    assert!(
        error.starts_with("another gradcam is writing into "),
        "{error}"
    );
    let second = open(folder.path(), Some("1/2")).unwrap();
    drop((first, second));
    open(folder.path(), None).unwrap();
}

#[test]
fn shards_in_one_folder_or_in_several_become_what_one_run_makes() {
    let images = ["a.png", "b.png", "c.png"];
    let places = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let [one, same, first, second] = places.each_ref().map(tempfile::TempDir::path);
    let make = |folder: &Path, shard: Option<&str>, images: &[&str]| {
        let mut set = open(folder, shard).unwrap();
        for image in images {
            set.add(image, &row(folder, image)).unwrap();
        }
        set.finish(&names(images)).unwrap();
    };
    make(one, None, &images);
    make(same, Some("1/2"), &images[1..]);
    make(same, Some("2/2"), &images[..1]);
    let whole = merge(&[same.to_owned()], same).unwrap();
    assert!(whole.missing.is_empty() && whole.words.starts_with("3 images in "));
    let mut merged = contents(same);
    merged.retain(|name, _| !name.contains("of-2"));
    assert_eq!(merged, contents(one));

    make(first, Some("1/3"), &images[..1]);
    make(second, Some("3/3"), &images[1..]);
    let out = first.join("all");
    let whole = merge(&[first.to_owned(), second.to_owned()], &out).unwrap();
    assert_eq!(contents(&out), contents(one));
    assert_eq!(whole.missing, ["shard 2 of 3 is missing"]);
}

#[test]
fn a_table_of_somebody_else_names_no_file_outside_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("from"), folder.path().join("out"));
    std::fs::create_dir(&from).unwrap();
    let mut set = open(&from, None).unwrap();
    let hostile = object!({
        "image": "a.png",
        "file": { "bytes": 10, "modified_ns": 20 },
        "explanations": [{ "files": { "overlay": "../stolen.png" } }],
    });
    set.add("a.png", &hostile).unwrap();
    set.finish(&names(&["a.png"])).unwrap();
    let error = merge(&[from], &out).unwrap_err().to_string();
    assert!(
        error.contains("names a file outside of its folder"),
        "{error}"
    );
}
