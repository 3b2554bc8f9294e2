//! The process: arguments in, exit code out. 0 ok, 1 runtime error, 2 usage error (clap's).
#![expect(
    clippy::print_stderr,
    reason = "the one place where errors are printed"
)]

use std::io::StdoutLock;
use std::process::ExitCode;

use anyhow::Result;
use gradcam::app;
use gradcam::cli::{self, Settings};
use gradcam::text::{Harmless, visible_lines, with_causes};

fn main() -> ExitCode {
    let (settings, log) = cli::parse();
    match cli::logging::start(&log).and_then(|()| run(settings)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(&*error));
            eprintln!("gradcam: {}", visible_lines(&with_causes(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// Whether everything went well.
fn run(settings: Settings) -> Result<bool> {
    tracing::info!("gradcam {}", env!("CARGO_PKG_VERSION"));
    tracing::debug!("{settings:?}");
    match cli::models::with_model_here(settings)? {
        Settings::Open(settings) => app::run(settings).map(|()| true),
        Settings::Doctor(settings) => cli::doctor::run(&settings, &mut out()),
        Settings::Explain(settings) => cli::explain::run(&settings, &mut out()),
        Settings::Methods(settings) => cli::methods::run(settings, &mut out()).map(|()| true),
        Settings::Export(settings) => cli::export::run(&settings, &mut out()),
        Settings::Evaluate(settings) => cli::evaluate::run(&settings, &mut out()),
        Settings::Score(settings) => cli::score::run(&settings, &mut out()),
        Settings::Merge(settings) => cli::merge::run(&settings, &mut out()),
        Settings::Models(settings) => cli::models::run(&settings, &mut out()).map(|()| true),
        Settings::Config(settings) => cli::config::run(&settings, &mut out()).map(|()| true),
        Settings::Pages(pages) => cli::pages::run(pages, &mut out()).map(|()| true),
        Settings::Layers(settings) => cli::layers::run(&settings, &mut out()).map(|()| true),
    }
}

/// Standard output, in which nothing commands the terminal.
fn out() -> Harmless<StdoutLock<'static>> {
    Harmless::new(std::io::stdout().lock())
}

/// The reader of the output has had enough, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
