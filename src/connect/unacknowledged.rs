//! What a source told that does not tell twice, kept until it has landed. Pure.
//!
//! A cursor that comes back is one whose rows are in a commit. Only then may a message be acknowledged, and only then
//! is the next one asked for.

use serde_json::Value;

use super::{PollOutcome, Rows};

/// Rows that were given and what is owed to the source for them.
#[derive(Debug)]
pub(super) struct Unacknowledged<A> {
    delivery: Option<Delivery<A>>,
}

#[derive(Debug)]
struct Delivery<A> {
    rows: Rows,
    cursor: Value,
    owed: A,
}

/// What became of the rows that were given last.
#[derive(Debug)]
pub(super) enum Acknowledgement<A> {
    /// There were none.
    Nothing,
    /// They have landed: this is owed now.
    Landed(A),
    /// They have not, and are given again.
    Redelivered(PollOutcome),
}

impl<A> Default for Unacknowledged<A> {
    fn default() -> Self {
        Self { delivery: None }
    }
}

impl<A> Unacknowledged<A> {
    /// Holds what was given against the cursor that came back.
    pub(super) fn acknowledge(&mut self, cursor: Option<&Value>) -> Acknowledgement<A> {
        match self.delivery.take() {
            None => Acknowledgement::Nothing,
            Some(given) if cursor == Some(&given.cursor) => Acknowledgement::Landed(given.owed),
            Some(given) => {
                let again = PollOutcome::Rows { rows: given.rows.clone(), cursor: given.cursor.clone() };
                self.delivery = Some(given);
                Acknowledgement::Redelivered(again)
            }
        }
    }

    /// Gives rows, and keeps them.
    pub(super) fn deliver(&mut self, rows: Rows, cursor: Value, owed: A) -> PollOutcome {
        let polled = PollOutcome::Rows { rows: rows.clone(), cursor: cursor.clone() };
        self.delivery = Some(Delivery { rows, cursor, owed });
        polled
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_given_until_their_cursor_comes_back() {
        let mut waiting = Unacknowledged::default();
        assert!(matches!(waiting.acknowledge(None), Acknowledgement::Nothing));
        let given = waiting.deliver(Rows::none(), json!(1), "acknowledgement");
        for cursor in [None, Some(json!(0))] {
            let Acknowledgement::Redelivered(again) = waiting.acknowledge(cursor.as_ref()) else {
                panic!("not given again")
            };
            assert_eq!(again, given);
        }
        assert!(matches!(waiting.acknowledge(Some(&json!(1))), Acknowledgement::Landed("acknowledgement")));
        assert!(matches!(waiting.acknowledge(Some(&json!(1))), Acknowledgement::Nothing));
    }
}
