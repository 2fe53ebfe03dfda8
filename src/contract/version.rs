//! A contract's versions: their numbers, what the number must say of a change, and how rows of an earlier version become
//! rows of today's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::cast::convert_column;
use super::change::{Change, Grade, changes};
use super::{Column, Contract, ContractError, Conversion, OnLanding, Place};

/// So many changes are told of one version.
const TOLD: usize = 4;

/// A semantic version, `1.2.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// One more where something breaks.
    pub major: u32,
    /// One more where something is added.
    pub minor: u32,
    /// One more where words change.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version `{0}` is not like 1.2.0")]
pub struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let number = |part: &str| {
            let plain =
                part.bytes().all(|byte| byte.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'));
            part.parse().ok().filter(|_| plain)
        };
        let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(NoVersion(text.chars().take(32).collect())),
        }
    }
}

impl Version {
    /// How much may change on the way from `old`.
    fn allows(self, old: Self) -> Grade {
        if self.major > old.major {
            Grade::Breaking
        } else if self.minor > old.minor {
            Grade::Compatible
        } else {
            Grade::Words
        }
    }

    /// The next version that says such a change.
    fn next(self, grade: Grade) -> Self {
        match grade {
            Grade::Words => Self { patch: self.patch.saturating_add(1), ..self },
            Grade::Compatible => Self { minor: self.minor.saturating_add(1), patch: 0, ..self },
            Grade::Breaking | Grade::Impossible => {
                Self { major: self.major.saturating_add(1), minor: 0, patch: 0 }
            }
        }
    }
}

/// An earlier version of a contract, whose files still land.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// What its files must be.
    pub contract: Arc<Contract>,
    /// Where each of today's columns is in it; none where it is newer.
    columns: Vec<Option<From>>,
}

/// A column of an earlier version that is one of today's.
#[derive(Debug, Clone, Copy, PartialEq)]
struct From {
    index: usize,
    unit: Option<Conversion>,
}

impl Earlier {
    /// The index of one of today's columns in this version.
    pub fn index(&self, today: usize) -> Option<usize> {
        self.columns.get(today).copied().flatten().map(|from| from.index)
    }

    /// The headers of the columns that are gone today.
    pub fn left_out(&self) -> Vec<String> {
        let gone = |index: &usize| !self.columns.iter().flatten().any(|from| from.index == *index);
        let columns = self.contract.columns.iter().enumerate();
        columns.filter(|(index, _)| gone(index)).map(|(_, column)| column.header.clone()).collect()
    }

    /// Rows of this version in today's columns: what is newer is null, what is gone is left out.
    ///
    /// # Errors
    /// Where a batch is not of this version.
    pub fn in_todays(&self, today: &Contract, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let column = |(column, from): (&Column, &Option<From>)| -> Result<ArrayRef, ArrowError> {
            let Some(From { index, unit }) = from else {
                return Ok(new_null_array(&column.data_type, batch.num_rows()));
            };
            let source = batch.columns().get(*index).ok_or_else(|| {
                ArrowError::SchemaError(format!("a row of version {} is too short", self.contract.version))
            })?;
            match unit {
                None => cast(source, &column.data_type),
                Some(unit) => convert_column(column, source, *unit),
            }
        };
        let columns = today.columns.iter().zip(&self.columns).map(column).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(today.schema(), columns)
    }
}

/// What is wrong, and in the file of which earlier version; none: in that of today's.
pub type WrongIn = (Option<Version>, ContractError);

/// Today's contract with its earlier versions, newest first, and what is wrong between them.
pub fn with_earlier(mut today: Contract, mut earlier: Vec<Contract>) -> (Contract, Vec<WrongIn>) {
    earlier.sort_by_key(|contract| std::cmp::Reverse(contract.version));
    let mut wrong = Vec::new();
    let mut tell = |file: Option<&Contract>, message: String| {
        let (line, column) = file.unwrap_or(&today).version_at;
        wrong.push((file.map(|it| it.version), ContractError { line, column, message }));
    };
    for late in earlier.iter().filter(|contract| contract.version >= today.version) {
        let (late_one, now) = (late.version, today.version);
        tell(Some(late), format!("version {late_one} is not earlier than {now}, which is in force"));
    }
    earlier.retain(|contract| contract.version < today.version);
    let line: Vec<&Contract> = std::iter::once(&today).chain(&earlier).collect();
    for (index, pair) in line.windows(2).enumerate() {
        if let [new, old] = pair {
            let file = (index > 0).then_some(*new);
            said_wrong(old, new).into_iter().for_each(|message| tell(file, message));
        }
    }
    let mut kept = Vec::with_capacity(earlier.len());
    for (index, contract) in earlier.iter().enumerate() {
        let columns = columns(&line[..=index + 1], &today);
        if !contract.retired {
            unreachable(contract, &today, &columns).into_iter().for_each(|message| tell(None, message));
        }
        kept.push(Arc::new(Earlier { contract: Arc::new(adapted(contract, &today, &columns)), columns }));
    }
    today.earlier = kept;
    (today, wrong)
}

