//! The append-only, hash-chained log of alerts and orders, and the desk that folds it.
