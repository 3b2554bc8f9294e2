//! Progress on standard error: a bar on a terminal, otherwise a line for each image.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::text::{visible, visible_lines};

/// How far a run is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Nothing where nobody looks on.
    bar: Option<ProgressBar>,
    done: usize,
    total: usize,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self {
            bar: std::io::stderr().is_terminal().then(ProgressBar::hidden),
            done: 0,
            total: 0,
        }
    }

    /// A sentence above the bar.
    pub(super) fn say(&self, sentence: &str) -> Result<()> {
        let write = || writeln!(std::io::stderr(), "gradcam: {}", visible_lines(sentence));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
        .context("cannot write to standard error")
    }

    /// There are so many images.
    pub(super) fn images(&mut self, total: usize) {
        self.total = total;
        if let Some(bar) = &mut self.bar {
            let new = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template(
                "{bar:24} {pos} of {len} images, {eta} left  {wide_msg}",
            ) {
                new.set_style(style);
            }
            new.enable_steady_tick(Duration::from_secs(1));
            *bar = new;
        }
    }

    /// What is being measured, and how far that is.
    pub(super) fn at(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(visible(what));
        }
    }

    /// An image is done; `took` is nothing where it was done before.
    pub(super) fn image_done(&mut self, name: &str, took: Option<Duration>) -> Result<()> {
        self.done += 1;
        match (&self.bar, took) {
            (Some(bar), _) => bar.inc(1),
            (None, Some(took)) => {
                let (done, total) = (self.done, self.total);
                let seconds = took.as_secs_f64();
                writeln!(
                    std::io::stderr(),
                    "{done} of {total} images: {} ({seconds:.1} s)",
                    visible(name)
                )
                .context("cannot write to standard error")?;
            }
            (None, None) => {}
        }
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
