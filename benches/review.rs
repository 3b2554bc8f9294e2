//! A review at its limits: a folder of a million images with scores, and keys while a folder is
//! scored.
//!
//! ```text
//! cargo bench --bench review -- [--only scale|keys] [--files N] [--model FILE] [--presses N]
//! ```
//!
//! `scale` makes a folder of so many links to one image (below `target/bench/million`, kept for the
//! next time) and a store with random scores of all of them, starts the program in a terminal, and
//! prints how long it takes from the start until the first frame, the first names, all names, and
//! the scores; from a key until the frame that shows what it asks for: scrolling, sorting, filtering,
//! opening; and the most memory. Milliseconds.
//!
//! `keys` makes a folder of photographs of two megapixels from noise, and goes through it with `j`
//! while it is being scored and with `--no-scoring`, in turns; it prints the time from the key until
//! the picture of the next image is there: median, 90th percentile, worst. `--model` is the
//! checkpoint, the bundled model without it; `python benches/networks.py` makes some.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

#[path = "shared/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use gradcam::dataset::score::{Answer, Score};
use gradcam::dataset::store::{FileIdentity, Key, Place, Scored, Store};
use gradcam::model::{LoadOptions, Model, ModelSource};
use gradcam::worker::studio::facts_of;
use terminal::Terminal;

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long)]
    only: Option<String>,
    #[arg(long, default_value_t = 1_000_000)]
    files: usize,
    #[arg(long)]
    model: Option<PathBuf>,
    #[arg(long, default_value_t = 30)]
    presses: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    if wanted("scale") {
        scale(arguments.files)?;
    }
    if wanted("keys") {
        keys(arguments.model.as_deref(), arguments.presses)?;
    }
    Ok(())
}

