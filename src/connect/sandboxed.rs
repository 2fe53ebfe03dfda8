//! Has what a source answers and sends read by a child, and says whose trouble it is where that fails.

use super::{Document, MessageOptions, Payload, PollError, Reader, Rows};
use crate::ingest::DecodeError;

/// The rows of a document, or why it has none.
pub(super) async fn read(
    reader: &Reader,
    document: Document,
    payloads: Vec<Payload>,
) -> Result<Result<Rows, DecodeError>, PollError> {
    let reader = reader.clone();
    let read = tokio::task::spawn_blocking(move || reader.read(&document, &payloads)).await;
    match read.map_err(|error| PollError::transient(error.to_string()))? {
        // The city's own trouble, not the document's.
        Err(error @ (DecodeError::Unable(_) | DecodeError::Scratch(_))) => {
            Err(PollError::transient(error.to_string()))
        }
        read => Ok(read),
    }
}

/// The rows of an answer.
pub(super) async fn answer(reader: &Reader, document: Document, body: Vec<u8>) -> Result<Rows, PollError> {
    read(reader, document, vec![Payload::whole(body)]).await?.map_err(|error| trouble("the answer", &error))
}

/// The rows of messages.
pub(super) async fn messages(
    reader: &Reader,
    reading: &MessageOptions,
    payloads: Vec<Payload>,
) -> Result<Rows, PollError> {
    let document = Document::Messages(reading.clone());
    read(reader, document, payloads).await?.map_err(|error| trouble("the messages", &error))
}

/// What is beyond a bound stays so until somebody changes it; anything else may be better the next time.
fn trouble(what: &str, error: &DecodeError) -> PollError {
    match error {
        DecodeError::Beyond { .. } => PollError::Permanent(format!("{what}: {error}")),
        DecodeError::Unreadable { format, why } => {
            PollError::transient(format!("{what} cannot be read as {format}: {why}"))
        }
        DecodeError::Empty => PollError::transient(format!("{what}: there is nothing in it")),
        other => PollError::transient(format!("{what}: {other}")),
    }
}
