//! Words: a map without pixels, as a coarse grid of numbers over the image, and where its weight
//! lies. For terminals without pictures, and for readers who do not see them.

use super::Style;
use super::scale::{Colors, Map};
use crate::geometry::{InputGeometry, PixelSize};

/// Points along each side of a place whose mean is its number.
const POINTS: usize = 6;

/// A map over an image, in few places.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    pub columns: usize,
    pub rows: usize,
    /// Row by row, in 0..=1, with both signs in -1..=1. `None` where the network did not see the
    /// image: a crop cut it off.
    pub values: Vec<Option<f32>>,
}

/// A quarter of the image with its share of what speaks for the class, in 0..=1.
pub type Quarter = (&'static str, f32);

impl Places {
    /// The map as it is drawn in this style; `None` where there is no evidence to show. `end` is what
    /// the end of the scale stands for, where it is not the map's own.
    #[must_use]
    pub fn new(
        map: Map<'_>,
        style: Style,
        end: Option<f32>,
        geometry: &InputGeometry,
        (columns, rows): (usize, usize),
    ) -> Option<Self> {
        let colors = Colors::new(map, style, end.or(style.scale), geometry.input);
        if !colors.has_levels() {
            return None;
        }
        let value = |x: f64, y: f64| {
            let (width, height) = (geometry.image.width, geometry.image.height);
            let (x, y) = geometry.input_from_image(x * f64::from(width), y * f64::from(height));
            let inside = (0.0..=f64::from(geometry.input.width)).contains(&x)
                && (0.0..=f64::from(geometry.input.height)).contains(&y);
            inside.then(|| colors.value(x, y)).flatten()
        };
        let mean = |column: usize, row: usize| {
            let at = |place: usize, point: usize, places: usize| {
                (place as f64 + (point as f64 + 0.5) / POINTS as f64) / places as f64
            };
            let points = (0..POINTS * POINTS).filter_map(|point| {
                let x = at(column, point % POINTS, columns);
                let y = at(row, point / POINTS, rows);
                value(x, y)
            });
            let seen: Vec<f32> = points.collect();
            // A place that is mostly cut off is not seen.
            (seen.len() * 2 >= POINTS * POINTS)
                .then(|| seen.iter().sum::<f32>() / seen.len() as f32)
        };
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        Some(Self {
            columns,
            rows,
            values: places.map(|(column, row)| mean(column, row)).collect(),
        })
    }

    /// Columns and rows for an image of this size: the longer side has at most so many places, and
    /// both fit.
    #[must_use]
    pub fn arrangement(image: PixelSize, longest: u32, bounds: (u32, u32)) -> (usize, usize) {
        let bounds = PixelSize::new(bounds.0.min(longest), bounds.1.min(longest));
        let size = image.fitted_into(bounds);
        (size.width as usize, size.height as usize)
    }

    /// Column and row, from 1, of the largest number; `None` where nothing is above zero.
    #[must_use]
    pub fn peak(&self) -> Option<(usize, usize)> {
        let seen = self.values.iter().enumerate();
        let (place, _) = seen
            .filter_map(|(place, value)| Some((place, value.filter(|value| *value > 0.0)?)))
            // The first of several.
            .rev()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        Some((place % self.columns + 1, place / self.columns + 1))
    }

    /// The shares of the four quarters. A column or row in the middle belongs to both sides by half.
    #[must_use]
    pub fn quarters(&self) -> [Quarter; 4] {
        let mut sums = [0.0_f32; 4];
        for (place, value) in self.values.iter().enumerate() {
            let value = value.unwrap_or(0.0).max(0.0);
            let right = part_after_middle(place % self.columns, self.columns);
            let bottom = part_after_middle(place / self.columns, self.rows);
            for (quarter, sum) in sums.iter_mut().enumerate() {
                let across = if quarter % 2 == 1 { right } else { 1.0 - right };
                let down = if quarter / 2 == 1 {
                    bottom
                } else {
                    1.0 - bottom
                };
                *sum += value * across * down;
            }
        }
        let total = sums.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let [a, b, c, d] = sums.map(|sum| sum / total);
        [
            ("top left", a),
            ("top right", b),
            ("bottom left", c),
            ("bottom right", d),
        ]
    }

    /// In how few places half of what speaks for the class lies.
    #[must_use]
    pub fn places_of_half(&self) -> usize {
        let mut values: Vec<f32> = self.values.iter().flatten().map(|v| v.max(0.0)).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let half = values.iter().sum::<f32>() / 2.0;
        let sums = values.iter().scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        });
        sums.take_while(|sum| *sum < half).count() + 1
    }

    /// The numbers of a row as digits from 0 to 9, those against the class with a sign; `·` where the
    /// image was cut off.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<String> {
        let values = self
            .values
            .iter()
            .skip(row * self.columns)
            .take(self.columns);
        values
            .map(|value| value.map_or_else(|| "·".to_owned(), digit))
            .collect()
    }
}

