//! Fan-out inside the process: channels with epoch and sequence.
