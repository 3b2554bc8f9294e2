mod explanation;
mod pages;
mod results;
mod review;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::*;
use crate::app::event::{StoreReply, Then};
use crate::app::layout::page_areas;
use crate::app::review::{Reviewing, Said};
use crate::dataset::ImageEntry;
use crate::dataset::review::{Review, usual};
use crate::dataset::score::{Answer, Score};
use crate::dataset::store::{Stamp, Version};
use crate::dataset::truth::known::TrueClasses;
use crate::explain::methods::MethodId;
use crate::explain::options::Options;
use crate::explain::target::Measure;
use crate::explain::{Explanation, Prediction};
use crate::geometry::{InputGeometry, PixelSize, Window};
use crate::graphics::{Capabilities, Protocol};
use crate::heatmap::{Grid, Heatmap};
use crate::job::{About, Progress, Times};
use crate::model::precision::Precision;
use crate::model::{ClassIndex, LayerSummary, ModelSummary};
use crate::picture::colormap::Colormap;
use crate::picture::{Style, View};
use crate::tests::random::Random;

/// Keys as people write them: `j`, `3`, `<Tab>`, `<C-d>`, `<Esc>`.
fn keys(script: &str) -> Vec<KeyEvent> {
    let mut keys = Vec::new();
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        let (name, after) = match rest.strip_prefix('<').and_then(|tail| tail.split_once('>')) {
            Some((name, after)) => (name.to_owned(), after),
            None => (first.to_string(), rest.strip_prefix(first).unwrap()),
        };
        rest = after;
        let (code, modifiers) = match name.as_str() {
            "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
            "S-Tab" => (KeyCode::BackTab, KeyModifiers::SHIFT),
            "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
            "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
            "Back" => (KeyCode::Backspace, KeyModifiers::NONE),
            "Down" => (KeyCode::Down, KeyModifiers::NONE),
            "Up" => (KeyCode::Up, KeyModifiers::NONE),
            "PageDown" => (KeyCode::PageDown, KeyModifiers::NONE),
            "PageUp" => (KeyCode::PageUp, KeyModifiers::NONE),
            "Home" => (KeyCode::Home, KeyModifiers::NONE),
            "End" => (KeyCode::End, KeyModifiers::NONE),
            "Space" => (KeyCode::Char(' '), KeyModifiers::NONE),
            other => match other.strip_prefix("C-") {
                Some(letter) => (
                    KeyCode::Char(letter.chars().next().unwrap()),
                    KeyModifiers::CONTROL,
                ),
                None => (
                    KeyCode::Char(other.chars().next().unwrap()),
                    KeyModifiers::NONE,
                ),
            },
        };
        keys.push(KeyEvent::new(code, modifiers));
    }
    keys
}

/// A state, and a worker that answers when it is told to.
pub(crate) struct Desk {
    pub(crate) state: State,
    /// What was sent and not answered.
    open: Vec<Request>,
    /// All effects in a few words.
    log: Vec<String>,
}

impl Desk {
    /// Images of these names, in a terminal of this size; the model is still loading.
    pub(crate) fn loading(names: &[&str], size: CellSize) -> Self {
        let images = (0..).zip(names).map(|(id, name)| ImageEntry {
            id: ImageId(id),
            path: Arc::from(Path::new(name)),
            name: Arc::from(*name),
        });
        let style = Style::default();
        let capabilities = Capabilities {
            protocol: Protocol::HalfBlocks,
            cell_px: PixelSize::new(9, 18),
            true_color: true,
            reason: "the terminal did not answer in time".to_owned(),
            ..Capabilities::default()
        };
        let state = State::new(
            images.collect(),
            Options::default(),
            style,
            PathBuf::from("out"),
            Reviewing::new(usual()),
            capabilities,
            size,
        );
        Self {
            state,
            open: Vec::new(),
            log: Vec::new(),
        }
    }

