//! Text to the terminal. A reader that went away (`| head`) ends the output, not the program.

use std::io::Write as _;

/// A line to standard output.
pub(super) fn out(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// Bytes to standard output.
pub(super) fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        // The reader closed the pipe: there is nobody left to tell.
    }
}

/// A line to standard error.
pub(super) fn err(line: &str) {
    if writeln!(std::io::stderr(), "{line}").is_err() {
        // Nobody reads it.
    }
}
