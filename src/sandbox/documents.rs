//! Who reads what a live source answers and sends: a child of its own, which lives as long as the source is listened to.
//!
//! A child for each message would cost more than the message; one for all sources would let one of them tamper with what
//! the others say. So each source has its own, started when it is first needed, and anew when it has ended, has read
//! something large or has worked for long.

use std::sync::{Arc, Mutex, PoisonError};

use super::Decoder;
use super::frame::DocumentsRequest;
use super::parent::{ChildProcess, Pool};
use crate::decode::{Document, Error, Limits, Names, Payload, Rows, read_document};

/// So many bytes are read at once, topics and all, where they are of more than one message.
const AT_ONCE: usize = 8 << 20;

/// Reads what one source answers and sends.
#[derive(Debug, Clone)]
pub struct Reader {
    names: Names,
    limits: Limits,
    pool: Option<Arc<Pool>>,
    child: Arc<Mutex<Option<ChildProcess>>>,
}

impl Decoder {
    /// Who reads a live source of which the columns of `names` are wanted.
    pub fn reader(&self, names: Names) -> Reader {
        Reader { names, limits: self.limits, pool: self.pool.clone(), child: Arc::default() }
    }
}

impl Reader {
    /// The same for one more column.
    #[must_use]
    pub fn and(self, name: &str) -> Self {
        Self { names: self.names.and(name), ..self }
    }

    /// The rows of a document or of messages, as texts; blocks until they are there.
    ///
    /// # Errors
    /// As [`read_document`], and where the child was ended for what it used.
    pub fn read(&self, document: &Document, payloads: &[Payload]) -> Result<Rows, Error> {
        let mut all = Vec::new();
        for some in portions(payloads) {
            match &self.pool {
                Some(pool) => self.read_in_child(pool, document, some, &mut all)?,
                None => {
                    let mut sink = |rows: Rows| {
                        all.push(rows);
                        Ok(())
                    };
                    read_document(document, some, &self.names, &self.limits, &mut sink)?;
                }
            }
        }
        Rows::joined(all).map_err(|error| Error::Scratch(error.to_string()))
    }

    /// Ends the child, where there is one that does not read just now. The next reading starts another.
    pub fn rest(&self) {
        if let Ok(mut child) = self.child.try_lock() {
            drop(child.take());
        }
    }

    fn read_in_child(
        &self,
        pool: &Arc<Pool>,
        document: &Document,
        payloads: &[Payload],
        all: &mut Vec<Rows>,
    ) -> Result<(), Error> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It is kept only where it comes to its end as it should.
        let known = child.take();
        let was_known = known.is_some();
        let request = DocumentsRequest { document, names: &self.names, limits: &self.limits };
        let (kept, told) = match pool.documents(known, request, payloads) {
            // What is wrong may be wrong with the child, by what it read before: another is asked, which read nothing.
            (None, Err(_)) if was_known => pool.documents(None, request, payloads),
            done => done,
        };
        *child = kept;
        all.extend(told?);
        Ok(())
    }
}

/// Payloads that are read at once.
fn portions(payloads: &[Payload]) -> impl Iterator<Item = &[Payload]> {
    let size = |payload: &Payload| payload.topic.len() + payload.bytes.len();
    let mut bytes = 0;
    payloads.chunk_by(move |one, next| {
        bytes += size(one);
        let together = bytes + size(next) <= AT_ONCE;
        if !together {
            bytes = 0;
        }
        together
    })
}
