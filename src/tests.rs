//! The rules of the code map, read off the source.

pub(crate) mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Holds the part of the README between two marks to what the program makes of its own table. With
/// `GRADCAM_WRITE_README` in the environment the part is written.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for who changes a table"
)]
pub(crate) fn assert_readme_has(part: &str, table: &str) {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {part}:begin -->\n"),
        format!("<!-- {part}:end -->"),
    );
    let found = readme
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    if std::env::var_os("GRADCAM_WRITE_README").is_some() {
        let (before, rest) = readme.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert!(
        found.is_some_and(|(found, _)| found == table),
        "between {begin}and {end} README.md must have this:\n{table}"
    );
}

/// Every source file: its path below `src`, and its text without the tests at its end.
fn sources() -> Vec<(String, String)> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut found = Vec::new();
    visit(&src, &mut found);
    assert!(found.len() > 50, "only {} files", found.len());
    found
        .iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| {
            !path
                .parent()
                .is_some_and(|folder| folder.ends_with("tests"))
        })
        .map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (name.to_owned(), code)
        })
        .collect()
}

/// "model/zoo.rs" belongs to "model".
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Names after `crate::`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(|rest| {
        rest.split(|character: char| !character.is_ascii_lowercase() && character != '_')
            .next()
            .unwrap()
    })
}

/// The files whose code has this text.
fn files_with(text: &str) -> Vec<String> {
    let with = sources()
        .into_iter()
        .filter(|(_, code)| code.contains(text));
    let mut files: Vec<String> = with.map(|(file, _)| file).collect();
    files.sort();
    files
}

#[test]
fn modules_import_what_the_code_map_allows_and_the_map_allows_no_more() {
    let mut allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in include_str!("lib.rs").lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["//!", name, _, imports, ""] = columns.as_slice()
            && let Some(name) = name
                .strip_prefix('`')
                .and_then(|name| name.strip_suffix('`'))
        {
            allowed.insert(
                name,
                imports.split(' ').filter(|name| !name.is_empty()).collect(),
            );
        }
    }
    assert_eq!(allowed.len(), 17);
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, code) in sources() {
        if file == "lib.rs" || file == "main.rs" {
            continue;
        }
        let own = module(&file);
        for import in imports(&code).filter(|import| *import != own) {
            assert!(allowed[own].contains(&import), "{file} imports {import}");
            seen.entry(own.to_owned())
                .or_default()
                .push(import.to_owned());
        }
    }
    for (name, imports) in allowed {
        for import in imports {
            let used = seen
                .get(name)
                .is_some_and(|seen| seen.iter().any(|other| other == import));
            assert!(
                used,
                "{name} no longer imports {import}; take it off the code map"
            );
        }
    }
}

#[test]
fn the_reducer_has_no_clock_no_files_no_threads_no_widgets_and_no_tensors() {
    let impure = [
        "std::fs",
        "Instant",
        "SystemTime",
        "std::thread",
        "ratatui::widgets",
        "tch::",
    ];
    for (file, code) in sources() {
        if [
            "app/update.rs",
            "app/state.rs",
            "app/layout.rs",
            "app/event.rs",
            "app/picker.rs",
            "app/counted.rs",
            "app/help.rs",
            "app/matrix.rs",
            "app/matrix/grid.rs",
            "app/overview.rs",
            "app/update/results.rs",
            "app/update/pages.rs",
            "app/update/explanation.rs",
        ]
        .contains(&file.as_str())
        {
            for word in impure {
                assert!(!code.contains(word), "{file} has {word}");
            }
        }
        if module(&file) == "view" {
            assert!(!code.contains("&mut State"), "{file}");
        }
    }
}

#[test]
fn tensors_stay_in_the_model_the_explanations_and_the_worker() {
    for file in files_with("tch::") {
        assert!(
            ["model", "explain", "worker"].contains(&module(&file)),
            "{file}"
        );
    }
}

#[test]
fn only_graphics_makes_escape_sequences() {
    // The input thread reads them, and text.rs makes them visible.
    for file in files_with("\\x1b").into_iter().chain(files_with("\\u{1b}")) {
        let may = module(&file) == "graphics"
            || ["terminal/input.rs", "text.rs"].contains(&file.as_str());
        assert!(may, "{file}");
    }
}

#[test]
fn only_the_terminal_reads_standard_input() {
    // viuer's questions are answered on a pseudo-terminal that takes the place of standard input
    // for a moment; nothing is read from the real one there.
    assert_eq!(
        files_with("stdin()"),
        // A list of images may come that way, where there is no interface.
        [
            "cli/many.rs",
            "graphics/viuer.rs",
            "terminal.rs",
            "terminal/input.rs"
        ]
    );
}

#[test]
fn unsafe_code_is_where_the_code_map_says() {
    assert_eq!(
        files_with("unsafe {"),
        ["model/device.rs", "model/dispatch.rs", "model/script.rs"]
    );
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    for (file, code) in sources() {
        assert!(code.starts_with("//! "), "{file}");
    }
}

#[test]
fn no_document_has_a_path_of_somebodys_machine() {
    for name in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/configuration.md",
        "assets/demo/truth.csv",
        "Makefile",
    ] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        for path in ["/home/", "/root/", "/Users/", "/work/"] {
            assert!(!text.contains(path), "{name} has {path}");
        }
    }
}
