//! Blob: a score as bytes, and back, exactly.
//!
//! ```text
//! 0       version of this layout, 1
//! 1       how many of the best classes follow
//! 2       what is there: 1 truth, 2 map, 4 map of the true class, 8 agreement
//! 3       of the maps: 1 entropy, 2 center, 4 mass; the same times 16 of that of the true class
//! 4..12   logarithm of the sum, entropy
//! then    for each of the best: class, logit
//!         truth: class, logit, rank
//!         map: peak, entropy, center x, center y, mass; those that are there
//!         map of the true class: the same
//!         agreement
//! ```
//!
//! Numbers are `u32` or `f32`, four bytes each, the lowest first. 72 bytes for an image without a true
//! class, 104 with one.

use crate::dataset::score::{Answer, MapFigures, Score, TrueClass};

const LAYOUT: u8 = 1;
const HEAD: usize = 4;

const TRUTH: u8 = 1;
const MAP: u8 = 2;
const TRUE_MAP: u8 = 4;
const AGREEMENT: u8 = 8;

const ENTROPY: u8 = 1;
const CENTER: u8 = 2;
const MASS: u8 = 4;

/// What a byte of flags has for something that may be there.
fn flag<T>(part: Option<&T>, flag: u8) -> u8 {
    if part.is_some() { flag } else { 0 }
}

fn flags_of_map(map: Option<&MapFigures>) -> u8 {
    map.map_or(0, |map| {
        flag(map.entropy.as_ref(), ENTROPY)
            | flag(map.center.as_ref(), CENTER)
            | flag(map.mass.as_ref(), MASS)
    })
}

/// The bytes of a score.
pub(super) fn from_score(score: &Score) -> Vec<u8> {
    let flags = flag(score.truth.as_ref(), TRUTH)
        | flag(score.map.as_ref(), MAP)
        | flag(score.true_map.as_ref(), TRUE_MAP)
        | flag(score.agreement.as_ref(), AGREEMENT);
    let of_maps = flags_of_map(score.map.as_ref()) | (flags_of_map(score.true_map.as_ref()) << 4);
    let mut bytes = vec![LAYOUT, 0, flags, of_maps];
    let mut put = |value: u32| bytes.extend(value.to_le_bytes());
    put(score.log_sum.to_bits());
    put(score.entropy.to_bits());
    let mut best = 0;
    for Answer { class, logit } in score.top() {
        put(class);
        put(logit.to_bits());
        best += 1;
    }
    if let Some(truth) = score.truth {
        put(truth.class);
        put(truth.logit.to_bits());
        put(truth.rank);
    }
    for map in [score.map, score.true_map].into_iter().flatten() {
        put(map.peak.to_bits());
        let rest = map
            .entropy
            .into_iter()
            .chain(map.center.into_iter().flatten())
            .chain(map.mass);
        rest.for_each(|value| put(value.to_bits()));
    }
    if let Some(agreement) = score.agreement {
        put(agreement.to_bits());
    }
    bytes[1] = best;
    bytes
}

/// The score of these bytes; nothing where they are of another layout, cut off or too long.
pub(super) fn to_score(bytes: &[u8]) -> Option<Score> {
    let (&[LAYOUT, best, flags, of_maps], numbers) = bytes.split_first_chunk::<HEAD>()? else {
        return None;
    };
    let mut numbers = Numbers(numbers);
    let (log_sum, entropy) = (numbers.float()?, numbers.float()?);
    let top: Option<Vec<Answer>> = (0..best)
        .map(|_| {
            Some(Answer {
                class: numbers.next()?,
                logit: numbers.float()?,
            })
        })
        .collect();
    let mut score = Score::new(&top?, log_sum, entropy);
    if flags & TRUTH != 0 {
        score.truth = Some(TrueClass {
            class: numbers.next()?,
            logit: numbers.float()?,
            rank: numbers.next()?,
        });
    }
    if flags & MAP != 0 {
        score.map = Some(numbers.map(of_maps)?);
    }
    if flags & TRUE_MAP != 0 {
        score.true_map = Some(numbers.map(of_maps >> 4)?);
    }
    if flags & AGREEMENT != 0 {
        score.agreement = Some(numbers.float()?);
    }
    numbers.0.is_empty().then_some(score)
}

