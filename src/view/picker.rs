//! A page of rows to choose from: classes, layers, methods, orders or queues. It hides the picture, so nothing
//! overlaps it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::{chosen, head, hints, percent, tail};
use crate::app::layout::page_areas;
use crate::app::picker::{Picker, USUAL_QUEUES, queues, role, used};
use crate::app::state::State;
use crate::dataset::order::{By, Order};
use crate::dataset::store::View;
use crate::explain::methods::{METHODS, Reads};
use crate::keymap::{Command, Page, bindings_on};
use crate::text::visible as visible_text;

/// Columns before a row: whether it is selected, and whether it is marked or in use.
const MARGIN: usize = 4;
/// Columns between two cells.
const GAP: usize = 2;
/// Fewer columns of a note say nothing.
const SHORTEST_NOTE: usize = 10;
/// From this width on there is room for cells that say more.
const WIDE: u16 = 100;

/// What stands in a row.
struct Row {
    cells: Vec<String>,
    /// After the cells.
    note: String,
    used: bool,
    /// Shown, but not to be chosen.
    refused: bool,
}

pub(super) fn draw(state: &State, picker: &Picker, frame: &mut Frame<'_>) {
    let Some(areas) = page_areas(state.size) else {
        return;
    };
    frame.render_widget(title(state, picker, areas.title.width), areas.title);
    let rows = visible(state, picker, areas.rows);
    if rows.is_empty() {
        frame.render_widget(Line::from(nothing(state, picker)).dim(), areas.rows);
    }
    let widths = widths(&rows, usize::from(areas.rows.width));
    for (place, row) in (picker.scroll..).zip(&rows) {
        let y = areas.rows.y + u16::try_from(place - picker.scroll).unwrap_or(u16::MAX);
        let area = Rect {
            y,
            height: 1,
            ..areas.rows
        };
        let line = line(picker, place, row, &widths, usize::from(area.width));
        frame.render_widget(line, area);
    }
    let [full, line] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(areas.detail);
    if let Some(item) = picker.item() {
        let words = detail(state, picker.page, item);
        frame.render_widget(Paragraph::new(words).dim().wrap(Wrap { trim: true }), full);
    }
    let words = if state.message.is_empty() {
        Span::from(switches(state, picker))
    } else {
        Span::from(state.message.clone()).bold()
    };
    frame.render_widget(words, line);
    let bindings = bindings_on(picker.page).map(|binding| (binding.first_key(), binding.hint));
    hints(frame, areas.footer, bindings.collect());
}

/// The name of the page, what was typed, and how many rows there are.
fn title(state: &State, picker: &Picker, width: u16) -> Line<'static> {
    let (name, all) = match picker.page {
        Page::Classes => ("Classes", state.labels.len()),
        Page::Layers => ("Layers", state.layers.len()),
        Page::Methods => ("Methods", METHODS.len()),
        Page::Orders => ("Orders", picker.items.len()),
        Page::Queues => ("Queues", picker.items.len()),
    };
    let count = format!(" {} of {all}", picker.items.len());
    let typed = match (picker.page.has_filter(), picker.filter.is_empty()) {
        (false, _) => Span::from(" "),
        (true, true) => Span::from(" ▏type to filter ").dim(),
        (true, false) => Span::from(format!(" /{}▏ ", picker.filter)),
    };
    let taken = name.width() + typed.width() + count.width();
    let rule = "─".repeat(usize::from(width).saturating_sub(taken));
    Line::from(vec![
        Span::from(name).bold(),
        typed,
        Span::from(rule).dim(),
        Span::from(count).dim(),
    ])
}

fn nothing(state: &State, picker: &Picker) -> String {
    if !picker.filter.is_empty() {
        format!("  Nothing fits {:?}.", picker.filter)
    } else if state.summary().is_none() {
        "  The model is loading.".to_owned()
    } else {
        "  They are being listed.".to_owned()
    }
}