fn scale(files: usize) -> Result<()> {
    let home = PathBuf::from("target/bench/million").join(files.to_string());
    let (folder, state) = (home.join("images"), home.join("state"));
    make_folder(&folder, files)?;
    fill_store(&folder, &state, files)?;
    let path = folder.to_string_lossy().into_owned();
    let terminal = Terminal::open(&[&path], &state)?;
    let row = |name: &str, milliseconds: f64| println!("{name:40} {milliseconds:9.0} ms");
    println!("{files} images");
    row(
        "start to the first frame",
        terminal.since_start("a frame", |screen| screen.contains("Images"))?,
    );
    row(
        "start to the first names",
        terminal.since_start("names", |screen| screen.contains("img_"))?,
    );
    let all = format!("1/{files} ");
    let is_all = |screen: &str| {
        first_line(screen).contains(all.trim_end()) && !first_line(screen).contains('…')
    };
    row(
        "start to all names",
        terminal.since_start("all names", is_all)?,
    );
    let scored = |screen: &str| {
        screen
            .lines()
            .skip(5)
            .take(20)
            .all(|line| line.contains('%'))
    };
    row(
        "start to the scores",
        terminal.since_start("scores", scored)?,
    );
    std::thread::sleep(Duration::from_secs(2));
    let mut scroll = Vec::new();
    for page in 1..=20 {
        let before = place(&terminal.contents());
        scroll.push(terminal.press("\x1b[6~", "a page", |screen| place(screen) != before)?);
        if page % 5 == 0 {
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    row("a page down, median of 20", median(&mut scroll));
    for (name, keys, words) in [
        (
            "sort by confidence",
            "o\x1b[H\x1b[B\x1b[B\x1b[B\r",
            "order: conf",
        ),
        ("sort by margin", "o\x1b[B\r", "order: margin"),
        (
            "sort by entropy, reversed",
            "O",
            "order: margin, descending",
        ),
        ("sort by name again", "o\x1b[H\r", "order: name"),
    ] {
        row(
            name,
            terminal.press(keys, name, |screen| screen.contains(words))?,
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    terminal.press("fconf>0", "a filter", |screen| screen.contains("/conf>0"))?;
    std::thread::sleep(Duration::from_secs(1));
    row(
        "filter, the key after conf>0",
        terminal.press(".", "a filter", |screen| screen.contains("/conf>0."))?,
    );
    std::thread::sleep(Duration::from_secs(1));
    row(
        "filter, the key after conf>0.",
        terminal.press("9", "a filter", |screen| screen.contains("/conf>0.9"))?,
    );
    std::thread::sleep(Duration::from_secs(1));
    row(
        "filter by name as well",
        terminal.press(" 77", "a filter", |screen| screen.contains("conf>0.9 77"))?,
    );
    row(
        "all again",
        terminal.press("\x1b", "all", |screen| {
            first_line(screen).contains(&format!("/{files}"))
        })?,
    );
    std::thread::sleep(Duration::from_secs(1));
    row(
        "to the last image and its picture",
        terminal.press("G", "the picture", |screen| {
            place(screen) == Some(files) && is_shown(screen)
        })?,
    );
    println!("{:40} {:9.0} MiB", "most memory", terminal.peak_mib()?);
    terminal.quit()
}

fn make_folder(folder: &Path, files: usize) -> Result<()> {
    // Folders hold a limited number of links to one file.
    const LINKS: usize = 30_000;
    let last = folder.join(format!("{:02}/img_{}.png", (files - 1) % 100, files - 1));
    if last.exists() {
        return Ok(());
    }
    println!("making {files} files");
    let image = std::fs::read("assets/demo/images/05-fish.png")?;
    let mut one = PathBuf::new();
    for number in 0..files {
        let place = folder.join(format!("{:02}", number % 100));
        if number < 100 {
            std::fs::create_dir_all(&place)?;
        }
        let file = place.join(format!("img_{number}.png"));
        if number % LINKS == 0 {
            std::fs::write(&file, &image)?;
            one = file;
        } else {
            std::fs::hard_link(&one, file)?;
        }
    }
    Ok(())
}

/// Scores from a generator, the same each time.
fn fill_store(folder: &Path, state: &Path, files: usize) -> Result<()> {
    let place = Place::new(
        &[folder.to_owned()],
        None,
        Some(&state.canonicalize().unwrap_or_else(|_| state.to_owned())),
    )?;
    if place.file().exists() {
        return Ok(());
    }
    println!("making {files} scores");
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default())?;
    let mut store = Store::open(&place, "bench")?;
    let model = store.model_of(&facts_of(&model))?;
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1_u64 << 24) as f32
    };
    let mut scores = Vec::new();
    for number in 0..files {
        let path = folder.join(format!("{:02}/img_{number}.png", number % 100));
        let key: Key = place.key(&path);
        let classes =
            [0, 1, 2, 3, 4].map(|rank| (u32::try_from(number % 12).unwrap_or(0) * 7 + rank) % 12);
        let first = 6.0 * random();
        let top = [0.0, 0.5, 1.0, 1.5, 2.0].map(|less| first - less);
        let answers: Vec<Answer> = classes
            .into_iter()
            .zip(top)
            .map(|(class, logit)| Answer { class, logit })
            .collect();
        scores.push(Scored {
            image: key,
            file: FileIdentity::of(&path)?,
            score: Ok(Score::new(&answers, first + 2.0 * random(), 2.0 * random())),
        });
        if scores.len() == 20_000 || number + 1 == files {
            store.keep_scores(model, &scores)?;
            scores.clear();
        }
    }
    Ok(())
}

fn keys(model: Option<&Path>, presses: usize) -> Result<()> {
    let folder = PathBuf::from("target/bench/photos");
    make_photos(&folder, 400)?;
    let folder = folder.to_string_lossy().into_owned();
    let mut arguments = vec![folder.as_str()];
    let model = model.map(|model| model.to_string_lossy().into_owned());
    if let Some(model) = &model {
        arguments.extend(["--model", model]);
    }
    let without = [&arguments[..], &["--no-scoring"]].concat();
    let mut medians = Vec::new();
    for (name, arguments) in [
        ("off", &without),
        ("on", &arguments),
        ("off", &without),
        ("on", &arguments),
    ] {
        let state = tempfile::tempdir()?;
        let terminal = Terminal::open(arguments, state.path())?;
        terminal.since_start("the first picture", |screen| {
            place(screen) == Some(1) && is_shown(screen)
        })?;
        std::thread::sleep(Duration::from_secs(3));
        let mut times = Vec::new();
        for press in 0..presses {
            times.push(terminal.press("j", "the next picture", |screen| {
                place(screen) == Some(press + 2) && is_shown(screen)
            })?);
            // Somebody looks at it for a moment, not always as long.
            std::thread::sleep(Duration::from_millis(700 + 37 * (press as u64 % 7)));
        }
        let half = median(&mut times);
        let tenth = times[times.len() * 9 / 10];
        let worst = times[times.len() - 1];
        println!(
            "scoring {name:3}: median {half:6.1} ms, 90th percentile {tenth:6.1}, worst {worst:6.1}"
        );
        medians.push(half);
        terminal.quit()?;
    }
    let ratio = (medians[1] + medians[3]) / (medians[0] + medians[2]);
    println!("on / off: {ratio:.2}");
    Ok(())
}

/// JPEG files of two megapixels.
fn make_photos(folder: &Path, count: u32) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for number in 0..count {
        let path = folder.join(format!("photo_{number}.jpg"));
        if !path.exists() {
            let image = image::RgbImage::from_fn(1600, 1200, |x, y| {
                let wave = |step: u32| {
                    ((x * step + y * (number % 13 + 1)) / 64 * 31 + number * 7).to_le_bytes()[0]
                };
                image::Rgb([wave(1), wave(2), wave(3)])
            });
            image.save(&path)?;
        }
    }
    Ok(())
}

fn first_line(screen: &str) -> &str {
    screen.lines().next().unwrap_or_default()
}

/// Which image of the queue is selected.
fn place(screen: &str) -> Option<usize> {
    let (before, _) = first_line(screen).split_once('/')?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Whether the picture is that of the selected image.
fn is_shown(screen: &str) -> bool {
    screen.contains("Grad-CAM") && !screen.contains("working…") && !screen.contains("still ")
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
