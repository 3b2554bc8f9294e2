//! Keys, mouse and sizes, read on a thread of their own.

use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, read};

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

/// Starts the threads: one sits in a read that nothing can end, so it ends with the program; one waits
/// for the terminal to go away, of which crossterm's read never tells; the third tells keys from what
/// the terminal says. `typed` are bytes that were typed while the terminal
/// was asked.
pub(super) fn start(
    inputs: Sender<Input>,
    answers: Sender<Answer>,
    tty: &Arc<Tty>,
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
    Builder::new().name("input".to_owned()).spawn(move || {
        loop {
            let event = match read() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                event => event.ok(),
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
