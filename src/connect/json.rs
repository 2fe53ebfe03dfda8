//! JSON from outside as values, where it holds no more of them than memory has room for. Pure.
//!
//! A value takes up to a hundred times the bytes of its text, `{"":0}` for one: the bound on bytes is none on memory.

use serde_json::Value;

/// Elements and members that a text may have.
const MOST_VALUES: usize = 1_000_000;

/// Why a text is no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoValue {
    /// It is none.
    #[error("no JSON ({0})")]
    Broken(#[from] serde_json::Error),
    /// It is too much of it.
    #[error("it has more than {MOST_VALUES} values; ask for less at a time")]
    TooMuch,
}

/// The value of a text.
pub(super) fn value_of(text: &[u8]) -> Result<Value, NoValue> {
    // Marks inside of texts count, too: who sends that many has less room for values.
    let marks = text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{'));
    if marks.take(MOST_VALUES + 1).count() > MOST_VALUES {
        return Err(NoValue::TooMuch);
    }
    Ok(serde_json::from_slice(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_too_many_values_is_not_read() {
        for element in ["0", "{}", "[]", "{\"\":0}"] {
            let many = format!("[{}{element}]", format!("{element},").repeat(MOST_VALUES));
            assert!(matches!(value_of(many.as_bytes()), Err(NoValue::TooMuch)), "{element}");
        }
        let most = format!("[{}0]", "0,".repeat(MOST_VALUES - 1));
        assert_eq!(value_of(most.as_bytes()).unwrap().as_array().unwrap().len(), MOST_VALUES);
        assert!(matches!(value_of(b"{"), Err(NoValue::Broken(_))));
    }
}
