//! What contracts and submissions look like on the wire.

use std::sync::atomic::Ordering;

use arrow::datatypes::DataType;
use serde_json::{Value, json};

use crate::contract::{Classification, Column, Contract, Place};
use crate::ingest::{Submission, Trial, UnderWay};
use crate::model::Micros;

/// What a contract asks for, as a page says it to people.
pub(super) fn contract(contract: &Contract) -> Value {
    let header = |&index: &usize| contract.columns.get(index).map(|column| column.header.clone());
    json!({
        "version": contract.version.to_string(),
        "earlier": contract.earlier.iter().map(|it| {
            json!({ "version": it.contract.version.to_string(), "retired": it.contract.retired })
        }).collect::<Vec<_>>(),
        "fresh_s": contract.freshness_s,
        "key": contract.key.iter().map(header).collect::<Vec<_>>(),
        "latest": contract.latest,
        "event_time": contract.event_time.as_ref().map(|rule| {
            json!({
                "column": header(&rule.column),
                "future_s": rule.future_us / 1_000_000,
                "late_s": rule.late_us.map(|late| late / 1_000_000),
            })
        }),
        "place": place(&contract.place, header),
        "columns": contract.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

fn place(place: &Place, header: impl Fn(&usize) -> Option<String>) -> Value {
    match place {
        Place::Nowhere => Value::Null,
        Place::Point { x, y, crs, quarantine_outside, .. } => json!({
            "kind": "point", "columns": [header(x), header(y)], "crs": crs, "outside_refused": quarantine_outside,
        }),
        Place::Area { column, .. } => json!({ "kind": "area", "columns": [header(column)] }),
        Place::Cell { column, .. } => json!({ "kind": "cell", "columns": [header(column)] }),
    }
}

fn column(column: &Column) -> Value {
    let range = column.range;
    let bound = |bound: Option<f64>| bound.map(|bound| shown_bound(&column.data_type, bound));
    let mut allowed: Option<Vec<&String>> = column.allowed.as_ref().map(|allowed| allowed.iter().collect());
    if let Some(allowed) = &mut allowed {
        allowed.sort();
    }
    json!({
        "name": column.name,
        "header": column.header,
        "type": kind(&column.data_type),
        "required": column.required,
        "unique": column.unique,
        "minimum": bound(range.minimum),
        "maximum": bound(range.maximum),
        "above": bound(range.exclusive_minimum),
        "below": bound(range.exclusive_maximum),
        "shortest": column.length.0,
        "longest": column.length.1,
        "pattern": column.pattern.as_ref().map(|pattern| pattern.as_str()),
        "allowed": allowed,
        "time_zone": is_time(&column.data_type).then(|| column.timezone.name()),
        "unit": column.unit,
        "description": column.description,
        "classification": match column.classification {
            Classification::Public => "public",
            Classification::Internal => "internal",
            Classification::Confidential => "confidential",
            Classification::Restricted => "restricted",
        },
    })
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..))
}

fn kind(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Int32 | DataType::Int64 => "integer",
        DataType::Float32 | DataType::Float64 => "number",
        DataType::Date32 => "date",
        DataType::Timestamp(..) => "time",
        _ => "text",
    }
}

/// Times and dates as they are written, numbers as they are.
fn shown_bound(kind: &DataType, bound: f64) -> Value {
    match kind {
        DataType::Timestamp(..) => json!(Micros(bound as i64).to_rfc3339()),
        DataType::Date32 => {
            let midnight = Micros((bound as i64).saturating_mul(86_400_000_000)).to_rfc3339();
            json!(midnight.split('T').next())
        }
        DataType::Int32 | DataType::Int64 => json!(bound as i64),
        _ => json!(bound),
    }
}

/// The line of headers of a CSV file.
pub(super) fn headers(contract: &Contract) -> String {
    let quoted = |header: &str| {
        let plain = !header.contains([',', '"', '\n', '\r']);
        if plain { header.to_owned() } else { format!("\"{}\"", header.replace('"', "\"\"")) }
    };
    let headers: Vec<String> = contract.columns.iter().map(|column| quoted(&column.header)).collect();
    headers.join(",") + "\n"
}

/// A submission that landed.
pub(super) fn submission(submission: &Submission) -> Value {
    let withdrawn = submission.withdrawn_at.map(|at| at.0);
    json!({
        "state": if withdrawn.is_some() { "withdrawn" } else { "landed" },
        "submission": submission.receipt.submission,
        "landed_us": submission.landed_at.0,
        "withdrawn_us": withdrawn,
        "mended_by": submission.mended_by,
        "rows_open": submission.rows_open,
        "receipt": submission.receipt,
    })
}

/// A submission that is under way: it comes in, then it is read.
pub(super) fn under_way(id: &str, under_way: &UnderWay) -> Value {
    let total = under_way.reading.total.load(Ordering::Relaxed);
    json!({
        "state": if total == 0 { "receiving" } else { "reading" },
        "submission": id,
        "file": under_way.file,
        "received": under_way.received.load(Ordering::Relaxed),
        "expected": under_way.expected,
        "read": under_way.reading.bytes.load(Ordering::Relaxed).min(total),
        "total": total,
    })
}

/// What a landing would bring.
pub(super) fn trial(trial: &Trial) -> Value {
    let mut told = json!(trial.receipt);
    told["dry_run"] = json!(true);
    told["rejected"] = json!(trial.rejected);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_as_people_write_them() {
        let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        assert_eq!(shown_bound(&instant, 1_772_352_000_000_000.0), "2026-03-01T08:00:00.000000Z");
        assert_eq!(shown_bound(&DataType::Date32, 20_513.0), "2026-03-01");
        assert_eq!(shown_bound(&DataType::Int32, 5.0), 5);
        assert_eq!(shown_bound(&DataType::Float64, 0.5), 0.5);
    }
}
