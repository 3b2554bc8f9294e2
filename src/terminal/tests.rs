use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::LocalModes;

use super::*;
use crate::graphics::sequences::{ENTER, LEAVE};

/// Both ends of a pseudo-terminal.
pub(super) fn pseudo_terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    (master.into(), device)
}

fn is_raw(device: &File) -> bool {
    !tcgetattr(device)
        .unwrap()
        .local_modes
        .contains(LocalModes::ICANON)
}

/// The next bytes that the terminal is sent; not waited for without end.
pub(super) fn sent(master: &mut File, length: usize) -> String {
    let patience = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let ready = poll(&mut [PollFd::new(&*master, PollFlags::IN)], Some(&patience)).unwrap();
        let so_far = String::from_utf8_lossy(&bytes[..filled]);
        assert!(ready > 0, "{filled} of {length} bytes came: {so_far:?}");
        filled += master.read(&mut bytes[filled..]).unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_terminal_is_given_back_as_it_was_and_only_once() {
    let (mut master, device) = pseudo_terminal();
    let tty = Tty::new(device.try_clone().unwrap()).unwrap();
    assert!(!is_raw(&device));
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    assert!(is_raw(&device));
    assert_eq!(sent(&mut master, ENTER.len()), ENTER);
    tty.restore();
    assert!(!is_raw(&device));
    assert_eq!(sent(&mut master, LEAVE.len()), LEAVE);
    tty.restore();
    // What is written next comes next: nothing was sent the second time.
    tty.write(b"!").unwrap();
    assert_eq!(sent(&mut master, 1), "!");
}

#[test]
fn nothing_is_drawn_on_a_terminal_that_has_been_given_back() {
    let (mut master, device) = pseudo_terminal();
    let tty = Tty::new(device).unwrap();
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    assert!(tty.write_owned(b"seen", tty.entries()).unwrap());
    tty.restore();
    assert!(!tty.write_owned(b"never", tty.entries()).unwrap());
    tty.write(b"!").unwrap();
    let all = sent(&mut master, ENTER.len() + 4 + LEAVE.len() + 1);
    assert_eq!(all, format!("{ENTER}seen{LEAVE}!"));
}

#[test]
fn a_picture_that_a_stop_has_cut_is_not_finished_afterwards() {
    let (mut master, device) = pseudo_terminal();
    let tty = Arc::new(Tty::new(device).unwrap());
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    sent(&mut master, ENTER.len());
    // More than the device holds, so that the write waits in the middle.
    let theirs = Arc::clone(&tty);
    let picture = std::thread::Builder::new()
        .spawn(move || {
            let entries = theirs.entries();
            theirs.write_owned(&vec![b'p'; 1 << 20], entries).unwrap()
        })
        .unwrap();
    sent(&mut master, 1000);
    let other = Arc::clone(&tty);
    let (tell, told) = unbounded();
    let stopped = std::thread::Builder::new()
        .spawn(move || {
            other.restore();
            tell.send(()).unwrap();
            other.enter_screen().unwrap();
            other.write(b"after").unwrap();
        })
        .unwrap();
    // Nothing is read until the screen is entered again, so the picture is still in its write.
    told.recv().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let mut all = String::new();
    while !all.ends_with("after") {
        all += &sent(&mut master, 1);
    }
    stopped.join().unwrap();
    // A picture that goes on would wait for its reader; now it fails instead.
    drop(master);
    assert!(!picture.join().unwrap());
    assert!(all.len() < 1 << 20, "the picture was finished");
}

#[test]
fn pictures_are_deleted_before_the_screen_is_left() {
    let (mut master, device) = pseudo_terminal();
    let tty = Tty::new(device).unwrap();
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    tty.set_farewell(farewell(b"gone", None));
    tty.restore();
    let all = sent(&mut master, ENTER.len() + 4 + LEAVE.len());
    assert_eq!(all, format!("{ENTER}gone{LEAVE}"));
}

fn farewell(bytes: &[u8], answered_by: Option<u32>) -> Farewell {
    Farewell {
        bytes: bytes.to_vec(),
        answered_by,
    }
}

#[test]
fn the_terminal_says_its_last_words_before_the_shell_has_it() {
    let (mut master, device) = pseudo_terminal();
    let tty = Arc::new(Tty::new(device.try_clone().unwrap()).unwrap());
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    tty.set_farewell(farewell(b"gone?", Some(7)));
    let theirs = Arc::clone(&tty);
    let restoring = std::thread::Builder::new().spawn(move || theirs.restore());
    sent(&mut master, ENTER.len() + 5 + LEAVE.len());
    for (id, is_last) in [(6, false), (7, true)] {
        assert!(is_raw(&device));
        tty.heard(&Answer { id, error: None });
        if is_last {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    restoring.unwrap().join().unwrap();
    assert!(!is_raw(&device));
    // Those of the next time are waited for again.
    tty.enter_raw().unwrap();
    tty.enter_screen().unwrap();
    let theirs = Arc::clone(&tty);
    let restoring = std::thread::Builder::new().spawn(move || theirs.restore());
    sent(&mut master, ENTER.len() + 5 + LEAVE.len());
    std::thread::sleep(Duration::from_millis(50));
    assert!(is_raw(&device));
    tty.heard(&Answer { id: 7, error: None });
    restoring.unwrap().join().unwrap();
    assert!(!is_raw(&device));
}

#[test]
fn the_window_is_asked_of_the_terminal() {
    let (master, device) = pseudo_terminal();
    let size = rustix::termios::Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 1080,
        ws_ypixel: 720,
    };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let window = Tty::new(device).unwrap().window();
    assert_eq!(
        (window.cells, window.pixels),
        (CellSize::new(120, 40), PixelSize::new(1080, 720))
    );
}

/// Set in a process that [`panicking`] starts.
const PANICS: &str = "GRADCAM_TEST_PANICS";

/// Starts a process that panics in [`panics_where_it_is_asked_to`], in this terminal.
fn panicking(place: &str, device: &File) -> Child {
    let end = || Stdio::from(device.try_clone().unwrap());
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "terminal::tests::panics_where_it_is_asked_to",
        ])
        .env(PANICS, place)
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap()
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let (mut master, device) = pseudo_terminal();
    let mut child = panicking("here", &device);
    let mut all = String::new();
    while !all.contains("boom") {
        all += &sent(&mut master, 1);
    }
    assert!(!child.wait().unwrap().success());
    let (entered, left) = (all.find(ENTER), all.find(LEAVE));
    assert!(entered < left && left < all.find("boom"), "{all:?}");
    assert!(entered.is_some() && !is_raw(&device));
}

