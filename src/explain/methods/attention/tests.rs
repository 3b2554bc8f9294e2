use tch::Device;

use super::super::parity::{asked, network};
use super::*;
use crate::explain::target::Score;
use crate::model::graph::Builder;
use crate::model::tests::literal;
use crate::model::{ClassIndex, Model};

fn random(seed: i64, shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let numbers = Tensor::arange(count, (Kind::Double, Device::Cpu)) + (seed * 1000) as f64;
    ((numbers * 12.9898).sin() * 43.758)
        .frac()
        .to_kind(Kind::Float)
        .view(shape)
}

/// Two blocks of attention with two heads among the 64 patches of a 64x64 image, without any token
/// before them; the head averages them. Attention in one operation, or spelled out.
#[expect(clippy::too_many_lines, reason = "a network, operation by operation")]
fn transformer(spelled: bool) -> Model {
    let mut builder = Builder::default();
    let input = builder.input();
    // Small, so that tokens attend to many others: where the softmax is nearly one token, gradients are
    // what is left of large numbers, and rounding shows.
    let patch = Operand::Value(builder.constant(random(1, &[8, 3, 8, 8]) * 0.1));
    let mut constant = |seed, shape: &[i64]| Operand::Value(builder.constant(random(seed, shape)));
    let mask = constant(2, &[64, 64]);
    let blocks: Vec<[Operand; 3]> = (0..2)
        .map(|block| [3, 4, 5].map(|part| constant(10 * block + part, &[8, 8])))
        .collect();
    let head = constant(6, &[5, 8]);
    let mut call = |name: &str, operands: &[(&str, Operand)]| builder.call(name, operands).unwrap();
    let operand = Operand::Value;
    let patches = call(
        "conv2d",
        &[
            ("input", operand(input)),
            ("weight", patch),
            ("stride", [8, 8].into()),
        ],
    );
    let flat = call(
        "flatten.using_ints",
        &[("self", operand(patches)), ("start_dim", 2.into())],
    );
    let swap = |a: i64, b: i64| [("dim0", a.into()), ("dim1", b.into())];
    let mut x = call(
        "transpose.int",
        &[&[("self", operand(flat))][..], &swap(1, 2)].concat(),
    );
    for weights in blocks {
        let [query, key, value] = weights.map(|weight| {
            let made = call("linear", &[("input", operand(x)), ("weight", weight)]);
            let split = call(
                "reshape",
                &[("self", operand(made)), ("shape", [1, 64, 2, 4].into())],
            );
            call(
                "transpose.int",
                &[&[("self", operand(split))][..], &swap(1, 2)].concat(),
            )
        });
        let mixed = if spelled {
            let turned = call(
                "transpose.int",
                &[&[("self", operand(key))][..], &swap(2, 3)].concat(),
            );
            let products = call(
                "matmul",
                &[("self", operand(query)), ("other", operand(turned))],
            );
            let scaled = call(
                "mul.Tensor",
                &[("self", operand(products)), ("other", 0.5.into())],
            );
            let masked = call(
                "add.Tensor",
                &[("self", operand(scaled)), ("other", mask.clone())],
            );
            let weights = call(
                "softmax.int",
                &[("self", operand(masked)), ("dim", (-1).into())],
            );
            let kept = call(
                "dropout",
                &[
                    ("input", operand(weights)),
                    ("p", 0.0.into()),
                    ("train", false.into()),
                ],
            );
            call(
                "matmul",
                &[("self", operand(kept)), ("other", operand(value))],
            )
        } else {
            call(
                "scaled_dot_product_attention",
                &[
                    ("query", operand(query)),
                    ("key", operand(key)),
                    ("value", operand(value)),
                    ("attn_mask", mask.clone()),
                ],
            )
        };
        let together = call(
            "transpose.int",
            &[&[("self", operand(mixed))][..], &swap(1, 2)].concat(),
        );
        let made = call(
            "reshape",
            &[("self", operand(together)), ("shape", [1, 64, 8].into())],
        );
        x = call(
            "add.Tensor",
            &[("self", operand(x)), ("other", operand(made))],
        );
    }
    let mean = call("mean.dim", &[("self", operand(x)), ("dim", [1].into())]);
    let logits = call("linear", &[("input", operand(mean)), ("weight", head)]);
    builder.layer("patches", patches, None);
    literal(builder.finish(logits), "patches", (64, 64))
}

