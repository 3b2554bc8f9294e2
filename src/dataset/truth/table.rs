//! Tables of ground truth: CSV or TSV, one row an object.
//!
//! ```text
//! file,class,x,y,width,height
//! 03-apple-umbrella.png,apple,170,165,154,160
//! 03-apple-umbrella.png,umbrella,1,97,162,162
//! ```
//!
//! The class is a name or a number from 0. The box is in pixels of the image after its EXIF
//! orientation; it may be left out, as columns or as cells, and may be given by two corners
//! (`xmin,ymin,xmax,ymax`). Without a header the columns are in the order above.

use csv::StringRecord;

use super::read::{Bad, Extent, NO_BOX, Row, file, window};
use crate::geometry::Window;
use crate::text::visible;

/// Titles of columns, best first.
pub(super) const FILES: [&str; 10] = [
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_name",
    "img",
];
pub(super) const CLASSES: [&str; 12] = [
    "class",
    "class_name",
    "label",
    "label_name",
    "name",
    "category",
    "truth",
    "target",
    "class_index",
    "class_id",
    "label_id",
    "index",
];
pub(super) const CORNERS: [[&str; 4]; 3] = [
    ["xmin", "ymin", "xmax", "ymax"],
    ["left", "top", "right", "bottom"],
    ["x1", "y1", "x2", "y2"],
];
pub(super) const SIZES: [[&str; 4]; 3] = [
    ["x", "y", "width", "height"],
    ["left", "top", "width", "height"],
    ["x", "y", "w", "h"],
];

/// Where the columns are.
struct Columns {
    file: usize,
    class: usize,
    bounds: Option<Bounds>,
}

struct Bounds {
    at: [usize; 4],
    /// The last two are the far corner, not the size.
    corners: bool,
}

/// The rows of a table.
///
/// # Errors
/// A reason in words, when it has no columns for file and class.
pub(super) fn rows(text: &str) -> Result<Vec<Result<Row, Bad>>, String> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = match first {
        _ if first.contains('\t') => b'\t',
        _ if first.contains(';') && !first.contains(',') => b';',
        _ => b',',
    };
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
        .into_records()
        .collect::<Result<Vec<StringRecord>, _>>()
        .map_err(|error| visible(&error.to_string()))?;
    if records.is_empty() {
        return Err("it is empty".to_owned());
    }
    let columns = match titled(&records[0])? {
        Some(columns) => {
            records.remove(0);
            columns
        }
        None => untitled(&records[0])?,
    };
    Ok(records.iter().map(|record| columns.row(record)).collect())
}

/// The columns of a header; nothing where the first row is none.
fn titled(first: &StringRecord) -> Result<Option<Columns>, String> {
    let titles: Vec<String> = first.iter().map(str::to_lowercase).collect();
    let at = |wanted: &&str| titles.iter().position(|title| title == wanted);
    let all = |wanted: &[&str; 4]| {
        let found: Vec<usize> = wanted.iter().filter_map(at).collect();
        <[usize; 4]>::try_from(found).ok()
    };
    let (file, class) = (FILES.iter().find_map(at), CLASSES.iter().find_map(at));
    let corners = CORNERS.iter().find_map(all).map(|at| (at, true));
    let bounds = corners.or_else(|| SIZES.iter().find_map(all).map(|at| (at, false)));
    match (file, class) {
        (Some(file), Some(class)) => Ok(Some(Columns {
            file,
            class,
            bounds: bounds.map(|(at, corners)| Bounds { at, corners }),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err("its header has no column named class".to_owned()),
        (None, Some(_)) => Err("its header has no column named file".to_owned()),
    }
}

/// The columns of a table without a header.
fn untitled(first: &StringRecord) -> Result<Columns, String> {
    match first.len() {
        2..6 => Ok(Columns {
            file: 0,
            class: 1,
            bounds: None,
        }),
        6.. => Ok(Columns {
            file: 0,
            class: 1,
            bounds: Some(Bounds {
                at: [2, 3, 4, 5],
                corners: false,
            }),
        }),
        _ => Err("it has one column; it needs one for the file and one for the class".to_owned()),
    }
}

impl Columns {
    fn row(&self, record: &StringRecord) -> Result<Row, Bad> {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let bounds = match &self.bounds {
            Some(bounds) => bounds
                .of(bounds.at.map(cell))
                .map_err(|reason| Bad { line, reason })?,
            None => None,
        };
        Ok(Row {
            line,
            file: file(cell(self.file)),
            class: cell(self.class).to_owned(),
            extent: bounds.map(Extent::Pixels),
        })
    }
}

impl Bounds {
    /// The box in four cells, none where all are empty.
    ///
    /// # Errors
    /// A reason, when they are no box.
    fn of(&self, cells: [&str; 4]) -> Result<Option<Window>, &'static str> {
        if cells.iter().all(|cell| cell.is_empty()) {
            return Ok(None);
        }
        let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
        let numbers = <[f64; 4]>::try_from(numbers).map_err(|_| NO_BOX)?;
        window(numbers, self.corners).map(Some)
    }
}
