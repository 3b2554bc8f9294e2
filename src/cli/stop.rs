//! Ctrl-C and SIGTERM: a long run finishes what it has begun, and can be gone on with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Becomes true when the user or the scheduler wants the program to end. Asked a second time, it
/// ends at once.
///
/// # Errors
/// When the system refuses.
pub(super) fn stopped_by_signals() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stopped))
            .and_then(|_| register(signal, Arc::clone(&stopped)))
            .context("cannot listen for signals")?;
    }
    Ok(stopped)
}
