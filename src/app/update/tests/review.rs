//! Verdicts, queues, mistakes, and going on where one was.

use super::*;
use crate::app::session::Session;
use crate::dataset::score::{Answer, Score};
use crate::job::Progress;

/// The verdict, note and tags of an image, in a few words.
fn said(desk: &Desk, image: usize) -> String {
    let review = desk
        .state
        .review
        .of(ImageId(image))
        .cloned()
        .unwrap_or_default();
    let verdict = review.verdict.as_deref().unwrap_or("-");
    format!("{verdict} {:?} {}", &*review.note, review.tags.join("+"))
}

/// All images are scored: the top class and its logit, of two.
fn scores(desk: &mut Desk, top: &[(u32, f32)]) {
    let scores = top.iter().enumerate().map(|(image, &(class, logit))| {
        let answer = |class, logit| Answer { class, logit };
        let top = [answer(class, logit), answer(class + 1, 0.0)];
        let log_sum = (logit.exp() + 1.0).ln();
        (ImageId(image), Ok(Score::new(&top, log_sum, 0.5)))
    });
    let progress = Progress {
        done: top.len(),
        total: top.len(),
        per_second: None,
        late: None,
    };
    let scores = scores.collect();
    desk.event(Event::Reply(Reply::Scored { scores, progress }));
}

#[test]
fn a_verdict_is_one_key_and_the_next_image_follows() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("w");
    assert_eq!(desk.log[0], "keep a.png: wrong");
    assert_eq!(
        (desk.selected(), said(&desk, 0)),
        ("b.png", "wrong \"\" ".to_owned())
    );
    desk.press("kw");
    assert_eq!(
        said(&desk, 0),
        "- \"\" ",
        "the same key once more takes it away"
    );
    assert_eq!(desk.selected(), "a.png", "and stays");
    desk.press("Aa");
    assert_eq!(desk.selected(), "a.png");
    desk.press("r");
    assert_eq!(said(&desk, 0), "- \"\" ");
    desk.log.clear();
    desk.press("U<C-r>");
    assert_eq!(desk.log, ["undo", "redo"]);
}

#[test]
fn one_verdict_for_all_that_is_marked() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("<Space>jV");
    desk.press("jVe");
    for (image, verdict) in ["label error", "-", "label error", "label error"]
        .iter()
        .enumerate()
    {
        assert_eq!(said(&desk, image), format!("{verdict} \"\" "), "{image}");
    }
    assert!(desk.state.review.marked.is_empty(), "done");
    desk.press("<Space><Space><Esc>");
    assert!(desk.state.review.marked.is_empty(), "taken away");
}

#[test]
fn notes_and_tags_are_lines() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("nblurred a bit<Enter>");
    desk.press("#night, dark,night<Enter>");
    assert_eq!(said(&desk, 0), "- \"blurred a bit\" dark+night");
    desk.press("j#da<Tab><Enter>");
    assert_eq!(said(&desk, 1), "- \"\" dark", "Tab completes");
    desk.press("knxyz<Esc>n<C-w>more<Enter>");
    assert_eq!(said(&desk, 0), "- \"blurred a more\" dark+night");
    desk.log.clear();
    desk.press("n!<C-e>");
    assert_eq!(desk.log, ["edit [ImageId(0)] \"blurred a more!\""]);
    let edited = Ok("two\nlines".to_owned());
    desk.event(Event::Edited(vec![ImageId(0)], edited));
    assert_eq!(said(&desk, 0), "- \"two\\nlines\" dark+night");
    desk.press("n");
    assert!(
        desk.state.message.contains("several lines"),
        "{}",
        desk.state.message
    );
}

#[test]
fn a_queue_moves_on_when_its_image_leaves_it() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("fverdict:none<Enter>j");
    assert_eq!(desk.selected(), "b.png");
    desk.press("ww");
    assert_eq!(
        (desk.selected(), desk.state.queue.len()),
        ("owl.png", NAMES.len() - 2)
    );
    desk.press("f<C-u>verdict:wrong<Enter>");
    assert_eq!((desk.selected(), desk.state.queue.len()), ("b.png", 2));
}

