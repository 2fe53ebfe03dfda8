//! Moves a submission into the lake: decoding and sifting on a thread of their own, writing beside it, one commit at the end.
//!
//! The commit is the acknowledgement: until it, nothing is visible and nothing is promised. Quarantine is committed
//! first, so that a receipt never counts rows that cannot be looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::mended::Mended;
use super::place_rows::Placer;
use super::running::Running;
use super::sift::{Counts, Sieve, Sifted};
use super::under::Under;
use super::veil::{Veil, VeilKey};
use super::{Bounds, Feed, Feeds, Receipt, Refusal};
use crate::contract::{ColumnUnit, Contract, KeySet, Place, Uniqueness, UnitError};
use crate::decode::{self, Progress, ReadAs, Request, Rows, Units};
use crate::lake::{Commit, Cursor, FileWriter, Landing, Table, Written};
use crate::model::{Clock, FeedName};
use crate::place::Areas;
use crate::sandbox::{Decoder, Reader};

/// Batches between the sifting thread and the writer.
const QUEUE: usize = 4;

/// A file on its way in.
#[derive(Debug)]
pub struct Upload {
    /// Where its bytes are.
    pub path: PathBuf,
    /// What it is called, for its format and for the receipt.
    pub name: String,
    /// How far the reading is.
    pub progress: Arc<Progress>,
}

/// What its sender says of a submission.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The id that it shall have; none: a new one.
    pub id: Option<Uuid>,
    /// The submission whose rejected rows it brings mended.
    pub mends: Option<String>,
    /// The version of the contract that it was made for; none: the newest that its columns fit.
    pub contract: Option<String>,
    /// The units of its columns, by header, whatever the file says of them itself.
    pub units: Units,
}

/// Lands submissions of all feeds.
#[derive(Debug)]
pub struct Lander {
    feeds: Feeds,
    areas: Arc<Areas>,
    pub(super) clock: Arc<dyn Clock>,
    largest: u64,
    decoder: Decoder,
    veil_key: Option<VeilKey>,
    /// Submissions that are under way.
    pub running: Running,
}

/// A file that may land, or the receipt of the time that it did.
pub(super) enum Opened {
    Known(Receipt),
    New(Stamp, Source),
}

/// A file that is ready to be read.
pub(super) struct Source {
    decoder: Decoder,
    name: String,
    file: File,
    request: Request,
    progress: Arc<Progress>,
}

impl Source {
    pub(super) fn read(self, sink: &mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error> {
        self.decoder.decode(&self.name, self.file, &self.request, &self.progress, sink).map(Some)
    }
}

impl Lander {
    /// Lands into these feeds.
    pub fn new(feeds: Feeds, areas: Arc<Areas>, clock: Arc<dyn Clock>, largest: u64) -> Self {
        let decoder = Decoder::in_process(decode::Limits::default());
        Self { feeds, areas, clock, largest, decoder, veil_key: None, running: Running::default() }
    }

    /// The same with the key for hashed columns; without one their feeds take nothing.
    #[must_use]
    pub fn with_veil_key(self, key: VeilKey) -> Self {
        Self { veil_key: Some(key), ..self }
    }

    /// The same with another decoder than this process.
    #[must_use]
    pub fn with_decoder(self, decoder: Decoder) -> Self {
        Self { decoder, ..self }
    }

    /// The same with other bounds on what comes in at once.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { running: Running::within(bounds), ..self }
    }

    /// Who decodes files.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// All feeds, by name.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// The feed of that name.
    ///
    /// # Errors
    /// [`Refusal::UnknownFeed`] with the name that was probably meant.
    pub fn feed(&self, name: &str) -> Result<&Arc<Feed>, Refusal> {
        if let Some(feed) = name.parse::<FeedName>().ok().and_then(|name| self.feeds.get(&name)) {
            return Ok(feed);
        }
        let known: Vec<String> = self.feeds.keys().map(ToString::to_string).collect();
        let hint = crate::contract::closest(name, known.iter().map(String::as_str));
        let hint = hint.map_or(String::new(), |word| format!("; did you mean `{word}`?"));
        Err(Refusal::UnknownFeed { feed: name.to_owned(), hint })
    }

    /// Lands a file. The receipt comes when its rows are durable and visible.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has landed then.
    pub async fn land_file(&self, feed: &str, upload: Upload) -> Result<Receipt, Refusal> {
        self.land_with(feed, upload, Terms::default()).await
    }

