//! The snippets of the documents, run as they stand there.
//!
//! `<!-- snippet:NAME -->` before a fence of `python` or `sql` has it run in a folder where the program
//! has made the files that it reads.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::export::Desk;
use crate::{gradcam, here};

const MARK: &str = "<!-- snippet:";

/// A marked snippet of a document.
struct Snippet {
    document: String,
    name: String,
    language: String,
    code: String,
}

impl Snippet {
    /// Those of a document, in order.
    fn all_of(document: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(document).unwrap();
        let document = document.file_name().unwrap().to_str().unwrap();
        let marked = text.split(MARK).skip(1);
        marked.map(|rest| Self::new(document, rest)).collect()
    }

    /// `rest` begins with the name and goes on after the end of the snippet.
    fn new(document: &str, rest: &str) -> Self {
        let (name, rest) = rest.split_once(" -->").unwrap();
        let mut lines = rest.lines().skip_while(|line| line.trim().is_empty());
        let fence = lines.next().unwrap_or_default();
        let language = fence.strip_prefix("```");
        let language = language.unwrap_or_else(|| panic!("{document}: no fence after {name}"));
        let code: Vec<&str> = lines.take_while(|line| !line.starts_with("```")).collect();
        Self {
            document: document.to_owned(),
            name: name.to_owned(),
            language: language.to_owned(),
            code: code.join("\n"),
        }
    }

    /// The program that runs it, a script for Python.
    fn script(&self) -> String {
        match self.language.as_str() {
            "python" => self.code.clone(),
            "sql" => format!(
                "import duckdb\n\nanswer = duckdb.sql(\"\"\"{}\"\"\")\nprint(answer)\nassert len(answer) > 0",
                self.code
            ),
            other => panic!("{}: nothing here runs {other}", self.name),
        }
    }

    /// The packages that it imports and that Python does not find.
    fn missing(&self) -> BTreeSet<String> {
        let script = self.script();
        let imports = script.lines().filter_map(|line| {
            let rest = line.strip_prefix("import ");
            let rest = rest.or_else(|| line.strip_prefix("from "))?;
            rest.split([' ', '.', ',']).next()
        });
        let is_missing = |package: &&str| {
            let import = format!("import {package}");
            let tried = Command::new("python3").args(["-c", &import]).output();
            !tried.is_ok_and(|output| output.status.success())
        };
        // pandas has no reader of Parquet of its own.
        let reader = script.contains("pd.read_parquet").then_some("pyarrow");
        let needed = imports.chain(reader);
        needed.filter(is_missing).map(str::to_owned).collect()
    }

    fn run(&self, folder: &Path) -> Output {
        let mut command = Command::new("python3");
        command.current_dir(folder).args(["-c", &self.script()]);
        command.output().unwrap()
    }
}

/// Makes the files that a snippet reads, in a folder of its own.
type SetUp = fn() -> Desk;

/// The snippets by name; nothing where the name is not known.
fn set_up(name: &str) -> Option<SetUp> {
    Some(match name {
        "pandas" | "polars" | "duckdb" => || {
            let desk = Desk::reviewed();
            desk.exported(&["--out", "review.parquet"]);
            desk
        },
        "fiftyone" => || {
            let desk = Desk::reviewed();
            desk.exported(&["--out", "review.jsonl"]);
            let lines = std::fs::File::create(desk.folder.path().join("maps.jsonl")).unwrap();
            let mut explain = gradcam();
            explain.args(["explain", "photos", "--colormap", "grey"]);
            explain.args(["--json", "--out", "maps"]).stdout(lines);
            // One image is none.
            let status = explain.current_dir(desk.folder.path()).status().unwrap();
            assert_eq!(status.code(), Some(1));
            desk
        },
        "explanations" => || {
            let desk = Desk::reviewed();
            let mut explain = gradcam();
            explain.args(["explain", "photos", "--raw", "--out", "maps"]);
            // One image is none.
            let status = explain.current_dir(desk.folder.path()).status().unwrap();
            assert_eq!(status.code(), Some(1));
            desk
        },
        _ => return None,
    })
}

#[test]
fn the_snippets_of_the_documents_run_as_they_stand_there() {
    let documents = std::fs::read_dir(here("docs")).unwrap();
    let mut documents: Vec<_> = documents.map(|file| file.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    documents.sort();
    let snippets: Vec<Snippet> = documents
        .iter()
        .flat_map(|path| Snippet::all_of(path))
        .collect();
    assert!(!snippets.is_empty());
    for snippet in snippets {
        let Snippet { document, name, .. } = &snippet;
        let set_up = set_up(name).unwrap_or_else(|| {
            panic!("{document} marks the snippet {name}, and nothing here makes its files")
        });
        let missing: Vec<String> = snippet.missing().into_iter().collect();
        if !missing.is_empty() {
            println!(
                "skipped: {document}, {name}: no python3 with {}",
                missing.join(", ")
            );
            continue;
        }
        let desk = set_up();
        let output = snippet.run(desk.folder.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{document}, {name}: {said}");
        println!(
            "{document}, {name}:\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
