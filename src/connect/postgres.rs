//! Asks a PostgreSQL database for the rows beyond a cursor: a column that grows, and a key for those that share a value.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, pin_mut};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::secret::SecretAt;
use super::tls::Authority;
use super::{Connector, MessageOptions, Payload, PollError, PollOutcome, Reader, sandboxed};

/// Which database to ask, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Server, user and database; no password.
    pub server: Config,
    /// The password.
    pub password: Option<SecretAt>,
    /// Whom to believe; none: no TLS.
    pub tls: Option<Authority>,
    /// A `SELECT` whose columns are the row.
    pub select: String,
    /// The column that grows: a change has a higher value than what was there before.
    pub cursor: String,
    /// Columns that tell rows of one cursor value apart.
    pub key: Vec<String>,
    /// Where the cursor is a time: rows younger than this are left for later, because transactions end out of order.
    pub settle: Duration,
    /// Rows of one asking.
    pub most_rows: u32,
    /// The largest row, in bytes.
    pub most_row_bytes: u32,
    /// How long an asking may take.
    pub timeout: Duration,
}

/// Asks one database.
#[derive(Debug)]
pub struct Postgres {
    config: PostgresConfig,
    reader: Reader,
}

/// The last row that landed: its cursor and its key, as text.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    columns: Vec<String>,
    after: Vec<String>,
}

/// Rows as the database told them, each as JSON beside its key, and where they end.
struct Page {
    payloads: Vec<Payload>,
    cursor: Value,
}

impl Postgres {
    /// A connector of these settings.
    pub fn new(config: PostgresConfig, reader: Reader) -> Self {
        Self { config, reader }
    }

    /// A connection lasts for one asking: nothing is left behind on either side.
    async fn ask(&self, previous: Option<&Cursor>) -> Result<Option<Page>, PollError> {
        let mut server = self.config.server.clone();
        server.application_name("cityloom").connect_timeout(self.config.timeout);
        if let Some(password) = &self.config.password {
            server.password(password.read()?);
        }
        // Where TLS is wanted, a server (or somebody before it) that says it has none is not talked to.
        let mode = if self.config.tls.is_some() { SslMode::Require } else { SslMode::Disable };
        server.ssl_mode(mode);
        match &self.config.tls {
            None => {
                let (client, connection) = server.connect(NoTls).await.map_err(|error| told(&error))?;
                self.within(client, connection, previous).await
            }
            Some(authority) => {
                let tls = MakeRustlsConnect::new((*authority.client()?).clone());
                let (client, connection) = server.connect(tls).await.map_err(|error| told(&error))?;
                self.within(client, connection, previous).await
            }
        }
    }

    async fn within(
        &self,
        client: Client,
        connection: impl Future<Output = Result<(), Error>>,
        previous: Option<&Cursor>,
    ) -> Result<Option<Page>, PollError> {
        tokio::select! {
            told = self.rows(&client, previous) => told,
            ended = connection => Err(match ended {
                Err(error) => told(&error),
                Ok(()) => PollError::transient("the database hung up"),
            }),
        }
    }

