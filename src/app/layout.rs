//! Layout: which pane gets which cells. Pure geometry, used by the reducer and by the view.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::geometry::CellSize;

/// Below this there is no room for a picture beside a list.
pub const SMALLEST: CellSize = CellSize::new(60, 16);
/// From this width on, the predictions and the caption have a column of their own.
const WIDE: u16 = 100;
/// Rows of the predictions: a title and five classes.
const PREDICTION_ROWS: u16 = 6;

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panes {
    pub list: Rect,
    pub picture: Rect,
    /// What the picture shows, in words.
    pub caption: Rect,
    pub predictions: Rect,
    pub status: Rect,
    pub footer: Rect,
}

/// The panes of a terminal, or `None` where it is too small. `full_screen` gives the picture all
/// but the caption; the caption grows where there is `more_to_say`.
#[must_use]
pub fn panes(size: CellSize, full_screen: bool, more_to_say: bool) -> Option<Panes> {
    if size.columns < SMALLEST.columns || size.rows < SMALLEST.rows {
        return None;
    }
    let whole = Rect::new(0, 0, size.columns, size.rows);
    if full_screen {
        let caption_rows = if more_to_say { 3 } else { 2 };
        let [picture, caption] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(caption_rows)]).areas(whole);
        return Some(Panes {
            list: Rect::ZERO,
            picture,
            caption,
            predictions: Rect::ZERO,
            status: Rect::ZERO,
            footer: Rect::ZERO,
        });
    }
    let [body, status, footer] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(whole);
    let (list, picture, predictions, caption) = if size.columns >= WIDE {
        let [list, picture, right] = Layout::horizontal([
            Constraint::Percentage(26),
            Constraint::Fill(1),
            Constraint::Length(32),
        ])
        .spacing(1)
        .areas(body);
        let [predictions, caption] =
            Layout::vertical([Constraint::Length(PREDICTION_ROWS), Constraint::Fill(1)])
                .spacing(1)
                .areas(right);
        (list, picture, predictions, caption)
    } else {
        let [left, middle] = Layout::horizontal([Constraint::Length(28), Constraint::Fill(1)])
            .spacing(1)
            .areas(body);
        let [list, predictions] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(PREDICTION_ROWS)])
                .areas(left);
        let caption_rows = match (size.rows >= 24, more_to_say) {
            (true, true) => 6,
            (true, false) | (false, true) => 4,
            (false, false) => 2,
        };
        let [picture, caption] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(caption_rows)]).areas(middle);
        (list, picture, predictions, caption)
    };
    Some(Panes {
        list,
        picture,
        caption,
        predictions,
        status,
        footer,
    })
}

/// A full page of rows to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAreas {
    pub title: Rect,
    pub rows: Rect,
    /// The selected row in full, and a line of how the page's switches stand.
    pub detail: Rect,
    pub footer: Rect,
}

/// The areas of such a page, or `None` where the terminal is too small.
#[must_use]
pub fn page_areas(size: CellSize) -> Option<PageAreas> {
    if size.columns < SMALLEST.columns || size.rows < SMALLEST.rows {
        return None;
    }
    let whole = Rect::new(0, 0, size.columns, size.rows);
    let [title, rows, detail, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(3),
        Constraint::Length(1),
    ])
    .areas(whole);
    Some(PageAreas {
        title,
        rows,
        detail,
        footer,
    })
}

/// Rows of the list below its title.
#[must_use]
pub fn list_rows(list: Rect) -> usize {
    usize::from(list.height.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_never_overlap_and_stay_on_the_screen() {
        for columns in (60..200).step_by(7) {
            for (rows, more_to_say) in (16..140).map(|step| (step / 2 + 8, step % 2 == 1)) {
                let size = CellSize::new(columns, rows);
                let panes = panes(size, false, more_to_say).unwrap();
                let all = [
                    panes.list,
                    panes.picture,
                    panes.caption,
                    panes.predictions,
                    panes.status,
                    panes.footer,
                ];
                for (index, a) in all.iter().enumerate() {
                    assert!(
                        a.area() > 0 && a.right() <= columns && a.bottom() <= rows,
                        "{size:?} {a:?}"
                    );
                    assert!(
                        all.iter().skip(index + 1).all(|b| !a.intersects(*b)),
                        "{size:?}"
                    );
                }
                assert!(
                    panes.picture.width >= 30 && panes.picture.height >= 10,
                    "{size:?}"
                );
            }
        }
    }

    #[test]
    fn a_terminal_that_is_too_small_has_no_panes() {
        assert_eq!(panes(CellSize::new(59, 16), false, false), None);
        assert_eq!(panes(CellSize::new(60, 15), true, true), None);
        assert_eq!(page_areas(CellSize::new(60, 15)), None);
    }
}
