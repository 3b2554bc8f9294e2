//! Pages to choose from.

use super::*;
use crate::explain::methods::METHODS;

/// The page that is open.
fn picker(desk: &Desk) -> &crate::app::picker::Picker {
    match &desk.state.mode {
        Mode::Pick(picker) => picker,
        other => panic!("no page but {other:?}"),
    }
}

#[test]
fn a_class_is_found_by_a_few_of_its_letters_and_becomes_the_target() {
    check(
        "cbd11<Enter>",
        "a.png Class(ClassIndex(11)) | redraw, redraw, show a.png bird 11",
    );
    check("cbd11<Esc>", "a.png Rank(1) | redraw, redraw");
    // Keys that mean something elsewhere are letters here.
    check("cjkqcLM=", "a.png Rank(1) | redraw");
    // The target itself is no change.
    check("c<Enter>", "a.png Rank(1) | redraw, redraw");
    check(
        "c<Down><Enter>",
        "a.png Class(ClassIndex(2)) | redraw, redraw, show a.png bird 2",
    );
    check("c7<Back><Esc>", "a.png Rank(1) | redraw, redraw");
}

#[test]
fn classes_come_in_the_order_of_their_probability_and_then_of_how_well_they_fit() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("c");
    // Of image 0 the class of rank r is 7 r modulo 12.
    assert_eq!(picker(&desk).items[..5], [7, 2, 9, 4, 11]);
    assert_eq!(picker(&desk).item(), Some(7), "the target is selected");
    desk.press("1");
    let mut items = picker(&desk).items.clone();
    assert_eq!(items[0], 1, "who types a number means that class");
    items.sort_unstable();
    assert_eq!(items, [1, 10, 11]);
    desk.press("<Back>");
    assert_eq!(picker(&desk).items.len(), 12);
    desk.press("xyz<Enter>");
    assert_eq!(desk.state.message, "nothing fits the filter");
}

#[test]
fn a_class_can_be_subtracted_and_shown_beside_the_target() {
    check(
        "cbird 11<Tab>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 versus bird 11",
    );
    check(
        "c11<Tab>c11<Tab>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 versus bird 11, redraw, redraw, \
         show a.png class 1",
    );
    check(
        "c11=",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 beside bird 11",
    );
    // What is explained cannot be taken from itself.
    check("c<Tab>", "a.png Rank(1) | redraw, redraw");
    check("c=", "a.png Rank(1) | redraw, redraw");
    check(
        "c2 <Tab>2",
        "a.png Rank(2) | redraw, redraw, show a.png class 1 versus bird 2, show a.png class 2",
    );
    check(
        "c11<Tab>j",
        "b.png Rank(1) | redraw, redraw, show a.png class 1 versus bird 11, show b.png class 1",
    );
}

#[test]
fn after_a_class_from_the_page_the_tab_key_goes_on_from_its_rank() {
    // Class 2 is the second; a class beyond the best five has no neighbors among them.
    check(
        "c<Down><Enter><Tab>",
        "a.png Rank(3) | redraw, redraw, show a.png bird 2, show a.png class 3",
    );
    check(
        "c<End><Enter><Tab>",
        "a.png Rank(2) | redraw, redraw, show a.png bird 10, show a.png class 2",
    );
}

#[test]
fn a_layer_is_chosen_and_several_are_fused() {
    check(
        "Ll3<Enter>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 at layer3",
    );
    check(
        "L<Up><Space><Up><Up><Space><Enter>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 at layer3+layer4.0.conv2 mean",
    );
    check(
        "L<Space><Up><Up><Up><Space><Tab><Enter>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 at layer3+layer4 maximum",
    );
    check(
        "L<Space><Up><Up><Up><Space><Enter>L<Tab><Tab><Esc>",
        "a.png Rank(1) | redraw, redraw, show a.png class 1 at layer3+layer4 mean, redraw, redraw, \
         show a.png class 1 at layer3+layer4 product",
    );
}

