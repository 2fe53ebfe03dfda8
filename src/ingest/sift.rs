//! Decoded rows become rows to land and rows to quarantine: check, place, event time, uniqueness, in this order.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::FilterBuilder;
use arrow::datatypes::{DataType, Date32Type, Field, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::mended::Mended;
use super::place_rows::{Placed, Placer};
use super::quarantine::{Rejected, Units, raw_json};
use super::under::Under;
use super::veil::Veil;
use super::{Converted, Refusal};
use crate::contract::{self, Code, Contract, Conversion, KeySet, Reject, Uniqueness};
use crate::decode::{self, ReadAs, Rows};
use crate::model::{Micros, UNIT};

/// The rows of one batch, parted.
pub(super) struct Sifted {
    pub(super) good: RecordBatch,
    pub(super) bad: Option<RecordBatch>,
}

/// What has been counted over a submission.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) landed: u64,
    pub(super) reasons: BTreeMap<String, u64>,
    /// Columns that came in another unit than the contract's.
    pub(super) units: Units,
}

/// Sifts the batches of one submission.
pub(super) struct Sieve {
    /// What the lake's rows are.
    pub(super) today: Arc<Contract>,
    /// What these rows must be.
    pub(super) under: Under,
    pub(super) placer: Placer,
    pub(super) veil: Veil,
    pub(super) unique: Uniqueness,
    pub(super) landed: Arc<KeySet>,
    pub(super) now: Micros,
    /// The rejected rows that it may bring again.
    pub(super) mended: Mended,
    pub(super) submission: String,
    pub(super) file: String,
    /// The units that its sender says.
    pub(super) said: decode::Units,
    /// How numbers become the contract's units; none until the first rows were seen.
    pub(super) units: Option<Vec<Option<Conversion>>>,
    pub(super) counts: Counts,
}

impl Sieve {
    /// Sifts all rows of `source` and hands them on. The answer is how it was read.
    pub(super) fn sift_all(
        &mut self,
        source: impl FnOnce(&mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error>,
        mut sifted: impl FnMut(Sifted) -> Result<(), decode::Error>,
    ) -> Result<Option<ReadAs>, Refusal> {
        let mut refused = None;
        let read = source(&mut |rows: Rows| {
            let stopped = |why: &dyn std::fmt::Display| decode::Error::Stopped(why.to_string());
            if let Err(refusal) = self.take_units(&rows.batch.schema()) {
                let why = stopped(&refusal);
                refused = Some(refusal);
                return Err(why);
            }
            sifted(self.sift(&rows).map_err(|error| stopped(&error))?)
        });
        // A reader knows only that nobody wanted more of it.
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(read?),
        }
    }

    /// A file's units are those of its first rows, and those that its sender says before them.
    fn take_units(&mut self, source: &Schema) -> Result<(), Refusal> {
        if self.units.is_some() {
            return Ok(());
        }
        let field = |field: &Arc<Field>| match self.said.get(field.name()) {
            Some(unit) => decode::with_unit(field.as_ref().clone(), Some(unit)),
            None => field.as_ref().clone(),
        };
        let source = &Schema::new(source.fields().iter().map(field).collect::<Vec<_>>());
        let units = contract::conversions(&self.under.contract, source)?;
        let columns = self.under.contract.columns.iter().zip(source.fields()).zip(&units);
        for ((column, field), _) in columns.filter(|(_, conversion)| conversion.is_some()) {
            if let (Some(from), Some(to)) = (field.metadata().get(UNIT), &column.unit) {
                let converted = Converted { from: from.clone(), to: to.clone() };
                self.counts.units.insert(column.header.clone(), converted);
            }
        }
        self.units = Some(units);
        Ok(())
    }

