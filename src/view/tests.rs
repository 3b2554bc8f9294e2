use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::app::event::Event;
use crate::app::help;
use crate::app::state::Exporting;
use crate::app::update::tests::Desk;
use crate::dataset::ImageId;
use crate::explain::ChannelWeight;
use crate::geometry::CellSize;
use crate::graphics::Protocol;
use crate::heatmap::{Grid, Heatmap};
use crate::job::{Late, Progress, Reply};
use crate::keymap::BINDINGS;

mod results;

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
            .map(|cell| match cell.bg {
                Color::Rgb(..) => "·",
                _ => cell.symbol(),
            })
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
fn without_pictures_the_heatmap_is_told_in_digits_and_words() {
    let mut desk = ready(80, 24);
    desk.state.capabilities.protocol = Protocol::Text;
    insta::assert_snapshot!(text(&desk.state));
    let mut colored = drawn(&desk.state).0.content.into_iter();
    let pane = desk.state.panes().unwrap().picture;
    let inside = colored.by_ref().take(usize::from(pane.width));
    assert!(inside.into_iter().all(|cell| cell.bg == Color::Reset));
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
        let mut last = String::new();
        while matches!(desk.state.mode, Mode::Help(_)) {
            last = text(&desk.state);
            page += &last;
            desk.press("j");
        }
        let number = match help::pages(&desk.state).len() {
            1 => String::new(),
            pages => format!(", page {pages} of {pages}"),
        };
        let title = format!("gradcam keys{number}; any key goes back, q quits");
        assert_eq!(last.lines().next().map(str::trim_end), Some(title.as_str()));
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
        text(&desk.state).contains("Esc shows all"),
        "{}",
        text(&desk.state)
    );
}

#[test]
fn blocks_have_the_colors_of_the_picture() {
    let desk = ready(80, 24);
    let (buffer, slot) = drawn(&desk.state);
    assert_eq!(slot, None);
    let pixels = buffer
        .content
        .iter()
        .filter(|cell| cell.symbol() == " " && cell.bg == Color::Rgb(90, 90, 90));
    assert_eq!(pixels.count(), 8 * 4);
    let mut few_colors = ready(80, 24);
    few_colors.state.capabilities.true_color = false;
    let (buffer, _) = drawn(&few_colors.state);
    assert!(
        buffer
            .content
            .iter()
            .any(|cell| matches!(cell.bg, Color::Indexed(_)))
    );
    assert!(
        !buffer
            .content
            .iter()
            .any(|cell| matches!(cell.bg, Color::Rgb(..)))
    );
}

#[test]
fn a_graphics_protocol_gets_a_slot_inside_the_picture_pane_or_none() {
    let mut desk = ready(80, 24);
    desk.state.capabilities.protocol = Protocol::Sixel;
    let pane = desk.state.panes().unwrap().picture;
    let slot = drawn(&desk.state).1.unwrap();
    let area = Rect::new(slot.x, slot.y, slot.size.columns, slot.size.rows);
    assert_eq!(area, area.intersection(pane));
    // A picture for a larger pane would scroll the screen.
    let shown = desk.state.shown.as_mut().unwrap();
    shown.picture = std::sync::Arc::new(image::RgbImage::new(2000, 10));
    assert_eq!(drawn(&desk.state).1, None);
}

/// What is shown after some keys, in a terminal of this size.
fn after(script: &str, columns: u16, rows: u16) -> Desk {
    let mut desk = ready(columns, rows);
    desk.press(script);
    desk.answer_all();
    desk
}

fn page(script: &str, columns: u16, rows: u16) -> String {
    text(&after(script, columns, rows).state)
}

/// The caption without its ends of lines.
fn caption(state: &State) -> String {
    let (buffer, _) = drawn(state);
    let area = state.panes().unwrap().caption;
    let cells = area.rows().map(|row| {
        let cells = row.positions().map(|at| buffer[at].symbol());
        cells.collect::<String>()
    });
    let words = cells.collect::<Vec<_>>().join(" ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_of_classes_in_a_small_a_usual_and_a_wide_terminal() {
    insta::assert_snapshot!("classes_60x16", page("=c", 60, 16));
    insta::assert_snapshot!("classes_80x24", page("cbird1", 80, 24));
    insta::assert_snapshot!("classes_120x40", page("c<Down><Down><Tab>c", 120, 40));
}

#[test]
fn the_page_of_layers_in_a_small_a_usual_and_a_wide_terminal() {
    insta::assert_snapshot!("layers_60x16", page("L<Down>", 60, 16));
    insta::assert_snapshot!("layers_80x24", page("L<Space><Up><Up><Space>", 80, 24));
    insta::assert_snapshot!("layers_120x40", page("L4", 120, 40));
}

#[test]
fn the_page_of_methods_begins_with_the_default_in_every_terminal() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        let page = page("Mep", columns, rows);
        for words in [
            "● Grad-CAM",
            "channels weighted by the mean of their gradients · ",
            "Selvaraju",
            "aug_smooth off · eigen_smooth on · score: probability",
            "a aug  e eigen  p score",
        ] {
            assert!(page.contains(words), "{columns}x{rows}: {words}\n{page}");
        }
    }
}

