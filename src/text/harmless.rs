//! Harmless: plain output in which nothing commands the terminal.

use std::io::{self, Write};

use super::visible_lines;

/// A writer that makes text visible on its way to another one. Ends of lines stay.
///
/// Most texts are visible already; this holds what was forgotten. Bytes that are no text become U+FFFD.
#[derive(Debug)]
pub struct Harmless<W: Write> {
    inner: W,
    /// The beginning of a letter, or of a letter with its marks, whose rest has not come.
    pending: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            pending: Vec::new(),
        }
    }

    /// Writes lines that are whole; all that there is if it is the `end`.
    fn pass_on(&mut self, end: bool) -> io::Result<()> {
        let whole = match self.pending.iter().rposition(|byte| *byte == b'\n') {
            _ if end => self.pending.len(),
            Some(last) => last + 1,
            None => return Ok(()),
        };
        let lines: Vec<u8> = self.pending.drain(..whole).collect();
        let text = String::from_utf8_lossy(&lines);
        self.inner.write_all(visible_lines(&text).as_bytes())
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        self.pass_on(false)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(true)?;
        self.inner.flush()
    }
}

impl<W: Write> Drop for Harmless<W> {
    fn drop(&mut self) {
        // Whoever needs to know that it failed flushes.
        let _unknown = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_harmless_however_it_is_cut() {
        let text = "ä\u{1b}[2J\u{202e}木\nnext e\u{301}\u{9b}1m\nend";
        let expected = "ä\\u{1b}[2J\\u{202e}木\nnext e\u{301}\\u{9b}1m\nend";
        for size in 1..text.len() {
            let mut written = Vec::new();
            let mut out = Harmless::new(&mut written);
            for part in text.as_bytes().chunks(size) {
                out.write_all(part).unwrap();
            }
            drop(out);
            assert_eq!(String::from_utf8(written).unwrap(), expected, "by {size}");
        }
    }
}
