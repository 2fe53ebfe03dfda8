//! What the engine makes of query files that change under it: broken, mended, gone.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::model::{Micros, Problem};

fn engine() -> Engine {
    let catalog = Catalog::new(SessionConfig { threads: 1, memory: 64 << 20, local_files: false }).unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let rows =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap();
    catalog.add_rows("traffic", "speed", schema, vec![rows]).unwrap();
    Engine::new(catalog)
}

fn file(name: &str, select: &str) -> QueryFile {
    let text = format!("-- ---\n-- table: {name}\n-- ---\n{select}\n");
    QueryFile { file: format!("queries/{name}.sql"), text }
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| format!("{} {} {}", problem.place(), problem.code, problem.message))
        .collect()
}

/// The queries that ran, each with the number of its rows.
async fn ran(engine: &Engine) -> Vec<(String, usize)> {
    let changes = engine.refresh(Tick::All, Micros(0)).await;
    let row = |change: Result<Change, Problem>| {
        let change = change.unwrap();
        (change.query.name.to_string(), change.rows.iter().map(RecordBatch::num_rows).sum())
    };
    changes.into_iter().map(row).collect()
}

#[tokio::test]
async fn a_broken_query_keeps_its_old_version_running_until_it_is_mended() {
    let engine = engine();
    let good = [file("speeds", "SELECT n FROM traffic.speed")];
    assert_eq!(told(&engine.load(&good, Micros(0)).await), [""; 0]);
    for broken in ["SELECT m FROM traffic.speed", "SELECT n FROM", "SELECT n FROM traffic.sped"] {
        assert_eq!(engine.load(&[file("speeds", broken)], Micros(0)).await.len(), 1, "{broken}");
        assert_eq!(ran(&engine).await, [("speeds".to_owned(), 3)], "{broken}");
    }
    let mended = [file("speeds", "SELECT n FROM traffic.speed WHERE n > 1")];
    assert_eq!(told(&engine.load(&mended, Micros(0)).await), [""; 0]);
    assert_eq!(ran(&engine).await, [("speeds".to_owned(), 2)]);
}

#[tokio::test]
async fn a_mistake_is_told_once_where_it_is_and_not_by_everything_that_reads_it() {
    let engine = engine();
    let files = [
        file("base", "SELECT m FROM traffic.speed"),
        file("above", "SELECT n FROM base"),
        file("first", "SELECT n FROM second"),
        file("second", "SELECT n FROM first"),
        file("waits", "SELECT n FROM first"),
    ];
    assert_eq!(
        told(&engine.load(&files, Micros(0)).await),
        [
            "queries/base.sql:4:8 CL030 there is no column `m`",
            "queries/first.sql:4:15 CL004 it reads itself in a circle: first reads second reads first",
            "queries/second.sql:4:15 CL004 it reads itself in a circle: second reads first reads second",
        ]
    );
}
