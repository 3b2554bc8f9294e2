//! Commands that change what is explained and how it is drawn.

use super::*;
use crate::picture::Marks;

#[test]
fn two_classes_are_compared_the_target_with_its_strongest_rival_or_the_one_before() {
    check("=", "a.png Rank(1) | show a.png class 1 beside class 2");
    check(
        "==",
        "a.png Rank(1) | show a.png class 1 beside class 2, show a.png class 1",
    );
    check(
        "3=",
        "a.png Rank(3) | show a.png class 3, show a.png class 3 beside class 1",
    );
    check(
        "34=",
        "a.png Rank(4) | show a.png class 3, show a.png class 4 beside class 3",
    );
    // The class that was beside the target changes places with it.
    check(
        "=2",
        "a.png Rank(2) | show a.png class 1 beside class 2, show a.png class 2 beside class 1",
    );
    check(
        "34=3",
        "a.png Rank(3) | show a.png class 3, show a.png class 3 beside class 4",
    );
    // Another image starts with its own two best.
    check(
        "34=j",
        "b.png Rank(1) | show a.png class 3, show b.png class 1 beside class 2",
    );
}

#[test]
fn the_true_classes_of_an_image_are_explained_in_turn() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("T");
    assert_eq!(
        desk.state.message,
        "the true class of this image is not known"
    );
    // Of image 0 class 7 is the top prediction.
    desk.truth(&[&[7, 4], &[3]]);
    for (script, target) in [("T", 4), ("T", 7), ("jT", 3), ("T", 3)] {
        desk.press(script);
        desk.answer_all();
        hold(&desk);
        let found = desk.state.class_of(desk.state.target);
        assert_eq!(found, Some(ClassIndex(target)));
    }
    assert_eq!(desk.state.message, "the target is the true class");
    // What was predicted instead stands beside it.
    desk.press("=");
    assert_eq!(desk.state.beside, Some(Target::Rank(1)));
}

#[test]
fn one_class_has_nothing_to_be_compared_with() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    let summary = ModelSummary {
        classes: 1,
        ..summary()
    };
    desk.event(Event::Reply(Reply::Ready(about(summary, Arc::from([])))));
    desk.press("=");
    assert_eq!(desk.state.message, "the model has one class");
    assert_eq!(desk.state.beside, None);
}

#[test]
fn brackets_turn_through_the_layers_that_have_a_map() {
    check("[", "a.png Rank(1) | show a.png class 1 at layer4.0.conv2");
    check(
        "[[[",
        "a.png Rank(1) | show a.png class 1 at layer4.0.conv2, show a.png class 1 at layer2",
    );
    check(
        "[]",
        "a.png Rank(1) | show a.png class 1 at layer4.0.conv2, show a.png class 1",
    );
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("]");
    assert_eq!(desk.state.message, "layer4 is the last layer with a map");
    desk.press("[[[[[[[");
    assert_eq!(desk.state.message, "layer1 is the first layer with a map");
    assert_eq!(desk.state.options.layers, ["layer1"]);
}

#[test]
fn layers_are_not_turned_before_they_are_known() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    desk.press("[");
    assert_eq!(desk.state.message, "the layers are not known yet");
    assert!(desk.state.options.layers.is_empty());
}

#[test]
fn what_speaks_against_the_class_is_shown_and_back() {
    check("x", "a.png Rank(1) | show a.png class 1 counterfactual");
    check(
        "xj",
        "b.png Rank(1) | show a.png class 1 counterfactual, show b.png class 1 counterfactual",
    );
    check(
        "xx",
        "a.png Rank(1) | show a.png class 1 counterfactual, show a.png class 1",
    );
}

#[test]
fn drawing_keys_change_sign_and_marks() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("d");
    desk.answer_all();
    assert!(desk.state.shown.as_ref().unwrap().style.signed);
    assert_eq!(
        desk.state.message,
        "red speaks for the class, blue against it"
    );
    desk.press("dt");
    desk.answer_all();
    let style = desk.state.shown.as_ref().unwrap().style;
    assert!(!style.signed);
    assert_eq!(style.marks, Marks::NONE.next());
}

