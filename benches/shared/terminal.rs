//! The program in a pseudo-terminal: keys in, the screen out.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

const GRADCAM: &str = env!("CARGO_BIN_EXE_gradcam");
/// Nothing that is measured here takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// The running program.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    begun: Instant,
}

fn nonzero(count: u16) -> Result<NonZero<u16>> {
    NonZero::new(count).context("a terminal has cells")
}

impl Terminal {
    /// Starts gradcam in a terminal of 120x36 cells that knows no pictures. `state` is where reviews
    /// are kept.
    pub(crate) fn open(arguments: &[&str], state: &Path) -> Result<Self> {
        let (rows, cols) = (36, 120);
        let size = PtySize {
            rows,
            cols,
            pixel_width: cols * 9,
            pixel_height: rows * 18,
        };
        let pty = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(GRADCAM);
        command.args(arguments);
        command.args(["--graphics", "blocks"]);
        command.env("XDG_STATE_HOME", state);
        command.env("TERM", "xterm-256color");
        command.cwd(std::env::current_dir()?);
        let begun = Instant::now();
        let child = pty.slave.spawn_command(command)?;
        drop(pty.slave);
        let mut output = pty.master.try_clone_reader()?;
        let keys = Arc::new(Mutex::new(pty.master.take_writer()?));
        let answers = Arc::clone(&keys);
        let screen = Arc::new((
            Mutex::new(vt100::Parser::new(nonzero(rows)?, nonzero(cols)?, 0)),
            Condvar::new(),
        ));
        let seen = Arc::clone(&screen);
        std::thread::Builder::new().spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let bytes = &buffer[..count];
                // Who asks what the terminal is, is told: a VT220.
                if bytes.windows(3).any(|part| part == b"\x1b[c") {
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    drop(answers.write_all(b"\x1b[?62c"));
                }
                let mut parser = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                parser.process(bytes);
                seen.1.notify_all();
            }
            drop(pty.master);
        })?;
        Ok(Self {
            child,
            keys,
            screen,
            begun,
        })
    }

    /// Milliseconds from the start until the screen is so.
    pub(crate) fn since_start(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Result<f64> {
        self.wait(what, self.begun, is_so)
    }

    /// Milliseconds from these keys until the screen is so.
    pub(crate) fn press(
        &self,
        keys: &str,
        what: &str,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<f64> {
        let begun = Instant::now();
        self.write(keys)?;
        self.wait(what, begun, is_so)
    }

    fn write(&self, keys: &str) -> Result<()> {
        let mut terminal = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        terminal.write_all(keys.as_bytes())?;
        Ok(terminal.flush()?)
    }

    fn wait(&self, what: &str, begun: Instant, is_so: impl Fn(&str) -> bool) -> Result<f64> {
        let (screen, changed) = &*self.screen;
        let mut parser = screen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let contents = parser.screen().contents();
            if is_so(&contents) {
                return Ok(begun.elapsed().as_secs_f64() * 1000.0);
            }
            if begun.elapsed() > PATIENCE {
                bail!("{what} does not come:\n{contents}");
            }
            parser = changed
                .wait_timeout(parser, Duration::from_millis(500))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// What is on the screen.
    pub(crate) fn contents(&self) -> String {
        let parser = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        parser.screen().contents()
    }

    /// The most resident memory so far, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        let id = self.child.process_id().context("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: f64 = line
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .context("the system does not say")?;
        Ok(kib / 1024.0)
    }

    /// Quits and waits.
    pub(crate) fn quit(mut self) -> Result<()> {
        self.write("q")?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("gradcam ended with {status}");
        }
        Ok(())
    }
}
