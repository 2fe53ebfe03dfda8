//! Analysts' SQL over the lake: catalog, functions, queries, refresh.
//!
//! `session.rs` is the only place that builds a DataFusion context; `engine.rs` the only one that runs plans.
//! What becomes of results (layers, alerts, KPIs) is not known here.

mod audit;
mod content;
mod engine;
mod explained;
#[cfg(test)]
mod faulty_tests;
mod feed_table;
mod filling;
mod fixture;
mod header;
mod latest;
mod local;
mod locate;
mod made_table;
mod query;
mod query_set;
mod refresh;
mod result_table;
mod rollout;
mod session;
mod shape;
#[cfg(test)]
mod tests;
pub mod udf;
mod upkeep;
#[cfg(test)]
mod upkeep_tests;

pub use audit::Audit;
pub use engine::{Change, Engine, Tick};
pub use explained::{Explained, StateExplained};
pub use filling::{Filler, Progress, StateLimits};
pub use fixture::{Case, CaseOutcome, Known, run_case};
pub use header::{ColumnShow, Kind, RefreshRule, Text};
pub use latest::Latest;
pub use query::Query;
pub use query_set::{Lineage, QueryFile, QuerySet};
pub use refresh::{Reason, Size};
pub use rollout::{Difference, Fate, Footprint, Rollout, StateFootprint, difference, rollout};
pub use session::{Catalog, SessionConfig, print};
