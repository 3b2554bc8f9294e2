//! What is asked of the worker, and what becomes of its answers.

use super::*;

#[test]
fn while_one_picture_is_made_only_the_last_wish_counts() {
    // The second and third picture are never asked for.
    check(
        "jjjj",
        "tawny owl.png Rank(1) | show b.png class 1, show tawny owl.png class 1",
    );
    check(
        "j3vm",
        "b.png Rank(3) | show b.png class 1, show b.png class 3",
    );
}

#[test]
fn what_is_under_way_is_called_off_once_and_the_last_wish_follows_it() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("2");
    let generation = desk.open[0].generation;
    desk.event(Event::Reply(Reply::Progress {
        generation,
        done: 3,
        total: 8,
    }));
    assert_eq!(desk.state.progress, Some((3, 8)));
    desk.press("34");
    desk.event(Event::Reply(Reply::Stopped { generation }));
    assert_eq!(desk.state.progress, None);
    assert_eq!(
        desk.log,
        ["show a.png class 2", "stop", "show a.png class 4"]
    );
}

#[test]
fn a_picture_that_is_no_longer_wanted_is_not_shown() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("jj");
    desk.answer();
    let shown = desk.state.shown.as_ref().map(|shown| shown.image);
    assert_eq!(
        shown,
        Some(ImageId(0)),
        "the answer for b.png comes when c.png is wanted"
    );
    desk.answer();
    assert_eq!(
        desk.state.shown.as_ref().map(|shown| shown.image),
        Some(ImageId(2))
    );
}

#[test]
fn an_image_that_cannot_be_read_says_why_and_the_next_key_works() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("j");
    let request = desk.open.remove(0);
    let reply = Reply::Done {
        generation: request.generation,
        image: request.image.id,
        result: Err("b.png: the file is cut short".to_owned()),
    };
    desk.event(Event::Reply(reply));
    assert_eq!(
        desk.state.failure,
        Some((ImageId(1), "b.png: the file is cut short".to_owned()))
    );
    assert!(desk.state.shown.is_none());
    desk.press("j");
    desk.answer_all();
    assert!(desk.state.failure.is_none());
    assert_eq!(
        desk.state.shown.as_ref().map(|shown| shown.image),
        Some(ImageId(2))
    );
}

#[test]
fn nothing_is_asked_before_the_model_is_there_and_the_last_wish_is_asked_then() {
    let mut desk = Desk::loading(&NAMES, SIZE);
    desk.press("jj3");
    assert!(desk.log.is_empty(), "{:?}", desk.log);
    let labels = (0..12).map(|class| format!("bird {class}")).collect();
    desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
    assert_eq!(desk.log, ["show c.png class 3"]);
}

#[test]
fn neighbours_are_prepared_first_then_the_rows_on_the_screen() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("jj");
    desk.answer();
    let prepared: Vec<usize> = desk.open[0]
        .prepare
        .iter()
        .map(|image| image.id.0)
        .collect();
    assert_eq!(prepared, [3, 1, 4], "after, before, the one after the next");
}

#[test]
fn a_file_that_does_not_answer_is_named_until_it_does_or_another_image_is_wanted() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    let slow = |desk: &mut Desk, seconds| {
        let request = &desk.open[0];
        let (generation, image) = (request.generation, request.image.id);
        desk.event(Event::Reply(Reply::Slow {
            generation,
            image,
            seconds,
        }));
    };
    desk.press("j");
    slow(&mut desk, 2);
    slow(&mut desk, 3);
    assert_eq!(desk.state.slow, Some((ImageId(1), 3)));
    desk.press("j");
    desk.stop();
    assert_eq!(desk.state.slow, None);
    slow(&mut desk, 2);
    desk.answer();
    assert_eq!(desk.state.slow, None);
    // A file to save has no picture that waits for it.
    desk.press("s");
    desk.event(Event::Reply(Reply::Slow {
        generation: desk.state.asked.latest,
        image: ImageId(2),
        seconds: 4,
    }));
    assert_eq!(
        (desk.state.slow, desk.state.message.as_str()),
        (
            None,
            "saving waits for c.png, which has not answered for 4 s"
        )
    );
}