    /// The same with a model of twelve classes, and the first picture shown.
    pub(crate) fn ready(names: &[&str], size: CellSize) -> Self {
        let mut desk = Self::loading(names, size);
        let natural = (0..names.len()).map(ImageId).collect();
        desk.event(Event::AllFound(natural, None));
        let labels = (0..12).map(|class| format!("bird {class}")).collect();
        desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
        desk.answer_all();
        desk.event(Event::Reply(Reply::Layers(layers())));
        desk.log.clear();
        desk
    }

    pub(crate) fn event(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            self.log.push(match &effect {
                Effect::Send(Job::Show(request)) => told(request),
                Effect::Send(Job::Save { request, folder }) => {
                    format!(
                        "save {} in {}",
                        request.image.path.display(),
                        folder.display()
                    )
                }
                Effect::Send(Job::Stop) => "stop".to_owned(),
                Effect::Send(Job::Open(_)) => unreachable!("the loop has the folder"),
                Effect::Export(file) => format!("export {file}"),
                Effect::OpenFolder => "open the folder".to_owned(),
                Effect::Copy(text) => format!("copy {text}"),
                Effect::Redraw => "redraw".to_owned(),
                Effect::Keep(keep) => kept(keep),
                Effect::Edit { images, note } => format!("edit {images:?} {note:?}"),
                Effect::Suspend => "suspend".to_owned(),
                Effect::Quit => "quit".to_owned(),
            });
            match effect {
                Effect::Send(Job::Show(request)) => self.open.push(request),
                Effect::Keep(Keep::Reviews {
                    changes,
                    words,
                    then,
                }) => self.keep(changes, words, then),
                _ => {}
            }
        }
    }

    /// What a store says that keeps everything.
    fn keep(&mut self, changes: Vec<(ImageId, Version, Review)>, words: String, then: Then) {
        let said = changes.into_iter().map(|(image, _, review)| {
            let stamp = Stamp {
                version: Version::NONE,
                by: Arc::from("anna"),
                at_millis: 0,
            };
            (image, Said { review, stamp })
        });
        let said = said.collect();
        self.event(Event::Store(StoreReply::Standing { said, words, then }));
    }

    /// These are the true classes of the images.
    pub(crate) fn truth(&mut self, classes: &[&[usize]]) {
        let of = |image: ImageId| classes.get(image.0).copied().unwrap_or_default().to_vec();
        self.state.truth = Arc::new(TrueClasses::new(classes.len(), of));
    }

    /// These are the top predictions of the first images, each with 90 %, and more may follow.
    pub(crate) fn score(&mut self, predicted: &[u32], total: usize) {
        let score = |class: u32| {
            let second = u32::from(class == 0);
            let answer = |class, share: f32| Answer {
                class,
                logit: share.ln(),
            };
            Score::new(&[answer(class, 0.9), answer(second, 0.1)], 0.0, 0.325)
        };
        let scores = (0..).zip(predicted);
        let scores = scores.map(|(image, class)| (ImageId(image), Ok(score(*class))));
        self.event(Event::Reply(Reply::Scored {
            scores: scores.collect(),
            progress: Progress {
                done: predicted.len(),
                total,
                per_second: None,
            },
        }));
    }

    pub(crate) fn press(&mut self, script: &str) {
        for key in keys(script) {
            self.event(Event::Input(Input::Key(key)));
        }
    }

    /// Answers the oldest open request.
    pub(crate) fn answer(&mut self) {
        let request = self.open.remove(0);
        let image = request.image.id;
        let predictions = predictions(image);
        self.event(Event::Reply(Reply::Predicted { image, predictions }));
        let (generation, result) = (request.generation, Ok(outcome(&request)));
        self.event(Event::Reply(Reply::Done {
            generation,
            image,
            result,
        }));
    }

    /// The oldest open request is so far.
    pub(crate) fn progress(&mut self, done: usize, total: usize) {
        let generation = self.open[0].generation;
        self.event(Event::Reply(Reply::Progress {
            generation,
            done,
            total,
        }));
    }

    /// The oldest open request is left, as it was told.
    fn stop(&mut self) {
        let generation = self.open.remove(0).generation;
        self.event(Event::Reply(Reply::Stopped { generation }));
    }

    pub(crate) fn answer_all(&mut self) {
        while !self.open.is_empty() {
            self.answer();
        }
    }

    fn selected(&self) -> &str {
        self.state.current().map_or("none", |image| &image.name)
    }
}

