//! Safetensors: the length of a JSON header, the header, the numbers.
#![no_main]

use gradcam_fuzz::{read_all, with_file};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.get(8) != Some(&b'{') {
        return Corpus::Reject;
    }
    with_file(bytes, read_all);
    Corpus::Keep
});
