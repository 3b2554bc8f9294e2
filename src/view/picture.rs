//! The picture, or why there is none.

use image::{Rgb, RgbImage};
use ratatui::Frame;
use ratatui::buffer::CellDiffOption;
use ratatui::layout::Rect;
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;

use super::{head, sentence, status, words};
use crate::app::state::{ModelState, Search, State};
use crate::geometry::{CellSize, PixelSize};
use crate::graphics::blocks::{BLOCK_PX, nearest_of_256, rows};
use crate::graphics::{Capabilities, Protocol, Slot};
use crate::job::Outcome;
use crate::keymap::Command;
use crate::picture::View;
use crate::picture::overlay::in_row;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) -> Option<Slot> {
    let Some(current) = state.current() else {
        let text = match &state.search {
            Search::Failed(reason) => {
                format!("{reason}. {} quits.", state.keymap.called(Command::Quit))
            }
            Search::UnderWay if state.images.is_empty() => "Looking for images…".to_owned(),
            Search::UnderWay | Search::Done(_) => {
                let filter = crate::text::visible(&state.filter);
                let key = state.keymap.called(Command::Back);
                format!("No image fits the filter {filter}. {key} shows all.")
            }
        };
        sentence(frame, area, &text);
        return None;
    };
    if let Some((image, reason)) = &state.failure
        && *image == current.id
    {
        sentence(frame, area, reason);
        return None;
    }
    let cell_px = match state.capabilities.protocol {
        Protocol::HalfBlocks | Protocol::Text => BLOCK_PX,
        Protocol::Layered | Protocol::Placeholder { .. } | Protocol::Sixel | Protocol::Iterm2 => {
            state.capabilities.cell_px
        }
    };
    if state.capabilities.protocol == Protocol::Text
        && let Some(shown) = &state.shown
    {
        words::draw(shown, frame, area);
        return None;
    }
    // A picture made for a larger pane would scroll the screen; its successor is on the way.
    let fitting = state
        .shown
        .as_ref()
        .and_then(|shown| Some((shown, centered(area, &shown.picture, cell_px)?)));
    let Some((shown, slot)) = fitting else {
        let text = match (&state.model, status::progress(state)) {
            (ModelState::Loading, _) => "loading the model…".to_owned(),
            (_, Some(progress)) => progress,
            (_, None) => "…".to_owned(),
        };
        sentence(frame, area, &text);
        return None;
    };
    headings(frame, area, slot, shown);
    if state.capabilities.protocol == Protocol::HalfBlocks {
        blocks(frame, slot, &shown.picture, &state.capabilities);
        return None;
    }
    cover(frame, slot);
    Some(slot)
}

/// The labels of two classes above their pictures, where these stand in a row and there is room.
fn headings(frame: &mut Frame<'_>, area: Rect, slot: Slot, shown: &Outcome) {
    let Some(beside) = &shown.beside else {
        return;
    };
    let view = shown.style.view;
    if slot.y == area.y || view == View::Image || !in_row(&shown.picture, &shown.geometry, view) {
        return;
    }
    let (first, panels) = if view == View::SideBySide {
        (1, 3)
    } else {
        (0, 2)
    };
    let width = slot.size.columns / panels;
    for (place, explanation) in (first..).zip([&shown.explanation, beside]) {
        let label = head(&explanation.target.label, usize::from(width));
        let heading = Rect {
            x: slot.x + place * width,
            y: slot.y - 1,
            width,
            height: 1,
        };
        frame.render_widget(Line::from(label).bold().centered(), heading);
    }
}

/// The cells in the middle of the pane that hold the picture; `None` where it is too large.
fn centered(area: Rect, picture: &RgbImage, cell_px: PixelSize) -> Option<Slot> {
    let pixels = PixelSize::new(picture.width(), picture.height());
    let size = CellSize::holding(pixels, cell_px);
    (size.columns <= area.width && size.rows <= area.height).then(|| Slot {
        x: area.x + (area.width - size.columns) / 2,
        y: area.y + (area.height - size.rows) / 2,
        size,
    })
}

/// Keeps ratatui off the cells that the picture covers.
fn cover(frame: &mut Frame<'_>, slot: Slot) {
    let area =
        Rect::new(slot.x, slot.y, slot.size.columns, slot.size.rows).intersection(frame.area());
    for position in area.positions() {
        frame.buffer_mut()[position].set_diff_option(CellDiffOption::Skip);
    }
}

fn blocks(frame: &mut Frame<'_>, slot: Slot, picture: &RgbImage, capabilities: &Capabilities) {
    let color = |Rgb([r, g, b]): Rgb<u8>| {
        if capabilities.true_color {
            Color::Rgb(r, g, b)
        } else {
            Color::Indexed(nearest_of_256(Rgb([r, g, b])))
        }
    };
    let buffer = frame.buffer_mut();
    let rows = rows(picture, capabilities.glyphs);
    for (y, row) in (slot.y..slot.y + slot.size.rows).zip(rows) {
        for (x, block) in (slot.x..slot.x + slot.size.columns).zip(row) {
            let cell = &mut buffer[(x, y)];
            cell.set_char(block.glyph).set_bg(color(block.background));
            if block.glyph != ' ' {
                cell.set_fg(color(block.foreground));
            }
        }
    }
}