/// What is to be kept, in a few words.
fn kept(keep: &Keep) -> String {
    match keep {
        Keep::Reviews { words, .. } => format!("keep {words}"),
        Keep::Undo => "undo".to_owned(),
        Keep::Redo => "redo".to_owned(),
        Keep::View(view) => format!(
            "save queue {} = {} in order {}",
            view.name, view.filter, view.order
        ),
        Keep::RemoveView(name) => format!("remove queue {name}"),
    }
}

/// A request in a few words: the image, the target, and all that is not as usual.
fn told(request: &Request) -> String {
    let name = |target| match target {
        Target::Rank(rank) => format!("class {rank}"),
        Target::Class(class) => format!("bird {}", class.0),
    };
    let Options {
        method,
        layers,
        fusion,
        measure,
        versus,
        counterfactual,
        aug_smooth,
        eigen_smooth,
    } = &request.options;
    let beside = request
        .beside
        .map(|beside| format!("beside {}", name(beside)));
    let versus = versus.map(|versus| format!("versus bird {}", versus.0));
    let said = |said: bool, words: &str| said.then(|| words.to_owned());
    let words = [
        Some(name(request.target)),
        beside,
        versus,
        said(*counterfactual, "counterfactual"),
        said(*method != MethodId::default(), method.method().key()),
        said(!layers.is_empty(), &format!("at {}", layers.join("+"))),
        said(layers.len() > 1, fusion.name()),
        said(*measure != Measure::Logit, measure.name()),
        said(*aug_smooth, "aug_smooth"),
        said(*eigen_smooth, "eigen_smooth"),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    format!("show {} {}", request.image.path.display(), words.join(" "))
}

/// What the worker says first of a model.
pub(crate) fn about(summary: ModelSummary, labels: Arc<[String]>) -> About {
    About { summary, labels }
}

pub(crate) fn summary() -> ModelSummary {
    ModelSummary {
        name: "birds.pth".to_owned(),
        family: "ResNet-18".to_owned(),
        classes: 12,
        fingerprint: "0123456789abcdef".to_owned(),
        layer: "layer4".to_owned(),
        recipe: "shorter side 256 (bilinear), center crop 224, ImageNet mean and std".to_owned(),
        recipe_source: None,
        device: "cpu".to_owned(),
        precision: Precision::F32,
        device_note: Some("no NVIDIA driver".to_owned()),
        guesses: vec!["the preprocessing, by the family's convention".to_owned()],
    }
}

/// The class of a rank, of twelve classes in an order that the image decides.
fn ranked(image: ImageId, rank: usize) -> Prediction {
    let shares = [0.62, 0.31, 0.04, 0.02, 0.01];
    let probability: f32 = shares.get(rank - 1).copied().unwrap_or(0.0);
    let class = (image.0 * 5 + rank * 7) % 12;
    Prediction {
        rank,
        class: ClassIndex(class),
        label: format!("bird {class}"),
        logit: probability.ln(),
        probability,
    }
}

fn predictions(image: ImageId) -> Arc<[Prediction]> {
    (1..=5).map(|rank| ranked(image, rank)).collect()
}

/// All layers of the model; the first and the last have no map.
pub(crate) fn layers() -> Arc<[LayerSummary]> {
    let names = [
        "conv1",
        "layer1",
        "layer2",
        "layer3",
        "layer4.0.conv2",
        "layer4",
        "fc",
    ];
    let layer = |name: &&str| LayerSummary {
        name: (*name).to_owned(),
        operation: "convolution".to_owned(),
        shape: vec![1, 512, 7, 7],
        is_default: *name == "layer4",
        why_not: match *name {
            "conv1" => Some("the score does not depend on it"),
            "fc" => Some("no positions to show"),
            _ => None,
        },
    };
    names.iter().map(layer).collect()
}

/// A picture of plain gray, and a map with its peak in a corner.
pub(crate) fn outcome(request: &Request) -> Outcome {
    let image = request.image.id;
    let prediction = |target| match target {
        Target::Rank(rank) => ranked(image, rank),
        Target::Class(class) => (1..=12)
            .map(|rank| ranked(image, rank))
            .find(|prediction| prediction.class == class)
            .unwrap(),
    };
    let options = &request.options;
    let explanation = |target| {
        let target = prediction(target);
        let raw = Grid::new(2, 2, vec![0.0, 0.0, -0.5, target.probability]);
        Explanation {
            target,
            versus: options.versus.map(Target::Class).map(prediction),
            layers: if options.layers.is_empty() {
                vec!["layer4".to_owned()]
            } else {
                options.layers.clone()
            },
            options: options.clone(),
            heatmap: Heatmap::from_raw(&raw),
            raw,
            channels: Vec::new(),
            not_finite_from: None,
        }
    };
    let size = PixelSize::new(224, 224);
    let window = Window {
        x: 0.0,
        y: 0.0,
        width: 224.0,
        height: 224.0,
    };
    let mut probabilities = vec![0.0; 12];
    for rank in 1..=12 {
        let prediction = ranked(image, rank);
        probabilities[prediction.class.0] = prediction.probability;
    }
    let width = if request.beside.is_some() { 20 } else { 8 };
    Outcome {
        image,
        predictions: predictions(image),
        probabilities: probabilities.into(),
        explanation: explanation(request.target),
        beside: request.beside.map(explanation),
        geometry: InputGeometry {
            image: size,
            input: size,
            window,
        },
        style: request.style,
        picture: Arc::new(RgbImage::from_pixel(2 * width, 16, image::Rgb([90; 3]))),
        layers: None,
        times: Times::default(),
    }
}

const NAMES: [&str; 5] = ["a.png", "b.png", "c.png", "owl.png", "tawny owl.png"];
const SIZE: CellSize = CellSize::new(80, 24);

/// Presses the keys, answers everything, and says where that leads: selection, target, effects
/// without calling off what is under way.
fn check(script: &str, expected: &str) {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press(script);
    desk.answer_all();
    desk.log.retain(|effect| effect != "stop");
    let found = format!(
        "{} {:?} | {}",
        desk.selected(),
        desk.state.target,
        desk.log.join(", ")
    );
    assert_eq!(found, expected, "after {script}");
}

#[test]
fn keys_move_through_the_images() {
    check("j", "b.png Rank(1) | show b.png class 1");
    check(
        "jk",
        "a.png Rank(1) | show b.png class 1, show a.png class 1",
    );
    check(
        "<Down><Up>",
        "a.png Rank(1) | show b.png class 1, show a.png class 1",
    );
    check("k", "a.png Rank(1) | ");
    check("G", "tawny owl.png Rank(1) | show tawny owl.png class 1");
    check(
        "Gg",
        "a.png Rank(1) | show tawny owl.png class 1, show a.png class 1",
    );
    check(
        "<C-d>",
        "tawny owl.png Rank(1) | show tawny owl.png class 1",
    );
    check(
        "<PageDown><PageUp>",
        "a.png Rank(1) | show tawny owl.png class 1, show a.png class 1",
    );
}

#[test]
fn keys_choose_the_target_class_and_another_image_starts_with_its_top_prediction() {
    check("3", "a.png Rank(3) | show a.png class 3");
    check("33", "a.png Rank(3) | show a.png class 3");
    check(
        "<Tab><Tab>",
        "a.png Rank(3) | show a.png class 2, show a.png class 3",
    );
    check("<S-Tab>", "a.png Rank(5) | show a.png class 5");
    check(
        "3j",
        "b.png Rank(1) | show a.png class 3, show b.png class 1",
    );
}

#[test]
fn while_one_picture_is_made_only_the_last_wish_counts() {
    // The second and third picture are never asked for.
    check(
        "jjjj",
        "tawny owl.png Rank(1) | show b.png class 1, show tawny owl.png class 1",
    );
    check(
        "j3vm",
        "b.png Rank(3) | show b.png class 1, show b.png class 3",
    );
}

#[test]
fn what_is_under_way_is_called_off_once_and_the_last_wish_follows_it() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("2");
    let generation = desk.open[0].generation;
    desk.event(Event::Reply(Reply::Progress {
        generation,
        done: 3,
        total: 8,
    }));
    assert_eq!(desk.state.progress, Some((3, 8)));
    desk.press("34");
    desk.event(Event::Reply(Reply::Stopped { generation }));
    assert_eq!(desk.state.progress, None);
    assert_eq!(
        desk.log,
        ["show a.png class 2", "stop", "show a.png class 4"]
    );
}

