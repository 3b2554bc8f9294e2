use super::super::parity::{asked, network, values};
use super::*;
use crate::explain::methods::Unwatched;
use crate::explain::target::Score;
use crate::model::ClassIndex;

#[test]
fn every_row_of_the_rollout_adds_to_one() {
    for name in ["vit", "gap vit"] {
        let (model, class) = network(name);
        asked(&model, None, Score::logit(class), |case| {
            let attention = Attention::of(case, "", false).unwrap();
            let sums = rollout(&attention)
                .unwrap()
                .sum_dim_intlist(-1, false, None);
            let off = (sums - 1.0).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{name}: {off}");
        });
    }
}

#[test]
fn the_rollout_does_not_depend_on_the_class() {
    let (model, _) = network("vit");
    let maps = [0, 3].map(|class| {
        asked(&model, None, Score::logit(ClassIndex(class)), |case| {
            values(evidence(case, &mut Unwatched).unwrap())
        })
    });
    assert_eq!(maps[0], maps[1]);
}