    async fn rows(&self, client: &Client, previous: Option<&Cursor>) -> Result<Option<Page>, PollError> {
        let failed = |error: Error| told(&error);
        let timeout = self.config.timeout.as_millis();
        let quiet = format!("SET default_transaction_read_only = on; SET statement_timeout = {timeout}");
        client.batch_execute(&quiet).await.map_err(failed)?;
        let columns = self.columns();
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let select = self.config.select.trim().trim_end_matches(';');
        // The server says what the columns are, so that their values can come back as text.
        let probe = format!("SELECT {} FROM ({select}) AS t LIMIT 0", names.join(", "));
        let types: Vec<String> = {
            let probe = client.prepare(&probe).await.map_err(failed)?;
            probe.columns().iter().map(|column| quoted(column.type_().name())).collect()
        };
        let statement =
            client.prepare(&self.statement(select, &names, &types, previous)).await.map_err(failed)?;
        let after = previous.map_or_else(Vec::new, |previous| previous.after.clone());
        let values = after.iter().map(|text| text as &(dyn ToSql + Sync));
        let answers = client.query_raw(&statement, values).await.map_err(failed)?;
        pin_mut!(answers);
        let (mut payloads, mut last) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(failed)?;
            let text = |at: usize| answer.try_get::<_, String>(at).map_err(failed);
            let key: Vec<String> = (1..=columns.len()).map(text).collect::<Result<_, _>>()?;
            let Some(row) = answer.try_get::<_, Option<String>>(0).map_err(failed)? else {
                let most = self.config.most_row_bytes;
                return Err(PollError::Permanent(format!(
                    "the row {} is larger than {most} bytes; select fewer columns",
                    key.join(", ")
                )));
            };
            payloads.push(Payload { topic: key.join(", "), bytes: row.into() });
            last = Some(key);
        }
        let Some(after) = last else { return Ok(None) };
        let cursor = serde_json::to_value(Cursor { columns, after })
            .map_err(|error| PollError::Permanent(error.to_string()))?;
        Ok(Some(Page { payloads, cursor }))
    }

    fn columns(&self) -> Vec<String> {
        [&self.config.cursor].into_iter().chain(&self.config.key).cloned().collect()
    }

    fn statement(
        &self,
        select: &str,
        names: &[String],
        types: &[String],
        previous: Option<&Cursor>,
    ) -> String {
        let qualified: Vec<String> = names.iter().map(|name| format!("t.{name}")).collect();
        let texts: Vec<String> = qualified.iter().map(|name| format!("{name}::text")).collect();
        let mut conditions: Vec<String> =
            qualified.iter().map(|name| format!("{name} IS NOT NULL")).collect();
        if previous.is_some() {
            let places = types.iter().enumerate().map(|(at, kind)| format!("${}::text::{kind}", at + 1));
            let places: Vec<String> = places.collect();
            conditions.push(format!("({}) > ({})", qualified.join(", "), places.join(", ")));
        }
        if !self.config.settle.is_zero() {
            let seconds = self.config.settle.as_secs();
            let cursor = qualified.first().map_or("", String::as_str);
            conditions.push(format!("{cursor} <= now() - make_interval(secs => {seconds})"));
        }
        format!(
            "SELECT CASE WHEN octet_length(row.told) <= {most} THEN row.told END, {texts} \
             FROM ({select}) AS t, LATERAL (SELECT row_to_json(t)::text AS told) AS row \
             WHERE {conditions} ORDER BY {order} LIMIT {rows}",
            most = self.config.most_row_bytes,
            texts = texts.join(", "),
            conditions = conditions.join(" AND "),
            order = qualified.join(", "),
            rows = self.config.most_rows,
        )
    }
}

#[async_trait]
impl Connector for Postgres {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let previous = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok());
        let previous = previous.filter(|previous| {
            previous.columns == self.columns() && previous.after.len() == previous.columns.len()
        });
        let told = tokio::time::timeout(self.config.timeout, self.ask(previous.as_ref())).await;
        let told = told.map_err(|_| PollError::transient("the database does not answer in time"))??;
        let Some(Page { payloads, cursor }) = told else { return Ok(PollOutcome::Unchanged) };
        let rows = sandboxed::messages(&self.reader, &MessageOptions::default(), payloads).await;
        // Until the next asking it has nothing to read.
        self.reader.rest();
        Ok(PollOutcome::Rows { rows: rows?, cursor })
    }
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What the database said. Who may not come in and what is wrong with the statement do not pass by themselves.
fn told(error: &Error) -> PollError {
    let Some(said) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
        return PollError::transient(format!("the database: {error}{cause}"));
    };
    let code = said.code().code();
    let why = format!("the database says {code}: {}", said.message());
    // Who is not let in, what is not there, what is written wrongly.
    let lasting = ["28", "3D", "42", "22"].iter().any(|class| code.starts_with(class));
    if lasting { PollError::Permanent(why) } else { PollError::transient(why) }
}
