//! `test`: each query against `fixtures/queries/<name>/`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::check::known;
use super::{FOUND_WRONG, text};
use crate::app::{WorkshopOptions, problems_of};
use crate::fusion::{Case, CaseOutcome, Query, QueryFile, QuerySet, run_case};

pub(super) async fn test(options: WorkshopOptions, names: Vec<String>, update: bool) -> Result<ExitCode> {
    let known = known(&options.city)?;
    let (mut passed, mut failed, mut untested) = (0, 0, 0);
    let mut queries = Vec::new();
    for file in QueryFile::read_all(&options.city.join("queries"), "queries")? {
        match Query::parse(&file.file, &file.text) {
            Ok(query) => queries.push(query),
            Err(problems) => bail!("{}", problems_of(&problems)),
        }
    }
    let (set, problems) = QuerySet::order(queries, &known.schemas.keys().cloned().collect::<Vec<_>>());
    if !problems.is_empty() {
        bail!("{}", problems_of(&problems));
    }
    for query in set.ordered() {
        let name = query.name.to_string();
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        let folder = options.city.join("fixtures/queries").join(&name);
        let cases = Case::read_all(&folder).map_err(anyhow::Error::msg)?;
        if cases.is_empty() {
            text::out(&format!("{name:<28} no test (make {}/case.yaml)", folder.display()));
            untested += 1;
        }
        for case in cases {
            match run_case(query, set.ordered(), &case, &known, update).await {
                Ok(CaseOutcome::Passed) => passed += 1,
                Ok(CaseOutcome::Updated) => {
                    text::out(&format!("{name:<28} {}: what is expected was written", case.name()));
                    passed += 1;
                }
                Ok(CaseOutcome::Failed(why)) | Err(why) => {
                    let why = why.replace('\n', "\n  ");
                    text::out(&format!("{name:<28} FAILED {}\n  {why}", case.name()));
                    failed += 1;
                }
            }
        }
    }
    text::out(&format!("queries: {passed} passed, {failed} failed, {untested} skipped"));
    Ok(if failed > 0 { ExitCode::from(FOUND_WRONG) } else { ExitCode::SUCCESS })
}
