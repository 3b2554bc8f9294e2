use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::*;
use crate::model::checkpoint::ModelSource;
use crate::model::recipe::Recipe;

/// A layer's weights by name, with their shape.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

fn conv(shapes: &mut Shapes, name: &str, shape: [usize; 4]) {
    shapes.insert(format!("{name}.weight"), shape.to_vec());
}

fn batch_norm(shapes: &mut Shapes, name: &str, channels: usize) {
    for part in ["weight", "bias", "running_mean", "running_var"] {
        shapes.insert(format!("{name}.{part}"), vec![channels]);
    }
}

/// torchvision's `ResNet(BasicBlock, blocks, num_classes=classes)`.
pub(crate) fn basic(blocks: [usize; 4], classes: usize) -> Shapes {
    let mut shapes = stem();
    let mut c_in = 64;
    for (stage, (count, width)) in (1..).zip(blocks.into_iter().zip([64, 128, 256, 512])) {
        for block in 0..count {
            let name = format!("layer{stage}.{block}");
            conv(&mut shapes, &format!("{name}.conv1"), [width, c_in, 3, 3]);
            conv(&mut shapes, &format!("{name}.conv2"), [width, width, 3, 3]);
            batch_norm(&mut shapes, &format!("{name}.bn1"), width);
            batch_norm(&mut shapes, &format!("{name}.bn2"), width);
            shortcut(&mut shapes, &name, c_in, width);
            c_in = width;
        }
    }
    head(shapes, c_in, classes)
}

/// torchvision's `ResNet(Bottleneck, blocks, groups=groups, width_per_group=per_group)`.
pub(crate) fn bottleneck(
    blocks: [usize; 4],
    groups: usize,
    per_group: usize,
    classes: usize,
) -> Shapes {
    let mut shapes = stem();
    let mut c_in = 64;
    for (stage, (count, planes)) in (1..).zip(blocks.into_iter().zip([64, 128, 256, 512])) {
        let (c_out, width) = (planes * 4, planes * per_group / 64 * groups);
        for block in 0..count {
            let name = format!("layer{stage}.{block}");
            conv(&mut shapes, &format!("{name}.conv1"), [width, c_in, 1, 1]);
            conv(
                &mut shapes,
                &format!("{name}.conv2"),
                [width, width / groups, 3, 3],
            );
            conv(&mut shapes, &format!("{name}.conv3"), [c_out, width, 1, 1]);
            for (part, channels) in [("bn1", width), ("bn2", width), ("bn3", c_out)] {
                batch_norm(&mut shapes, &format!("{name}.{part}"), channels);
            }
            shortcut(&mut shapes, &name, c_in, c_out);
            c_in = c_out;
        }
    }
    head(shapes, c_in, classes)
}

fn stem() -> Shapes {
    let mut shapes = Shapes::new();
    conv(&mut shapes, "conv1", [64, 3, 7, 7]);
    batch_norm(&mut shapes, "bn1", 64);
    shapes
}

fn shortcut(shapes: &mut Shapes, block: &str, c_in: usize, c_out: usize) {
    if c_in != c_out {
        conv(
            shapes,
            &format!("{block}.downsample.0"),
            [c_out, c_in, 1, 1],
        );
        batch_norm(shapes, &format!("{block}.downsample.1"), c_out);
    }
}

fn head(mut shapes: Shapes, c_in: usize, classes: usize) -> Shapes {
    shapes.insert("fc.weight".to_owned(), vec![classes, c_in]);
    shapes.insert("fc.bias".to_owned(), vec![classes]);
    shapes
}

/// The twin of `weight` in tests/golden/make.py.
fn weight(index: u64, key_number: u64) -> f64 {
    let mixed = index * 7919 + key_number * 104_729 + index * index % 10_007 * 31;
    (mixed % 1000) as f64 / 1000.0 - 0.5
}

/// The twin of `fill` in tests/golden/make.py.
#[expect(clippy::cast_possible_truncation, reason = "weights are float32")]
pub(crate) fn filled(key: &str, number: u64, shape: &[usize]) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |index| {
        let value = weight(index, number);
        if shape.len() > 1 {
            value * (24_f64.sqrt() / (fan_in as f64).sqrt())
        } else if key.ends_with("running_var") {
            1.0 + value.abs()
        } else if key.ends_with("weight") {
            1.0 + 0.4 * value
        } else {
            0.4 * value
        }
    };
    (0..count as u64)
        .flat_map(|index| (value(index) as f32).to_le_bytes())
        .collect()
}

/// Writes the weights to a file, as a user's are.
pub(crate) fn saved(shapes: &Shapes, folder: &Path) -> PathBuf {
    written(shapes, folder, filled)
}

fn written(
    shapes: &Shapes,
    folder: &Path,
    fill: impl Fn(&str, u64, &[usize]) -> Vec<u8>,
) -> PathBuf {
    let numbers: Vec<(&String, &Vec<usize>, Vec<u8>)> = (0..)
        .zip(shapes)
        .map(|(number, (key, shape))| (key, shape, fill(key, number, shape)))
        .collect();
    let views = numbers.iter().map(|(key, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes);
        (key.as_str(), view.unwrap())
    });
    let path = folder.join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    path
}

