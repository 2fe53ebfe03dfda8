//! Bytes of a file become Arrow batches: one file per format.
