//! A program that gives verdicts is killed in the middle of it, many times: whatever it has said to
//! be kept is there, and of a step all or nothing.
//!
//! The storm is a sequence of operations that follow from their numbers alone, so that the one who
//! looks knows what must stand after each of them. The killed program prints the number of each
//! operation that has returned; the one that it was at may be there or not. The next one goes on
//! from there on the same store. A thread beside it writes scores.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::scores::scored;
use super::*;
use crate::tests::random::Random;

const KILLS: usize = 200;
const IMAGES: usize = 20;

/// Set in the process that is killed: the file. The number of its first operation comes later, on its
/// standard input, since it takes long to start.
const STORM: &str = "GRADCAM_TEST_STORM";

enum Operation {
    Record(Vec<(usize, Review)>),
    Undo,
    Redo,
}

fn operation(number: u64) -> Operation {
    let mut random = Random(number);
    match random.below(8) {
        0 | 1 => Operation::Undo,
        2 => Operation::Redo,
        _ => {
            let images: BTreeMap<usize, Review> = (0..=random.below(4))
                .map(|_| (random.below(IMAGES), any_review(&mut random)))
                .collect();
            Operation::Record(images.into_iter().collect())
        }
    }
}

fn any_review(random: &mut Random) -> Review {
    let verdicts = [None, Some("wrong"), Some("unsure"), Some("flag")];
    Review {
        verdict: verdicts[random.below(4)].map(Arc::from),
        note: "note ".repeat(random.below(200)).into(),
        tags: [Arc::from("tag")].into(),
    }
}

/// What must stand, and what can be undone: image, before, after.
#[derive(Clone, Default)]
struct Mirror {
    stands: BTreeMap<usize, Review>,
    done: Vec<Vec<(usize, Review, Review)>>,
    undone: Vec<Vec<(usize, Review, Review)>>,
}

impl Mirror {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Record(changes) => {
                let step: Vec<_> = changes
                    .iter()
                    .map(|(image, after)| (*image, self.of(*image), after.clone()))
                    .filter(|(_, before, after)| before != after)
                    .collect();
                if step.is_empty() {
                    return;
                }
                for (image, _, after) in &step {
                    self.stands.insert(*image, after.clone());
                }
                self.done.push(step);
                self.undone.clear();
            }
            Operation::Undo => {
                let Some(step) = self.done.pop() else { return };
                for (image, before, _) in &step {
                    self.stands.insert(*image, before.clone());
                }
                self.undone.push(step);
            }
            Operation::Redo => {
                let Some(step) = self.undone.pop() else {
                    return;
                };
                for (image, _, after) in &step {
                    self.stands.insert(*image, after.clone());
                }
                self.done.push(step);
            }
        }
    }

    fn of(&self, image: usize) -> Review {
        self.stands.get(&image).cloned().unwrap_or_default()
    }

    fn after(&self, operation: &Operation) -> Self {
        let mut after = self.clone();
        after.apply(operation);
        after
    }

    fn is_what_stands(&self, store: &mut Store) -> bool {
        let all = store.reviews().unwrap().reviews;
        let found: BTreeMap<Key, Review> =
            all.into_iter().map(|one| (one.image, one.review)).collect();
        let none = Review::default();
        (0..IMAGES)
            .all(|image| found.get(&key(&image.to_string())).unwrap_or(&none) == &self.of(image))
    }
}

fn perform(store: &mut Store, operation: &Operation) {
    match operation {
        Operation::Record(changes) => {
            let all = store.reviews().unwrap().reviews;
            let versions: BTreeMap<Key, Version> = all
                .into_iter()
                .map(|one| (one.image, one.stamp.version))
                .collect();
            let changes: Vec<Change> = changes
                .iter()
                .map(|(image, review)| {
                    let image = image.to_string();
                    let expected = versions.get(&key(&image)).copied().unwrap_or_default();
                    change(&image, expected, review.clone())
                })
                .collect();
            kept(store, &changes);
        }
        Operation::Undo => drop(store.undo().unwrap()),
        Operation::Redo => drop(store.redo().unwrap()),
    }
}

fn place(file: &Path) -> Place {
    Place::new(&[PathBuf::from("/")], Some(file), None).unwrap()
}

/// The process that is killed.
#[test]
fn storms_where_it_is_asked_to() {
    #[expect(clippy::disallowed_methods, reason = "a message to this test alone")]
    let Some(file) = std::env::var_os(STORM) else {
        return;
    };
    let mut first = String::new();
    std::io::stdin().read_line(&mut first).unwrap();
    let mut store = Store::open(&place(Path::new(&file)), "ann").unwrap();
    let mut scores = store.another().unwrap();
    let scorer = move || {
        let model = scores.model("m", "").unwrap();
        for round in 0.. {
            let batch: Vec<Scored> = (0..20)
                .map(|image| scored(&image.to_string(), round))
                .collect();
            scores.keep_scores(model, &batch).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let thread = std::thread::Builder::new().name("scorer".to_owned());
    let _endless = thread.spawn(scorer).unwrap();
    let mut out = std::io::stdout();
    for number in first.trim().parse::<u64>().unwrap().. {
        perform(&mut store, &operation(number));
        out.write_all(format!("kept {number}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

fn start(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "dataset::store::tests::kill::storms_where_it_is_asked_to",
        ])
        .env(STORM, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets it run for a moment after its first operation. Returns the last that it said to have done.
fn storm_and_kill(mut child: Child, first: u64, moment: Duration) -> u64 {
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{first}\n").as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The name of the test stands before the first one.
    let number = |line: String| line.split_once("kept ")?.1.parse::<u64>().ok();
    let begun = lines.find_map(|line| number(line.unwrap()));
    let mut last = begun.expect("the storm has not begun");
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        last = number(line.unwrap()).unwrap_or(last);
    }
    last
}

#[test]
fn whoever_is_killed_has_lost_nothing_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("storm.sqlite");
    let mut random = Random(2026);
    let mut mirror = Mirror::default();
    let (mut next, mut in_flight) = (0, 0);
    let mut waiting = start(&file);
    for kill in 0..KILLS {
        let moment = Duration::from_micros(random.below(25_000) as u64);
        let child = std::mem::replace(&mut waiting, start(&file));
        let last = storm_and_kill(child, next, moment);
        for number in next..=last {
            mirror.apply(&operation(number));
        }
        next = last + 1;
        let mut store = Store::open(&place(&file), "ann").unwrap();
        assert!(store.notes().is_empty(), "{:?}", store.notes());
        if !mirror.is_what_stands(&mut store) {
            mirror = mirror.after(&operation(next));
            assert!(
                mirror.is_what_stands(&mut store),
                "kill {kill}, operation {next}"
            );
            next += 1;
            in_flight += 1;
        }
        assert_eq!(integrity(&store), "ok", "kill {kill}");
    }
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    println!("{next} operations, {KILLS} kills, {in_flight} in the middle of one that was kept");
    assert!(next > KILLS as u64);
}
