//! viuer: Sixel pictures with captured output, and pictures printed once.
//!
//! viuer writes to standard output and finds out what the terminal can do by reading it, without a
//! deadline. In the interface it must do neither. Its questions are therefore answered by us, once,
//! on a private pseudo-terminal ([`prime`]), and standard output is a file in memory from which its
//! bytes are read back ([`Capture`]).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::thread::Builder;

use image::{DynamicImage, RgbImage};
use rustix::fs::MemfdFlags;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use viuer::Config;

use super::{Capabilities, Protocol};

/// xterm drops pictures that are wider or higher.
pub const MAX_SIXEL_SIDE: u32 = 1000;

/// viuer's Sixel printer makes 6x12 pixels for each cell that it is asked for.
const SIXEL_CELL: (u32, u32) = (6, 12);

/// Standard output as a file in memory, for as long as the program runs.
#[derive(Debug)]
pub struct Capture {
    memory: Mutex<File>,
}

impl Capture {
    /// Makes standard output the file. Whoever writes to the terminal needs another descriptor
    /// from then on.
    ///
    /// # Errors
    /// When the system gives no such file.
    pub fn start() -> std::io::Result<Self> {
        let memory = rustix::fs::memfd_create("gradcam-stdout", MemfdFlags::CLOEXEC)?;
        rustix::stdio::dup2_stdout(&memory)?;
        Ok(Self {
            memory: Mutex::new(File::from(memory)),
        })
    }

    /// The picture as Sixel, at most [`MAX_SIXEL_SIDE`] wide and high. [`prime`] comes first.
    ///
    /// # Errors
    /// When viuer fails.
    pub fn sixel(&self, picture: &RgbImage) -> Result<Vec<u8>, String> {
        let (width, height) = (
            picture.width().min(MAX_SIXEL_SIDE),
            picture.height().min(MAX_SIXEL_SIDE),
        );
        let config = Config {
            // Sizes are multiples of viuer's cell; the picture is squeezed by less than one of them.
            width: Some((width / SIXEL_CELL.0).max(1)),
            height: Some((height / SIXEL_CELL.1).max(1)),
            ..one_protocol(Protocol::Sixel)
        };
        let bytes = self.printed(&DynamicImage::ImageRgb8(picture.clone()), &config)?;
        let start = bytes.windows(2).position(|pair| pair == b"\x1bP");
        let start = start.ok_or("viuer printed no Sixel picture")?;
        Ok(bytes[start..].to_vec())
    }

    fn printed(&self, picture: &DynamicImage, config: &Config) -> Result<Vec<u8>, String> {
        let mut memory = self
            .memory
            .lock()
            .map_err(|_| "the picture's memory is in an unknown state")?;
        let failed = |error: std::io::Error| format!("cannot keep the picture in memory: {error}");
        memory.set_len(0).map_err(failed)?;
        memory.seek(SeekFrom::Start(0)).map_err(failed)?;
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        viuer::print(picture, config)
            .map_err(|error| format!("cannot encode the picture: {error}"))?;
        std::io::stdout().flush().map_err(failed)?;
        memory.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut bytes = Vec::new();
        memory.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

fn one_protocol(protocol: Protocol) -> Config {
    Config {
        absolute_offset: false,
        restore_cursor: false,
        use_kitty: false,
        use_iterm: protocol == Protocol::Iterm2,
        use_sixel: protocol == Protocol::Sixel,
        ..Config::default()
    }
}

/// Prints a picture at the cursor, once, on standard output.
///
/// # Errors
/// When viuer fails.
pub fn print_once(picture: RgbImage, capabilities: &Capabilities) -> Result<(), String> {
    prime(capabilities).map_err(|error| format!("cannot prepare the picture: {error}"))?;
    let sixel = capabilities.protocol == Protocol::Sixel;
    let cell = capabilities.cell_px;
    // At most 60 columns: a picture to look at, with the text around it still in sight.
    let columns = (picture.width() / cell.width.max(1)).clamp(1, 60);
    let mut config = Config {
        use_kitty: capabilities.kitty,
        truecolor: capabilities.true_color,
        width: Some(columns),
        ..one_protocol(capabilities.protocol)
    };
    if sixel {
        let width = (columns * cell.width).min(MAX_SIXEL_SIDE);
        let height = (u64::from(width) * u64::from(picture.height())
            / u64::from(picture.width().max(1)))
        .min(u64::from(MAX_SIXEL_SIDE));
        config.width = Some((width / SIXEL_CELL.0).max(1));
        config.height = Some(
            u32::try_from(height)
                .unwrap_or(MAX_SIXEL_SIDE)
                .div_ceil(SIXEL_CELL.1)
                .max(1),
        );
    }
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    viuer::print(&DynamicImage::ImageRgb8(picture), &config)
        .map_err(|error| format!("cannot print the picture: {error}"))?;
    if sixel {
        // A Sixel picture leaves the cursor on its last row.
        std::io::stdout()
            .write_all(b"\r\n")
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Answers viuer's questions about the terminal with what we know. viuer asks each once.
///
/// # Errors
/// When the system gives no pseudo-terminal.
pub fn prime(capabilities: &Capabilities) -> std::io::Result<()> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    let mut termios = tcgetattr(&theirs)?;
    termios.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &termios)?;
    let (sixel, kitty) = (capabilities.protocol == Protocol::Sixel, capabilities.kitty);
    let answers = Builder::new()
        .name("viuer answers".to_owned())
        .spawn(move || answer(ours, sixel, kitty))?;

    let stdin = rustix::io::dup(std::io::stdin())?;
    let stdout = rustix::io::dup(std::io::stdout())?;
    rustix::stdio::dup2_stdin(&theirs)?;
    rustix::stdio::dup2_stdout(&theirs)?;
    let agreed = viuer::is_sixel_supported() == sixel;
    if kitty {
        viuer::get_kitty_support();
    }
    rustix::stdio::dup2_stdin(&stdin)?;
    rustix::stdio::dup2_stdout(&stdout)?;
    // Our side reads the end of the file when the last descriptor of theirs is closed.
    drop(theirs);
    if answers.join().is_err() || !agreed {
        return Err(std::io::Error::other(
            "viuer did not take our word for what the terminal can do",
        ));
    }
    Ok(())
}

/// The terminal that viuer believes to ask.
fn answer(ours: OwnedFd, sixel: bool, kitty: bool) {
    let mut terminal = File::from(ours);
    let mut asked: Vec<u8> = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        asked.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let text = String::from_utf8_lossy(&asked).into_owned();
        let mut reply = String::new();
        if text.contains("t=t") && text.ends_with("\x1b\\") {
            // It offers a file; the terminal may be on another machine.
            reply += "\x1b_Gi=31;ENOENT:no\x1b\\";
        } else if text.ends_with("\x1b[c") {
            if kitty && text.contains("a=q") {
                reply += "\x1b_Gi=31;OK\x1b\\";
            }
            reply += if sixel { "\x1b[?62;4c" } else { "\x1b[?62c" };
        }
        if !reply.is_empty() {
            asked.clear();
            if terminal.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }
}
