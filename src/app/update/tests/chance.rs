//! Keys by chance, and what holds after each of them.

use super::*;

/// What holds after every event.
pub(super) fn hold(desk: &Desk) {
    let state = &desk.state;
    assert!(desk.open.len() <= 1, "more than one request is under way");
    assert_eq!(
        desk.open.first().map(|request| request.generation),
        state.asked.in_flight
    );
    assert!(state.selected < state.queue.len().max(1));
    if let Some(panes) = panes(state.size, false, false) {
        let rows = state.scroll..state.scroll + list_rows(panes.list);
        assert!(
            state.queue.is_empty() || rows.contains(&state.selected),
            "the selection is off the screen"
        );
    }
    assert!((0.0..=1.0).contains(&state.style.opacity));
    if !state.is_waiting()
        && state.failure.is_none()
        && let Some(current) = state.current()
    {
        let shown = state
            .shown
            .as_ref()
            .expect("nothing is shown and nothing is on its way");
        assert_eq!(shown.image, current.id, "another image is shown");
        assert_eq!(shown.style, state.style, "another style is shown");
        let wanted = [Some(state.target), state.beside];
        let found = [Some(&shown.explanation), shown.beside.as_ref()];
        for (wanted, found) in wanted.into_iter().zip(found) {
            let wanted = wanted.map(|target| state.class_of(target).unwrap());
            let found = found.map(|explanation| explanation.target.class);
            assert_eq!(found, wanted, "another class is shown");
        }
        assert_eq!(shown.explanation.options, state.wanted_options());
        assert_ne!(state.class_of(state.target), state.options.versus);
        if let Some(beside) = state.beside {
            assert!(
                !state.is_same(state.target, beside),
                "a class beside itself"
            );
        }
    }
    if let Mode::Pick(picker) = &state.mode {
        let rows = page_areas(state.size).map_or(1, |areas| usize::from(areas.rows.height));
        assert!(picker.selected < picker.items.len().max(1));
        assert!(
            picker.items.is_empty()
                || (picker.scroll..picker.scroll + rows).contains(&picker.selected),
            "the selected row is off the screen"
        );
    }
    results::hold(state);
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are keys")]
fn whatever_is_pressed_the_shown_picture_is_the_wanted_one_in_the_end() {
    const KEYS: [&str; 72] = [
        "j",
        "k",
        "g",
        "G",
        "<C-d>",
        "<C-u>",
        "<PageDown>",
        "<PageUp>",
        "1",
        "2",
        "3",
        "4",
        "5",
        "<Tab>",
        "<S-Tab>",
        "v",
        "+",
        "-",
        "m",
        "/",
        "o",
        "w",
        "l",
        "<Back>",
        "<Enter>",
        "<Esc>",
        "z",
        "?",
        "s",
        "y",
        "[",
        "]",
        "L",
        "M",
        "c",
        "=",
        "x",
        "t",
        "d",
        "F",
        "w",
        "a",
        "U",
        "V",
        "n",
        "#",
        "B",
        "A",
        "O",
        "o",
        "Q",
        "W",
        "r",
        "T",
        "a",
        "e",
        "p",
        "b",
        "7",
        "<Space>",
        "<Space>",
        "<Tab>",
        "<Down>",
        "<End>",
        "C",
        "C",
        "S",
        "S",
        "i",
        "h",
        "<Home>",
        "N",
    ];
    let names: Vec<String> = (0..40)
        .map(|n| format!("{}{n}.png", if n % 3 == 0 { "owl" } else { "wren" }))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for seed in 0..70 {
        let mut random = Random(seed);
        let mut desk = Desk::ready(&names, SIZE);
        let truth: Vec<[usize; 2]> = (0..names.len())
            .map(|image| [image % 12, image % 5])
            .collect();
        let truth = truth.iter().enumerate();
        let truth: Vec<&[usize]> = truth
            .map(|(image, classes)| if image % 2 == 0 { &classes[..] } else { &[] })
            .collect();
        desk.truth(&truth);
        let mut predicted = Vec::new();
        for _ in 0..300 {
            match random.below(11) {
                10 if predicted.len() < names.len() => {
                    let more = 1 + random.below(names.len() - predicted.len());
                    predicted.extend((0..more).map(|n| u32::try_from(n % 12).unwrap()));
                    desk.score(&predicted, names.len());
                }
                // Most other keys leave these pages.
                0..5 if matches!(desk.state.mode, Mode::Matrix(_) | Mode::Summary(_)) => {
                    desk.press(results::KEYS[random.below(results::KEYS.len())]);
                }
                0..7 => desk.press(KEYS[random.below(KEYS.len())]),
                7 if !desk.open.is_empty() => desk.answer(),
                8 if !desk.open.is_empty() => match random.below(3) {
                    0 => desk.progress(1, 2),
                    1 if desk.state.asked.stopping => desk.stop(),
                    _ => desk.answer(),
                },
                9 => {
                    let size = CellSize::new(
                        50 + u16::try_from(random.below(120)).unwrap(),
                        10 + u16::try_from(random.below(50)).unwrap(),
                    );
                    desk.event(Event::Input(Input::Resize(size)));
                }
                _ => {}
            }
            hold(&desk);
        }
        desk.answer_all();
        hold(&desk);
    }
}
