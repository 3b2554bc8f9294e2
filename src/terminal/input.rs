//! Keys, mouse and sizes, read on a thread of their own.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, poll as poll_event, read,
};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::replies::{ReplyFilter, Sorted};
use super::restore::Tty;
use crate::geometry::CellSize;
use crate::graphics::kitty::Answer;

/// What the terminal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Resize(CellSize),
    Paste(String),
    /// The program goes on after it was stopped; the screen is empty.
    Resumed,
    /// There is no more input: the terminal has gone away.
    Closed,
    /// A thread of the program has failed, and said so on the terminal, which is given back.
    Failed,
}

/// So long the thread that reads listens before it looks whether it is to pause.
const LISTEN: Duration = Duration::from_millis(200);

/// Keeps the thread that reads from reading while another program has the terminal.
#[derive(Debug, Default)]
pub(super) struct Pause {
    state: Mutex<Paused>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Paused {
    #[default]
    No,
    Wanted,
    Yes,
}

impl Pause {
    /// Waits until nobody reads any more. Ends it when what is returned is dropped.
    pub(super) fn begin(&self) -> Resume<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Paused::Wanted;
        // A thread that has ended reads nothing either.
        let patience = 5 * LISTEN;
        drop(
            self.changed
                .wait_timeout_while(state, patience, |state| *state != Paused::Yes),
        );
        Resume(self)
    }

    /// Pauses where that is wanted, until it is over.
    fn take(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == Paused::Wanted {
            *state = Paused::Yes;
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| *state != Paused::No));
        }
    }
}

/// Reading goes on when this is dropped.
pub(super) struct Resume<'a>(&'a Pause);

impl Drop for Resume<'_> {
    fn drop(&mut self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = Paused::No;
        self.0.changed.notify_all();
    }
}

/// Starts the threads: one reads, and ends with the program; one waits
/// for the terminal to go away, of which crossterm's read never tells; the third tells keys from what
/// the terminal says. `typed` are bytes that were typed while the terminal
/// was asked.
pub(super) fn start(
    inputs: Sender<Input>,
    answers: Sender<Answer>,
    tty: &Arc<Tty>,
    pause: &Arc<Pause>,
    typed: &[u8],
) -> std::io::Result<()> {
    for key in keys(typed) {
        drop(inputs.send(Input::Key(key)));
    }
    let hung_up = inputs.clone();
    Builder::new()
        .name("hang-up".to_owned())
        .spawn(move || wait_for_hang_up(&hung_up))?;
    let (sender, events) = unbounded();
    let pause = Arc::clone(pause);
    Builder::new().name("input".to_owned()).spawn(move || {
        loop {
            pause.take();
            let event = match poll_event(LISTEN).and_then(|is_there| {
                if is_there { read().map(Some) } else { Ok(None) }
            }) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Ok(None) => continue,
                event => event.ok().flatten(),
            };
            let last = event.is_none();
            if sender.send(event).is_err() || last {
                return;
            }
        }
    })?;
    let tty = Arc::clone(tty);
    Builder::new().name("replies".to_owned()).spawn(move || {
        let mut filter = ReplyFilter::default();
        while let Ok(sorted) = next(&events, &mut filter) {
            for one in sorted {
                let gone = match one {
                    Either::Answer(answer) => {
                        // The terminal may be on its way back to the shell, and nobody else listen.
                        tty.heard(&answer);
                        let _nobody = answers.send(answer);
                        false
                    }
                    Either::Input(input) => inputs.send(input).is_err(),
                };
                if gone {
                    return;
                }
            }
        }
    })?;
    Ok(())
}

/// Waits until the other end of the terminal is closed.
fn wait_for_hang_up(inputs: &Sender<Input>) {
    let terminal = std::io::stdin();
    // Without events to wait for, only a hang-up or an error ends the wait.
    let mut waiting = [PollFd::new(&terminal, PollFlags::empty())];
    while let Err(Errno::INTR) = poll(&mut waiting, None) {}
    // The interface may be gone already.
    drop(inputs.send(Input::Closed));
}

enum Either {
    Input(Input),
    Answer(Answer),
}

/// The thread that reads has ended.
struct Ended;

/// Waits for the next event, or for a reply to break off, and sorts it.
fn next(events: &Receiver<Option<Event>>, filter: &mut ReplyFilter) -> Result<Vec<Either>, Ended> {
    let event = match filter.patience() {
        None => events.recv().map_err(|_| Ended)?,
        Some(patience) => match events.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(sorted(filter.pass())),
            Err(RecvTimeoutError::Disconnected) => return Err(Ended),
        },
    };
    let input = match event {
        Some(Event::Key(key)) if key.kind == KeyEventKind::Release => return Ok(Vec::new()),
        Some(Event::Key(key)) => return Ok(sorted(filter.take(key))),
        Some(Event::Mouse(mouse)) => Input::Mouse(mouse),
        Some(Event::Resize(columns, rows)) => Input::Resize(CellSize::new(columns, rows)),
        Some(Event::Paste(text)) => Input::Paste(text),
        Some(Event::FocusGained | Event::FocusLost) => return Ok(Vec::new()),
        None => Input::Closed,
    };
    Ok(vec![Either::Input(input)])
}

fn sorted(sorted: Vec<Sorted>) -> Vec<Either> {
    let either = |one| match one {
        Sorted::Key(key) => Either::Input(Input::Key(key)),
        Sorted::Answer(answer) => Either::Answer(answer),
    };
    sorted.into_iter().map(either).collect()
}

/// Keys in bytes that were read before crossterm was asked to: characters, Enter, control letters
/// and arrows.
fn keys(typed: &[u8]) -> Vec<KeyEvent> {
    let text = String::from_utf8_lossy(typed);
    let mut keys = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        keys.push(match character {
            '\x1b' if rest.next_if_eq(&'[').is_some() => match rest.next() {
                Some('A') => plain(KeyCode::Up),
                Some('B') => plain(KeyCode::Down),
                Some('C') => plain(KeyCode::Right),
                Some('D') => plain(KeyCode::Left),
                _ => continue,
            },
            '\x1b' => plain(KeyCode::Esc),
            '\r' | '\n' => plain(KeyCode::Enter),
            '\t' => plain(KeyCode::Tab),
            '\x7f' => plain(KeyCode::Backspace),
            '\x01'..='\x1a' => {
                let letter = char::from_u32(u32::from(character) + 0x60).unwrap_or(' ');
                KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
            }
            _ => plain(KeyCode::Char(character)),
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_typed_during_the_probe_are_not_lost() {
        let codes: Vec<_> = keys(b"j3\x1b[B\r\x1aq")
            .into_iter()
            .map(|key| (key.code, key.modifiers))
            .collect();
        let none = KeyModifiers::NONE;
        assert_eq!(
            codes,
            [
                (KeyCode::Char('j'), none),
                (KeyCode::Char('3'), none),
                (KeyCode::Down, none),
                (KeyCode::Enter, none),
                (KeyCode::Char('z'), KeyModifiers::CONTROL),
                (KeyCode::Char('q'), none),
            ]
        );
    }
}
