//! A terminal without a screen: it answers the program's questions and reads what it draws.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::kitty::{Profile, SILENT, Terminal};

/// How long anything may take. A debug build on a busy machine loads a model in seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a terminal says of itself.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// No graphics.
    Plain,
    /// Sixel, cells of 9x18 pixels.
    Sixel,
    /// It keeps pictures, and shows them as this one does.
    Kitty(Profile),
    /// It never answers.
    Silent,
}

pub(crate) struct Console {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

struct Seen {
    screen: vt100::Parser,
    pictures: Terminal,
    bytes: Vec<u8>,
    closed: bool,
}

impl Kind {
    fn answers(self) -> &'static [u8] {
        match self {
            Self::Plain => b"\x1b[?62;22c",
            Self::Sixel => b"\x1b[6;18;9t\x1b[?62;4;22c",
            Self::Kitty(_) => b"\x1b[6;18;9t\x1b[?62;22c",
            Self::Silent => b"",
        }
    }
}

impl Console {
    /// Runs the program with these arguments in a terminal of 100x30 cells.
    pub(crate) fn open(kind: Kind, arguments: &[&str], folder: &Path) -> Self {
        Self::open_on(kind, (100, 30), Duration::ZERO, arguments, folder)
    }

    /// The same in a terminal of so many columns and rows, which waits after each kilobyte.
    pub(crate) fn open_on(
        kind: Kind,
        (columns, rows): (u16, u16),
        wait: Duration,
        arguments: &[&str],
        folder: &Path,
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: columns * 9,
            pixel_height: rows * 18,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_gradcam"));
        command.args(arguments);
        command.cwd(folder);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("OMP_NUM_THREADS", "2");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let seen = Seen {
            screen: screen_of(columns, rows),
            pictures: Terminal::new(match kind {
                Kind::Kitty(profile) => profile,
                _ => SILENT,
            }),
            bytes: Vec::new(),
            closed: false,
        };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let (theirs, answering) = (Arc::clone(&seen), Arc::clone(&keys));
        let mut reader = pair.master.try_clone_reader().unwrap();
        std::thread::Builder::new()
            .spawn(move || {
                let mut bytes = vec![0; if wait.is_zero() { 65_536 } else { 1024 }];
                let mut answered = false;
                // The end of the program reads as an error on Linux.
                while let Ok(count @ 1..) = reader.read(&mut bytes) {
                    let mut seen = theirs.0.lock().unwrap();
                    seen.bytes.extend_from_slice(&bytes[..count]);
                    seen.screen.process(&bytes[..count]);
                    seen.pictures.feed(&bytes[..count]);
                    let said = std::mem::take(&mut seen.pictures.answers);
                    // A program that has ended hears nothing.
                    let _ended = answering.lock().unwrap().write_all(&said);
                    if !answered && contains(&seen.bytes, b"\x1b[c") {
                        answered = true;
                        answering.lock().unwrap().write_all(kind.answers()).unwrap();
                    }
                    theirs.1.notify_all();
                    drop(seen);
                    std::thread::sleep(wait);
                }
                theirs.0.lock().unwrap().closed = true;
                theirs.1.notify_all();
            })
            .unwrap();
        Self {
            child,
            master: pair.master,
            keys,
            seen,
        }
    }

    pub(crate) fn press(&self, keys: &str) {
        self.keys
            .lock()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen
            .0
            .lock()
            .unwrap()
            .screen
            .screen_mut()
            .set_size(count(rows), count(columns));
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: columns * 9,
            pixel_height: rows * 18,
        };
        self.master.resize(size).unwrap();
    }

    /// Waits until the text on the screen is as wanted, and returns it.
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_on(what, |seen| {
            Some(seen.screen.screen().contents()).filter(|text| wanted(text))
        })
    }

    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits until the bytes that have come since the start are as wanted.
    pub(crate) fn wait_bytes(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.wait_on(what, |seen| wanted(&seen.bytes).then(|| seen.bytes.clone()))
    }

    /// Waits until what is known of pictures is as wanted.
    pub(crate) fn wait_pictures(&self, what: &str, wanted: impl Fn(&Terminal) -> bool) {
        self.wait_on(what, |seen| wanted(&seen.pictures).then_some(()));
    }

    /// What is known of pictures.
    pub(crate) fn pictures<T>(&self, look: impl Fn(&Terminal) -> T) -> T {
        look(&self.seen.0.lock().unwrap().pictures)
    }

    /// Waits until nothing has come for so long. Returns all bytes since the start.
    pub(crate) fn wait_quiet(&self, patience: Duration) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        let (mut count, mut since) = (seen.bytes.len(), Instant::now());
        while since.elapsed() < patience {
            assert!(Instant::now() < deadline, "it never becomes quiet");
            let left = patience.saturating_sub(since.elapsed());
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
            if seen.bytes.len() != count {
                (count, since) = (seen.bytes.len(), Instant::now());
            }
        }
        seen.bytes.clone()
    }

    fn wait_on<T>(&self, what: &str, wanted: impl Fn(&Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            if let Some(found) = wanted(&seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !(left.is_zero() || seen.closed),
                "waited in vain for {what}; the screen:\n{}",
                seen.screen.screen().contents()
            );
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Ends the program by a signal, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.process_id().unwrap().to_string();
        let status = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end of the program; the terminal must be as it was before.
    pub(crate) fn ended(self) -> (ExitStatus, String) {
        let (status, bytes, _) = self.ended_with();
        (status, bytes)
    }

    /// The same, with the numbers of the pictures that were left behind.
    pub(crate) fn ended_with(mut self) -> (ExitStatus, String, Vec<u32>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let bytes = self.wait_on("the end", |seen| seen.closed.then(|| seen.bytes.clone()));
        let seen = self.seen.0.lock().unwrap();
        let screen = seen.screen.screen();
        assert!(
            !screen.alternate_screen(),
            "the alternate screen is still on"
        );
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let left_behind = seen.pictures.left_behind.clone();
        (
            status,
            String::from_utf8_lossy(&bytes).into_owned(),
            left_behind,
        )
    }

    /// Waits until keys come one by one, or by lines again.
    pub(crate) fn wait_raw(&self, raw: bool) {
        let start = Instant::now();
        while self.is_raw() != raw {
            assert!(start.elapsed() < PATIENCE, "the terminal's settings stay");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether keys come one by one; the shell's terminal has them by lines.
    pub(crate) fn is_raw(&self) -> bool {
        let termios = rustix_termios(&*self.master);
        !termios.contains(rustix::termios::LocalModes::ICANON)
    }
}

fn rustix_termios(master: &(dyn MasterPty + Send)) -> rustix::termios::LocalModes {
    let name = master.tty_name().unwrap();
    let device = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    rustix::termios::tcgetattr(&device).unwrap().local_modes
}

fn screen_of(columns: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(count(rows), count(columns), 0)
}

fn count(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
