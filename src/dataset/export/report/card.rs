//! One image: as a card with its pictures, or as a row of a table.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;

use super::html::{class_name, escaped, or_dash, percent};
use super::{Picture, Record, Table};
use crate::dataset::row::Row;
use crate::dataset::score::Score;

/// Whether the prediction is right, as the script knows it, and as people read it.
fn state(row: &Row<'_>) -> (&'static str, &'static str) {
    match (row.is_right(), row.score, row.unreadable) {
        (Some(true), ..) => ("right", "✓ right"),
        (Some(false), ..) => ("wrong", "✗ wrong"),
        (None, Some(_), _) => ("unknown", "truth unknown"),
        (None, None, Some(_)) => ("unknown", "cannot be read"),
        (None, None, None) => ("unknown", "not scored"),
    }
}

fn names(table: &Table<'_>, classes: &[u32]) -> String {
    let names: Vec<String> = classes
        .iter()
        .map(|class| class_name(table, *class))
        .collect();
    names.join(", ")
}

fn verdict(record: &Record) -> &str {
    let review = record.said.as_ref().map(|(review, _)| review);
    review
        .and_then(|review| review.verdict.as_deref())
        .unwrap_or_default()
}

pub(super) fn write(
    record: &Record,
    table: &Table<'_>,
    pictures: Result<Vec<Picture>, String>,
    out: &mut impl Write,
) -> io::Result<()> {
    let row = record.row();
    let (state, words) = state(&row);
    let image = escaped(&record.name);
    writeln!(
        out,
        "<article data-verdict=\"{}\" data-state=\"{state}\">\n<header><h3>{image}</h3>\
         <span class=\"mark {state}\">{words}</span></header>",
        escaped(verdict(record))
    )?;
    match pictures {
        Ok(pictures) => figures(&image, &pictures, out)?,
        Err(reason) => writeln!(
            out,
            "<p class=\"soft\">No picture: {}</p>",
            escaped(&reason)
        )?,
    }
    if row.is_known() {
        let mut parts = vec![format!("true: <b>{}</b>", names(table, row.truth))];
        if row.is_right() == Some(false)
            && let Some(truth) = row.true_class()
        {
            parts.push(format!("rank {}", truth.rank));
        }
        if let Some(loss) = row.loss() {
            parts.push(format!("loss {loss:.3}"));
        }
        writeln!(out, "<p>{}</p>", parts.join(", "))?;
    }
    top(&row, table, out)?;
    said(record, out)?;
    writeln!(out, "</article>")
}

fn figures(image: &str, pictures: &[Picture], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<div class=\"pictures\">")?;
    for picture in pictures {
        let caption = escaped(&picture.caption);
        let warning = picture.warning.as_deref().map(escaped);
        let warning = warning.map_or_else(String::new, |warning| format!("; {warning}"));
        writeln!(
            out,
            "<figure><img src=\"data:image/jpeg;base64,{}\" alt=\"{image}: {caption}\">\
             <figcaption>{caption}{warning}</figcaption></figure>",
            STANDARD.encode(&picture.jpeg)
        )?;
    }
    writeln!(out, "</div>")
}

fn top(row: &Row<'_>, table: &Table<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(score) = row.score else {
        return Ok(());
    };
    writeln!(out, "<ol class=\"top\" aria-label=\"predictions\">")?;
    for answer in score.top() {
        let share = score.probability(answer.logit);
        let name = class_name(table, answer.class);
        let name = if row.truth.contains(&answer.class) {
            format!("<b>{name}</b> <span class=\"right\">✓</span>")
        } else {
            name
        };
        writeln!(
            out,
            "<li style=\"--share:{share:.4}\"><span>{name}</span><span>{}</span></li>",
            percent(share)
        )?;
    }
    writeln!(out, "</ol>")
}

fn said(record: &Record, out: &mut impl Write) -> io::Result<()> {
    let Some((review, stamp)) = &record.said else {
        return Ok(());
    };
    if review.is_empty() {
        return Ok(());
    }
    writeln!(out, "<div class=\"said\">")?;
    if let Some(verdict) = &review.verdict {
        writeln!(out, "<span class=\"verdict\">{}</span>", escaped(verdict))?;
    }
    for tag in review.tags.iter() {
        writeln!(out, "<span class=\"tag\">#{}</span>", escaped(tag))?;
    }
    writeln!(out, "</div>")?;
    if !review.note.is_empty() {
        writeln!(out, "<blockquote>{}</blockquote>", escaped(&review.note))?;
    }
    let when = DateTime::from_timestamp_millis(stamp.at_millis)
        .map(|when| when.format("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default();
    writeln!(out, "<footer>{}, {when}</footer>", escaped(&stamp.by))
}

/// The same on a line.
pub(super) fn row(record: &Record, table: &Table<'_>, out: &mut impl Write) -> io::Result<()> {
    let row = record.row();
    let (state, words) = state(&row);
    let predicted = row.predicted().map(|class| class_name(table, class));
    let confidence = row.score.and_then(Score::confidence);
    let review = record.said.as_ref().map(|(review, _)| review);
    let tags = review.map_or_else(String::new, |review| {
        let tags: Vec<String> = review.tags.iter().map(|tag| escaped(tag)).collect();
        tags.join(", ")
    });
    writeln!(
        out,
        "<tr data-verdict=\"{verdict}\" data-state=\"{state}\"><th scope=\"row\">{}</th>\
         <td><span class=\"{state}\">{}</span></td><td class=\"n\">{}</td><td>{}</td>\
         <td class=\"n\">{}</td><td>{verdict}</td><td>{tags}</td><td>{}</td></tr>",
        escaped(&record.name),
        predicted.unwrap_or_else(|| words.to_owned()),
        or_dash(confidence.map(percent)),
        names(table, row.truth),
        or_dash(row.loss().map(|loss| format!("{loss:.3}"))),
        review.map_or_else(String::new, |review| escaped(&review.note)),
        verdict = escaped(verdict(record)),
    )
}
