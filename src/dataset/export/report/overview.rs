//! What all images together say: the model, the figures, calibration, verdicts.

use std::io::{self, Write};

use chrono::DateTime;

use super::Report;
use super::html::{escaped, or_dash, percent};
use crate::dataset::summary::{BINS, Rate};
use crate::text::count;

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let made = DateTime::from_timestamp_millis(report.made_at)
        .map(|made| made.format("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default();
    writeln!(
        out,
        "<p class=\"soft\">Review of an image classifier, {made}, gradcam {}</p>",
        env!("CARGO_PKG_VERSION")
    )?;
    if let Some(alarm) = &report.summary.alarm {
        writeln!(
            out,
            "<p class=\"alarm\" role=\"note\"><strong>These figures cannot be right:</strong> {}</p>",
            escaped(alarm)
        )?;
    }
    if let Some(model) = report.table.model {
        writeln!(out, "<dl class=\"about\">")?;
        for (name, value) in [
            ("model", format!("{} ({})", model.name, model.family)),
            ("fingerprint", model.fingerprint.clone()),
            ("classes", model.classes.to_string()),
            ("preprocessing", model.recipe.clone()),
            ("layer of the maps", model.layer.clone()),
            ("precision", model.precision.clone()),
        ] {
            writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value))?;
        }
        writeln!(out, "</dl>")?;
    }
    tiles(report, out)
}

fn tiles(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let summary = report.summary;
    let mut tiles = vec![(
        summary.images.to_string(),
        format!("images, {} scored", summary.scored),
    )];
    for (rate, what) in [(summary.top1, "top-1 accuracy"), (summary.top5, "top-5")] {
        if let Some(share) = rate.share() {
            tiles.push((percent(share), format!("{what}{}", interval(rate))));
        }
    }
    if let Some(loss) = summary.loss {
        tiles.push((format!("{loss:.3}"), "mean loss in nats".to_owned()));
    }
    if let Some(error) = summary.calibration.error() {
        tiles.push((percent(error), "calibration error".to_owned()));
    }
    tiles.push((summary.reviewed.to_string(), "reviewed".to_owned()));
    if summary.unreadable > 0 {
        tiles.push((summary.unreadable.to_string(), "cannot be read".to_owned()));
    }
    writeln!(out, "<ul class=\"tiles\">")?;
    for (figure, what) in tiles {
        writeln!(
            out,
            "<li><strong>{figure}</strong> <span class=\"soft\">{what}</span></li>"
        )?;
    }
    writeln!(out, "</ul>")
}

/// " of 16; 95 % interval 58.1 to 64.0 %".
fn interval(rate: Rate) -> String {
    let bounds = rate.interval().map_or_else(String::new, |[low, high]| {
        format!(
            "; 95\u{a0}% interval {:.1} to {}",
            low * 100.0,
            percent(high)
        )
    });
    format!(" of {}{bounds}", rate.of)
}

/// Verdicts and calibration, where there are any.
pub(super) fn tables(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let summary = report.summary;
    let is_calibrated = summary.calibration.bins().iter().any(|bin| bin.count > 0);
    if summary.verdicts.is_empty() && !is_calibrated {
        return Ok(());
    }
    writeln!(out, "<div class=\"columns\">")?;
    if !summary.verdicts.is_empty() {
        writeln!(
            out,
            "<section aria-labelledby=\"verdicts\">\n<h2 id=\"verdicts\">Verdicts</h2>\n<table>\n\
             <caption>Of {}</caption>\n<thead><tr><th scope=\"col\">verdict</th>\
             <th scope=\"col\" class=\"n\">images</th></tr></thead>\n<tbody>",
            count(summary.images, "image")
        )?;
        for (verdict, images) in &summary.verdicts {
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{images}</td></tr>",
                escaped(verdict)
            )?;
        }
        writeln!(out, "</tbody>\n</table>\n</section>")?;
    }
    if is_calibrated {
        calibration(report, out)?;
    }
    writeln!(out, "</div>")
}

fn calibration(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section aria-labelledby=\"calibration\">\n<h2 id=\"calibration\">Calibration</h2>\n<table>\n\
         <caption>A network that is sure to 80 % should be right in 80 % of the cases</caption>\n\
         <thead><tr><th scope=\"col\">probability</th><th scope=\"col\" class=\"n\">images</th>\
         <th scope=\"col\" class=\"n\">mean probability</th><th scope=\"col\" class=\"n\">right</th></tr></thead>\n<tbody>"
    )?;
    let bins = report.summary.calibration.bins();
    for (place, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
        let bound = |place: usize| place as f32 * 100.0 / BINS as f32;
        writeln!(
            out,
            "<tr><th scope=\"row\">{:.0} to {:.0}\u{a0}%</th><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            bound(place),
            bound(place + 1),
            bin.count,
            or_dash(bin.confidence().map(percent)),
            or_dash(bin.accuracy().map(percent))
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}
