//! Ask: puts the probe's questions to the terminal, and to the one outside where tmux stands between.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::restore::Tty;
use super::tmux;
use crate::graphics::Environment;
use crate::graphics::identity::{Brand, Identity};
use crate::graphics::probe::{
    Answers, Parser, Passthrough, Probed, more_registers, questions, questions_through_tmux,
};
use crate::graphics::sequences::{ERASE_WHAT_FOLLOWED, REMEMBER_CURSOR};

/// How long the terminal may take to answer; longer where a line is in between.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_SSH: Duration = Duration::from_secs(5);
/// How long at least the terminal outside a tmux may take that may not pass the questions on.
const PATIENCE_OUTSIDE: Duration = Duration::from_millis(500);

/// What came of one write of questions.
struct Exchange {
    answers: Answers,
    typed: Vec<u8>,
    /// Until the first answer.
    round_trip: Option<Duration>,
}

/// Asks, and returns also what was typed meanwhile. The terminal is in raw mode; `input` is where its
/// bytes arrive.
pub(super) fn ask(
    tty: &Tty,
    input: &impl AsFd,
    environment: &Environment,
) -> Result<(Probed, Vec<u8>)> {
    let patience = if environment.ssh {
        PATIENCE_SSH
    } else {
        PATIENCE
    };
    let inside = exchange(tty, input, questions().as_bytes(), patience)?;
    let mut typed = inside.typed;
    let mut probed = Probed {
        answers: inside.answers,
        round_trip: inside.round_trip,
        patience,
        ..Probed::default()
    };
    if Identity::of(&probed.answers, environment).brand == Brand::Tmux {
        probed.passthrough = let_through(tty, environment);
        let patience = match probed.passthrough {
            Passthrough::On | Passthrough::SwitchedOn => patience,
            // Perhaps nothing will come. The way to tmux is nearly all of the way.
            _ => PATIENCE_OUTSIDE
                .max(4 * probed.round_trip.unwrap_or_default())
                .min(patience),
        };
        let outside = exchange(tty, input, &questions_through_tmux(), patience)?;
        typed.extend(outside.typed);
        probed.outside = Some(outside.answers);
        probed.round_trip = outside.round_trip.or(probed.round_trip);
    }
    Ok((probed, typed))
}

/// Asks for as many colors as a Sixel picture can use, and notes how many there are. xterm keeps
/// them; taking them back at the end would have it answer into the shell. Returns what was typed.
pub(super) fn for_more_colors(
    tty: &Tty,
    input: &impl AsFd,
    probed: &mut Probed,
) -> Result<Vec<u8>> {
    let exchange = exchange(tty, input, more_registers().as_bytes(), probed.patience)?;
    probed.answers.update(exchange.answers);
    Ok(exchange.typed)
}

/// Has tmux let sequences through, where its server is on this machine.
fn let_through(tty: &Tty, environment: &Environment) -> Passthrough {
    if !environment.tmux {
        return Passthrough::Elsewhere;
    }
    let (passthrough, switched) = tmux::switch_on();
    if let Some(switched) = switched {
        // The terminal is asked once, so nothing is there yet.
        let _first = tty.tmux.set(switched);
    }
    passthrough
}

fn exchange(
    tty: &Tty,
    input: &impl AsFd,
    questions: &[u8],
    patience: Duration,
) -> Result<Exchange> {
    let start = Instant::now();
    let deadline = start + patience;
    tty.write(&[REMEMBER_CURSOR.as_bytes(), questions].concat())?;
    let mut parser = Parser::default();
    let mut round_trip = None;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        if !is_readable(input, left)? {
            continue;
        }
        let mut bytes = [0; 512];
        // Past the library's buffer: what it kept would be lost to the thread that reads keys.
        let count = rustix::io::read(input, &mut bytes)?;
        if count == 0 {
            bail!("the terminal has gone away");
        }
        let is_done = parser.feed(bytes.get(..count).unwrap_or_default());
        if round_trip.is_none() && parser.answers != Answers::default() {
            round_trip = Some(start.elapsed());
        }
        if is_done {
            break;
        }
    }
    parser.finish();
    tty.write(ERASE_WHAT_FOLLOWED.as_bytes())?;
    Ok(Exchange {
        answers: parser.answers,
        typed: parser.typed,
        round_trip,
    })
}

/// Waits until there is something to read, for so long.
fn is_readable(input: &impl AsFd, left: Duration) -> Result<bool> {
    let patience = Timespec {
        tv_sec: left.as_secs().cast_signed(),
        tv_nsec: left.subsec_nanos().into(),
    };
    let mut waiting = [PollFd::new(input, PollFlags::IN)];
    match poll(&mut waiting, Some(&patience)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
