//! `gradcam completions` and `gradcam man`: made from the definition of the command line.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::{Man, generate_to};

use crate::text::visible;

/// For both commands.
#[derive(Debug)]
pub struct Pages {
    pub(super) page: Page,
    pub(super) command: Command,
}

/// What is wanted.
#[derive(Debug)]
pub enum Page {
    Completions(Shell),
    /// In a folder with a page for each command, or the main page for the output.
    Manual(Option<PathBuf>),
}

/// Prints or writes what is wanted.
///
/// # Errors
/// When it cannot be written.
pub fn run(pages: Pages, out: &mut dyn Write) -> Result<()> {
    let mut command = pages.command;
    match pages.page {
        Page::Completions(shell) => {
            // clap panics when a reader of the output has had enough.
            let mut script = Vec::new();
            generate(shell, &mut command, "gradcam", &mut script);
            Ok(out.write_all(&script)?)
        }
        Page::Manual(None) => Ok(Man::new(command).render(out)?),
        Page::Manual(Some(folder)) => {
            write_manual(command, &folder).with_context(|| {
                let folder = visible(&folder.to_string_lossy());
                format!("cannot write manual pages into {folder}")
            })?;
            let folder = visible(&folder.to_string_lossy());
            Ok(writeln!(out, "manual pages are in {folder}")?)
        }
    }
}

fn write_manual(command: Command, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    generate_to(command, folder)
}

#[cfg(test)]
mod tests {
    use std::process::{Command as Process, Stdio};

    use clap::ValueEnum;

    use super::*;
    use crate::cli::arguments::command;

    fn printed(page: Page) -> String {
        let mut out = Vec::new();
        let command = command();
        run(Pages { page, command }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Each command, and its flags that the help shows.
    fn flags() -> Vec<(String, Vec<String>)> {
        let mut command = command();
        command.build();
        let flags = |command: &Command| {
            let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
            arguments
                .filter_map(|arg| arg.get_long().map(str::to_owned))
                .collect()
        };
        let below = command
            .get_subcommands()
            .map(|one| (format!("-{}", one.get_name()), one));
        let below = below.filter(|(name, _)| name != "-help");
        std::iter::once((String::new(), &command))
            .chain(below)
            .map(|(name, command)| (name, flags(command)))
            .collect()
    }

    #[test]
    fn completions_know_every_command_and_flag_for_each_shell() {
        for shell in Shell::value_variants() {
            let script = printed(Page::Completions(*shell));
            for (command, flags) in flags() {
                assert!(script.contains(command.trim_start_matches('-')), "{shell}");
                for flag in flags {
                    assert!(script.contains(&flag), "{flag} of {command} in {shell}");
                }
            }
        }
    }

    #[test]
    fn bash_can_read_its_completions() {
        let bash = Process::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
        let Ok(mut bash) = bash else {
            eprintln!("there is no bash here");
            return;
        };
        let script = printed(Page::Completions(Shell::Bash));
        bash.stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(bash.wait().unwrap().success());
    }

    #[test]
    fn each_command_has_a_manual_page_with_its_flags() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("man1");
        printed(Page::Manual(Some(made.clone())));
        for (command, flags) in flags() {
            let page = std::fs::read_to_string(made.join(format!("gradcam{command}.1"))).unwrap();
            // A dash is written so that it stays one.
            let page = page.replace("\\-", "-");
            for flag in flags {
                assert!(page.contains(&format!("--{flag}")), "{flag} of {command}");
            }
        }
        assert!(printed(Page::Manual(None)).contains(".TH"));
    }
}
