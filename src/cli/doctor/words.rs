//! The report for people: a line for each thing, those that belong together under a heading.

use super::report::{Cache, OwnFile, Report, Terminal};
use crate::text::count;

/// Columns of the names before the values.
const NAMES: usize = 28;
/// Most characters of a question that are printed; one of them carries a picture.
const QUESTION: usize = 36;

/// The whole text.
pub(super) fn text(report: &Report) -> String {
    let mut lines = Lines::default();
    lines.heading(&format!("gradcam {}", report.version));
    terminal(&report.terminal, &mut lines);
    tmux(report, &mut lines);
    lines.heading("Environment");
    for (name, value) in &report.environment {
        lines.line(name, value.as_deref().unwrap_or("set"));
    }
    computing(report, &mut lines);
    lines.heading("Models that were downloaded");
    for cache in &report.caches {
        lines.line(cache.name, &contents(cache));
    }
    let downloads = if report.offline {
        "forbidden by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE"
    } else {
        "allowed, where a model is given by name"
    };
    lines.line("downloads", downloads);
    lines.heading("Files");
    for file in &report.files {
        lines.line(file.name, &own_file(file));
    }
    for (heading, sentences) in [("Problems", &report.problems), ("Hints", &report.hints)] {
        if !sentences.is_empty() {
            lines.heading(heading);
            for sentence in sentences {
                lines.0.push(format!("  - {sentence}"));
            }
        }
    }
    if report.problems.is_empty() {
        lines.0.push(String::new());
        lines.0.push("Everything that is needed works.".to_owned());
    }
    lines.0.join("\n") + "\n"
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn heading(&mut self, words: &str) {
        if !self.0.is_empty() {
            self.0.push(String::new());
        }
        self.0.push(words.to_owned());
    }

    fn line(&mut self, name: &str, value: &str) {
        self.0.push(format!("  {name:<NAMES$}{value}"));
    }
}

fn terminal(terminal: &Terminal, lines: &mut Lines) {
    lines.heading("Terminal");
    if let Some(reason) = &terminal.why_not_asked {
        lines.line("was not asked", reason);
        return;
    }
    let name = terminal.name.as_deref().unwrap_or("unknown");
    let recognized = terminal.recognized.as_deref().unwrap_or_default();
    lines.line("name", &format!("{name} ({recognized})"));
    if let (Some(graphics), Some(key)) = (terminal.graphics_name, terminal.graphics) {
        lines.line("pictures by", &format!("{graphics} (--graphics {key})"));
    }
    lines.line("because", terminal.reason.as_deref().unwrap_or_default());
    if let (Some(cells), Some(pixels)) = (&terminal.cells, &terminal.cell_pixels) {
        let size = format!(
            "{}x{} cells of {}x{} pixels",
            cells.width, cells.height, pixels.width, pixels.height
        );
        lines.line("size", &size);
    }
    let colors = match terminal.true_color {
        Some(true) => "24 bits",
        _ => "256",
    };
    lines.line("colors", colors);
    let seconds = terminal.patience_milliseconds.unwrap_or_default() / 1e3;
    let answered = match terminal.round_trip_milliseconds {
        Some(time) => format!("after {time} ms"),
        None => "never".to_owned(),
    };
    lines.line(
        "answered",
        &format!("{answered}; waited for at most {seconds} s"),
    );
    for question in &terminal.questions {
        let asked = &question.question;
        let asked = match asked.char_indices().nth(QUESTION) {
            Some((end, _)) => format!("{}…", asked.get(..end).unwrap_or_default()),
            None => asked.clone(),
        };
        let answer = question.answer.as_deref().unwrap_or("no answer");
        let outside = match (&question.outside_tmux, &question.answer) {
            (Some(outside), _) => format!("; outside tmux: {outside}"),
            (None, _) => String::new(),
        };
        lines.line(question.about, &format!("{answer}{outside}   [{asked}]"));
    }
}

fn tmux(report: &Report, lines: &mut Lines) {
    if report.tmux.is_between != Some(true) {
        return;
    }
    lines.heading("tmux");
    lines.line("passes on", report.tmux.passthrough.unwrap_or_default());
    if let Some(to_do) = &report.tmux.to_do {
        lines.line("to do", to_do);
    }
}

fn computing(report: &Report, lines: &mut Lines) {
    lines.heading("Computing");
    let libtorch = &report.libtorch;
    let unknown = "unknown version";
    let folder = libtorch.folder.as_deref().unwrap_or("an unknown folder");
    lines.line(
        "libtorch",
        &format!(
            "{} in {folder}",
            libtorch.version.as_deref().unwrap_or(unknown)
        ),
    );
    lines.line("threads", &libtorch.threads.to_string());
    let cuda = match (&report.cuda.why_none, report.cuda.gpus) {
        (Some(reason), _) => format!("not used: {reason}"),
        (None, gpus) => count(gpus, "GPU"),
    };
    lines.line("CUDA", &cuda);
    if let Some(driver) = &report.cuda.driver {
        lines.line("NVIDIA driver", driver);
    }
    let bundled = match (&report.bundled_model.failure, &report.bundled_model.device) {
        (Some(failure), _) => format!("does not run: {failure}"),
        (None, device) => format!(
            "runs on {}, loaded in {} ms",
            device.as_deref().unwrap_or_default(),
            report.bundled_model.milliseconds
        ),
    };
    lines.line("bundled model", &bundled);
}

fn contents(cache: &Cache) -> String {
    let Some(path) = &cache.path else {
        return "nothing tells where".to_owned();
    };
    let told_by = cache
        .told_by
        .map_or_else(String::new, |variable| format!(" (by {variable})"));
    if !cache.exists {
        return format!("{path}{told_by}: not there yet");
    }
    let more = if cache.is_counted_whole {
        ""
    } else {
        "more than "
    };
    let mib = cache.bytes as f64 / f64::from(1 << 20);
    format!(
        "{path}{told_by}: {more}{}, {mib:.1} MiB",
        count(cache.files, "file")
    )
}

fn own_file(file: &OwnFile) -> String {
    let Some(path) = &file.path else {
        return file.note.to_owned();
    };
    let state = if file.exists { "there" } else { "no such file" };
    let state = if file.is_used {
        format!("{state}; ")
    } else {
        String::new()
    };
    format!("{path}: {state}{}", file.note)
}
