//! Folders without the interface: sets of explanations and scores, ended, gone on with, in shards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{gradcam, here, send};

/// A folder of the bundled images, each several times, and a place for what programs keep.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(times: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = here("assets/demo/images");
        for number in 0..times {
            let place = folder.path().join(format!("images/{number}"));
            std::fs::create_dir_all(&place).unwrap();
            for entry in std::fs::read_dir(&images).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), place.join(entry.file_name())).unwrap();
            }
        }
        if times > 0 {
            std::fs::write(folder.path().join("images/0/broken.jpg"), b"no image").unwrap();
        }
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = gradcam();
        command
            .args(arguments.split_whitespace())
            .env("XDG_STATE_HOME", self.at("state"))
            .current_dir(self.folder.path());
        command
    }

    /// Runs it; the exit code is 1, since one image is broken.
    fn run(&self, arguments: &str) -> Output {
        let output = self.command(arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {words}");
        assert!(words.contains("broken.jpg"), "{arguments}: {words}");
        output
    }

    /// All files below a folder, and their bytes.
    fn tree(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        fn visit(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(&path, root, found);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_owned();
                    found.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        let root = self.at(name);
        let mut found = BTreeMap::new();
        visit(&root, &root, &mut found);
        found
    }
}

fn assert_same(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<BTreeSet<_>>();
    let (ours, theirs) = (names(one), names(other));
    let odd: Vec<_> = ours.symmetric_difference(&theirs).take(5).collect();
    assert!(odd.is_empty(), "only one of the two has {odd:?}");
    for (name, bytes) in one {
        assert!(other[name] == *bytes, "{} differs", name.display());
    }
}

const EXPLAIN: &str = "explain images --batch 3 --top 2 --size 64 --raw --out";

#[test]
fn a_run_killed_twenty_times_leaves_what_an_undisturbed_one_leaves() {
    let bench = Bench::new(6);
    bench.run(&format!("{EXPLAIN} whole"));
    let whole = bench.tree("whole");
    // Heatmap, overlay and two maps of two classes, table and manifest.
    assert_eq!(whole.len(), 6 * 16 * 8 + 2);
    let mut random = 7_u64;
    let mut ended = 0;
    for _ in 0..20 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut child = bench
            .command(&format!("{EXPLAIN} ended"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(200 + (random >> 33) % 300));
        ended += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(
        ended >= 5,
        "only {ended} of 20 runs were killed before their end"
    );
    bench.run(&format!("{EXPLAIN} ended"));
    assert_same(&whole, &bench.tree("ended"));
}

#[test]
fn eight_shards_merged_are_what_one_run_makes() {
    let bench = Bench::new(2);
    bench.run(&format!("{EXPLAIN} whole"));
    for number in 1..=8 {
        let arguments = format!("{EXPLAIN} parts --shard {number}/8");
        let output = bench.command(&arguments).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 2));
    }
    let merged = bench.command("merge parts --out parts").output().unwrap();
    assert!(
        merged.status.success(),
        "{}",
        String::from_utf8_lossy(&merged.stderr)
    );
    let mut parts = bench.tree("parts");
    let of_shards = |name: &Path| name.to_string_lossy().contains("-of-8");
    assert_eq!(parts.keys().filter(|name| of_shards(name)).count(), 16);
    parts.retain(|name, _| !of_shards(name));
    assert_same(&bench.tree("whole"), &parts);
}

#[test]
fn scores_of_eight_shards_merged_are_those_of_one_run_and_the_interface_has_them() {
    let bench = Bench::new(2);
    bench.run("score images --review whole.sqlite --out whole.jsonl");
    for number in 1..=8 {
        let arguments = format!("score images --shard {number}/8 --review part-{number}.sqlite");
        let output = bench.command(&arguments).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 2));
    }
    let parts: Vec<String> = (1..=8)
        .map(|number| format!("part-{number}.sqlite"))
        .collect();
    let merge = format!("merge {} --out all.sqlite", parts.join(" "));
    let merged = bench.command(&merge).output().unwrap();
    assert!(
        merged.status.success(),
        "{}",
        String::from_utf8_lossy(&merged.stderr)
    );
    for name in ["whole", "all"] {
        let export = format!("export images --review {name}.sqlite --out {name}.csv");
        let output = bench.command(&export).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let table = |name: &str| std::fs::read_to_string(bench.at(name)).unwrap();
    assert_eq!(table("whole.csv"), table("all.csv"));
    assert_eq!(table("whole.csv").lines().count(), 1 + 33);
    let lines = table("whole.jsonl");
    let scored = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let scored: Vec<Value> = scored.collect();
    assert_eq!(scored.len(), 33);
    assert_eq!(
        scored.iter().filter(|row| row["label"].is_string()).count(),
        32
    );
    // Once more: nothing is left to score but what failed.
    let again = bench.run("score images --review whole.sqlite");
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(words.contains("32 of 33 images scored already"), "{words}");
}

