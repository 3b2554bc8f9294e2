//! The confusion matrix and the summary.

use super::*;
use crate::app::counted::Counted;
use crate::app::matrix::{Grid, Matrix, Selected, Shown};
use crate::app::overview::{Entry, Overview, Side};
use crate::dataset::confusion::Cell;

/// True and predicted class of each image: of class 0 three are right and two taken for 1, of class 1
/// two are taken for 0, of class 4 one is right.
const PAIRS: [(usize, u32); 8] = [
    (0, 0),
    (0, 1),
    (1, 0),
    (0, 0),
    (4, 4),
    (1, 0),
    (0, 1),
    (0, 0),
];

/// Images of which these are the true and the predicted classes; so many are scored.
fn desk_of(pairs: &[(usize, u32)], scored: usize) -> Desk {
    let names: Vec<String> = (0..pairs.len()).map(|n| format!("{n}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut desk = Desk::ready(&names, SIZE);
    let truth: Vec<[usize; 1]> = pairs.iter().map(|(truth, _)| [*truth]).collect();
    let truth: Vec<&[usize]> = truth.iter().map(|classes| &classes[..]).collect();
    desk.truth(&truth);
    score(&mut desk, pairs, scored);
    desk
}

fn score(desk: &mut Desk, pairs: &[(usize, u32)], scored: usize) {
    let predicted: Vec<u32> = pairs.iter().map(|(_, predicted)| *predicted).collect();
    desk.score(&predicted[..scored], pairs.len());
}

fn scored() -> Desk {
    desk_of(&PAIRS, PAIRS.len())
}

fn matrix(desk: &Desk) -> &Matrix {
    match &desk.state.mode {
        Mode::Matrix(matrix) => matrix,
        other => panic!("no matrix but {other:?}"),
    }
}

fn overview(desk: &Desk) -> &Overview {
    match &desk.state.mode {
        Mode::Summary(overview) => overview,
        other => panic!("no summary but {other:?}"),
    }
}

/// What is selected after some keys: true and predicted class, or one of them.
fn selected(desk: &Desk) -> String {
    match matrix(desk).selected() {
        None => "nothing".to_owned(),
        Some(Selected::Cell(cell)) => {
            format!("{}>{}: {}", cell.truth, cell.predicted, cell.count)
        }
        Some(Selected::Truth(class)) => format!("{class}>"),
        Some(Selected::Predicted(class)) => format!(">{class}"),
    }
}

/// The queue that some keys lead to: filter, order, how many images.
fn queue_after(script: &str) -> String {
    let mut desk = scored();
    desk.press(script);
    assert!(matches!(desk.state.mode, Mode::Browse), "{script}");
    let (state, order) = (&desk.state, desk.state.review.order.to_string());
    assert_eq!(state.review.fault, None, "{script}");
    format!("{} by {order}: {}", state.filter, state.queue.len())
}

/// Keys that move in the matrix and in the summary.
pub(super) const KEYS: [&str; 18] = [
    "h",
    "h",
    "j",
    "k",
    "k",
    "l",
    "<PageDown>",
    "<PageUp>",
    "<",
    ">",
    "<Home>",
    "<End>",
    "g",
    "G",
    "n",
    "v",
    "o",
    "<Tab>",
];

/// What holds of a page that is open, whatever was pressed.
pub(super) fn hold(state: &State) {
    match &state.mode {
        Mode::Matrix(matrix) => {
            let rows = matrix.truths.len();
            let columns = matrix.predictions.len();
            assert!(matrix.row <= rows && matrix.column <= columns);
            assert_eq!(matrix.selected().is_none(), rows == 0);
            if let Some(grid) = Grid::of(matrix, state.size) {
                let on_screen = |place: usize, first: usize, room: usize| {
                    place == 0 || (first..first + room).contains(&(place - 1))
                };
                assert!(on_screen(matrix.row, matrix.top, grid.rows()));
                assert!(on_screen(matrix.column, matrix.left, grid.columns()));
                let page = page_areas(state.size).unwrap().rows;
                for area in [grid.headings, grid.names, grid.cells] {
                    assert_eq!(area.intersection(page), area);
                }
            }
        }
        Mode::Summary(overview) => {
            assert!(!matches!(overview.entry(), None | Some(Entry::Heading(_))));
            if let Some(areas) = overview.areas(state.size) {
                let rows = usize::from(areas.figures.height).max(1);
                let cursor = overview.figure;
                assert!((cursor.scroll..cursor.scroll + rows).contains(&cursor.selected));
            }
        }
        _ => {}
    }
}

#[test]
fn keys_move_in_the_matrix_and_reach_its_headings() {
    for (script, expected) in [
        // The most frequent mistake; two of two is worse than two of five.
        ("C", "1>0: 2"),
        ("Cn", "0>1: 2"),
        ("Cnn", "1>0: 2"),
        ("CN", "0>1: 2"),
        // Rows and columns are 1, 0, 4.
        ("Ch", "1>1: 0"),
        ("Chh", "1>"),
        ("Chhh", "1>"),
        ("Chhj", "0>"),
        // Between the headings there is nothing.
        ("Chhk", "1>"),
        ("Ck", ">0"),
        ("Ckl", ">4"),
        ("Ckhh", ">1"),
        ("Cj", "0>0: 3"),
        ("CG<End>", "4>4: 1"),
        ("CGjjll", "4>4: 1"),
        ("CG<End>g", "1>4: 0"),
        ("CG<End><Home>", "4>1: 0"),
        ("C<PageDown>", "4>0: 0"),
        ("C<PageDown><PageUp><PageUp>", "1>0: 2"),
        ("C>", "1>4: 0"),
        ("C><<", "1>1: 0"),
        // Another order keeps what is selected.
        ("Co", "1>0: 2"),
        ("Coh", "1>"),
        ("Coo<Home>", "1>1: 0"),
    ] {
        let mut desk = scored();
        desk.press(script);
        assert_eq!(selected(&desk), expected, "after {script}");
    }
    let mut desk = scored();
    desk.press("Cvv");
    assert_eq!(matrix(&desk).shown, Shown::OfPredicted);
}

#[test]
fn a_cell_and_a_heading_open_as_queues() {
    assert_eq!(
        queue_after("C<Enter>"),
        "pred:\"bird 0\" true:\"bird 1\" by -conf: 2"
    );
    assert_eq!(
        queue_after("Cn<Enter>"),
        "pred:\"bird 1\" true:\"bird 0\" by -conf: 2"
    );
    assert_eq!(
        queue_after("Chhj<Enter>"),
        "true:\"bird 0\" scored by -conf: 5"
    );
    assert_eq!(
        queue_after("Ck<Enter>"),
        "pred:\"bird 0\" known by -conf: 5"
    );
    assert_eq!(queue_after("C<Esc>"), " by name: 8");
    assert_eq!(queue_after("CC"), " by name: 8");
    assert_eq!(queue_after("CS<Esc>"), " by name: 8");
}

#[test]
fn every_cell_of_the_matrix_opens_as_many_images_as_it_says() {
    let all = Counted::of(&scored().state).confusion.cells().to_vec();
    assert_eq!(all.len(), 4);
    for Cell {
        truth,
        predicted,
        count,
    } in all
    {
        let mut desk = scored();
        desk.press("C");
        let size = desk.state.size;
        if let Mode::Matrix(matrix) = &mut desk.state.mode {
            matrix.select_cell(truth, predicted, size);
        }
        desk.press("<Enter>");
        assert_eq!(desk.state.queue.len(), count, "{truth} {predicted}");
        let current = desk.state.current().unwrap().id;
        assert_eq!(desk.state.row(current).predicted(), Some(predicted));
    }
}

#[test]
fn rows_of_the_summary_open_as_queues() {
    assert_eq!(queue_after("S<Enter>"), "wrong by -conf: 4");
    assert_eq!(queue_after("Sj<Enter>"), "top5wrong by -loss: 0");
    assert_eq!(queue_after("SG<Enter>"), {
        // All have 90 %.
        "known conf>0.8667 conf<=0.9333 by -conf: 8"
    });
    // The worst recall, then the second.
    assert_eq!(
        queue_after("S<Tab><Enter>"),
        "true:\"bird 1\" wrong by -conf: 2"
    );
    assert_eq!(
        queue_after("S<Tab>j<Enter>"),
        "true:\"bird 0\" wrong by -conf: 2"
    );
    // The worst precision, the most images, the last class.
    assert_eq!(
        queue_after("Sp<Enter>"),
        "true:\"bird 1\" wrong by -conf: 2"
    );
    assert_eq!(
        queue_after("Si<Enter>"),
        "true:\"bird 0\" wrong by -conf: 2"
    );
    assert_eq!(
        queue_after("SoG<Enter>"),
        "true:\"bird 4\" wrong by -conf: 0"
    );
    assert_eq!(queue_after("SC<Esc>"), " by name: 8");
    // A verdict is given to two images, and its row opens them. The heading above is passed.
    assert_eq!(
        queue_after("eejS<Home>jjjjjjjjj<Enter>"),
        "verdict:\"label error\" by -changed: 2"
    );
    assert_eq!(
        queue_after("eejS<Home>jjjjjjjjjk<Enter>"),
        "reviewed by -changed: 2"
    );
}

#[test]
fn the_mouse_selects_and_opens_in_matrix_and_summary() {
    let click = |desk: &mut Desk, x: u16, y: u16| {
        desk.event(Event::Input(Input::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: x,
            row: y,
            modifiers: KeyModifiers::NONE,
        })));
    };
    let mut desk = scored();
    desk.press("C");
    let grid = Grid::of(matrix(&desk), desk.state.size).unwrap();
    click(&mut desk, grid.x(0), grid.cells.y + 1);
    assert_eq!(selected(&desk), "0>1: 2");
    click(&mut desk, grid.names.x + 3, grid.names.y + 2);
    assert_eq!(selected(&desk), "4>");
    click(&mut desk, grid.x(2), grid.headings.y);
    assert_eq!(selected(&desk), ">4");
    // Below the last row there is nothing.
    click(&mut desk, grid.x(0), grid.cells.y + 3);
    assert_eq!(selected(&desk), ">4");
    click(&mut desk, grid.x(1), grid.cells.y);
    click(&mut desk, grid.x(1), grid.cells.y);
    assert_eq!(desk.state.filter, "pred:\"bird 0\" true:\"bird 1\"");
    // The list of the worst pairs, where there is room for it.
    let mut desk = scored();
    desk.event(Event::Input(Input::Resize(CellSize::new(120, 40))));
    desk.press("C");
    let list = Grid::of(matrix(&desk), desk.state.size)
        .unwrap()
        .worst
        .unwrap();
    click(&mut desk, list.x + 3, list.y + 2);
    assert_eq!(selected(&desk), "0>1: 2");
    click(&mut desk, list.x + 3, list.y + 2);
    assert_eq!(desk.state.filter, "pred:\"bird 1\" true:\"bird 0\"");
    desk.press("<Esc>S");
    let areas = overview(&desk).areas(desk.state.size).unwrap();
    click(&mut desk, areas.classes.x, areas.classes.y + 2);
    assert_eq!(overview(&desk).side, Side::Classes);
    click(&mut desk, areas.classes.x, areas.classes.y + 2);
    assert_eq!(desk.state.filter, "true:\"bird 0\" wrong");
}