fn attention(model: &Model, with_gradients: bool) -> Result<Attention, ExplainError> {
    asked(model, None, Score::logit(ClassIndex(1)), |case| {
        Attention::of(case, "Attention rollout", with_gradients)
    })
}

/// In parts of the largest size.
fn close(a: &Tensor, b: &Tensor) -> bool {
    let peak = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let apart = if a.size() == b.size() {
        peak(&(a - b)) / peak(b)
    } else {
        f64::INFINITY
    };
    println!("apart by {apart:.2e} of the peak");
    apart < 1e-5
}

#[test]
fn attention_in_one_operation_is_that_which_is_spelled_out() {
    let [whole, spelled] =
        [false, true].map(|spelled| attention(&transformer(spelled), true).unwrap());
    assert_eq!(
        (whole.probabilities.len(), spelled.probabilities.len()),
        (2, 2)
    );
    for (a, b) in whole.probabilities.iter().zip(&spelled.probabilities) {
        assert_eq!(a.size(), [2, 64, 64]);
        assert!(close(a, b));
    }
    for (a, b) in whole.gradients.iter().zip(&spelled.gradients) {
        assert!(a.abs().max().double_value(&[]) > 1e-5);
        assert!(close(a, b));
    }
    for found in [whole, spelled] {
        assert_eq!(
            found.tokens,
            Tokens {
                prefix: 0,
                height: 8,
                width: 8
            }
        );
        assert_eq!(found.read, (0..64).collect::<Vec<i64>>());
    }
}

#[test]
fn what_a_token_reads_adds_to_one() {
    for (name, heads, blocks, tokens) in [("vit", 3, 3, 17), ("gap vit", 3, 2, 16)] {
        let (model, _) = network(name);
        let found = attention(&model, false).unwrap();
        assert_eq!(found.probabilities.len(), blocks, "{name}");
        for probabilities in found.probabilities {
            assert_eq!(probabilities.size(), [heads, tokens, tokens], "{name}");
            let sums = probabilities.sum_dim_intlist(-1, false, None);
            assert!(close(&sums, &sums.ones_like()), "{name}");
        }
    }
}

#[test]
fn the_head_reads_the_class_token_or_all_patches_and_the_grid_leaves_the_others_out() {
    let (model, _) = network("vit");
    let found = attention(&model, false).unwrap();
    assert_eq!(found.read, [0]);
    assert_eq!(
        found.tokens,
        Tokens {
            prefix: 1,
            height: 4,
            width: 4
        }
    );
    let relations = Tensor::arange(17 * 17, (Kind::Float, Device::Cpu)).view([17, 17]);
    let map = found.map(&relations).unwrap();
    assert_eq!((map.width, map.height), (4, 4));
    assert_eq!(map.values[..5], [1.0, 2.0, 3.0, 4.0, 5.0]);

    let (model, _) = network("gap vit");
    let found = attention(&model, false).unwrap();
    assert_eq!(found.read, (0..16).collect::<Vec<i64>>());
    let relations = Tensor::arange(256, (Kind::Float, Device::Cpu)).view([16, 16]);
    // The mean of 0, 16, …, 240.
    assert_eq!(found.map(&relations).unwrap().values[..2], [120.0, 121.0]);
}

#[test]
fn windows_and_networks_without_attention_are_refused_in_words() {
    for (name, words) in [
        ("swin", "its attention stays inside of windows"),
        ("resnet", "it has no attention; it is no transformer"),
    ] {
        let (model, _) = network(name);
        for with_gradients in [false, true] {
            let error = attention(&model, with_gradients).unwrap_err();
            assert!(matches!(error, ExplainError::Unfit { .. }), "{name}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
    }
}