/// The rows on the screen.
fn visible(state: &State, picker: &Picker, area: Rect) -> Vec<Row> {
    let used = used(picker.page, state);
    let wide = area.width >= WIDE;
    let on_screen = picker.items.iter().skip(picker.scroll);
    on_screen
        .take(usize::from(area.height))
        .map(|item| row(state, picker.page, *item, used.contains(item), wide))
        .collect()
}

fn row(state: &State, page: Page, item: usize, used: bool, wide: bool) -> Row {
    match page {
        Page::Classes => {
            let probability = state.probabilities().and_then(|all| all.get(item));
            let digits = state.labels.len().to_string().len();
            Row {
                cells: vec![
                    format!(
                        "{:>6}",
                        probability.map_or_else(String::new, |p| percent(*p))
                    ),
                    format!("{item:>digits$}"),
                    state.labels[item].clone(),
                ],
                note: role(state, item).unwrap_or_default().to_owned(),
                used: role(state, item).is_some(),
                refused: false,
            }
        }
        Page::Layers => {
            let layer = &state.layers[item];
            let mut cells = vec![crate::text::visible(&layer.name), layer.shape_in_words()];
            if wide {
                cells.insert(1, layer.operation.clone());
            }
            Row {
                cells,
                note: layer.note().to_owned(),
                used,
                refused: layer.why_not.is_some(),
            }
        }
        Page::Methods => {
            let method = METHODS[item];
            let slow = if method.is_slow { "slow" } else { "" };
            Row {
                cells: vec![
                    method.name.to_owned(),
                    format!("{slow:4}"),
                    method.summary.to_owned(),
                ],
                note: if wide {
                    method.paper.to_owned()
                } else {
                    String::new()
                },
                used,
                refused: false,
            }
        }
        Page::Orders => {
            let by = By::all().nth(item).unwrap_or(By::Name);
            let order = if used {
                state.review.order
            } else {
                Order::first(by)
            };
            let direction = if order.descending {
                "largest first"
            } else {
                "smallest first"
            };
            Row {
                cells: vec![by.name().to_owned(), by.meaning().to_owned()],
                note: if matches!(by, By::Figure(_)) {
                    direction.to_owned()
                } else {
                    String::new()
                },
                used,
                refused: false,
            }
        }
        Page::Queues => {
            let queues = queues(state);
            let named = |part: fn(&View) -> &String| {
                queues
                    .get(item)
                    .map_or_else(String::new, |view| visible_text(part(view)))
            };
            Row {
                cells: vec![
                    named(|view| &view.name),
                    named(|view| &view.filter),
                    named(|view| &view.order),
                ],
                note: if item < USUAL_QUEUES.len() {
                    ""
                } else {
                    "saved"
                }
                .to_owned(),
                used,
                refused: false,
            }
        }
    }
}

/// Columns of each cell: what the longest needs, and for the first at most three fifths.
fn widths(rows: &[Row], width: usize) -> Vec<usize> {
    let cells = rows.first().map_or(0, |row| row.cells.len());
    let longest = |cell: usize| rows.iter().map(move |row| row.cells[cell].width()).max();
    let mut widths: Vec<usize> = (0..cells).map(|cell| longest(cell).unwrap_or(0)).collect();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(width * 3 / 5);
    }
    widths
}

