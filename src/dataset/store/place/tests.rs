//! Where stores lie and how images are named.

use std::os::unix::ffi::OsStringExt;

use super::*;

/// A folder with images in `photos` and `photos/sub`, and one in `other`.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for file in [
        "photos/a.png",
        "photos/b.png",
        "photos/sub/c.png",
        "other/d.png",
    ] {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    (folder, root)
}

fn place(named: &[PathBuf]) -> Place {
    Place::new(named, None, Some(Path::new("/state"))).unwrap()
}

fn name(named: &[PathBuf]) -> String {
    let place = place(named);
    assert!(place.file().starts_with("/state/gradcam/reviews"));
    place
        .file()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_folder_has_one_store_however_it_is_named() {
    let (_folder, root) = folder();
    let link = root.join("link");
    std::os::unix::fs::symlink(root.join("photos"), &link).unwrap();
    let usual = name(&[root.join("photos")]);
    assert!(usual.starts_with("photos-"), "{usual}");
    assert_eq!(usual.len(), "photos-".len() + DIGITS + ".sqlite".len());
    for other in [
        vec![root.join("photos/.")],
        vec![root.join("other/../photos")],
        vec![link],
        vec![root.join("photos/a.png")],
        vec![root.join("photos/a.png"), root.join("photos/b.png")],
        vec![root.join("photos/*.png")],
        vec![root.join("photos/s*/?.png")],
        vec![root.join("photos"), root.join("photos/sub")],
        vec![root.join("photos/gone.png")],
    ] {
        assert_eq!(name(&other), usual, "{other:?}");
    }
    assert_ne!(name(&[root.join("photos/sub")]), usual);
    std::fs::create_dir_all(root.join("other/photos")).unwrap();
    assert_ne!(name(&[root.join("other/photos")]), usual);
}

#[test]
fn several_folders_have_one_store_in_any_order() {
    let (_folder, root) = folder();
    let (one, two) = (root.join("photos"), root.join("other"));
    let both = name(&[one.clone(), two.clone()]);
    assert!(both.starts_with("other-and-1-more-"), "{both}");
    assert_eq!(name(&[two, one]), both);
}

#[test]
fn images_are_named_relative_to_one_folder_and_from_the_root_in_several() {
    let (_folder, root) = folder();
    let key = |place: &Place, path: &str| place.key(&root.join(path)).shown();
    let one = place(&[root.join("other/../photos")]);
    assert_eq!(key(&one, "other/../photos/a.png"), "a.png");
    assert_eq!(key(&one, "other/../photos/./sub/c.png"), "sub/c.png");
    assert_eq!(
        one.path(&Key::from_bytes(b"sub/c.png")),
        root.join("photos/sub/c.png")
    );
    let files = place(&[root.join("photos/a.png"), root.join("photos/sub")]);
    assert_eq!(key(&files, "photos/sub/c.png"), "sub/c.png");
    let nested = place(&[root.join("photos"), root.join("photos/sub")]);
    assert_eq!(key(&nested, "photos/sub/c.png"), "sub/c.png");
    let both = place(&[root.join("photos"), root.join("other")]);
    let full = root.join("other/d.png");
    assert_eq!(key(&both, "other/d.png"), full.to_str().unwrap());
    assert_eq!(both.path(&both.key(&full)), full);
}

#[test]
fn a_path_from_the_current_folder_is_the_same_image() {
    let current = std::env::current_dir().unwrap();
    let place = place(&[PathBuf::from("src")]);
    for path in ["src/lib.rs", "./src/lib.rs"] {
        assert_eq!(place.key(Path::new(path)).as_bytes(), b"lib.rs");
    }
    assert_eq!(place.key(&current.join("src/lib.rs")).as_bytes(), b"lib.rs");
    // A pattern in the current folder finds names without a folder.
    let here = Place::new(&["*.toml".into()], None, Some(Path::new("/state"))).unwrap();
    assert_eq!(here.key(Path::new("Cargo.toml")).as_bytes(), b"Cargo.toml");
}

#[test]
fn names_that_are_no_text_are_names() {
    let (_folder, root) = folder();
    let odd = std::ffi::OsString::from_vec(b"\xff\xfe\x1b.png".to_vec());
    let place = place(&[root.join("photos")]);
    let path = root.join("photos").join(&odd);
    let key = place.key(&path);
    assert_eq!(key.as_bytes(), b"\xff\xfe\x1b.png");
    assert_eq!(place.path(&key), path);
    assert!(crate::text::is_harmless(&key.shown()));
    let folder = root.join(&odd);
    std::fs::create_dir(&folder).unwrap();
    assert!(name(&[folder]).starts_with("___.png-"));
}

#[test]
fn the_user_can_name_the_file_and_without_a_place_there_is_none() {
    let (_folder, root) = folder();
    let file = root.join("mine.sqlite");
    let named = Place::new(&[root.join("photos")], Some(&file), None).unwrap();
    assert_eq!(named.file(), file);
    assert!(matches!(
        Place::new(&[root], None, None),
        Err(StoreError::NoPlace)
    ));
}
