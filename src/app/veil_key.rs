//! The key of hashed columns: made where a contract first wants one, and kept with the data that it hashed.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use crate::access::random;
use crate::contract::{Contract, OnLanding};
use crate::ingest::VeilKey;

const FILE: &str = "veil.key";

/// The key, where any contract hashes a column.
pub(super) fn veil_key(data: &Path, contracts: &[Arc<Contract>]) -> Result<Option<VeilKey>> {
    let mut columns = contracts.iter().flat_map(|contract| &contract.columns);
    if !columns.any(|column| column.on_landing == OnLanding::Hash) {
        return Ok(None);
    }
    let path = data.join(FILE);
    let bytes = if path.exists() { std::fs::read(&path) } else { make(data, &path) };
    let bytes = bytes.with_context(|| path.display().to_string())?;
    let secret: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| {
        anyhow!("{}: it is no key of 32 bytes; put it back from a copy, or new hashes will not match the old ones", path.display())
    })?;
    Ok(Some(VeilKey::new(secret)))
}

/// Makes the key whole or not at all; where another process was first, its key counts.
fn make(data: &Path, path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::create_dir_all(data)?;
    let draft = data.join(format!("{FILE}.{}", uuid::Uuid::new_v4()));
    let secret = random().map_err(std::io::Error::other)?;
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    if let Err(error) = linked
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    File::open(data)?.sync_all()?;
    std::fs::read(path)
}
