//! A terminal without a screen: it answers the program's questions and reads what it draws.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::inline::{self, Place};
use crate::kitty::{Profile, SILENT, Terminal};

/// How long anything may take. A debug build on a busy machine loads a model in seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a terminal says of itself.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// No graphics.
    Plain,
    /// Pictures are part of its cells.
    Cells(inline::Profile),
    /// It keeps pictures, and shows them as this one does.
    Kitty(Profile),
    /// It never answers.
    Silent,
}

/// What is between the program and the terminal.
#[derive(Clone, Copy, Default)]
pub(crate) struct Line {
    /// After each kilobyte that the program writes.
    pub(crate) wait: Duration,
    /// Until an answer is back.
    pub(crate) round_trip: Duration,
    /// Bytes of an answer that arrive at once, in turn; all of it where there are none.
    pub(crate) portions: &'static [usize],
    /// Typed after each answer, key by key, until all is typed.
    pub(crate) typed: &'static str,
}

type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

pub(crate) struct Console {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Keys,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// Where reviews are kept, for as long as it runs.
    state: Option<tempfile::TempDir>,
}

struct Seen {
    screen: vt100::Parser,
    pictures: Terminal,
    in_cells: Option<inline::Pictures>,
    bytes: Vec<u8>,
    closed: bool,
}

impl Kind {
    fn answers(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["\x1b[?62;22c"],
            Self::Cells(profile) => profile.answers,
            Self::Kitty(_) => &["\x1b[6;18;9t", "\x1b[?62;22c"],
            Self::Silent => &[],
        }
    }
}

impl Line {
    /// A kilobyte takes so long.
    pub(crate) fn slow(wait: Duration) -> Self {
        Self {
            wait,
            ..Self::default()
        }
    }

    /// Brings answers to the program, each when it is due.
    fn answer(self, answers: &Receiver<(Instant, Vec<u8>)>, keys: &Keys) {
        let mut typed = self.typed.chars();
        let mut portions = self.portions.iter().cycle();
        while let Ok((asked, answer)) = answers.recv() {
            std::thread::sleep((asked + self.round_trip).saturating_duration_since(Instant::now()));
            let mut keys = keys.lock().unwrap();
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                let count = portions.next().map_or(rest.len(), |count| *count);
                let (portion, after) = rest.split_at(count.min(rest.len()));
                // A program that has ended hears nothing.
                let _ended = keys.write_all(portion);
                rest = after;
                if !rest.is_empty() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            if let Some(key) = typed.next() {
                let _ended = keys.write_all(key.to_string().as_bytes());
            }
        }
    }
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match &mut self.in_cells {
            Some(pictures) => pictures.feed(bytes, &mut self.screen),
            None => self.screen.process(bytes),
        }
        self.pictures.feed(bytes);
    }

    fn drawn_in_cells(&self) -> usize {
        self.in_cells.as_ref().map_or(0, inline::Pictures::drawn)
    }

    fn in_cells(&self) -> Result<Place, String> {
        let pictures = self.in_cells.as_ref();
        pictures.map_or_else(
            || Err("no such terminal".to_owned()),
            |pictures| pictures.only(self.screen.screen()),
        )
    }
}

impl Console {
    /// Runs the program with these arguments in a terminal of 100x30 cells.
    pub(crate) fn open(kind: Kind, arguments: &[&str], folder: &Path) -> Self {
        Self::open_on(kind, (100, 30), Line::default(), arguments, folder)
    }

    /// The same in a terminal of so many columns and rows, at the end of a line.
    pub(crate) fn open_on(
        kind: Kind,
        (columns, rows): (u16, u16),
        line: Line,
        arguments: &[&str],
        folder: &Path,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let environment = [("XDG_STATE_HOME", state.path())];
        let mut console =
            Self::open_in(kind, (columns, rows), line, arguments, folder, &environment);
        console.state = Some(state);
        console
    }

    /// The same with these variables in its environment.
    pub(crate) fn open_in(
        kind: Kind,
        (columns, rows): (u16, u16),
        line: Line,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &Path)],
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
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let seen = Seen {
            screen: screen_of(columns, rows),
            pictures: Terminal::new(match kind {
                Kind::Kitty(profile) => profile,
                _ => SILENT,
            }),
            in_cells: match kind {
                Kind::Cells(profile) => Some(inline::Pictures::new(profile)),
                _ => None,
            },
            bytes: Vec::new(),
            closed: false,
        };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let theirs = Arc::clone(&seen);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (answers, due) = channel();
        let answering = Arc::clone(&keys);
        let thread = || std::thread::Builder::new();
        let answered = move || line.answer(&due, &answering);
        thread().spawn(answered).unwrap();
        let read = move || {
            let mut bytes = vec![0; if line.wait.is_zero() { 65_536 } else { 1024 }];
            let mut answered = false;
            // The end of the program reads as an error on Linux.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let mut seen = theirs.0.lock().unwrap();
                seen.take(&bytes[..count]);
                let said = std::mem::take(&mut seen.pictures.answers);
                let mut all: Vec<Vec<u8>> = said
                    .split_inclusive(|byte| *byte == b'\\')
                    .map(<[u8]>::to_vec)
                    .collect();
                if !answered && contains(&seen.bytes, b"\x1b[c") {
                    answered = true;
                    all.extend(
                        kind.answers()
                            .iter()
                            .map(|answer| answer.as_bytes().to_vec()),
                    );
                }
                for answer in all {
                    answers.send((Instant::now(), answer)).unwrap();
                }
                theirs.1.notify_all();
                drop(seen);
                std::thread::sleep(line.wait);
            }
            theirs.0.lock().unwrap().closed = true;
            theirs.1.notify_all();
        };
        thread().spawn(read).unwrap();
        Self {
            child,
            master: pair.master,
            keys,
            seen,
            state: None,
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

    /// Waits until one picture and no rest of another is in the cells, or none is.
    pub(crate) fn wait_in_cells(
        &self,
        what: &str,
        wanted: impl Fn(&Result<Place, String>) -> bool,
    ) {
        self.wait_on(what, |seen| wanted(&seen.in_cells()).then_some(()));
    }

    /// How many pictures have been drawn in the cells.
    pub(crate) fn drawn_in_cells(&self) -> usize {
        self.seen.0.lock().unwrap().drawn_in_cells()
    }

    /// Waits until more pictures have been drawn in the cells than these.
    pub(crate) fn wait_drawn_in_cells(&self, before: usize) {
        self.wait_on("another picture", |seen| {
            (seen.drawn_in_cells() > before).then_some(())
        });
    }

    /// The only picture that is in the cells, or what is wrong.
    pub(crate) fn in_cells(&self) -> Result<Place, String> {
        self.seen.0.lock().unwrap().in_cells()
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
                "waited in vain for {what}; in cells: {:?}; the screen:\n{}",
                seen.in_cells(),
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

    /// Waits for the end of a program that could give nothing back.
    pub(crate) fn wait_gone(mut self) {
        self.child.wait().unwrap();
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
