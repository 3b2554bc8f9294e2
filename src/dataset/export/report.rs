//! Report: a review as one page that opens in a browser, from a file and without a network.
//!
//! Everything is in the page: style, a script that filters and without which all can be read, and
//! pictures as JPEG. Texts from outside are escaped wherever they stand, and a policy in the page
//! keeps a browser from running or fetching anything that slipped through.

mod card;
mod html;
mod matrix;
mod overview;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Record, Table};
use crate::dataset::confusion::Confusion;
use crate::dataset::order::{By, Order};
use crate::dataset::summary::Summary;
use crate::file::{Destination, WriteError, write_whole};
use crate::text::{count, visible};
use html::escaped;

const STYLE: &str = include_str!("report/page.css");
const SCRIPT: &str = include_str!("report/page.js");

/// Images that are shown with pictures where nobody says how many.
pub const PICTURES: usize = 200;
/// Images without a picture that are listed. A browser has trouble with more, and a table has them
/// all.
const MOST_ROWS: usize = 20_000;

/// What a page says beside its images.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was reviewed.
    pub title: &'a str,
    /// Which of the images the page has, and in which order, in words.
    pub queue: &'a str,
    pub table: &'a Table<'a>,
    /// Of all images of the review, not only of those that the page has.
    pub summary: &'a Summary,
    pub confusion: &'a Confusion,
    /// How many images are shown with pictures; the others are listed.
    pub pictures: usize,
    /// Milliseconds since 1970, UTC.
    pub made_at: i64,
}

/// A picture of an image.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The bytes of a JPEG file.
    pub jpeg: Vec<u8>,
    /// "what speaks for tiger cat, 61.2 %".
    pub caption: String,
    /// What is wrong with it, in words.
    pub warning: Option<String>,
}

/// What was reviewed: the names of the folders. Where they lie is nobody else's business.
#[must_use]
pub fn title(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = real.file_name().unwrap_or(path.as_os_str());
        visible(&name.to_string_lossy())
    };
    let names: Vec<String> = paths.iter().map(name).collect();
    names.join(", ")
}

/// Which images a page has, of so many in all, and in which order.
#[must_use]
pub fn queue(filter: &str, all: usize, order: Order) -> String {
    let filter = match filter.trim() {
        "" => "all images".to_owned(),
        filter => format!("those of {} that fit: {filter}", count(all, "image")),
    };
    let order = match order {
        Order {
            by: By::Name,
            descending: false,
        } => "by name".to_owned(),
        Order { by, descending } => {
            let first = if descending { "largest" } else { "smallest" };
            format!("by {}, {first} first", by.name())
        }
    };
    format!("{filter}; {order}")
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}

/// Writes a page of the records, in their order. `draw` makes the pictures of an image, or says why
/// there are none; it is asked for the first [`Report::pictures`] of them.
///
/// # Errors
/// When the file cannot be written or is called off, or is there and is to be kept.
pub fn write(
    report: &Report<'_>,
    records: &[Record],
    mut draw: impl FnMut(&Record) -> Result<Vec<Picture>, String>,
    destination: Destination<'_>,
) -> Result<(), WriteError> {
    write_whole(destination, |file| {
        page(report, records, &mut draw, file).map_err(|error| error.to_string())
    })
}

fn page(
    report: &Report<'_>,
    records: &[Record],
    draw: &mut dyn FnMut(&Record) -> Result<Vec<Picture>, String>,
    out: &mut impl Write,
) -> io::Result<()> {
    let title = escaped(report.title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – gradcam review</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        policy()
    )?;
    writeln!(out, "<header>\n<h1>{title}</h1>")?;
    overview::write(report, out)?;
    writeln!(out, "</header>\n<main>")?;
    overview::tables(report, out)?;
    matrix::write(report, out)?;
    let (shown, listed) = records.split_at(report.pictures.min(records.len()));
    writeln!(
        out,
        "<section aria-labelledby=\"images\">\n<h2 id=\"images\">{}</h2>\n<p class=\"soft\">{}</p>",
        count(records.len(), "image"),
        escaped(report.queue)
    )?;
    filter(records, out)?;
    writeln!(out, "<div class=\"cards\">")?;
    for record in shown {
        let pictures = draw(record);
        card::write(record, report.table, pictures, out)?;
    }
    writeln!(out, "</div>\n</section>")?;
    rest(listed, report.table, out)?;
    writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// What the page may do: show its own pictures and run its own script, and nothing else.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'"
    )
}

/// The line that the script filters by; it is hidden where no script runs.
fn filter(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    let said = records.iter().filter_map(|record| record.said.as_ref());
    let mut verdicts: Vec<&str> = said
        .filter_map(|(review, _)| review.verdict.as_deref())
        .collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    writeln!(
        out,
        "<form class=\"filter\" hidden>\n<label>verdict <select name=\"verdict\"><option value=\"\">any\
         </option><option value=\"=\">none</option>"
    )?;
    for verdict in verdicts {
        let verdict = escaped(verdict);
        writeln!(out, "<option value=\"={verdict}\">{verdict}</option>")?;
    }
    writeln!(
        out,
        "</select></label>\n<label>prediction <select name=\"state\"><option value=\"\">any</option>\
         <option value=\"wrong\">wrong</option><option value=\"right\">right</option>\
         <option value=\"unknown\">not known</option></select></label>\n\
         <label>words <input name=\"text\" type=\"search\" placeholder=\"name, class, tag, note\"></label>\n\
         <output></output>\n</form>"
    )
}

/// The images without pictures.
fn rest(records: &[Record], table: &Table<'_>, out: &mut impl Write) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<section aria-labelledby=\"rest\">\n<h2 id=\"rest\">Without pictures</h2>\n<div class=\"wide\">\
         <table class=\"list\">\n<caption>{} after those above, in the same order</caption>\n<thead><tr>\
         <th scope=\"col\">image</th><th scope=\"col\">predicted</th><th scope=\"col\" class=\"n\">probability</th>\
         <th scope=\"col\">true</th><th scope=\"col\" class=\"n\">loss</th><th scope=\"col\">verdict</th>\
         <th scope=\"col\">tags</th><th scope=\"col\">note</th></tr></thead>\n<tbody>\n",
        count(records.len(), "image")
    )?;
    for record in records.iter().take(MOST_ROWS) {
        card::row(record, table, out)?;
    }
    writeln!(out, "</tbody>\n</table></div>")?;
    if let Some(more) = records
        .len()
        .checked_sub(MOST_ROWS)
        .filter(|more| *more > 0)
    {
        writeln!(
            out,
            "<p class=\"soft\">{} more are left out here; the export as CSV has them.</p>",
            count(more, "image")
        )?;
    }
    writeln!(out, "</section>")
}
