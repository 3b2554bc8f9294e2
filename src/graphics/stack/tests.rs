use super::*;
use crate::geometry::CellSize;
use crate::graphics::png::indexed;
use crate::tests::random::Random;

#[path = "../../../tests/support/kitty.rs"]
mod kitty_model;

use kitty_model::{LIAR, PROFILES, Profile, SILENT, Terminal};

/// Photos have names below this, heatmaps from it on.
const HEATS: u64 = 100;

/// What a terminal may say of pictures that were lost, or cut short.
const EXPECTED: [&str; 3] = ["ENOENT", "ENOPARENT", "EBADPNG"];

/// The picture of a name; photos have a preview of half the size.
fn picture(key: Key) -> Png {
    // A photo takes several chunks.
    let side = if key.name < HEATS { 128 } else { 16 };
    let side = if key.quality == Quality::Preview {
        side / 2
    } else {
        side
    };
    let mut random = Random(key.name);
    let indices: Vec<u8> = (0..side * side)
        .map(|_| u8::try_from(random.below(8)).unwrap())
        .collect();
    let size = PixelSize::new(side, side);
    indexed(size, &indices, &[[1, 2, 3, 128]; 8]).unwrap()
}

fn scene(photo: u64, heat: Option<u64>, columns: u16) -> Scene {
    Scene {
        slot: Slot {
            x: 30,
            y: 2,
            size: CellSize::new(columns, 10),
        },
        photo,
        heat: heat.map(|heat| HEATS + heat),
        part: None,
    }
}

/// Does the steps of a stack on a model of a terminal, as the easel and the writer do.
struct Bench {
    stack: Stack,
    library: Library,
    terminal: Terminal,
    is_answered: bool,
    uploads: usize,
    sent: usize,
}

impl Bench {
    fn new(profile: Profile) -> Self {
        let route = if profile.tmux {
            Route::Tmux
        } else {
            Route::Direct
        };
        let ids = Ids::by_chance(route);
        Self {
            stack: Stack::new(route, ids),
            library: Library::new(),
            terminal: Terminal::new(profile),
            is_answered: true,
            uploads: 0,
            sent: 0,
        }
    }

