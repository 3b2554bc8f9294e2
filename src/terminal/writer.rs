//! The one writer: a thread that puts text and pictures on the terminal, text first.
//!
//! A picture that has not been sent when a newer one comes is never sent.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::restore::Tty;
use crate::graphics::Encoded;
use crate::graphics::sequences::{BEGIN_UPDATE, END_UPDATE};

/// A handle on the writer's thread. As `io::Write` it collects text until it is flushed.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    text: Vec<u8>,
    idle: Receiver<()>,
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
    picture: Option<Encoded>,
    writing: bool,
    stopped: bool,
}

impl Writer {
    pub(super) fn start(tty: Arc<Tty>) -> io::Result<Self> {
        Self::spawn(move |bytes| tty.write_owned(bytes))
    }

    /// `sink` writes bytes and says whether the terminal is still ours.
    fn spawn(sink: impl FnMut(&[u8]) -> io::Result<bool> + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            thread: Mutex::default(),
        });
        let (idle_sender, idle) = bounded(1);
        let theirs = Arc::clone(&shared);
        let thread = Builder::new()
            .name("writer".to_owned())
            .spawn(move || theirs.work(sink, &idle_sender))?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self {
            shared,
            text: Vec::new(),
            idle,
        })
    }

    /// Puts a picture on the terminal when all text is written.
    pub fn show(&self, picture: Encoded) {
        self.shared.lock().picture = Some(picture);
        self.shared.changed.notify_all();
    }

    /// Forgets a picture that has not been written.
    pub fn forget_picture(&self) {
        self.shared.lock().picture = None;
    }

    /// Writes bytes as they are, in order with the text.
    pub fn send(&self, bytes: &[u8]) {
        self.shared.lock().text.extend_from_slice(bytes);
        self.shared.changed.notify_all();
    }

    /// Whether all text has been written. Drawing waits for it, so that a slow line gets the newest
    /// frame and not every frame.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.lock();
        queue.text.is_empty() && !queue.writing
    }

    /// Says that the writer has become idle.
    pub fn idle(&self) -> &Receiver<()> {
        &self.idle
    }

    /// Writes what is left of the text and ends the thread.
    pub(super) fn stop(&self) {
        {
            let mut queue = self.shared.lock();
            queue.stopped = true;
            queue.picture = None;
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
            log::error!("the writer ended by a panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut sink: impl FnMut(&[u8]) -> io::Result<bool>, idle: &Sender<()>) {
        loop {
            let bytes = {
                let mut queue = self.lock();
                queue.writing = false;
                if queue.text.is_empty() {
                    // A full channel says the same already.
                    let _full = idle.try_send(());
                }
                while queue.text.is_empty() && queue.picture.is_none() && !queue.stopped {
                    queue = self
                        .changed
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                if !queue.text.is_empty() {
                    queue.writing = true;
                    let text = std::mem::take(&mut queue.text);
                    [BEGIN_UPDATE.as_bytes(), &text, END_UPDATE.as_bytes()].concat()
                } else if let Some(picture) = queue.picture.take() {
                    queue.writing = true;
                    picture.bytes.to_vec()
                } else {
                    return;
                }
            };
            if let Err(error) = sink(&bytes) {
                // The terminal has gone away; SIGHUP or the end of the input ends the program.
                log::warn!("cannot write to the terminal: {error}");
            }
        }
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

    use crossbeam_channel::unbounded;

    use super::*;
    use crate::geometry::CellSize;
    use crate::graphics::Slot;

    fn picture(bytes: &[u8]) -> Encoded {
        Encoded {
            slot: Slot {
                x: 0,
                y: 0,
                size: CellSize::new(1, 1),
            },
            bytes: bytes.into(),
        }
    }

    /// A writer whose every write waits for leave and is then reported.
    fn gated() -> (Writer, Sender<()>, Receiver<Vec<u8>>) {
        let (leave, gate) = unbounded();
        let (report, written) = unbounded();
        let writer = Writer::spawn(move |bytes| {
            gate.recv().map_err(io::Error::other)?;
            report.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(true)
        });
        (writer.unwrap(), leave, written)
    }

    #[test]
    fn text_goes_before_pictures_and_only_the_newest_picture_is_sent() {
        let (mut writer, leave, written) = gated();
        writer.write_all(b"first").unwrap();
        writer.flush().unwrap();
        while !writer.shared.lock().writing {
            std::thread::yield_now();
        }
        writer.show(picture(b"old"));
        writer.show(picture(b"new"));
        writer.write_all(b"second").unwrap();
        writer.flush().unwrap();
        assert!(!writer.is_idle());
        for expected in [
            "\x1b[?2026hfirst\x1b[?2026l",
            "\x1b[?2026hsecond\x1b[?2026l",
            "new",
        ] {
            leave.send(()).unwrap();
            assert_eq!(
                String::from_utf8(written.recv().unwrap()).unwrap(),
                expected
            );
        }
        writer.stop();
        assert!(written.try_recv().is_err());
    }

    #[test]
    fn the_writer_says_when_it_is_idle_and_stops_with_its_text_written() {
        let (writer, leave, written) = gated();
        writer.idle().recv().unwrap();
        writer.send(b"bye");
        writer.show(picture(b"never"));
        leave.send(()).unwrap();
        writer.stop();
        assert_eq!(written.try_iter().count(), 1);
    }
}
