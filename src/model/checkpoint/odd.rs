//! Checkpoints as people have them: `tests/golden/checkpoints.py` writes them, and here stands what
//! becomes of each.

use std::path::PathBuf;

use super::*;

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints");
    folder.join(name)
}

fn opened(path: PathBuf) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open(&ModelSource::File(path))
}

fn numbers(checkpoint: &Checkpoint, key: &str) -> Vec<f32> {
    Vec::try_from(checkpoint.read(key).unwrap().contiguous().view([-1])).unwrap()
}

/// Files with the weights of the one network, and what stands before the names there.
const READ: [(&str, &str); 31] = [
    ("plain.pth", ""),
    ("ordered.pth", ""),
    ("a_name_of_21_letters_.pth", ""),
    ("old.pth", ""),
    ("protocol4.pth", ""),
    ("protocol5.pth", ""),
    ("nest_state_dict.pth", "state_dict."),
    ("nest_model.pth", "model."),
    ("nest_model_state_dict.pth", "model_state_dict."),
    ("nest_net.pth", "net."),
    ("nest_ema.pth", "ema."),
    ("nest_model_ema.pth", "model_ema."),
    ("nest_state_dict_ema.pth", "state_dict_ema."),
    ("old_nest.pth", "state_dict."),
    ("training.pth", "model."),
    ("lightning.ckpt", "state_dict.model."),
    ("class_to_idx.pth", "state_dict."),
    ("whole_module.pth", "fc."),
    ("old_whole_module.pth", "fc."),
    ("tied.pth", ""),
    ("old_tied.pth", ""),
    ("turned.pth", ""),
    ("float16.pth", ""),
    ("bfloat16.pth", ""),
    ("float64.pth", ""),
    ("parameters.pth", ""),
    ("tch.ot", "fc."),
    ("deflated.pth", ""),
    ("under_no_folder.pth", ""),
    ("whole.safetensors", ""),
    ("half.safetensors", ""),
];

