//! Editor: the program that the user edits texts with.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};

/// Lets the user edit a text on the terminal. `editor` is a command as a shell understands it.
///
/// # Errors
/// When the editor cannot be started or fails; a sentence, and the text is as before.
pub(super) fn edit(editor: &str, text: &str, terminal: &File) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the note could not be edited: {error}");
    let mut file = tempfile::Builder::new()
        .prefix("gradcam-note-")
        .suffix(".txt")
        .tempfile()
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let own = || Ok::<Stdio, std::io::Error>(terminal.try_clone()?.into());
    // As git does it: the command may have arguments and quotes of its own.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(editor)
        .arg(file.path())
        // Standard output takes pictures to be sent, and standard error is the log.
        .stdout(own().map_err(failed)?)
        .stderr(own().map_err(failed)?)
        .status()
        .map_err(failed)?;
    if !status.success() {
        let name = crate::text::visible(editor);
        return Err(format!("{name} ended with {status}; the note is as before"));
    }
    // Some editors put another file in the place of this one.
    let mut edited = String::new();
    if let Ok(mut other) = File::open(file.path()) {
        other.read_to_string(&mut edited).map_err(failed)?;
    } else {
        file.rewind().map_err(failed)?;
        file.read_to_string(&mut edited).map_err(failed)?;
    }
    Ok(edited.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(editor: &str) -> Result<String, String> {
        edit(editor, "before", &File::open("/dev/null").unwrap())
    }

    #[test]
    fn the_text_is_what_the_editor_leaves_in_the_file() {
        assert_eq!(edited("sed -i s/before/after/").unwrap(), "after");
        assert_eq!(edited("printf 'two\\nlines\\n' >").unwrap(), "two\nlines");
        assert_eq!(edited("true").unwrap(), "before");
    }

    #[test]
    fn an_editor_that_fails_changes_nothing_and_is_named() {
        let reason = edited("false").unwrap_err();
        assert!(reason.starts_with("false ended with"), "{reason}");
        let reason = edited("no-such-editor").unwrap_err();
        assert!(reason.contains("no-such-editor ended with"), "{reason}");
    }
}
