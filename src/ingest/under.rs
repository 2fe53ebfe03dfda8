//! Under which version of its contract a submission lands: the one that its sender names, or the newest that its columns fit.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use arrow::error::ArrowError;

use super::{Feed, Refusal};
use crate::contract::{Contract, Earlier};
use crate::decode::{self, Progress, Request};
use crate::sandbox::Decoder;

/// A version of a contract, and how its rows become today's.
#[derive(Debug, Clone)]
pub(super) struct Under {
    /// What the rows must be.
    pub(super) contract: Arc<Contract>,
    /// None: it is today's.
    pub(super) earlier: Option<Arc<Earlier>>,
}

impl Under {
    /// The rows in today's columns.
    pub(super) fn in_todays(&self, today: &Contract, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        self.earlier.as_ref().map_or_else(|| Ok(batch.clone()), |it| it.in_todays(today, batch))
    }

    /// The name in this version of one of today's columns.
    pub(super) fn name_of(&self, today: usize) -> Option<&str> {
        let index = self.earlier.as_ref().map_or(Some(today), |it| it.index(today))?;
        self.contract.columns.get(index).map(|column| column.name.as_str())
    }

    /// The headers of its columns that today's contract no longer has.
    pub(super) fn left_out(&self) -> Vec<String> {
        self.earlier.as_ref().map_or_else(Vec::new, |it| it.left_out())
    }

    /// Whether a file that has those of the known headers is one of this version: it has what is required, and
    /// nothing that only another version knows.
    fn fits(&self, present: &HashSet<String>) -> bool {
        let known = |header: &String| self.contract.columns.iter().any(|it| it.header == *header);
        self.reads(present) && present.iter().all(known)
    }

    fn reads(&self, present: &HashSet<String>) -> bool {
        self.contract.columns.iter().all(|it| !it.required || present.contains(&it.header))
    }
}

impl Feed {
    /// All versions, newest first.
    fn versions(&self) -> impl Iterator<Item = Under> + '_ {
        let today = Under { contract: Arc::clone(&self.contract), earlier: None };
        let earlier = self.contract.earlier.iter().map(|earlier| Under {
            contract: Arc::clone(&earlier.contract),
            earlier: Some(Arc::clone(earlier)),
        });
        std::iter::once(today).chain(earlier)
    }

    fn taken(&self) -> impl Iterator<Item = Under> + '_ {
        self.versions().filter(|it| !it.contract.retired)
    }

    /// Whether there is more than one version that a file can be of.
    pub(super) fn has_choice(&self) -> bool {
        self.taken().nth(1).is_some()
    }

    /// The version of that name.
    pub(super) fn named(&self, version: &str) -> Result<Under, Refusal> {
        let found = self.versions().find(|it| it.contract.version.to_string() == version);
        let found = found.ok_or_else(|| Refusal::UnknownContract {
            feed: self.contract.feed.to_string(),
            version: version.chars().take(32).collect(),
            known: self.names(),
        })?;
        if found.contract.retired { Err(self.retired(&found.contract)) } else { Ok(found) }
    }

    /// The newest version that takes files.
    pub(super) fn newest(&self) -> Result<Under, Refusal> {
        self.taken().next().ok_or_else(|| self.retired(&self.contract))
    }

    fn retired(&self, contract: &Contract) -> Refusal {
        Refusal::RetiredContract {
            feed: contract.feed.to_string(),
            version: contract.version.to_string(),
            known: self.names(),
        }
    }

    /// The versions that take files, for people.
    fn names(&self) -> String {
        let names: Vec<String> = self.taken().map(|it| it.contract.version.to_string()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// The version under which a submission landed; today's, where nobody knows it any more.
    pub(super) fn landed_under(&self, submission: &str) -> Under {
        let state = self.table.state();
        let version = state.landing(submission).and_then(|it| it.receipt.get("contract_version")?.as_str());
        let found = self.versions().find(|it| Some(it.contract.version.to_string().as_str()) == version);
        found.unwrap_or_else(|| Under { contract: Arc::clone(&self.contract), earlier: None })
    }

    /// The newest version that a file with those columns fits, or else the newest that can be read of it.
    pub(super) fn fitting(&self, present: &HashSet<String>) -> Result<Under, Refusal> {
        let found = self.taken().find(|it| it.fits(present));
        match found.or_else(|| self.taken().find(|it| it.reads(present))) {
            Some(found) => Ok(found),
            // What it lacks is told of the newest.
            None => self.newest(),
        }
    }

    /// All headers that any version knows, and whether each is one of numbers.
    pub(super) fn known_headers(&self) -> (Vec<String>, Vec<bool>) {
        let (mut headers, mut numeric): (Vec<String>, Vec<bool>) = (Vec::new(), Vec::new());
        for column in self.taken().flat_map(|it| it.contract.columns.clone()) {
            match headers.iter().position(|header| *header == column.header) {
                Some(index) => numeric[index] |= column.data_type.is_numeric(),
                None => {
                    headers.push(column.header);
                    numeric.push(column.data_type.is_numeric());
                }
            }
        }
        (headers, numeric)
    }

    /// The version that a file fits. It is looked at no further than is needed to say so: most formats name their columns
    /// at the beginning, and where they do not, `request` asks for all that are known, so that the end tells.
    pub(super) fn looked_at(
        &self,
        decoder: &Decoder,
        name: &str,
        file: &File,
        request: &Request,
    ) -> Result<Under, Refusal> {
        let all: HashSet<String> = request.headers.iter().cloned().collect();
        let mut chosen = None;
        let mut seen: HashSet<String> = HashSet::new();
        let mut look = file.try_clone().map_err(|error| Refusal::io(name, error))?;
        look.rewind().map_err(|error| Refusal::io(name, error))?;
        let read = decoder.decode(name, look, request, &Arc::new(Progress::default()), &mut |rows| {
            let filled = rows.batch.columns().iter().zip(&request.headers);
            seen.extend(
                filled.filter(|(it, _)| it.null_count() < it.len()).map(|(_, header)| header.clone()),
            );
            // Whether an empty column is there may make no difference.
            let (least, most) = (self.fitting(&seen), self.fitting(&all));
            if let (Ok(least), Ok(most)) = (least, most)
                && least.contract.version == most.contract.version
                && least.fits(&seen)
            {
                chosen = Some(most);
                return Err(decode::Error::Stopped("the version is known".into()));
            }
            Ok(())
        });
        rewound(file).map_err(|error| Refusal::io(name, error))?;
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
        match read {
            Err(decode::Error::ColumnMissing { headers, .. }) => {
                let present = all.into_iter().filter(|header| !headers.contains(header)).collect();
                self.fitting(&present)
            }
            Ok(_) => self.fitting(&all),
            // What is wrong with it is told when it is read.
            Err(_) => self.newest(),
        }
    }
}

fn rewound(mut file: &File) -> io::Result<()> {
    file.rewind()
}