#[test]
fn a_picture_that_is_no_longer_wanted_is_not_shown() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("jj");
    desk.answer();
    let shown = desk.state.shown.as_ref().map(|shown| shown.image);
    assert_eq!(
        shown,
        Some(ImageId(0)),
        "the answer for b.png comes when c.png is wanted"
    );
    desk.answer();
    assert_eq!(
        desk.state.shown.as_ref().map(|shown| shown.image),
        Some(ImageId(2))
    );
}

#[test]
fn drawing_keys_change_the_style_of_the_wanted_picture() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let style = |view, opacity, colormap| Style {
        view,
        opacity,
        colormap,
        ..Style::default()
    };
    for (script, style) in [
        ("v", style(View::Image, 0.5, Colormap::Jet)),
        ("v", style(View::Heatmap, 0.5, Colormap::Jet)),
        ("v", style(View::SideBySide, 0.5, Colormap::Jet)),
        ("v++", style(View::Overlay, 0.7, Colormap::Jet)),
        ("-m", style(View::Overlay, 0.6, Colormap::Turbo)),
        ("------------", style(View::Overlay, 0.0, Colormap::Turbo)),
    ] {
        desk.press(script);
        desk.answer_all();
        assert_eq!(desk.state.style, style, "{script}");
        assert_eq!(desk.state.shown.as_ref().unwrap().style, style, "{script}");
    }
}