/// A CIFAR network of one block a stage, narrow.
fn small_images(head: &str, classes: usize) -> Shapes {
    let mut shapes = Shapes::new();
    conv(&mut shapes, "conv1", [4, 3, 3, 3]);
    batch_norm(&mut shapes, "bn1", 4);
    let mut c_in = 4;
    for (stage, width) in [(1, 4), (2, 8), (3, 16)] {
        let name = format!("layer{stage}.0");
        conv(&mut shapes, &format!("{name}.conv1"), [width, c_in, 3, 3]);
        conv(&mut shapes, &format!("{name}.conv2"), [width, width, 3, 3]);
        batch_norm(&mut shapes, &format!("{name}.bn1"), width);
        batch_norm(&mut shapes, &format!("{name}.bn2"), width);
        shortcut(&mut shapes, &name, c_in, width);
        c_in = width;
    }
    shapes.insert(format!("{head}.weight"), vec![classes, c_in]);
    shapes.insert(format!("{head}.bias"), vec![classes]);
    shapes
}

fn built(shapes: &Shapes) -> Result<Network, FamilyError> {
    let folder = tempfile::tempdir().unwrap();
    // Only names and shapes count here.
    let zeros = |_: &str, _, shape: &[usize]| vec![0; shape.iter().product::<usize>() * 4];
    let path = written(shapes, folder.path(), zeros);
    build(&Checkpoint::open(&ModelSource::File(path)).unwrap(), None)
}

fn renamed(shapes: Shapes, name: impl Fn(&str) -> String) -> Shapes {
    shapes
        .into_iter()
        .map(|(key, shape)| (name(&key), shape))
        .collect()
}

#[test]
fn families_are_recognised_by_shapes_with_any_number_of_classes() {
    for (shapes, family, classes, side) in [
        (basic([2, 2, 2, 2], 1000), "ResNet-18", 1000, 224),
        (basic([3, 4, 6, 3], 2), "ResNet-34", 2, 224),
        (
            bottleneck([1, 1, 1, 1], 1, 64, 7),
            "ResNet (Bottleneck 1-1-1-1)",
            7,
            224,
        ),
        (bottleneck([3, 4, 6, 3], 1, 64, 9), "ResNet-50", 9, 224),
        (
            bottleneck([3, 4, 6, 3], 32, 4, 9),
            "ResNeXt-50 32x4d",
            9,
            224,
        ),
        (small_images("fc", 10), "ResNet (BasicBlock 1-1-1)", 10, 32),
        (
            small_images("linear", 100),
            "ResNet (BasicBlock 1-1-1)",
            100,
            32,
        ),
    ] {
        let network = built(&shapes).unwrap();
        assert_eq!(
            (network.family.as_str(), network.classes, network.recipe),
            (family, classes, Recipe::convention(side))
        );
    }
}

#[test]
fn prefixes_of_nests_wrappers_and_compilers_are_looked_through() {
    for prefix in [
        "module.",
        "model.",
        "_orig_mod.",
        "state_dict.module.",
        "model_state_dict._orig_mod.module.",
        "net.",
    ] {
        let network = built(&renamed(small_images("fc", 3), |key| {
            format!("{prefix}{key}")
        }))
        .unwrap();
        assert_eq!(network.classes, 3, "{prefix}");
    }
}

#[test]
fn of_a_model_and_its_moving_average_the_model_is_taken() {
    let mut shapes = renamed(small_images("fc", 3), |key| format!("model.{key}"));
    shapes.extend(renamed(small_images("fc", 5), |key| format!("ema.{key}")));
    assert_eq!(built(&shapes).unwrap().classes, 3);
}

#[test]
fn keys_beside_the_network_do_not_disturb_it() {
    let mut shapes = small_images("fc", 3);
    shapes.insert("optimizer.state.0.exp_avg".to_owned(), vec![4, 3, 3, 3]);
    shapes.insert("bn1.num_batches_tracked".to_owned(), vec![1]);
    assert_eq!(built(&shapes).unwrap().classes, 3);
}

#[test]
fn what_does_not_fit_is_named_key_by_key_with_what_to_try() {
    let mut missing = small_images("fc", 3);
    missing.remove("layer2.0.bn1.running_var");
    let mut reshaped = small_images("fc", 3);
    reshaped.insert("layer3.0.conv2.weight".to_owned(), vec![16, 16, 1, 1]);
    let mut unexpected = small_images("fc", 3);
    unexpected.insert("layer1.0.eca.conv.weight".to_owned(), vec![4, 4]);
    for (shapes, words, advice) in [
        (
            missing,
            "1 key is missing: layer2.0.bn1.running_var",
            "torch.save(model.state_dict()",
        ),
        (
            reshaped,
            "1 key is of another shape: layer3.0.conv2.weight (has [16, 16, 1, 1], needs [any, 16, 3, 3])",
            "check that it is this family",
        ),
        (
            unexpected,
            "1 key is unexpected: layer1.0.eca.conv.weight",
            "parts that this family does not have",
        ),
    ] {
        let error = built(&shapes).unwrap_err().to_string();
        assert!(
            error.contains("looks like ResNet (BasicBlock 1-1-1), but"),
            "{error}"
        );
        assert!(error.contains(words) && error.contains(advice), "{error}");
    }
}

#[test]
fn a_network_of_no_known_family_is_told_by_its_first_keys_and_sent_to_torch_export() {
    let shapes = Shapes::from([
        ("encoder.weight".to_owned(), vec![64]),
        ("classifier.weight".to_owned(), vec![2, 64]),
    ]);
    let error = built(&shapes).unwrap_err().to_string();
    assert!(
        error
            .contains("none of its 2 weights is that of a convolution, as networks of images have"),
        "{error}"
    );
    assert!(
        error.contains("its first keys are classifier.weight, encoder.weight"),
        "{error}"
    );
    assert!(error.contains("torch.export"), "{error}");
}