/// How much of a row or column lies in the second half: 0, 0.5 or 1.
fn part_after_middle(place: usize, places: usize) -> f32 {
    match (2 * place + 1).cmp(&places) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 1.0,
    }
}

/// A number in -1..=1 in tenths, the largest as 9.
#[expect(clippy::cast_possible_truncation, reason = "from 0 to 10")]
fn digit(value: f32) -> String {
    let tenths = ((value.abs() * 10.0) as u8).min(9);
    let sign = if value < 0.0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{tenths}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Window;
    use crate::heatmap::{Grid, Heatmap};

    /// Of an image of 200x100 whose right half alone was seen, in 4x2 places.
    fn places(raw: &[f32], style: Style) -> Option<Places> {
        let raw = Grid::new(2, 2, raw.to_vec());
        let heatmap = Heatmap::from_raw(&raw);
        let map = Map {
            heatmap: &heatmap,
            raw: &raw,
        };
        let geometry = InputGeometry {
            image: PixelSize::new(200, 100),
            input: PixelSize::new(64, 64),
            window: Window {
                x: 100.0,
                y: 0.0,
                width: 100.0,
                height: 100.0,
            },
        };
        Places::new(map, style, None, &geometry, (4, 2))
    }

    #[test]
    fn numbers_lie_where_the_map_lies_on_the_image() {
        let places = places(&[0.0, 1.0, 0.0, 0.0], Style::default()).unwrap();
        let rows = [places.row(0), places.row(1)].map(|row| row.concat());
        assert!(rows.iter().all(|row| row.starts_with("··")), "{rows:?}");
        assert_eq!(places.peak(), Some((4, 1)));
        let quarters = places.quarters();
        assert_eq!(quarters[0], ("top left", 0.0));
        assert!(quarters[1].1 > 0.6, "{quarters:?}");
        let total: f32 = quarters.iter().map(|(_, share)| share).sum();
        assert!((total - 1.0).abs() < 1e-6);
        assert_eq!(places.places_of_half(), 1);
    }

    #[test]
    fn with_both_signs_what_speaks_against_the_class_has_one() {
        let style = Style {
            signed: true,
            ..Style::default()
        };
        let places = places(&[-1.0, 1.0, -1.0, 1.0], style).unwrap();
        let row = places.row(0);
        assert!(
            row[2].starts_with('-') && !row[3].starts_with('-'),
            "{row:?}"
        );
    }

    #[test]
    fn a_map_without_evidence_has_no_places() {
        assert_eq!(places(&[-1.0, -1.0, -1.0, -2.0], Style::default()), None);
        assert_eq!(places(&[f32::NAN, 0.0, 0.0, 0.0], Style::default()), None);
    }

    #[test]
    fn digits_go_from_nothing_to_the_largest() {
        let digits = [0.0, 0.05, 0.1, 0.55, 0.999, 1.0, -0.05, -0.5].map(digit);
        assert_eq!(digits, ["0", "0", "1", "5", "9", "9", "0", "-5"]);
    }

    #[test]
    fn the_middle_belongs_to_both_sides() {
        let places = Places {
            columns: 3,
            rows: 1,
            values: vec![Some(0.0), Some(1.0), Some(0.0)],
        };
        let shares = places.quarters().map(|(_, share)| share);
        assert!(
            shares.iter().all(|share| (share - 0.25).abs() < 1e-6),
            "{shares:?}"
        );
    }
}
