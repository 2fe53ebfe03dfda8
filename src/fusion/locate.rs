//! Where an error of the planner stands in the analyst's file, and what it says without the engine's jargon.

use std::sync::LazyLock;

use datafusion::common::DataFusionError;
use regex::Regex;

use crate::model::Problem;

/// One problem for the (outermost) error.
pub(super) fn of_error(file: &str, sql: &str, error: &DataFusionError, code: &'static str) -> Problem {
    all_of_error(file, sql, error, code)
        .into_iter()
        .next()
        .unwrap_or_else(|| Problem::of_file(file, code, error.strip_backtrace()))
}

/// Every problem that an error tells of: the planner collects several wrong columns into one.
pub(super) fn all_of_error(
    file: &str,
    sql: &str,
    error: &DataFusionError,
    code: &'static str,
) -> Vec<Problem> {
    error.iter().map(|error| single(file, sql, error, code)).collect()
}

fn single(file: &str, sql: &str, error: &DataFusionError, code: &'static str) -> Problem {
    let text = clean(&error.strip_backtrace());
    if let Some(diagnostic) = error.diagnostic() {
        let (line, column) = diagnostic
            .span
            .map(|span| (span.start.line, span.start.column))
            .filter(|(line, _)| *line > 0)
            .or_else(|| search(sql, &text))
            .unwrap_or((0, 0));
        let notes = diagnostic.notes.iter().map(|note| clean(&note.message));
        let helps = diagnostic.helps.iter().map(|help| clean(&help.message));
        let help = help(&notes.chain(helps).collect::<Vec<_>>());
        return Problem {
            file: file.to_owned(),
            line,
            column,
            code,
            message: plain(&clean(&diagnostic.message)),
            help,
        };
    }
    let (line, column) =
        parser_position(&text).or_else(|| search(sql, &text)).unwrap_or_else(|| end_of(sql, &text));
    Problem { file: file.to_owned(), line, column, code, message: plain(&text), help: None }
}

/// The engine's commonest sentences in the words of the other checks.
fn plain(message: &str) -> String {
    let quoted = |before: &str, after: &str| message.strip_prefix(before)?.strip_suffix(after);
    if let Some(name) = quoted("column '", "' not found") {
        return format!("there is no column `{name}`");
    }
    if let Some(name) = quoted("table '", "' not found") {
        return format!("there is no feed or query `{name}`");
    }
    if let Some(name) = quoted("Invalid function '", "'") {
        return format!("there is no function `{name}`");
    }
    message.replace("found: EOF", "found: the end of the file")
}

/// Names that were probably meant, as one question; other notes as they are.
fn help(notes: &[String]) -> Option<String> {
    let name = |note: &str| {
        let name =
            note.strip_prefix("possible column ").or_else(|| note.strip_prefix("Possible function "))?;
        Some(format!("`{}`", name.trim_matches('\'')))
    };
    let meant: Vec<String> = notes.iter().filter_map(|note| name(note)).collect();
    let mut said: Vec<String> = notes.iter().filter(|note| name(note).is_none()).cloned().collect();
    if !meant.is_empty() {
        said.insert(0, format!("did you mean {}?", meant.join(" or ")));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// sqlparser writes its place into its text.
fn parser_position(text: &str) -> Option<(u64, u64)> {
    static PLACE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"at Line: (\d+), Column: (\d+)").ok());
    let found = PLACE.as_ref()?.captures(text)?;
    Some((found.get(1)?.as_str().parse().ok()?, found.get(2)?.as_str().parse().ok()?))
}

/// The place of the quoted word of the message, where it stands in the statement exactly once or first.
fn search(sql: &str, text: &str) -> Option<(u64, u64)> {
    static WORD: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"['`]([A-Za-z_][A-Za-z0-9_]*)['`(]").ok());
    let words = WORD
        .as_ref()?
        .captures_iter(text)
        .filter_map(|found| Some(found.get(1)?.as_str().to_ascii_lowercase()));
    words.into_iter().find_map(|found| word(sql, &found))
}

/// Where a word first stands outside comments.
pub(super) fn word(sql: &str, word: &str) -> Option<(u64, u64)> {
    let word = word.to_ascii_lowercase();
    let lines = sql.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("--"));
    lines.into_iter().find_map(|(number, line)| {
        let at = line.to_ascii_lowercase().find(&word)?;
        Some((number as u64 + 1, line.get(..at)?.chars().count() as u64 + 1))
    })
}

/// Where a message speaks of the end, the last line.
fn end_of(sql: &str, text: &str) -> (u64, u64) {
    if text.contains("EOF") {
        let last = sql.lines().count().max(1);
        let width = sql.lines().last().map_or(0, |line| line.chars().count());
        return (last as u64, width as u64 + 1);
    }
    (0, 0)
}

fn clean(text: &str) -> String {
    // Which rule of the optimiser met the mistake is nobody's business.
    let text = if text.starts_with("Optimizer rule") {
        text.rsplit("caused by\n").next().unwrap_or(text)
    } else {
        text
    };
    let mut text = text.replace("datafusion.public.", "").replace("datafusion.", "");
    for prefix in [
        "Error during planning: ",
        "SQL error: ",
        "ParserError(\"",
        "Schema error: ",
        "type_coercion\ncaused by\n",
        "Arrow error: ",
        "Parser error: ",
    ] {
        text = text.replace(prefix, "");
    }
    text.trim_end_matches("\")").trim().replace('\n', " ")
}
