//! Overview: the page of the summary. Which figures and classes stand in which order, and which row
//! is selected. Pure.

use std::cmp::Ordering;
use std::sync::Arc;

use ratatui::layout::{Constraint, Layout, Rect};
use unicode_width::UnicodeWidthStr;

use super::counted::Counted;
use super::layout::{PageAreas, page_areas};
use crate::dataset::confusion::written;
use crate::dataset::query::quoted;
use crate::dataset::summary::{BINS, ClassFigures};
use crate::geometry::CellSize;

/// From this width on, the classes stand beside the figures.
const WIDE: u16 = 100;
/// Columns of the figures there.
const FIGURES_WIDTH: u16 = 58;
/// Before the alarm.
pub const ALARM: &str = "! ALARM: ";
/// Columns that the longest word may leave empty at the end of a line.
const RAGGED: u16 = 14;

/// The page.
#[derive(Clone, Debug)]
pub struct Overview {
    pub counted: Arc<Counted>,
    pub entries: Vec<Entry>,
    pub classes: Vec<ClassFigures>,
    pub by: ClassesBy,
    /// What the keys move in.
    pub side: Side,
    pub figure: Cursor,
    pub class: Cursor,
}

/// The two lists of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Figures,
    Classes,
}

/// One row of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Names what follows; cannot be selected.
    Heading(&'static str),
    Top1,
    Top5,
    Loss,
    Confidence,
    CalibrationError,
    Scored,
    Unreadable,
    Known,
    Reviewed,
    /// Place among the verdicts that were given.
    Verdict(usize),
    /// Place among the bins of the calibration.
    Bin(usize),
}

/// What the classes are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassesBy {
    Recall,
    Precision,
    Images,
    Number,
}

/// A selected row, and the first row on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub selected: usize,
    pub scroll: usize,
}

/// Where everything is. Where there is no room for both lists they have the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    pub page: PageAreas,
    pub alarm: Rect,
    pub figures: Rect,
    /// With a row of headings above the classes.
    pub classes: Rect,
    pub is_wide: bool,
}

impl Cursor {
    /// Selects a place, or the last one beyond the end, and scrolls it onto the screen.
    fn select(&mut self, place: usize, all: usize, rows: usize) {
        let rows = rows.max(1);
        self.selected = place.min(all.saturating_sub(1));
        let last = all.saturating_sub(rows);
        self.scroll = self
            .scroll
            .clamp((self.selected + 1).saturating_sub(rows), self.selected)
            .min(last);
    }
}

impl Overview {
    #[must_use]
    pub fn open(counted: Arc<Counted>) -> Self {
        let mut overview = Self {
            entries: entries(&counted),
            classes: Vec::new(),
            counted,
            by: ClassesBy::Recall,
            side: Side::Figures,
            figure: Cursor::default(),
            class: Cursor::default(),
        };
        overview.sort();
        overview
    }

    /// Takes in what was counted again. What is selected stays selected.
    pub fn recount(&mut self, counted: Arc<Counted>, size: CellSize) {
        let (entry, class) = (self.entry(), self.class().map(|figures| figures.class));
        self.entries = entries(&counted);
        self.counted = counted;
        let place = entry.and_then(|entry| self.entries.iter().position(|other| *other == entry));
        self.figure.selected = place.unwrap_or(0);
        self.sort();
        self.select_class(class);
        self.follow(size);
    }

    /// Sorts the classes by something else. The first one is selected: the worst, or the largest.
    pub fn sort_by(&mut self, by: ClassesBy) {
        self.by = by;
        self.class = Cursor::default();
        self.side = Side::Classes;
        self.sort();
    }

    fn sort(&mut self) {
        self.classes = self.counted.summary.classes.clone();
        // The sort is stable: equal classes stay in the order of the model.
        match self.by {
            ClassesBy::Recall => self.classes.sort_by(|a, b| up(a.recall(), b.recall())),
            ClassesBy::Precision => self
                .classes
                .sort_by(|a, b| up(a.precision(), b.precision())),
            ClassesBy::Images => self
                .classes
                .sort_by_key(|figures| std::cmp::Reverse(figures.support)),
            ClassesBy::Number => {}
        }
    }

    fn select_class(&mut self, class: Option<u32>) {
        let place = class.and_then(|class| {
            let mut all = self.classes.iter();
            all.position(|figures| figures.class == class)
        });
        self.class.selected = place.unwrap_or(0);
    }

    /// Scrolls so that what is selected is on the screen.
    pub fn follow(&mut self, size: CellSize) {
        let Some(areas) = self.areas(size) else {
            return;
        };
        let (figures, classes) = rows(&areas);
        let (entries, all) = (self.entries.len(), self.classes.len());
        self.figure.select(self.figure.selected, entries, figures);
        self.class.select(self.class.selected, all, classes);
    }

