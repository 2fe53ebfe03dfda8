//! The rows of a JSON answer, and the answers that are none although their status says 200. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named_batch::NamedBatch;
use super::{Bound, Error};

const FORMAT: &str = "JSON";
/// Rows of one answer at most: each is remembered until the next.
const MOST_ROWS: u64 = 10_000;
/// What is shown of a wrong answer, in characters.
const SHOWN: usize = 200;

/// Where the rows are: JSON Pointers (RFC 6901).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPlace {
    /// To the list of rows; empty where the answer is the list.
    pub rows: String,
    /// From an element of the list to the row; empty where the element is the row.
    pub row: String,
    /// To what is there only in an answer that tells of an error.
    pub error: Option<String>,
}

/// Reads the rows of an answer. An element of the list without a row is unreadable, unless no element has one.
pub(super) fn read(body: &[u8], place: &RowPlace, rows: &mut NamedBatch<'_, '_>) -> Result<(), Error> {
    let refused = |why: String| Error::Unreadable { format: FORMAT, why };
    if body.trim_ascii().is_empty() {
        return Err(Error::Empty);
    }
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| refused(format!("{error}: {}", shown(body))))?;
    let told = place.error.as_deref().and_then(|error| answer.pointer(error));
    if let Some(error) = told.filter(|error| !error.is_null()) {
        return Err(refused(format!("it tells of an error: {}", shown(error.to_string().as_bytes()))));
    }
    let Some(Value::Array(list)) = answer.pointer(&place.rows) else {
        return Err(refused(format!("it has no list at `{}`: {}", place.rows, shown(body))));
    };
    if list.len() as u64 > MOST_ROWS {
        return Err(Error::Beyond { bound: Bound::Rows, most: MOST_ROWS });
    }
    let without = format!("the element has no object at `{}`", place.row);
    let is_row = |element: &Value| element.pointer(&place.row).is_some_and(Value::is_object);
    if !list.is_empty() && !list.iter().any(is_row) {
        return Err(refused(format!("no element of its list has an object at `{}`", place.row)));
    }
    list.iter().try_for_each(|element| match element.pointer(&place.row) {
        Some(Value::Object(row)) => rows.row(row),
        _ => rows.unreadable(element.to_string().as_bytes(), &without),
    })
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Document, Limits, Names, Payload, Rows, read_document};

    fn read(body: &str, place: &RowPlace) -> Result<Rows, Error> {
        let (names, mut parts) = (["UID", "a"].into_iter().collect::<Names>(), Vec::new());
        let document = Document::Answer(place.clone());
        let mut sink = |rows| {
            parts.push(rows);
            Ok(())
        };
        read_document(&document, &[Payload::whole(body.to_owned())], &names, &Limits::default(), &mut sink)?;
        Ok(Rows::joined(parts).unwrap())
    }

    fn place() -> RowPlace {
        RowPlace { rows: "/features".into(), row: "/attributes".into(), error: Some("/error".into()) }
    }

    fn why(body: &str) -> String {
        read(body, &place()).unwrap_err().to_string()
    }

    #[test]
    fn rows_are_found_by_their_pointers() {
        let body = r#"{"features":[{"attributes":{"UID":1}},{"attributes":{"UID":2,"b":3}}],"error":null}"#;
        let rows = read(body, &place()).unwrap();
        assert_eq!(rows.texts("UID").collect::<Vec<_>>(), [Some("1"), Some("2")]);
        assert_eq!(rows.batch.num_columns(), 1, "what nobody wants is left out");
        assert_eq!(read(r#"[{"a":1}]"#, &RowPlace::default()).unwrap().len(), 1);
        assert_eq!(read(r#"{"features":[]}"#, &place()).unwrap(), Rows::none());
    }

    #[test]
    fn an_element_that_is_no_row_holds_up_nothing() {
        let body = r#"{"features":[{"attributes":{"UID":1}},{"attributes":7},{"attributes":{"UID":2}}]}"#;
        let rows = read(body, &place()).unwrap();
        assert_eq!(rows.numbers, [1, 3]);
        let line = &rows.unreadable[0];
        assert_eq!((line.number, line.text.as_str()), (2, r#"{"attributes":7}"#));
        assert!(line.why.contains("`/attributes`"), "{}", line.why);
    }

    #[test]
    fn an_answer_that_is_no_answer_is_an_error_and_not_an_empty_list() {
        assert_eq!(read("", &place()), Err(Error::Empty));
        assert_eq!(read(" \n", &place()), Err(Error::Empty));
        assert!(why(r#"{"error":{"code":500,"message":"busy"}}"#).contains("busy"));
        assert!(why("<html>Service unavailable</html>").contains("<html>Service"));
        assert!(why(r#"{"status":"ok"}"#).contains("no list at `/features`"));
        assert!(why(r#"{"features":[{"geometry":null}]}"#).contains("no element of its list"));
        let many = format!("{{\"features\":[{}0]}}", "0,".repeat(10_000));
        assert_eq!(read(&many, &place()), Err(Error::Beyond { bound: Bound::Rows, most: 10_000 }));
        assert!(why(&format!("{}1{}", "[".repeat(200), "]".repeat(200))).contains("recursion limit"));
    }
}
