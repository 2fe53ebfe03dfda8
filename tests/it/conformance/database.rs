//! A PostgreSQL server.

use std::time::Duration;

use cityloom::connect::{Connector, PollError, PollOutcome, Postgres, PostgresConfig, SecretAt};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use super::{Memory, Row, Source, conforms, numbers, reader};
use crate::peers::{Daemon, Gate, Pass};

struct Database<'a> {
    daemon: &'a Daemon,
    gate: Gate,
    secret: tempfile::NamedTempFile,
}

impl<'a> Database<'a> {
    async fn new(daemon: &'a Daemon) -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "s3cret\n").unwrap();
        let database = Self { daemon, gate: Gate::before(daemon.address).await, secret };
        let table = "DROP TABLE IF EXISTS calls; DROP SEQUENCE IF EXISTS changes; CREATE SEQUENCE changes; \
            CREATE TABLE calls (id int PRIMARY KEY, units int, note text, changed bigint NOT NULL)";
        database.past_the_gate().await.batch_execute(table).await.unwrap();
        database
    }

    async fn past_the_gate(&self) -> Client {
        let server = format!("postgres://city:s3cret@{}/postgres", self.daemon.address);
        let (client, connection) = tokio_postgres::connect(&server, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn config(&self, most_rows: u32) -> PostgresConfig {
        PostgresConfig {
            server: format!("postgres://city@{}/postgres", self.gate.address).parse().unwrap(),
            password: Some(SecretAt::File(self.secret.path().into())),
            tls: None,
            select: "SELECT * FROM calls;".into(),
            cursor: "changed".into(),
            key: vec!["id".into()],
            settle: Duration::ZERO,
            most_rows,
            most_row_bytes: 64 << 10,
            timeout: Duration::from_secs(5),
        }
    }
}

impl Source for Database<'_> {
    const MEMORY: Memory = Memory::All;

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(Postgres::new(self.config(100), reader()))
    }

    async fn tell(&self, rows: &[Row]) {
        self.gate.is(Pass::Open);
        let client = self.past_the_gate().await;
        let upsert = "INSERT INTO calls VALUES ($1, $2, NULL, nextval('changes')) ON CONFLICT (id) DO UPDATE \
            SET units = excluded.units, changed = excluded.changed WHERE calls.units <> excluded.units";
        for row in rows {
            let number = |name: &str| i32::try_from(row[name].as_i64().unwrap()).unwrap();
            client.execute(upsert, &[&number("id"), &number("units")]).await.unwrap();
        }
    }

    fn fail(&self) {
        self.gate.is(Pass::Shut);
    }

    async fn flood(&self) -> bool {
        let row = "INSERT INTO calls VALUES (9, 9, repeat('x', 100000), nextval('changes'))";
        self.past_the_gate().await.batch_execute(row).await.unwrap();
        true
    }

    fn hang(&self) {
        self.gate.is(Pass::Mute);
    }
}

#[tokio::test]
async fn a_database_conforms() {
    let Some(daemon) = Daemon::postgres() else { return };
    conforms(async || Database::new(&daemon).await).await;
    ties_are_neither_lost_nor_told_twice(&Database::new(&daemon).await).await;
    what_does_not_pass_by_itself_is_said(&Database::new(&daemon).await).await;
}

/// A thousand rows that share three times, asked for seven at a time.
async fn ties_are_neither_lost_nor_told_twice(database: &Database<'_>) {
    let table = "ALTER TABLE calls ADD at timestamptz; INSERT INTO calls SELECT i, i, 'a''\"b', 0, \
        timestamptz '2026-03-29 01:59:59.999999+01' + (i % 3) * interval '1 microsecond' FROM generate_series(1, 1000) AS i";
    database.past_the_gate().await.batch_execute(table).await.unwrap();
    let config = PostgresConfig { cursor: "at".into(), ..database.config(7) };
    let (mut cursor, mut ids, mut askings) = (None::<Value>, Vec::new(), 0);
    while let PollOutcome::Rows { rows, cursor: next } =
        Postgres::new(config.clone(), reader()).poll(cursor.as_ref()).await.unwrap()
    {
        ids.extend(numbers(&rows, "id"));
        (cursor, askings) = (Some(next), askings + 1);
    }
    assert_eq!((ids.len(), askings), (1000, 143));
    ids.sort_unstable();
    assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
    // Rows that are younger than the transactions that may still end are left for later.
    let young = "INSERT INTO calls VALUES (2000, 1, NULL, 0, now())";
    database.past_the_gate().await.batch_execute(young).await.unwrap();
    let settled = PostgresConfig { settle: Duration::from_hours(1), ..config.clone() };
    assert_eq!(Postgres::new(settled, reader()).poll(cursor.as_ref()).await, Ok(PollOutcome::Unchanged));
    assert!(matches!(
        Postgres::new(config, reader()).poll(cursor.as_ref()).await,
        Ok(PollOutcome::Rows { .. })
    ));
}

async fn what_does_not_pass_by_itself_is_said(database: &Database<'_>) {
    let config = database.config(10);
    let permanent = async |config: PostgresConfig| match Postgres::new(config, reader()).poll(None).await {
        Err(PollError::Permanent(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = permanent(PostgresConfig { select: "SELECT * FROM cals".into(), ..config.clone() }).await;
    assert!(why.contains("42P01") && why.contains("cals"), "{why}");
    let why = permanent(PostgresConfig { cursor: "chnged".into(), ..config.clone() }).await;
    assert!(why.contains("chnged"), "{why}");
    let why =
        permanent(PostgresConfig { select: "DELETE FROM calls RETURNING *".into(), ..config.clone() }).await;
    assert!(why.contains("42"), "only a SELECT is asked: {why}");
    let password = Some(SecretAt::File("/nowhere/secret".into()));
    let why = permanent(PostgresConfig { password, ..config.clone() }).await;
    assert!(why.contains("/nowhere/secret"), "{why}");
    std::fs::write(database.secret.path(), "wrong").unwrap();
    let why = permanent(config).await;
    assert!(why.contains("28P01") && !why.contains("wrong"), "{why}");
}