#[test]
fn a_layer_without_a_map_is_grey_and_says_why() {
    let mut desk = ready(60, 16);
    desk.press("L");
    let (buffer, _) = drawn(&desk.state);
    let row = |name: &str| {
        let text = text(&desk.state);
        let row = text.lines().position(|line| line.contains(name)).unwrap();
        &buffer[(5, u16::try_from(row).unwrap())]
    };
    assert!(row("conv1").modifier.contains(Modifier::DIM));
    assert!(!row("layer2").modifier.contains(Modifier::DIM));
    desk.press("<Home>");
    assert!(
        text(&desk.state).contains("conv1 · convolution · 1x512x7x7 · the score does not depend"),
        "{}",
        text(&desk.state)
    );
    desk.press("<Enter>");
    assert!(text(&desk.state).contains("conv1: the score does not depend on it"));
}

#[test]
fn a_page_without_rows_says_why() {
    assert!(page("cquetzal", 60, 16).contains("Nothing fits \"quetzal\"."));
    let mut loading = Desk::loading(&NAMES, CellSize::new(60, 16));
    loading.press("L");
    assert!(text(&loading.state).contains("The model is loading."));
}

#[test]
fn a_long_caption_ends_with_a_mark_and_begins_with_what_matters_most() {
    // Everything at once, in the smallest terminal.
    let page = page(
        "2=c11<Tab>xMaep<Esc>L<Space><Up><Up><Space><Enter>dtf",
        60,
        16,
    );
    insta::assert_snapshot!("all_at_once_60x16", page);
}

#[test]
fn the_caption_names_all_that_is_not_as_usual() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        for (script, words) in [
            ("x", "counterfactual"),
            ("Mp<Esc>", "probability"),
            ("Ma<Esc>", "Grad-CAM, aug_smooth"),
            ("Me<Esc>", "Grad-CAM, eigen_smooth"),
            ("[", "layer4.0.conv2"),
            ("L<Space><Up><Up><Up><Space><Enter>", "mean of "),
            ("=", "left bird 0"),
            ("=", "right bird 7"),
            ("=", "shared, 0 to 0.62"),
            ("c11<Tab>", "rather than bird 11"),
            ("c11<Enter>", "bird 11 0.0% (rank 6)"),
            ("F", "fixed, 0 to 0.62"),
            ("d", "−0.62 to 0.62"),
            ("d", "red for, blue against at 50%"),
            ("xd", "red against, blue for"),
            ("t", "contour and box at 15%"),
        ] {
            let found = caption(&after(script, columns, rows).state);
            assert!(
                found.contains(words),
                "{columns}x{rows} after {script}: {words} in {found}"
            );
        }
    }
}

#[test]
fn true_classes_are_named_where_they_are_known() {
    let mut desk = ready(120, 40);
    assert!(!caption(&desk.state).contains("truth"));
    desk.truth(&[&[], &[7, 3]]);
    assert!(
        caption(&desk.state).contains("truth bird 7, bird 3"),
        "{}",
        caption(&desk.state)
    );
}

#[test]
fn two_classes_have_headings_and_both_are_marked_in_the_top_five() {
    let page = page("=", 120, 40);
    insta::assert_snapshot!("compared_120x40", page);
}

#[test]
fn slow_work_says_how_far_it_is_and_how_to_stop_it() {
    let mut desk = ready(60, 16);
    desk.press("2");
    desk.progress(128, 512);
    assert!(
        text(&desk.state).contains("Grad-CAM 128 of 512 · Esc or any change stops"),
        "{}",
        text(&desk.state)
    );
    desk.press("z");
    desk.answer();
    desk.progress(1, 2);
    assert!(caption(&desk.state).contains("Grad-CAM 1 of 2"));
}

#[test]
fn a_file_that_does_not_answer_is_named_with_what_goes_on_meanwhile() {
    let mut desk = ready(120, 40);
    desk.press("j");
    desk.state.slow = Some((ImageId(2), 130));
    let screen = text(&desk.state);
    assert!(
        screen.contains("c.png has not answered for 3 min; any other image can be looked at"),
        "{screen}"
    );
    // Before there is any picture it stands where the picture is to be.
    desk.state.shown = None;
    assert_eq!(
        text(&desk.state).matches("c.png has not answered").count(),
        2
    );
    desk.state.slow = Some((ImageId(0), 9));
    assert!(text(&desk.state).contains("a.png has not answered for 9 s; nor have others;"));
    desk.answer_all();
    desk.state.slow = None;
    desk.state.scoring = Progress {
        done: 3,
        total: 5,
        per_second: Some(2.0),
        late: Some(Late {
            files: 2,
            image: ImageId(3),
            seconds: 12,
        }),
    };
    desk.state.message.clear();
    let words = "scored 3 of 5, birds/owl.png has not answered for 12 s, nor has 1 other";
    let screen = text(&desk.state);
    assert!(screen.contains(words), "{screen}");
}

