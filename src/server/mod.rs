//! HTTP and websocket doors.

pub mod stream;