#[test]
fn measurements_of_shards_merged_are_those_of_one_run() {
    let bench = Bench::new(1);
    let measure = "evaluate images --metrics drop --json";
    bench.run(&format!("{measure} whole.json --results whole.jsonl"));
    for number in 1..=3 {
        let part = format!("part-{number}");
        let arguments = format!("{measure} {part}.json --results {part}.jsonl --shard {number}/3");
        let output = bench.command(&arguments).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 2));
    }
    let merge = "merge part-1.jsonl part-2.jsonl part-3.jsonl --out all.jsonl";
    let merged = bench.command(merge).output().unwrap();
    assert!(
        merged.status.success(),
        "{}",
        String::from_utf8_lossy(&merged.stderr)
    );
    let again = bench.run(&format!("{measure} all.json --results all.jsonl"));
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(words.contains("16 are there already"), "{words}");
    let figures = |name: &str| std::fs::read_to_string(bench.at(name)).unwrap();
    assert_eq!(figures("all.json"), figures("whole.json"));
}

#[test]
fn the_version_tells_what_computes() {
    let bench = Bench::new(0);
    let output = bench.command("--version").output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let mut lines = words.lines();
    let own = format!("gradcam {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines.next(), Some(own.as_str()));
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("libtorch 2.")),
        "{words}"
    );
}

#[test]
fn a_run_that_is_asked_to_end_says_how_to_go_on() {
    let bench = Bench::new(30);
    let child = bench
        .command(&format!("{EXPLAIN} ended"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = bench.at("ended/explanations.part.jsonl");
    let lines = || std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    while lines() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Schedulers send more than one.
    for signal in ["-TERM", "-INT"] {
        send(signal, &child);
    }
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("goes on from here"), "{words}");
    assert!(!bench.at("ended/manifest.json").exists());
    assert!(lines() < 30 * 16, "{}", lines());
}

#[test]
fn a_folder_that_cannot_be_written_ends_the_run_which_goes_on_when_it_can() {
    let bench = Bench::new(2);
    std::fs::create_dir(bench.at("maps")).unwrap();
    // A file where a folder of pictures is to be.
    std::fs::write(bench.at("maps/1"), b"").unwrap();
    let output = bench.command(&format!("{EXPLAIN} maps")).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert_eq!(
        words.matches("cannot make the folder maps/1").count(),
        1,
        "{words}"
    );
    assert!(words.contains("goes on from here"), "{words}");
    assert!(!bench.at("maps/manifest.json").exists());
    std::fs::remove_file(bench.at("maps/1")).unwrap();
    bench.run(&format!("{EXPLAIN} maps"));
    bench.run(&format!("{EXPLAIN} whole"));
    assert_same(&bench.tree("whole"), &bench.tree("maps"));
}

#[test]
fn images_may_come_from_a_list_on_standard_input() {
    let bench = Bench::new(1);
    let mut child = bench
        .command("explain --list - --out listed --pictures none --json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let list = "images/0/05-fish.png\nimages/0/10-tree.png\n\nimages/0/05-fish.png\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let table = std::fs::read_to_string(bench.at("listed/explanations.jsonl")).unwrap();
    let schema = std::fs::read_to_string(here("tests/schema/explanations.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let images: Vec<Value> = table
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            schema
                .validate(&row)
                .unwrap_or_else(|error| panic!("{error} in {line}"));
            row["image"].clone()
        })
        .collect();
    assert_eq!(images, ["images/0/05-fish.png", "images/0/10-tree.png"]);
}
