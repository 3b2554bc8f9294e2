use super::super::parity::{asked, network, values};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Score;
use crate::model::ClassIndex;

#[test]
fn classes_and_what_speaks_against_them_have_maps_of_their_own_without_negative_values() {
    let (model, _) = network("vit");
    let map = |class: usize, negated: bool| {
        let score = Score {
            negated,
            ..Score::logit(ClassIndex(class))
        };
        asked(&model, None, score, |case| {
            values(evidence(case, &mut Unwatched).unwrap())
        })
    };
    let maps = [map(0, false), map(3, false), map(0, true)];
    for (first, second) in [(0, 1), (0, 2)] {
        assert_ne!(maps[first], maps[second]);
    }
    for map in maps {
        assert!(map.iter().all(|value| *value >= 0.0) && map.iter().any(|value| *value > 0.0));
    }
}
