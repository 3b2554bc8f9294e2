//! Golden files with bits turned over and ends cut off.

use std::time::{Duration, Instant};

use super::*;
use crate::model::program;

/// Opens whatever it is as the program does.
fn opened_as_any(path: &Path) -> Option<String> {
    if program::is_program(path) {
        return Some(program::open(path, (8, 8)).err()?.to_string());
    }
    match opened(path.to_owned()) {
        Ok(checkpoint) => checkpoint
            .keys()
            .find_map(|key| checkpoint.read(key).err())
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// The smallest file of each format.
const SMALLEST: [&str; 7] = [
    "formats/protocol_3.pth",
    "formats/compressed.pth",
    "formats/saved_on_cuda_legacy.pth",
    "formats/odd.safetensors",
    "formats/sharded/model.safetensors.index.json",
    "checkpoints/tch.ot",
    "programs/overwriting.pt2",
];

/// Every change ends with weights or with one line, and so does every cut.
#[test]
fn changed_and_cut_files_of_every_format_are_read_or_refused_in_one_line() {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    for shard in ["model-00001-of-00002", "model-00002-of-00002"] {
        let name = format!("{shard}.safetensors");
        std::fs::copy(
            golden("formats/sharded").join(&name),
            folder.path().join(&name),
        )
        .unwrap();
    }
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        // Xorshift, Marsaglia 2003.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let mut tried = 0;
    for round in 0..600 {
        for name in SMALLEST {
            if started.elapsed() > Duration::from_secs(5) {
                break;
            }
            let path = folder.path().join(Path::new(name).file_name().unwrap());
            let mut bytes = std::fs::read(golden(name)).unwrap();
            if round % 4 == 0 {
                bytes.truncate(random(bytes.len()));
            } else {
                for _ in 0..=random(3) {
                    let place = random(bytes.len());
                    bytes[place] ^= 1 << random(8);
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Some(error) = opened_as_any(&path) {
                assert!(!error.contains(char::is_control), "{name}: {error:?}");
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} files in {:?}", started.elapsed());
}
