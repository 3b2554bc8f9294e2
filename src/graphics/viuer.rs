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

use super::decide::MOST_COLORS;
use super::palette::reduced;
use super::{Capabilities, Protocol};
use crate::geometry::{PixelSize, resample_bilinear};

/// xterm drops pictures that are wider or higher.
pub const MAX_SIXEL_SIDE: u32 = 1000;

/// viuer's Sixel printer makes 6x12 pixels for each cell that it is asked for.
const SIXEL_CELL: (u32, u32) = (6, 12);

/// Standard output as a file in memory, for as long as the program runs.
#[derive(Debug)]
pub struct Capture {
    memory: Mutex<File>,
    /// Most colors of a Sixel picture.
    colors: u32,
}

impl Capture {
    /// Makes standard output the file. Whoever writes to the terminal needs another descriptor
    /// from then on. Sixel pictures have at most so many `colors`, 2 to 256.
    ///
    /// # Errors
    /// When the system gives no such file.
    pub fn start(colors: u32) -> std::io::Result<Self> {
        let memory = rustix::fs::memfd_create("gradcam-stdout", MemfdFlags::CLOEXEC)?;
        rustix::stdio::dup2_stdout(&memory)?;
        Ok(Self {
            memory: Mutex::new(File::from(memory)),
            colors,
        })
    }

    /// The picture as Sixel, at most [`MAX_SIXEL_SIDE`] wide and high. [`prime`] comes first.
    ///
    /// # Errors
    /// When viuer fails.
    pub fn sixel(&self, picture: &RgbImage) -> Result<Vec<u8>, String> {
        let size = PixelSize::new(
            picture.width().min(MAX_SIXEL_SIDE),
            picture.height().min(MAX_SIXEL_SIDE),
        );
        let (picture, config) = for_sixel(picture, size, self.colors)?;
        let bytes = self.printed(&DynamicImage::ImageRgb8(picture), &config)?;
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

/// A picture that viuer prints as Sixel in about this size as it is, and how to ask for it.
///
/// viuer's Sixel pictures are a multiple of its own cell, whatever the terminal's is. Made of that
/// size here, by less than one of these cells smaller, the picture is neither blurred nor, in few
/// colors, mixed to more of them.
fn for_sixel(
    picture: &RgbImage,
    size: PixelSize,
    colors: u32,
) -> Result<(RgbImage, Config), String> {
    let columns = (size.width / SIXEL_CELL.0).max(1);
    let rows = (size.height / SIXEL_CELL.1).max(1);
    let size = PixelSize::new(columns * SIXEL_CELL.0, rows * SIXEL_CELL.1);
    let mut picture = resample_bilinear(picture, size)?;
    if colors < MOST_COLORS {
        picture = reduced(&picture, colors);
    }
    let config = Config {
        width: Some(columns),
        height: Some(rows),
        ..one_protocol(Protocol::Sixel)
    };
    Ok((picture, config))
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
    let cell = capabilities.cell_px;
    // At most 60 columns: a picture to look at, with the text around it still in sight.
    let columns = (picture.width() / cell.width.max(1)).clamp(1, 60);
    let is_sixel = capabilities.protocol == Protocol::Sixel;
    let (picture, config) = if is_sixel {
        let whole = PixelSize::new(picture.width(), picture.height());
        let bounds = PixelSize::new((columns * cell.width).min(MAX_SIXEL_SIDE), MAX_SIXEL_SIDE);
        for_sixel(&picture, whole.fitted_into(bounds), capabilities.registers)?
    } else {
        let config = Config {
            use_kitty: capabilities.kitty,
            truecolor: capabilities.true_color,
            width: Some(columns),
            ..one_protocol(capabilities.protocol)
        };
        (picture, config)
    };
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    viuer::print(&DynamicImage::ImageRgb8(picture), &config)
        .map_err(|error| format!("cannot print the picture: {error}"))?;
    if is_sixel {
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