#[test]
fn how_large_things_are_is_said_in_words() {
    let mut desk = Desk::ready(&["a.png"], CellSize::new(100, 30));
    for (keys, words) in [
        (">", "2 times as large"),
        (">", "4 times as large"),
        ("l", "4 times as large"),
        ("<", "2 times as large"),
        ("<", "all of the picture"),
        ("<", "all of the picture is shown; > looks closer"),
    ] {
        for key in keys.chars() {
            desk.event(Event::Input(Input::Key(KeyEvent::new(
                KeyCode::Char(key),
                KeyModifiers::NONE,
            ))));
        }
        assert_eq!(desk.state.message, words);
    }
}

#[test]
fn the_filter_takes_letters_as_they_are_and_escape_brings_everything_back() {
    check("/owl", "owl.png Rank(1) | show owl.png class 1");
    check(
        "/OWL<Enter>j",
        "tawny owl.png Rank(1) | show owl.png class 1, show tawny owl.png class 1",
    );
    check("/owl<Esc>", "owl.png Rank(1) | show owl.png class 1");
    check("/q<Back>", "a.png Rank(1) | show a.png class 1");
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("/nothing like it");
    desk.answer_all();
    assert_eq!(
        (desk.selected(), desk.state.shown.is_none()),
        ("none", true)
    );
    desk.press("<Enter>jk35s<Tab>G");
    assert_eq!(desk.state.message, "", "keys that find nothing do nothing");
    desk.press("<Esc>");
    assert_eq!(desk.state.queue.len(), NAMES.len());
}

#[test]
fn orders_keep_the_selection() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("j");
    desk.answer_all();
    for (script, order) in [
        ("O", "-name"),
        ("o<Down><Enter>", "pred"),
        ("o<Down><Enter>O", "-true"),
    ] {
        desk.press(script);
        let found = desk.state.review.order.to_string();
        assert_eq!((found.as_str(), desk.selected()), (order, "b.png"));
    }
}

