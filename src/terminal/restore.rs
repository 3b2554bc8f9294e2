//! The terminal's settings, and giving them back on every way out.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use rustix::termios::Termios;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::tmux::Switched;
use super::{
    CellSize, Input, OptionalActions, PixelSize, WindowSize, tcgetattr, tcgetwinsize, tcsetattr,
};
use crate::graphics::kitty::{Answer, Farewell};
use crate::graphics::sequences::{ENTER, LEAVE};

/// A chunk is written under the lock; a slow line holds it no longer than this many bytes take.
const CHUNK: usize = 1024;
/// How long the terminal may take to say its last words. In raw mode they do not reach the shell.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long restoring waits for a write that is stuck on a dead line. Some kilobytes wait in a slow one.
const STUCK: Duration = Duration::from_secs(2);

/// The terminal's device, with its settings from before.
#[derive(Debug)]
pub(super) struct Tty {
    /// A descriptor for asking, beside the one that is locked for writing.
    device: File,
    output: Mutex<File>,
    before: Termios,
    /// Whether the alternate screen is ours. Nothing is written while it is not.
    entered: AtomicBool,
    /// How often it has been entered: what was begun before a stop is not finished after it.
    entries: AtomicU64,
    raw: AtomicBool,
    /// A setting of tmux that holds for as long as the terminal is ours.
    pub(super) tmux: OnceLock<Switched>,
    /// What deletes the pictures that the terminal keeps for us.
    farewell: Mutex<Farewell>,
    /// The picture that the terminal has spoken of last.
    last_heard: AtomicU32,
    /// Where the end of the program is asked for when a thread of it has failed.
    closing: Mutex<Option<Sender<Input>>>,
}

impl Tty {
    pub(super) fn new(device: File) -> std::io::Result<Self> {
        let before = tcgetattr(&device)?;
        let output = Mutex::new(device.try_clone()?);
        Ok(Self {
            device,
            output,
            before,
            entered: AtomicBool::new(false),
            entries: AtomicU64::new(0),
            raw: AtomicBool::new(false),
            tmux: OnceLock::new(),
            farewell: Mutex::default(),
            last_heard: AtomicU32::new(0),
            closing: Mutex::default(),
        })
    }