#[test]
fn the_selected_image_comes_back_while_a_filter_is_typed() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("jjfname:c");
    assert_eq!(
        desk.selected(),
        "c.png",
        "n, na and name let none of them through"
    );
    desk.press("<C-u>owl<C-u>");
    assert_eq!(desk.selected(), "c.png");
}

#[test]
fn a_filter_that_means_nothing_says_so_and_changes_nothing() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("fwrong<Enter>");
    assert!(desk.state.queue.is_empty(), "nothing is known");
    desk.press("fconf>x");
    let fault = desk.state.review.fault.clone().unwrap();
    desk.press("<Enter>");
    assert_eq!(desk.state.message, fault.to_string());
    assert!(matches!(desk.state.mode, Mode::Write(_)), "to be corrected");
    desk.press("<Esc>");
    assert_eq!(desk.state.queue.len(), NAMES.len());
    desk.press("fpred:bird<Space>1<Tab><Tab><Enter>");
    assert!(
        desk.state.review.fault.is_none(),
        "{:?}",
        desk.state.review.fault
    );
}

#[test]
fn orders_and_queues_are_chosen_from_pages() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.truth(&[&[1], &[1], &[5], &[5]]);
    scores(&mut desk, &[(1, 3.0), (2, 1.0), (2, 4.0), (5, 2.0)]);
    desk.press("oconf");
    desk.press("<Esc>Qj<Enter>");
    let queue: Vec<usize> = desk.state.queue.iter().map(|image| image.0).collect();
    assert_eq!(queue, [2, 1], "the surest mistakes first");
    desk.log.clear();
    desk.press("Wsure<Enter>");
    assert_eq!(desk.log, ["save queue sure = wrong in order -conf"]);
    let view = crate::dataset::store::View {
        name: "mine".to_owned(),
        filter: "right".to_owned(),
        order: "conf".to_owned(),
    };
    let words = String::new();
    let views = vec![view];
    desk.event(Event::Store(StoreReply::Views { views, words }));
    desk.press("Q<End><Enter>");
    let queue: Vec<usize> = desk.state.queue.iter().map(|image| image.0).collect();
    assert_eq!(queue, [3, 0]);
    desk.log.clear();
    desk.press("Q<End>x");
    assert_eq!(desk.log.last().unwrap(), "remove queue mine");
}

#[test]
fn the_queues_that_everybody_has_mean_something() {
    use crate::app::picker::USUAL_QUEUES;
    use crate::dataset::order::Order;
    use crate::dataset::query::{Query, Vocabulary};
    for (name, filter, order) in USUAL_QUEUES {
        assert!(
            Query::parse(filter, &Vocabulary::default()).is_ok(),
            "{name}"
        );
        assert!(Order::parse(order).is_ok(), "{name}");
    }
}

#[test]
fn a_mistake_shows_both_classes_until_the_user_wants_otherwise() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    // Of image 1 class 0 is the top prediction; of image 0 it is class 7.
    desk.truth(&[&[7], &[4], &[2]]);
    let beside = |desk: &Desk| {
        let state = &desk.state;
        state
            .beside
            .and_then(|beside| state.class_of(beside))
            .map(|class| class.0)
    };
    desk.press("j");
    desk.answer_all();
    desk.answer_all();
    assert_eq!(beside(&desk), Some(4));
    hold(&desk);
    desk.press("B");
    desk.answer_all();
    assert_eq!(
        (beside(&desk), desk.state.options.versus),
        (None, Some(ClassIndex(4)))
    );
    hold(&desk);
    desk.press("k");
    desk.answer_all();
    assert_eq!(desk.state.options.versus, None, "this one is right");
    desk.press("jB");
    desk.answer_all();
    assert_eq!((beside(&desk), desk.state.options.versus), (None, None));
}

