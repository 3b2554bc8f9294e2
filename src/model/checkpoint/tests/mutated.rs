//! Golden files with bits turned over and ends cut off, of every format.

use std::io::{Cursor, Read as _, Write as _};
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::formats::saved_by_tch;
use super::*;
use crate::model::program;

/// How long files are tried. `fuzz/` has the runs without an end.
const TIME: Duration = Duration::from_secs(6);

/// Opens whatever it is as the program does.
fn opened_as_any(path: &Path) -> Option<String> {
    if program::is_program(path) {
        return Some(program::open(path, (16, 16)).err()?.to_string());
    }
    match opened(path.to_owned()) {
        Ok(checkpoint) => checkpoint
            .keys()
            .find_map(|key| checkpoint.read(key).err())
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Small files of each format: pickles in both containers, packed again, on a GPU, of a training
/// script; safetensors and an index; programs of torch.export in its three containers; TorchScript.
const SMALL: [&str; 14] = [
    "formats/protocol_3.pth",
    "formats/compressed.pth",
    "formats/saved_on_cuda_legacy.pth",
    "formats/training.pth",
    "formats/tied_legacy.pth",
    "formats/odd.safetensors",
    "formats/sharded/model.safetensors.index.json",
    "programs/overwriting.pt2",
    "programs/net-2.6.pt2",
    "programs/net-2.8.pt2",
    "programs/net-2.13.pt2",
    "programs/reshaping-scripted.pt",
    "programs/reshaping-traced.pt",
    "programs/net-frozen.pt",
];

/// Numbers below a bound.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Xorshift, Marsaglia 2003.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }

    /// Cuts bytes off, or turns a few bits over.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len()));
        } else if !bytes.is_empty() {
            for _ in 0..=self.below(3) {
                let place = self.below(bytes.len());
                bytes[place] ^= 1 << self.below(8);
            }
        }
    }

    /// Changes one member of an archive and packs it again, so that its checksum is right.
    fn change_member(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(mut from) = ZipArchive::new(Cursor::new(bytes)) else {
            // The library that packs here refuses what tch packs.
            let mut bytes = bytes.to_vec();
            self.change(&mut bytes);
            return bytes;
        };
        let chosen = self.below(from.len());
        let mut to = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for index in 0..from.len() {
            let mut member = from.by_index(index).unwrap();
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            if index == chosen {
                self.change(&mut content);
            }
            to.start_file(member.name().unwrap().into_owned(), options)
                .unwrap();
            to.write_all(&content).unwrap();
        }
        to.finish().unwrap().into_inner()
    }
}

/// Every change ends with weights or with one line, and so does every cut.
#[test]
fn changed_and_cut_files_of_every_format_are_read_or_refused_in_one_line() {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    for shard in ["model-00001-of-00002", "model-00002-of-00002"] {
        let name = format!("{shard}.safetensors");
        let from = golden("formats/sharded").join(&name);
        std::fs::copy(from, folder.path().join(&name)).unwrap();
    }
    let mut files: Vec<(String, Vec<u8>)> = SMALL
        .iter()
        .map(|name| (name.replace('/', " "), std::fs::read(golden(name)).unwrap()))
        .collect();
    let by_tch = folder.path().join("tch.ot");
    saved_by_tch(&by_tch);
    files.push(("tch.ot".to_owned(), std::fs::read(&by_tch).unwrap()));
    let mut random = Random(7);
    let mut rounds = 0;
    while rounds < 3 || started.elapsed() < TIME {
        for (name, whole) in &files {
            let bytes = if whole.starts_with(b"PK") && rounds % 3 > 0 {
                random.change_member(whole)
            } else {
                let mut bytes = whole.clone();
                random.change(&mut bytes);
                bytes
            };
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            if let Some(error) = opened_as_any(&path) {
                assert!(
                    !error.contains(char::is_control) && !error.contains("panicked"),
                    "{name}: {error:?}"
                );
            }
        }
        rounds += 1;
    }
}
