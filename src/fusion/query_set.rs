//! All queries of a city: reading the folder, the order in which they depend on each other, their lineage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::session::read_folder;
use super::{Query, locate};
use crate::contract::closest;
use crate::model::{Problem, QueryName};

/// The code of queries that read each other in a circle.
pub(super) const WAITS: &str = "CL004";

/// A file of the queries' folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryFile {
    /// Its path, as people know it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Queries in an order in which each comes after what it reads.
#[derive(Debug, Default, Clone)]
pub struct QuerySet {
    ordered: Vec<Arc<Query>>,
}

/// What a query reads, directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The query.
    pub query: QueryName,
    /// Feeds and reference tables.
    pub feeds: BTreeSet<String>,
    /// Other queries.
    pub queries: BTreeSet<String>,
}

impl QueryFile {
    /// The name of the query that it holds.
    pub fn stem(&self) -> &str {
        let base = self.file.rsplit(['/', '\\']).next().unwrap_or_default();
        base.strip_suffix(".sql").unwrap_or(base)
    }

    /// All `.sql` files below `folder`; their names begin with `shown`.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn read_all(folder: &Path, shown: &str) -> std::io::Result<Vec<Self>> {
        let files = read_folder(folder, "sql")?;
        Ok(files.into_iter().map(|(below, text)| Self { file: format!("{shown}/{below}"), text }).collect())
    }
}

impl QuerySet {
    /// Orders `queries`; `tables` are the feeds and reference tables that exist. What cannot be ordered (a
    /// cycle, a missing input, a name twice) is left out and told.
    pub fn order(queries: Vec<Query>, tables: &[String]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut by_name: BTreeMap<String, Arc<Query>> = BTreeMap::new();
        for query in queries {
            let name = query.name.to_string();
            if let Some(first) = by_name.get(&name) {
                let message = format!("the name `{name}` is taken by {}", first.file);
                problems.push(Problem::of_file(&query.file, "CL003", message));
            } else {
                by_name.insert(name, Arc::new(query));
            }
        }
        for query in by_name.values() {
            problems.extend(missing_inputs(query, &by_name, tables));
        }
        let mut ordered: Vec<Arc<Query>> = Vec::new();
        let mut done: BTreeSet<String> = BTreeSet::new();
        loop {
            let ready: Vec<Arc<Query>> = by_name
                .values()
                .filter(|query| !done.contains(query.name.as_str()))
                .filter(|query| query.queries.iter().all(|input| done.contains(input)))
                .map(Arc::clone)
                .collect();
            if ready.is_empty() {
                break;
            }
            for query in ready {
                done.insert(query.name.to_string());
                ordered.push(query);
            }
        }
        for query in by_name.values().filter(|query| !done.contains(query.name.as_str())) {
            if query.queries.iter().all(|input| by_name.contains_key(input)) {
                problems.extend(circle(query, &by_name));
            }
        }
        (Self { ordered }, problems)
    }

    /// The queries, each after what it reads.
    pub fn ordered(&self) -> &[Arc<Query>] {
        &self.ordered
    }

    /// What each query reads.
    pub fn lineage(&self) -> Vec<Lineage> {
        let of = |query: &Arc<Query>| Lineage {
            query: query.name.clone(),
            feeds: query.feeds.clone(),
            queries: query.queries.clone(),
        };
        self.ordered.iter().map(of).collect()
    }

    /// The feeds that a query reads, through other queries too.
    pub fn feeds_of(&self, name: &str) -> BTreeSet<String> {
        let Some(query) = self.ordered.iter().find(|query| query.name.as_str() == name) else {
            return BTreeSet::new();
        };
        let inherited = query.queries.iter().flat_map(|input| self.feeds_of(input));
        query.feeds.iter().cloned().chain(inherited).collect()
    }
}

/// Tells a query that reads itself through others. One that only waits for such a query is not wrong itself.
fn circle(query: &Query, queries: &BTreeMap<String, Arc<Query>>) -> Option<Problem> {
    let home = query.name.as_str();
    let mut ways: Vec<Vec<&str>> = vec![vec![home]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let reads = way.last().and_then(|name| queries.get(*name)).map(|query| &query.queries);
        for input in reads.into_iter().flatten() {
            let longer: Vec<&str> = way.iter().copied().chain([input.as_str()]).collect();
            if input == home {
                let (line, column) =
                    locate::word(&query.sql, longer.get(1).copied().unwrap_or(home)).unwrap_or_default();
                let message = format!("it reads itself in a circle: {}", longer.join(" reads "));
                let help = Some("let one of them read what the other reads".to_owned());
                return Some(Problem { file: query.file.clone(), line, column, code: WAITS, message, help });
            }
            if seen.insert(input.as_str()) {
                ways.push(longer);
            }
        }
    }
    None
}

fn missing_inputs(query: &Query, queries: &BTreeMap<String, Arc<Query>>, tables: &[String]) -> Vec<Problem> {
    let names = || queries.keys().map(String::as_str).chain(tables.iter().map(String::as_str));
    let absent_query = |name: &&String| !queries.contains_key(*name);
    let absent_feed = |name: &&String| !tables.contains(name) && !name.starts_with("information_schema.");
    let absent = query.queries.iter().filter(absent_query).chain(query.feeds.iter().filter(absent_feed));
    absent
        .map(|name| {
            let (line, column) = locate::word(&query.sql, name).unwrap_or_default();
            let help = closest(name, names()).map(|word| format!("did you mean `{word}`?"));
            let message = format!("there is no feed or query `{name}`");
            Problem { file: query.file.clone(), line, column, code: "CL020", message, help }
        })
        .collect()
}