#[test]
fn a_layer_without_a_map_is_refused_with_the_reason() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("L<End><Enter>");
    assert_eq!(desk.state.message, "fc: no positions to show");
    desk.press("<Space>");
    assert!(picker(&desk).marked.is_empty());
    assert_eq!(desk.state.message, "fc: no positions to show");
    desk.press("<Home><Enter>");
    assert_eq!(desk.state.message, "conv1: the score does not depend on it");
}

#[test]
fn layers_that_become_known_while_their_page_is_open_appear_on_it() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    desk.press("L<Enter>");
    assert!(picker(&desk).items.is_empty());
    desk.event(Event::Reply(Reply::Layers(layers())));
    assert_eq!(picker(&desk).items.len(), 7);
}

#[test]
fn a_method_is_chosen_and_its_switches_count_at_once() {
    let last = METHODS.len() - 1;
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("M<End><Enter>");
    assert_eq!(desk.state.options.method.method().key, METHODS[last].key);
    check(
        "Maep<Esc>",
        "a.png Rank(1) | redraw, show a.png class 1 aug_smooth, redraw, \
         show a.png class 1 probability aug_smooth eigen_smooth",
    );
    // Letters without a meaning do nothing here.
    check("Mqz1<Esc>", "a.png Rank(1) | redraw, redraw");
}

#[test]
fn a_page_scrolls_by_keys_by_the_wheel_and_when_the_terminal_shrinks() {
    let mut desk = Desk::ready(&NAMES, CellSize::new(60, 16));
    let labels = (0..100).map(|class| format!("bird {class}")).collect();
    desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
    desk.answer_all();
    let rows = usize::from(page_areas(desk.state.size).unwrap().rows.height);
    desk.press("c<PageDown>");
    assert_eq!((picker(&desk).selected, picker(&desk).scroll), (rows, 1));
    desk.press("<End>");
    assert_eq!(
        (picker(&desk).selected, picker(&desk).scroll),
        (99, 100 - rows)
    );
    desk.press("<C-u><C-p>");
    assert_eq!(picker(&desk).selected, 98 - rows);
    desk.event(mouse(MouseEventKind::ScrollUp, 3, 3));
    assert_eq!(picker(&desk).selected, 95 - rows);
    desk.press("<Home>");
    desk.event(Event::Input(Input::Resize(CellSize::new(80, 40))));
    desk.press("<PageDown><Down><Down>");
    desk.event(Event::Input(Input::Resize(CellSize::new(60, 16))));
    hold(&desk);
}

/// What the mouse does.
fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
    Event::Input(Input::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }))
}

#[test]
fn a_click_selects_a_row_and_another_one_chooses_it() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("c");
    let top = page_areas(SIZE).unwrap().rows.y;
    let click = MouseEventKind::Down(MouseButton::Left);
    desk.event(mouse(click, 3, top + 2));
    assert_eq!(picker(&desk).selected, 2);
    desk.event(mouse(click, 3, top - 1));
    desk.event(mouse(click, 3, top + 15));
    assert_eq!(picker(&desk).selected, 2, "there is no row");
    desk.event(mouse(click, 3, top + 2));
    assert_eq!(desk.state.target, Target::Class(ClassIndex(9)));
    assert!(matches!(desk.state.mode, Mode::Browse));
}

#[test]
fn what_is_pasted_goes_into_the_filter_and_control_c_quits_from_a_page() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("c");
    desk.event(Event::Input(Input::Paste("11\n".to_owned())));
    assert_eq!(picker(&desk).filter, "11");
    desk.press("<C-c>");
    assert_eq!(desk.log.last().map(String::as_str), Some("quit"));
}

#[test]
fn a_class_that_turns_out_to_be_the_target_is_not_compared_with_itself() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    let labels = (0..12).map(|class| format!("bird {class}")).collect();
    desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
    // Nothing is predicted yet; class 7 will be the top prediction.
    desk.press("cbird 7=cbird 7<Tab>");
    desk.answer_all();
    hold(&desk);
    assert_eq!(desk.state.beside, Some(Target::Rank(2)));
    assert_eq!(desk.state.options.versus, None);
}
