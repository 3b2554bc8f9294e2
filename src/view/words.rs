//! The heatmap in words and digits, for terminals without pictures and for readers who do not see
//! them. Nothing depends on colors or on where things stand on the screen: a screen reader reads it
//! line by line.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::{head, percent};
use crate::explain::Explanation;
use crate::geometry::PixelSize;
use crate::job::{Outcome, map_of};
use crate::picture::words::Places;

/// Places along the longer side. More are no more to remember, and most layers have no more.
const LONGEST: u32 = 14;
/// Rows of the sentences below the grid, at the usual width, and of the heading above it.
const SENTENCES: u16 = 5;
const HEADING: u16 = 1;
/// Rows that a map needs: a few of the grid, and the sentences.
const FEWEST: u16 = HEADING + 4 + SENTENCES;

pub(super) fn draw(shown: &Outcome, frame: &mut Frame<'_>, area: Rect) {
    let beside = shown.beside.as_ref().filter(|_| area.height >= 2 * FEWEST);
    let Some(beside) = beside else {
        return map(shown, &shown.explanation, frame, area);
    };
    let [first, second] = Layout::vertical([Constraint::Fill(1); 2])
        .spacing(1)
        .areas(area);
    map(shown, &shown.explanation, frame, first);
    map(shown, beside, frame, second);
}

fn map(shown: &Outcome, explanation: &Explanation, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines(shown, explanation, area);
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(paragraph, area);
}

fn lines(shown: &Outcome, explanation: &Explanation, area: Rect) -> Vec<Line<'static>> {
    let label = head(&explanation.target.label, usize::from(area.width / 2));
    // A digit, with a sign where there are both, and a space before it.
    let width = if shown.style.signed { 3 } else { 2 };
    let bounds = (
        u32::from((area.width / width).max(1)),
        u32::from(area.height.saturating_sub(HEADING + SENTENCES).max(1)),
    );
    let image = square_places(shown.geometry.image, shown.style.signed);
    let size = Places::arrangement(image, LONGEST, bounds);
    // Two maps are compared on one scale.
    let end = shown.beside.as_ref().map(|_| shown.scale_end());
    let map = map_of(explanation);
    let Some(places) = Places::new(map, shown.style, end, &shown.geometry, size) else {
        let reason = explanation.warning().unwrap_or_default();
        return vec![Line::from(format!("Heat of {label}: {reason}."))];
    };
    let range = if shown.style.signed {
        "-9 to 9"
    } else {
        "0 to 9"
    };
    let mut lines = vec![Line::from(format!("Heat of {label}, {range}"))];
    lines.extend((0..places.rows).map(|row| {
        let digits = places.row(row).into_iter();
        let cells = digits.map(|digit| format!("{digit:>0$}", usize::from(width)));
        Line::from(cells.collect::<String>())
    }));
    lines.extend(sentences(&places).into_iter().map(Line::from));
    lines
}

/// With signs a place is three columns wide and one row high, otherwise two: about a square.
fn square_places(image: PixelSize, signed: bool) -> PixelSize {
    if signed {
        PixelSize::new(image.width * 2, image.height * 3)
    } else {
        image
    }
}

/// Where the weight lies.
fn sentences(places: &Places) -> Vec<String> {
    let Some((column, row)) = places.peak() else {
        return vec!["Nothing speaks for the class.".to_owned()];
    };
    let (columns, rows) = (places.columns, places.rows);
    let quarters: Vec<String> = places
        .quarters()
        .iter()
        .map(|(name, share)| format!("{name} {}", percent(*share)))
        .collect();
    let all = places.values.iter().flatten().count();
    vec![
        format!(
            "Peak: row {row} of {rows} from the top, column {column} of {columns} from the left ({}).",
            part((column, columns), (row, rows))
        ),
        format!("Shares: {}.", quarters.join(", ")),
        format!(
            "Half of the heat is in {} of {all} places.",
            places.places_of_half()
        ),
    ]
}

/// In which ninth of the image a place lies: "top left", "center", "bottom".
fn part((column, columns): (usize, usize), (row, rows): (usize, usize)) -> String {
    let third = |place: usize, places: usize| (place * 2 - 1) * 3 / (places * 2).max(1);
    let down = ["top", "", "bottom"][third(row, rows).min(2)];
    let across = ["left", "", "right"][third(column, columns).min(2)];
    match (down, across) {
        ("", "") => "center".to_owned(),
        ("", one) | (one, "") => one.to_owned(),
        _ => format!("{down} {across}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_by_ninths() {
        assert_eq!(part((1, 14), (1, 14)), "top left");
        assert_eq!(part((7, 14), (7, 14)), "center");
        assert_eq!(part((14, 14), (8, 14)), "right");
        assert_eq!(part((2, 3), (3, 3)), "bottom");
        assert_eq!(part((1, 1), (1, 1)), "center");
    }
}
