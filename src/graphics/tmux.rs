//! tmux between the program and the terminal: what it hands through unread.

/// Wrapped so that tmux hands it to the terminal outside (tmux's manual, `allow-passthrough`).
#[must_use]
pub fn passed_through(sequence: &[u8]) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(sequence.len() + 16);
    wrapped.extend_from_slice(b"\x1bPtmux;");
    for byte in sequence {
        if *byte == 0x1b {
            wrapped.push(0x1b);
        }
        wrapped.push(*byte);
    }
    wrapped.extend_from_slice(b"\x1b\\");
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_inside_is_doubled() {
        assert_eq!(
            passed_through(b"\x1b_Gi=1\x1b\\"),
            b"\x1bPtmux;\x1b\x1b_Gi=1\x1b\x1b\\\x1b\\"
        );
    }
}
