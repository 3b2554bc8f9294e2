use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::app::event::Event;
use crate::app::update::tests::Desk;
use crate::dataset::ImageId;
use crate::geometry::CellSize;
use crate::graphics::Protocol;
use crate::heatmap::{Grid, Heatmap};
use crate::job::Reply;
use crate::keymap::BINDINGS;

const NAMES: [&str; 5] = [
    "a.png",
    "b.png",
    "c.png",
    "birds/owl.png",
    "birds/a name that is too long for the list.png",
];

/// The cells of a state, and where a picture is to go.
fn drawn(state: &State) -> (Buffer, Option<Slot>) {
    let mut terminal =
        Terminal::new(TestBackend::new(state.size.columns, state.size.rows)).unwrap();
    let mut slot = None;
    terminal.draw(|frame| slot = view(state, frame)).unwrap();
    (terminal.backend().buffer().clone(), slot)
}

/// The text of the cells, line by line; pictures made of half blocks as dots.
fn text(state: &State) -> String {
    let (buffer, _) = drawn(state);
    let width = usize::from(buffer.area.width);
    let row = |row: &[ratatui::buffer::Cell]| {
        row.iter()
            .map(|cell| cell.symbol().replace('▀', "·"))
            .collect::<String>()
    };
    buffer
        .content
        .chunks(width)
        .map(|cells| row(cells).trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn ready(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::ready(&NAMES, CellSize::new(columns, rows));
    desk.press("j");
    desk.answer_all();
    desk
}

#[test]
fn a_picture_is_shown_in_a_small_terminal() {
    insta::assert_snapshot!(text(&ready(60, 16).state));
}

#[test]
fn a_picture_is_shown_in_a_usual_terminal() {
    insta::assert_snapshot!(text(&ready(80, 24).state));
}

#[test]
fn a_picture_is_shown_in_a_wide_terminal() {
    insta::assert_snapshot!(text(&ready(120, 40).state));
}

#[test]
fn the_model_is_loading() {
    insta::assert_snapshot!(text(&Desk::loading(&NAMES, CellSize::new(80, 24)).state));
}

#[test]
fn the_model_cannot_be_used() {
    let mut desk = Desk::loading(&NAMES, CellSize::new(80, 24));
    let reason = "birds.pth: the checkpoint looks like ResNet-18, but 1 key missing: fc.bias";
    desk.event(Event::Reply(Reply::Unavailable(reason.to_owned())));
    insta::assert_snapshot!(text(&desk.state));
}

#[test]
fn an_image_cannot_be_read() {
    let mut desk = ready(80, 24);
    desk.state.failure = Some((ImageId(1), "b.png: the file is cut short".to_owned()));
    desk.state
        .unreadable
        .insert(ImageId(2), "c.png is no image".to_owned());
    insta::assert_snapshot!(text(&desk.state));
}

#[test]
fn the_help_page_has_every_key() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        let mut desk = ready(columns, rows);
        desk.press("?");
        let mut page = text(&desk.state);
        while matches!(desk.state.mode, Mode::Help(_)) {
            page += &text(&desk.state);
            desk.press("j");
        }
        assert_eq!(desk.state.selected, 1, "keys turn pages and nothing else");
        for binding in BINDINGS {
            assert!(
                page.contains(binding.help),
                "{columns}x{rows}: {}\n{page}",
                binding.help
            );
        }
    }
    let mut desk = ready(80, 24);
    desk.press("?");
    insta::assert_snapshot!(text(&desk.state));
}

#[test]
fn a_terminal_that_is_too_small_gets_a_sentence() {
    let desk = ready(59, 10);
    let text = text(&desk.state).replace('\n', " ");
    assert!(
        text.contains("gradcam needs at least 60x16 cells; this terminal has 59x10. q quits."),
        "{text}"
    );
}

#[test]
fn an_empty_map_is_said_in_words() {
    let mut desk = ready(80, 24);
    let shown = desk.state.shown.as_mut().unwrap();
    shown.explanation.heatmap = Heatmap::from_raw(&Grid::new(1, 1, vec![-1.0]));
    assert!(
        text(&desk.state).contains("all zero"),
        "{}",
        text(&desk.state)
    );
    let shown = desk.state.shown.as_mut().unwrap();
    shown.explanation.heatmap = Heatmap::from_raw(&Grid::new(1, 1, vec![f32::NAN]));
    assert!(
        text(&desk.state).contains("not numbers"),
        "{}",
        text(&desk.state)
    );
}

#[test]
fn the_caption_tells_when_the_picture_is_still_of_another_image() {
    let mut desk = ready(120, 40);
    desk.press("j");
    assert!(text(&desk.state).contains("still b.png"));
    desk.answer_all();
    assert!(!text(&desk.state).contains("still"));
}

#[test]
fn a_filter_without_a_match_says_how_to_get_out() {
    let mut desk = ready(80, 24);
    desk.press("/heron");
    assert!(
        text(&desk.state).contains("Esc clears"),
        "{}",
        text(&desk.state)
    );
}

#[test]
fn half_blocks_have_the_pixels_of_the_picture() {
    let desk = ready(80, 24);
    let (buffer, slot) = drawn(&desk.state);
    assert_eq!(slot, None);
    let pixels = buffer
        .content
        .iter()
        .filter(|cell| cell.fg == Color::Rgb(90, 90, 90) && cell.bg == Color::Rgb(90, 90, 90));
    assert_eq!(pixels.count(), 8 * 4);
    let mut few_colors = ready(80, 24);
    few_colors.state.capabilities.true_color = false;
    let (buffer, _) = drawn(&few_colors.state);
    assert!(
        buffer
            .content
            .iter()
            .any(|cell| matches!(cell.fg, Color::Indexed(_)))
    );
    assert!(
        !buffer
            .content
            .iter()
            .any(|cell| matches!(cell.fg, Color::Rgb(..)))
    );
}

#[test]
fn a_graphics_protocol_gets_a_slot_inside_the_picture_pane_or_none() {
    let mut desk = ready(80, 24);
    desk.state.capabilities.protocol = Protocol::Sixel;
    let pane = panes(desk.state.size, false).unwrap().picture;
    let slot = drawn(&desk.state).1.unwrap();
    let area = Rect::new(slot.x, slot.y, slot.size.columns, slot.size.rows);
    assert_eq!(area, area.intersection(pane));
    // A picture for a larger pane would scroll the screen.
    let shown = desk.state.shown.as_mut().unwrap();
    shown.picture = std::sync::Arc::new(image::RgbImage::new(2000, 10));
    assert_eq!(drawn(&desk.state).1, None);
}
