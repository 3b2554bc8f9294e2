//! Keys and the mouse while images are looked at.

use super::*;

#[test]
fn keys_move_through_the_images() {
    check("j", "b.png Rank(1) | show b.png class 1");
    check(
        "jk",
        "a.png Rank(1) | show b.png class 1, show a.png class 1",
    );
    check(
        "<Down><Up>",
        "a.png Rank(1) | show b.png class 1, show a.png class 1",
    );
    check("k", "a.png Rank(1) | ");
    check("G", "tawny owl.png Rank(1) | show tawny owl.png class 1");
    check(
        "Gg",
        "a.png Rank(1) | show tawny owl.png class 1, show a.png class 1",
    );
    check(
        "<C-d>",
        "tawny owl.png Rank(1) | show tawny owl.png class 1",
    );
    check(
        "<PageDown><PageUp>",
        "a.png Rank(1) | show tawny owl.png class 1, show a.png class 1",
    );
}

#[test]
fn keys_choose_the_target_class_and_another_image_starts_with_its_top_prediction() {
    check("3", "a.png Rank(3) | show a.png class 3");
    check("33", "a.png Rank(3) | show a.png class 3");
    check(
        "<Tab><Tab>",
        "a.png Rank(3) | show a.png class 2, show a.png class 3",
    );
    check("<S-Tab>", "a.png Rank(5) | show a.png class 5");
    check(
        "3j",
        "b.png Rank(1) | show a.png class 3, show b.png class 1",
    );
}

#[test]
fn drawing_keys_change_the_style_of_the_wanted_picture() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let style = |view, opacity, colormap| Style {
        view,
        opacity,
        colormap,
        ..Style::default()
    };
    for (script, style) in [
        ("v", style(View::Image, 0.5, Colormap::Jet)),
        ("v", style(View::Heatmap, 0.5, Colormap::Jet)),
        ("v", style(View::SideBySide, 0.5, Colormap::Jet)),
        ("v++", style(View::Overlay, 0.7, Colormap::Jet)),
        ("-m", style(View::Overlay, 0.6, Colormap::Turbo)),
        ("------------", style(View::Overlay, 0.0, Colormap::Turbo)),
    ] {
        desk.press(script);
        desk.answer_all();
        assert_eq!(desk.state.style, style, "{script}");
        assert_eq!(desk.state.shown.as_ref().unwrap().style, style, "{script}");
    }
}

#[test]
fn how_large_things_are_is_said_in_words() {
    let mut desk = Desk::ready(&["a.png"], CellSize::new(100, 30));
    for (keys, words) in [
        (">", "2 times as large"),
        (">", "4 times as large"),
        ("l", "4 times as large"),
        ("<", "2 times as large"),
        ("<", "all of the picture"),
        ("<", "all of the picture is shown; > looks closer"),
    ] {
        for key in keys.chars() {
            desk.event(Event::Input(Input::Key(KeyEvent::new(
                KeyCode::Char(key),
                KeyModifiers::NONE,
            ))));
        }
        assert_eq!(desk.state.message, words);
    }
}

#[test]
fn the_filter_takes_letters_as_they_are_and_escape_brings_everything_back() {
    check("/owl", "owl.png Rank(1) | show owl.png class 1");
    check(
        "/OWL<Enter>j",
        "tawny owl.png Rank(1) | show owl.png class 1, show tawny owl.png class 1",
    );
    check("/owl<Esc>", "owl.png Rank(1) | show owl.png class 1");
    check("/q<Back>", "a.png Rank(1) | show a.png class 1");
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("/nothing like it");
    desk.answer_all();
    assert_eq!(
        (desk.selected(), desk.state.shown.is_none()),
        ("none", true)
    );
    desk.press("<Enter>jk35s<Tab>G");
    assert_eq!(desk.state.message, "", "keys that find nothing do nothing");
    desk.press("<Esc>");
    assert_eq!(desk.state.queue.len(), NAMES.len());
}

#[test]
fn orders_keep_the_selection() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("j");
    desk.answer_all();
    for (script, order) in [
        ("O", "-name"),
        ("o<Down><Enter>", "pred"),
        ("o<Down><Enter>O", "-true"),
    ] {
        desk.press(script);
        let found = desk.state.review.order.to_string();
        assert_eq!((found.as_str(), desk.selected()), (order, "b.png"));
    }
}

#[test]
fn saving_copying_redrawing_suspending_and_quitting_are_effects() {
    check("s", "a.png Rank(1) | save a.png in out");
    check("jy", "b.png Rank(1) | show b.png class 1, copy b.png");
    check("<C-l>", "a.png Rank(1) | redraw");
    check("z", "a.png Rank(1) | redraw, show a.png class 1");
    check("<C-z>", "a.png Rank(1) | suspend");
    check("q", "a.png Rank(1) | quit");
    check("/<C-c>", "a.png Rank(1) | quit");
    check(
        "?<Esc>j",
        "b.png Rank(1) | redraw, redraw, show b.png class 1",
    );
    check("?q", "a.png Rank(1) | redraw, quit");
}

#[test]
fn the_mouse_selects_images_and_classes() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let mouse = |kind, column, row| {
        Event::Input(Input::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }))
    };
    let panes = desk.state.panes().unwrap();
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.list.y + 3,
    ));
    assert_eq!(desk.selected(), "c.png");
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.predictions.y + 2,
    ));
    assert_eq!(desk.state.target, Target::Rank(2));
    desk.event(mouse(
        MouseEventKind::Down(MouseButton::Left),
        3,
        panes.list.y,
    ));
    assert_eq!(desk.selected(), "c.png", "the title is no image");
    desk.event(mouse(MouseEventKind::ScrollUp, 50, 5));
    assert_eq!(desk.selected(), "a.png");
}