    /// Lands a file as its sender says.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has landed then.
    pub async fn land_with(&self, feed: &str, upload: Upload, terms: Terms) -> Result<Receipt, Refusal> {
        let feed = Arc::clone(self.feed(feed)?);
        match self.open_file(&feed, upload, terms).await? {
            Opened::Known(receipt) => Ok(receipt),
            Opened::New(stamp, source) => {
                self.land(&feed, stamp, move |sink: &mut decode::Sink<'_>| source.read(sink)).await
            }
        }
    }

    /// Looks at a file from outside: its size, its format, whether its content is known.
    pub(super) async fn open_file(
        &self,
        feed: &Arc<Feed>,
        upload: Upload,
        terms: Terms,
    ) -> Result<Opened, Refusal> {
        let started = Instant::now();
        let io = |source| Refusal::Io { file: upload.name.clone(), source };
        let file = File::open(&upload.path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        if bytes > self.largest {
            return Err(Refusal::TooLarge { bytes, most: self.largest });
        }
        let (mut file, sha256) = fingerprint(file).await.map_err(io)?;
        feed.table.catch_up().await?;
        if let Some(earlier) = feed.table.state().landings.get(&sha256) {
            return duplicate(earlier, &upload.name, started).map(Opened::Known);
        }
        let submission = feed.admits(&terms)?;
        let mended = match &terms.mends {
            Some(first) => feed.waiting(first).await?,
            None => Mended::default(),
        };
        file.rewind().map_err(io)?;
        let name = upload.name.clone();
        let under = match &terms.contract {
            Some(version) => feed.named(version)?,
            None if feed.has_choice() => self.look(feed, &name, &file).await?,
            None => feed.newest()?,
        };
        let is_there = |name: &&String| under.contract.columns.iter().any(|column| column.header == **name);
        if let Some(header) = terms.units.keys().find(|name| !is_there(name)) {
            return Err(ColumnUnit { header: header.clone(), why: UnitError::NoColumn }.into());
        }
        let request = self.request(&under.contract);
        let stamp = Stamp {
            submission,
            mends: terms.mends,
            mended,
            under,
            units: terms.units,
            file: upload.name,
            sha256,
            cursor: None,
            bytes,
            started,
        };
        Ok(Opened::New(
            stamp,
            Source { decoder: self.decoder.clone(), name, file, request, progress: upload.progress },
        ))
    }

    /// Who reads what a live source of that feed answers and sends.
    ///
    /// # Errors
    /// [`Refusal::UnknownFeed`].
    pub fn reader(&self, feed: &str) -> Result<Reader, Refusal> {
        let (headers, _) = self.feed(feed)?.known_headers();
        Ok(self.decoder.reader(headers.into_iter().collect()))
    }

    /// Lands a batch of a live source, whose columns are named as the contract's headers.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has landed then.
    pub async fn land_batch(&self, feed: &str, batch: RecordBatch, source: &str) -> Result<Receipt, Refusal> {
        self.land_live(feed, Rows::of(batch), source, None).await
    }

    /// Lands rows of a live source; what is no row goes to quarantine. With the commit of the rows
    /// the source's cursor moves, and not without.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has landed then, and the cursor stands where it stood.
    pub async fn land_live(
        &self,
        feed: &str,
        rows: Rows,
        source: &str,
        cursor: Option<Cursor>,
    ) -> Result<Receipt, Refusal> {
        let feed = Arc::clone(self.feed(feed)?);
        let under = if feed.has_choice() {
            let known = feed.known_headers().0.into_iter();
            feed.fitting(&known.filter(|header| rows.has(header)).collect())?
        } else {
            feed.newest()?
        };
        let request = self.request(&under.contract);
        let bytes = rows.batch.get_array_memory_size() as u64;
        let stamp = Stamp {
            submission: Uuid::now_v7().to_string(),
            mends: None,
            mended: Mended::default(),
            under,
            units: Units::new(),
            file: source.to_owned(),
            sha256: String::new(),
            cursor,
            bytes,
            started: Instant::now(),
        };
        let give = move |sink: &mut decode::Sink<'_>| {
            let batch = request.arrange(&rows.batch)?;
            sink(Rows { batch, ..rows }).map(|()| None)
        };
        self.land(&feed, stamp, give).await
    }

    async fn land(
        &self,
        feed: &Feed,
        stamp: Stamp,
        source: impl FnOnce(&mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error> + Send + 'static,
    ) -> Result<Receipt, Refusal> {
        // One landing a keyed feed at a time: two at once could both bring the same key.
        let (_keys, landed) = feed.taken_keys().await?;
        let sieve = self.sieve(feed, &stamp, landed)?;
        let landed_at = sieve.now.0;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let sifting = tokio::task::spawn_blocking(move || sift(sieve, source, &sender));
        let written = write(feed, &stamp, receiver).await;
        let (counts, read_as) = match sifting.await {
            Ok(Ok(sifted)) => sifted,
            Ok(Err(refusal)) => {
                // Where the writing failed, the sifting stopped because of it.
                let files = written?;
                discard(feed, Ok(files)).await;
                return Err(refusal);
            }
            Err(error) => {
                discard(feed, written).await;
                return Err(Refusal::Internal(error.to_string()));
            }
        };
        let receipt = stamp.receipt(feed, &counts, read_as);
        let (good, bad) = written?;
        commit(feed, &stamp, receipt, landed_at, good, bad).await
    }

    /// The version that a file fits.
    async fn look(&self, feed: &Arc<Feed>, name: &str, file: &File) -> Result<Under, Refusal> {
        let (headers, numeric) = feed.known_headers();
        // All are asked for as if they were required: what is missing is then told.
        let place = |index: usize| {
            let header = &feed.contract.columns.get(index)?.header;
            headers.iter().position(|known| known == header)
        };
        let asked = self.request(&feed.contract);
        let point = asked.point.and_then(|(x, y)| Some((place(x)?, place(y)?)));
        let request = Request { required: vec![true; headers.len()], numeric, point, headers, ..asked };
        let (feed, decoder, name) = (Arc::clone(feed), self.decoder.clone(), name.to_owned());
        let file = file.try_clone().map_err(|source| Refusal::io(&name, source))?;
        let looked = tokio::task::spawn_blocking(move || feed.looked_at(&decoder, &name, &file, &request));
        looked.await.map_err(|error| Refusal::Internal(error.to_string()))?
    }

    /// What is wanted of a file of that contract.
    fn request(&self, contract: &Contract) -> Request {
        Request {
            headers: contract.columns.iter().map(|column| column.header.clone()).collect(),
            required: contract.columns.iter().map(|column| column.required).collect(),
            numeric: contract.columns.iter().map(|column| column.data_type.is_numeric()).collect(),
            point: match contract.place {
                Place::Point { x, y, .. } => Some((x, y)),
                _ => None,
            },
            limits: self.decoder.limits(),
            sheet: Some(contract.feed.feed().to_owned()),
        }
    }

    /// What sifts the rows of a submission, where `landed` are the keys that are taken.
    pub(super) fn sieve(&self, feed: &Feed, stamp: &Stamp, landed: Arc<KeySet>) -> Result<Sieve, Refusal> {
        let contract = &stamp.under.contract;
        Ok(Sieve {
            today: Arc::clone(&feed.contract),
            placer: Placer::new(contract.place.clone(), Arc::clone(&self.areas)),
            veil: Veil::new(contract, self.veil_key.as_ref())?,
            under: stamp.under.clone(),
            unique: Uniqueness::new(&feed.contract),
            landed,
            now: self.clock.now(),
            mended: stamp.mended.clone(),
            submission: stamp.submission.clone(),
            file: stamp.file.clone(),
            said: stamp.units.clone(),
            units: None,
            counts: Counts::default(),
        })
    }
}

impl Sieve {
    /// Whether the contract bears what was rejected so far.
    pub(super) fn bearable(&self) -> Result<(), Refusal> {
        let (read, tolerance) = (self.counts.read, self.under.contract.tolerance);
        let rejected = read - self.counts.landed;
        if tolerance.bears(rejected, read) {
            return Ok(());
        }
        Err(Refusal::Intolerable { rejected, read, tolerance, reasons: self.counts.reasons.clone() })
    }
}

/// What is known of a submission before it is read.
pub(super) struct Stamp {
    submission: String,
    mends: Option<String>,
    /// The rejected rows that it may bring again.
    mended: Mended,
    /// The version of the contract that it is held against.
    under: Under,
    /// The units that its sender says.
    units: Units,
    file: String,
    sha256: String,
    cursor: Option<Cursor>,
    bytes: u64,
    started: Instant,
}

impl Stamp {
    pub(super) fn receipt(&self, feed: &Feed, counts: &Counts, read_as: Option<ReadAs>) -> Receipt {
        Receipt {
            submission: self.submission.clone(),
            feed: feed.contract.feed.to_string(),
            file: self.file.clone(),
            rows_read: counts.read,
            rows_landed: counts.landed,
            rows_quarantined: counts.read - counts.landed,
            reasons: counts.reasons.clone(),
            duplicate_of: None,
            bytes: self.bytes,
            seconds: self.started.elapsed().as_secs_f64(),
            contract_version: self.under.contract.version.to_string(),
            left_out: self.under.left_out(),
            mends: self.mends.clone(),
            units: counts.units.clone(),
            read_as,
        }
    }
}

async fn commit(
    feed: &Feed,
    stamp: &Stamp,
    receipt: Receipt,
    landed_at: i64,
    good: Option<Written>,
    bad: Option<Written>,
) -> Result<Receipt, Refusal> {
    let kept = serde_json::to_value(&receipt).map_err(|error| Refusal::Internal(error.to_string()))?;
    let entry = |files: Option<Written>, sha256: &str, cursor: Option<Cursor>| Commit {
        files: files.into_iter().collect(),
        sha256: sha256.to_owned(),
        cursor,
        submission: receipt.submission.clone(),
        landed_at,
        receipt: kept.clone(),
    };
    if bad.is_some() {
        feed.quarantine
            .commit(&entry(bad, "", None))
            .await?
            .map_err(|_| Refusal::Internal("quarantine recognised rows".into()))?;
    }
    if good.is_none() && stamp.sha256.is_empty() && stamp.cursor.is_none() {
        return Ok(receipt);
    }
    match feed.table.commit(&entry(good.clone(), &stamp.sha256, stamp.cursor.clone())).await? {
        Ok(_) => Ok(Receipt { seconds: stamp.started.elapsed().as_secs_f64(), ..receipt }),
        Err(earlier) => {
            feed.table.discard(good.as_slice()).await;
            duplicate(&earlier, &stamp.file, stamp.started)
        }
    }
}

/// The first receipt again, saying so.
fn duplicate(earlier: &Landing, file: &str, started: Instant) -> Result<Receipt, Refusal> {
    let first: Receipt = serde_json::from_value(earlier.receipt.clone())
        .map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Receipt {
        rows_landed: 0,
        rows_quarantined: 0,
        reasons: BTreeMap::new(),
        duplicate_of: Some(earlier.submission.clone()),
        file: file.to_owned(),
        seconds: started.elapsed().as_secs_f64(),
        ..first
    })
}

/// SHA-256 of a file's bytes, in hexadecimal.
async fn fingerprint(mut file: File) -> std::io::Result<(File, String)> {
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        Ok((file, decode::hex(&hasher.finalize())))
    });
    hashed.await.map_err(std::io::Error::other)?
}

