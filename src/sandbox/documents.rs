//! What live sources answer that is no JSON, decoded as files are: by a child.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use serde_json::Value;

use super::Decoder;
use crate::decode::{self, Document, Error, Progress, Record, Request, Rows};

impl Decoder {
    /// The rows of a document, as texts; blocks until they are there. A value that is not there has no name.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn records(&self, document: Document, bytes: &[u8]) -> Result<Vec<Record>, Error> {
        let file = file_of(bytes).map_err(|error| Error::Scratch(error.to_string()))?;
        let headers: Vec<String> = document.columns().iter().map(|name| (*name).to_owned()).collect();
        let columns = headers.len();
        let request = Request {
            headers,
            // Of the kinds of entity that a feed may hold, the one that has all of these.
            required: vec![true; columns],
            numeric: vec![false; columns],
            point: None,
            limits: decode::Limits { rows: decode::MOST_RECORDS as u64, ..self.limits },
            sheet: None,
        };
        let mut records = Vec::new();
        let mut sink = |rows: Rows| {
            records.extend((0..rows.batch.num_rows()).map(|row| record(&rows.batch, row)));
            Ok(())
        };
        self.decode(document.file_name(), file, &request, &Arc::new(Progress::default()), &mut sink)?;
        Ok(records)
    }
}

fn file_of(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn record(batch: &RecordBatch, row: usize) -> Record {
    let schema = batch.schema();
    let value = |(column, name): (usize, &String)| {
        let texts = batch.column(column).as_string_opt::<i32>().filter(|texts| texts.is_valid(row))?;
        Some((name.clone(), Value::String(texts.value(row).to_owned())))
    };
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    names.into_iter().enumerate().filter_map(value).collect()
}
