//! The primary keys that a feed's table holds, read once and then kept up with every landing.

use std::sync::Arc;

use arrow::array::ArrayRef;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
#[expect(deprecated, reason = "its successor is an example to copy, not yet a type to use")]
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::Refusal;
use crate::contract::{Contract, KeySet};
use crate::lake::Table;

/// The keys of all rows up to one log sequence number.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    keys: Arc<KeySet>,
    version: Option<u64>,
    files: std::collections::HashSet<String>,
}

impl KnownKeys {
    /// The keys of every row that `table` holds now.
    pub(super) async fn up_to_date(
        &mut self,
        contract: &Contract,
        table: &Table,
    ) -> Result<Arc<KeySet>, Refusal> {
        let state = table.state();
        if self.version == Some(state.version) {
            return Ok(Arc::clone(&self.keys));
        }
        for file in &state.files {
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
        self.version = Some(state.version);
        Ok(Arc::clone(&self.keys))
    }
}

async fn read(contract: &Contract, table: &Table, path: &str) -> Result<KeySet, Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::Internal(format!("keys of {path}: {error}"));
    let store = table.store();
    let meta = store.head(&path.into()).await.map_err(|error| failed(&error))?;
    #[expect(deprecated, reason = "as above")]
    let reader = ParquetObjectReader::new(store, meta.location).with_file_size(meta.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| failed(&error))?;
    let names: Vec<&str> = contract.key.iter().map(|&i| contract.columns[i].name.as_str()).collect();
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let mut batches = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
    let mut keys = KeySet::default();
    while let Some(batch) = batches.try_next().await.map_err(|error| failed(&error))? {
        let columns: Vec<ArrayRef> =
            names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        keys.insert(&columns).map_err(|error| failed(&error))?;
    }
    Ok(keys)
}