/// A hundred images, every third of which is taken for the next class.
fn many() -> Vec<(usize, u32)> {
    let predicted =
        |n: usize| u32::try_from((n % 12 + usize::from(n.is_multiple_of(3))) % 12).unwrap();
    (0..100).map(|n| (n % 12, predicted(n))).collect()
}

#[test]
fn a_page_is_counted_again_when_a_tenth_more_are_scored_and_when_all_are() {
    for page in ["C", "S"] {
        let mut desk = desk_of(&many(), 20);
        desk.press(page);
        let counted = |desk: &Desk| match &desk.state.mode {
            Mode::Matrix(matrix) => matrix.counted.summary.scored,
            Mode::Summary(overview) => overview.counted.summary.scored,
            other => panic!("{other:?}"),
        };
        for (scored, expected) in [(20, 20), (31, 20), (32, 32), (44, 32), (99, 99), (100, 100)] {
            score(&mut desk, &many(), scored);
            assert_eq!(counted(&desk), expected, "{page} with {scored}");
        }
    }
}

#[test]
fn what_is_selected_stays_selected_when_it_is_counted_again() {
    // The pair that is the rarer of two first is the most frequent one in the end.
    let pairs: Vec<(usize, u32)> = (0..100)
        .map(|n| if n < 15 { (5, 6) } else { (2, 3) })
        .collect();
    let mut desk = desk_of(&pairs, 20);
    desk.press("Cn");
    assert_eq!(selected(&desk), "2>3: 5");
    let before = matrix(&desk).row;
    score(&mut desk, &pairs, 100);
    assert_eq!(selected(&desk), "2>3: 85");
    assert_ne!(matrix(&desk).row, before);
}

