//! Which classes are taken for which: the whole matrix where it can be seen at a glance, else the
//! most frequent mistakes.

use std::io::{self, Write};

use super::Report;
use super::html::{class_name, or_dash, percent};
use crate::text::count;

/// Classes of a matrix that fits on a page.
const MOST_CLASSES: usize = 30;
/// Mistakes that are listed where there are more.
const MOST_PAIRS: usize = 50;

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    if report.confusion.total() == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"confusion\">\n<h2 id=\"confusion\">Confusion</h2>"
    )?;
    if report.confusion.classes().len() <= MOST_CLASSES {
        matrix(report, out)?;
    } else {
        pairs(report, out)?;
    }
    writeln!(out, "</section>")
}

fn matrix(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let confusion = report.confusion;
    let classes = confusion.classes();
    write!(
        out,
        "<div class=\"wide\"><table class=\"matrix\">\n<caption>A row is a true class, a column what its \
         images were taken for; the color is the share of the row. Of {}</caption>\n<thead><tr>\
         <th scope=\"col\">true</th>",
        count(confusion.total(), "image")
    )?;
    for class in &classes {
        write!(
            out,
            "<th scope=\"col\" class=\"turned\"><span>{}</span></th>",
            class_name(report.table, *class)
        )?;
    }
    writeln!(
        out,
        "<th scope=\"col\" class=\"turned\"><span>images</span></th>\
         <th scope=\"col\" class=\"turned\"><span>recall</span></th></tr></thead>\n<tbody>"
    )?;
    for truth in &classes {
        write!(
            out,
            "<tr><th scope=\"row\">{}</th>",
            class_name(report.table, *truth)
        )?;
        for predicted in &classes {
            let images = confusion.count(*truth, *predicted);
            let share = confusion.row_rate(*truth, *predicted).unwrap_or(0.0);
            let kind = match (images, truth == predicted) {
                (0, _) => "none",
                (_, true) => "hit",
                (_, false) => "miss",
            };
            write!(
                out,
                "<td class=\"{kind}\" style=\"--heat:{share:.3}\">{images}</td>"
            )?;
        }
        writeln!(
            out,
            "<td>{}</td><td>{}</td></tr>",
            confusion.of_truth(*truth),
            or_dash(confusion.row_rate(*truth, *truth).map(percent))
        )?;
    }
    write!(out, "</tbody>\n<tfoot><tr><th scope=\"row\">precision</th>")?;
    for class in &classes {
        let precision = confusion.column_rate(*class, *class);
        write!(
            out,
            "<td>{}</td>",
            or_dash(precision.map(|share| format!("{:.0}", share * 100.0)))
        )?;
    }
    writeln!(out, "<td></td><td></td></tr></tfoot>\n</table></div>")
}

fn pairs(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let confusion = report.confusion;
    let worst = confusion.worst();
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<caption>The most frequent mistakes of {} classes: {} of {}</caption>\n\
         <thead><tr><th scope=\"col\">true</th><th scope=\"col\">taken for</th>\
         <th scope=\"col\" class=\"n\">images</th><th scope=\"col\" class=\"n\">of the class</th></tr></thead>\n<tbody>",
        confusion.classes().len(),
        worst.len().min(MOST_PAIRS),
        worst.len()
    )?;
    for cell in worst.iter().take(MOST_PAIRS) {
        let share = confusion.row_rate(cell.truth, cell.predicted);
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n miss\" style=\"--heat:{:.3}\">{}</td></tr>",
            class_name(report.table, cell.truth),
            class_name(report.table, cell.predicted),
            cell.count,
            share.unwrap_or(0.0),
            or_dash(share.map(percent))
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}