    fn wanted<'a>(&self, scene: Option<&'a Scene>, ahead: &'a [u64]) -> Wanted<'a> {
        Wanted {
            scene,
            ahead,
            may_begin: true,
            is_answered: self.is_answered,
            rests: true,
            is_late: false,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.sent += bytes.len();
        self.terminal.feed(bytes);
    }

    /// Does the next step; an upload is cut short before this chunk. Returns whether there was one.
    fn step(&mut self, wanted: Wanted<'_>, cut_before: usize) -> bool {
        match self.stack.next(wanted, &self.library) {
            None => return false,
            Some(Step::Encode(key)) => {
                self.library.insert(key, picture(key));
            }
            Some(Step::Show(show)) => {
                self.send(&show.bytes);
                self.stack.showed(&show);
            }
            Some(Step::Upload(upload)) => self.upload(upload, cut_before),
        }
        self.listen();
        true
    }

    fn upload(&mut self, upload: Upload, cut_before: usize) {
        let png = self.library[&upload.key].clone();
        let (chunks, cut) = self.stack.sequences(upload, &png);
        self.stack.begun(upload);
        for (place, chunk) in chunks.iter().enumerate() {
            if place == cut_before {
                self.send(&cut);
                return;
            }
            self.send(chunk);
            // Text goes between chunks.
            self.send(b"\x1b[1;1Htext");
        }
        self.uploads += 1;
        self.is_answered = !upload.is_photo();
        self.stack.uploaded(upload);
    }

    /// Hears what the terminal says.
    fn listen(&mut self) {
        let said = String::from_utf8(std::mem::take(&mut self.terminal.answers)).unwrap();
        for body in said
            .split("\x1b\\")
            .filter_map(|one| one.strip_prefix("\x1b_"))
        {
            let answer = Answer::read(body).unwrap();
            assert!(self.stack.answered(&answer), "{body}");
            self.is_answered |= answer.error.is_none();
        }
    }

    /// Goes on until nothing is left to do.
    fn settle(&mut self, scene: Option<&Scene>, ahead: &[u64]) {
        for _ in 0..300 {
            // A terminal that does not answer is not waited for without end.
            self.is_answered = true;
            if !self.step(self.wanted(scene, ahead), usize::MAX) {
                return;
            }
        }
        panic!("{:?} never comes to rest", self.terminal);
    }

    /// Names of what is on the screen, from the lowest to the highest.
    fn visible(&self) -> Vec<u64> {
        let name = |id: u32| {
            let data = self.terminal.data(id)?;
            let mut known = self.library.iter();
            known.find_map(|(key, png)| (*png.bytes == *data).then_some(key.name))
        };
        let seen = self.terminal.visible();
        seen.iter()
            .map(|(id, _)| name(*id).expect("what was sent"))
            .collect()
    }
}

#[test]
fn whatever_happens_exactly_the_photo_and_the_heatmap_are_shown_and_nothing_is_left() {
    for profile in PROFILES {
        for seed in 0..40 {
            let mut random = Random(seed);
            let mut bench = Bench::new(*profile);
            let mut wanted: Option<Scene> = None;
            for _ in 0..60 {
                let ahead: Vec<u64> = (0..random.below(3))
                    .map(|heat| HEATS + heat as u64)
                    .collect();
                match random.below(12) {
                    0 => wanted = None,
                    1 => {
                        bench.send(b"\x1b[H\x1b[J");
                        bench.stack.erased();
                    }
                    2 => {
                        bench.send(&bench.stack.farewell().bytes);
                        bench.send(b"\x1b[?1049l\x1b[?1049h");
                        bench.stack.forgotten();
                    }
                    3 => {
                        let held = bench.terminal.held();
                        if !held.is_empty() {
                            bench.terminal.evict(held[random.below(held.len())]);
                        }
                    }
                    _ => {
                        let heat = random.below(5) as u64;
                        let columns = u16::try_from(20 + random.below(2)).unwrap();
                        let photo = random.below(4) as u64;
                        wanted = Some(scene(photo, (heat > 0).then_some(heat), columns));
                        bench.stack.forgive();
                    }
                }
                for _ in 0..random.below(6) {
                    let now = Wanted {
                        may_begin: random.below(2) == 0,
                        rests: random.below(2) == 0,
                        is_late: random.below(4) == 0,
                        ..bench.wanted(wanted.as_ref(), &ahead)
                    };
                    bench.step(now, random.below(3));
                }
            }
            let what = format!("{}, seed {seed}", profile.name);
            // Pictures that went without a word are missed when they are placed again.
            bench.stack.erased();
            bench.stack.forgive();
            bench.settle(wanted.as_ref(), &[]);
            let expected: Vec<u64> = wanted
                .iter()
                .flat_map(|scene| std::iter::once(scene.photo).chain(scene.heat))
                .collect();
            assert_eq!(bench.visible(), expected, "{what}");
            let wrong = bench
                .terminal
                .errors
                .iter()
                .find(|error| !EXPECTED.iter().any(|word| error.starts_with(word)));
            assert_eq!(wrong, None, "{what}");
            bench.send(&bench.stack.farewell().bytes);
            assert_eq!(bench.terminal.visible(), [], "{what}");
            bench.send(b"\x1b[?1049l");
            assert_eq!(bench.terminal.left_behind, [] as [u32; 0], "{what}");
        }
    }
}

#[test]
fn an_ending_in_the_middle_of_an_upload_leaves_nothing() {
    for profile in PROFILES.iter().filter(|profile| !profile.keeps_data) {
        let mut bench = Bench::new(*profile);
        bench.settle(Some(&scene(1, Some(1), 20)), &[]);
        let next = scene(2, None, 20);
        let key = Key {
            name: 2,
            quality: Quality::Preview,
        };
        let big = indexed(
            PixelSize::new(100, 100),
            &random_bytes(10_000),
            &[[9; 4]; 256],
        );
        bench.library.insert(key, big.unwrap());
        let Some(Step::Upload(upload)) = bench
            .stack
            .next(bench.wanted(Some(&next), &[]), &bench.library)
        else {
            panic!("no upload");
        };
        let (chunks, _) = bench.stack.sequences(upload, &bench.library[&key]);
        assert!(chunks.len() > 2);
        bench.stack.begun(upload);
        bench.send(&chunks[0]);
        // In the middle of a sequence.
        bench.send(&chunks[1][..100]);
        bench.send(&bench.stack.farewell().bytes);
        assert_eq!(bench.terminal.held(), [] as [u32; 0], "{}", profile.name);
        // The next program's picture is not taken for the rest of ours.
        let route = if profile.tmux {
            Route::Tmux
        } else {
            Route::Direct
        };
        let theirs = picture(key);
        for chunk in route.upload(77, &theirs.bytes, true) {
            bench.send(&chunk);
        }
        assert_eq!(
            bench.terminal.data(77),
            Some(&*theirs.bytes),
            "{}",
            profile.name
        );
    }
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut random = Random(1);
    (0..count)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}

#[test]
fn a_terminal_that_denies_everything_is_believed_after_a_while() {
    let mut bench = Bench::new(LIAR);
    bench.settle(Some(&scene(1, Some(1), 20)), &[HEATS + 2]);
    assert_eq!(bench.visible(), [] as [u64; 0]);
    assert!(bench.uploads < 15, "{} uploads", bench.uploads);
    // Another scene is tried again, and no longer than the one before.
    bench.stack.forgive();
    bench.settle(Some(&scene(2, None, 20)), &[]);
    assert!(bench.uploads < 25, "{} uploads", bench.uploads);
    let mut silent = Bench::new(SILENT);
    silent.settle(Some(&scene(1, Some(1), 20)), &[]);
    assert_eq!(silent.visible(), [] as [u64; 0]);
}

fn shown(bench: &mut Bench, scene: &Scene) -> String {
    match bench
        .stack
        .next(bench.wanted(Some(scene), &[]), &bench.library)
    {
        Some(Step::Show(show)) => {
            bench.send(&show.bytes);
            bench.stack.showed(&show);
            String::from_utf8(show.bytes).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_class_seen_before_is_a_placement_and_a_deletion() {
    let mut bench = Bench::new(PROFILES[0]);
    let (first, second) = (scene(1, Some(1), 20), scene(1, Some(2), 20));
    bench.settle(Some(&first), &[HEATS + 2]);
    let held = bench.terminal.held();
    let [heat, _, _, other] = held[..] else {
        panic!("a heatmap, a preview, a photo, another heatmap: {held:?}")
    };
    assert_eq!(
        shown(&mut bench, &second),
        format!(
            "\x1b[3;31H\x1b_Ga=p,q=1,i={other},p=1,c=20,r=10,C=1,z=2\x1b\\\
             \x1b_Ga=d,d=i,i={heat},p=1,q=2\x1b\\"
        )
    );
    assert_eq!(bench.visible(), [1, HEATS + 2]);
    // The photo alone, and back.
    let alone = scene(1, None, 20);
    assert_eq!(
        shown(&mut bench, &alone),
        format!("\x1b[3;31H\x1b_Ga=d,d=i,i={other},p=1,q=2\x1b\\")
    );
    assert_eq!(
        bench
            .stack
            .next(bench.wanted(Some(&alone), &[]), &bench.library),
        None
    );
}

#[test]
fn a_part_of_the_picture_is_placed_and_nothing_is_sent() {
    let mut bench = Bench::new(PROFILES[0]);
    let whole = scene(1, Some(1), 20);
    bench.settle(Some(&whole), &[]);
    let part = Scene {
        part: Some(Window {
            x: 0.25,
            y: 0.5,
            width: 0.5,
            height: 0.5,
        }),
        ..whole
    };
    assert!(shown(&mut bench, &part).len() < 200);
    let seen = bench.terminal.visible();
    let parts: Vec<[u32; 4]> = seen.iter().map(|(_, placement)| placement.part).collect();
    assert_eq!(parts, [[32, 64, 64, 64], [4, 8, 8, 8]]);
}

#[test]
fn the_first_sight_comes_with_its_heatmap_and_full_quality_when_the_selection_rests() {
    let mut bench = Bench::new(PROFILES[0]);
    let wanted = scene(1, Some(1), 20);
    let hurried = |bench: &Bench| Wanted {
        rests: false,
        ..bench.wanted(None, &[])
    };
    let mut steps = Vec::new();
    for rests in [false, true] {
        while let Some(step) = {
            let now = Wanted {
                scene: Some(&wanted),
                rests,
                is_answered: true,
                ..hurried(&bench)
            };
            bench.stack.next(now, &bench.library)
        } {
            steps.push(match &step {
                Step::Encode(key) => format!("encode {} {:?}", key.name, key.quality),
                Step::Upload(upload) => {
                    format!("upload {} {:?}", upload.key.name, upload.key.quality)
                }
                Step::Show(_) => "show".to_owned(),
            });
            let now = Wanted {
                scene: Some(&wanted),
                rests,
                is_answered: true,
                ..hurried(&bench)
            };
            bench.step(now, usize::MAX);
        }
    }
    assert_eq!(
        steps,
        [
            "encode 101 Full",
            "upload 101 Full",
            "encode 1 Preview",
            "upload 1 Preview",
            "show",
            "encode 1 Full",
            "upload 1 Full",
            "show",
        ]
    );
}

#[test]
fn what_belongs_to_another_caption_is_taken_away_when_its_successor_is_late() {
    let mut bench = Bench::new(PROFILES[0]);
    bench.settle(Some(&scene(1, Some(1), 20)), &[]);
    let next = scene(2, Some(2), 20);
    let waiting = Wanted {
        may_begin: false,
        rests: false,
        ..bench.wanted(Some(&next), &[])
    };
    assert!(!bench.step(waiting, usize::MAX));
    assert_eq!(bench.visible(), [1, HEATS + 1]);
    let late = Wanted {
        is_late: true,
        ..waiting
    };
    assert!(bench.step(late, usize::MAX));
    assert_eq!(bench.visible(), [] as [u64; 0]);
}