#[test]
fn a_matrix_without_images_moves_nowhere_and_fills_when_they_are_scored() {
    let mut desk = desk_of(&many(), 0);
    desk.press("CjlGg<End><Home><PageDown><PageUp>><nNvo<Enter>");
    assert_eq!(selected(&desk), "nothing");
    score(&mut desk, &many(), 100);
    assert_ne!(selected(&desk), "nothing");
}

#[test]
fn the_alarm_waits_until_all_images_are_scored() {
    let shifted: Vec<(usize, u32)> = (0..60)
        .map(|n| (n % 12, u32::try_from((n + 1) % 12).unwrap()))
        .collect();
    let mut desk = desk_of(&shifted, 50);
    assert_eq!(desk.state.review.alarm, None);
    desk.press("S");
    assert!(overview(&desk).counted.summary.alarm.is_some());
    desk.press("<Esc>");
    assert_eq!(desk.state.review.alarm, None);
    score(&mut desk, &shifted, 60);
    let alarm = desk.state.review.alarm.clone().unwrap();
    assert!(alarm.contains("the true class plus 1"), "{alarm}");
    assert_eq!(desk_of(&many(), 100).state.review.alarm, None);
}

#[test]
fn help_and_quit_work_from_the_pages() {
    for page in ["C", "S"] {
        let mut desk = scored();
        desk.press(page);
        desk.log.clear();
        desk.press("q");
        assert_eq!(desk.log, ["quit"], "{page}");
        desk.press("?");
        assert!(matches!(desk.state.mode, Mode::Help(0)), "{page}");
    }
}

#[test]
fn what_the_filter_can_go_on_with_is_there_before_the_tab_key() {
    let offers = |script: &str| {
        let mut desk = scored();
        desk.press(script);
        match &desk.state.mode {
            Mode::Write(writing) => match &writing.what {
                Written::Filter { offers, .. } => {
                    offers.iter().take(3).map(|one| one.text.clone()).collect()
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let found: Vec<String> = offers("/");
    assert_eq!(found, ["wrong", "right", "top5"]);
    assert_eq!(offers("/con")[0], "conf>");
    assert_eq!(offers("/pred:11")[0], "\"bird 11\"");
    assert_eq!(offers("/unr<Tab><Back>")[0], "unreadable");
}
