//! The loop: wait, update, perform effects, draw.
//!
//! The only imperative part of the interface. It draws when the writer has nothing left to write,
//! so that a slow line gets the newest state and not every state.

pub mod counted;
pub mod event;
pub mod help;
pub mod layout;
pub mod matrix;
pub mod overview;
pub mod picker;
pub mod review;
pub mod session;
pub mod state;
pub mod update;
pub mod zoom;

mod easel;
mod editor;
mod encoder;
mod exporter;
mod finder;
mod frames;
mod keeper;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::cli::OpenSettings;
use crate::dataset::export::report;
use crate::graphics::colors::Colors;
use crate::graphics::kitty::{Answer, Route};
use crate::graphics::stack::Scene;
use crate::graphics::{Protocol, Slot, sequences};
use crate::job::{Folder, Job, Reply};
use crate::keymap::Command;
use crate::model::Model;
use crate::terminal::{Input, Report, Screen, Session};
use crate::view::view;
use crate::worker::studio::known::Sources;
use crate::worker::studio::{Studio, read_image};
use crate::worker::{READER_NAME, THREAD_NAME, Worker};
use easel::Easel;
use event::{Effect, Event, ExportReply, Keep};
use exporter::{Export, Tools};
use finder::Found;
use frames::{Frames, Wanted};
use keeper::Keeper;
use review::Reviewing;
use state::State;
use update::update;

/// How often the store is asked what others have changed; it costs next to nothing.
const LOOK: Duration = Duration::from_secs(2);
/// So long the images are looked for before anything is drawn: most folders are searched by then.
const SEARCH: Duration = Duration::from_millis(120);
/// A frame waits this long for the picture that was asked for.
const SOON: Duration = Duration::from_millis(20);

/// Opens the interface and stays in it until the user quits.
///
/// # Errors
/// When there is nothing to show or no terminal to show it on.
pub fn run(settings: OpenSettings) -> Result<()> {
    let mut reviewing = Reviewing::new(settings.review.verdicts.clone());
    let (keeper, notes) = Keeper::open(&settings.review, &settings.paths, &mut reviewing)?;
    let place = keeper.place().clone();
    let found = finder::start(settings.paths.clone(), settings.scan, place)
        .context("cannot start the search")?;
    // The model loads while images are looked for and the terminal is asked.
    let (source, load, cache_bytes) = (settings.model, settings.load, settings.cache_bytes);
    let title = report::title(&settings.paths);
    let sources = Sources {
        truth: settings.truth,
        paths: settings.paths,
        scores: settings.review.scores,
        store: keeper
            .another()
            .map_err(|error| tracing::warn!("{error}"))
            .ok(),
    };
    let worker = Worker::start(move || {
        let model = Model::load(&source, &load).map_err(|error| error.to_string())?;
        model.warm_up().map_err(|error| error.to_string())?;
        Ok(Studio::new(model, cache_bytes).with_sources(sources))
    })
    .context("cannot start the worker")?;
    let (images, all) = finder::first(&found, SEARCH)?;
    let session = Session::open(
        &settings.environment,
        settings.graphics,
        settings.log.as_deref(),
        &[THREAD_NAME, READER_NAME],
    )?;
    let capabilities = session.capabilities().clone();
    let mut state = State::new(
        images,
        settings.options,
        settings.style,
        settings.out,
        reviewing,
        capabilities,
        session.size(),
    );
    state.keymap = settings.keymap;
    state.colors = match (settings.environment.no_color, state.capabilities.true_color) {
        (true, _) => Colors::NONE,
        (false, true) => settings.colors,
        (false, false) => settings.colors.of_256(),
    };
    let before = state.review.before.as_ref();
    let offer = before
        .filter(|before| !before.is_the_beginning(&state))
        .map(|before| {
            let key = state.keymap.called(Command::Resume);
            format!("{key} goes on where you were: {}", before.in_words())
        });
    if let Some(first) = notes.first().or(offer.as_ref()) {
        state.message.clone_from(first);
    }
    let mut app = App::new(
        &session,
        &worker,
        keeper,
        settings.review.editor,
        found,
        title,
    )?;
    if let Some(all) = all {
        app.found(&mut state, Found::All(all))?;
    }
    let result = app.run(&mut state);
    // The terminal first: a model that is still loading must not hold it.
    drop(session);
    drop(worker);
    result
}

