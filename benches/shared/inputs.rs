//! The networks that `benches/networks.py` makes.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// One of its files.
///
/// # Errors
/// When it has not been made.
pub(crate) fn input(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/bench")
        .join(name);
    if !path.exists() {
        bail!(
            "target/bench/{name} is missing: `python benches/networks.py` makes it, with what its head says"
        );
    }
    Ok(path)
}
