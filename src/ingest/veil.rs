//! What a contract keeps from the lake: values are hashed or dropped before anything is written, in rejected rows, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, new_null_array};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use ring::hmac;

use super::Refusal;
use crate::contract::{Contract, OnLanding, Reject};
use crate::decode;

/// Bytes of a hash that the lake gets: enough that no two values of a city meet.
const KEPT: usize = 16;

/// The city's own key for hashes: without it nobody can try out which value a hash is of.
#[derive(Debug, Clone)]
pub struct VeilKey(Arc<hmac::Key>);

impl VeilKey {
    /// A key of secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    fn hash(&self, value: &str) -> String {
        let tag = hmac::sign(&self.0, value.as_bytes());
        decode::hex(tag.as_ref().get(..KEPT).unwrap_or_default())
    }
}

/// A column that is not kept as it is.
#[derive(Debug)]
struct Veiled {
    index: usize,
    name: String,
    header: String,
    /// None: the values are dropped.
    key: Option<VeilKey>,
}

/// The veiled columns of one contract; for most contracts none.
#[derive(Debug, Default)]
pub(super) struct Veil(Vec<Veiled>);

impl Veil {
    pub(super) fn new(contract: &Contract, key: Option<&VeilKey>) -> Result<Self, Refusal> {
        let mut veiled = Vec::new();
        for (index, column) in contract.columns.iter().enumerate() {
            let key = match column.on_landing {
                OnLanding::Keep => continue,
                OnLanding::Drop => None,
                OnLanding::Hash => match key {
                    Some(key) => Some(key.clone()),
                    None => return Err(Refusal::Internal("the city has no key for hashed columns".into())),
                },
            };
            let (name, header) = (column.name.clone(), column.header.clone());
            veiled.push(Veiled { index, name, header, key });
        }
        Ok(Self(veiled))
    }

    /// The batch as the lake may have it.
    pub(super) fn batch(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        if self.0.is_empty() {
            return Ok(batch);
        }
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for Veiled { index, key, .. } in &self.0 {
            let Some(column) = columns.get_mut(*index) else { continue };
            *column = match (key, column.as_string_opt::<i32>()) {
                (Some(key), Some(texts)) => Arc::new(
                    texts.iter().map(|text| text.map(|text| key.hash(text))).collect::<StringArray>(),
                ),
                _ => new_null_array(column.data_type(), column.len()),
            };
        }
        RecordBatch::try_new(batch.schema(), columns)
    }

    /// Takes veiled values out of the reasons for which rows are rejected.
    pub(super) fn reasons(&self, rejects: &mut BTreeMap<usize, Vec<Reject>>) {
        if self.0.is_empty() {
            return;
        }
        let reasons = rejects.values_mut().flatten();
        reasons.filter(|reason| self.0.iter().any(|veiled| veiled.name == reason.column)).for_each(
            |reason| {
                reason.value = None;
            },
        );
    }

    /// A value of a source row as quarantine may have it; none: not at all.
    pub(super) fn source(&self, header: &str, text: String) -> Option<String> {
        match self.0.iter().find(|veiled| veiled.header == header) {
            None => Some(text),
            Some(Veiled { key, .. }) => key.as_ref().map(|key| key.hash(&text)),
        }
    }

    /// An unreadable line as quarantine may have it: nobody can tell what in it is which column.
    pub(super) fn line<'a>(&self, text: &'a str) -> &'a str {
        if self.0.is_empty() { text } else { "" }
    }
}
