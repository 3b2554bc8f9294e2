//! A desk to test at: a state, and a worker and a store that answer when they are told to.

use super::*;

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
    pub(super) open: Vec<Request>,
    /// All effects in a few words.
    pub(super) log: Vec<String>,
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
                Effect::CallOffExport => "call the export off".to_owned(),
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
                late: None,
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
    pub(super) fn stop(&mut self) {
        let generation = self.open.remove(0).generation;
        self.event(Event::Reply(Reply::Stopped { generation }));
    }

    pub(crate) fn answer_all(&mut self) {
        while !self.open.is_empty() {
            self.answer();
        }
    }

    pub(super) fn selected(&self) -> &str {
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
        said(*method != MethodId::default(), method.method().key),
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
fn outcome(request: &Request) -> Outcome {
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
