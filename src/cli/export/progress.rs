//! Progress on standard error: a bar on a terminal, and sentences above it.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::text::visible_lines;

/// How far the export is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Nothing between two pieces of work, or where nobody looks on.
    bar: RefCell<Option<ProgressBar>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            bar: RefCell::new(None),
        }
    }

    /// A sentence. Where standard error is closed, nobody wants to hear it.
    pub(super) fn say(&self, sentence: &str) {
        let say = || {
            let _closed = writeln!(std::io::stderr(), "gradcam: {}", visible_lines(sentence));
        };
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// So many images are to be scored or drawn.
    pub(super) fn images(&self, total: usize, what: &str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(total as u64);
        let template = format!("{{bar:24}} {{pos}} of {{len}} images {what}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        self.bar.replace(Some(bar));
    }

    pub(super) fn done(&self, images: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.inc(images);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
