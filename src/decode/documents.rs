//! What live sources answer and send: documents that become rows of the names that somebody wants.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::RowPlace;
use super::gtfs_realtime::{self, Entity};
use super::message::MessageOptions;
use super::named_batch::{NamedBatch, Names};
use super::records::MAX_BYTES;
use super::{Error, Limits, Rows, Sink, Tally, answer, cap, feed, message, unpack};

/// Rows of one document.
const MOST_ROWS: u64 = 50_000;
/// Bytes of all values of what is read at once.
const MOST_DECODED: u64 = 256 << 20;

/// What a live source answers or sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Document {
    /// JSON with a list in it.
    Answer(RowPlace),
    /// Messages, each with its topic.
    Messages(MessageOptions),
    /// An alert of the Common Alerting Protocol.
    Cap,
    /// An Atom feed, which lists documents.
    Atom,
    /// A feed of GTFS-realtime, of which one kind of entity is wanted.
    GtfsRealtime(Entity),
}

/// A document, or one of several messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Of a message.
    pub topic: String,
    /// As they came.
    pub bytes: Bytes,
}

impl Payload {
    /// A document.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { topic: String::new(), bytes: bytes.into() }
    }
}

impl Document {
    /// The columns that its rows always have; none: those that are wanted and told.
    pub fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Answer(_) | Self::Messages(_) => &[],
            Self::Cap => &cap::COLUMNS,
            Self::Atom => &feed::COLUMNS,
            Self::GtfsRealtime(entity) => entity.columns(),
        }
    }

    /// The bounds of what is read at once, where those of a file are `limits`.
    pub(crate) fn within(&self, limits: &Limits) -> Limits {
        let rows = match self {
            // How many messages are read at once is for who gathers them to say, and each has a bound of its own.
            Self::Messages(_) => limits.rows,
            _ => limits.rows.min(MOST_ROWS),
        };
        Limits {
            rows,
            decoded: limits.decoded.min(MOST_DECODED),
            unpacked: limits.unpacked.min(MAX_BYTES),
            ..*limits
        }
    }
}

/// Reads a document, or some messages, and hands the rows to `sink`. Of JSON the columns are those of
/// `names` that any row tells.
///
/// # Errors
/// [`Error`] where it is not what it should be; rows handed over before are then void. A message that is no row is
/// unreadable and holds up nothing.
pub fn read_document(
    document: &Document,
    payloads: &[Payload],
    names: &Names,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let limits = &document.within(limits);
    let mut tally = Tally::default();
    let sink = &mut |rows: Rows| tally.count(&rows, limits).and_then(|()| sink(rows));
    let mut rows = NamedBatch::new(names, document.columns(), limits, sink);
    for Payload { topic, bytes: packed } in payloads {
        match (document, unpack::whole(packed, limits)) {
            (Document::Messages(reading), bytes) => message::read(reading, topic, packed, bytes, &mut rows)?,
            (_, Ok(bytes)) if bytes.is_empty() => return Err(Error::Empty),
            (Document::Answer(place), bytes) => answer::read(&bytes?, place, &mut rows)?,
            (Document::Cap, bytes) => cap::records(&bytes?)?.iter().try_for_each(|row| rows.row(row))?,
            (Document::Atom, bytes) => feed::records(&bytes?)?.iter().try_for_each(|row| rows.row(row))?,
            (Document::GtfsRealtime(entity), bytes) => {
                gtfs_realtime::records(&bytes?, *entity, |row| rows.row(&row))?;
            }
        }
    }
    rows.flush()
}
