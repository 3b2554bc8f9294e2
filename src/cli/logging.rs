//! The log: what happens, in a file, and never on the screen.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use tracing::level_filters::LevelFilter;

use crate::text::visible;

/// Where the log goes, and how much is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    pub file: Option<PathBuf>,
    /// How often `-v` was given.
    pub verbose: u8,
}

/// Messages of this program and of libraries go to the file from here on; nowhere without a file.
///
/// # Errors
/// When the file cannot be written.
pub fn start(settings: &LogSettings) -> Result<()> {
    let Some(path) = &settings.file else {
        return Ok(());
    };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| {
        let path = visible(&path.display().to_string());
        format!("cannot write the log file {path}")
    })?;
    let level = match settings.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Libraries that use `log` are heard, too.
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init()
        .map_err(|error| anyhow!("cannot start the log: {error}"))
}
