//! H3 in SQL: every function by hand-picked values, and uber/h3's own test vectors line by line.
//!
//! Hand-picked values are those of the H3 C library 4.5.0, asked through the Python package `h3`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::{Strategy, proptest};

const POLYGON: &str = "'POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.54, 114.05 22.53))'";

fn session() -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    cityloom::fusion::udf::register(&ctx);
    ctx
}

/// All rows of a query's first column as text; a null is `NULL`.
async fn column(ctx: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let frame = ctx.sql(sql).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let formatter = ArrayFormatter::try_new(batch.column(0).as_ref(), &options).unwrap();
        rows.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
    }
    Ok(rows)
}

/// Equal word by word, numbers with a fraction to one part in a thousand million.
fn same(got: &str, expected: &str) -> bool {
    let words = |text: &str| {
        text.split([' ', ',', '(', ')', '[', ']']).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let close = |a: &String, b: &String| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if a.contains('.') || b.contains('.') => (x - y).abs() <= 1e-9 * y.abs().max(1e-6),
        _ => a == b,
    };
    let (got, expected) = (words(got), words(expected));
    got.len() == expected.len() && got.iter().zip(&expected).all(|(a, b)| close(a, b))
}

/// Each expression of a table gives the value beside it.
async fn check(table: &[(&str, &str)]) {
    let ctx = session();
    let mut wrong = Vec::new();
    for (expression, expected) in table {
        match column(&ctx, &format!("SELECT {expression}")).await {
            Ok(rows) if rows.len() == 1 && same(&rows[0], expected) => {}
            other => wrong.push(format!("{expression}\n  expected {expected}\n  got      {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each expression of a table is refused with the words beside it.
async fn refuse(table: &[(&str, &str)]) {
    let ctx = session();
    for (expression, words) in table {
        let error = column(&ctx, &format!("SELECT {expression}")).await.expect_err(expression);
        assert!(error.contains(words), "{expression}: {error}");
    }
}

#[tokio::test]
async fn cells_are_made_from_places_and_text_and_describe_themselves() {
    check(&[
        ("h3_latlng_to_cell(22.5431, 114.0579, 9)", "618138610828050431"),
        ("h3_latlng_to_cell(22.5431, 114.0579 + 0, arrow_cast(9, 'UInt8'))", "618138610828050431"),
        ("h3_latlng_to_cell_string(22.5431, 114.0579, 9)", "89411caa05bffff"),
        ("h3_latlng_to_cell(20, 123, 2)", "h3_string_to_h3('824b9ffffffffff')").0,
    ]
    .map(|row| row))
    .await;
}
