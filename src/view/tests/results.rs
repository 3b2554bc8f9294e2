//! The confusion matrix, the summary, the help of the filter language, and what a filter can go on
//! with.

use std::sync::Arc;

use super::*;
use crate::tests::random::Random;

/// Images of so many classes, a quarter of which the network gets wrong, most of these for the next
/// class; so many of them are scored.
fn desk(classes: usize, images: usize, scored: usize, columns: u16, rows: u16) -> Desk {
    let names: Vec<String> = (0..images).map(|n| format!("{n}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut desk = Desk::ready(&names, CellSize::new(columns, rows));
    let animals = [
        "tabby",
        "African hunting dog",
        "ptarmigan",
        "great grey owl",
    ];
    let label = |class: usize| match classes {
        0..=4 => animals[class].to_owned(),
        _ => format!("{} {class}", animals[class % 4]),
    };
    desk.state.labels = (0..classes).map(label).collect();
    if let ModelState::Ready(model) = &mut desk.state.model {
        model.classes = classes;
    }
    let mut random = Random(3);
    let mut truth = Vec::new();
    let mut predicted = Vec::new();
    for image in 0..images {
        let class = image % classes;
        let taken = match random.below(12) {
            0 => random.below(classes),
            1 | 2 => (class + 1) % classes,
            _ => class,
        };
        truth.push([class]);
        predicted.push(u32::try_from(taken).unwrap());
    }
    let truth: Vec<&[usize]> = truth.iter().map(|classes| &classes[..]).collect();
    desk.truth(&truth);
    desk.score(&predicted[..scored], images);
    desk
}

fn page(mut desk: Desk, script: &str) -> String {
    desk.press(script);
    text(&desk.state)
}

#[test]
fn the_matrix_of_few_and_many_classes_in_every_terminal() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        for (classes, images) in [(3, 60), (12, 600), (1000, 3000)] {
            let name = format!("matrix_of_{classes}_in_{columns}x{rows}");
            let page = page(desk(classes, images, images, columns, rows), "C");
            insta::assert_snapshot!(name, page);
        }
    }
}

#[test]
fn the_matrix_shows_shares_and_scrolls_to_the_end() {
    let page = page(desk(1000, 3000, 2000, 80, 24), "CvoG<End>");
    insta::assert_snapshot!("matrix_scrolled_80x24", page);
}

#[test]
fn the_summary_in_every_terminal() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        let mut desk = desk(12, 600, 400, columns, rows);
        desk.press("eewS");
        insta::assert_snapshot!(format!("summary_{columns}x{rows}"), text(&desk.state));
    }
    let page = page(desk(1000, 3000, 3000, 60, 16), "S<Tab><Down><Down>");
    insta::assert_snapshot!("summary_classes_60x16", page);
}

#[test]
fn an_alarm_is_said_in_the_status_line_and_in_the_summary() {
    let mut desk = desk(12, 240, 0, 80, 24);
    assert!(!text(&desk.state).contains("absurd"));
    let shifted: Vec<u32> = (0..240).map(|n| (n + 1) % 12).collect();
    desk.score(&shifted, 240);
    let (buffer, _) = drawn(&desk.state);
    let status = desk.state.panes().unwrap().status;
    assert!(text(&desk.state).contains("! absurd accuracy; S tells more"));
    let first = &buffer[(status.x, status.y)];
    assert!(first.modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        desk.event(Event::Input(crate::terminal::Input::Resize(CellSize::new(
            columns, rows,
        ))));
        desk.press("S");
        let page = text(&desk.state);
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "! ALARM: ",
            "the prediction is the true class plus 1",
            "or give the truth by names in place of numbers",
        ] {
            assert!(words.contains(said), "{columns}x{rows}: {said}\n{page}");
        }
        if columns == 80 {
            insta::assert_snapshot!("summary_alarm_80x24", page);
        }
        desk.press("<Esc>");
    }
}

#[test]
fn a_page_without_figures_says_why() {
    let loading = Desk::loading(&NAMES, CellSize::new(60, 16));
    assert!(page(loading, "C").contains("The model is loading"));
    let unknown = ready(60, 16);
    assert!(page(unknown, "C").contains("No true class is known"));
    let mut unknown = ready(60, 16);
    unknown.score(&[0, 1, 2, 3, 4], 5);
    assert!(page(unknown, "C").contains("No true class is known"));
    assert!(page(desk(3, 60, 0, 60, 16), "C").contains("No image is scored yet"));
    let mut others = desk(3, 60, 0, 60, 16);
    others.truth(&[&[], &[], &[1]]);
    others.score(&[0, 0], 60);
    assert!(page(others, "C").contains("None of the images with a known class"));
    let words = page(desk(3, 60, 0, 60, 16), "S<Tab>");
    assert!(words.contains("No image is scored yet"), "{words}");
    assert!(page(desk(3, 60, 20, 60, 16), "C").contains("20 of 60 images scored so far"));
}

#[test]
fn labels_that_are_hostile_or_wide_keep_the_columns_of_the_matrix() {
    let mut desk = desk(3, 60, 60, 80, 24);
    desk.state.labels = Arc::from([
        HOSTILE.to_owned(),
        "木木木木木木木木木木木木木木".to_owned(),
        "שלום 👩❤\u{fe0f}👩 e\u{301}".to_owned(),
    ]);
    desk.press("C");
    insta::assert_snapshot!("matrix_hostile_80x24", text(&desk.state));
    for script in ["", "v", "<Esc>S", "<Tab>"] {
        desk.press(script);
        let (buffer, _) = drawn(&desk.state);
        for cell in &buffer.content {
            assert!(crate::text::is_harmless(cell.symbol()), "{script}");
        }
    }
}

#[test]
fn the_help_has_every_term_and_verdict_and_no_column_begins_without_a_heading() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 36), (120, 40)] {
        let mut desk = ready(columns, rows);
        desk.press("?");
        let mut all = String::new();
        while matches!(desk.state.mode, Mode::Help(_)) {
            all += &text(&desk.state);
            desk.press("j");
        }
        let words = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in crate::dataset::query::terms::help() {
            assert!(words.contains(line.term), "{columns}x{rows}: {}", line.term);
            let last = line.meaning.split(' ').next_back().unwrap();
            assert!(words.contains(last), "{columns}x{rows}: {}", line.meaning);
        }
        for verdict in &desk.state.review.verdicts {
            assert!(words.contains(&*verdict.name), "{columns}x{rows}");
        }
        for column in help::pages(&desk.state).into_iter().flatten() {
            assert!(matches!(column[0], help::Line::Heading(_)), "{column:?}");
            let last = column.last().unwrap();
            assert!(matches!(last, help::Line::Row(..)), "{column:?}");
            assert!(column.len() < usize::from(rows), "{columns}x{rows}");
        }
    }
    let mut desk = ready(120, 36);
    desk.press("?jj");
    insta::assert_snapshot!("help_of_the_language_120x36", text(&desk.state));
}

#[test]
fn what_a_filter_can_go_on_with_is_shown_while_it_is_typed() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        let status = |script: &str| {
            let page = page(ready(columns, rows), script);
            page.lines().rev().nth(1).unwrap().to_owned()
        };
        assert!(status("/").contains("5 images  Tab: wrong  right  top5"));
        assert!(status("/ma").contains("  Tab: "), "{}", status("/ma"));
        assert!(
            !status("/ma<Tab>").contains("Tab:"),
            "{}",
            status("/ma<Tab>")
        );
    }
}