struct App<'a> {
    session: &'a Session,
    worker: &'a Worker,
    keeper: Keeper,
    finder: Receiver<Found>,
    /// How far exports are.
    exports: (Sender<ExportReply>, Receiver<ExportReply>),
    /// The one that is under way.
    export: Option<Export>,
    /// What is reviewed, in words.
    title: String,
    /// All images, when they have been found; the worker gets them when it is ready.
    folder: Option<Folder>,
    /// The user's editor, as a shell understands it.
    editor: String,
    /// When the store was asked last.
    looked: Instant,
    terminal: Terminal<Screen>,
    pictures: Pictures,
    /// Closed channels are replaced by silent ones.
    replies: Receiver<Reply>,
    encoded: Encoded,
    answers: Receiver<Answer>,
    /// Since when something has happened that is not drawn.
    stale: Option<Instant>,
    quit: bool,
    failed: bool,
}

/// How pictures come onto the screen.
enum Pictures {
    /// As cells, with the text.
    Cells,
    Frames(Frames),
    Easel(Box<Easel>),
}

/// What has been encoded; one of the two is silent.
struct Encoded {
    frames: Receiver<frames::Done>,
    layers: Receiver<easel::Done>,
}

impl Pictures {
    fn start(session: &Session) -> std::io::Result<(Self, Encoded)> {
        let mut encoded = Encoded {
            frames: never(),
            layers: never(),
        };
        let capabilities = session.capabilities();
        let route = match capabilities.protocol {
            Protocol::HalfBlocks | Protocol::Text => return Ok((Self::Cells, encoded)),
            Protocol::Sixel | Protocol::Iterm2 => {
                let frames = Frames::start(session, capabilities.protocol)?;
                encoded.frames = frames.done().clone();
                return Ok((Self::Frames(frames), encoded));
            }
            Protocol::Layered => Route::Direct,
            Protocol::Placeholder { .. } => Route::Tmux,
        };
        let easel = Easel::start(route, capabilities.cell_px)?;
        encoded.layers = easel.done().clone();
        Ok((Self::Easel(Box::new(easel)), encoded))
    }
}

impl<'a> App<'a> {
    fn new(
        session: &'a Session,
        worker: &'a Worker,
        keeper: Keeper,
        editor: String,
        finder: Receiver<Found>,
        title: String,
    ) -> Result<Self> {
        let options = TerminalOptions {
            viewport: Viewport::Fullscreen,
        };
        let terminal = Terminal::with_options(Screen::new(session), options)?;
        let (pictures, encoded) = Pictures::start(session)?;
        Ok(Self {
            session,
            worker,
            keeper,
            finder,
            exports: unbounded(),
            export: None,
            title,
            folder: None,
            editor,
            looked: Instant::now(),
            terminal,
            pictures,
            replies: worker.replies().clone(),
            encoded,
            answers: session.answers().clone(),
            stale: Some(Instant::now()),
            quit: false,
            failed: false,
        })
    }