#[test]
fn the_color_scale_is_fixed_to_what_is_shown_until_the_numbers_mean_something_else() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("F");
    desk.answer_all();
    // The peak of the map of the top prediction.
    assert_eq!(desk.state.shown.as_ref().unwrap().style.scale, Some(0.62));
    assert_eq!(desk.state.message, "color scale fixed, up to 0.62");
    desk.press("2j");
    desk.answer_all();
    assert_eq!(desk.state.style.scale, Some(0.62), "for all that follows");
    desk.press("[");
    assert_eq!(desk.state.style.scale, None);
    desk.answer_all();
    desk.press("FF");
    desk.answer_all();
    assert_eq!(desk.state.style.scale, None);
}

#[test]
fn the_scale_of_two_classes_and_of_both_signs_is_that_of_the_largest_number() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("2");
    desk.answer_all();
    // Of the second class the largest positive number is 0.31, and the largest size 0.5.
    desk.press("d");
    desk.answer_all();
    desk.press("F");
    desk.answer_all();
    assert_eq!(desk.state.style.scale, Some(0.5));
    desk.press("Fd=");
    desk.answer_all();
    desk.press("F");
    assert_eq!(desk.state.style.scale, Some(0.62));
}

#[test]
fn an_empty_map_gives_no_scale() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let shown = desk.state.shown.as_mut().unwrap();
    shown.explanation.raw = Grid::new(1, 1, vec![-1.0]);
    shown.explanation.heatmap = Heatmap::from_raw(&shown.explanation.raw);
    desk.press("F");
    assert_eq!(desk.state.style.scale, None);
    assert_eq!(desk.state.message, "there is no map to take the scale from");
}

/// A desk where the picture of the wish takes long.
fn slow(script: &str) -> Desk {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press(script);
    desk.progress(3, 512);
    desk.log.clear();
    desk
}

#[test]
fn escape_calls_slow_work_off_and_what_was_shown_stays() {
    let mut desk = slow("=");
    desk.press("<Esc>");
    assert_eq!(desk.log, ["stop"]);
    assert_eq!(desk.state.message, "called off");
    desk.stop();
    desk.answer_all();
    assert_eq!(desk.log, ["stop", "show a.png class 1"]);
    assert_eq!(desk.state.progress, None);
    // All that was wished since is taken back.
    let mut desk = slow("=x[td");
    desk.press("<Esc>");
    desk.stop();
    desk.answer_all();
    assert_eq!(desk.log, ["show a.png class 1"]);
    assert_eq!(desk.state.style, Style::default());
    hold(&desk);
}

#[test]
fn slow_work_that_is_called_off_but_done_already_is_not_shown() {
    let mut desk = slow("2");
    desk.press("<Esc>");
    desk.answer_all();
    let shown = desk.state.shown.as_ref().unwrap();
    assert_eq!(shown.explanation.target.rank, 1);
    hold(&desk);
}

#[test]
fn slow_work_on_another_image_leaves_a_sentence_and_the_next_wish_works() {
    let mut desk = slow("j");
    desk.press("<Esc>");
    assert_eq!(desk.log, ["stop"]);
    desk.stop();
    let (image, reason) = desk.state.failure.clone().unwrap();
    assert_eq!(image, ImageId(1));
    assert!(reason.contains("Grad-CAM was called off"), "{reason}");
    assert!(!desk.state.is_waiting());
    desk.press("s");
    assert_eq!(desk.state.message, "there is no picture to save");
    desk.press("j");
    desk.answer_all();
    hold(&desk);
    assert!(desk.state.failure.is_none());
}

#[test]
fn what_was_called_off_does_not_appear_when_it_was_done_already() {
    let mut desk = slow("j");
    desk.press("<Esc>");
    desk.answer();
    assert!(desk.state.failure.is_some());
    assert!(desk.state.shown.is_none());
}

#[test]
fn escape_leaves_fast_work_alone() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("2<Esc>");
    assert_eq!(desk.log, ["show a.png class 2"]);
}

#[test]
fn a_picture_that_takes_long_is_not_saved_before_it_is_there() {
    let mut desk = slow("2");
    desk.press("s");
    assert_eq!(
        desk.state.message,
        "the picture is not there yet; save it when it is"
    );
    desk.answer_all();
    desk.press("s");
    assert_eq!(desk.log, ["save a.png in out"]);
}