    fn sift(&mut self, rows: &Rows) -> Result<Sifted, ArrowError> {
        let units = self.units.as_deref().unwrap_or_default();
        let mut checked = contract::check(&self.under.contract, &rows.batch, units)?;
        checked.batch = self.veil.batch(checked.batch)?;
        let mut rejects = checked.rejects;
        self.veil.reasons(&mut rejects);
        let placed = self.placer.place(&checked.batch, self.now)?;
        self.blame_place(&placed, &checked.batch, &mut rejects);
        let todays = self.under.in_todays(&self.today, &checked.batch)?;
        let event_time = self.event_time(&checked.batch, &todays, &mut rejects)?;
        if self.unique.watches() {
            self.unique.check(&todays, &self.landed, &mut rejects)?;
        }
        self.counts.read += (rows.batch.num_rows() + rows.unreadable.len()) as u64;
        self.counts.landed += (rows.batch.num_rows() - rejects.len()) as u64;
        let bad = self.quarantine(rows, &rejects)?;
        let good = self.complete(&todays, placed, event_time, &rows.numbers, &rejects)?;
        Ok(Sifted { good, bad })
    }

    /// A broken place is told once, not beside the coordinate's own range.
    fn blame_place(&self, placed: &Placed, batch: &RecordBatch, rejects: &mut BTreeMap<usize, Vec<Reject>>) {
        let columns: &[usize] = match &self.under.contract.place {
            contract::Place::Nowhere => &[],
            contract::Place::Point { x, y, .. } => &[*x, *y],
            contract::Place::Area { column, .. } | contract::Place::Cell { column, .. } => &[*column],
        };
        let name: Vec<&str> = columns.iter().map(|&i| self.under.contract.columns[i].name.as_str()).collect();
        for &(row, code) in &placed.broken {
            let reasons = rejects.entry(row).or_default();
            if reasons.iter().any(|reason| name.contains(&reason.column.as_str())) {
                continue;
            }
            let shown = |&i: &usize| {
                arrow::util::display::array_value_to_string(batch.column(i), row).unwrap_or_default()
            };
            let value = columns.iter().map(shown).collect::<Vec<_>>().join(", ");
            reasons.push(Reject { code, column: name.join("+"), value: Some(value) });
        }
    }

    fn event_time(
        &mut self,
        batch: &RecordBatch,
        todays: &RecordBatch,
        rejects: &mut BTreeMap<usize, Vec<Reject>>,
    ) -> Result<TimestampMicrosecondArray, ArrowError> {
        let Some(rule) = &self.under.contract.event_time else {
            return Ok(TimestampMicrosecondArray::new_null(batch.num_rows()).with_timezone("UTC"));
        };
        let column = &self.under.contract.columns[rule.column];
        let array = batch.column(rule.column);
        let times: TimestampMicrosecondArray = match array.data_type() {
            DataType::Date32 => array
                .as_primitive::<Date32Type>()
                .iter()
                .map(|days| contract::midnight(days?, column.timezone))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
            _ => array.as_primitive::<TimestampMicrosecondType>().clone(),
        };
        let latest = self.now.0.saturating_add(rule.future_us);
        let early =
            rows_where(&times, |time| time > latest).into_iter().map(|row| (row, Code::EventTimeFuture));
        let mut broken: Vec<(usize, Code)> = early.collect();
        if let Some(late_us) = rule.late_us {
            let earliest = |came: i64| came.saturating_sub(late_us);
            let late = rows_where(&times, |time| time < earliest(self.now.0));
            let came = self.mended.came(todays, &late)?;
            let in_time = |(row, came): &(usize, Option<i64>)| {
                came.is_some_and(|came| times.value(*row) >= earliest(came))
            };
            let late = late.into_iter().zip(came).filter(|row| !in_time(row));
            broken.extend(late.map(|(row, _)| (row, Code::TooLate)));
        }
        for (row, code) in broken {
            let value = Some(Micros(times.value(row)).to_rfc3339());
            rejects.entry(row).or_default().push(Reject { code, column: column.name.clone(), value });
        }
        Ok(times)
    }

