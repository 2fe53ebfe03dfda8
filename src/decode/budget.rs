//! A reader that refuses a row longer than the bound: an unclosed quote must not read the whole file.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::MAX_ROW_BYTES;

/// Bytes of read-ahead that are not the row's fault.
const SLACK: u64 = 128 << 10;

/// How much may still be read before the next row must be complete.
#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(MAX_ROW_BYTES + SLACK)))
    }

    /// A row is complete: the next one may be as long again.
    pub(super) fn renew(&self) {
        self.0.set(MAX_ROW_BYTES + SLACK);
    }
}

/// Reads on behalf of a row parser.
pub(super) struct MeteredReader<R> {
    inner: R,
    budget: Budget,
}

impl<R> MeteredReader<R> {
    pub(super) fn new(inner: R, budget: Budget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for MeteredReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.budget.0.get();
        if left < read as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row is longer than {MAX_ROW_BYTES} bytes; is a quote or bracket left open?"),
            ));
        }
        self.budget.0.set(left - read as u64);
        Ok(read)
    }
}
