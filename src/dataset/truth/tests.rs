use std::sync::Arc;

use super::*;

mod fiftyone;
mod formats;

fn labels() -> Vec<String> {
    ["wren", "tiger cat", "crane", "crane"]
        .map(str::to_owned)
        .into()
}

fn images(folder: &Path, names: &[&str]) -> Vec<ImageEntry> {
    names
        .iter()
        .enumerate()
        .map(|(id, name)| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, b"").unwrap();
            ImageEntry {
                id: ImageId(id),
                path: Arc::from(path),
                name: Arc::from(*name),
            }
        })
        .collect()
}

struct Case {
    folder: tempfile::TempDir,
    images: Vec<ImageEntry>,
}

impl Case {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = images(&folder.path().join("images"), names);
        Self { folder, images }
    }

    fn roots(&self) -> Vec<PathBuf> {
        vec![self.folder.path().join("images")]
    }

    fn open(&self, table: &str) -> Result<Truth, TruthError> {
        self.open_as("truth.csv", table)
    }

    fn open_as(&self, name: &str, text: &str) -> Result<Truth, TruthError> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Truth::open(&path, &self.images, &self.roots(), &Classes::new(&labels()))
    }

    fn classes(&self, table: &str) -> Vec<Vec<usize>> {
        let truth = self.open(table).unwrap();
        let classes = |image: &ImageEntry| truth.of(image.id).iter().map(|o| o.class).collect();
        self.images.iter().map(classes).collect()
    }

    /// The sentences, without the name of the file before them.
    fn notes(&self, table: &str) -> Vec<String> {
        let truth = self.open(table).unwrap();
        let without = |note: &String| note.split_once("truth.csv: ").unwrap().1.to_owned();
        truth.notes.iter().map(without).collect()
    }

    fn of_folders(&self) -> Option<Truth> {
        Truth::of_folders(&self.images, &self.roots(), &Classes::new(&labels()))
    }
}

fn object(class: usize, [x, y, width, height]: [f64; 4]) -> Object {
    let bounds = Some(Window {
        x,
        y,
        width,
        height,
    });
    Object { class, bounds }
}

#[test]
fn rows_become_objects_whatever_the_table_looks_like() {
    let case = Case::new(&["a.png", "sub/b.png"]);
    for table in [
        "file,class,x,y,width,height\na.png,wren,1,2,3,4\na.png,tiger cat,,,,\nsub/b.png,0,5,6,7,8\n",
        "a.png,wren,1,2,3,4\na.png,Tiger_Cat\nb.png,0,5,6,7,8\n",
        "\u{feff}label\txmin\tymin\txmax\tymax\timage\n0\t1\t2\t4\t6\ta.png\n1\t\t\t\t\ta\nwren\t5\t6\t12\t14\tb\n",
        "path;name;x;y;w;h\n\"a.png\";wren;1;2;3;4\na.png;1\nimages\\sub\\b.png;WREN;5;6;7;8",
        "file,class,left,top,right,bottom\n./images/a.png,wren,1,2,4,6\nx/../images/a.png,1\nsub/b,wren,5,6,12,14\n",
    ] {
        let truth = case.open(table).unwrap();
        assert_eq!(truth.notes, Vec::<String>::new(), "{table}");
        let without_box = Object {
            class: 1,
            bounds: None,
        };
        let first = [object(0, [1.0, 2.0, 3.0, 4.0]), without_box];
        assert_eq!(truth.of(ImageId(0)), first, "{table}");
        let second = [object(0, [5.0, 6.0, 7.0, 8.0])];
        assert_eq!(truth.of(ImageId(1)), second, "{table}");
        assert!(truth.has_boxes());
    }
}

#[test]
fn a_path_fits_the_image_that_ends_in_it_and_of_several_the_one_that_is_named_so() {
    let case = Case::new(&["a/x.png", "x.png", "b/x.png"]);
    assert_eq!(
        case.classes("b/x.png,0\nx.png,1\nimages/a/x.png,0\n"),
        [[0], [1], [0]]
    );
    let case = Case::new(&["a/x.png", "b/x.png", "y.png"]);
    assert_eq!(
        case.notes("x.png,0\ny.png,0"),
        [
            "x.png is left out, because it may be a/x.png, b/x.png; give more of the path",
            "2 images have no row: a/x.png, b/x.png",
        ]
    );
}

#[test]
fn of_many_unclear_paths_the_first_are_said() {
    let names: Vec<String> = (0..12)
        .map(|i| format!("{}/{}.png", i % 2, i / 2))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows: Vec<String> = (0..6).map(|i| format!("{i}.png,0")).collect();
    let rows = rows.join("\n");
    let notes = Case::new(&names).notes(&format!("0/0.png,0\n{rows}"));
    assert_eq!(notes.len(), 6);
    assert!(notes[3].starts_with("3.png is left out"), "{notes:?}");
    assert_eq!(notes[4], "2 paths more are left out for the same reason");
}

