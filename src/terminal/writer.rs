//! The one writer: a thread that puts text and drawings on the terminal, text first.
//!
//! A drawing is a list of pieces; text goes between them. One that has not been begun when a newer one
//! comes is never written, and one that is no longer wanted is cut short between two pieces. A
//! synchronized update is a piece of its own, so that none is held open while something long is sent.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::restore::Tty;
use crate::graphics::sequences::{BEGIN_UPDATE, END_UPDATE};

/// A handle on the writer's thread. As `io::Write` it collects text until it is flushed.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    text: Vec<u8>,
    idle: Receiver<()>,
    reports: Receiver<Report>,
}

/// Something to be drawn after the text that is there.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Chosen by whoever wants it; reports have it.
    pub token: u64,
    /// Written in order, with text between them.
    pub pieces: VecDeque<Vec<u8>>,
    /// What ends it where it is cut short.
    pub cut: Vec<u8>,
    /// At most so many bytes a second; the line takes no more, and what is ahead of it cannot be cut.
    pub pace: Option<u32>,
}

/// What became of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub token: u64,
    /// Written whole; otherwise cut short, or never begun.
    pub is_whole: bool,
}

/// Where the writer writes.
pub(super) trait Sink: Send + 'static {
    /// Changes whenever the terminal was given away and came back.
    fn entries(&self) -> u64;
    /// Writes, if the terminal is still ours as it was at that count; returns whether it is.
    fn write(&mut self, bytes: &[u8], entries: u64) -> io::Result<bool>;
}

impl Sink for Arc<Tty> {
    fn entries(&self) -> u64 {
        Tty::entries(self)
    }

    fn write(&mut self, bytes: &[u8], entries: u64) -> io::Result<bool> {
        self.write_owned(bytes, entries)
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Text not yet written.
    text: Vec<u8>,
    /// Whether more text belongs to what is there.
    is_held: bool,
    /// Whether the thread is writing text.
    is_writing_text: bool,
    waiting: Option<Drawing>,
    begun: Option<Begun>,
    stopped: bool,
}

/// The drawing in hand.
#[derive(Debug)]
struct Begun {
    drawing: Drawing,
    entries: u64,
    /// When the next piece may go.
    next: Option<Instant>,
    is_unwanted: bool,
}

/// What the thread does next.
enum Turn {
    Text(Vec<u8>),
    Piece {
        bytes: Vec<u8>,
        entries: u64,
    },
    Cut {
        bytes: Vec<u8>,
        entries: u64,
        token: u64,
    },
    Wait(Option<Duration>),
    Stop,
}

impl Writer {
    pub(super) fn start(tty: Arc<Tty>) -> io::Result<Self> {
        Self::spawn(tty)
    }

