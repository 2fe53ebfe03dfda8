//! Composition root: who is plugged into whom.
