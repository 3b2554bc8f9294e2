//! Programs of `torch.export`. TorchScript is left out: libtorch reads it.
#![no_main]

use gradcam::model::program;
use gradcam_fuzz::{one_line, with_file};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let scripted = b"constants.pkl";
    if !bytes.starts_with(b"PK") || bytes.windows(scripted.len()).any(|part| part == scripted) {
        return Corpus::Reject;
    }
    with_file(bytes, |path| {
        if program::is_program(path)
            && let Err(error) = program::open(path, (32, 32))
        {
            one_line(&error.to_string());
        }
    });
    Corpus::Keep
});
