//! The units of a file's columns: said in a header, `speed [mi/h]`, in a field's metadata, or by who sends the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::Error;
use crate::model::{LONGEST_UNIT, UNIT};

/// Columns by name with the units of their numbers.
pub type Units = BTreeMap<String, String>;

/// The batch with its columns in those units; what metadata its columns had is gone.
///
/// # Errors
/// Never, as only metadata differs; Arrow's form of it says so all the same.
pub fn in_units(batch: RecordBatch, units: &Units) -> Result<RecordBatch, ArrowError> {
    let field = |field: &Arc<Field>| with_unit(field.as_ref().clone(), units.get(field.name()));
    let schema = Schema::new(batch.schema().fields().iter().map(field).collect::<Vec<_>>());
    batch.with_schema(Arc::new(schema))
}

/// The units of a list, such as `speed_kmh:mi/h,level:[ft_i]`.
///
/// # Errors
/// What in the list is no column with its unit.
pub fn units_of(list: &str) -> Result<Units, String> {
    let entry = |entry: &str| match entry.split_once(':').map(|(name, unit)| (name.trim(), unit.trim())) {
        Some((name, unit)) if !name.is_empty() && !unit.is_empty() => Ok((name.to_owned(), cut(unit))),
        _ => Err(format!("`{entry}` is no column with its unit, such as `speed_kmh:mi/h`")),
    };
    list.split(',').filter(|part| !part.trim().is_empty()).map(entry).collect()
}

/// The field with that unit and no other metadata.
pub fn with_unit(field: Field, unit: Option<&String>) -> Field {
    let metadata = unit.map(|unit| (UNIT.to_owned(), unit.clone()));
    field.with_metadata(metadata.into_iter().collect())
}

/// The unit that a column's name says beside its header, as `speed [mi/h]` does.
fn unit_beside<'n>(name: &'n str, header: &str) -> Option<&'n str> {
    let unit = name.trim().strip_prefix(header)?.trim_start().strip_prefix('[')?.strip_suffix(']')?.trim();
    (!unit.is_empty()).then_some(unit)
}

/// Whether a column of that name is the header's: by its name, or with a unit beside it.
pub(super) fn is_called(name: &str, header: &str) -> bool {
    name == header || unit_beside(name, header).is_some_and(|unit| unit.len() <= LONGEST_UNIT)
}

/// The column that is called `header` and says its unit, and that unit.
pub(super) fn in_header(found: &[String], header: &str) -> Result<Option<(usize, String)>, Error> {
    let unit = |name: &str| unit_beside(name, header).map(cut);
    let mut such = found.iter().enumerate().filter_map(|(index, name)| Some((index, unit(name)?)));
    let first = such.next();
    match such.next() {
        None => Ok(first),
        Some((_, other)) => {
            let first = first.map_or_else(String::new, |(_, unit)| unit);
            let why = format!("the column `{header}` stands twice, in `{first}` and in `{other}`; leave one");
            Err(Error::Unreadable { format: "one table", why })
        }
    }
}

/// No more of a unit than is one.
pub(super) fn cut(unit: &str) -> String {
    unit.get(..unit.floor_char_boundary(LONGEST_UNIT)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_units_names_columns() {
        let units = units_of(" speed_kmh : mi/h ,level:m{NN},").unwrap();
        let expected = [("level", "m{NN}"), ("speed_kmh", "mi/h")];
        assert!(units.iter().map(|(name, unit)| (name.as_str(), unit.as_str())).eq(expected));
        assert_eq!(units_of("").unwrap(), Units::new());
        for wrong in ["speed_kmh", "speed_kmh:", ":mi/h", "a:m,b"] {
            assert!(units_of(wrong).unwrap_err().contains("no column with its unit"), "{wrong}");
        }
        assert_eq!(units_of(&format!("a:{}", "m".repeat(1_000))).unwrap()["a"].len(), LONGEST_UNIT);
    }
}
