//! Decoding apart: a child process reads what came from outside, with little memory, little time and no rights, and this
//! process only looks at bounded, typed rows.
//!
//! A file may be made to bring its reader down: a kilobyte that decodes to hundreds of gigabytes, a failed allocation
//! that no handler catches, a loop without an end. In a child that is the end of the child and a refusal with a code.
//! `frame.rs` is what passes between the two, `worker.rs` the child, `confine.rs` what the child may not do, `parent.rs`
//! who starts, watches and ends it; `documents.rs` gives it what live sources answer and send.

mod confine;
mod documents;
mod frame;
mod parent;
mod worker;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use super::frame::fuzz as messages;
}

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decode::{self, Limits, Progress, ReadAs, Request, Sink};
pub use confine::Confinement;
pub use documents::Reader;
pub use worker::run as run_worker;

/// What a child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Bytes of address space beyond the program's own.
    pub memory: u64,
    /// Seconds of processor time, and of waiting for its next rows in all.
    pub seconds: u64,
    /// So many children that read files at once, and as many that read documents of live sources; what comes then waits.
    pub children: usize,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { memory: 1536 << 20, seconds: 300, children: (2 * cores).max(4) }
    }
}

impl ResourceLimits {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Who decodes files.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    pool: Option<Arc<parent::Pool>>,
}

impl Decoder {
    /// This process itself: for files that one made oneself, as tests do.
    pub fn in_process(limits: Limits) -> Self {
        Self { limits, pool: None }
    }

    /// A child for each file: `program` started anew as its decoder.
    pub fn child(program: PathBuf, limits: Limits, resources: ResourceLimits) -> Self {
        Self { limits, pool: Some(Arc::new(parent::Pool::new(program, resources))) }
    }

    /// The bounds of a file.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Decodes a file of that name; blocks until it is done.
    ///
    /// # Errors
    /// As [`decode::decode_named`], and where the child was ended for what it used.
    pub fn decode(
        &self,
        name: &str,
        file: File,
        request: &Request,
        progress: &Arc<Progress>,
        sink: &mut Sink<'_>,
    ) -> Result<ReadAs, decode::Error> {
        match &self.pool {
            None => decode::decode_named(name, file, None, request, progress, sink),
            Some(pool) => pool.decode(name, file, request, progress, sink),
        }
    }

    /// What holds a child, told by one that is started for it; none where this process decodes.
    ///
    /// # Errors
    /// Where no child can be started.
    pub fn confinement(&self) -> Result<Option<Confinement>, decode::Error> {
        self.pool.as_ref().map(|pool| pool.probe()).transpose()
    }
}

#[cfg(test)]
mod tests;
