//! Progress on standard error: a bar on a terminal, otherwise a line now and then; and sentences.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::dataset::ImageEntry;
use crate::text::{visible, visible_lines};

/// Where there is no terminal, a line is written so often.
const EVERY: Duration = Duration::from_secs(10);

/// How far a run is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Nothing between two pieces of work.
    work: RefCell<Option<Work>>,
}

/// Images that are to be gone through.
#[derive(Debug)]
enum Work {
    Bar(ProgressBar),
    Lines {
        what: String,
        done: u64,
        total: u64,
        begun: Instant,
        told: Instant,
    },
}

impl Progress {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A sentence. Where standard error is closed, nobody wants to hear it.
    pub(super) fn say(&self, sentence: &str) {
        let say = || {
            let _closed = writeln!(std::io::stderr(), "gradcam: {}", visible_lines(sentence));
        };
        match &*self.work.borrow() {
            Some(Work::Bar(bar)) => bar.suspend(say),
            _ => say(),
        }
    }

    /// A file is being read and is not there.
    pub(super) fn stuck(&self, image: &ImageEntry) {
        let name = image.path.to_string_lossy();
        self.say(&format!(
            "{} does not answer; waiting for it, and going on with the others",
            visible(&name)
        ));
    }

    /// So many images are to be scored or drawn.
    pub(super) fn images(&self, total: usize, what: &str) {
        let total = total as u64;
        let work = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total);
            let template =
                format!("{{bar:24}} {{pos}} of {{len}} images {what}, {{per_sec}}, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.with_key("per_sec", a_second));
            }
            bar.enable_steady_tick(Duration::from_secs(1));
            Work::Bar(bar)
        } else {
            Work::Lines {
                what: what.to_owned(),
                done: 0,
                total,
                begun: Instant::now(),
                told: Instant::now(),
            }
        };
        self.work.replace(Some(work));
    }

    pub(super) fn done(&self, images: u64) {
        let line = match &mut *self.work.borrow_mut() {
            None => None,
            Some(Work::Bar(bar)) => {
                bar.inc(images);
                None
            }
            Some(Work::Lines {
                what,
                done,
                total,
                begun,
                told,
            }) => {
                *done += images;
                (told.elapsed() >= EVERY && done < total).then(|| {
                    *told = Instant::now();
                    let seconds = begun.elapsed().as_secs_f64();
                    let left = seconds / *done as f64 * (*total - *done) as f64;
                    format!(
                        "{done} of {total} images {what}, {:.1} a second, {} left",
                        *done as f64 / seconds,
                        HumanDuration(Duration::from_secs_f64(left.max(0.0)))
                    )
                })
            }
        };
        if let Some(line) = line {
            self.say(&line);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(Work::Bar(bar)) = self.work.take() {
            bar.finish_and_clear();
        }
    }
}

fn a_second(state: &indicatif::ProgressState, text: &mut dyn std::fmt::Write) {
    // Where the line is full, nothing can be done about it.
    let _full = write!(text, "{:.1} a second", state.per_sec());
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