    /// Keys come one by one, without echo, and Ctrl-C is a key.
    pub(super) fn enter_raw(&self) -> std::io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        self.raw.store(true, Ordering::SeqCst);
        Ok(tcsetattr(&self.device, OptionalActions::Now, &raw)?)
    }

    pub(super) fn enter_screen(&self) -> std::io::Result<()> {
        self.entries.fetch_add(1, Ordering::SeqCst);
        self.entered.store(true, Ordering::SeqCst);
        self.tmux.get().into_iter().for_each(Switched::on);
        self.write(ENTER.as_bytes())
    }

    /// Writes now; for the time before and after the writer's thread.
    pub(super) fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(bytes)?;
        output.flush()
    }

    /// How often the screen has been entered.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::SeqCst)
    }

    /// Writes in chunks as long as the screen is ours, and was not given away since it had been
    /// entered so often; returns whether that still was so at the end.
    pub(super) fn write_owned(&self, bytes: &[u8], entries: u64) -> std::io::Result<bool> {
        for chunk in bytes.chunks(CHUNK) {
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if self.entries() != entries || !self.entered.load(Ordering::SeqCst) {
                return Ok(false);
            }
            output.write_all(chunk)?;
        }
        Ok(true)
    }

    /// Says what is to be written before the screen is left.
    pub(super) fn set_farewell(&self, farewell: Farewell) {
        *self.farewell.lock().unwrap_or_else(PoisonError::into_inner) = farewell;
    }

    /// The terminal has spoken of a picture.
    pub(super) fn heard(&self, answer: &Answer) {
        self.last_heard.store(answer.id, Ordering::SeqCst);
    }

    /// Says where the end of the program is asked for when a thread of it has failed.
    pub(super) fn set_closing(&self, closing: Sender<Input>) {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = Some(closing);
    }

    fn farewell(&self) -> Farewell {
        match self.farewell.try_lock() {
            Ok(farewell) => farewell.clone(),
            Err(TryLockError::Poisoned(farewell)) => farewell.into_inner().clone(),
            Err(TryLockError::WouldBlock) => Farewell::default(),
        }
    }

    pub(super) fn device(&self) -> &File {
        &self.device
    }

    pub(super) fn window(&self) -> WindowSize {
        tcgetwinsize(&self.device).map_or_else(
            |_| WindowSize::default(),
            |size| WindowSize {
                cells: CellSize::new(size.ws_col, size.ws_row),
                pixels: PixelSize::new(size.ws_xpixel.into(), size.ws_ypixel.into()),
            },
        )
    }

    /// Gives the terminal back. Does nothing the second time.
    pub(super) fn restore(&self) {
        if self.entered.swap(false, Ordering::SeqCst) {
            // The last words of an earlier farewell are not those of this one.
            self.last_heard.store(0, Ordering::SeqCst);
            let farewell = self.farewell();
            let leaving = [&farewell.bytes, LEAVE.as_bytes()].concat();
            if self.write_at_last(&leaving)
                && let Some(id) = farewell.answered_by
            {
                wait_until(LAST_WORDS, || self.last_heard.load(Ordering::SeqCst) == id);
            }
        }
        if self.raw.swap(false, Ordering::SeqCst) {
            // Nothing can be done about a terminal that is gone.
            let _gone = tcsetattr(&self.device, OptionalActions::Now, &self.before);
            self.tmux.get().into_iter().for_each(Switched::back);
        }
    }

    /// Writes even where another thread is stuck in writing; returns whether all was written.
    fn write_at_last(&self, bytes: &[u8]) -> bool {
        let mut written = None;
        wait_until(STUCK, || {
            written = match self.output.try_lock() {
                Ok(mut output) => Some(output.write_all(bytes)),
                Err(TryLockError::Poisoned(output)) => Some(output.into_inner().write_all(bytes)),
                Err(TryLockError::WouldBlock) => None,
            };
            written.is_some()
        });
        matches!(written, Some(Ok(())))
    }
}

/// Waits until something is so, but no longer than this.
fn wait_until(patience: Duration, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() && start.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A panic gives the terminal back before its message is printed, and ends the program whatever
/// thread it is on. A panic on a thread of the names `fenced` is caught there, and only logged.
pub(super) fn on_panic(tty: &Arc<Tty>, fenced: &'static [&'static str]) {
    let tty = Arc::clone(tty);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current()
            .name()
            .is_some_and(|name| fenced.contains(&name))
        {
            tracing::error!("{panic}");
            return;
        }
        tty.restore();
        // Standard error is the log by now; the message belongs on the terminal.
        let _lost = rustix::stdio::dup2_stderr(&tty.device);
        before(panic);
        let closing = tty.closing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closing) = &*closing {
            // The loop may be what has failed; then nobody listens, and nobody needs to.
            drop(closing.send(Input::Failed));
        }
    }));
}

/// A thread that ends the program by SIGTERM, SIGHUP and SIGINT, and stops it by SIGTSTP, with the
/// terminal given back first.
pub(super) fn on_signals(tty: &Arc<Tty>, input: Sender<Input>) -> std::io::Result<()> {
    let tty = Arc::clone(tty);
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP])?;
    Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let screen = tty.entered.load(Ordering::SeqCst);
            tty.restore();
            if let Err(error) = emulate_default_handler(signal) {
                tracing::error!("signal {signal}: {error}");
            }
            // Only a stopped program gets here, when it goes on.
            let back = tty
                .enter_raw()
                .and_then(|()| if screen { tty.enter_screen() } else { Ok(()) });
            if back.is_err() || input.send(Input::Resumed).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
