//! The map layer: its state by cell, its snapshots, its deltas and their wire bytes.
