//! Ctrl-C and SIGTERM: a long run finishes what it has begun, and can be gone on with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

/// Schedulers and shells send a signal to the program and to what has started it, which hands it on:
/// what comes so soon after the first one is the same wish.
const ECHO: Duration = Duration::from_secs(1);

/// Becomes true when the user or the scheduler wants the program to end. Asked a second time, it
/// ends at once.
///
/// # Errors
/// When the system refuses.
pub(super) fn stopped_by_signals() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let asked = Arc::clone(&stopped);
    let listen = move || {
        let mut first: Option<Instant> = None;
        for signal in &mut signals {
            asked.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > ECHO {
                exit(128 + signal);
            }
        }
    };
    let thread = Builder::new().name("signals".to_owned());
    thread
        .spawn(listen)
        .context("the system gives no thread to listen for signals")?;
    Ok(stopped)
}