/// What is left to read.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    fn float(&mut self) -> Option<f32> {
        self.next().map(f32::from_bits)
    }

    fn map(&mut self, flags: u8) -> Option<MapFigures> {
        let peak = self.float()?;
        let mut figures = MapFigures {
            peak,
            entropy: None,
            center: None,
            mass: None,
        };
        if flags & ENTROPY != 0 {
            figures.entropy = Some(self.float()?);
        }
        if flags & CENTER != 0 {
            figures.center = Some([self.float()?, self.float()?]);
        }
        if flags & MASS != 0 {
            figures.mass = Some(self.float()?);
        }
        Some(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    /// Any bits but those of NaN, which is not equal to itself.
    fn float(random: &mut Random) -> f32 {
        loop {
            let bits = u32::try_from(random.below(1 << 32)).unwrap();
            let value = f32::from_bits(bits);
            if !value.is_nan() {
                return value;
            }
        }
    }

    fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
        (random.below(2) == 0).then(|| make(random))
    }

    fn map(random: &mut Random) -> MapFigures {
        MapFigures {
            peak: float(random),
            entropy: maybe(random, float),
            center: maybe(random, |random| [float(random), float(random)]),
            mass: maybe(random, float),
        }
    }

    fn number(random: &mut Random) -> u32 {
        u32::try_from(random.below(1 << 32)).unwrap()
    }

    fn any_score(random: &mut Random) -> Score {
        let top: Vec<Answer> = (0..random.below(6))
            .map(|_| Answer {
                class: number(random),
                logit: float(random),
            })
            .collect();
        let mut score = Score::new(&top, float(random), float(random));
        score.truth = maybe(random, |random| TrueClass {
            class: number(random),
            logit: float(random),
            rank: number(random),
        });
        score.map = maybe(random, map);
        score.true_map = maybe(random, map);
        score.agreement = maybe(random, float);
        score
    }

    #[test]
    fn any_score_comes_back_exactly_and_no_other_length_is_taken() {
        let mut random = Random(11);
        for _ in 0..5000 {
            let score = any_score(&mut random);
            let mut bytes = from_score(&score);
            assert!(bytes.len() <= 108, "{}", bytes.len());
            assert_eq!(to_score(&bytes), Some(score));
            let whole = bytes.len();
            assert_eq!(to_score(&bytes[..random.below(whole)]), None);
            bytes.push(0);
            assert_eq!(to_score(&bytes), None);
        }
    }

    #[test]
    fn the_layout_is_the_one_that_is_written_down() {
        let top = [Answer {
            class: 258,
            logit: 1.0,
        }];
        let mut score = Score::new(&top, 4.0, 0.0);
        score.map = Some(MapFigures {
            peak: 2.0,
            entropy: None,
            center: Some([0.5, 0.25]),
            mass: None,
        });
        let wanted: Vec<u8> = [
            [1, 1, 2, 2],
            4.0_f32.to_le_bytes(),
            0.0_f32.to_le_bytes(),
            [2, 1, 0, 0],
            1.0_f32.to_le_bytes(),
            2.0_f32.to_le_bytes(),
            0.5_f32.to_le_bytes(),
            0.25_f32.to_le_bytes(),
        ]
        .concat();
        assert_eq!(from_score(&score), wanted);
    }

    #[test]
    fn a_later_layout_is_not_guessed_at() {
        let mut bytes = from_score(&any_score(&mut Random(3)));
        bytes[0] = 2;
        assert_eq!(to_score(&bytes), None);
        assert_eq!(to_score(&[]), None);
    }
}