    /// Selects a row of a side.
    pub fn select(&mut self, side: Side, place: usize, size: CellSize) {
        self.side = side;
        match side {
            Side::Classes => self.class.selected = place.min(self.classes.len().saturating_sub(1)),
            Side::Figures => {
                let last = self.entries.len().saturating_sub(1);
                let place = place.min(last);
                // A heading is passed in the direction of the move; the first and the last row are
                // none.
                let is_heading = matches!(self.entries.get(place), Some(Entry::Heading(_)));
                self.figure.selected = match (is_heading, place < self.figure.selected) {
                    (false, _) => place,
                    (true, true) => place.saturating_sub(1),
                    (true, false) => place + 1,
                };
            }
        }
        self.follow(size);
    }

    pub fn step(&mut self, by: isize, size: CellSize) {
        let cursor = self.cursor();
        self.select(self.side, cursor.selected.saturating_add_signed(by), size);
    }

    fn cursor(&self) -> Cursor {
        match self.side {
            Side::Figures => self.figure,
            Side::Classes => self.class,
        }
    }

    /// Rows of the active side on the screen.
    #[must_use]
    pub fn rows(&self, size: CellSize) -> usize {
        let rows = self.areas(size).map(|areas| rows(&areas));
        rows.map_or(1, |(figures, classes)| match self.side {
            Side::Figures => figures,
            Side::Classes => classes,
        })
    }

    pub fn turn_side(&mut self) {
        self.side = match self.side {
            Side::Figures => Side::Classes,
            Side::Classes => Side::Figures,
        };
    }

    /// The selected figure.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        self.entries.get(self.figure.selected).copied()
    }

    /// The selected class.
    #[must_use]
    pub fn class(&self) -> Option<ClassFigures> {
        self.classes.get(self.class.selected).copied()
    }

    /// The queue of the selected row: filter and order.
    #[must_use]
    pub fn queue(&self, labels: &[String]) -> Option<(String, &'static str)> {
        if self.side == Side::Classes {
            let class = written(self.class()?.class, labels);
            return Some((format!("true:{class} wrong"), "-conf"));
        }
        let (filter, order) = match self.entry()? {
            Entry::Heading(_) => return None,
            Entry::Top1 => ("wrong", "-conf"),
            Entry::Top5 => ("top5wrong", "-loss"),
            Entry::Loss => ("known scored", "-loss"),
            Entry::Confidence => ("scored", "conf"),
            Entry::CalibrationError => ("wrong conf>0.9", "-conf"),
            Entry::Scored => ("unscored", "name"),
            Entry::Unreadable => ("unreadable", "name"),
            Entry::Known => ("-known", "name"),
            Entry::Reviewed => ("reviewed", "-changed"),
            Entry::Verdict(place) => {
                let (name, _) = self.counted.summary.verdicts.get(place)?;
                return Some((format!("verdict:{}", quoted(name)), "-changed"));
            }
            Entry::Bin(bin) => {
                let [low, high] = [bin, bin + 1].map(|edge| edge as f32 / BINS as f32);
                return Some((format!("known conf>{low:.4} conf<={high:.4}"), "-conf"));
            }
        };
        Some((filter.to_owned(), order))
    }

    /// Where everything is; nothing where the terminal is too small.
    #[must_use]
    pub fn areas(&self, size: CellSize) -> Option<Areas> {
        let page = page_areas(size)?;
        let alarm_rows = self.counted.summary.alarm.as_ref().map_or(0, |alarm| {
            let width = u16::try_from(ALARM.width() + alarm.width()).unwrap_or(u16::MAX);
            width.div_ceil(page.rows.width - RAGGED).clamp(1, 6)
        });
        let [alarm, body] = Layout::vertical([Constraint::Length(alarm_rows), Constraint::Fill(1)])
            .areas(page.rows);
        let is_wide = body.width >= WIDE;
        let (figures, classes) = if is_wide {
            let [figures, classes] =
                Layout::horizontal([Constraint::Length(FIGURES_WIDTH), Constraint::Fill(1)])
                    .spacing(2)
                    .areas(body);
            (figures, classes)
        } else {
            (body, body)
        };
        Some(Areas {
            page,
            alarm,
            figures,
            classes,
            is_wide,
        })
    }
}

/// Rows of the figures and of the classes on the screen; the classes have a row of headings.
fn rows(areas: &Areas) -> (usize, usize) {
    let rows = |area: Rect| usize::from(area.height);
    (rows(areas.figures), rows(areas.classes).saturating_sub(1))
}

/// Smaller values first; what is not known last.
fn up(a: Option<f32>, b: Option<f32>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// The rows of the figures. Of the calibration, only bins that have images.
fn entries(counted: &Counted) -> Vec<Entry> {
    let summary = &counted.summary;
    let mut entries = vec![
        Entry::Top1,
        Entry::Top5,
        Entry::Loss,
        Entry::Confidence,
        Entry::CalibrationError,
        Entry::Scored,
        Entry::Unreadable,
        Entry::Known,
        Entry::Reviewed,
    ];
    if !summary.verdicts.is_empty() {
        entries.push(Entry::Heading("Verdicts"));
        entries.extend((0..summary.verdicts.len()).map(Entry::Verdict));
    }
    let bins = summary.calibration.bins();
    let used = (0..BINS).filter(|bin| bins[*bin].count > 0);
    let mut used = used.map(Entry::Bin).peekable();
    if used.peek().is_some() {
        entries.push(Entry::Heading("Calibration"));
        entries.extend(used);
    }
    entries
}
