//! Files made to do harm, or damaged: a sentence each, and nothing large is allocated on the way.

use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// The start of files of `torch.save` before PyTorch 1.6.
const OLD: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02M\xe9\x03.\x80\x02}.";

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X", &length[..], text.as_bytes()].concat()
}

fn int(number: i64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &number.to_le_bytes()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", items.concat().as_slice(), b"t"].concat()
}

/// A pickle of what these operations put on the stack.
fn pickle(operations: &[u8]) -> Vec<u8> {
    [b"\x80\x02", operations, b"."].concat()
}

/// What a state dict says of one tensor.
struct Claim {
    key: &'static str,
    count: i64,
    offset: i64,
    sizes: &'static [i64],
    strides: &'static [i64],
}

/// Four numbers in storage 0, as they are.
const HONEST: Claim = Claim {
    key: "0",
    count: 4,
    offset: 0,
    sizes: &[4],
    strides: &[1],
};

impl Claim {
    fn tensor(&self) -> Vec<u8> {
        let storage = [
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text(self.key),
            text("cpu"),
            int(self.count),
        ];
        let ints = |numbers: &[i64]| tuple(&numbers.iter().copied().map(int).collect::<Vec<_>>());
        let arguments = tuple(&[
            [tuple(&storage), b"Q".to_vec()].concat(),
            int(self.offset),
            ints(self.sizes),
            ints(self.strides),
            b"\x89".to_vec(),
            b"ccollections\nOrderedDict\n)R".to_vec(),
        ]);
        let function = b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec();
        [function, arguments, b"R".to_vec()].concat()
    }

    /// `{"w": tensor}`.
    fn pickle(&self) -> Vec<u8> {
        pickle(&[b"}".to_vec(), text("w"), self.tensor(), b"s".to_vec()].concat())
    }

    /// In the zip format, with a storage of 16 bytes.
    fn zip(&self) -> Vec<u8> {
        zipped(&self.pickle())
    }

    /// In the old format, with a storage that says to have so many numbers and has 16 bytes.
    fn old(&self, announced: u64) -> Vec<u8> {
        let keys = pickle(&[b"]".to_vec(), text("0"), b"a".to_vec()].concat());
        let storage = [&announced.to_le_bytes()[..], &[0; 16]].concat();
        [OLD.to_vec(), self.pickle(), keys, storage].concat()
    }
}

