//! Zoom: which part of the picture is shown.

use crate::geometry::Window;
use crate::keymap::Pan;

/// The sides of the whole, in the units that parts are counted in.
const WHOLE: u8 = 64;
/// The smallest part that is shown.
const SMALLEST: u8 = 8;
/// A step moves by this fraction of the part.
const STEPS_A_PART: u8 = 4;

/// A part of the picture, of the whole's proportions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zoom {
    x: u8,
    y: u8,
    side: u8,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            x: 0,
            y: 0,
            side: WHOLE,
        }
    }
}

impl Zoom {
    /// How much larger things are.
    #[must_use]
    pub fn factor(self) -> u8 {
        WHOLE / self.side
    }

    /// The part in fractions of the whole; `None` for all of it.
    #[must_use]
    pub fn part(self) -> Option<Window> {
        let share = |units: u8| f64::from(units) / f64::from(WHOLE);
        (self.side < WHOLE).then(|| Window {
            x: share(self.x),
            y: share(self.y),
            width: share(self.side),
            height: share(self.side),
        })
    }

    /// Twice as large, around the same middle, as far as that goes.
    #[must_use]
    pub fn closer(self) -> Self {
        let side = (self.side / 2).max(SMALLEST);
        let inward = (self.side - side) / 2;
        Self {
            x: self.x + inward,
            y: self.y + inward,
            side,
        }
    }

    /// Half as large, around the same middle, as far as the whole allows.
    #[must_use]
    pub fn farther(self) -> Self {
        let side = self.side.saturating_mul(2).min(WHOLE);
        let outward = (side - self.side) / 2;
        let inside = |at: u8| at.saturating_sub(outward).min(WHOLE - side);
        Self {
            x: inside(self.x),
            y: inside(self.y),
            side,
        }
    }

    /// A part beside this one.
    #[must_use]
    pub fn panned(self, pan: Pan) -> Self {
        let (step, last) = (self.side / STEPS_A_PART, WHOLE - self.side);
        let more = |at: u8| (at + step).min(last);
        let less = |at: u8| at.saturating_sub(step);
        match pan {
            Pan::Left => Self {
                x: less(self.x),
                ..self
            },
            Pan::Right => Self {
                x: more(self.x),
                ..self
            },
            Pan::Up => Self {
                y: less(self.y),
                ..self
            },
            Pan::Down => Self {
                y: more(self.y),
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closer_and_farther_keep_the_middle_and_come_back_to_the_whole() {
        let zoom = Zoom::default();
        assert_eq!((zoom.part(), zoom.factor()), (None, 1));
        let twice = zoom.closer();
        let part = twice.part().unwrap();
        assert_eq!((part.x, part.width, twice.factor()), (0.25, 0.5, 2));
        assert_eq!(twice.farther(), zoom);
        let corner = twice.closer().panned(Pan::Left).panned(Pan::Up);
        assert_eq!(corner.farther().farther(), zoom);
        let closest = (0..9).fold(zoom, |zoom, _| zoom.closer());
        assert_eq!((closest.factor(), closest.closer()), (8, closest));
    }

    #[test]
    fn panning_ends_at_the_edges() {
        let zoom = Zoom::default().closer();
        for (pan, x, y) in [
            (Pan::Left, 0.0, 0.25),
            (Pan::Right, 0.5, 0.25),
            (Pan::Up, 0.25, 0.0),
            (Pan::Down, 0.25, 0.5),
        ] {
            let end = (0..9).fold(zoom, |zoom, _| zoom.panned(pan));
            let part = end.part().unwrap();
            assert_eq!((part.x, part.y), (x, y), "{pan:?}");
        }
        assert_eq!(Zoom::default().panned(Pan::Down), Zoom::default());
    }
}
