//! The mouse: a click selects, the wheel moves.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::commands::{target_rank, turn_help};
use super::queue::{select, step};
use super::{WHEEL, pages, results};
use crate::app::event::Effect;
use crate::app::state::{Mode, State};

pub(super) fn on_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if let Mode::Help(page) = state.mode {
        if matches!(mouse.kind, MouseEventKind::Down(_)) {
            return turn_help(state, page, false);
        }
        return Vec::new();
    }
    if matches!(state.mode, Mode::Pick(_)) {
        return pages::on_mouse(state, mouse);
    }
    if matches!(state.mode, Mode::Matrix(_) | Mode::Summary(_)) {
        return results::on_mouse(state, mouse);
    }
    let at = Position::new(mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::ScrollDown => step(state, WHEEL),
        MouseEventKind::ScrollUp => step(state, -WHEEL),
        MouseEventKind::Down(MouseButton::Left) => {
            let Some(panes) = state.panes() else {
                return Vec::new();
            };
            if let Some(row) = row_below_title(panes.list, at) {
                let place = state.scroll + row;
                if place < state.queue.len() {
                    select(state, place);
                }
            } else if let Some(row) = row_below_title(panes.predictions, at) {
                target_rank(state, row + 1);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Which row of a pane was clicked, not counting its title.
fn row_below_title(pane: Rect, at: Position) -> Option<usize> {
    pane.contains(at)
        .then(|| usize::from(at.y - pane.y))
        .and_then(|row| row.checked_sub(1))
}