#[test]
fn an_export_says_how_far_it_is_and_how_to_stop_it() {
    let mut desk = ready(120, 40);
    let mut export = Exporting::default();
    desk.state.export = Some(export);
    assert!(text(&desk.state).contains("writing the queue · Esc calls it off"));
    (export.done, export.total) = (1, 5);
    export.slow = Some((ImageId(1), 7));
    desk.state.export = Some(export);
    let words = "1 of 5 images drawn · b.png has not answered for 7 s · Esc calls it off";
    assert!(text(&desk.state).contains(words));
}

#[test]
fn channels_and_the_layer_where_numbers_end_are_named() {
    let mut desk = ready(80, 24);
    let shown = desk.state.shown.as_mut().unwrap();
    shown.explanation.channels = vec![
        ChannelWeight {
            channel: 371,
            weight: 0.803,
        },
        ChannelWeight {
            channel: 12,
            weight: 0.000_5,
        },
    ];
    assert!(
        caption(&desk.state).contains("channels 371 (0.80), 12 (0.00050)"),
        "{}",
        text(&desk.state)
    );
    let shown = desk.state.shown.as_mut().unwrap();
    shown.explanation.heatmap = Heatmap::from_raw(&Grid::new(1, 1, vec![f32::NAN]));
    shown.explanation.not_finite_from = Some("layer1.0.conv1".to_owned());
    assert!(
        caption(&desk.state).contains("not numbers, from layer layer1.0.conv1 on"),
        "{}",
        text(&desk.state)
    );
}

/// Commands, a reordering, an invisible letter, too many marks, kitty's letter, and wide letters.
const HOSTILE: &str =
    "木\x1b[2J\u{9b}5m\u{202e}\u{200b}e\u{301}\u{301}\u{301}\u{301}\u{301}\u{10eeee}木";

#[test]
fn no_text_from_outside_commands_the_terminal_whatever_pane_shows_it() {
    let hostile = || HOSTILE.to_owned();
    for script in ["", "c", "L", "M", "?", "z", "/"] {
        let mut desk = ready(100, 30);
        let state = &mut desk.state;
        state.message = hostile();
        state.capabilities.reason = hostile();
        state.unreadable.insert(ImageId(2), hostile());
        state.labels = state.labels.iter().map(|_| hostile()).collect();
        if let Some(shown) = &mut state.shown {
            shown.explanation.target.label = hostile();
            shown.explanation.layers = vec![hostile()];
        }
        if let ModelState::Ready(model) = &mut state.model {
            model.name = hostile();
            model.guesses = vec![hostile()];
            model.device_note = Some(hostile());
        }
        let predictions = state.predictions.values_mut();
        predictions.for_each(|found| {
            let mut all = found.to_vec();
            for one in &mut all {
                one.label = hostile();
            }
            *found = all.into();
        });
        desk.press(script);
        desk.state.filter = hostile();
        for protocol in [Protocol::HalfBlocks, Protocol::Text] {
            desk.state.capabilities.protocol = protocol;
            let (buffer, _) = drawn(&desk.state);
            for cell in &buffer.content {
                assert!(
                    crate::text::is_harmless(cell.symbol()),
                    "{:?} after {script:?}",
                    cell.symbol()
                );
            }
        }
    }
    let mut failed = ready(100, 30);
    failed.state.model = ModelState::Unavailable(hostile());
    assert!(
        drawn(&failed.state)
            .0
            .content
            .iter()
            .all(|cell| crate::text::is_harmless(cell.symbol()))
    );
}

#[test]
fn wide_and_combining_letters_keep_the_columns_of_the_list() {
    let names = [
        "plain.png",
        "木木木木木木木木木木木木木木.png",
        "e\u{301}e\u{301}.png",
        "👩❤\u{fe0f}👩.png",
    ];
    let mut desk = Desk::ready(&names, CellSize::new(100, 30));
    desk.answer_all();
    let (buffer, _) = drawn(&desk.state);
    let list = desk.state.panes().unwrap().list;
    for row in 1..=4 {
        // The pane beside the list begins with an empty column.
        let beyond = &buffer[(list.x + list.width, row)];
        assert_eq!(beyond.symbol(), " ", "row {row}");
    }
}