#[test]
fn saving_copying_redrawing_suspending_and_quitting_are_effects() {
    check("s", "a.png Rank(1) | save a.png in out");
    check("jy", "b.png Rank(1) | show b.png class 1, copy b.png");
    check("<C-l>", "a.png Rank(1) | redraw");
    check("z", "a.png Rank(1) | redraw, show a.png class 1");
    check("<C-z>", "a.png Rank(1) | suspend");
    check("q", "a.png Rank(1) | quit");
    check("/<C-c>", "a.png Rank(1) | quit");
    check(
        "?<Esc>j",
        "b.png Rank(1) | redraw, redraw, show b.png class 1",
    );
    check("?q", "a.png Rank(1) | redraw, quit");
}

#[test]
fn the_mouse_selects_images_and_classes() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let mouse = |kind, column, row| {
        Event::Input(Input::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }))
    };
    let panes = desk.state.panes().unwrap();
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.list.y + 3,
    ));
    assert_eq!(desk.selected(), "c.png");
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.predictions.y + 2,
    ));
    assert_eq!(desk.state.target, Target::Rank(2));
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.list.y,
    ));
    assert_eq!(desk.selected(), "c.png", "the title is no image");
    desk.event(mouse(MouseEventKind::ScrollUp, 50, 5));
    assert_eq!(desk.selected(), "a.png");
}

#[test]
fn an_image_that_cannot_be_read_says_why_and_the_next_key_works() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("j");
    let request = desk.open.remove(0);
    let reply = Reply::Done {
        generation: request.generation,
        image: request.image.id,
        result: Err("b.png: the file is cut short".to_owned()),
    };
    desk.event(Event::Reply(reply));
    assert_eq!(
        desk.state.failure,
        Some((ImageId(1), "b.png: the file is cut short".to_owned()))
    );
    assert!(desk.state.shown.is_none());
    desk.press("j");
    desk.answer_all();
    assert!(desk.state.failure.is_none());
    assert_eq!(
        desk.state.shown.as_ref().map(|shown| shown.image),
        Some(ImageId(2))
    );
}

#[test]
fn nothing_is_asked_before_the_model_is_there_and_the_last_wish_is_asked_then() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    desk.press("jj3");
    assert!(desk.log.is_empty(), "{:?}", desk.log);
    let labels = (0..12).map(|class| format!("bird {class}")).collect();
    desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
    assert_eq!(desk.log, ["show c.png class 3"]);
}

#[test]
fn neighbours_are_prepared_first_then_the_rows_on_the_screen() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("jj");
    desk.answer();
    let prepared: Vec<usize> = desk.open[0]
        .prepare
        .iter()
        .map(|image| image.id.0)
        .collect();
    assert_eq!(prepared, [3, 1, 4], "after, before, the one after the next");
}

