//! What a source told that does not tell twice, kept until it has landed. Pure.
//!
//! A cursor that comes back is one whose rows are in a commit. Only then may a message be acknowledged, and only then
//! is the next one asked for.

use serde_json::Value;

use super::{Polled, Rows};

/// Rows that were given and what is owed to the source for them.
#[derive(Debug)]
pub(super) struct Held<A> {
    given: Option<Given<A>>,
}

#[derive(Debug)]
struct Given<A> {
    rows: Rows,
    cursor: Value,
    owed: A,
}

/// What became of the rows that were given last.
#[derive(Debug)]
pub(super) enum Settled<A> {
    /// There were none.
    Nothing,
    /// They have landed: this is owed now.
    Landed(A),
    /// They have not, and are given again.
    Again(Polled),
}

impl<A> Default for Held<A> {
    fn default() -> Self {
        Self { given: None }
    }
}

impl<A> Held<A> {
    /// Holds what was given against the cursor that came back.
    pub(super) fn settle(&mut self, cursor: Option<&Value>) -> Settled<A> {
        match self.given.take() {
            None => Settled::Nothing,
            Some(given) if cursor == Some(&given.cursor) => Settled::Landed(given.owed),
            Some(given) => {
                let again = Polled::Rows { rows: given.rows.clone(), cursor: given.cursor.clone() };
                self.given = Some(given);
                Settled::Again(again)
            }
        }
    }

    /// Gives rows, and keeps them.
    pub(super) fn give(&mut self, rows: Rows, cursor: Value, owed: A) -> Polled {
        let polled = Polled::Rows { rows: rows.clone(), cursor: cursor.clone() };
        self.given = Some(Given { rows, cursor, owed });
        polled
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_given_until_their_cursor_comes_back() {
        let mut held = Held::default();
        assert!(matches!(held.settle(None), Settled::Nothing));
        let given = held.give(Rows::none(), json!(1), "acknowledgement");
        for cursor in [None, Some(json!(0))] {
            let Settled::Again(again) = held.settle(cursor.as_ref()) else { panic!("not given again") };
            assert_eq!(again, given);
        }
        assert!(matches!(held.settle(Some(&json!(1))), Settled::Landed("acknowledgement")));
        assert!(matches!(held.settle(Some(&json!(1))), Settled::Nothing));
    }
}
