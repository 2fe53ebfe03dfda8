//! The number of the form in which a data folder is written, so that an older program does not misread a newer folder.
//!
//! It rises when a folder is written that earlier programs would read wrongly; what earlier programs wrote is always read.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// The form that this program writes, and the highest that it reads.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    written_by: String,
}

/// Refuses a data folder of a later form; a folder without the mark is of before there was one.
///
/// # Errors
/// Where the folder is of a later form, or its mark cannot be read.
pub fn check_format(data: &Path) -> Result<()> {
    let path = data.join("format.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mark: Mark = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no mark of a data folder's format", path.display()))?;
    if mark.format > FORMAT {
        bail!(
            "{} is of format {}, written by cityloom {}; this program is cityloom {} and reads up to format {FORMAT}: start the newer \
             program, or take a copy of the folder from before the upgrade",
            data.display(),
            mark.format,
            mark.written_by,
            env!("CARGO_PKG_VERSION"),
        );
    }
    Ok(())
}

/// Writes the mark where there is none, or one of an earlier form. A crash leaves the old file or the new one.
pub(super) fn mark_format(data: &Path) -> Result<()> {
    let path = data.join("format.json");
    let written = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Mark>(&text).ok());
    if written.is_some_and(|mark| mark.format >= FORMAT) {
        return Ok(());
    }
    let mark = Mark { format: FORMAT, written_by: env!("CARGO_PKG_VERSION").to_owned() };
    let mut file = tempfile::NamedTempFile::new_in(data).context("marking the data folder's format")?;
    file.write_all(&serde_json::to_vec(&mark)?)?;
    file.as_file().sync_all()?;
    file.persist(&path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}
