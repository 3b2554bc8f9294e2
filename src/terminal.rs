//! Terminal: raw mode, the alternate screen, input, and the one writer.
//!
//! The only module that reads standard input or writes to the terminal. [`Session::open`] asks the
//! terminal what it can do, and only then starts the thread that reads keys. Whatever ends the
//! program (quitting, an error, a panic, a signal) gives the terminal back as it was.

mod ask;
mod input;
mod replies;
mod restore;
mod screen;
mod tmux;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Stdout};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::fs::FileType;
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};

use crate::geometry::{CellSize, PixelSize};
use crate::graphics::decide::{MOST_COLORS, decide};
use crate::graphics::kitty::{Answer, Farewell};
use crate::graphics::probe::{Probed, WindowSize};
use crate::graphics::viuer::{Capture, prime};
use crate::graphics::{Capabilities, Choice, Environment, Protocol};

pub use input::Input;
use input::Pause;
use restore::Tty;
pub use screen::Screen;
pub use writer::{Drawing, Report, Writer};

/// The terminal in the interface's hands. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Session {
    tty: Arc<Tty>,
    writer: Writer,
    input: Receiver<Input>,
    answers: Receiver<Answer>,
    pause: Arc<Pause>,
    /// Where it is said that the terminal is ours again.
    resumed: Sender<Input>,
    capabilities: Capabilities,
    capture: Arc<Capture>,
}

impl Session {
    /// Takes the terminal over. Messages of libraries go to `log`, or nowhere. Panics on the threads
    /// of the names `fenced` are caught there and do not end the program.
    ///
    /// # Errors
    /// When standard input or output is no terminal, or the log cannot be written.
    pub fn open(
        environment: &Environment,
        choice: Choice,
        log: Option<&Path>,
        fenced: &'static [&'static str],
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
        let input = std::io::stdin();
        let (mut probed, mut typed) = ask::ask(&tty, &input, environment)?;
        let decide = |probed: &Probed| decide(probed, environment, tty.window(), choice);
        let mut capabilities = decide(&probed);
        if capabilities.protocol == Protocol::Sixel && capabilities.registers < MOST_COLORS {
            typed.extend(ask::for_more_colors(&tty, &input, &mut probed)?);
            capabilities = decide(&probed);
        }
        tracing::info!("terminal: {probed:?}, {capabilities:?}");
        if capabilities.protocol == Protocol::Sixel {
            prime(&capabilities)?;
        }
        let capture = Arc::new(
            Capture::start(capabilities.registers).context("cannot keep pictures in memory")?,
        );
        rustix::stdio::dup2_stderr(log)?;
        tty.enter_screen()?;
        let writer = Writer::start(Arc::clone(&tty))?;
        let (sender, input) = unbounded();
        let (answer_sender, answers) = unbounded();
        tty.set_closing(sender.clone());
        restore::on_signals(&tty, sender.clone())?;
        let (pause, resumed) = (Arc::<Pause>::default(), sender.clone());
        input::start(sender, answer_sender, &tty, &pause, &typed)?;
        Ok(Self {
            tty,
            writer,
            input,
            answers,
            pause,
            resumed,
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
    pub fn set_farewell(&self, farewell: Farewell) {
        self.tty.set_farewell(farewell);
    }

    /// Size of the terminal, in cells.
    pub fn size(&self) -> CellSize {
        self.tty.window().cells
    }

    /// Gives the terminal to another program, as it was, while `work` runs it. [`Input::Resumed`]
    /// follows then.
    ///
    /// # Errors
    /// When the terminal cannot be taken over again.
    pub fn lend<T>(&self, work: impl FnOnce(&File) -> T) -> std::io::Result<T> {
        let resume = self.pause.begin();
        self.tty.restore();
        let done = work(self.tty.device());
        self.tty.enter_raw()?;
        self.tty.enter_screen()?;
        drop(resume);
        // The interface waits for this very call.
        drop(self.resumed.send(Input::Resumed));
        Ok(done)
    }

    /// Gives the terminal to the shell until the user brings the program back. [`Input::Resumed`]
    /// follows then.
    pub fn suspend(&self) {
        // The whole group stops, as after the shell's own Ctrl-Z; the signal thread does the rest.
        if let Err(error) =
            rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)
        {
            tracing::warn!("cannot suspend: {error}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.writer.stop();
        self.tty.restore();
    }
}

/// A terminal, asked what it can do.
#[derive(Clone, Debug)]
pub struct Asked {
    pub probed: Probed,
    pub window: WindowSize,
    pub capabilities: Capabilities,
}

/// Asks a terminal that is used for plain output. It is left as it was.
///
/// Where the output goes into a file, the terminal that the user sits at is asked. Where it goes into
/// a pipe, none is: a pager at its end would set the terminal up at the same time.
///
/// # Errors
/// When there is no terminal, or it does not let itself be set up.
pub fn ask(environment: &Environment, choice: Choice) -> Result<Asked> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let device: File = if stdout.is_terminal() {
        rustix::io::dup(&stdout)?.into()
    } else if is_file(&stdout) && stdin.is_terminal() {
        let device = OpenOptions::new().read(true).write(true).open("/dev/tty");
        device.context("there is no terminal")?
    } else {
        bail!("the output does not go to a terminal");
    };
    let tty = Tty::new(device.try_clone()?)?;
    tty.enter_raw()?;
    let answered = if stdin.is_terminal() {
        ask::ask(&tty, &stdin, environment)
    } else {
        ask::ask(&tty, &device, environment)
    };
    tty.restore();
    let (probed, _) = answered?;
    let window = tty.window();
    let capabilities = decide(&probed, environment, window, choice);
    Ok(Asked {
        probed,
        window,
        capabilities,
    })
}

fn is_file(output: &Stdout) -> bool {
    let about = rustix::fs::fstat(output);
    about.is_ok_and(|about| FileType::from_raw_mode(about.st_mode).is_file())
}

#[cfg(test)]
mod tests;