/// What holds after every event.
fn hold(desk: &Desk) {
    let state = &desk.state;
    assert!(desk.open.len() <= 1, "more than one request is under way");
    assert_eq!(
        desk.open.first().map(|request| request.generation),
        state.asked.in_flight
    );
    assert!(state.selected < state.queue.len().max(1));
    if let Some(panes) = panes(state.size, false, false) {
        let rows = state.scroll..state.scroll + list_rows(panes.list);
        assert!(
            state.queue.is_empty() || rows.contains(&state.selected),
            "the selection is off the screen"
        );
    }
    assert!((0.0..=1.0).contains(&state.style.opacity));
    if !state.is_waiting()
        && state.failure.is_none()
        && let Some(current) = state.current()
    {
        let shown = state
            .shown
            .as_ref()
            .expect("nothing is shown and nothing is on its way");
        assert_eq!(shown.image, current.id, "another image is shown");
        assert_eq!(shown.style, state.style, "another style is shown");
        let wanted = [Some(state.target), state.beside];
        let found = [Some(&shown.explanation), shown.beside.as_ref()];
        for (wanted, found) in wanted.into_iter().zip(found) {
            let wanted = wanted.map(|target| state.class_of(target).unwrap());
            let found = found.map(|explanation| explanation.target.class);
            assert_eq!(found, wanted, "another class is shown");
        }
        assert_eq!(shown.explanation.options, state.wanted_options());
        assert_ne!(state.class_of(state.target), state.options.versus);
        if let Some(beside) = state.beside {
            assert!(
                !state.is_same(state.target, beside),
                "a class beside itself"
            );
        }
    }
    if let Mode::Pick(picker) = &state.mode {
        let rows = page_areas(state.size).map_or(1, |areas| usize::from(areas.rows.height));
        assert!(picker.selected < picker.items.len().max(1));
        assert!(
            picker.items.is_empty()
                || (picker.scroll..picker.scroll + rows).contains(&picker.selected),
            "the selected row is off the screen"
        );
    }
    results::hold(state);
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are keys")]
fn whatever_is_pressed_the_shown_picture_is_the_wanted_one_in_the_end() {
    const KEYS: [&str; 72] = [
        "j",
        "k",
        "g",
        "G",
        "<C-d>",
        "<C-u>",
        "<PageDown>",
        "<PageUp>",
        "1",
        "2",
        "3",
        "4",
        "5",
        "<Tab>",
        "<S-Tab>",
        "v",
        "+",
        "-",
        "m",
        "/",
        "o",
        "w",
        "l",
        "<Back>",
        "<Enter>",
        "<Esc>",
        "z",
        "?",
        "s",
        "y",
        "[",
        "]",
        "L",
        "M",
        "c",
        "=",
        "x",
        "t",
        "d",
        "F",
        "w",
        "a",
        "U",
        "V",
        "n",
        "#",
        "B",
        "A",
        "O",
        "o",
        "Q",
        "W",
        "r",
        "T",
        "a",
        "e",
        "p",
        "b",
        "7",
        "<Space>",
        "<Space>",
        "<Tab>",
        "<Down>",
        "<End>",
        "C",
        "C",
        "S",
        "S",
        "i",
        "h",
        "<Home>",
        "N",
    ];
    let names: Vec<String> = (0..40)
        .map(|n| format!("{}{n}.png", if n % 3 == 0 { "owl" } else { "wren" }))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for seed in 0..70 {
        let mut random = Random(seed);
        let mut desk = Desk::ready(&names, SIZE);
        let truth: Vec<[usize; 2]> = (0..names.len())
            .map(|image| [image % 12, image % 5])
            .collect();
        let truth = truth.iter().enumerate();
        let truth: Vec<&[usize]> = truth
            .map(|(image, classes)| if image % 2 == 0 { &classes[..] } else { &[] })
            .collect();
        desk.truth(&truth);
        let mut predicted = Vec::new();
        for _ in 0..300 {
            match random.below(11) {
                10 if predicted.len() < names.len() => {
                    let more = 1 + random.below(names.len() - predicted.len());
                    predicted.extend((0..more).map(|n| u32::try_from(n % 12).unwrap()));
                    desk.score(&predicted, names.len());
                }
                // Most other keys leave these pages.
                0..5 if matches!(desk.state.mode, Mode::Matrix(_) | Mode::Summary(_)) => {
                    desk.press(results::KEYS[random.below(results::KEYS.len())]);
                }
                0..7 => desk.press(KEYS[random.below(KEYS.len())]),
                7 if !desk.open.is_empty() => desk.answer(),
                8 if !desk.open.is_empty() => match random.below(3) {
                    0 => desk.progress(1, 2),
                    1 if desk.state.asked.stopping => desk.stop(),
                    _ => desk.answer(),
                },
                9 => {
                    let size = CellSize::new(
                        50 + u16::try_from(random.below(120)).unwrap(),
                        10 + u16::try_from(random.below(50)).unwrap(),
                    );
                    desk.event(Event::Input(Input::Resize(size)));
                }
                _ => {}
            }
            hold(&desk);
        }
        desk.answer_all();
        hold(&desk);
    }
}