    fn spawn(sink: impl Sink) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            thread: Mutex::default(),
        });
        let (idle_sender, idle) = bounded(1);
        let (report_sender, reports) = unbounded();
        let theirs = Arc::clone(&shared);
        let thread = Builder::new()
            .name("writer".to_owned())
            .spawn(move || theirs.work(sink, &idle_sender, &report_sender))?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self {
            shared,
            text: Vec::new(),
            idle,
            reports,
        })
    }

    /// Draws when all text is written, in place of a drawing that has not been begun, and after one
    /// that has, which is cut short.
    pub fn draw(&self, drawing: Drawing) {
        let mut queue = self.shared.lock();
        if let Some(begun) = &mut queue.begun {
            begun.is_unwanted = true;
        }
        queue.waiting = Some(drawing);
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Draws no more of what is waiting or in hand.
    pub fn cut(&self) {
        let mut queue = self.shared.lock();
        queue.waiting = None;
        if let Some(begun) = &mut queue.begun {
            begun.is_unwanted = true;
        }
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Says of each drawing that was begun what became of it.
    pub fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// Writes bytes as they are, in order with the text.
    pub fn send(&self, bytes: &[u8]) {
        self.shared.lock().text.extend_from_slice(bytes);
        self.shared.changed.notify_all();
    }

    /// Keeps text back until [`Self::release`]: what comes until then is shown at once.
    pub fn hold(&self) {
        self.shared.lock().is_held = true;
    }

    pub fn release(&self) {
        self.shared.lock().is_held = false;
        self.shared.changed.notify_all();
    }

    /// Whether all text has been written. Drawing waits for it, so that a slow line gets the newest
    /// frame and not every frame.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.lock();
        queue.text.is_empty() && !queue.is_writing_text
    }

    /// Says that the writer has no text left.
    pub fn idle(&self) -> &Receiver<()> {
        &self.idle
    }

    /// Writes what is left of the text, cuts short what is in hand, and ends the thread.
    pub(super) fn stop(&self) {
        {
            let mut queue = self.shared.lock();
            queue.stopped = true;
            queue.waiting = None;
            if let Some(begun) = &mut queue.begun {
                begun.is_unwanted = true;
            }
        }
        self.shared.changed.notify_all();
        let thread = self
            .shared
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer ended by a panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut sink: impl Sink, idle: &Sender<()>, reports: &Sender<Report>) {
        let report = |token: u64, is_whole: bool| {
            // Whoever wanted it may be gone.
            let _gone = reports.send(Report { token, is_whole });
        };
        let mut queue = self.lock();
        loop {
            let turn = queue.turn(&sink);
            match turn {
                Turn::Stop => return,
                Turn::Wait(patience) => {
                    // A full channel says the same already.
                    let _full = idle.try_send(());
                    queue = self.wait(queue, patience);
                }
                Turn::Text(bytes) => {
                    queue.is_writing_text = true;
                    drop(queue);
                    let entries = sink.entries();
                    written(sink.write(&bytes, entries));
                    queue = self.lock();
                    queue.is_writing_text = false;
                    if queue.text.is_empty() {
                        let _full = idle.try_send(());
                    }
                }
                Turn::Piece { bytes, entries } => {
                    drop(queue);
                    let is_ours = written(sink.write(&bytes, entries));
                    queue = self.lock();
                    if let Some(token) = queue.after_piece(bytes.len(), is_ours) {
                        report(token.0, token.1);
                    }
                }
                Turn::Cut {
                    bytes,
                    entries,
                    token,
                } => {
                    drop(queue);
                    written(sink.write(&bytes, entries));
                    report(token, false);
                    queue = self.lock();
                }
            }
        }
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        patience: Option<Duration>,
    ) -> MutexGuard<'a, Queue> {
        match patience {
            None => self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.changed.wait_timeout(queue, patience);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// Whether the terminal is still ours; a failure is only logged.
fn written(result: io::Result<bool>) -> bool {
    result.unwrap_or_else(|error| {
        // The terminal has gone away; SIGHUP or the end of the input ends the program.
        tracing::warn!("cannot write to the terminal: {error}");
        false
    })
}

impl Queue {
    fn turn(&mut self, sink: &impl Sink) -> Turn {
        if !self.text.is_empty() && (!self.is_held || self.stopped) {
            let text = std::mem::take(&mut self.text);
            let framed = [BEGIN_UPDATE.as_bytes(), &text, END_UPDATE.as_bytes()];
            return Turn::Text(framed.concat());
        }
        if let Some(begun) = self.begun.take_if(|begun| begun.is_unwanted) {
            return Turn::Cut {
                bytes: begun.drawing.cut,
                entries: begun.entries,
                token: begun.drawing.token,
            };
        }
        if self.stopped {
            return Turn::Stop;
        }
        if self.begun.is_none() {
            self.begun = self.waiting.take().map(|drawing| Begun {
                drawing,
                entries: sink.entries(),
                next: None,
                is_unwanted: false,
            });
        }
        let Some(begun) = &mut self.begun else {
            return Turn::Wait(None);
        };
        let left = begun
            .next
            .and_then(|next| next.checked_duration_since(Instant::now()))
            .filter(|left| !left.is_zero());
        if let Some(left) = left {
            return Turn::Wait(Some(left));
        }
        Turn::Piece {
            bytes: begun.drawing.pieces.pop_front().unwrap_or_default(),
            entries: begun.entries,
        }
    }

    /// What a written piece means for its drawing: its token, and whether it is whole, at its end.
    fn after_piece(&mut self, length: usize, is_ours: bool) -> Option<(u64, bool)> {
        let begun = self.begun.as_mut()?;
        let is_whole = begun.drawing.pieces.is_empty();
        if is_whole || !is_ours {
            let token = begun.drawing.token;
            self.begun = None;
            return Some((token, is_whole && is_ours));
        }
        begun.next = begun.drawing.pace.map(|pace| {
            Instant::now() + Duration::from_secs_f64(length as f64 / f64::from(pace.max(1)))
        });
        None
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.send(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A terminal whose every write waits for leave and is then reported.
    struct Gated {
        gate: Receiver<()>,
        report: Sender<Vec<u8>>,
    }

    impl Sink for Gated {
        fn entries(&self) -> u64 {
            0
        }

        fn write(&mut self, bytes: &[u8], _: u64) -> io::Result<bool> {
            self.gate.recv().map_err(io::Error::other)?;
            self.report.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(true)
        }
    }

    fn gated() -> (Writer, Sender<()>, Receiver<Vec<u8>>) {
        let (leave, gate) = unbounded();
        let (report, written) = unbounded();
        (
            Writer::spawn(Gated { gate, report }).unwrap(),
            leave,
            written,
        )
    }

    fn drawing(token: u64, pieces: &[&str]) -> Drawing {
        Drawing {
            token,
            pieces: pieces
                .iter()
                .map(|piece| piece.as_bytes().to_vec())
                .collect(),
            cut: b"cut".to_vec(),
            pace: None,
        }
    }

    fn say(writer: &mut Writer, text: &str) {
        writer.write_all(text.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Lets one write happen, and returns what was written.
    fn next(leave: &Sender<()>, written: &Receiver<Vec<u8>>) -> String {
        leave.send(()).unwrap();
        let bytes = written.recv_timeout(Duration::from_secs(20)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn wait_for(mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }

    fn has_begun(writer: &Writer) -> bool {
        writer.shared.lock().begun.is_some()
    }

    #[test]
    fn text_goes_before_drawings_and_only_the_newest_is_drawn() {
        let (mut writer, leave, written) = gated();
        say(&mut writer, "first");
        wait_for(|| writer.shared.lock().is_writing_text);
        writer.draw(drawing(1, &["old"]));
        writer.draw(drawing(2, &["new"]));
        say(&mut writer, "second");
        assert!(!writer.is_idle());
        for expected in [
            "\x1b[?2026hfirst\x1b[?2026l",
            "\x1b[?2026hsecond\x1b[?2026l",
            "new",
        ] {
            assert_eq!(next(&leave, &written), expected);
        }
        let report = writer.reports().recv().unwrap();
        assert_eq!((report.token, report.is_whole), (2, true));
        writer.stop();
        assert!(written.try_recv().is_err());
    }

    #[test]
    fn text_that_is_held_back_is_written_as_one_update() {
        let (mut writer, leave, written) = gated();
        writer.hold();
        say(&mut writer, "words");
        writer.send(b"+placements");
        writer.release();
        assert_eq!(
            next(&leave, &written),
            "\x1b[?2026hwords+placements\x1b[?2026l"
        );
    }

    #[test]
    fn text_goes_between_the_pieces_of_a_drawing_and_is_drawn_meanwhile() {
        let (mut writer, leave, written) = gated();
        writer.draw(drawing(1, &["one", "two"]));
        wait_for(|| has_begun(&writer));
        assert!(
            writer.is_idle(),
            "a frame may be drawn while a picture is sent"
        );
        say(&mut writer, "text");
        assert_eq!(next(&leave, &written), "one");
        assert_eq!(next(&leave, &written), "\x1b[?2026htext\x1b[?2026l");
        assert_eq!(next(&leave, &written), "two");
    }

    #[test]
    fn a_drawing_that_a_newer_one_replaces_is_cut_short_between_two_pieces() {
        let (writer, leave, written) = gated();
        writer.draw(drawing(1, &["one", "two", "three"]));
        wait_for(|| has_begun(&writer));
        writer.draw(drawing(2, &["new"]));
        for expected in ["one", "cut", "new"] {
            assert_eq!(next(&leave, &written), expected);
        }
        let reports: Vec<_> = writer.reports().iter().take(2).collect();
        let found = reports.iter().map(|report| (report.token, report.is_whole));
        assert_eq!(found.collect::<Vec<_>>(), [(1, false), (2, true)]);
    }

    #[test]
    fn a_drawing_keeps_to_its_pace_and_text_does_not_wait_for_it() {
        let (mut writer, leave, written) = gated();
        writer.draw(Drawing {
            pace: Some(1),
            ..drawing(1, &["hundreds of seconds", "never"])
        });
        assert_eq!(next(&leave, &written), "hundreds of seconds");
        say(&mut writer, "text");
        assert_eq!(next(&leave, &written), "\x1b[?2026htext\x1b[?2026l");
        writer.cut();
        assert_eq!(next(&leave, &written), "cut");
    }

    #[test]
    fn the_writer_says_when_it_is_idle_and_stops_with_its_text_written() {
        let (writer, leave, written) = gated();
        writer.idle().recv().unwrap();
        writer.draw(drawing(1, &["begun", "never"]));
        wait_for(|| has_begun(&writer));
        writer.send(b"bye");
        (0..3).for_each(|_| leave.send(()).unwrap());
        writer.stop();
        let all: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!(all.len(), 3);
        assert_eq!(
            (all[0].as_slice(), all[2].as_slice()),
            (&b"begun"[..], &b"cut"[..])
        );
    }
}