fn line(
    picker: &Picker,
    place: usize,
    row: &Row,
    widths: &[usize],
    columns: usize,
) -> Line<'static> {
    let is_selected = place == picker.selected;
    let item = picker.items.get(place);
    let is_marked = item.is_some_and(|item| picker.marked.contains(item));
    let pointer = if is_selected { "▸" } else { " " };
    let mark = match (is_marked, row.used) {
        (true, _) => "✓",
        (false, true) => "●",
        (false, false) => " ",
    };
    let mut text = format!("{pointer} {mark} ");
    for (cell, width) in row.cells.iter().zip(widths) {
        let cell = tail(cell, *width);
        let pad = width.saturating_sub(cell.width()) + GAP;
        text.push_str(&cell);
        text.push_str(&" ".repeat(pad));
    }
    let text = head(text.trim_end(), columns);
    let taken = MARGIN + widths.iter().map(|width| width + GAP).sum::<usize>();
    let pad = taken.saturating_sub(text.width()).max(GAP);
    let room = columns.saturating_sub(text.width() + pad);
    let note = if room >= row.note.width().min(SHORTEST_NOTE) && !row.note.is_empty() {
        format!("{}{}", " ".repeat(pad), head(&row.note, room))
    } else {
        String::new()
    };
    let style = match (is_selected, row.refused) {
        (true, _) => chosen(),
        (false, true) => Style::new().dim(),
        (false, false) => Style::new(),
    };
    let rest = columns.saturating_sub(text.width() + note.width());
    let note = Span::from(note);
    Line::from(vec![
        Span::from(text),
        if is_selected { note } else { note.dim() },
        Span::from(" ".repeat(rest)),
    ])
    .style(style)
}

/// The selected row in full.
fn detail(state: &State, page: Page, item: usize) -> String {
    match page {
        Page::Classes => {
            let label = &state.labels[item];
            let mut words = vec![format!("class {item}")];
            if let Some(all) = state.probabilities()
                && let Some(own) = all.get(item)
            {
                let rank = all.iter().filter(|other| *other > own).count() + 1;
                words.push(format!("{}, rank {rank}", percent(*own)));
            }
            words.extend(role(state, item).map(str::to_owned));
            format!("{label}: {}", words.join(", "))
        }
        Page::Layers => {
            let layer = &state.layers[item];
            let words = [
                crate::text::visible(&layer.name),
                layer.operation.clone(),
                layer.shape_in_words(),
                layer.note().to_owned(),
            ];
            let words = words.into_iter().filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" · ")
        }
        Page::Methods => {
            let method = METHODS[item];
            let reads = match method.reads {
                Reads::Layer => "reads the target layer",
                Reads::Pixels => "reads the pixels, no layer",
                Reads::Attention => "reads the attention of all blocks",
            };
            format!("{} · {} · {reads}", method.summary, method.paper)
        }
        Page::Orders => {
            let by = By::all().nth(item).unwrap_or(By::Name);
            format!(
                "{}: {}; what is not known comes last",
                by.name(),
                by.meaning()
            )
        }
        Page::Queues => queues(state).get(item).map_or_else(String::new, |view| {
            let filter = if view.filter.is_empty() {
                "all images"
            } else {
                &view.filter
            };
            visible_text(&format!(
                "{}: {filter}, in the order {}",
                view.name, view.order
            ))
        }),
    }
}

/// How the switches of the page stand.
fn switches(state: &State, picker: &Picker) -> String {
    let options = &state.options;
    let on = |on: bool| if on { "on" } else { "off" };
    match picker.page {
        Page::Classes => options.versus.map_or_else(String::new, |versus| {
            let label = state.labels.get(versus.0).map_or("", String::as_str);
            format!("{label} is subtracted; Tab on it takes that back")
        }),
        Page::Layers => match picker.marked.len() {
            0 | 1 => format!(
                "Space marks several, fused by their {}",
                options.joined_by().name()
            ),
            marked => format!(
                "{marked} marked, fused by their {}",
                options.joined_by().name()
            ),
        },
        Page::Methods => format!(
            "aug_smooth {} · eigen_smooth {} · score: {}",
            on(options.aug_smooth),
            on(options.eigen_smooth),
            options.measure.name()
        ),
        Page::Orders => format!("order {}", state.review.order),
        Page::Queues => format!(
            "{} makes a queue, {} saves it under a name",
            state.keymap.called(Command::Filter),
            state.keymap.called(Command::SaveView)
        ),
    }
}
