//! `lineage`: what each query reads, down to the feeds.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::check::known;
use super::text;
use crate::app::{WorkshopOptions, problems_of};
use crate::fusion::{Query, QueryFile, QuerySet};

pub(super) fn lineage(options: WorkshopOptions, names: Vec<String>) -> Result<ExitCode> {
    let mut queries = Vec::new();
    for file in QueryFile::read_all(&options.city.join("queries"), "queries")? {
        match Query::parse(&file.file, &file.text) {
            Ok(query) => queries.push(query),
            Err(problems) => bail!("{}", problems_of(&problems)),
        }
    }
    let tables: Vec<String> = known(&options.city)?.schemas.into_keys().collect();
    let (set, problems) = QuerySet::order(queries, &tables);
    if !problems.is_empty() {
        bail!("{}", problems_of(&problems));
    }
    for line in set
        .lineage()
        .iter()
        .filter(|line| names.is_empty() || names.iter().any(|name| name == line.query.as_str()))
    {
        text::out(&line.query.to_string());
        for input in line
            .queries
            .iter()
            .map(|query| format!("query {query}"))
            .chain(line.feeds.iter().map(|feed| format!("feed  {feed}")))
        {
            text::out(&format!("  reads {input}"));
        }
        if !line.queries.is_empty() {
            let all: Vec<String> = set.feeds_of(line.query.as_str()).into_iter().collect();
            text::out(&format!("  in the end: {}", all.join(", ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
