//! The rows of a JSON answer, and the answers that are none although their status says 200. Pure.

use serde_json::Value;

use super::json::{NoValue, value_of};
use super::{Row, Trouble};

/// Rows of one answer at most: each is remembered until the next.
const MOST_ROWS: usize = 10_000;
/// What is shown of a wrong answer, in characters.
const SHOWN: usize = 200;

/// Where the rows are: JSON Pointers (RFC 6901).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowPlace {
    /// To the list of rows; empty where the answer is the list.
    pub rows: String,
    /// From an element of the list to the row; empty where the element is the row.
    pub row: String,
    /// To what is there only in an answer that tells of an error.
    pub error: Option<String>,
}

/// The rows of an answer.
pub(super) fn rows_of(body: &[u8], place: &RowPlace) -> Result<Vec<Row>, Trouble> {
    if body.trim_ascii().is_empty() {
        return Err(Trouble::passing("the answer is empty"));
    }
    let answer = match value_of(body) {
        Ok(answer) => answer,
        Err(much @ NoValue::TooMuch) => return Err(Trouble::Lasting(format!("the answer: {much}"))),
        Err(broken) => return Err(Trouble::passing(format!("the answer is {broken}: {}", shown(body)))),
    };
    let told = place.error.as_deref().and_then(|error| answer.pointer(error));
    if let Some(error) = told.filter(|error| !error.is_null()) {
        return Err(Trouble::passing(format!(
            "the answer tells of an error: {}",
            shown(error.to_string().as_bytes())
        )));
    }
    let Some(Value::Array(list)) = answer.pointer(&place.rows) else {
        let why = format!("the answer has no list at `{}`: {}", place.rows, shown(body));
        return Err(Trouble::passing(why));
    };
    if list.len() > MOST_ROWS {
        let why = format!(
            "the answer has {} rows, and at most {MOST_ROWS} are taken; ask for less at a time",
            list.len()
        );
        return Err(Trouble::Lasting(why));
    }
    let row = |(at, element): (usize, &Value)| match element.pointer(&place.row) {
        Some(Value::Object(row)) => Ok(row.clone()),
        _ => Err(Trouble::Lasting(format!("element {at} of the list has no object at `{}`", place.row))),
    };
    list.iter().enumerate().map(row).collect()
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> RowPlace {
        RowPlace { rows: "/features".into(), row: "/attributes".into(), error: Some("/error".into()) }
    }

    fn why(body: &str) -> String {
        rows_of(body.as_bytes(), &place()).unwrap_err().to_string()
    }

    #[test]
    fn rows_are_found_by_their_pointers() {
        let body = br#"{"features":[{"attributes":{"UID":1}},{"attributes":{"UID":2}}],"error":null}"#;
        let rows = rows_of(body, &place()).unwrap();
        assert_eq!(rows.iter().map(|row| row["UID"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(rows_of(br#"[{"a":1}]"#, &RowPlace::default()).unwrap().len(), 1);
        assert_eq!(rows_of(br#"{"features":[]}"#, &place()).unwrap(), Vec::<Row>::new());
    }

    #[test]
    fn an_answer_that_is_no_answer_is_an_error_and_not_an_empty_list() {
        assert_eq!(why(""), "the answer is empty");
        assert_eq!(why(" \n"), "the answer is empty");
        assert!(why(r#"{"error":{"code":500,"message":"busy"}}"#).contains("busy"));
        assert!(why("<html>Service unavailable</html>").contains("no JSON"));
        assert!(why(r#"{"status":"ok"}"#).contains("no list at `/features`"));
        assert!(why(r#"{"features":[{"geometry":null}]}"#).contains("element 0"));
        let many = format!("{{\"features\":[{}0]}}", "0,".repeat(MOST_ROWS));
        assert!(why(&many).contains("10001 rows"));
        assert!(why(&format!("{}1{}", "[".repeat(200), "]".repeat(200))).contains("no JSON"));
    }
}
