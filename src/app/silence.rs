//! Quiet feeds → journal: a feed that goes quiet past its freshness is an alert, and its return clears it.
//!
//! Both are events like those of alert queries: on disk before anybody is told, on every screen, in both languages. No
//! area is theirs, so that no unit is sent out for them.

use std::collections::BTreeSet;

use crate::alert::{Condition, Detail};
use crate::ingest::Lander;
use crate::journal::{Desk, Error};
use crate::model::{Micros, QueryName, Severity};

/// Where a query's name would stand; the city's queries have other names.
const SOURCE: &str = "cityloom_no_signal";
/// What the duty list may call it.
const CATEGORY: &str = "no_signal";

/// Whether these alerts are not of a query.
pub(super) fn is_of_feeds(query: &QueryName) -> bool {
    query.as_str() == SOURCE
}

/// Tells the desk when silence begins and ends.
#[derive(Debug, Default)]
pub(super) struct Silence {
    told: Option<BTreeSet<String>>,
}

impl Silence {
    /// Tells what is quiet now, where that is not what was told; after a start, whatever it is.
    pub(super) async fn tell(
        &mut self,
        silent: BTreeSet<String>,
        lander: &Lander,
        desk: &Desk,
        now: Micros,
    ) -> Result<(), Error> {
        if self.told.as_ref() == Some(&silent) {
            return Ok(());
        }
        let Ok(source) = SOURCE.parse::<QueryName>() else { return Ok(()) };
        let conditions = silent.iter().filter_map(|name| condition(&source, name, lander)).collect();
        desk.settle(source, conditions, now).await?;
        self.told = Some(silent);
        Ok(())
    }
}

fn condition(source: &QueryName, name: &str, lander: &Lander) -> Option<Condition> {
    let title = &lander.feed(name).ok()?.contract.title;
    Some(Condition {
        query: source.clone(),
        key: name.to_owned(),
        category: CATEGORY.into(),
        severity: Severity::Minor,
        title_en: format!("No signal: {} ({name})", title.en),
        title_zh: format!("无信号：{}（{name}）", title.zh),
        cell: None,
        place: None,
        area: None,
        detail: Detail::new(),
    })
}