    fn run(mut self, state: &mut State) -> Result<()> {
        while !self.quit {
            if self.is_due(state) {
                self.draw(state)?;
            }
            let deadline = self.deadline(state);
            select! {
                recv(self.session.input()) -> input => {
                    self.take(state, Event::Input(input.unwrap_or(Input::Closed)))?;
                }
                recv(self.replies) -> reply => match reply {
                    Ok(reply) => self.take(state, Event::Reply(reply))?,
                    Err(_) => self.replies = never(),
                },
                recv(self.finder) -> found => match found {
                    Ok(found) => self.found(state, found)?,
                    Err(_) => self.finder = never(),
                },
                recv(self.exports.1) -> far => {
                    if let Ok(far) = far {
                        self.take(state, Event::Export(far))?;
                    }
                }
                recv(self.encoded.frames) -> done => match done {
                    Ok(done) => self.frame_encoded(state, done),
                    Err(_) => self.encoded.frames = never(),
                },
                recv(self.encoded.layers) -> done => match done {
                    Ok(done) => self.layer_encoded(state, done),
                    Err(_) => self.encoded.layers = never(),
                },
                recv(self.answers) -> answer => match answer {
                    Ok(answer) => self.answered(answer),
                    Err(_) => self.answers = never(),
                },
                recv(self.session.writer().reports()) -> report => {
                    if let Ok(report) = report {
                        self.reported(report);
                    }
                }
                recv(self.session.writer().idle()) -> _ => {}
                recv(deadline) -> _ => {}
            }
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                self.keeper.keep_session(state);
                if let Some(reply) = self.keeper.poll(&state.images) {
                    self.take(state, Event::Store(reply))?;
                }
            }
            // What has come meanwhile is taken in before anything is drawn.
            while let Some(event) = self.waiting() {
                self.take(state, event)?;
            }
        }
        self.keeper.keep_session(state);
        if self.failed {
            bail!("a part of the program has failed");
        }
        Ok(())
    }

    fn waiting(&self) -> Option<Event> {
        let input = self.session.input().try_recv().map(Event::Input);
        input
            .or_else(|_| self.replies.try_recv().map(Event::Reply))
            .ok()
    }

    /// Whether to draw now: not while older text is still being written, and not a moment before the
    /// picture that was asked for comes, so that both are one frame.
    fn is_due(&self, state: &State) -> bool {
        let is_waiting = state.asked.in_flight.is_some();
        self.stale
            .is_some_and(|since| !is_waiting || since.elapsed() >= SOON)
            && self.session.writer().is_idle()
    }

    /// Goes on with the picture.
    fn drive(&mut self) {
        if let Pictures::Easel(easel) = &mut self.pictures {
            let now = Instant::now();
            easel.give_up_waiting(now);
            easel.drive(self.session, now);
        }
    }

    /// Goes on with the picture, and says when to wake up though nothing happens.
    fn deadline(&mut self, state: &State) -> Receiver<Instant> {
        self.drive();
        let now = Instant::now();
        let picture = match &self.pictures {
            Pictures::Easel(easel) => easel.deadline(now),
            Pictures::Cells | Pictures::Frames(_) => None,
        };
        let is_waiting = state.asked.in_flight.is_some();
        let frame = self.stale.filter(|_| is_waiting).map(|since| since + SOON);
        let frame = frame.filter(|at| *at > now);
        picture
            .into_iter()
            .chain(frame)
            .chain([self.looked + LOOK])
            .min()
            .map_or_else(never, at)
    }

    fn take(&mut self, state: &mut State, event: Event) -> Result<()> {
        if !matches!(event, Event::Reply(Reply::Ahead { .. })) {
            self.stale.get_or_insert_with(Instant::now);
        }
        self.look_at(&event, state);
        let selected = state.selected;
        for effect in update(state, event) {
            tracing::debug!("{effect:?}");
            match effect {
                Effect::Send(job) => self.worker.send(job),
                Effect::Copy(text) => {
                    self.session
                        .writer()
                        .send(&sequences::copy(&text, self.session.capabilities().tmux));
                }
                Effect::Redraw => {
                    self.terminal.clear()?;
                    self.pictures_erased();
                }
                Effect::OpenFolder => {
                    if let Some(folder) = self.folder.take() {
                        self.worker.send(Job::Open(folder));
                    }
                }
                Effect::Keep(keep) => self.keep(state, keep)?,
                Effect::Export(name) => self.export(state, &name)?,
                Effect::CallOffExport => {
                    if let Some(export) = &mut self.export {
                        export.call_off();
                    }
                }
                Effect::Edit { images, note } => {
                    let edited = self.edit(&note);
                    self.take(state, Event::Edited(images, edited))?;
                }
                Effect::Suspend => self.session.suspend(),
                Effect::Quit => self.quit = true,
            }
        }
        if let Pictures::Easel(easel) = &mut self.pictures
            && selected != state.selected
        {
            easel.moved(Instant::now());
        }
        Ok(())
    }

    /// Begins to write the queue.
    fn export(&mut self, state: &mut State, name: &str) -> Result<()> {
        let tools = Tools {
            keys: self.keeper.keys(),
            artist: self.worker.artist(read_image()),
            title: &self.title,
            told: &self.exports.0,
        };
        match exporter::export(state, tools, name) {
            Ok(export) => self.export = Some(export),
            Err(reason) => self.take(state, Event::Export(ExportReply::Ended(reason)))?,
        }
        Ok(())
    }

    /// Takes in what has been found.
    fn found(&mut self, state: &mut State, found: Found) -> Result<()> {
        match found {
            Found::Images(images) => self.take(state, Event::Found(images)),
            Found::Failed(error) => self.take(state, Event::NothingFound(error.to_string())),
            Found::All(all) => {
                for warning in &all.warnings {
                    tracing::warn!("{warning}");
                }
                self.folder = Some(all.folder.clone());
                let said = self
                    .keeper
                    .know(Arc::clone(&all.folder.keys), &all.folder.images);
                let warning = all.warnings.first().cloned();
                self.take(state, Event::AllFound(all.natural.clone(), warning))?;
                self.take(state, Event::Store(said))
            }
        }
    }

    /// Keeps something; the answer is taken in before anything else happens.
    fn keep(&mut self, state: &mut State, keep: Keep) -> Result<()> {
        let reply = self.keeper.keep(keep, &state.images);
        self.take(state, Event::Store(reply))
    }

    /// The user's editor on a text.
    fn edit(&mut self, text: &str) -> Result<String, String> {
        let edited = self
            .session
            .lend(|terminal| editor::edit(&self.editor, text, terminal));
        edited.map_err(|error| format!("the terminal is gone: {error}"))?
    }

    /// What an event means for pictures on the terminal.
    fn look_at(&mut self, event: &Event, state: &State) {
        match (event, &mut self.pictures) {
            (Event::Input(Input::Failed), _) => self.failed = true,
            (Event::Input(Input::Resumed), Pictures::Easel(easel)) => easel.forgotten(self.session),
            (Event::Reply(Reply::Ahead { generation, heat }), Pictures::Easel(easel))
                if *generation == state.asked.latest =>
            {
                easel.expect(*generation, Arc::clone(heat));
            }
            _ => {}
        }
    }

    fn draw(&mut self, state: &mut State) -> Result<()> {
        let size = self.session.size();
        if size != state.size {
            self.take(state, Event::Input(Input::Resize(size)))?;
        }
        self.stale = None;
        // The words and the picture that they are about change together.
        self.session.writer().hold();
        let mut slot = None;
        let drawn = self.terminal.draw(|frame| slot = view(state, frame));
        let drawn = drawn.map(|_| ());
        self.want(state, slot);
        self.drive();
        self.session.writer().release();
        Ok(drawn?)
    }

    /// Says which picture belongs to the cells that have been drawn.
    fn want(&mut self, state: &State, slot: Option<Slot>) {
        let shown = slot.zip(state.shown.as_ref());
        match &mut self.pictures {
            Pictures::Cells => {}
            Pictures::Frames(frames) => {
                let wanted = shown.map(|(slot, shown)| Wanted {
                    picture: Arc::clone(&shown.picture),
                    slot,
                });
                frames.want(wanted, self.session);
            }
            Pictures::Easel(easel) => {
                let layers = shown.and_then(|(_, shown)| shown.layers.as_ref());
                let scene = slot.zip(layers).map(|(slot, layers)| Scene {
                    slot,
                    photo: layers.photo.name,
                    heat: layers.heat.as_ref().map(|heat| heat.name),
                    part: state.part().filter(|_| state.takes_parts()),
                });
                easel.want(scene, layers, Instant::now());
            }
        }
    }

    /// Everything is drawn again, on cells that have been erased.
    fn pictures_erased(&mut self) {
        match &mut self.pictures {
            Pictures::Cells => {}
            Pictures::Frames(frames) => frames.erased(self.session),
            Pictures::Easel(easel) => easel.erased(),
        }
    }

    fn frame_encoded(&mut self, state: &mut State, done: frames::Done) {
        if let Pictures::Frames(frames) = &mut self.pictures
            && let Err(reason) = frames.encoded(done, self.session)
        {
            self.say(state, reason);
        }
    }

    fn layer_encoded(&mut self, state: &mut State, done: easel::Done) {
        if let Pictures::Easel(easel) = &mut self.pictures
            && let Err(reason) = easel.encoded(done)
        {
            self.say(state, reason);
        }
    }

    fn answered(&mut self, answer: Answer) {
        let round_trip = self.round_trip();
        if let Pictures::Easel(easel) = &mut self.pictures {
            easel.answered(answer, round_trip, Instant::now());
        }
    }

    fn reported(&mut self, report: Report) {
        let round_trip = self.round_trip();
        if let Pictures::Easel(easel) = &mut self.pictures {
            easel.reported(report, round_trip, Instant::now());
        }
    }

    fn round_trip(&self) -> Duration {
        self.session.capabilities().round_trip.unwrap_or_default()
    }

    fn say(&mut self, state: &mut State, reason: String) {
        state.message = reason;
        self.stale.get_or_insert_with(Instant::now);
    }
}
