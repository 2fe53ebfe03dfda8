//! The primary keys that a feed's table holds, read once and then kept up with every landing.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use futures::TryStreamExt as _;

use super::Refusal;
use crate::contract::{Contract, KeySet};
use crate::lake::{Position, Table};

/// The keys of all rows up to one position.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    keys: Arc<KeySet>,
    position: Option<Position>,
    files: std::collections::HashSet<String>,
    withdrawn: usize,
}

impl KnownKeys {
    /// The keys of every row that `table` holds now.
    pub(super) async fn up_to_date(
        &mut self,
        contract: &Contract,
        table: &Table,
    ) -> Result<Arc<KeySet>, Refusal> {
        let state = table.state();
        if self.position == Some(state.position()) {
            return Ok(Arc::clone(&self.keys));
        }
        if self.withdrawn != state.withdrawn.len() {
            // A key that left may come again; which ones left only the remaining files can tell.
            *self = Self { withdrawn: state.withdrawn.len(), ..Self::default() };
        }
        for file in state.entries() {
            if self.files.insert(file.path.clone()) {
                let keys = match &file.hot {
                    Some(rows) => {
                        let columns: Vec<ArrayRef> =
                            contract.key.iter().map(|&i| Arc::clone(rows.column(i))).collect();
                        let mut keys = KeySet::default();
                        keys.insert(&columns).map_err(|error| Refusal::Internal(error.to_string()))?;
                        keys
                    }
                    None => read(contract, table, &file.path).await?,
                };
                Arc::make_mut(&mut self.keys).extend(keys);
            }
        }
        if self.files.len() > 2 * (state.files.len() + state.tail.len()) {
            self.files = state.entries().map(|file| file.path.clone()).collect();
        }
        self.position = Some(state.position());
        Ok(Arc::clone(&self.keys))
    }
}

async fn read(contract: &Contract, table: &Table, path: &str) -> Result<KeySet, Refusal> {
    let names: Vec<&str> = contract.key.iter().map(|&i| contract.columns[i].name.as_str()).collect();
    let mut batches = table.read_file(path, Some(&names)).await?;
    let mut keys = KeySet::default();
    let failed = |error: &dyn std::fmt::Display| Refusal::Internal(format!("keys of {path}: {error}"));
    while let Some(batch) = batches.try_next().await.map_err(|error| failed(&error))? {
        // A file of before the key had this column has rows without it.
        let column = |index: &usize| {
            let column = contract.columns.get(*index)?;
            let found = batch.column_by_name(&column.name).map(Arc::clone);
            Some(found.unwrap_or_else(|| new_null_array(&column.data_type, batch.num_rows())))
        };
        let columns: Vec<ArrayRef> = contract.key.iter().filter_map(column).collect();
        keys.insert(&columns).map_err(|error| failed(&error))?;
    }
    Ok(keys)
}
