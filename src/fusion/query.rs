//! One query: its header, its statement, what it reads.

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;

use super::header::{self, ColumnShow, DataTest, Header, Kind, RefreshRule, Text};
use super::locate;
use crate::model::{Problem, QueryName, Resolution};

/// A query that parses; whether it plans is another matter.
#[derive(Debug, Clone)]
pub struct Query {
    /// The file's stem.
    pub name: QueryName,
    /// The file, as people know it.
    pub file: String,
    /// The file's text.
    pub sql: String,
    /// Feeds and reference tables that it reads, as `schema.table`.
    pub feeds: BTreeSet<String>,
    /// Queries that it reads.
    pub queries: BTreeSet<String>,
    header: Header,
    pub(super) statement: Statement,
}

impl Query {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with its header and its syntax.
    pub fn parse(file: &str, sql: &str) -> Result<Self, Vec<Problem>> {
        let stem = file.rsplit(['/', '\\']).next().and_then(|base| base.strip_suffix(".sql")).unwrap_or(file);
        let name: QueryName = stem.parse().map_err(|error: crate::model::InvalidName| {
            vec![Problem::of_file(file, "CL002", error.to_string())]
        })?;
        let header = header::parse(file, &name, sql);
        let statement = statement(file, sql);
        let (header, statement) = match (header, statement) {
            (Ok(header), Ok(statement)) => (header, statement),
            (header, statement) => {
                return Err([header.err(), statement.err()].into_iter().flatten().collect());
            }
        };
        let (tables, _) = resolve_table_references(&statement, true)
            .map_err(|error| vec![Problem::of_file(file, "CL010", error.strip_backtrace())])?;
        let mut query = Self {
            name,
            file: file.to_owned(),
            sql: sql.to_owned(),
            feeds: BTreeSet::new(),
            queries: BTreeSet::new(),
            header,
            statement,
        };
        for table in tables {
            match table {
                TableReference::Bare { table } => query.queries.insert(table.to_string()),
                TableReference::Partial { schema, table } => query.feeds.insert(format!("{schema}.{table}")),
                TableReference::Full { .. } => {
                    let message = format!("`{table}` has three parts; a feed is `<department>.<feed>`");
                    return Err(vec![Problem::of_file(file, "CL011", message)]);
                }
            };
        }
        Ok(query)
    }

    /// What the query is for.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// What it is called.
    pub fn title(&self) -> &Text {
        &self.header.title
    }

    /// The key column.
    pub fn key(&self) -> Option<&str> {
        self.header.key.as_deref()
    }

    /// The resolution of a layer's cells.
    pub fn resolution(&self) -> Option<Resolution> {
        self.header.resolution
    }

    /// When it is refreshed.
    pub fn refresh(&self) -> RefreshRule {
        self.header.refresh
    }

    pub(super) fn wants_live(&self) -> bool {
        self.header.refresh == RefreshRule::Live
    }

    /// The columns that the wall shows, the first one first.
    pub fn columns(&self) -> &[(String, ColumnShow)] {
        &self.header.columns
    }

    /// A KPI's unit and number format.
    pub fn unit_and_format(&self) -> (&str, &str) {
        (&self.header.unit, &self.header.format)
    }

    /// What it says about itself.
    pub fn doc(&self) -> &str {
        &self.header.doc
    }

    pub(super) fn tests(&self) -> &[DataTest] {
        &self.header.tests
    }

    /// Whether time alone changes the result.
    pub fn depends_on_now(&self) -> bool {
        let text = self.sql.to_ascii_lowercase();
        text.contains("now()") || text.contains("current_timestamp") || text.contains("current_date")
    }
}

fn statement(file: &str, sql: &str) -> Result<Statement, Problem> {
    let parsed = DFParserBuilder::new(sql)
        .with_recursion_limit(100)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| locate::of_error(file, sql, &error, "CL010"))?;
    let first = statements.pop_front();
    match first {
        Some(statement @ Statement::Statement(_)) if statements.is_empty() && is_select(&statement) => {
            Ok(statement)
        }
        _ => Err(Problem::of_file(file, "CL012", "a query file holds exactly one SELECT")),
    }
}

fn is_select(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(inner) if matches!(**inner, datafusion::sql::sqlparser::ast::Statement::Query(_)))
}
