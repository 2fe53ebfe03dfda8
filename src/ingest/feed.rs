//! A feed that rows can land in: its contract, its tables and the keys that are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Mutex, MutexGuard};

use super::known_keys::KnownKeys;
use super::{Refusal, quarantine};
use crate::contract::{Contract, KeySet};
use crate::lake::{Lake, Table, TableName};
use crate::model::FeedName;

/// Tables that are opened at once: a bucket answers slowly, not seldom.
const OPENED_AT_ONCE: usize = 8;

/// A feed that rows can land in.
#[derive(Debug)]
pub struct Feed {
    /// What its rows must be.
    pub contract: Arc<Contract>,
    /// Its landed rows.
    pub table: Arc<Table>,
    /// Its rejected rows.
    pub quarantine: Arc<Table>,
    pub(super) keys: Mutex<KnownKeys>,
}

/// All feeds of a city, by name.
pub type Feeds = BTreeMap<FeedName, Arc<Feed>>;

/// Opens the tables of all contracts, several at once.
///
/// # Errors
/// Where a table cannot be opened.
pub async fn open_feeds(lake: &Lake, contracts: &[Arc<Contract>]) -> Result<Feeds, Refusal> {
    let open = |contract: &Arc<Contract>| {
        let contract = Arc::clone(contract);
        async move {
            let name = contract.feed.clone();
            let table = lake.table(&TableName::Feed(name.clone()), contract.table_schema()).await?;
            let quarantine = lake.table(&TableName::Quarantine(name.clone()), quarantine::schema()).await?;
            Ok((name, Arc::new(Feed { contract, table, quarantine, keys: Mutex::default() })))
        }
    };
    stream::iter(contracts.iter().map(open)).buffer_unordered(OPENED_AT_ONCE).try_collect().await
}

impl Feed {
    /// Its keys, for as long as nobody else may land or withdraw; none where a key may come again.
    pub(super) async fn hold_keys(&self) -> Option<MutexGuard<'_, KnownKeys>> {
        if self.contract.once().is_empty() { None } else { Some(self.keys.lock().await) }
    }

    /// The same with the keys that its table holds.
    pub(super) async fn taken_keys(
        &self,
    ) -> Result<(Option<MutexGuard<'_, KnownKeys>>, Arc<KeySet>), Refusal> {
        let mut keys = self.hold_keys().await;
        let taken = match &mut keys {
            Some(keys) => keys.up_to_date(&self.contract, &self.table).await?,
            None => Arc::default(),
        };
        Ok((keys, taken))
    }
}
