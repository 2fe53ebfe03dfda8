//! The queries that a server ran last, kept beside its states: what `plan` compares a changed folder with.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::fusion::{QueryFile, QuerySet};

#[derive(Serialize, Deserialize)]
struct Stored {
    file: String,
    text: String,
}

fn path(data: &Path) -> PathBuf {
    data.join("state/queries.json")
}

/// Writes down which queries run now. A crash leaves the old file or the new one.
pub(super) fn write(data: &Path, queries: &QuerySet) -> Result<()> {
    let stored = |query: &std::sync::Arc<crate::fusion::Query>| Stored {
        file: query.file.clone(),
        text: query.sql.clone(),
    };
    let queries: Vec<Stored> = queries.ordered().iter().map(stored).collect();
    let path = path(data);
    let folder = path.parent().unwrap_or(data);
    let mut file = tempfile::NamedTempFile::new_in(folder).context("writing down the queries in force")?;
    file.write_all(&serde_json::to_vec(&queries)?)?;
    file.persist(&path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// The queries that ran last; none where no server has run here.
///
/// # Errors
/// Where they cannot be read.
pub fn read(data: &Path) -> Result<Vec<QueryFile>> {
    let path = path(data);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let stored: Vec<Stored> = serde_json::from_slice(&bytes).with_context(|| {
        format!("{} is no list of queries; the next start of the server writes it anew", path.display())
    })?;
    Ok(stored.into_iter().map(|Stored { file, text }| QueryFile { file, text }).collect())
}