#[test]
fn what_does_not_match_is_said_and_the_rest_is_used() {
    let case = Case::new(&["a.png", "b.png", "c.png"]);
    std::fs::write(case.folder.path().join("images/d.png"), b"").unwrap();
    let table = "file,class,x,y,width,height\n\
        a.png,wren,1,2,3,4\n\
        a.png,wren,1,2,3,4\n\
        a.png,zebra\n\
        b.png,zebra\n\
        b.png,4\n\
        d.png,wren\n\
        gone.png,wren\n\
        a.png,crane\n\
        a.png,wren,1,2,0,4\n\
        a.png,wren,1,2,x,4\n";
    assert_eq!(
        case.notes(table),
        [
            "rows of classes that the model does not have are left out: 4 (1 row), zebra (2 rows)",
            "rows of crane are left out, because 2 classes of the model have this name; give the number instead: 2, 3",
            "2 rows of images that were not given; 1 of them is not there at all: gone.png",
            "1 row said before: the same image, class and box: line 3",
            "2 rows left out, because its box is not four numbers with a positive width and height: line 10, line 11",
            "2 images have no row: b.png, c.png",
        ]
    );
    assert_eq!(case.classes(table), [vec![0], vec![], vec![]]);
}

#[test]
fn a_table_that_is_none_or_fits_nothing_is_refused_in_words() {
    let case = Case::new(&["a.png"]);
    let error = |table: &str| {
        let error = case.open(table).unwrap_err().to_string();
        error.split_once("truth.csv").unwrap().1.to_owned()
    };
    assert_eq!(error(""), ": it is empty");
    assert_eq!(
        error("a.png\n"),
        ": it has one column; it needs one for the file and one for the class"
    );
    assert_eq!(
        error("file,kind\n"),
        ": its header has no column named class"
    );
    assert_eq!(error("class,x\n"), ": its header has no column named file");
    assert_eq!(
        error("file,class\n"),
        " fits none of the images: it has no rows"
    );
    assert_eq!(
        error("a.png,gnu\n"),
        " fits none of the images: rows of classes that the model does not have are left out: gnu (1 row)"
    );
    let missing = Truth::open(
        &case.folder.path().join("no.csv"),
        &case.images,
        &[],
        &Classes::new(&labels()),
    );
    let missing = missing.unwrap_err().to_string();
    assert!(
        missing.ends_with("no.csv: there is no such file"),
        "{missing}"
    );
}

#[test]
fn folders_with_the_names_of_classes_tell_the_class_the_nearest_first() {
    let case = Case::new(&[
        "val/wren/a.png",
        "val/tiger_cat/0/b.png",
        "wren/1/old/c.png",
        "d.png",
    ]);
    let truth = case.of_folders().unwrap();
    let classes: Vec<Option<usize>> = (0..4)
        .map(|id| truth.of(ImageId(id)).first().map(|object| object.class))
        .collect();
    assert_eq!(classes, [Some(0), Some(0), Some(1), None]);
    assert_eq!(truth.notes, ["1 image has no folder of a class: d.png"]);
    assert!(!truth.has_boxes());
    // A folder of one class that is opened by itself.
    let folder = case.folder.path().join("wren");
    let alone = images(&folder, &["a.png"]);
    let truth = Truth::of_folders(&alone, &[folder], &Classes::new(&labels())).unwrap();
    assert_eq!(truth.of(ImageId(0))[0].class, 0);
}

#[test]
fn folders_without_such_names_are_the_classes_in_order_where_there_are_as_many() {
    let case = Case::new(&["n03/a.png", "n01/b.png", "n02/c.png", "n04/d.png"]);
    let truth = case.of_folders().unwrap();
    let classes: Vec<usize> = (0..4).map(|id| truth.of(ImageId(id))[0].class).collect();
    assert_eq!(classes, [2, 0, 1, 3]);
    assert_eq!(
        truth.notes,
        ["no folder has the name of a class; the 4 folders were taken for the classes in order"]
    );
    assert_eq!(Case::new(&["p/a.png", "q/b.png"]).of_folders(), None);
}

#[test]
fn the_bundled_truth_has_a_box_for_each_object_and_fits_the_bundled_images() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let folder = root.join("images");
    let scanned = crate::dataset::scan::scan(
        std::slice::from_ref(&folder),
        crate::dataset::scan::ScanOptions {
            recursive: true,
            hidden: false,
        },
    );
    let images = scanned.unwrap().images;
    let names = std::fs::read_to_string(root.join("classes.txt")).unwrap();
    let labels: Vec<String> = names.lines().map(str::to_owned).collect();
    let classes = Classes::new(&labels);
    let truth = Truth::open(&root.join("truth.csv"), &images, &[folder], &classes).unwrap();
    assert_eq!((truth.images(), truth.notes.len()), (16, 0));
    let objects: Vec<&Object> = images.iter().flat_map(|image| truth.of(image.id)).collect();
    assert_eq!(objects.len(), 22);
    assert!(objects.iter().all(|object| object.bounds.is_some()));
}