fn archive(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn zipped(pickle: &[u8]) -> Vec<u8> {
    let members = [
        ("version", &b"3\n"[..]),
        ("data.pkl", pickle),
        ("data/0", &[0; 16]),
    ];
    archive(&members, CompressionMethod::Stored)
}

/// Puts a number where `marker` begins in the last place that has it.
fn patched(mut bytes: Vec<u8>, marker: &[u8], skip: usize, new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(marker.len()).rposition(|part| part == marker);
    let at = at.unwrap() + skip;
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// `{"a": {"a": … }}`.
fn nested(depth: usize) -> Vec<u8> {
    let open = [b"}".to_vec(), text("a")].concat().repeat(depth);
    pickle(&[open, b"N".to_vec(), b"s".repeat(depth)].concat())
}

/// Dictionaries that each hold the one before twice: 2^40 ways to one tensor.
fn bushy() -> Vec<u8> {
    let mut operations = [HONEST.tensor(), b"q\x00".to_vec()].concat();
    for level in 0_u8..40 {
        let twice = [text("a"), vec![b'h', level], text("b"), vec![b'h', level]].concat();
        operations.extend([b"}(".to_vec(), twice, vec![b'u', b'q', level + 1]].concat());
    }
    pickle(&operations)
}

/// What each file is, its bytes, and words of the sentence that it gets.
#[expect(clippy::too_many_lines, reason = "a table")]
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let claim = |sizes, strides| Claim {
        sizes,
        strides,
        ..HONEST
    };
    let loads = |bytes: &[u8]| zipped(&pickle(bytes));
    let bomb = vec![0; (64 << 20) + 1];
    let stored = CompressionMethod::Stored;
    let mut half = HONEST.zip();
    half.truncate(half.len() / 2);
    // Positions in the records of a zip archive: APPNOTE.TXT, 4.3.12 and 4.3.16.
    let (directory, end) = (b"PK\x01\x02", b"PK\x05\x06");
    vec![
        (
            "a tensor larger than its storage",
            claim(&[100], &[1]).zip(),
            &["weight w", "needs 100 numbers, and its storage has 4"],
        ),
        (
            "a storage larger than its member",
            Claim {
                count: 1 << 40,
                sizes: &[1 << 40],
                ..HONEST
            }
            .zip(),
            &["weight w", "said to have 4398046511104 bytes and has 16"],
        ),
        (
            "a storage larger than its member, in the old format",
            Claim {
                count: 1 << 40,
                sizes: &[1 << 40],
                ..HONEST
            }
            .old(4),
            &["weight w", "said to have 4398046511104 bytes and has 16"],
        ),
        (
            "a count below 0",
            Claim {
                count: -4,
                ..HONEST
            }
            .zip(),
            &["names a storage in a wrong way"],
        ),
        (
            "a stride below 0",
            claim(&[4], &[-1]).zip(),
            &["sizes make no sense"],
        ),
        (
            "a size below 0",
            claim(&[-4], &[1]).zip(),
            &["size below 0"],
        ),
        (
            "an offset below 0",
            Claim {
                offset: -1,
                ..HONEST
            }
            .zip(),
            &["sizes make no sense"],
        ),
        (
            "an offset after the end",
            Claim {
                offset: i64::MAX,
                ..HONEST
            }
            .zip(),
            &["sizes make no sense"],
        ),
        (
            "sizes whose product overflows",
            claim(&[1 << 40, 1 << 40], &[1 << 40, 1]).zip(),
            &["weight w", "sizes make no sense"],
        ),
        (
            "sizes whose product overflows to 0",
            claim(&[1 << 32, 1 << 32], &[0, 0]).zip(),
            &["weight w", "sizes make no sense"],
        ),
        (
            "one number repeated without end",
            claim(&[1 << 42], &[0]).zip(),
            &["weight w", "sizes make no sense"],
        ),
        (
            "a name that writes to the terminal",
            zipped(&pickle(
                &[
                    b"}".to_vec(),
                    text("w\x1b[2J\n"),
                    claim(&[100], &[1]).tensor(),
                    b"s".to_vec(),
                ]
                .concat(),
            )),
            &["w\\u{1b}[2J"],
        ),
        (
            "fewer strides than sizes",
            claim(&[2, 2], &[1]).zip(),
            &["sizes make no sense"],
        ),
        (
            "a storage that is missing",
            Claim { key: "7", ..HONEST }.zip(),
            &["weight w", "it has no data/7"],
        ),
        (
            "a storage outside of the archive",
            Claim {
                key: "../../../etc/passwd",
                ..HONEST
            }
            .zip(),
            &["weight w", "it has no data/../"],
        ),
        (
            "a storage of the old format without end",
            HONEST.old(u64::MAX),
            &["ends after its 228 bytes"],
        ),
        (
            "a storage of the old format longer than the file",
            HONEST.old(1 << 61),
            &["ends after its 228 bytes"],
        ),
        (
            "an old file that ends in its pickle",
            HONEST.old(4)[..60].to_vec(),
            &["pickle ends too early"],
        ),
        (
            "an old file that ends in its storage",
            {
                let old = HONEST.old(4);
                old[..old.len() - 8].to_vec()
            },
            &["ends after its 220 bytes"],
        ),
        (
            "half an archive",
            half,
            &["the end of the archive is missing; copy or download the file again"],
        ),
        (
            "a directory of more members than bytes",
            patched(HONEST.zip(), end, 8, &[0xfe, 0xff, 0xfe, 0xff]),
            &["zip archive is damaged"],
        ),
        (
            "a directory after the end",
            patched(HONEST.zip(), end, 16, &0xffff_fff0_u32.to_le_bytes()),
            &["zip archive is damaged"],
        ),
        (
            "a member longer than the archive",
            patched(
                HONEST.zip(),
                directory,
                20,
                &[0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f],
            ),
            &["lie outside the file"],
        ),
        (
            "a member after the end",
            patched(HONEST.zip(), directory, 42, &0x7fff_ffff_u32.to_le_bytes()),
            &["zip archive is damaged"],
        ),
        (
            "a compressed pickle of 64 MB of nothing",
            archive(&[("data.pkl", &bomb)], CompressionMethod::Deflated),
            &["less than a hundredth part"],
        ),
        (
            "an archive without a pickle",
            archive(&[("data/0", &[0; 16])], stored),
            &["it has no data.pkl"],
        ),
        (
            "two members of the same name",
            patched(
                archive(
                    &[("data.pkl", &HONEST.pickle()), ("data.pkm", b".")],
                    stored,
                ),
                b"data.pkm",
                7,
                b"l",
            ),
            &["stack"],
        ),
        (
            "dictionaries nested 100,000 deep",
            zipped(&nested(100_000)),
            &["nested deeper than any"],
        ),
        (
            "tuples nested 300,000 deep",
            loads(&[b")".to_vec(), b"\x85".repeat(300_000)].concat()),
            &["a list without weights"],
        ),
        (
            "a dictionary that holds itself",
            loads(&[b"}q\x00".to_vec(), text("a"), b"h\x00s".to_vec()].concat()),
            &["nested deeper than any"],
        ),
        (
            "a list that holds itself",
            loads(b"]q\x00h\x00a"),
            &["a list without weights"],
        ),
        (
            "2^40 ways to one tensor",
            zipped(&bushy()),
            &["more tensors than any"],
        ),
        (
            "a call of os.system alone",
            loads(
                &[
                    b"cos\nsystem\n".to_vec(),
                    tuple(&[text("touch evil-was-here")]),
                    b"R".to_vec(),
                ]
                .concat(),
            ),
            &["without weights"],
        ),
        (
            "a text of 2^62 bytes",
            loads(&[&b"\x8d"[..], &(1_u64 << 62).to_le_bytes(), b"a"].concat()),
            &["ends too early"],
        ),
        (
            "a number of 2^31 bytes",
            loads(b"\x8b\xff\xff\xff\x7f1"),
            &["ends too early"],
        ),
        (
            "a stack that is empty",
            loads(b"0000"),
            &["takes more from the stack"],
        ),
        (
            "a mark that is missing",
            loads(b"t"),
            &["takes more from the stack"],
        ),
        (
            "bytes of 2^64 bytes",
            loads(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc"),
            &["ends too early"],
        ),
        (
            "an old file that ends in its magic number",
            OLD.to_vec(),
            &["ends too early"],
        ),
        (
            "a pickle of something else",
            b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.".to_vec(),
            &["torch.save has not written"],
        ),
        (
            "a memo that is empty",
            loads(b"h\x07"),
            &["recalls what it has not noted"],
        ),
        ("an operation that there is not", loads(b"\xff"), &["0xff"]),
        (
            "a pickle without an end",
            zipped(b"\x80\x02}}}}"),
            &["ends too early"],
        ),
        (
            "a safetensors header of 2^60 bytes",
            [&(1_u64 << 60).to_le_bytes()[..], b"{\"w\":{}}"].concat(),
            &["header", "1152921504606846976"],
        ),
        (
            "a safetensors header that is nested",
            {
                let text = "[".repeat(100_000);
                let body = format!("{{\"w\":{text}");
                [&(body.len() as u64).to_le_bytes()[..], body.as_bytes()].concat()
            },
            &["header"],
        ),
        (
            "a web page",
            b"<!DOCTYPE html><html>Sign in".to_vec(),
            &["web page"],
        ),
        (
            "an image",
            b"\x89PNG\r\n\x1a\n0000IHDR".to_vec(),
            &["image"],
        ),
    ]
}

/// What opening and reading all says first; nothing when all went well. It must be one line, short,
/// and name the file.
fn said(bytes: &[u8]) -> Option<String> {
    let error = match file_of(bytes) {
        Ok(checkpoint) => checkpoint.keys().find_map(|key| checkpoint.read(key).err()),
        Err(error) => Some(error),
    };
    let error = error?.to_string();
    assert!(
        error.contains("model.bin") && error.len() < 500 && !error.contains(char::is_control),
        "{error:?}"
    );
    Some(error)
}

#[test]
fn hostile_files_get_one_sentence_each() {
    // The honest file is read: what follows is refused for its lie alone.
    assert_eq!(said(&HONEST.zip()), None);
    assert_eq!(said(&HONEST.old(4)), None);
    for (what, bytes, words) in hostile() {
        let started = Instant::now();
        let error = said(&bytes);
        let error = error.unwrap_or_else(|| panic!("{what} is read"));
        assert!(
            words.iter().all(|word| error.contains(word)),
            "{what}: {error}"
        );
        // What is too large to allocate is refused before libtorch is asked for it.
        assert!(!error.contains("alloc"), "{what}: {error}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{what} takes {:?}",
            started.elapsed()
        );
    }
    assert!(!Path::new("evil-was-here").exists());
}
