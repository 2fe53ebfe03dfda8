//! The closed loop's decisions: commands in, events or refusals out. Pure.
