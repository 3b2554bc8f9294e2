//! Terminal: raw mode, the alternate screen, input, and the one writer.
//!
//! The only module that reads standard input or writes to the terminal. [`Session::open`] asks the
//! terminal what it can do, and only then starts the thread that reads keys. Whatever ends the
//! program (quitting, an error, a panic, a signal) gives the terminal back as it was.

mod input;
mod replies;
mod restore;
mod screen;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, unbounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};

use crate::geometry::{CellSize, PixelSize};
use crate::graphics::kitty::Answer;
use crate::graphics::probe::{Parser, QUESTIONS, WindowSize, decide};
use crate::graphics::viuer::{Capture, prime};
use crate::graphics::{Capabilities, Choice, Environment, Protocol};

pub use input::Input;
use restore::Tty;
pub use screen::Screen;
pub use writer::{Drawing, Report, Writer};

/// How long the terminal may take to answer; longer where the line is.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_SSH: Duration = Duration::from_secs(5);

/// The terminal in the interface's hands. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Session {
    tty: Arc<Tty>,
    writer: Writer,
    input: Receiver<Input>,
    answers: Receiver<Answer>,
    capabilities: Capabilities,
    capture: Arc<Capture>,
}

impl Session {
    /// Takes the terminal over. Messages of libraries go to `log`, or nowhere. Panics on the thread
    /// of the name `fenced` are caught there and do not end the program.
    ///
    /// # Errors
    /// When standard input or output is no terminal, or the log cannot be written.
    pub fn open(
        environment: &Environment,
        choice: Choice,
        log: Option<&Path>,
        fenced: &'static str,
    ) -> Result<Self> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            bail!(
                "the interface needs a terminal for input and output; without one, use `gradcam explain IMAGE…`"
            );
        }
        let log = match log {
            Some(path) => OpenOptions::new().create(true).append(true).open(path),
            None => OpenOptions::new().write(true).open("/dev/null"),
        };
        let log = log.context("cannot write the log file")?;
        let tty = Arc::new(Tty::new(rustix::io::dup(std::io::stdout())?.into())?);
        // From here on, every way out gives the terminal back.
        restore::on_panic(&tty, fenced);
        tty.enter_raw()?;
        let opened = Self::take_over(Arc::clone(&tty), environment, choice, &log);
        if opened.is_err() {
            tty.restore();
        }
        opened
    }

    fn take_over(
        tty: Arc<Tty>,
        environment: &Environment,
        choice: Choice,
        log: &File,
    ) -> Result<Self> {
        let (capabilities, typed) = ask_raw(&tty, environment, choice)?;
        if capabilities.protocol == Protocol::Sixel {
            prime(&capabilities)?;
        }
        let capture = Arc::new(Capture::start().context("cannot keep pictures in memory")?);
        rustix::stdio::dup2_stderr(log)?;
        tty.enter_screen()?;
        let writer = Writer::start(Arc::clone(&tty))?;
        let (sender, input) = unbounded();
        let (answer_sender, answers) = unbounded();
        tty.set_closing(sender.clone());
        restore::on_signals(&tty, sender.clone())?;
        input::start(sender, answer_sender, &typed)?;
        Ok(Self {
            tty,
            writer,
            input,
            answers,
            capabilities,
            capture,
        })
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// For pictures whose encoder writes to standard output.
    pub fn capture(&self) -> Arc<Capture> {
        Arc::clone(&self.capture)
    }

    pub fn input(&self) -> &Receiver<Input> {
        &self.input
    }

    /// What the terminal says of its pictures.
    pub fn answers(&self) -> &Receiver<Answer> {
        &self.answers
    }

    /// Says what is to be written before the screen is left, whatever the way out: it deletes the
    /// pictures that the terminal keeps for us.
    pub fn set_farewell(&self, bytes: Vec<u8>) {
        self.tty.set_farewell(bytes);
    }

    /// Size of the terminal, in cells.
    pub fn size(&self) -> CellSize {
        self.tty.window().cells
    }

    /// Gives the terminal to the shell until the user brings the program back. [`Input::Resumed`]
    /// follows then.
    pub fn suspend(&self) {
        // The whole group stops, as after the shell's own Ctrl-Z; the signal thread does the rest.
        if let Err(error) =
            rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)
        {
            log::warn!("cannot suspend: {error}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.writer.stop();
        self.tty.restore();
    }
}

/// Asks a terminal that is used for plain output. It is left as it was.
///
/// # Errors
/// When standard output is no terminal.
pub fn ask(environment: &Environment, choice: Choice) -> Result<Capabilities> {
    let tty = Tty::new(rustix::io::dup(std::io::stdout())?.into())?;
    tty.enter_raw()?;
    let answered = ask_raw(&tty, environment, choice);
    tty.restore();
    answered.map(|(capabilities, _)| capabilities)
}

/// Asks, and returns what was typed meanwhile. The terminal is in raw mode.
fn ask_raw(
    tty: &Tty,
    environment: &Environment,
    choice: Choice,
) -> Result<(Capabilities, Vec<u8>)> {
    let start = Instant::now();
    let deadline = start
        + if environment.ssh {
            PATIENCE_SSH
        } else {
            PATIENCE
        };
    tty.write(QUESTIONS)?;
    let mut parser = Parser::default();
    let mut first_answer = None;
    let stdin = std::io::stdin();
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let patience = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, Some(&patience)) {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        let mut bytes = [0; 512];
        // Past the library's buffer: what it kept would be lost to the thread that reads keys.
        let count = rustix::io::read(&stdin, &mut bytes)?;
        if count == 0 {
            bail!("the terminal has gone away");
        }
        first_answer.get_or_insert_with(|| start.elapsed());
        if parser.feed(bytes.get(..count).unwrap_or_default()) {
            break;
        }
    }
    parser.finish();
    let round_trip = parser.answers.attributes.as_ref().and(first_answer);
    let capabilities = decide(
        &parser.answers,
        environment,
        tty.window(),
        choice,
        round_trip,
    );
    log::info!("terminal: {capabilities:?}");
    Ok((capabilities, parser.typed))
}

#[cfg(test)]
mod tests;
