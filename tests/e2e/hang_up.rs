//! A terminal that goes away without a signal: the program is not of its session.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::console::contains;
use crate::{gradcam, here};

/// How long the program may take to notice, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// The other end of a terminal, and the program in it.
struct Away {
    master: File,
    program: Child,
    /// Where it keeps where the user is.
    state: tempfile::TempDir,
}

impl Away {
    fn open() -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = i32::try_from(OpenptFlags::NOCTTY.bits()).unwrap();
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(name.to_str().unwrap())
            .unwrap();
        let state = tempfile::tempdir().unwrap();
        let end = || Stdio::from(device.try_clone().unwrap());
        let program = gradcam()
            .args(["assets/demo/images", "--no-scoring", "--graphics", "blocks"])
            .current_dir(here(""))
            .env_clear()
            .env("XDG_STATE_HOME", state.path())
            .env("OMP_NUM_THREADS", "2")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            master: master.into(),
            program,
            state,
        }
    }

    /// Reads until this is there, or for so long nothing comes.
    fn read_until(&mut self, part: &[u8], patience: Duration) -> bool {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        let patience = Timespec {
            tv_sec: patience.as_secs().cast_signed(),
            tv_nsec: patience.subsec_nanos().into(),
        };
        while !contains(&seen, part) {
            let mut waiting = [PollFd::new(&self.master, PollFlags::IN)];
            if poll(&mut waiting, Some(&patience)).unwrap() == 0 {
                return false;
            }
            let count = self.master.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
        true
    }

    /// Whether it runs, and its time on processors so far, in hundredths of a second.
    fn worked(program: &Child) -> (bool, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
        // What follows the name, which may have anything in it: the state, and much more.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        let times = fields[11..13]
            .iter()
            .map(|time| time.parse::<u64>().unwrap());
        (fields[0] != "Z", times.sum())
    }
}

#[test]
fn a_terminal_that_goes_away_without_a_signal_ends_the_program() {
    let mut away = Away::open();
    let minute = Duration::from_mins(1);
    assert!(away.read_until(b"\x1b[c", minute));
    away.master.write_all(b"\x1b[?62;22c").unwrap();
    assert!(away.read_until(b"forward", minute));
    away.master.write_all(b"j").unwrap();
    assert!(away.read_until(b"sailboat", minute));
    // Until it has nothing left to do.
    assert!(!away.read_until(b"no such text", Duration::from_secs(1)));
    let Away {
        master,
        mut program,
        state,
    } = away;
    let (_, before) = Away::worked(&program);
    drop(master);
    let start = Instant::now();
    let spent = loop {
        let (runs, worked) = Away::worked(&program);
        if !runs {
            break worked - before;
        }
        if start.elapsed() > SOON {
            program.kill().unwrap();
            program.wait().unwrap();
            panic!(
                "it goes on, after {} hundredths of a second of work",
                worked - before
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    program.wait().unwrap();
    assert!(
        spent < 100,
        "{spent} hundredths of a second of work for nothing"
    );
    // The second image was selected; the store says so.
    let reviews = state.path().join("gradcam/reviews");
    let store = std::fs::read_dir(reviews).unwrap().next().unwrap().unwrap();
    let store = std::fs::read(store.path()).unwrap();
    assert!(
        contains(&store, b"02-sailboat.png"),
        "where the user was is kept"
    );
}