#[test]
fn images_come_as_they_are_found_and_then_in_natural_order() {
    for touched in [false, true] {
        let mut desk = Desk::loading(&["c.png", "a.png"], SIZE);
        if touched {
            desk.press("j");
        }
        let more = ImageEntry {
            id: ImageId(2),
            path: Arc::from(Path::new("b.png")),
            name: Arc::from("b.png"),
        };
        desk.event(Event::Found(vec![more]));
        assert_eq!(desk.state.queue, [0, 1, 2].map(ImageId));
        desk.log.clear();
        desk.event(Event::AllFound([1, 2, 0].map(ImageId).into(), None));
        assert_eq!(desk.state.queue, [1, 2, 0].map(ImageId));
        assert_eq!(
            desk.selected(),
            "a.png",
            "the first, or the one that was chosen"
        );
        assert!(desk.log.is_empty(), "the model is still loading");
        let labels = (0..12).map(|class| format!("bird {class}")).collect();
        desk.event(Event::Reply(Reply::Ready(about(summary(), labels))));
        assert_eq!(desk.log, ["open the folder", "show a.png class 1"]);
    }
}

#[test]
fn what_others_say_is_shown_and_moves_nothing() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("j<Space>");
    let stamp = Stamp {
        version: Version::NONE,
        by: Arc::from("ben"),
        at_millis: 0,
    };
    let review = Review {
        verdict: Some(Arc::from("unsure")),
        ..Review::default()
    };
    let reply = StoreReply::Standing {
        said: vec![(ImageId(3), Said { review, stamp })],
        words: "1 image reviewed by ben".to_owned(),
        then: Then::Leave,
    };
    desk.event(Event::Store(reply));
    assert_eq!(
        (desk.selected(), said(&desk, 3)),
        ("c.png", "unsure \"\" ".to_owned())
    );
    assert_eq!(desk.state.review.marked.len(), 1);
    assert_eq!(desk.state.message, "1 image reviewed by ben");
}

#[test]
fn the_next_session_goes_on_where_this_one_was() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("f-tawny<Enter>Ojj3v[m");
    desk.answer_all();
    let before = Session::of(&desk.state).unwrap();
    let kept = Session::parse(&before.to_text()).unwrap();
    assert_eq!(kept, before);
    let mut next = Desk::ready(&NAMES, SIZE);
    next.press("R");
    assert_eq!(
        next.state.message,
        "there is no earlier session of this folder"
    );
    assert!(!kept.is_the_beginning(&next.state));
    next.state.review.before = Some(kept);
    next.press("R");
    next.answer_all();
    hold(&next);
    assert_eq!(Session::of(&next.state).unwrap(), before);
    assert_eq!(next.selected(), desk.selected());
    assert_eq!(next.state.options.layers, ["layer4.0.conv2"]);
    assert_eq!(Session::parse("nonsense"), None);
}

#[test]
fn one_export_is_under_way_at_a_time_and_escape_calls_it_off() {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press("E<Enter>");
    assert_eq!(desk.state.export, Some(Exporting::default()));
    let far = Exporting {
        done: 2,
        total: 5,
        slow: None,
    };
    desk.event(Event::Export(ExportReply::Goes(far)));
    assert_eq!(desk.state.export, Some(far));
    desk.press("E<Enter>");
    assert!(desk.state.message.contains("an export is under way"));
    // Escape means the export first, and the filter when there is none.
    desk.press("/owl<Enter>");
    desk.answer_all();
    desk.press("<Esc>");
    desk.event(Event::Export(ExportReply::Ended("called off".to_owned())));
    assert_eq!((desk.state.export, &*desk.state.filter), (None, "owl"));
    assert_eq!(desk.state.message, "called off");
    desk.press("<Esc>");
    assert_eq!(desk.state.filter, "");
    let exports: Vec<&String> = desk
        .log
        .iter()
        .filter(|effect| effect.contains("export"))
        .collect();
    assert_eq!(exports, ["export review.csv", "call the export off"]);
}
