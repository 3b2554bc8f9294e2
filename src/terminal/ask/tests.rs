use std::fs::File;
use std::io::{Read, Write};
use std::thread::{Builder, JoinHandle};

use super::*;
use crate::graphics::probe::{Topic, WindowSize};
use crate::graphics::{Choice, Protocol, decide::decide};
use crate::terminal::tests::{pseudo_terminal, sent};

/// A terminal at the other end of the line.
#[derive(Clone, Copy, Default)]
struct Profile {
    /// What it answers, in the order of the questions; the last one ends the wait.
    answers: &'static [&'static str],
    /// What the terminal around it answers, where it is tmux.
    outside: &'static [&'static str],
    /// Until an answer is back.
    round_trip: Duration,
    /// Bytes in a write; 0: all of an answer.
    portion: usize,
    /// Typed before each answer.
    keys: &'static str,
}

const KITTY: Profile = Profile {
    answers: &[
        "\x1bP>|kitty(0.41.1)\x1b\\",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1b_Gi=32;OK\x1b\\",
        "\x1b[6;18;9t",
        "\x1b[4;648;1080t",
        "\x1b[?62;c",
    ],
    outside: &[],
    round_trip: Duration::ZERO,
    portion: 0,
    keys: "",
};

const TMUX: Profile = Profile {
    answers: &["\x1bP>|tmux 3.4\x1b\\", "\x1b[?1;2c"],
    outside: KITTY.answers,
    ..KITTY
};

impl Profile {
    /// Answers until its terminal is closed.
    fn serve(self, mut master: File) -> JoinHandle<()> {
        let serve = move || {
            let mut asked = Vec::new();
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                asked.extend_from_slice(&bytes[..count]);
                let text = String::from_utf8_lossy(&asked);
                let wrapped = text.contains("\x1bPtmux;\x1b\x1b[c\x1b\\");
                if !wrapped && !text.ends_with(Topic::Attributes.question()) {
                    continue;
                }
                asked.clear();
                std::thread::sleep(self.round_trip);
                let answers = if wrapped { self.outside } else { self.answers };
                for answer in answers {
                    master.write_all(self.keys.as_bytes()).unwrap();
                    let portion = if self.portion == 0 {
                        answer.len()
                    } else {
                        self.portion
                    };
                    for bytes in answer.as_bytes().chunks(portion) {
                        master.write_all(bytes).unwrap();
                    }
                }
            }
        };
        Builder::new().spawn(serve).unwrap()
    }

    /// What the program learns of it, and what it takes for typed.
    fn asked(self, environment: &Environment) -> (Probed, String) {
        let (master, device) = pseudo_terminal();
        let tty = Tty::new(device.try_clone().unwrap()).unwrap();
        tty.enter_raw().unwrap();
        let terminal = self.serve(master);
        let (probed, typed) = ask(&tty, &device, environment).unwrap();
        drop((tty, device));
        terminal.join().unwrap();
        (probed, String::from_utf8(typed).unwrap())
    }
}

fn chosen(probed: &Probed) -> Protocol {
    let environment = Environment::default();
    decide(probed, &environment, WindowSize::default(), Choice::Auto).protocol
}

#[test]
fn answers_that_come_slowly_in_parts_and_between_keys_are_understood_and_the_keys_kept() {
    let slow = Duration::from_millis(300);
    for (portion, round_trip) in [(0, slow), (1, Duration::ZERO), (3, slow)] {
        let profile = Profile {
            portion,
            round_trip,
            keys: "j\x1b[B3",
            ..KITTY
        };
        let (probed, typed) = profile.asked(&Environment::default());
        assert_eq!(chosen(&probed), Protocol::Layered, "{portion}");
        let (keys, times) = (profile.keys, typed.len() / profile.keys.len());
        assert_eq!(typed, keys.repeat(times));
        assert_eq!(times, KITTY.answers.len());
        assert!(probed.round_trip.unwrap() >= round_trip);
        assert!(probed.outside.is_none());
    }
}

#[test]
fn a_terminal_that_never_answers_is_waited_for_no_longer_than_said() {
    let silent = Profile {
        answers: &[],
        keys: "j",
        ..KITTY
    };
    let start = Instant::now();
    let (probed, _) = silent.asked(&Environment::default());
    assert!(start.elapsed() >= PATIENCE);
    assert_eq!(probed.round_trip, None);
    assert_eq!(chosen(&probed), Protocol::HalfBlocks);
}

#[test]
fn the_terminal_outside_a_tmux_on_another_machine_is_asked_through_it() {
    let (probed, typed) = TMUX.asked(&Environment::default());
    assert_eq!(probed.passthrough, Passthrough::Elsewhere);
    assert_eq!(chosen(&probed), Protocol::Placeholder { layers: true });
    assert_eq!(typed, "");
}

#[test]
fn a_tmux_that_passes_nothing_on_costs_little_time() {
    let closed = Profile {
        outside: &[],
        ..TMUX
    };
    let start = Instant::now();
    let (probed, _) = closed.asked(&Environment::default());
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(probed.outside, Some(Answers::default()));
    assert_eq!(chosen(&probed), Protocol::HalfBlocks);
}

#[test]
fn a_terminal_that_prints_what_it_does_not_know_has_it_erased() {
    let (mut master, device) = pseudo_terminal();
    let tty = Tty::new(device.try_clone().unwrap()).unwrap();
    tty.enter_raw().unwrap();
    master.write_all(b"\x1b[?6c").unwrap();
    ask(&tty, &device, &Environment::default()).unwrap();
    let expected = format!("\x1b7{}\x1b8\x1b[J", questions());
    assert_eq!(sent(&mut master, expected.len()), expected);
}