fn sift(
    mut sieve: Sieve,
    source: impl FnOnce(&mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error>,
    sender: &mpsc::Sender<Sifted>,
) -> Result<(Counts, Option<ReadAs>), Refusal> {
    let read_as = sieve.sift_all(source, |sifted| {
        sender.blocking_send(sifted).map_err(|_| decode::Error::Stopped("the lake takes no more rows".into()))
    })?;
    sieve.bearable()?;
    Ok((sieve.counts, read_as))
}

type Files = (Option<Written>, Option<Written>);

/// Writes what is sifted until the sifting ends; files are durable when this returns, live rows when they are committed.
async fn write(feed: &Feed, stamp: &Stamp, mut sifted: mpsc::Receiver<Sifted>) -> Result<Files, Refusal> {
    let (mut good, mut bad): (Option<FileWriter>, Option<FileWriter>) = (None, None);
    while let Some(rows) = sifted.recv().await {
        append(&mut good, &feed.table, stamp, Some(rows.good)).await?;
        append(&mut bad, &feed.quarantine, stamp, rows.bad).await?;
    }
    let good = match good {
        Some(file) => Some(file.finish().await?),
        None => None,
    };
    let bad = match bad.map(FileWriter::finish) {
        Some(finished) => match finished.await {
            Ok(file) => Some(file),
            Err(error) => {
                feed.table.discard(good.as_slice()).await;
                return Err(error.into());
            }
        },
        None => None,
    };
    Ok((good, bad))
}

async fn append(
    file: &mut Option<FileWriter>,
    table: &Table,
    stamp: &Stamp,
    rows: Option<RecordBatch>,
) -> Result<(), Refusal> {
    let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) else { return Ok(()) };
    // What nobody will send again as a file is a live batch.
    let begin = || match stamp.sha256.as_str() {
        "" => table.new_rows(&stamp.submission, 0),
        _ => table.new_file(&stamp.submission, 0),
    };
    file.get_or_insert_with(begin).write(&rows).await?;
    Ok(())
}

/// Takes back the files of a refused submission.
async fn discard(feed: &Feed, written: Result<Files, Refusal>) {
    if let Ok((good, bad)) = written {
        feed.table.discard(good.as_slice()).await;
        feed.quarantine.discard(bad.as_slice()).await;
    }
}