    fn quarantine(
        &mut self,
        rows: &Rows,
        rejects: &BTreeMap<usize, Vec<Reject>>,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let mut rejected = Rejected::default();
        for (&row, reasons) in rejects {
            if let (Some(first), Some(number)) = (reasons.first(), rows.numbers.get(row)) {
                *self.counts.reasons.entry(first.code.to_string()).or_default() += 1;
                rejected.push(*number, reasons, &raw_json(&rows.batch, row, &self.veil, &self.counts.units));
            }
        }
        for line in &rows.unreadable {
            *self.counts.reasons.entry(Code::RowUnreadable.to_string()).or_default() += 1;
            let reason =
                Reject { code: Code::RowUnreadable, column: String::new(), value: Some(line.why.clone()) };
            rejected.push(line.number, &[reason], self.veil.line(&line.text));
        }
        if rejected.len() == 0 {
            return Ok(None);
        }
        let version = self.under.contract.version.to_string();
        rejected.finish(&self.file, &self.submission, &version, self.now.0).map(Some)
    }

    /// The rows without those that are rejected, in the table's columns.
    fn complete(
        &self,
        batch: &RecordBatch,
        placed: Placed,
        event_time: TimestampMicrosecondArray,
        numbers: &[i64],
        rejects: &BTreeMap<usize, Vec<Reject>>,
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.extend([Arc::new(placed.cell) as ArrayRef, Arc::new(placed.area), Arc::new(event_time)]);
        let mut numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
        if !rejects.is_empty() {
            let mut keep = BooleanBufferBuilder::new(batch.num_rows());
            keep.append_n(batch.num_rows(), true);
            rejects.keys().for_each(|row| keep.set_bit(*row, false));
            let keep = FilterBuilder::new(&BooleanArray::new(keep.finish(), None)).optimize().build();
            for column in columns.iter_mut().chain([&mut numbers]) {
                *column = keep.filter(column)?;
            }
        }
        // What all rows have in common is made for those that stay.
        let rows = numbers.len();
        let landed_at = TimestampMicrosecondArray::from_value(self.now.0, rows).with_timezone("UTC");
        columns.extend([
            Arc::new(landed_at) as ArrayRef,
            Arc::new(repeated(&self.submission, rows)?),
            numbers,
        ]);
        RecordBatch::try_new(self.today.table_schema(), columns)
    }
}

/// The rows whose time is such.
fn rows_where(times: &TimestampMicrosecondArray, such: impl Fn(i64) -> bool) -> Vec<usize> {
    let rows = times.iter().enumerate();
    rows.filter_map(|(row, time)| time.is_some_and(&such).then_some(row)).collect()
}

/// One text in every row.
fn repeated(text: &str, rows: usize) -> Result<StringArray, ArrowError> {
    let offsets = OffsetBuffer::from_repeated_length(text.len(), rows);
    StringArray::try_new(offsets, text.repeat(rows).into_bytes().into(), None)
}

/// Sifts what `source` reads as a landing does: every row that is read lands or is rejected with a reason.
#[cfg(feature = "fuzzing")]
pub fn fuzz(
    contract: &Arc<Contract>,
    areas: Arc<crate::place::Areas>,
    source: impl FnOnce(&mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error>,
) {
    let key = super::VeilKey::new(&[7; 32]);
    let mut sieve = Sieve {
        today: Arc::clone(contract),
        under: Under { contract: Arc::clone(contract), earlier: None },
        placer: Placer::new(contract.place.clone(), areas),
        veil: Veil::new(contract, Some(&key)).expect("a key"),
        unique: Uniqueness::new(contract),
        landed: Arc::default(),
        now: Micros(1_790_000_000_000_000),
        mended: Mended::default(),
        submission: "s".into(),
        file: "f".into(),
        said: decode::Units::new(),
        units: None,
        counts: Counts::default(),
    };
    let (mut good, mut bad) = (0, 0);
    let read = sieve.sift_all(source, |sifted| {
        assert_eq!(sifted.good.schema(), contract.table_schema(), "rows that do not fit their table");
        good += sifted.good.num_rows() as u64;
        bad += sifted.bad.map_or(0, |bad| bad.num_rows()) as u64;
        Ok(())
    });
    if read.is_ok() {
        let counts = &sieve.counts;
        assert_eq!((good, good + bad), (counts.landed, counts.read), "rows were lost");
        assert_eq!(counts.reasons.values().sum::<u64>(), bad, "rows were rejected for no reason");
    }
}