#[test]
fn a_panic_on_any_thread_deletes_the_pictures_and_ends_the_program() {
    let (mut master, device) = pseudo_terminal();
    let mut child = panicking("on another thread", &device);
    let mut all = String::new();
    while !all.contains("the end was asked for") {
        all += &sent(&mut master, 1);
    }
    drop(child.wait());
    let left = format!("pictures deleted{LEAVE}");
    assert!(
        all.find(&left).unwrap() < all.find("boom").unwrap(),
        "{all:?}"
    );
}

#[test]
fn panics_where_it_is_asked_to() {
    #[expect(clippy::disallowed_methods, reason = "a message to this test alone")]
    if let Some(thread) = std::env::var_os(PANICS) {
        let tty = Arc::new(Tty::new(rustix::io::dup(std::io::stdout()).unwrap().into()).unwrap());
        restore::on_panic(&tty, &["worker"]);
        tty.enter_raw().unwrap();
        tty.enter_screen().unwrap();
        if thread == "on another thread" {
            let (closing, input) = unbounded();
            tty.set_closing(closing);
            tty.set_farewell(farewell(b"pictures deleted", None));
            let other = std::thread::Builder::new().name("encoder".to_owned());
            let panicked = other.spawn(|| panic!("boom")).unwrap().join();
            assert!(panicked.is_err());
            assert_eq!(input.recv(), Ok(Input::Failed));
            panic!("the end was asked for");
        }
        panic!("boom");
    }
}