#[test]
fn weights_are_read_from_every_container_nest_and_type() {
    for (name, prefix) in READ {
        let checkpoint = opened(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (weight, bias) = (format!("{prefix}weight"), format!("{prefix}bias"));
        assert_eq!(checkpoint.shape(&weight), Some(&[2, 3][..]), "{name}");
        assert_eq!(
            numbers(&checkpoint, &weight),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "{name}"
        );
        assert_eq!(numbers(&checkpoint, &bias), [6.0, 7.0], "{name}");
        assert_eq!(checkpoint.read(&weight).unwrap().kind(), Kind::Float);
    }
}

#[test]
fn names_of_classes_beside_the_weights_are_taken() {
    for name in ["training.pth", "class_to_idx.pth"] {
        let classes = opened(path(name)).unwrap().card.classes.unwrap();
        assert_eq!(classes, ["cat", "dog"], "{name}");
    }
    assert_eq!(opened(path("ordered.pth")).unwrap().card.classes, None);
}

/// One weight that cannot be used leaves the others readable.
#[test]
fn weights_that_are_no_plain_numbers_are_named_with_what_to_do() {
    for (name, words) in [
        (
            "quantized.pth",
            "weight, which gradcam cannot use: it is quantised; save the weights as plain float32",
        ),
        (
            "sparse.pth",
            "weight, which gradcam cannot use: it is sparse; save the weights as plain float32",
        ),
        (
            "meta.pth",
            "weight, which gradcam cannot use: it has no numbers of its own",
        ),
        (
            "complex.pth",
            "weight, which gradcam cannot use: it has type ComplexFloat",
        ),
        (
            "float8.pth",
            "weight, which gradcam cannot use: it has type float8_e4m3fn",
        ),
        (
            "integers.pth",
            "weight, which gradcam cannot use: it has type Int64",
        ),
    ] {
        let checkpoint = opened(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(numbers(&checkpoint, "bias"), [6.0, 7.0], "{name}");
        let error = checkpoint.read("weight").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}

#[test]
fn what_has_no_weights_says_what_it_has() {
    for (name, words) in [
        ("list.pth", "it holds a list without weights"),
        ("single.pth", "it holds a single tensor without weights"),
        ("empty.pth", "it holds a dictionary without weights"),
        ("words.pth", "it holds a dictionary without weights"),
    ] {
        let error = opened(path(name)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("torch.save(model.state_dict()"), "{error}");
    }
}

/// A pickle of the old container around this program.
fn old(program: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x02");
    bytes.extend(program);
    bytes
}

/// `{"w": _rebuild_tensor_v2(storage "0" of `count` numbers, offset, sizes, strides)}`.
fn tensor(count: &[u8], offset: &[u8], sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let name = b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0";
    let parts: [&[u8]; 10] = [
        name,
        b"0X\x03\x00\x00\x00cpu",
        count,
        b"NtQ",
        offset,
        sizes,
        strides,
        b"\x89}tR",
        b"s.",
        b"\x80\x02]X\x01\x00\x00\x000a.",
    ];
    let mut bytes = parts.concat();
    // One storage of two numbers follows.
    bytes.extend(2_u64.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// Files that lie: each gives one sentence in no time and with no memory.
#[test]
fn hostile_files_are_told_in_one_sentence() {
    let deep: Vec<u8> = [b"}".repeat(5000), b".\x80\x02].".to_vec()].concat();
    let nested = {
        // {"a": {"a": …}}
        let mut bytes = b"}X\x01\0\0\0a".repeat(3000);
        bytes.extend(b"}");
        bytes.extend(b"s".repeat(3000));
        bytes.extend(b".\x80\x02].");
        bytes
    };
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an os.system call", old(b"cos\nsystem\nX\x02\0\0\0ls\x85R.\x80\x02]."), "without weights"),
        ("too many numbers", old(&tensor(b"K\x02", b"K\x00", b"K\x03\x85", b"K\x01\x85")), "needs 3 numbers"),
        ("a storage longer than the file", old(&tensor(b"J\xff\xff\xff\x7f", b"K\x00", b"K\x02\x85", b"K\x01\x85")), "is said to have 8589934588 bytes and has 8"),
        ("an offset below zero", old(&tensor(b"K\x02", b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85")), "sizes make no sense"),
        ("a stride below zero", old(&tensor(b"K\x02", b"K\x00", b"K\x02\x85", b"J\xff\xff\xff\xff\x85")), "sizes make no sense"),
        ("a size below zero", old(&tensor(b"K\x02", b"K\x00", b"J\xff\xff\xff\xff\x85", b"K\x01\x85")), "size below 0"),
        ("a shape beyond all numbers", old(&tensor(b"K\x02", b"K\x00", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x86", b"K\x00K\x00\x86")), "sizes make no sense"),
        ("one number repeated to terabytes", old(&tensor(b"K\x02", b"K\x00", b"J\x00\x00\x10\x00J\x00\x00\x10\x00\x86", b"K\x00K\x00\x86")), "sizes make no sense"),
        ("more sizes than strides", old(&tensor(b"K\x02", b"K\x00", b"K\x01K\x02\x86", b"K\x01\x85")), "sizes make no sense"),
        ("nothing but dictionaries", old(&deep), "without weights"),
        ("dictionaries in dictionaries", old(&nested), "nested deeper than any checkpoint"),
        ("text of 4 GB announced", old(b"X\xff\xff\xff\xffabc"), "ends too early"),
        ("bytes of 16 EB announced", old(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc"), "ends too early"),
        ("a stack that is empty", old(b"R"), "takes more from the stack"),
        ("a mark that is missing", old(b"t"), "takes more from the stack"),
        ("a note that is missing", old(b"h\x07."), "recalls what it has not noted"),
        ("an unknown operation", old(b"\xff"), "the operation 0xff"),
        ("nothing after the magic number", old(b""), "ends too early"),
        ("a storage that is cut off", {
            let mut bytes = old(&tensor(b"K\x02", b"K\x00", b"K\x02\x85", b"K\x01\x85"));
            bytes.truncate(bytes.len() - 1);
            bytes
        }, "ends after its"),
        ("a pickle of something else", b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.".to_vec(), "torch.save has not written"),
        ("a header of 2^60 bytes", [&(1_u64 << 60).to_le_bytes()[..], b"{}"].concat(), "does not fit into its 10 bytes"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (what, bytes, words) in files {
        let path = folder.path().join("hostile.pth");
        std::fs::write(&path, bytes).unwrap();
        let outcome = opened(path).and_then(|checkpoint| {
            let read = checkpoint
                .keys()
                .map(|key| checkpoint.read(key).map(|_| ()));
            read.collect::<Result<Vec<()>, _>>()
        });
        let error = outcome.expect_err(what).to_string();
        assert!(
            error.contains(words) && error.contains("hostile.pth") && !error.contains('\n'),
            "{what}: {error}"
        );
    }
}

/// Whatever changes, opening and reading end with weights or with one line.
#[test]
fn no_change_of_a_byte_and_no_cut_makes_a_reader_panic() {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.pth");
    let mut refused = 0;
    for name in [
        "training.pth",
        "old_tied.pth",
        "protocol4.pth",
        "deflated.pth",
        "tch.ot",
        "half.safetensors",
    ] {
        let whole = std::fs::read(path(name)).unwrap();
        for round in 0..300 {
            let mut bytes = whole.clone();
            if round % 5 == 0 {
                bytes.truncate(random(whole.len()));
            } else {
                for _ in 0..=random(6) {
                    bytes[random(whole.len())] = u8::try_from(random(256)).unwrap();
                }
            }
            std::fs::write(&changed, &bytes).unwrap();
            let outcome = opened(changed.clone()).map(|checkpoint| {
                let keys: Vec<&str> = checkpoint.keys().collect();
                keys.iter()
                    .filter(|key| checkpoint.read(key).is_err())
                    .count()
            });
            if let Err(error) = outcome {
                refused += 1;
                assert!(!error.to_string().contains('\n'), "{name}: {error}");
            }
        }
    }
    assert!(refused > 300, "{refused}");
}
