//! What `torch.save` writes: zip archives and the older container.
#![no_main]

use gradcam_fuzz::{read_all, with_file};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if !bytes.starts_with(b"PK") && !bytes.starts_with(b"\x80") {
        return Corpus::Reject;
    }
    with_file(bytes, read_all);
    Corpus::Keep
});