/// What the number of `new` does not say of its changes from `old`.
fn said_wrong(old: &Contract, new: &Contract) -> Vec<String> {
    let changes = changes(old, new);
    let impossible = |change: &&Change| change.grade == Grade::Impossible;
    let never = |change: &Change| format!("rows that landed stay as they are: {}", change.message);
    let mut wrong: Vec<String> = changes.iter().filter(impossible).map(never).collect();
    let (allowed, most) = (new.version.allows(old.version), changes.iter().map(|change| change.grade).max());
    if let Some(grade) = most.filter(|grade| *grade > allowed && *grade != Grade::Impossible) {
        let such: Vec<&str> =
            changes.iter().filter(|it| it.grade == grade).map(|it| it.message.as_str()).collect();
        let more = such.len().saturating_sub(TOLD);
        let told = such.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let word = if grade == Grade::Breaking { "breaking" } else { "compatible" };
        wrong.push(format!(
            "{} is no version for a {word} change of {} ({told}{more}): call it {}",
            new.version,
            old.version,
            old.version.next(grade)
        ));
    }
    wrong
}

/// Where today's columns are in the last of `line`, which goes back version by version.
fn columns(line: &[&Contract], today: &Contract) -> Vec<Option<From>> {
    let back = |column: &Column| {
        let mut at = column;
        for older in line.iter().skip(1) {
            let named = |name: &String| older.columns.iter().find(|it| it.name == *name);
            at = named(&at.name).or_else(|| at.was.as_ref().and_then(named))?;
        }
        let index = line.last()?.columns.iter().position(|it| it.name == at.name)?;
        let unit = match (&at.unit, &column.unit) {
            (Some(from), Some(to)) => Conversion::between(from, to).ok()?,
            _ => None,
        };
        Some(From { index, unit })
    };
    today.columns.iter().map(back).collect()
}

/// Why rows of that version cannot become today's.
fn unreachable(contract: &Contract, today: &Contract, columns: &[Option<From>]) -> Vec<String> {
    let version = contract.version;
    let mut wrong = Vec::new();
    for (column, from) in today.columns.iter().zip(columns) {
        let Some(from) = from else { continue };
        // Under the same name another type is told between the two versions that differ.
        let before = contract.columns.get(from.index).filter(|before| before.name != column.name);
        let Some(before) = before else { continue };
        let floating = column.data_type.is_floating() && before.data_type.is_numeric();
        if !(widens(&before.data_type, &column.data_type) && (from.unit.is_none() || floating)) {
            wrong.push(format!(
                "`{}` of version {version} is {} and cannot become {} without loss: leave cityloomWas out, or retire \
                 that version (status: retired)",
                before.name, before.data_type, column.data_type
            ));
        }
    }
    for index in &today.key {
        if columns.get(*index).is_some_and(Option::is_none)
            && let Some(column) = today.columns.get(*index)
        {
            wrong.push(format!(
                "the key's column `{}` is not in version {version}: retire that version (status: retired)",
                column.name
            ));
        }
    }
    wrong
}

/// Whether every value of one type is one of the other.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Int32, Int64};
    from == to || matches!((from, to), (Int32, Int64 | Float64) | (Float32, Float64))
}

/// An earlier version as today's lake takes it: nothing is kept that today is not, and cells are as fine as today's.
fn adapted(contract: &Contract, today: &Contract, columns: &[Option<From>]) -> Contract {
    let mut contract = contract.clone();
    for (column, from) in today.columns.iter().zip(columns) {
        if let Some(before) = from.and_then(|from| contract.columns.get_mut(from.index)) {
            before.on_landing = stricter(before.on_landing, column.on_landing);
        }
    }
    let finest = match &today.place {
        Place::Nowhere => None,
        Place::Point { resolution, .. } | Place::Area { resolution, .. } | Place::Cell { resolution, .. } => {
            Some(*resolution)
        }
    };
    if let Place::Point { resolution, .. } | Place::Area { resolution, .. } | Place::Cell { resolution, .. } =
        &mut contract.place
    {
        *resolution = finest.unwrap_or(*resolution);
    }
    contract
}

fn stricter(one: OnLanding, other: OnLanding) -> OnLanding {
    match (one, other) {
        (OnLanding::Drop, _) | (_, OnLanding::Drop) => OnLanding::Drop,
        (OnLanding::Hash, _) | (_, OnLanding::Hash) => OnLanding::Hash,
        _ => OnLanding::Keep,
    }
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
