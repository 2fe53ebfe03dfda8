//! Which keys and unique values came before: 128-bit fingerprints, 16 bytes a key, whatever the key's width.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_128;

use super::check::excerpt;
use super::{Code, Contract, Reject};

/// The keys that a feed's table holds already.
#[derive(Debug, Default, Clone)]
pub struct KeySet(HashSet<u128>);

impl KeySet {
    /// Adds the keys of rows that landed.
    ///
    /// # Errors
    /// Where the key's columns cannot be brought into row form.
    pub fn insert(&mut self, key: &[ArrayRef]) -> Result<(), ArrowError> {
        self.0.extend(prints(key)?);
        Ok(())
    }

    /// Adds all keys of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Uniqueness within one submission, and of its keys against the table's.
#[derive(Debug)]
pub struct Uniqueness {
    key: Vec<usize>,
    unique: Vec<usize>,
    key_seen: KeySet,
    unique_seen: Vec<HashSet<u128>>,
}

impl Uniqueness {
    /// Nothing seen yet.
    pub fn new(contract: &Contract) -> Self {
        let unique: Vec<usize> =
            (0..contract.columns.len()).filter(|&i| contract.columns[i].unique).collect();
        Self {
            key: contract.once().to_vec(),
            unique_seen: vec![HashSet::new(); unique.len()],
            unique,
            key_seen: KeySet::default(),
        }
    }

    /// Whether the contract has anything to watch.
    pub fn watches(&self) -> bool {
        !self.key.is_empty() || !self.unique.is_empty()
    }

    /// Adds to `rejects` the rows of `batch` whose key or unique value came before. A row rejected for
    /// another reason claims no key: the first good row does.
    ///
    /// # Errors
    /// Where the columns cannot be brought into row form.
    pub fn check(
        &mut self,
        batch: &RecordBatch,
        landed: &KeySet,
        rejects: &mut BTreeMap<usize, Vec<Reject>>,
    ) -> Result<(), ArrowError> {
        if !self.key.is_empty() {
            let columns: Vec<ArrayRef> = self.key.iter().map(|&i| batch.column(i).clone()).collect();
            let name = self
                .key
                .iter()
                .map(|&i| batch.schema().field(i).name().clone())
                .collect::<Vec<_>>()
                .join("+");
            let value = |row| columns.iter().filter_map(|c| excerpt(c, row)).collect::<Vec<_>>().join("+");
            for (row, print) in prints(&columns)?.into_iter().enumerate() {
                if rejects.contains_key(&row) {
                    continue;
                }
                let code = if landed.0.contains(&print) {
                    Code::KeyLanded
                } else if self.key_seen.0.insert(print) {
                    continue;
                } else {
                    Code::KeyDuplicate
                };
                rejects.entry(row).or_default().push(Reject {
                    code,
                    column: name.clone(),
                    value: Some(value(row)),
                });
            }
        }
        for (seen, &column) in self.unique_seen.iter_mut().zip(&self.unique) {
            let array = batch.column(column);
            for (row, print) in prints(std::slice::from_ref(array))?.into_iter().enumerate() {
                if array.is_null(row) || rejects.contains_key(&row) || seen.insert(print) {
                    continue;
                }
                let column = batch.schema().field(column).name().clone();
                rejects.entry(row).or_default().push(Reject {
                    code: Code::NotUnique,
                    column,
                    value: excerpt(array, row),
                });
            }
        }
        Ok(())
    }

    /// The keys of this submission's good rows, for the table's set once they have landed.
    pub fn into_keys(self) -> KeySet {
        self.key_seen
    }
}

/// A fingerprint of each row's values: equal where they are.
///
/// # Errors
/// Where the columns cannot be brought into row form.
pub fn fingerprints(batch: &RecordBatch) -> Result<Vec<u128>, ArrowError> {
    // Rows of no columns are all alike.
    if batch.num_columns() == 0 { Ok(vec![0; batch.num_rows()]) } else { prints(batch.columns()) }
}

fn prints(columns: &[ArrayRef]) -> Result<Vec<u128>, ArrowError> {
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(columns)?;
    Ok(rows.iter().map(|row| xxh3_128(row.as_ref())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn the_first_good_row_of_a_key_wins() {
        let mut contract =
            parse(&"environment.air".parse().unwrap(), include_str!("testdata/air.odcs.yaml")).unwrap();
        contract.key = vec![0, 1];
        let batch = |ids: Vec<&str>, ts: Vec<i64>| {
            RecordBatch::try_from_iter([
                ("station_id", Arc::new(StringArray::from(ids)) as ArrayRef),
                ("ts", Arc::new(Int64Array::from(ts)) as ArrayRef),
            ])
            .unwrap()
        };
        let mut unique = Uniqueness::new(&contract);
        let mut landed = KeySet::default();
        landed.insert(batch(vec!["c"], vec![9]).columns()).unwrap();
        let bad = Reject { code: Code::OutOfRange, column: "x".into(), value: None };
        let mut rejects = BTreeMap::from([(0, vec![bad])]);
        unique.check(&batch(vec!["a", "a", "a", "c"], vec![1, 1, 1, 9]), &landed, &mut rejects).unwrap();
        let codes: Vec<(usize, Code)> = rejects.iter().map(|(row, all)| (*row, all[0].code)).collect();
        assert_eq!(codes, [(0, Code::OutOfRange), (2, Code::KeyDuplicate), (3, Code::KeyLanded)]);
        let mut second = BTreeMap::new();
        unique.check(&batch(vec!["a", "b"], vec![1, 1]), &landed, &mut second).unwrap();
        assert_eq!(second.keys().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(unique.into_keys().len(), 2);
    }
}
