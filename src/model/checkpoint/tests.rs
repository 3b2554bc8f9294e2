use std::path::PathBuf;

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorView;

use super::*;

mod formats;
mod hostile;
mod mutated;

/// A file that tests/golden/make.py has written with `torch.save`.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn opened(path: PathBuf) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open(&ModelSource::File(path))
}

fn numbers(checkpoint: &Checkpoint, key: &str) -> Vec<f32> {
    Vec::try_from(checkpoint.read(key).unwrap().view([-1])).unwrap()
}

/// A file with these bytes, opened.
fn file_of(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    std::fs::write(&path, bytes).unwrap();
    opened(path)
}

fn refused(bytes: &[u8]) -> String {
    file_of(bytes).unwrap_err().to_string()
}

#[test]
fn weights_of_torch_save_are_read_whatever_their_type_order_and_nest() {
    let checkpoint = opened(golden("nested.pth")).unwrap();
    assert_eq!(checkpoint.name, "nested.pth");
    let name = |weight: &str| format!("state_dict.module.{weight}");
    for (weight, shape, expected) in [
        ("half", &[2, 3][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ("bfloat", &[2], vec![0.0, 1.0]),
        ("double", &[2], vec![0.0, 1.0]),
        ("turned", &[3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ("part_of_a_storage", &[4], vec![4.0, 5.0, 6.0, 7.0]),
        ("parameter", &[3], vec![7.0, 8.0, 9.0]),
    ] {
        assert_eq!(checkpoint.shape(&name(weight)), Some(shape), "{weight}");
        assert_eq!(numbers(&checkpoint, &name(weight)), expected, "{weight}");
    }
    let error = checkpoint
        .read(&name("whole_numbers"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("whole_numbers, which gradcam cannot use: it has type Int64"),
        "{error}"
    );
}

#[test]
fn the_old_format_of_torch_save_is_read_too() {
    let checkpoint = opened(golden("old_format.pth")).unwrap();
    assert_eq!(numbers(&checkpoint, "weight"), [0.0, 1.0]);
}

#[test]
fn a_pickle_is_never_executed() {
    let before = Path::new("evil-was-here").exists();
    let outcome = opened(golden("evil.pth"));
    assert_eq!(
        (before, Path::new("evil-was-here").exists()),
        (false, false)
    );
    // Refused, or read without the evil part: both are safe.
    if let Ok(checkpoint) = outcome {
        assert_eq!(checkpoint.keys().collect::<Vec<_>>(), ["weight"]);
    }
}

#[test]
fn what_is_no_state_dict_is_refused_with_what_to_do() {
    let script = opened(golden("script.pt")).unwrap_err().to_string();
    assert!(
        script.contains("is a TorchScript archive") && script.contains("save a state dict instead"),
        "{script}"
    );
    let pickled = opened(golden("whole_module.pth")).map(|checkpoint| checkpoint.keys().count());
    if let Err(error) = pickled {
        assert!(
            error.to_string().contains("torch.save(model.state_dict()"),
            "{error}"
        );
    }
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
            "git lfs pull",
        ),
        (b"\x89PNG\r\n\x1a\n0000", "it is an image"),
        (b"just some text", "is not a model"),
        (b"\x80\x02garbage", "is not a model"),
        (b"PK\x03\x04garbage", "the end of the archive is missing"),
    ] {
        let error = refused(bytes);
        assert!(
            error.contains("model.bin") && error.contains(words),
            "{error}"
        );
    }
}

/// A safetensors file of float32 weights.
fn shard(path: &Path, weights: &[(&str, Vec<f32>)]) {
    let bytes: Vec<Vec<u8>> = weights
        .iter()
        .map(|(_, values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = weights.iter().zip(&bytes).map(|((name, values), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, vec![values.len()], bytes).unwrap(),
        )
    });
    ::safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn weights_that_an_index_spreads_over_files_are_found_and_a_folder_opens_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    shard(
        &file("model-00001-of-00002.safetensors"),
        &[("a", vec![1.0, 2.0])],
    );
    shard(
        &file("model-00002-of-00002.safetensors"),
        &[("b", vec![3.0])],
    );
    let index = r#"{"metadata": {"total_size": 12}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    std::fs::write(file("model.safetensors.index.json"), index).unwrap();
    let checkpoint = opened(folder.path().to_owned()).unwrap();
    assert_eq!(numbers(&checkpoint, "a"), [1.0, 2.0]);
    assert_eq!(numbers(&checkpoint, "b"), [3.0]);

    for (index, words) in [
        (
            r#"{"weight_map": {"a": "../model.safetensors"}}"#,
            "not a file beside it",
        ),
        (
            r#"{"weight_map": {"a": "/etc/passwd"}}"#,
            "not a file beside it",
        ),
        (
            r#"{"weight_map": {"c": "model-00001-of-00002.safetensors"}}"#,
            "the weight c is not in the file",
        ),
        (
            r#"{"weight_map": {"a": "missing.safetensors"}}"#,
            "there is no such file",
        ),
        (r#"{"weight_map": {}}"#, "names no weights"),
        ("[]", "is damaged"),
    ] {
        std::fs::write(file("model.safetensors.index.json"), index).unwrap();
        let error = opened(folder.path().to_owned()).unwrap_err().to_string();
        assert!(
            error.contains(words) && !error.contains('\n'),
            "{index}: {error}"
        );
    }
}

#[test]
fn a_header_that_lies_about_its_weights_is_refused_before_anything_is_read() {
    let header = |text: &str, numbers: usize| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; numbers]);
        bytes
    };
    for (bytes, words) in [
        (
            header(
                r#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
                8,
            ),
            "is said to lie at bytes 0 to 16 of 8",
        ),
        (
            header(
                r#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}"#,
                8,
            ),
            "is damaged",
        ),
        (
            header(
                r#"{"w":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}"#,
                8,
            ),
            "is damaged",
        ),
        (
            header(
                r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
                8,
            ),
            "is damaged",
        ),
        ([&u64::MAX.to_le_bytes()[..], b"{"].concat(), "does not fit"),
        (
            [&(1_u64 << 42).to_le_bytes()[..], b"{}"].concat(),
            "does not fit",
        ),
    ] {
        let error = refused(&bytes);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let missing = opened(PathBuf::from("no/such\x1bfile.pth"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        missing,
        "cannot read the model no/such\\u{1b}file.pth: there is no such file"
    );
    let folder = opened(golden("")).unwrap_err().to_string();
    assert!(
        folder.contains("it is a folder with 5 checkpoints; name one of evil.pth"),
        "{folder}"
    );
}

fn safetensors_file(metadata: &str) -> Vec<u8> {
    let bytes: Vec<u8> = [0x3c00_u16, 0x4000]
        .iter()
        .flat_map(|half| half.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F16, vec![2], &bytes).unwrap();
    let metadata = std::collections::HashMap::from([("gradcam".to_owned(), metadata.to_owned())]);
    ::safetensors::serialize([("weight", view)], Some(metadata)).unwrap()
}

#[test]
fn a_safetensors_file_says_its_name_recipe_and_classes() {
    let card = r#"{"name":"birds","classes":["wren","robin"],"recipe":{"resize":{"squash":[64,48]},
        "crop":null,"interpolation":"bicubic","mean":[0,0,0],"std":[1,1,1],"bgr":true}}"#;
    let checkpoint = file_of(&safetensors_file(card)).unwrap();
    assert_eq!(numbers(&checkpoint, "weight"), [1.0, 2.0]);
    assert_eq!(checkpoint.name, "birds");
    assert_eq!(checkpoint.card.classes.unwrap(), ["wren", "robin"]);
    let words = "squashed to 64x48 (bicubic), mean 0,0,0 std 1,1,1, BGR";
    assert_eq!(checkpoint.card.recipe.unwrap().in_words(), words);
}

#[test]
fn a_card_that_cannot_be_read_is_an_error_and_not_ignored() {
    for card in ["{", r#"{"recipe":{"resize":"big"}}"#, r#"{"clases":[]}"#] {
        let error = refused(&safetensors_file(card));
        assert!(
            error.contains("what its metadata says under \"gradcam\" cannot be read"),
            "{error}"
        );
    }
}

#[test]
fn damaged_files_are_refused_and_never_panic() {
    let whole = safetensors_file("{}");
    let nested = std::fs::read(golden("nested.pth")).unwrap();
    for length in (1..whole.len()).step_by(7) {
        assert!(
            file_of(&whole[..length]).is_err(),
            "{length} of {} bytes",
            whole.len()
        );
    }
    for length in (1..nested.len()).step_by(61) {
        assert!(
            file_of(&nested[..length]).is_err(),
            "{length} of {} bytes",
            nested.len()
        );
    }
    // A header of 2^60 bytes must not be allocated.
    let huge = [&(1_u64 << 60).to_le_bytes()[..], b"{\"a\":{}}"].concat();
    assert!(file_of(&huge).is_err());
    // Every byte of the pickle turned over once: an error or a checkpoint, no panic, no hang.
    for place in (0..nested.len()).step_by(5) {
        let mut damaged = nested.clone();
        damaged[place] ^= 0xff;
        if let Ok(checkpoint) = file_of(&damaged) {
            for key in checkpoint.keys() {
                // Only that it returns counts here.
                let _read = checkpoint.read(key);
            }
        }
    }
}

#[test]
fn the_bundled_model_knows_its_recipe_and_its_classes() {
    let checkpoint = Checkpoint::open(&ModelSource::Demo).unwrap();
    assert_eq!(checkpoint.card.classes.as_ref().map(Vec::len), Some(12));
    assert!(checkpoint.card.recipe.is_some());
    assert_eq!(checkpoint.name, "bundled demo model");
}
