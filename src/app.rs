//! The loop: wait, update, perform effects, draw.
//!
//! The only imperative part of the interface. It draws when the writer has nothing left to write,
//! so that a slow line gets the newest state and not every state.

pub mod event;
pub mod layout;
pub mod picker;
pub mod state;
pub mod update;

mod encoder;

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, never, select};
use env_logger::Target;
use log::LevelFilter;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::cli::OpenSettings;
use crate::dataset::scan::scan;
use crate::graphics::{Slot, sequences};
use crate::job::Reply;
use crate::model::Model;
use crate::terminal::{Input, Screen, Session};
use crate::text::visible;
use crate::view::view;
use crate::worker::studio::Studio;
use crate::worker::{THREAD_NAME, Worker};
use encoder::{Done, Encoder, Wanted};
use event::{Effect, Event};
use state::State;
use update::update;

/// Opens the interface and stays in it until the user quits.
///
/// # Errors
/// When there is nothing to show or no terminal to show it on.
pub fn run(settings: OpenSettings) -> Result<()> {
    if let Some(path) = &settings.log {
        start_log(path)?;
    }
    let found = scan(&settings.paths, settings.scan)?;
    for warning in &found.warnings {
        log::warn!("{warning}");
    }
    // The model loads while the terminal is asked.
    let (source, load, cache_bytes) = (settings.model, settings.load, settings.cache_bytes);
    let (truth, paths, images) = (settings.truth, settings.paths, found.images.clone());
    let worker = Worker::start(move || {
        let model = Model::load(&source, &load).map_err(|error| error.to_string())?;
        model.warm_up().map_err(|error| error.to_string())?;
        log::info!("model: {:?}", model.summary());
        Ok(Studio::new(model, cache_bytes).with_truth(truth.as_deref(), &paths, &images))
    })
    .context("cannot start the worker")?;
    let session = Session::open(
        &settings.environment,
        settings.graphics,
        settings.log.as_deref(),
        THREAD_NAME,
    )?;
    let capabilities = session.capabilities().clone();
    let mut state = State::new(
        found.images,
        settings.options,
        settings.style,
        settings.out,
        capabilities,
        session.size(),
    );
    if let Some(first) = found.warnings.first() {
        state.message.clone_from(first);
    }
    let result = App::new(&session, &worker)?.run(&mut state);
    // The terminal first: a model that is still loading must not hold it.
    drop(session);
    drop(worker);
    result
}

/// Messages of this program go to a file. Those of libraries follow when the terminal is taken over.
fn start_log(path: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| {
        let path = visible(&path.display().to_string());
        format!("cannot write the log file {path}")
    })?;
    Ok(env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .target(Target::Pipe(Box::new(file)))
        .try_init()?)
}

struct App<'a> {
    session: &'a Session,
    worker: &'a Worker,
    terminal: Terminal<Screen>,
    encoder: Encoder,
    /// Closed channels are replaced by silent ones.
    replies: Receiver<Reply>,
    encoded: Receiver<Done>,
    /// The picture that is on the screen or on its way there.
    pictured: Option<Wanted>,
    /// The cells that a picture covers.
    covered: Option<Slot>,
    /// Whether something happened since the last drawing.
    stale: bool,
    quit: bool,
}

impl<'a> App<'a> {
    fn new(session: &'a Session, worker: &'a Worker) -> Result<Self> {
        let options = TerminalOptions {
            viewport: Viewport::Fullscreen,
        };
        let terminal = Terminal::with_options(Screen::new(session), options)?;
        let encoder = Encoder::start(session.capture(), session.capabilities().protocol)?;
        let (replies, encoded) = (worker.replies().clone(), encoder.done().clone());
        Ok(Self {
            session,
            worker,
            terminal,
            encoder,
            replies,
            encoded,
            pictured: None,
            covered: None,
            stale: true,
            quit: false,
        })
    }

    fn run(mut self, state: &mut State) -> Result<()> {
        while !self.quit {
            if self.stale && self.session.writer().is_idle() {
                self.draw(state)?;
            }
            select! {
                recv(self.session.input()) -> input => {
                    self.take(state, Event::Input(input.unwrap_or(Input::Closed)))?;
                }
                recv(self.replies) -> reply => match reply {
                    Ok(reply) => self.take(state, Event::Reply(reply))?,
                    Err(_) => self.replies = never(),
                },
                recv(self.encoded) -> encoded => match encoded {
                    Ok(encoded) => self.picture_ready(state, encoded),
                    Err(_) => self.encoded = never(),
                },
                recv(self.session.writer().idle()) -> _ => {}
            }
            // What has come meanwhile is taken in before anything is drawn.
            while let Some(event) = self.waiting() {
                self.take(state, event)?;
            }
        }
        Ok(())
    }

    fn waiting(&self) -> Option<Event> {
        let input = self.session.input().try_recv().map(Event::Input);
        input
            .or_else(|_| self.replies.try_recv().map(Event::Reply))
            .ok()
    }

    fn take(&mut self, state: &mut State, event: Event) -> Result<()> {
        self.stale = true;
        for effect in update(state, event) {
            match effect {
                Effect::Send(job) => self.worker.send(job),
                Effect::Copy(text) => {
                    self.session
                        .writer()
                        .send(&sequences::copy(&text, self.session.capabilities().tmux));
                }
                Effect::Redraw => {
                    self.terminal.clear()?;
                    self.take_picture_away();
                    self.covered = None;
                }
                Effect::Suspend => self.session.suspend(),
                Effect::Quit => self.quit = true,
            }
        }
        Ok(())
    }

    fn draw(&mut self, state: &mut State) -> Result<()> {
        let size = self.session.size();
        if size != state.size {
            self.take(state, Event::Input(Input::Resize(size)))?;
        }
        self.stale = false;
        let mut slot = None;
        self.terminal.draw(|frame| slot = view(state, frame))?;
        if let (Some(slot), Some(shown)) = (slot, &state.shown) {
            let wanted = Wanted {
                picture: Arc::clone(&shown.picture),
                slot,
            };
            if self.pictured.as_ref() != Some(&wanted) {
                self.encoder.want(wanted.clone());
                self.pictured = Some(wanted);
            }
        } else {
            self.take_picture_away();
            // Drawing without the picture has written over all of its cells.
            self.covered = None;
        }
        Ok(())
    }

    fn take_picture_away(&mut self) {
        self.session.writer().forget_picture();
        self.pictured = None;
    }

    fn picture_ready(&mut self, state: &mut State, (wanted, encoded): Done) {
        if self.pictured.as_ref() != Some(&wanted) {
            return;
        }
        match encoded {
            Ok(Some(encoded)) => {
                let before = self.covered.filter(|slot| *slot != wanted.slot);
                self.session.writer().show(encoded.after_erasing(before));
                self.covered = Some(wanted.slot);
            }
            Ok(None) => {}
            Err(reason) => {
                state.message = reason;
                self.stale = true;
            }
        }
    }
}
